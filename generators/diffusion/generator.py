"""The generator ``diffusion``: molecules in space, drawn whole by a flow over types, bonds and coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from molaug.generators.diffusion.drawing import BLOCK, Drawing
from molaug.generators.diffusion.options import absolute, check_method, check_ranges, polish_columns
from molaug.generators.diffusion.reading import Polish, numbers_of, read
from molaug.generators.generator import Kind
from molaug.generators.parents import check_range
from molaug.structures import Structures
from molaug.structures.chemistry.polish import STEPS
from molaug.structures.hashing import derived_seed


@dataclass(frozen=True, kw_only=True)
class DiffusionGenerator:
    """Proposes molecules with their geometry that a network draws: atoms, bonds and coordinates together.

    It needs no parents: its rows are one stream, row k being the k-th molecule of the network. Molecules may repeat,
    and may be in any database: the redundancy filter tells.

    What was drawn is never repaired. The geometry settles in a force field (``polish``), and a row is alive where it is
    then perceived as one neutral molecule without radicals, by which it is named; otherwise it is rejected, with the
    reason. With ``spread`` geometries off equilibrium are drawn: nothing is polished, the bonds of the network name the
    molecule, and a row is alive where they are valid and the geometry has kept them.

    Columns are added: ``raw_smiles`` (the bonds of the network: canonical without stereo where they are valid,
    otherwise every atom as drawn), ``raw_valid`` (whether they are valid), ``strict`` (whether the geometry as drawn is
    perceived as one valid molecule), ``polished_by`` (``mmff94``, ``uff`` where MMFF94 lacks parameters, ``gfn2-xtb``,
    or null), ``polish_rmsd`` (Å by which atoms moved, after the best superposition) and ``polish_energy_drop`` (eV).

    Parameters
    ----------
    checkpoint
        A shipped checkpoint, or a folder that ``molaug fit diffusion`` wrote; its path becomes absolute.
    steps
        Calls of the network for each molecule, at least 2; more are better and cost more.
    temperature
        Of types and bonds: below 1 the network's favourites are drawn more often, above 1 less.
    noise
        Share of the variance of the coordinates' noise that is drawn anew in each step: 0 follows the flow
        alone, 1 forgives errors of earlier steps.
    spread
        Disorder in Å that is left in each coordinate: 0 for the geometries of the data, more for geometries off
        equilibrium; these need ``polish: none``.
    n_atoms
        Heavy atoms: a number, or a least and a greatest one; as in the training data by default.
    fragment
        SMILES of a fragment that stands in every molecule; its attachment points (``*``), if it has any, are the only
        atoms that grow. A polish moves it with the rest.
    properties
        Values of the columns that the network was trained with, in their units.
    guidance_scale
        How strongly ``properties`` steer: 0 not at all, 1 as in the data, more beyond.
    polish
        What geometries settle in: ``"mmff94"``, ``"gfn2-xtb"``, or ``"none"`` to leave them as drawn. MMFF94 takes the
        bonds of the network where these are valid, otherwise those perceived.
    polish_steps
        Steps of that at most.
    raw
        Reject molecules whose geometry is not strictly valid as drawn, whatever a polish would make of it.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or off-equilibrium geometries are to be polished.

    References
    ----------
    Y. Lipman et al., arXiv:2210.02747 (flow matching); A. Campbell et al., arXiv:2402.04997 (discrete flows, joint
    with continuous ones); J. Ho and T. Salimans, arXiv:2207.12598 (classifier-free guidance).

    Examples
    --------
    >>> generator = DiffusionGenerator(fragment="c1ccncc1", steps=50)
    >>> rows = Structures.concat(generator.propose(Structures.empty(), 100, seed=0))  # doctest: +SKIP
    """

    name: ClassVar[str] = "diffusion"
    kind: ClassVar[Kind] = "molecules"
    needs_parents: ClassVar[bool] = False

    checkpoint: str = "diffusion-qm9"
    steps: int = 50
    temperature: float = 1.0
    noise: float = 1.0
    spread: float = 0.0
    n_atoms: int | tuple[int, int] | None = None
    fragment: str | None = None
    properties: dict[str, float] | None = None
    guidance_scale: float = 2.0
    polish: Polish = "mmff94"
    polish_steps: int = STEPS
    raw: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "checkpoint", absolute(self.checkpoint))
        check_ranges(vars(self))
        sizes = (self.n_atoms, self.n_atoms) if isinstance(self.n_atoms, int) else self.n_atoms or (1, 1)
        if len(sizes) != 2 or not 1 <= sizes[0] <= sizes[1]:
            raise ValueError(f"n_atoms is {self.n_atoms!r}; expected a number, or a least and a greatest one, from 1")

    def check(self) -> None:
        """Check that molecules can be drawn: packages, checkpoint, and what is asked of it. No network is loaded.

        Raises
        ------
        ImportError
            If a package is missing.
        FileNotFoundError
            If there is no such checkpoint.
        ValueError
            If the checkpoint cannot do what is asked for.
        """
        self._drawing.check()
        check_method(self.polish)

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield molecules, in batches of 64.

        Parameters
        ----------
        parents
            Not looked at.
        n
            Rows.
        seed
            The one seed of the run.
        start
            First row.

        Returns
        -------
        Iterator[Structures]
            ``n`` rows.

        Raises
        ------
        ImportError
            If a package is missing.
        FileNotFoundError
            If there is no such checkpoint.
        ValueError
            If the checkpoint cannot do what is asked for.
        """
        check_range(n, seed, start)
        self.check()
        return self._stream(seed, start, start + n)

    def _stream(self, seed: int, start: int, stop: int) -> Iterator[Structures]:
        drawing = self._drawing
        for first in range(start // BLOCK * BLOCK, stop, BLOCK):
            yield self._rows(drawing, seed, range(max(first, start), min(first + BLOCK, stop)))

    @property
    def _drawing(self) -> Drawing:
        options = {
            "num_inference_steps": self.steps,
            "temperature": self.temperature,
            "noise": self.noise,
            "spread": self.spread,
            "n_atoms": self.n_atoms,
            "fragment": self.fragment,
            "properties": self.properties,
            "guidance_scale": self.guidance_scale,
        }
        return Drawing(checkpoint=self.checkpoint, options=options)

    def _rows(self, drawing: Drawing, seed: int, rows: range) -> Structures:
        """Return some rows of one block."""
        block = drawing.block(seed, rows.start // BLOCK)
        drawn = [block[k % BLOCK] for k in rows]
        found = [
            read(mol, polish=self.polish, steps=self.polish_steps, raw=self.raw, displaced=self.spread > 0)
            for mol in drawn
        ]
        settled = [reading.settled for reading in found]
        return Structures.from_arrays(
            [numbers_of(mol) for mol in drawn],
            [s.positions if np.isfinite(s.positions).all() else None for s in settled],
            charge=0,  # what is alive has none
            smiles=[reading.smiles for reading in found],
            origin=self.name,
            seed=[derived_seed(seed, self.name, k) for k in rows],
            reason=[None if reading.reason is None else f"{self.name}: {reading.reason}" for reading in found],
            extra={
                "raw_smiles": pa.array([reading.raw_smiles for reading in found], pa.string()),
                "raw_valid": pa.array([reading.raw_valid for reading in found], pa.bool_()),
                "strict": pa.array([reading.strict for reading in found], pa.bool_()),
                **polish_columns(settled),
            },
        )

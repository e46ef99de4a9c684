"""The generator ``diffusion-conformers``: other geometries of given molecules, drawn by the 3D generator's network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from rdkit import Chem

from molaug.generators.diffusion.conformer_reading import read_conformer
from molaug.generators.diffusion.drawing import BLOCK, Drawing
from molaug.generators.diffusion.options import absolute, check_method, check_ranges, polish_columns
from molaug.generators.diffusion.reading import Polish, numbers_of
from molaug.generators.generator import Kind
from molaug.generators.parents import check_range, molecule, rejected
from molaug.structures import Structure, Structures
from molaug.structures.chemistry import canonical
from molaug.structures.chemistry.polish import STEPS
from molaug.structures.hashing import derived_seed


@dataclass(frozen=True, kw_only=True)
class DiffusionConformers:
    """Proposes geometries of every parent whose coordinates a network draws, atoms and bonds being given.

    The network is that of :class:`~molaug.generators.diffusion.DiffusionGenerator`: parents must be of its elements,
    formal charges and sizes. Its conformers are like the geometries that it learned from; nothing keeps two rows of a
    parent from being alike. It draws 64 conformers of a parent together, and takes as long for one.

    A row is rejected, with the reason, where its final geometry lacks the bonds or the stereo of the parent: all
    centres and double bonds that the parent's geometry shows, or that the SMILES of a bare graph marks. Of mirror
    images the one with that stereo is taken. Rows have the charge, multiplicity, SMILES and order of atoms of the
    parent. Parents that are themselves rejected are passed over.

    Columns are added: ``mirrored`` (whether the mirror image was drawn), ``raw_valid`` (whether the geometry as drawn
    has the bonds and the stereo), and ``polished_by``, ``polish_rmsd`` and ``polish_energy_drop`` as those of
    :class:`~molaug.generators.diffusion.DiffusionGenerator`.

    Parameters
    ----------
    checkpoint
        A shipped checkpoint, or a folder that ``molaug fit diffusion`` wrote; its path becomes absolute.
    steps
        Calls of the network for each conformer, at least 2; more are better and cost more.
    noise
        Share of the variance of the coordinates' noise that is drawn anew in each step: 0 follows the flow
        alone, 1 forgives errors of earlier steps.
    spread
        Disorder in Å that is left in each coordinate: more than 0 for geometries off equilibrium, which need
        ``polish: none``.
    polish
        What geometries settle in: ``"mmff94"``, ``"gfn2-xtb"``, or ``"none"`` to leave them as drawn.
    polish_steps
        Steps of that at most.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or off-equilibrium geometries are to be polished.

    References
    ----------
    Y. Lipman et al., arXiv:2210.02747 (flow matching).

    Examples
    --------
    >>> butane = Structures.from_rdkit(Chem.MolFromSmiles("CCCC"))
    >>> rows = Structures.concat(DiffusionConformers().propose(butane, 10, seed=0))  # doctest: +SKIP
    """

    name: ClassVar[str] = "diffusion-conformers"
    kind: ClassVar[Kind] = "geometries"
    needs_parents: ClassVar[bool] = True

    checkpoint: str = "diffusion-qm9"
    steps: int = 50
    noise: float = 1.0
    spread: float = 0.0
    polish: Polish = "mmff94"
    polish_steps: int = STEPS

    def __post_init__(self) -> None:
        object.__setattr__(self, "checkpoint", absolute(self.checkpoint))
        check_ranges(vars(self))

    def check(self) -> None:
        """Check that conformers can be drawn: packages and checkpoint. No network is loaded.

        Raises
        ------
        ImportError
            If a package is missing.
        FileNotFoundError
            If there is no such checkpoint.
        ValueError
            If it is of another kind.
        """
        self._drawing.check()
        check_method(self.polish)

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield conformers, in batches of at most 64.

        Parameters
        ----------
        parents
            Geometries or bare graphs.
        n
            Rows for each parent.
        seed
            The one seed of the run.
        start
            First row.

        Returns
        -------
        Iterator[Structures]
            ``n`` rows for each parent, or one that says why there are none.

        Raises
        ------
        ImportError
            If a package is missing.
        FileNotFoundError
            If there is no such checkpoint.
        ValueError
            If it is of another kind.
        """
        check_range(n, seed, start)
        self.check()
        return self._stream(parents, n, seed, start)

    def _stream(self, parents: Structures, n: int, seed: int, start: int) -> Iterator[Structures]:
        drawing, stop = self._drawing, start + n
        for parent in parents:
            if parent.reason is not None or n == 0:
                continue
            base = derived_seed(seed, self.name, parent.id)
            found = molecule(parent)
            graph = None if found.mol is None else canonical(found.mol, isomeric=False)
            reason = found.reason if graph is None else drawing.refusal(graph)
            if found.mol is None or graph is None or reason is not None:
                if start == 0:
                    yield rejected(parent, self.name, reason or "unreadable", base)
                continue
            for first in range(start // BLOCK * BLOCK, stop, BLOCK):
                rows = range(max(first, start), min(first + BLOCK, stop))
                block = drawing.block(base, first // BLOCK, graph)
                yield self._rows(parent, found.mol, base, rows, [block[k % BLOCK] for k in rows])

    @property
    def _drawing(self) -> Drawing:
        options = {"num_inference_steps": self.steps, "noise": self.noise, "spread": self.spread}
        return Drawing(checkpoint=self.checkpoint, options=options)

    def _rows(self, parent: Structure, mol: Chem.Mol, base: int, rows: range, drawn: list[Chem.Mol]) -> Structures:
        found = [
            read_conformer(
                conformer,
                mol,
                multiplicity=parent.multiplicity,
                polish=self.polish,
                steps=self.polish_steps,
                displaced=self.spread > 0,
            )
            for conformer in drawn
        ]
        settled = [reading.settled for reading in found]
        return Structures.from_arrays(
            [numbers_of(mol)] * len(found),
            [s.positions if np.isfinite(s.positions).all() else None for s in settled],
            charge=[parent.charge] * len(found),
            multiplicity=[parent.multiplicity] * len(found),
            smiles=[parent.smiles or canonical(mol)] * len(found),
            origin=self.name,
            parent=parent.id,
            seed=[base + k for k in rows],
            reason=[None if reading.reason is None else f"{self.name}: {reading.reason}" for reading in found],
            extra={
                "mirrored": pa.array([reading.mirrored for reading in found], pa.bool_()),
                "raw_valid": pa.array([reading.raw_valid for reading in found], pa.bool_()),
                **polish_columns(settled),
            },
        )

"""The generator ``graph``: molecules drawn by a discrete flow, made three-dimensional."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from molaug.generators.embedding import embed
from molaug.generators.ensemble import Ensemble
from molaug.generators.generator import Kind
from molaug.generators.graph.drawing import BLOCK, Drawing, DrawnGraph
from molaug.generators.graph.stereo import stereoisomers, with_hydrogens
from molaug.generators.parents import check_range
from molaug.structures import Structures
from molaug.structures.calculators.force_fields import ForceField
from molaug.structures.chemistry import as_drawn, flat_smiles, lay_graph
from molaug.structures.hashing import derived_seed, stream

#: Stereoisomers of one graph of which no geometry could be made, after which no further ones are tried.
PATIENCE = 6


@dataclass(frozen=True, kw_only=True)
class GraphGenerator:
    """Proposes molecules that a network draws as graphs, with a geometry: ETKDGv3, relaxed with MMFF94s.

    It needs no parents: its rows are one stream. Each graph takes ``isomers`` consecutive rows: row k is stereoisomer
    ``k % isomers`` of graph ``k // isomers``, in an order drawn for each graph. Stereoisomers of which no geometry can
    be made are passed over; where that is so of all, the embedding chooses one. Graphs may repeat, and may be in any
    database: the redundancy filter tells.

    A row is rejected, with the reason, where its graph has fewer stereoisomers; where none could be embedded, converged
    and kept its bonds and stereo; or, with ``raw``, where the network drew something invalid.

    Columns are added: ``raw_valid`` (whether the graph was valid as the network drew it), ``raw_smiles`` (what it drew
    where that was not valid), ``force_field`` and ``force_field_energy`` as those of
    :class:`~molaug.generators.Conformers`.

    Parameters
    ----------
    checkpoint
        A shipped checkpoint, or a folder that ``molaug fit graph`` wrote; its path becomes absolute.
    steps
        Calls of the network for each graph.
    temperature
        Below 1 the network's favourites are drawn more often, above 1 less.
    n_atoms
        Heavy atoms: a number, or a least and a greatest one; as in the training data by default.
    composition
        Heavy atoms of each element, exact or a least and a greatest number (None: no limit), elements that are not
        named being free; or a formula such as ``"C6NO2"``, which means exactly these.
    fragment
        SMILES of a fragment that stands in every molecule; its attachment points (``*``), if it has any, are the only
        atoms that grow.
    properties
        Values of the columns that the network was trained with, in their units.
    guidance_scale
        How strongly ``properties`` steer: 0 not at all, 1 as in the data, more beyond.
    isomers
        Stereoisomers of each graph.
    raw
        Reject graphs that are not valid as drawn; by default they are projected onto the valid graph next to them.
    geometry
        ``"embed"``, or None for bare graphs: they may have stereo that no geometry can have.
    optimize
        Force field that relaxes the geometries, ``"mmff94s"`` or ``"uff"``; None leaves them as they were embedded.
    max_iterations
        Steps of the relaxation at most.
    attempts
        Tries to embed a stereoisomer, from each of two kinds of starting coordinates.
    timeout
        Seconds after which the embedding of one is given up, from each kind.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    References
    ----------
    A. Campbell et al., arXiv:2402.04997 (discrete flow models); Y. Qin et al., arXiv:2410.04263 (DeFoG);
    S. Wang et al., J. Chem. Inf. Model. 60, 2044 (2020), doi:10.1021/acs.jcim.0c00025 (ETKDGv3).

    Examples
    --------
    >>> generator = GraphGenerator(composition="C4NO", isomers=2)
    >>> rows = Structures.concat(generator.propose(Structures.empty(), 100, seed=0))  # doctest: +SKIP
    """

    name: ClassVar[str] = "graph"
    kind: ClassVar[Kind] = "molecules"
    needs_parents: ClassVar[bool] = False

    checkpoint: str = "graph-qm9"
    steps: int = 50
    temperature: float = 1.0
    n_atoms: int | tuple[int, int] | None = None
    composition: dict[str, int | tuple[int | None, int | None]] | str | None = None
    fragment: str | None = None
    properties: dict[str, float] | None = None
    guidance_scale: float = 2.0
    isomers: int = 1
    raw: bool = False
    geometry: Literal["embed"] | None = "embed"
    optimize: ForceField | None = "mmff94s"
    max_iterations: int = 1000
    attempts: int = 30
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if Path(self.checkpoint).is_dir():  # workers may have another current folder
            object.__setattr__(self, "checkpoint", str(Path(self.checkpoint).resolve()))
        for name in ("steps", "isomers", "max_iterations", "attempts"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("temperature", "timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected more than 0")
        if not self.guidance_scale >= 0:
            raise ValueError(f"guidance_scale is {self.guidance_scale}; expected at least 0")
        if self.geometry not in ("embed", None):
            raise ValueError(f"geometry is {self.geometry!r}; expected 'embed' or None")
        if self.optimize is not None and self.optimize not in get_args(ForceField):
            raise ValueError(f"optimize is {self.optimize!r}; expected one of {get_args(ForceField)} or None")
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

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield molecules, a batch for every 64 graphs.

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
        size, drawing = BLOCK * self.isomers, self._drawing
        for first in range(start // size * size, stop, size):
            rows = range(max(first, start), min(first + size, stop))
            drawn = drawing.block(seed, first // size)
            made: list[_Row] = []
            for g in range(rows.start // self.isomers, (rows.stop - 1) // self.isomers + 1):
                wanted = range(max(rows.start - g * self.isomers, 0), min(rows.stop - g * self.isomers, self.isomers))
                made += self._isomers(drawn[g % BLOCK], g, seed, wanted)
            yield self._rows(made)

    @property
    def _drawing(self) -> Drawing:
        options = {
            "num_inference_steps": self.steps,
            "temperature": self.temperature,
            "n_atoms": self.n_atoms,
            "composition": self.composition,
            "fragment": self.fragment,
            "properties": self.properties,
            "guidance_scale": self.guidance_scale,
        }
        return Drawing(checkpoint=self.checkpoint, options=options)

    def _isomers(self, graph: DrawnGraph, g: int, seed: int, wanted: range) -> list[_Row]:
        """Make some of the stereoisomers of one graph; each depends on the graph and its own number alone."""
        base = derived_seed(seed, self.name, g)
        smiles = graph.smiles
        if smiles is None or (self.raw and graph.reason is not None):
            why = "not valid as drawn" if self.raw else "no valid graph near the one drawn"
            lost = _Row(graph=graph, numbers=_heavy_numbers(graph), seed=base, reason=f"{why}: {graph.reason}")
            return [lost] * len(wanted)
        found = stereoisomers(smiles, stream(seed, self.name, "stereo", g))
        made: list[_Row] = []
        failed: list[_Row] = []
        for number, isomer in enumerate(found):
            if len(made) == wanted.stop or len(failed) == PATIENCE:
                break
            row = self._row(graph, isomer, base + number)
            (made if row.reason is None else failed).append(row)
        if not made:  # let the embedding choose
            row = self._row(graph, smiles, base + len(found))
            (made if row.reason is None else failed).append(row)
        if made:
            what = f"{'stereoisomers' if len(made) > 1 else 'stereoisomer'}{' with a geometry' if failed else ''}"
            lost = _Row(
                graph=graph, numbers=_numbers(smiles), smiles=smiles, seed=base, reason=f"{len(made)} {what} only"
            )
        else:
            lost = failed[0]
        return [made[j] if j < len(made) else lost for j in wanted]

    def _row(self, graph: DrawnGraph, smiles: str, seed: int) -> _Row:
        """Make the geometry of a molecule; stereo that its SMILES leaves open falls as it may."""
        bare = _Row(graph=graph, numbers=_numbers(smiles), smiles=smiles, seed=seed)
        if self.geometry is None:
            return bare
        mol = with_hydrogens(smiles)
        missing = f"not embedded in {self.attempts} attempts or {self.timeout:g} s"
        ensemble = Ensemble(embed(mol, seed, 1, attempts=self.attempts, timeout=self.timeout), 1, missing)
        if self.optimize is not None and mol.GetNumAtoms() > 1:
            ensemble.relax(self.optimize, self.max_iterations)
        ensemble.check_graph(mol)
        x, (energy,), (reason,) = ensemble.positions(0), ensemble.energies, ensemble.reasons
        if x is not None and reason is None:
            flat = flat_smiles(smiles)
            shown = lay_graph(flat, bare.numbers, x)  # nitrogen in a cage has a configuration after all
            # the stereo of some cages cannot be named: RDKit reads another one from what it wrote
            named = shown.smiles is not None and lay_graph(shown.smiles, bare.numbers, x).reason is None
            bare, reason = replace(bare, smiles=shown.smiles if named else flat), shown.reason
        force_field = None if energy is None else ensemble.force_field
        return replace(bare, positions=x, force_field=force_field, energy=energy, reason=reason)

    def _rows(self, made: list[_Row]) -> Structures:
        return Structures.from_arrays(
            [row.numbers for row in made],
            [row.positions for row in made],
            charge=0,  # a valid graph has none
            multiplicity=1,
            smiles=[row.smiles for row in made],
            origin=self.name,
            seed=[row.seed for row in made],
            reason=[None if row.reason is None else f"{self.name}: {row.reason}" for row in made],
            extra={
                "raw_valid": pa.array([row.graph.reason is None for row in made], pa.bool_()),
                "raw_smiles": pa.array([row.graph.raw_smiles for row in made], pa.string()),
                "force_field": pa.array([row.force_field for row in made], pa.string()),
                "force_field_energy": pa.array([row.energy for row in made], pa.float64()),
            },
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    graph: DrawnGraph
    numbers: NDArray[np.uint8]
    seed: int
    smiles: str | None = None
    positions: NDArray[np.float64] | None = None
    force_field: str | None = None
    energy: float | None = None
    reason: str | None = None


def _numbers(smiles: str) -> NDArray[np.uint8]:
    return np.array([atom.GetAtomicNum() for atom in with_hydrogens(smiles).GetAtoms()], dtype=np.uint8)


def _heavy_numbers(graph: DrawnGraph) -> NDArray[np.uint8]:
    """Return the atoms of something that may be no molecule."""
    mol = as_drawn(graph.raw_smiles or "")
    return np.array([] if mol is None else [atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.uint8)

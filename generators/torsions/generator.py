"""Torsional scans: the molecules that are given, each rotatable bond turned in steps and all else relaxed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from molaug.generators.displaced import check_window, displaced
from molaug.generators.generator import Kind
from molaug.generators.sampling import sampled
from molaug.generators.start import Start, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.generators.torsions.model_hessian import ModelHessian
from molaug.generators.torsions.rotors import Rotor, rotatable, rotors_of
from molaug.generators.torsions.scan import Driver, Index, Point, counts, spread
from molaug.structures import Structure, Structures
from molaug.structures.calculators import Method

#: Molecules whose scans are kept in the process, so that parts of one stream do not scan anew.
_KEPT = 8


@dataclass(frozen=True, kw_only=True)
class Torsions:
    """Proposes torsional scans of every parent: rotatable bonds turned in steps, all else relaxed, barriers kept.

    The parent is relaxed. From this minimum each rotor is driven over a full turn, or as much of it as is not
    repeated by symmetry (120° for a methyl group), the dihedral angle held to rounding and all else relaxed. The
    points spread from neighbour to neighbour, both ways, the lower of two kept, as in TorsionDrive; so a profile does
    not jump where a front has slid into another valley.

    Which bonds: single, in no ring, further neighbours at both ends, neither end in line with them (nitriles,
    alkynes). Rotors that are alike by graph and geometry, as the two methyl groups of propane, are scanned once.
    Mirror images count as different, as they do for conformers: where the parent is its own mirror image, the angles
    to both sides of the minimum give two geometries of one energy.

    Row 0 is the relaxed parent, or what a way round has found at its angle that lies lower. The rows that follow take
    the rotors by turns and the angles of each in the order of van der Corput: opposite to the minimum, quarters,
    eighths; so the first rows cover all rotors coarsely. There are no more rows than points on the grids; a molecule
    without rotors gives one rejected row. A row is rejected where

    - it could not be relaxed;
    - it lost bonds or stereo (kept with ``bond_breaking``);
    - it lies above ``energy_window``.

    A scan is computed as a whole, whichever of its rows are asked for: that of one rotor costs two relaxations for each
    point (3 to 10 energies and forces each), that of a pair four, and some more where fronts meet. Fewer rows than
    rotors need fewer scans. The last scans are kept in the process.

    Columns: those of :func:`molaug.generators.displaced.displaced`, and

    - ``torsion``: the atoms of the dihedral angle, such as ``"0-1-2-3"``, and ``angle``: its value in degrees;
    - ``second_torsion``, ``second_angle``: likewise of the second rotor of a pair, or null;
    - ``stationary``: ``"minimum"`` or ``"maximum"`` where the energy is lower or higher than at all neighbours on the
      grid, or null;
    - ``barrier_height``: of a maximum, its energy in eV above the lowest point of its scan, or null.

    Parameters
    ----------
    calculator
        Where energies and forces come from, see :class:`molaug.structures.calculators.Method`.
    step
        Of the grid, in degrees, at most 120; the nearest that divides the period of the rotor is taken.
    relax
        Relax every point; without, the groups of the relaxed parent are turned rigidly.
    terminal
        Turn groups that carry nothing but hydrogen: methyl, hydroxyl, amino, thiol.
    conjugated
        Turn bonds between conjugated atoms: amides, esters, biaryls, dienes.
    pairs
        Scan the grids of neighbouring rotors, whose bonds share an atom, as well.
    fmax
        Largest force on an atom in eV/Å after relaxation, without what the held angles bear.
    steps
        Most steps of one relaxation.
    energy_window
        Highest energy in eV for each atom above the minimum of the parent; None for no limit.
    bond_breaking
        Keep points that have other bonds or another stereo.

    Raises
    ------
    ValueError
        If a parameter is out of its range or the calculator is unknown.

    References
    ----------
    Y. Qiu et al., J. Chem. Phys. 152, 244116 (2020), doi:10.1063/5.0009232 (TorsionDrive).

    Examples
    --------
    >>> from rdkit import Chem
    >>> ethane = Structures.from_rdkit(Chem.MolFromSmiles("CC"))
    >>> rows = Structures.concat(Torsions(calculator="mmff94s", step=30).propose(ethane, 10, seed=0))
    >>> rows.column("stationary")
    ['minimum', 'maximum', None, None]
    """

    name: ClassVar[str] = "torsions"
    kind: ClassVar[Kind] = "geometries"
    needs_parents: ClassVar[bool] = True

    calculator: Any = "gfn2-xtb"
    step: float = 15.0
    relax: bool = True
    terminal: bool = True
    conjugated: bool = True
    pairs: bool = False
    fmax: float = 0.02
    steps: int = 200
    energy_window: float | None = None
    bond_breaking: bool = False

    def __post_init__(self) -> None:
        Method.of(self.calculator)
        if not 1 <= self.step <= 120:
            raise ValueError(f"step is {self.step}; expected degrees between 1 and 120")
        for name in ("fmax", "steps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected more than 0")
        check_window(self.energy_window)

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield the points of torsional scans, a batch for each parent.

        Parameters
        ----------
        parents
            Geometries or bare graphs.
        n
            Rows at most for each parent.
        seed
            The one seed of the run; only the embedding of bare graphs looks at it.
        start
            First row.

        Returns
        -------
        Iterator of Structures
            The rows that there are, or one that says why there are none.
        """

        def rows(parent: Structure, base: int) -> Iterator[Structures]:
            scans = self._scans(parent, seed)
            wanted = scans.rows[start : start + n]
            if wanted:
                yield self._rows(scans, wanted, [base + start + k for k in range(len(wanted))])

        return sampled(self.name, rows, parents, n, seed, start)

    def _scans(self, parent: Structure, seed: int) -> _Scans:
        """Return what is known of a parent, from before where it is kept."""
        if not isinstance(self.calculator, (str, Mapping)):
            return self._begun(parent, seed)  # two calculators that look alike may differ within
        x = None if parent.positions is None else parent.positions.tobytes()
        key = (repr(astuple(self)), seed, parent.id, parent.smiles, x)
        if key not in _KEPT_SCANS:
            _KEPT_SCANS[key] = self._begun(parent, seed)
        _KEPT_SCANS.move_to_end(key)
        while len(_KEPT_SCANS) > _KEPT:
            _KEPT_SCANS.popitem(last=False)
        return _KEPT_SCANS[key]

    def _begun(self, parent: Structure, seed: int) -> _Scans:
        start = start_of(parent, seed)
        bonds = rotatable(start.mol, terminal=self.terminal, conjugated=self.conjugated)
        if not bonds:
            raise SamplingError("no rotatable bond")
        with Surface(Method.of(self.calculator), start.structure) as surface:
            minimum = self._driver(start, surface).minimum(start.positions)
        if minimum.reason is not None:
            raise SamplingError(f"its minimum: {minimum.reason}")
        rotors = rotors_of(start.mol, minimum.positions, bonds)
        if not rotors:
            raise SamplingError("no rotatable bond: all have atoms in line")
        units: list[tuple[Rotor, ...]] = [(rotor,) for rotor in rotors]
        if self.pairs:
            units += [pair for pair in combinations(rotors, 2) if set(pair[0].quad[1:3]) & set(pair[1].quad[1:3])]
        return _Scans(start=start, minimum=minimum, units=units, rows=_order(units, np.radians(self.step)))

    def _scan(self, scans: _Scans, unit: int) -> dict[Index, Point]:
        if unit not in scans.done:
            rotors, step = scans.units[unit], float(np.radians(self.step))
            # a calculator of its own: it may remember, and no scan shall depend on those before
            with Surface(Method.of(self.calculator), scans.start.structure) as surface:
                driver = self._driver(scans.start, surface)
                way = driver.relaxed if self.relax else driver.rigid
                scans.done[unit] = way(scans.minimum, rotors, step)
        return scans.done[unit]

    def _driver(self, start: Start, surface: Surface) -> Driver:
        return Driver(
            surface=surface,
            hessian=ModelHessian(start.mol),
            integrity=None if self.bond_breaking else start.integrity,
            fmax=self.fmax,
            steps=self.steps,
        )

    def _rows(self, scans: _Scans, wanted: Sequence[tuple[int, Index]], seeds: list[int]) -> Structures:
        points = [self._scan(scans, unit)[index] for unit, index in wanted]
        rotors = [scans.units[unit] for unit, _ in wanted]
        names = [["-".join(str(atom) for atom in rotor.quad) for rotor in some] for some in rotors]
        degrees = [[float(np.degrees(angle)) for angle in point.angles] for point in points]
        return displaced(
            scans.start,
            self.name,
            seeds,
            np.array([point.positions for point in points]),
            method=Method.of(self.calculator).level,
            energies=[point.energy - scans.minimum.energy for point in points],
            energy_window=self.energy_window,
            bond_breaking=self.bond_breaking,
            reasons=[point.reason for point in points],
            extra={
                "torsion": pa.array([some[0] for some in names], pa.string()),
                "angle": pa.array([some[0] for some in degrees], pa.float64()),
                "second_torsion": pa.array([some[1] if len(some) > 1 else None for some in names], pa.string()),
                "second_angle": pa.array([some[1] if len(some) > 1 else None for some in degrees], pa.float64()),
                "stationary": pa.array([point.stationary for point in points], pa.string()),
                "barrier_height": pa.array([point.barrier_height for point in points], pa.float64()),
            },
        )


@dataclass(frozen=True, kw_only=True)
class _Scans:
    """A parent, what is to be scanned of it, the order of its rows, and the scans that are done."""

    start: Start
    minimum: Point
    units: list[tuple[Rotor, ...]]
    rows: list[tuple[int, Index]]
    done: dict[int, dict[Index, Point]] = field(default_factory=dict)


_KEPT_SCANS: OrderedDict[Hashable, _Scans] = OrderedDict()


def _order(units: Sequence[Sequence[Rotor]], step: float) -> list[tuple[int, Index]]:
    """Return the rows: the minimum once, then the scans by turns."""
    ranked: list[tuple[int, int, Index]] = []
    for unit, rotors in enumerate(units):
        # where one angle of a pair is that of the minimum, the scan of the other rotor has it already
        places = [index for index in spread(counts(rotors, step)) if all(index)]
        ranked += [(rank, unit, index) for rank, index in enumerate(places)]
    return [(0, (0,)), *((unit, index) for _, unit, index in sorted(ranked))]

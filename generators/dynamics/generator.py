"""Dynamics as a generator: blocks of snapshots, one trajectory each, the farthest apart first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from ase.data import atomic_masses
from numpy.typing import NDArray

from molaug.generators.displaced import check_window, displaced
from molaug.generators.dynamics.distance import hydrogen_groups
from molaug.generators.dynamics.langevin import Langevin
from molaug.generators.dynamics.quench import descend
from molaug.generators.dynamics.thinning import farthest_first
from molaug.generators.dynamics.trajectory import skeleton_of, snapshots
from molaug.generators.generator import Kind
from molaug.generators.sampling import sampled
from molaug.generators.start import Minimum, Start, minimum_of, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structure, Structures
from molaug.structures.calculators import Method
from molaug.structures.hashing import stream
from molaug.structures.superposition import superposed


@dataclass(frozen=True, kw_only=True)
class _Molecule:
    """A parent in its minimum, and the seed of the run."""

    start: Start
    minimum: Minimum
    seed: int


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """Proposes snapshots of Langevin dynamics, thinned out to those farthest apart, as SPICE was made.

    A parent is relaxed once. Its rows come in blocks of ``keep`` rows; each block is a trajectory of its own, from
    the minimum, with its own random stream and, in turn, one of the temperatures:

    1. Momenta are drawn, without momentum or angular momentum of the whole, and the molecule is equilibrated.
    2. The pilot measures the integrated autocorrelation time τ of the potential energy and of the distances between
       heavy atoms (all atoms where there are less than four heavy ones); the longer counts.
    3. ``pool`` snapshots are taken, 2τ apart within the bounds, from the pilot on.
    4. ``keep`` of those that are still the molecule are emitted, farthest first: each is the farthest in RMSD from the
       minimum and all rows of the block before it, over all atoms, equal hydrogens on one atom exchanged. So every
       beginning of a block is spread widely; but it is no Boltzmann sample. With ``keep`` equal to ``pool`` nothing is
       thinned out: rows are then the Boltzmann sample, in the order of time.

    Where less than ``keep`` snapshots are good, the block ends with rejected rows: snapshots with other bonds,
    another stereo or too high an energy, and, if the trajectory ended early (the calculator failed, the temperature
    ran away, three snapshots in a row were another molecule), rows without geometry that say so. Snapshots made before
    are kept.

    A block costs ``(equilibration + max(pilot, pool × spacing)) / timestep`` force calls, however few of its rows are
    asked for: with the defaults 550 to 950, on one core 10 to 20 s with GFN2-xTB for 18 atoms, 0.3 s with MMFF94s.
    Rows are moved and turned to lie best over the minimum.

    Columns beside those of all samplers: ``temperature`` (K), ``trajectory`` (number of the block), ``time`` (fs since
    the equilibration), ``spacing`` and ``autocorrelation_time`` (fs), ``pool_alive`` (snapshots of the pool that could
    be kept), ``quenched``.

    Parameters
    ----------
    calculator
        Where forces come from: a name, ``module:Class``, a mapping with options, or an ASE calculator.
    temperature
        Of the bath in K; several are taken in turn, one for each block.
    timestep
        In fs. Geometries are exact for harmonic forces at any stable timestep; see :class:`Langevin`.
    friction
        Rate of the coupling to the bath, in 1/ps.
    equilibration
        In fs; several times 1/friction.
    pilot
        In fs, at most ``pool × max_spacing``. Slower motions cannot be seen in it: torsions go on for picoseconds. They
        are sampled by the number of blocks, or, where forces are cheap, by a longer pilot and wider spacing
        (``pilot=4000, max_spacing=500`` with a force field).
    min_spacing
        Least spacing of snapshots in fs.
    max_spacing
        Greatest spacing in fs, which bounds the cost.
    pool
        Snapshots of a block.
    keep
        Rows of a block that come of them.
    quench
        Most minimiser steps of a second half, as SPICE has it: after every row follows the same snapshot after so
        many steps and a short run at low temperature, so that a block has ``2 × keep`` rows. 0 for none; SPICE has 5.
    quench_temperature
        In K.
    quench_time
        In fs.
    energy_window
        Highest energy above the minimum, in eV for each atom; None for no limit.
    bond_breaking
        Keep snapshots with other bonds or stereo, and let trajectories go on from them.
    fmax
        Largest force in the minimum, in eV/Å.
    relax_steps
        Most steps to the minimum.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the calculator is unknown.

    References
    ----------
    P. Eastman et al., Sci. Data 10, 11 (2023), doi:10.1038/s41597-022-01882-6 (SPICE);
    Z. Zhang et al., J. Phys. Chem. A 123, 6056 (2019), doi:10.1021/acs.jpca.9b02771 (the integrator).

    Examples
    --------
    >>> from rdkit import Chem
    >>> butane = Structures.from_rdkit(Chem.MolFromSmiles("CCCC"))
    >>> rows = Structures.concat(Dynamics(calculator="mmff94s").propose(butane, 4, seed=0))
    >>> len(rows), rows.column("temperature")[0], bool(rows.alive.all())
    (4, 500.0, True)
    """

    name: ClassVar[str] = "dynamics"
    kind: ClassVar[Kind] = "geometries"
    needs_parents: ClassVar[bool] = True

    calculator: Any = "gfn2-xtb"
    temperature: float | tuple[float, ...] = 500.0
    timestep: float = 1.0
    friction: float = 10.0
    equilibration: float = 250.0
    pilot: float = 300.0
    min_spacing: float = 10.0
    max_spacing: float = 35.0
    pool: int = 20
    keep: int = 10
    quench: int = 0
    quench_temperature: float = 100.0
    quench_time: float = 1000.0
    energy_window: float | None = None
    bond_breaking: bool = False
    fmax: float = 0.05
    relax_steps: int = 500

    def __post_init__(self) -> None:
        Method.of(self.calculator)
        if not isinstance(self.temperature, int | float):  # a list of a configuration file
            object.__setattr__(self, "temperature", tuple(self.temperature))
        if not self.temperatures or not all(0 < t < np.inf for t in self.temperatures):
            raise ValueError(f"temperature is {self.temperature}; expected one or several above 0 K")
        positive = ("timestep", "friction", "pilot", "min_spacing", "pool", "keep", "quench_temperature", "fmax")
        for name in (*positive, "relax_steps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected more than 0")
        for name in ("equilibration", "quench", "quench_time"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 0")
        if self.keep > self.pool:
            raise ValueError(f"keep is {self.keep}, pool is {self.pool}; no more can be kept than the pool has")
        if not self.timestep <= self.min_spacing <= self.max_spacing:
            raise ValueError(
                f"timestep, min_spacing and max_spacing are {self.timestep}, {self.min_spacing} and "
                f"{self.max_spacing} fs; expected them to ascend"
            )
        if not 2 * self.timestep <= self.pilot <= self.pool * self.max_spacing:
            raise ValueError(
                f"pilot is {self.pilot} fs; expected at least two steps, and at most pool × max_spacing, "
                f"{self.pool * self.max_spacing:g} fs, since snapshots are taken from it"
            )
        check_window(self.energy_window)

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures of the blocks, in turn, in K."""
        given = self.temperature
        return (float(given),) if isinstance(given, int | float) else tuple(float(t) for t in given)

    @property
    def block(self) -> int:
        """Rows of one trajectory."""
        return self.keep * (2 if self.quench else 1)

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield snapshots, a batch for every block of a parent.

        Parameters
        ----------
        parents
            Geometries or bare graphs.
        n
            Rows for each parent.
        seed
            The one seed of the run.
        start
            First row. A block of which any row is wanted is made as a whole.

        Returns
        -------
        Iterator[Structures]
            ``n`` rows for each parent, or one that says why there are none.
        """

        def rows(parent: Structure, base: int) -> Iterator[Structures]:
            molecule = self._relaxed(parent, seed)
            for number in range(start // self.block, -(-(start + n) // self.block)):
                first = number * self.block
                wanted = range(max(start, first) - first, min(start + n, first + self.block) - first)
                made = Structures.concat(self._rows(molecule, number, wanted))
                yield made.with_columns({"seed": [base + first + place for place in wanted]})

        return sampled(self.name, rows, parents, n, seed, start)

    def _relaxed(self, parent: Structure, seed: int) -> _Molecule:
        if len(parent.numbers) < 2:
            raise SamplingError("a single atom has but one geometry")
        start = start_of(parent, seed)
        with Surface(Method.of(self.calculator), start.structure) as surface:
            minimum = minimum_of(start, surface, fmax=self.fmax, steps=self.relax_steps)
        return _Molecule(start=start, minimum=minimum, seed=seed)

    def _rows(self, molecule: _Molecule, number: int, wanted: range) -> Iterator[Structures]:
        """Yield rows of a trajectory one by one, by their places in the block."""
        hot = self._trajectory(molecule, number)
        for place in wanted:
            rank, cold = divmod(place, 2) if self.quench else (place, 0)
            if cold and hot.alive[rank]:
                yield self._quenched(molecule, hot.slice(rank, rank + 1), number, rank)
            else:
                yield hot.slice(rank, rank + 1)

    def _trajectory(self, molecule: _Molecule, number: int) -> Structures:
        """Return the rows of a trajectory in their order."""
        temperature = self.temperatures[number % len(self.temperatures)]
        start, minimum = molecule.start, molecule.minimum
        shape = minimum.positions.shape
        # a fresh calculator: the last digits of a self-consistent field depend on where it started
        with Surface(Method.of(self.calculator), start.structure) as surface:
            made = snapshots(
                self._bath(surface, molecule, minimum.positions, temperature, "trajectory", number, heat=2.0),
                self.pool,
                timestep=self.timestep,
                equilibration=self._steps(self.equilibration),
                pilot=self._steps(self.pilot),
                spacing=(self._steps(self.min_spacing), self._steps(self.max_spacing)),
                skeleton=skeleton_of(start.structure.numbers),
                integrity=None if self.bond_breaking else start.integrity,
            )
        n, missing = self.pool, self.pool - len(made.positions)
        positions = np.concatenate([superposed(made.positions, minimum.positions), np.full((missing, *shape), np.nan)])
        pool = displaced(
            start,
            self.name,
            [0] * n,
            positions,
            method=Method.of(self.calculator).level,
            energies=np.append(made.energies - minimum.energy, [np.nan] * missing),
            energy_window=self.energy_window,
            bond_breaking=self.bond_breaking,
            reasons=[None] * (n - missing) + [made.reason] * missing,
            extra={
                "quenched": pa.array([False] * n, pa.bool_()),
                "temperature": pa.array([temperature] * n, pa.float64()),
                "trajectory": pa.array([number] * n, pa.int64()),
                "time": pa.array(np.append(made.times, [np.nan] * missing), pa.float64(), from_pandas=True),
                "spacing": pa.array([made.spacing] * n, pa.float64(), from_pandas=True),
                "autocorrelation_time": pa.array([made.autocorrelation_time] * n, pa.float64(), from_pandas=True),
            },
        )
        alive = pool.alive
        pool = pool.with_columns({"pool_alive": [int(alive.sum())] * n})
        if self.keep == self.pool:
            return pool
        good, bad = np.flatnonzero(alive), np.flatnonzero(~alive)
        order = farthest_first(positions[good], minimum.positions, self.keep, hydrogen_groups(start.mol))
        return pool.take(np.concatenate([good[order], bad])[: self.keep])

    def _quenched(self, molecule: _Molecule, hot: Structures, number: int, rank: int) -> Structures:
        """Return a snapshot after a few steps downhill and a short run at low temperature."""
        start, minimum = molecule.start, molecule.minimum
        with Surface(Method.of(self.calculator), start.structure) as surface:
            low = descend(surface, hot.positions, fmax=self.fmax, steps=self.quench)
            x, energy, reason = low.positions, low.energy, low.reason
            if reason is None:
                bath = self._bath(surface, molecule, x, self.quench_temperature, "quench", number, rank)
                run = bath.run(self._steps(self.quench_time))
                reason = run.reason
                if len(run.positions):
                    x, energy = run.positions[-1], float(run.potential[-1])
        kept = ("trajectory", "time", "spacing", "autocorrelation_time", "pool_alive")
        return displaced(
            start,
            self.name,
            [0],
            superposed(x[None], minimum.positions),
            method=Method.of(self.calculator).level,
            energies=[energy - minimum.energy],
            energy_window=self.energy_window,
            bond_breaking=self.bond_breaking,
            reasons=[None if reason is None else f"quenched, {reason}"],
            extra={
                "quenched": pa.array([True], pa.bool_()),
                "temperature": pa.array([self.quench_temperature], pa.float64()),
                **{name: hot.table.column(name) for name in kept},
            },
        )

    def _bath(
        self,
        surface: Surface,
        molecule: _Molecule,
        positions: NDArray[np.float64],
        temperature: float,
        *keys: str | int,
        heat: float = 1.0,
    ) -> Langevin:
        structure = molecule.start.structure
        return Langevin(
            surface,
            atomic_masses[structure.numbers],
            positions,
            temperature=temperature,
            timestep=self.timestep,
            friction=self.friction,
            rng=stream(molecule.seed, self.name, structure.id, *keys),
            heat=heat,
        )

    def _steps(self, time: float) -> int:
        return round(time / self.timestep)

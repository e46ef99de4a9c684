"""Rattle and relax as a generator: rows are the nodes of a tree, in the order in which it grew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from ase.data import atomic_masses

from molaug.generators.displaced import check_window, displaced
from molaug.generators.generator import Kind
from molaug.generators.perturb.duplicates import Known
from molaug.generators.perturb.growth import Growth, Row
from molaug.generators.perturb.stopping import vibrations
from molaug.generators.perturb.tree import Node
from molaug.generators.perturb.walk import Rules
from molaug.generators.sampling import sampled
from molaug.generators.start import Start, minimum_of, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structure, Structures
from molaug.structures.calculators import Method
from molaug.structures.hashing import stream


@dataclass(frozen=True, kw_only=True)
class Perturb:
    """Proposes geometries by rattling and relaxing, a tree of them grown from every parent, as augment-atoms does.

    The root of the tree is the minimum next to the parent. To make a row

    1. a node i of the tree is chosen with the probability β exp(-Eᵢ/kT) / Σⱼ exp(-Eⱼ/kT) + (1 - β) Gᵢ / Σⱼ Gⱼ, E the
       energy of the whole molecule above the root and G the generation, 1 for the root;
    2. all its atoms are displaced at random, the width σ drawn log-uniformly;
    3. it is relaxed: step i moves each atom by σ/i along its force, and before each step the walk stops with the
       probability min(0.25, Q(f/2, ΔE/kT)), where Q is the probability that a molecule with f harmonic vibrations has
       at least the energy ΔE above the root (exp(-ΔE/kT) for two vibrations). So molecules of any size come down to
       thermal energies, if ``max_steps`` suffice, and not much further. The walk does not stop where a force or a
       separation is out of bounds;
    4. it is refused, and tried again up to ``attempts`` times, where the calculator fails, a force or a separation is
       out of bounds, bonds or stereo are not those of the parent, the energy is outside the window, or the geometry
       is one that the tree has: within ``prune_rms`` of it over all atoms, hydrogens too, after superposition and
       exchange of equivalent atoms. Mirror images count as different.

    A row that succeeds enters the tree; one that does not is rejected and counts the causes. Rows are no Boltzmann
    sample: their spread comes of the rattle and of the tree. They are grown ``batch`` at a time from the nodes of the
    batches before, so the first ``batch`` rows all come of the root.

    A row costs at most ``attempts × (max_steps + 1)`` force calls, and the root some tens; with the defaults a row of
    9 to 21 atoms takes 4 to 9. Rows before ``start`` are made again. The work to compare a row grows with the size of
    the tree, and is small beside a force call of GFN2-xTB up to thousands of rows.

    Columns beside those of all samplers, of which ``sampling_energy`` is above the root: ``temperature`` (K),
    ``generation`` (depth in the tree, 1 for children of the root), ``grown_from`` (id of the row, or of the parent),
    ``steps`` (of the relaxation), ``sigma`` (Å), ``max_force`` (eV/Å), ``attempts``, ``refused`` (why earlier attempts
    were, with their number) and ``force_calls`` (of all attempts). Of rejected rows ``grown_from`` and the numbers of
    the last walk are null.

    Parameters
    ----------
    calculator
        Where energies and forces come from: a name, ``module:Class``, a mapping with options, or an ASE calculator.
    temperature
        In K, above 0.
    beta
        Weight of the Boltzmann factor in the choice of nodes. 1 grows the tree around the lowest geometries, 0 away
        from the root.
    sigma_min
        Least width of a rattle in Å, above 0.
    sigma_max
        Greatest width of a rattle in Å. It bounds the energies too: with 0.1 Å they are half the thermal ones at
        100 K and a quarter at 1000 K.
    max_steps
        Steps of the relaxation at most; 0 only rattles.
    max_force
        Largest force on an atom, in eV/Å.
    min_separation
        Least distance of two atoms, in Å.
    prune_rms
        Least RMSD in Å, over all atoms, between the rows of a parent and from each of them to the root; None keeps
        copies. Molecules of few atoms have but few geometries that far apart at low temperature.
    attempts
        Most attempts for a row.
    batch
        Rows that are grown together.
    relax_root
        Relax the parent first. If not, its geometry is the root, its energy the zero, and the energy of a row may be
        below it.
    energy_window
        Highest energy above the root, in eV for each atom; None for no limit.
    bond_breaking
        Keep geometries with other bonds or stereo, and grow from them.
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
    J. L. A. Gardner et al., arXiv:2506.10956 (augment-atoms);
    H. Robbins, S. Monro, Ann. Math. Stat. 22, 400 (1951), doi:10.1214/aoms/1177729586.

    Examples
    --------
    >>> from rdkit import Chem
    >>> butane = Structures.from_rdkit(Chem.MolFromSmiles("CCCC"))
    >>> rows = Structures.concat(Perturb(calculator="mmff94s").propose(butane, 6, seed=0))
    >>> len(rows), bool(rows.alive.all()), set(rows.column("grown_from")) == set(butane.ids)
    (6, True, True)
    """

    name: ClassVar[str] = "perturb"
    kind: ClassVar[Kind] = "geometries"
    needs_parents: ClassVar[bool] = True

    calculator: Any = "gfn2-xtb"
    temperature: float = 300.0
    beta: float = 0.5
    sigma_min: float = 0.01
    sigma_max: float = 0.1
    max_steps: int = 20
    max_force: float = 30.0
    min_separation: float = 0.5
    prune_rms: float | None = 0.02
    attempts: int = 10
    batch: int = 8
    relax_root: bool = True
    energy_window: float | None = None
    bond_breaking: bool = False
    fmax: float = 0.05
    relax_steps: int = 500

    def __post_init__(self) -> None:
        Method.of(self.calculator)
        for name in ("temperature", "sigma_min", "max_force", "min_separation", "fmax"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; expected more than 0")
        for name in ("attempts", "batch", "relax_steps"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not self.sigma_min <= self.sigma_max < np.inf:
            raise ValueError(f"sigma_max is {self.sigma_max} Å; expected at least sigma_min, {self.sigma_min} Å")
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta is {self.beta}; expected 0 to 1, the weight of the Boltzmann factor")
        if not self.max_steps >= 0:
            raise ValueError(f"max_steps is {self.max_steps}; expected at least 0")
        if self.prune_rms is not None and not self.prune_rms > 0:
            raise ValueError(f"prune_rms is {self.prune_rms} Å; expected more than 0, or None to keep copies")
        check_window(self.energy_window)

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield geometries, a batch for every ``batch`` rows of a parent.

        Parameters
        ----------
        parents
            Geometries or bare graphs.
        n
            Rows for each parent.
        seed
            The one seed of the run.
        start
            First row. Those before it are made as well, for the tree is made of them.

        Returns
        -------
        Iterator[Structures]
            ``n`` rows for each parent, or one that says why there are none.
        """

        def rows(parent: Structure, base: int) -> Iterator[Structures]:
            begin, growth = self._rooted(parent, seed)
            for first in range(0, start + n, self.batch):
                numbers = range(first, min(first + self.batch, start + n))
                wanted = [row for row in growth.grow(numbers) if row.number >= start]
                if wanted:
                    yield self._rows(begin, wanted, base)

        return sampled(self.name, rows, parents, n, seed, start)

    def _rooted(self, parent: Structure, seed: int) -> tuple[Start, Growth]:
        """Return the molecule and a tree that is its root."""
        if len(parent.numbers) < 2:
            raise SamplingError("a single atom has but one geometry")
        method = Method.of(self.calculator)
        begin = start_of(parent, seed)
        with Surface(method, begin.structure) as surface:
            if self.relax_root:
                minimum = minimum_of(begin, surface, fmax=self.fmax, steps=self.relax_steps)
                begin, lowest = begin.at(minimum.positions), minimum.energy
            else:
                lowest, _ = surface(begin.positions)
        root = Node(id=parent.id, positions=begin.positions, energy=0.0, generation=0)
        known = None if self.prune_rms is None else Known(begin.mol, self.prune_rms)
        if known is not None:
            known.add(root.positions)
        rules = Rules(
            temperature=self.temperature,
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
            max_steps=self.max_steps,
            max_force=self.max_force,
            min_separation=self.min_separation,
            energy_window=self.energy_window,
            integrity=None if self.bond_breaking else begin.integrity,
            masses=atomic_masses[begin.structure.numbers],
            modes=vibrations(root.positions),
        )
        return begin, Growth(
            begin.structure,
            root,
            lowest,
            method,
            rules,
            known=known,
            beta=self.beta,
            attempts=self.attempts,
            rng_of=lambda number, attempt: stream(seed, self.name, parent.id, number, attempt),
            duplicate=f"within {self.prune_rms} Å RMSD of an earlier geometry",
        )

    def _rows(self, begin: Start, made: list[Row], base: int) -> Structures:
        n, shape = len(made), begin.positions.shape
        ends = [row.proposal for row in made]
        origins = [row.grown_from if row.proposal is not None else None for row in made]
        return displaced(
            begin,
            self.name,
            [base + row.number for row in made],
            [np.full(shape, np.nan) if end is None else end.positions for end in ends],
            method=Method.of(self.calculator).level,
            energies=[np.nan if end is None else end.energy for end in ends],
            energy_window=self.energy_window,
            bond_breaking=self.bond_breaking,
            reasons=[row.reason for row in made],
            extra={
                "temperature": pa.array([self.temperature] * n, pa.float64()),
                "generation": pa.array([origin and origin.generation + 1 for origin in origins], pa.int64()),
                "grown_from": pa.array([origin and origin.id for origin in origins], pa.string()),
                "steps": pa.array([end and end.steps for end in ends], pa.int64()),
                "sigma": pa.array([end and end.sigma for end in ends], pa.float64()),
                "max_force": pa.array([end and end.max_force for end in ends], pa.float64()),
                "attempts": pa.array([row.attempts for row in made], pa.int64()),
                "refused": pa.array([row.causes for row in made], pa.string()),
                "force_calls": pa.array([row.calls for row in made], pa.int64()),
            },
        )

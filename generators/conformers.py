"""Conformers: other minima of the molecules that are given, by distance geometry and a force field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import pyarrow as pa
from rdkit import Chem

from molaug.generators.embedding import embed
from molaug.generators.ensemble import Ensemble
from molaug.generators.generator import Kind
from molaug.generators.parents import check_range, molecule, rejected
from molaug.structures import Structure, Structures
from molaug.structures.calculators.force_fields import ForceField
from molaug.structures.chemistry import canonical
from molaug.structures.hashing import derived_seed


@dataclass(frozen=True, kw_only=True)
class Conformers:
    """Proposes conformers of every parent: ETKDGv3, relaxed with MMFF94s.

    Row k of a parent is embedded from a seed of its own and relaxed. It is rejected, with the reason, where it

    - could not be embedded or did not converge;
    - lost its bonds or its stereo: all centres and double bonds that the parent's geometry shows keep their
      configuration, and so do those that the SMILES of a bare graph marks; those that it leaves open are drawn at
      random for each row;
    - lies too high above the lowest of the molecule (``energy_window``);
    - is a copy of an earlier row that was kept (``prune_rms``).

    The rows have the charge, multiplicity, SMILES and order of atoms of the parent (a bare graph's: of its SMILES,
    hydrogens behind). The columns ``force_field`` (``mmff94s``, ``uff`` where MMFF94s lacks parameters, or null) and
    ``force_field_energy`` (eV; comparable between rows of one parent and one force field only) are added. Parents that
    are themselves rejected are passed over.

    Parameters
    ----------
    optimize
        Force field that relaxes the conformers, ``"mmff94s"`` or ``"uff"``; None leaves them as they were embedded.
    prune_rms
        Least RMSD in Å, over heavy atoms after the best superposition and renumbering of equivalent atoms, between
        the kept rows of a parent; None keeps copies. Mirror images count as different.
    energy_window
        Highest force-field energy in eV above the lowest; None for no limit. The lowest is that of the first
        ``ensemble`` rows, whether they are asked for or not; from there on of all rows up to the end of the next as
        many, and so on. So no row depends on how many are asked for.
    ensemble
        Conformers that are embedded, relaxed and compared together.
    max_iterations
        Steps of the relaxation at most.
    attempts
        Tries to embed a conformer, from each of two kinds of starting coordinates.
    timeout
        Seconds after which the embedding of one conformer is given up, from each kind. Where it strikes, rows depend
        on the speed of the machine; ``attempts`` ends all but large molecules before.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or a window is asked for without a force field.

    References
    ----------
    S. Wang et al., J. Chem. Inf. Model. 60, 2044 (2020), doi:10.1021/acs.jcim.0c00025 (ETKDGv3);
    T. A. Halgren, J. Comput. Chem. 20, 720 (1999) (MMFF94s).

    Examples
    --------
    >>> butane = Structures.from_rdkit(Chem.MolFromSmiles("CCCC"))
    >>> rows = Structures.concat(Conformers().propose(butane, 10, seed=0))
    >>> len(rows), int(rows.alive.sum())  # anti, gauche and its mirror image
    (10, 3)
    """

    name: ClassVar[str] = "conformers"
    kind: ClassVar[Kind] = "geometries"
    needs_parents: ClassVar[bool] = True

    optimize: ForceField | None = "mmff94s"
    prune_rms: float | None = 0.125
    energy_window: float | None = None
    ensemble: int = 20
    max_iterations: int = 1000
    attempts: int = 30
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if self.optimize is not None and self.optimize not in get_args(ForceField):
            raise ValueError(f"optimize is {self.optimize!r}; expected one of {get_args(ForceField)} or None")
        for name in ("ensemble", "max_iterations", "attempts", "timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected more than 0")
        for name in ("prune_rms", "energy_window"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"{name} is {value}; expected at least 0, or None to switch it off")
        if self.energy_window is not None and self.optimize is None:
            raise ValueError(
                "energy_window needs the energies of a force field; set optimize, or energy_window to None"
            )

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield conformers, a batch for every ``ensemble`` rows of a parent.

        Parameters
        ----------
        parents
            Geometries or bare graphs.
        n
            Rows for each parent.
        seed
            The one seed of the run.
        start
            First row. Those before it are made as well, to be compared with, unless nothing is compared.

        Returns
        -------
        Iterator[Structures]
            ``n`` rows for each parent, or one that says why there are none.
        """
        check_range(n, seed, start)
        return self._stream(parents, n, seed, start)

    def _stream(self, parents: Structures, n: int, seed: int, start: int) -> Iterator[Structures]:
        for parent in parents:
            if parent.reason is not None or n == 0:
                continue
            base = derived_seed(seed, self.name, parent.id)
            found = molecule(parent)
            if found.mol is not None:
                smiles = parent.smiles or canonical(found.mol)
                yield from self._conformers(parent, found.mol, smiles, base, range(start, start + n))
            elif start == 0:
                yield rejected(parent, self.name, found.reason or "unreadable", base)

    def _conformers(
        self, parent: Structure, mol: Chem.Mol, smiles: str, base: int, rows: range
    ) -> Iterator[Structures]:
        start, stop = rows.start, rows.stop
        compared = self.prune_rms is not None or self.energy_window is not None
        earlier: Chem.Mol | None = None
        lowest = np.inf
        for first in range(0 if compared else start, stop, self.ensemble):
            # the window looks at the whole ensemble, even if fewer rows are wanted
            last = first + self.ensemble if self.energy_window is not None else min(first + self.ensemble, stop)
            embedded = embed(mol, base + first, last - first, attempts=self.attempts, timeout=self.timeout)
            ensemble = Ensemble(
                embedded, last - first, f"not embedded in {self.attempts} attempts or {self.timeout:g} s"
            )
            if self.optimize is not None and mol.GetNumAtoms() > 1:
                ensemble.relax(self.optimize, self.max_iterations)
            ensemble.check_graph(mol)
            if self.energy_window is not None:
                lowest = ensemble.check_window(self.energy_window, lowest)
            if self.prune_rms is not None:
                earlier = ensemble.prune(self.prune_rms, earlier)
            wanted = range(max(first, start), min(last, stop))
            if wanted:
                yield self._rows(parent, smiles, ensemble, base, first, wanted)

    def _rows(
        self, parent: Structure, smiles: str, ensemble: Ensemble, base: int, first: int, wanted: range
    ) -> Structures:
        numbers = [atom.GetAtomicNum() for atom in ensemble.mol.GetAtoms()]
        places = [k - first for k in wanted]
        n = len(places)
        reasons = [ensemble.reasons[p] for p in places]
        energies = [ensemble.energies[p] for p in places]
        used = [None if energy is None else ensemble.force_field for energy in energies]
        return Structures.from_arrays(
            [numbers] * n,
            [ensemble.positions(p) for p in places],
            charge=[parent.charge] * n,
            multiplicity=[parent.multiplicity] * n,
            smiles=[smiles] * n,
            origin=self.name,
            parent=parent.id,
            seed=[base + k for k in wanted],
            reason=[None if reason is None else f"{self.name}: {reason}" for reason in reasons],
            extra={
                "force_field": pa.array(used, pa.string()),
                "force_field_energy": pa.array(energies, pa.float64()),
            },
        )

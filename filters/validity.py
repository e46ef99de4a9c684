"""Whether a row can be a molecule: electrons, elements, size, bonds, contacts, fragments and strain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

from molaug.filters.distances import finite, pairs_within
from molaug.filters.filter import Verdicts
from molaug.structures import Structure, Structures
from molaug.structures.chemistry import (
    Perceived,
    atomic_number,
    bonds,
    formula,
    heavy_atoms,
    lay_graph,
    parse,
    perceive,
    spin_reason,
    symbols,
)
from molaug.structures.chemistry.connectivity import BOND_FACTOR, reach
from molaug.structures.chemistry.integrity import Integrity

_TABLE = Chem.GetPeriodicTable()

#: Van der Waals radii in Å by atomic number, as RDKit tabulates them; its heaviest element ends the table.
_VDW = np.array([_TABLE.GetRvdw(z) for z in range(119)])

#: Neighbours up to which every near pair is a bond for sure; above, bonds and contacts are told apart one by one.
_ROOM = np.full(119, 4)
_ROOM[[1, 9, 17, 35, 53]], _ROOM[8], _ROOM[7] = 1, 2, 3

#: Elements of the p block whose atoms have five and more neighbours in molecules, and those that have two in a line.
_HYPERVALENT = (14, 15, 16, 17, 32, 33, 34, 35, 50, 51, 52, 53, 54)
_LINEAR = (36, 54)

#: Least angles in degrees between neighbours that are not bonded: trigonal bipyramids and octahedra have 90° and four
#: membered rings in them 70°, pentagonal bipyramids have 72°, XeF2 and KrF2 have 180°.
_LEAST_ANGLE, _LEAST_OF_SEVEN, _LEAST_LINEAR = 65, 55, 140

_KCAL_PER_MOL = 0.0433641  # eV

_STRAIN_STEPS = 200

#: Geometries of one molecule in a row from which on they are judged together.
_RUN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Validity:
    """Rejects what cannot be a molecule, with the first reason found.

    The score is the smallest distance of two atoms that are not bonded, as a fraction of the sum of their van der
    Waals radii; NaN where there is no such pair. Bare graphs are judged without the checks of the geometry (bonds,
    contacts, strain) and have no score.

    Parameters
    ----------
    neutral
        Reject charged molecules and ions.
    closed_shell
        Reject multiplicities other than 1 and graphs with unpaired electrons.
    zwitterions
        Allow formal charges that no neighbour balances (a nitro group or an isonitrile is not a zwitterion).
    elements
        Symbols allowed; None for all.
    atoms
        Fewest and most atoms, hydrogens included; None for no limit.
    heavy
        Fewest and most atoms other than hydrogen; None for no limit.
    max_fragments
        Most molecules in a row: 2 allows dimers.
    bonds
        Reject geometries whose bonds or stereo are not those of the SMILES, or fit no molecule where there is none.
        Rows in which a sampler was asked to let bonds break (column ``intact`` is false) are not judged by it, nor by
        their strain.
    min_contact
        Nearest that two atoms without a bond may be, as a fraction of the sum of their van der Waals radii; the
        tightest among 20,000 QM9 molecules is 0.56.
    min_bond
        Nearest that two bonded atoms may be, as a fraction of the sum of their covalent radii; QM9 has 0.78.
    max_strain
        Highest MMFF94s energy above the minimum reached within 200 steps, in eV for each heavy atom; None to leave it
        out. Molecules without MMFF94s parameters are not judged by it.

    Raises
    ------
    ValueError
        If an element is unknown or a limit is impossible.

    Examples
    --------
    >>> water = [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]
    >>> crushed = [[0, 0, 0.12], [0, 0.40, -0.48], [0, -0.40, -0.48]]
    >>> rows = Structures.from_arrays([[8, 1, 1]] * 2, [water, crushed], smiles=["O", "O"])
    >>> Validity().bound([]).judge(rows).reason
    [None, 'H1 and H2 are 0.80 Å apart, 0.33 of their van der Waals radii; at least 0.5']
    """

    neutral: bool = True
    closed_shell: bool = True
    zwitterions: bool = True
    elements: tuple[str, ...] | None = None
    atoms: tuple[int, int] | None = None
    heavy: tuple[int, int] | None = None
    max_fragments: int = 1
    bonds: bool = True
    min_contact: float = 0.5
    min_bond: float = 0.65
    max_strain: float | None = None

    def __post_init__(self) -> None:
        for symbol in self.elements or ():
            atomic_number(symbol)
        for title, window in (("atoms", self.atoms), ("heavy", self.heavy)):
            if window is not None and not (len(window) == 2 and 0 <= window[0] <= window[1]):
                raise ValueError(f"{title} {window}; expected the fewest and the most, such as (1, 9)")
        if self.max_fragments < 1:
            raise ValueError(f"max_fragments {self.max_fragments}; expected at least 1")
        if self.max_strain is not None and self.max_strain <= 0:
            raise ValueError(f"max_strain {self.max_strain} eV; expected a positive energy, or None to leave it out")

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "validity"

    @property
    def stateless(self) -> bool:
        """Verdicts depend on the row alone."""
        return True

    def bound(self, base: Iterable[Structures]) -> BoundValidity:
        """Return the judge.

        Parameters
        ----------
        base
            Not read.

        Returns
        -------
        BoundValidity
            The same for every base.
        """
        return BoundValidity(self)


class BoundValidity:
    """Judges rows by a :class:`Validity`.

    Parameters
    ----------
    limits
        The configuration.
    """

    def __init__(self, limits: Validity) -> None:
        self._limits = limits
        allowed = limits.elements
        self._elements = None if allowed is None else np.array([atomic_number(symbol) for symbol in allowed])

    def judge(self, candidates: Structures) -> Verdicts:
        """Judge a batch.

        Parameters
        ----------
        candidates
            Any rows.

        Returns
        -------
        Verdicts
            The score is the smallest contact, see :class:`Validity`.
        """
        contact, touching = _contacts(candidates, self._limits.min_bond)
        laid = _laid_as_their_neighbours(candidates) if self._limits.bonds else [False] * len(candidates)
        reasons = [
            self._composition(s) or self._molecule(s, short, bonds_are_right)
            for s, short, bonds_are_right in zip(candidates, touching, laid, strict=True)
        ]
        for row in np.flatnonzero(contact < self._limits.min_contact).tolist():
            reasons[row] = reasons[row] or self._clash(candidates[row])
        return Verdicts(score=contact, keep=np.array([r is None for r in reasons], dtype=bool), reason=reasons)

    def accept(self, candidates: Structures) -> None:
        """Take note of nothing.

        Parameters
        ----------
        candidates
            Any rows.
        """

    def _composition(self, s: Structure) -> str | None:
        limits = self._limits
        if not len(s.numbers):
            return "no atoms"
        if limits.neutral and s.charge != 0:
            return f"charge {s.charge:+d}; only neutral molecules are allowed"
        if limits.closed_shell and s.multiplicity != 1:
            return f"multiplicity {s.multiplicity}; only closed shells are allowed"
        reason = spin_reason(s.numbers, s.charge, s.multiplicity)
        if reason:
            return reason
        if self._elements is not None:
            foreign = s.numbers[~np.isin(s.numbers, self._elements)]
            if len(foreign):
                names = ", ".join(symbols(np.unique(foreign)))
                return f"{formula(s.numbers)} holds {names}; allowed are {', '.join(limits.elements or ())}"
        for title, count, window in (
            ("atoms", len(s.numbers), limits.atoms),
            ("heavy atoms", heavy_atoms(s.numbers), limits.heavy),
        ):
            if window is not None and not window[0] <= count <= window[1]:
                return f"{count} {title}; allowed are {window[0]} to {window[1]}"
        return None

    def _molecule(self, s: Structure, touching: str | None, bonds_are_right: bool) -> str | None:
        """Judge graph and geometry."""
        limits = self._limits
        if s.positions is None:
            return self._graph(s.smiles, s) if s.smiles is not None else "neither a geometry nor a SMILES"
        if not np.isfinite(s.positions).all():
            return "positions are not finite"
        if touching:
            return touching
        if s.smiles is not None:
            reason = self._graph(s.smiles, s)
            if reason:
                return reason
        broken_on_purpose = s.extra.get("intact") is False
        if broken_on_purpose or ((bonds_are_right or not limits.bonds) and limits.max_strain is None):
            return None
        found = self._laid(s)
        if found.mol is None or found.smiles is None:
            return found.reason if limits.bonds else None
        if s.smiles is None:
            reason = self._graph(found.smiles, s)
            if reason:
                return reason
        if limits.max_strain is not None:
            strain = _strain(found.mol)
            if strain is not None and strain > limits.max_strain:
                return f"strained by {strain:.3f} eV for each heavy atom (MMFF94s); at most {limits.max_strain}"
        return None

    def _laid(self, s: Structure) -> Perceived:
        if s.smiles is not None:
            return lay_graph(s.smiles, s.numbers, s.positions)  # type: ignore[arg-type]  # not None here
        return perceive(s.numbers, s.positions, s.charge, s.multiplicity)  # type: ignore[arg-type]

    def _graph(self, smiles: str, s: Structure) -> str | None:
        limits = self._limits
        facts = _facts(smiles)
        if facts is None:
            return f"RDKit cannot read the graph {smiles!r}"
        if facts.numbers != tuple(sorted(s.numbers.tolist())):
            return f"{formula(s.numbers)} is not the graph {smiles}, which is {formula(facts.numbers)}"
        if facts.charge != s.charge:
            return f"charge {s.charge:+d}, but the graph {smiles} has {facts.charge:+d}"
        if limits.closed_shell and facts.unpaired:
            return f"the graph {smiles} has {facts.unpaired} unpaired electrons; only closed shells are allowed"
        if not limits.zwitterions and facts.zwitterion:
            return f"the graph {smiles} is a zwitterion"
        if facts.fragments > limits.max_fragments:
            return f"{facts.fragments} fragments in {smiles}; at most {limits.max_fragments}"
        return None

    def _clash(self, s: Structure) -> str | None:
        if s.positions is None:
            return None
        z, x = s.numbers.astype(int), s.positions
        ratio = _unbonded(z, x)
        i, j = np.unravel_index(int(ratio.argmin()), ratio.shape)
        first, second = symbols(z[[i, j]])
        return (
            f"{first}{i} and {second}{j} are {np.linalg.norm(x[i] - x[j]):.2f} Å apart, {ratio[i, j]:.2f} "
            f"of their van der Waals radii; at least {self._limits.min_contact}"
        )


def _laid_as_their_neighbours(batch: Structures) -> list[bool]:
    """Return for which rows the SMILES is known to fit since it fits a row next to them that has the same bonds.

    Samplers give many geometries of one molecule in a row; together they are judged seven times as fast.
    """
    laid = [False] * len(batch)
    smiles, offsets, numbers, positions = batch.column("smiles"), batch.offsets, batch.numbers, batch.positions
    whole = finite(batch).tolist()
    keys = [
        (text, numbers[offsets[k] : offsets[k + 1]].tobytes()) if text is not None and whole[k] else k
        for k, text in enumerate(smiles)
    ]
    first = 0
    for last in range(1, len(keys) + 1):
        if last < len(keys) and keys[last] == keys[first]:
            continue
        if last - first >= _RUN:
            atoms = slice(offsets[first], offsets[last])
            x = positions[atoms].reshape(last - first, -1, 3)  # (n, n_atoms, 3)
            z = numbers[offsets[first] : offsets[first + 1]]
            found = next((f for g in x[:_RUN] if (f := lay_graph(str(smiles[first]), z, g)).reason is None), None)
            if found is not None and found.mol is not None:
                laid[first:last] = [reason is None for reason in Integrity(found.mol).reasons(x)]
        first = last
    return laid


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    numbers: tuple[int, ...]
    charge: int
    unpaired: int
    zwitterion: bool
    fragments: int


@lru_cache(maxsize=16384)
def _facts(smiles: str) -> _Facts | None:
    """Return what the graph alone tells; None where RDKit cannot read it or a valence is impossible."""
    mol = parse(smiles)
    if mol is None:
        return None
    numbers: list[int] = []
    for atom in mol.GetAtoms():
        numbers.append(atom.GetAtomicNum())
        numbers.extend([1] * atom.GetTotalNumHs())
    charge = unpaired = 0  # only atoms in brackets can be charged or radicals
    zwitterion = False
    if "[" in smiles:
        charges = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
        charge = sum(charges)
        unpaired = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
        lone = [
            q
            for atom, q in zip(mol.GetAtoms(), charges, strict=True)
            if q and not any(q * charges[other.GetIdx()] < 0 for other in atom.GetNeighbors())
        ]
        zwitterion = min(lone, default=0) < 0 < max(lone, default=0)
    return _Facts(
        numbers=tuple(sorted(numbers)),
        charge=charge,
        unpaired=unpaired,
        zwitterion=zwitterion,
        fragments=len(Chem.GetMolFrags(mol)),
    )


def _contacts(batch: Structures, min_bond: float) -> tuple[NDArray[np.float64], list[str | None]]:
    """Return for each row its smallest contact, and which atoms are nearer than any bond."""
    n = len(batch)
    contact = np.full(n, np.inf)
    touching: list[str | None] = [None] * n
    z, x, offsets = batch.numbers.astype(int), batch.positions, batch.offsets
    neighbours = np.zeros(len(z), dtype=np.int64)
    row_of = np.repeat(np.arange(n), batch.n_atoms)
    for pairs in pairs_within(offsets, x, np.flatnonzero(finite(batch))):
        zi, zj = z[pairs.i], z[pairs.j]
        relative = pairs.distance / reach(zi, zj)
        close = relative < BOND_FACTOR
        np.minimum.at(contact, pairs.row[~close], (pairs.distance / (_VDW[zi] + _VDW[zj]))[~close])
        neighbours += np.bincount(np.concatenate([pairs.i[close], pairs.j[close]]), minlength=len(z))
        for k in np.flatnonzero(relative < min_bond).tolist():
            row = int(pairs.row[k])
            first, second = symbols([zi[k], zj[k]])
            touching[row] = touching[row] or (
                f"{first}{pairs.i[k] - offsets[row]} and {second}{pairs.j[k] - offsets[row]} are "
                f"{pairs.distance[k]:.2f} Å apart, {relative[k]:.2f} of their covalent radii; at least {min_bond}"
            )
    _squeezed_centres(z, x, offsets, row_of, neighbours, touching)
    # cages, or hydrogens pressed together: some near pairs are contacts, not bonds
    for row in np.unique(row_of[neighbours > _ROOM[z]]).tolist():
        atoms = slice(offsets[row], offsets[row + 1])
        ratio = _unbonded(z[atoms], x[atoms])
        contact[row] = min(contact[row], ratio.min())
    contact[~np.isfinite(contact)] = np.nan
    return contact, touching


def _squeezed_centres(
    z: NDArray[np.int_],
    x: NDArray[np.float64],
    offsets: NDArray[np.int64],
    row_of: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    touching: list[str | None],
) -> None:
    """Note the rows in which a hypervalent centre has an angle that none has; atoms of small rings are left out."""
    five = (neighbours >= 5) & np.isin(z, _HYPERVALENT)
    for centre in np.flatnonzero(five | ((neighbours == 2) & np.isin(z, _LINEAR))).tolist():
        row = int(row_of[centre])
        first, stop = offsets[row], offsets[row + 1]
        vectors = x[first:stop] - x[centre]  # (n_atoms, 3)
        length = np.linalg.norm(vectors, axis=1)
        near = np.flatnonzero((length > 0) & (length < BOND_FACTOR * reach(z[first:stop], z[centre])))
        if touching[row] or len(near) < 2:
            continue
        i, j = near[np.stack(np.triu_indices(len(near), 1))]
        apart = np.linalg.norm(vectors[i] - vectors[j], axis=1) >= BOND_FACTOR * reach(z[first + i], z[first + j])
        cosine = (vectors[i] * vectors[j]).sum(axis=1) / (length[i] * length[j])
        angle = np.where(apart, np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.inf)
        least = _LEAST_LINEAR if len(near) == 2 else _LEAST_ANGLE if len(near) < 7 else _LEAST_OF_SEVEN
        k = int(angle.argmin())
        if angle[k] < least:
            a, c, b = symbols([z[first + i[k]], z[centre], z[first + j[k]]])
            touching[row] = (
                f"the angle {a}{i[k]}-{c}{centre - first}-{b}{j[k]} is {angle[k]:.0f}°; at least {least}° around "
                f"{c} with {len(near)} neighbours"
            )


def _unbonded(z: NDArray[np.int_], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return distances as fractions of the van der Waals radii, infinite for bonds and below the diagonal."""
    ratio: NDArray[np.float64] = np.linalg.norm(x[:, None] - x[None], axis=-1)  # (n_atoms, n_atoms)
    ratio /= _VDW[z][:, None] + _VDW[z][None]
    bonded = bonds(z, x)
    ratio[bonded[:, 0], bonded[:, 1]] = np.inf
    ratio[np.tril_indices(len(z))] = np.inf
    return ratio


def _strain(mol: Chem.Mol) -> float | None:
    """Return the MMFF94s energy above the nearest minimum in eV for each heavy atom; None without parameters."""
    relaxed = Chem.Mol(mol)
    with BlockLogs():
        try:
            properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(relaxed, mmffVariant="MMFF94s")
            field = properties and rdForceFieldHelpers.MMFFGetMoleculeForceField(relaxed, properties)
        except (ValueError, RuntimeError):
            return None
        if not field:
            return None
        before = field.CalcEnergy()
        field.Minimize(maxIts=_STRAIN_STEPS)
        after = field.CalcEnergy()
    return float(before - after) * _KCAL_PER_MOL / max(1, mol.GetNumHeavyAtoms())

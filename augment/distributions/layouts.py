"""Bonds, angles and torsions of rows: found once for each molecule and order of atoms, then laid over all its rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures import Structures
from molaug.structures.chemistry import bonds, parse, perceive
from molaug.structures.chemistry.connectivity import BOND_FACTOR

#: Signs of bond orders in the names of bond types, by the number under which layouts know them.
SIGNS = ("~", "-", ":", "=", "#")
_UNKNOWN, _SINGLE = 0, 1
_ORDERS = {1.0: _SINGLE, 1.5: 2, 2.0: 3, 3.0: 4}

#: Bonds longer than this times the sum of the covalent radii are taken for those of another order of atoms.
_STRETCHED = 2.0

#: Layouts of one order of atomic numbers that are tried before a row is looked at by itself.
_TRIED = 8


@dataclass(frozen=True)
class Layout:
    """Internal coordinates of a molecule whose atoms have one order.

    Parameters
    ----------
    numbers
        Atomic numbers.
    pairs
        Bonded atoms, shape (n_bonds, 2).
    orders
        Place of each bond's sign in :data:`SIGNS`, shape (n_bonds,).
    """

    numbers: tuple[int, ...]
    pairs: NDArray[np.intp]
    orders: NDArray[np.intp]

    @classmethod
    def of_mol(cls, mol: Chem.Mol) -> Layout:
        """Take bonds and orders of a molecule.

        Parameters
        ----------
        mol
            Sanitised, with all its hydrogens.

        Returns
        -------
        Layout
            For its order of atoms.
        """
        found = [mol.GetBondWithIdx(k) for k in range(mol.GetNumBonds())]
        return cls(
            tuple(mol.GetAtomWithIdx(k).GetAtomicNum() for k in range(mol.GetNumAtoms())),
            np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in found], dtype=np.intp).reshape(-1, 2),
            np.array([_ORDERS.get(b.GetBondTypeAsDouble(), _UNKNOWN) for b in found], dtype=np.intp),
        )

    @cached_property
    def angles(self) -> NDArray[np.intp]:
        """Atoms of each angle with the centre in the middle, shape (n_angles, 3)."""
        atoms = [(i, j, k) for j, around in enumerate(self._neighbours) for i, k in combinations(around, 2)]
        return np.array(atoms, dtype=np.intp).reshape(-1, 3)

    @cached_property
    def torsions(self) -> NDArray[np.intp]:
        """Atoms of each proper torsion, shape (n_torsions, 4)."""
        around = self._neighbours
        atoms = [
            (i, j, k, m)
            for j, k in self.pairs.tolist()
            for i, m in product(around[j], around[k])
            if i not in (k, m) and m != j
        ]
        return np.array(atoms, dtype=np.intp).reshape(-1, 4)

    @cached_property
    def apart(self) -> NDArray[np.intp]:
        """Pairs of atoms that are neither bonded nor share a neighbour, shape (n_pairs, 2)."""
        n = len(self.numbers)
        bonded = np.zeros((n, n), dtype=bool)
        bonded[self.pairs[:, 0], self.pairs[:, 1]] = bonded[self.pairs[:, 1], self.pairs[:, 0]] = True
        step = bonded.astype(np.float32)
        near = bonded | (step @ step > 0)
        i, j = np.nonzero(~near)
        return np.stack([i[i < j], j[i < j]], axis=1)

    @cached_property
    def radii(self) -> NDArray[np.float64]:
        """Sums of the covalent radii of bonded atoms in Å, shape (n_bonds,)."""
        single = covalent_radii[list(self.numbers)]
        sums: NDArray[np.float64] = single[self.pairs[:, 0]] + single[self.pairs[:, 1]]
        return sums

    def stretch(self, positions: NDArray[np.float64]) -> float:
        """Return the longest bond of a geometry as a multiple of the sum of the covalent radii.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).

        Returns
        -------
        float
            0 without bonds.
        """
        if not len(self.pairs):
            return 0.0
        d = positions[self.pairs[:, 0]] - positions[self.pairs[:, 1]]  # (n_bonds, 3)
        return float(np.sqrt((np.einsum("ij,ij->i", d, d) / self.radii**2).max()))

    @cached_property
    def _neighbours(self) -> list[list[int]]:
        around: list[list[int]] = [[] for _ in self.numbers]
        for i, j in self.pairs.tolist():
            around[i].append(j)
            around[j].append(i)
        return around


class Layouts:
    """Lays bond graphs over geometries.

    Orders come from the SMILES of a row, or are perceived where it has none; where neither fits the geometry, bonds
    follow from distances and their order counts as unknown (``C~C``). What was found for a row serves all later ones
    of the same molecule whose atoms come in the same order and whose bonds are not torn, those too that are so
    distorted that their own bonds cannot be told: it depends on the molecules, and not on how many rows they have.

    Examples
    --------
    >>> from ase.build import molecule
    >>> [layout] = Layouts().of(Structures.from_ase([molecule("C2H4")]))
    >>> [SIGNS[order] for order in sorted(layout.orders)]
    ['-', '-', '-', '-', '=']
    """

    def __init__(self) -> None:
        self._known: defaultdict[tuple[str | None, bytes], list[Layout]] = defaultdict(list)

    def of(self, rows: Structures) -> list[Layout | None]:
        """Return the layout of each row.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        list of (Layout or None)
            None without a finite geometry.
        """
        offsets, numbers, positions = rows.offsets, rows.numbers, rows.positions
        table = rows.table.select(["smiles", "charge", "multiplicity"]).to_pydict()
        found: list[Layout | None] = [None] * len(rows)
        later: list[tuple[int, tuple[str | None, bytes]]] = []
        for k in range(len(rows)):
            atoms = slice(offsets[k], offsets[k + 1])
            z, x = numbers[atoms], positions[atoms]
            if not len(z) or not np.isfinite(x).all():
                continue
            key = (table["smiles"][k], z.tobytes())
            found[k] = self._fitting(key, x) or self._learnt(key, z, x, table["charge"][k], table["multiplicity"][k])
            if found[k] is None:
                later.append((k, key))
        for k, key in later:
            # by now the other rows of the molecule have been seen
            atoms = slice(offsets[k], offsets[k + 1])
            found[k] = self._nearest(key, positions[atoms]) or _by_distance(numbers[atoms], positions[atoms])
        return found

    def _fitting(self, key: tuple[str | None, bytes], x: NDArray[np.float64]) -> Layout | None:
        for layout in self._known[key]:
            # without a SMILES only the bonds themselves tell whether it is this molecule
            if layout.stretch(x) < BOND_FACTOR and (
                key[0] is not None or len(bonds(layout.numbers, x)) == len(layout.pairs)
            ):
                return layout
        return None

    def _learnt(
        self,
        key: tuple[str | None, bytes],
        z: NDArray[np.uint8],
        x: NDArray[np.float64],
        charge: int,
        multiplicity: int,
    ) -> Layout | None:
        smiles, _ = key
        layout = _perceived(z, x, charge, multiplicity) if smiles is None else _laid(smiles, z, x)
        if layout is not None and len(self._known[key]) < _TRIED:
            self._known[key].append(layout)
        return layout

    def _nearest(self, key: tuple[str | None, bytes], x: NDArray[np.float64]) -> Layout | None:
        if key[0] is None:
            return None  # atoms alone do not tell that a torn molecule was this one
        tried = [(layout.stretch(x), k) for k, layout in enumerate(self._known[key])]
        stretch, k = min(tried, default=(np.inf, -1))
        return self._known[key][k] if stretch < _STRETCHED else None


def _laid(smiles: str, z: NDArray[np.uint8], x: NDArray[np.float64]) -> Layout | None:
    """Lay a graph over a geometry; stereo, which no bond length depends on, is not looked at."""
    mol = parse(smiles)
    heavy = np.flatnonzero(z > 1)
    if mol is not None and mol.GetNumAtoms() > len(heavy):
        with BlockLogs():
            mol = Chem.RemoveAllHs(mol)  # hydrogens that bear the stereo of a double bond are atoms of the SMILES
    if mol is None or mol.GetNumAtoms() != len(heavy):
        return None
    pairs = bonds(z, x)
    hydrogenic = (z[pairs] == 1).any(axis=1)
    bare = pairs[~hydrogenic]
    if mol.GetNumBonds() != len(bare):
        return None
    hydrogens = np.bincount(pairs[hydrogenic].ravel(), minlength=len(z))[heavy]
    claimed = [mol.GetAtomWithIdx(k) for k in range(len(heavy))]
    skeleton = Chem.RWMol(_atoms(tuple(z[heavy].tolist()), tuple(hydrogens.tolist())))
    query = Chem.RWMol(_atoms(tuple(a.GetAtomicNum() for a in claimed), tuple(a.GetTotalNumHs() for a in claimed)))
    for i, j in np.searchsorted(heavy, bare).tolist():
        skeleton.AddBond(i, j, Chem.BondType.SINGLE)
    found = [mol.GetBondWithIdx(k) for k in range(len(bare))]
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in found]
    for i, j in ends:
        query.AddBond(i, j, Chem.BondType.SINGLE)
    match = skeleton.GetSubstructMatch(query)  # heavy atom k of the graph is heavy atom match[k] of the geometry
    if not match:
        return None
    place = heavy[list(match)][np.array(ends, dtype=np.intp).reshape(-1, 2)]
    orders = [_ORDERS.get(bond.GetBondTypeAsDouble(), _UNKNOWN) for bond in found]
    return Layout(
        tuple(z.tolist()),
        np.concatenate([place, pairs[hydrogenic]]),
        np.array(orders + [_SINGLE] * int(hydrogenic.sum()), dtype=np.intp),
    )


@lru_cache(maxsize=4096)
def _atoms(numbers: tuple[int, ...], hydrogens: tuple[int, ...]) -> Chem.Mol:
    """Return atoms that match those of the same element with as many hydrogens, which stand where isotopes do."""
    mol = Chem.RWMol()
    for number, count in zip(numbers, hydrogens, strict=True):
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        atom.SetIsotope(count + 1)
        mol.AddAtom(atom)
    return mol.GetMol()


def _perceived(z: NDArray[np.uint8], x: NDArray[np.float64], charge: int, multiplicity: int) -> Layout | None:
    mol = perceive(z, x, charge, multiplicity).mol
    return None if mol is None else Layout.of_mol(mol)


def _by_distance(z: NDArray[np.uint8], x: NDArray[np.float64]) -> Layout:
    pairs = bonds(z, x)
    # hydrogen has single bonds only
    orders = np.where((z[pairs] == 1).any(axis=1), _SINGLE, _UNKNOWN)
    return Layout(tuple(z.tolist()), pairs, orders)

"""Molecules as Kekulé graphs of heavy atoms: arrays of atom types and bond orders, and back, as drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

#: Bond orders by their index: none, single, double, triple.
BOND_ORDERS = 4

_KINDS = (None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
_ORDERS = {kind: order for order, kind in enumerate(_KINDS)}


@dataclass(frozen=True, kw_only=True)
class AtomTypes:
    """The kinds of heavy atoms that a set of molecules has: elements with formal charges.

    Hydrogens are implied: an atom carries as many as its valence leaves open.

    Parameters
    ----------
    numbers
        Atomic number of each type.
    charges
        Formal charge of each type.
    valences
        Highest sum of bond orders to heavy atoms that each type may have.

    Raises
    ------
    ValueError
        If the three differ in length, there are none, or two are the same.

    Examples
    --------
    >>> types = AtomTypes.of([Chem.MolFromSmiles("CC(=O)N")])
    >>> types.names, types.valences
    (('C', 'N', 'O'), (3, 1, 2))
    """

    numbers: tuple[int, ...]
    charges: tuple[int, ...]
    valences: tuple[int, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.numbers), len(self.charges), len(self.valences)}
        pairs = set(zip(self.numbers, self.charges, strict=False))
        if len(lengths) != 1 or not self.numbers or len(pairs) != len(self.numbers):
            raise ValueError(f"{self!r}: expected one number, charge and valence for each of some distinct types")

    @classmethod
    def of(cls, mols: Iterable[Chem.Mol]) -> AtomTypes:
        """Collect the types of some molecules, with the highest valence that each shows.

        Parameters
        ----------
        mols
            Sanitised molecules.

        Returns
        -------
        AtomTypes
            In the order of atomic numbers and charges.
        """
        highest: Counter[tuple[int, int]] = Counter()
        for mol in mols:
            kekule = _kekule(mol)
            for atom in kekule.GetAtoms():
                bonds = sum(_ORDERS.get(bond.GetBondType(), 0) for bond in atom.GetBonds())
                key = (atom.GetAtomicNum(), atom.GetFormalCharge())
                highest[key] = max(highest[key], bonds)
        keys = sorted(highest)
        return cls(
            numbers=tuple(number for number, _ in keys),
            charges=tuple(charge for _, charge in keys),
            valences=tuple(highest[key] for key in keys),
        )

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the types, for instance ``C`` and ``N+1``."""
        symbol = Chem.GetPeriodicTable().GetElementSymbol
        return tuple(
            symbol(number) + (f"{charge:+d}" if charge else "")
            for number, charge in zip(self.numbers, self.charges, strict=True)
        )

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        return {key: k for k, key in enumerate(zip(self.numbers, self.charges, strict=True))}

    def index(self, atom: Chem.Atom) -> int | None:
        """Return the type of an atom, or None if there is no such type.

        Parameters
        ----------
        atom
            Any atom.

        Returns
        -------
        int or None
            Place in the order of the types.
        """
        return self._places.get((atom.GetAtomicNum(), atom.GetFormalCharge()))


@dataclass(frozen=True, kw_only=True, eq=False)
class KekuleGraphs:
    """Graphs padded to one size.

    Parameters
    ----------
    atoms
        Shape (n, n_max), the type of each atom; 0 behind the last.
    bonds
        Shape (n, n_max, n_max), bond orders 0 to 3, symmetric, 0 behind the last atom.
    sizes
        Shape (n,), atoms of each graph.
    """

    atoms: NDArray[np.uint8]
    bonds: NDArray[np.uint8]
    sizes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def n_max(self) -> int:
        """Atoms that there is room for."""
        return int(self.atoms.shape[1])

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Where there is an atom, shape (n, n_max)."""
        return np.arange(self.n_max) < self.sizes[:, None]  # (n, n_max)

    def take(self, rows: NDArray[np.intp]) -> KekuleGraphs:
        """Return some of the graphs.

        Parameters
        ----------
        rows
            Which.

        Returns
        -------
        KekuleGraphs
            In the order of ``rows``.
        """
        return KekuleGraphs(atoms=self.atoms[rows], bonds=self.bonds[rows], sizes=self.sizes[rows])

    def renumbered(self, orders: NDArray[np.integer]) -> KekuleGraphs:
        """Return the graphs with their atoms in another order.

        Parameters
        ----------
        orders
            Shape (n, n_max); atom ``orders[g, k]`` of graph g becomes atom k. Padding stays behind.

        Returns
        -------
        KekuleGraphs
            The same molecules.
        """
        orders = orders.astype(np.intp)
        atoms = np.take_along_axis(self.atoms, orders, axis=1)  # (n, n_max)
        bonds = np.take_along_axis(self.bonds, orders[:, :, None], axis=1)
        bonds = np.take_along_axis(bonds, orders[:, None, :], axis=2)  # (n, n_max, n_max)
        return KekuleGraphs(atoms=atoms, bonds=bonds, sizes=self.sizes)


def encode(mols: Sequence[Chem.Mol], types: AtomTypes, n_max: int) -> tuple[KekuleGraphs, list[str | None]]:
    """Write molecules as arrays.

    Parameters
    ----------
    mols
        Sanitised molecules; explicit hydrogens are taken off.
    types
        The types that there are.
    n_max
        Heavy atoms at most.

    Returns
    -------
    graphs : KekuleGraphs
        Those that could be written.
    reasons : list of str or None
        For each molecule why it could not.

    Examples
    --------
    >>> mols = [Chem.MolFromSmiles(s) for s in ("C=O", "CCCC", "[Na+].[Cl-]", "FC")]
    >>> graphs, reasons = encode(mols, AtomTypes.of(mols[:2]), 3)
    >>> graphs.bonds[0].tolist()
    [[0, 2, 0], [2, 0, 0], [0, 0, 0]]
    >>> reasons
    [None, '4 heavy atoms; there is room for 3', 'several fragments', 'atom F is of no known type (C, O)']
    """
    reasons: list[str | None] = []
    sizes: list[int] = []
    atoms: list[list[int]] = []
    bonds: list[tuple[int, int, int, int]] = []
    for mol in mols:
        read = _read(mol, types, n_max)
        reasons.append(read if isinstance(read, str) else None)
        if isinstance(read, str):
            continue
        kinds, pairs = read
        bonds.extend((len(sizes), i, j, order) for i, j, order in pairs)
        sizes.append(len(kinds))
        atoms.append(kinds + [0] * (n_max - len(kinds)))
    graphs = KekuleGraphs(
        atoms=np.array(atoms, dtype=np.uint8).reshape(-1, n_max),
        bonds=np.zeros((len(sizes), n_max, n_max), dtype=np.uint8),
        sizes=np.array(sizes, dtype=np.uint8),
    )
    if bonds:
        g, i, j, order = np.array(bonds).T
        graphs.bonds[g, i, j] = graphs.bonds[g, j, i] = order
    return graphs, reasons


def _read(mol: Chem.Mol, types: AtomTypes, n_max: int) -> str | tuple[list[int], list[tuple[int, int, int]]]:
    kekule = _kekule(mol)
    if not 0 < kekule.GetNumAtoms() <= n_max:
        return f"{kekule.GetNumAtoms()} heavy atoms; there is room for {n_max}"
    if len(Chem.GetMolFrags(kekule)) > 1:
        return "several fragments"
    kinds = []
    for atom in kekule.GetAtoms():
        kind = types.index(atom)
        if kind is None:
            charge = atom.GetFormalCharge()
            name = atom.GetSymbol() + (f"{charge:+d}" if charge else "")
            return f"atom {name} is of no known type ({', '.join(types.names)})"
        if atom.GetNumRadicalElectrons():
            return f"atom {atom.GetSymbol()} has an unpaired electron"
        kinds.append(kind)
    pairs = []
    for bond in kekule.GetBonds():
        order = _ORDERS.get(bond.GetBondType())
        if order is None:
            return f"a bond of order {bond.GetBondType()}"
        pairs.append((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), order))
    return kinds, pairs


def _kekule(mol: Chem.Mol) -> Chem.Mol:
    with BlockLogs():
        kekule = Chem.RemoveHs(mol, sanitize=False) if _has_hydrogens(mol) else Chem.Mol(mol)
        Chem.Kekulize(kekule, clearAromaticFlags=True)
    return kekule


def _has_hydrogens(mol: Chem.Mol) -> bool:
    return any(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms())


def drawn(graphs: KekuleGraphs, types: AtomTypes) -> list[Chem.Mol]:
    """Draw graphs as molecules, nothing checked and nothing repaired.

    Parameters
    ----------
    graphs
        Any graphs, chemically sensible or not.
    types
        Their types.

    Returns
    -------
    list of rdkit.Chem.Mol
        Not sanitised; hydrogens are left to be implied.
    """
    mols = []
    g, i, j = np.nonzero(np.triu(graphs.bonds, 1))
    orders = graphs.bonds[g, i, j].tolist()
    starts = np.searchsorted(g, np.arange(len(graphs) + 1)).tolist()
    pairs = list(zip(i.tolist(), j.tolist(), orders, strict=True))
    for k, size in enumerate(graphs.sizes.tolist()):
        mol = Chem.RWMol()
        for kind in graphs.atoms[k, :size].tolist():
            atom = Chem.Atom(types.numbers[kind])
            atom.SetFormalCharge(types.charges[kind])
            mol.AddAtom(atom)
        for a, b, order in pairs[starts[k] : starts[k + 1]]:
            mol.AddBond(a, b, _KINDS[order])
        mols.append(mol.GetMol())
    return mols


def smiles_orders(mol: Chem.Mol, n_max: int) -> NDArray[np.uint8]:
    """Return the orders in which SMILES rooted at each of the heavy atoms write them.

    Parameters
    ----------
    mol
        Without explicit hydrogens.
    n_max
        Length of an order; the places behind the last atom keep their numbers.

    Returns
    -------
    NDArray[np.uint8]
        Shape (n_atoms, n_max), one order for each root.

    Examples
    --------
    >>> smiles_orders(Chem.MolFromSmiles("CCO"), 4).tolist()
    [[0, 1, 2, 3], [1, 0, 2, 3], [2, 1, 0, 3]]
    """
    n = mol.GetNumAtoms()
    orders = np.tile(np.arange(n_max, dtype=np.uint8), (n, 1))  # (n_atoms, n_max)
    with BlockLogs():
        for root in range(n):
            Chem.MolToSmiles(mol, rootedAtAtom=root, isomericSmiles=False)
            orders[root, :n] = np.fromstring(mol.GetProp("_smilesAtomOutputOrder")[1:-1].rstrip(","), np.uint8, sep=",")
    return orders

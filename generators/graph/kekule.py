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

from molaug.generators.learned.atom_types import AtomTypes

_KINDS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
_ORDERS = {kind: order for order, kind in _KINDS.items()}


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
    read = kekule_graph(mol)
    if isinstance(read, str):
        return read
    if not 0 < len(read.numbers) <= n_max:
        return f"{len(read.numbers)} heavy atoms; there is room for {n_max}"
    kinds = []
    for number, charge in zip(read.numbers, read.charges, strict=True):
        kind = types.index_of(number, charge)
        if kind is None:
            name = Chem.GetPeriodicTable().GetElementSymbol(number) + (f"{charge:+d}" if charge else "")
            return f"atom {name} is of no known type ({', '.join(types.names)})"
        kinds.append(kind)
    return kinds, read.bonds


@dataclass(frozen=True, kw_only=True, slots=True)
class KekuleGraph:
    """One molecule of heavy atoms, before atom types are known.

    Parameters
    ----------
    numbers
        Atomic numbers.
    charges
        Formal charges.
    bonds
        Atoms i and j of each bond, and its order.
    """

    numbers: list[int]
    charges: list[int]
    bonds: list[tuple[int, int, int]]


def kekule_graph(mol: Chem.Mol) -> KekuleGraph | str:
    """Read one molecule, or say why it cannot be written as a graph of this kind.

    Parameters
    ----------
    mol
        Sanitised; explicit hydrogens are taken off.

    Returns
    -------
    KekuleGraph or str
        The reason if it has several fragments, atoms that are no elements, hydrogens that stay, unpaired electrons,
        bonds other than single, double and triple, or hydrogens other than those that its valences imply.

    Examples
    --------
    >>> kekule_graph(Chem.MolFromSmiles("C#N")).bonds
    [(0, 1, 3)]
    >>> kekule_graph(Chem.MolFromSmiles("[CH3]"))
    'atom C has an unpaired electron'
    """
    kekule = _kekule(mol)
    if len(Chem.GetMolFrags(kekule)) > 1:
        return "several fragments"
    numbers, charges = [], []
    for k in range(kekule.GetNumAtoms()):  # by index: RDKit's iterators cost several times as much
        atom = kekule.GetAtomWithIdx(k)
        if atom.GetAtomicNum() <= 1:
            return f"atom {atom.GetSymbol()} is no heavy atom"
        if atom.GetNumRadicalElectrons():
            return f"atom {atom.GetSymbol()} has an unpaired electron"
        numbers.append(atom.GetAtomicNum())
        charges.append(atom.GetFormalCharge())
    bonds = []
    for k in range(kekule.GetNumBonds()):
        bond = kekule.GetBondWithIdx(k)
        order = _ORDERS.get(bond.GetBondType())
        if order is None:
            return f"a bond of order {bond.GetBondType()}"
        bonds.append((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), order))
    odd = _not_implied(kekule)
    if odd is not None:
        return f"atom {odd.GetSymbol()} has {odd.GetTotalNumHs()} hydrogens, not what its valence implies"
    return KekuleGraph(numbers=numbers, charges=charges, bonds=bonds)


def _kekule(mol: Chem.Mol) -> Chem.Mol:
    with BlockLogs():
        if any(mol.GetBondWithIdx(k).GetIsAromatic() for k in range(mol.GetNumBonds())):
            mol = Chem.Mol(mol)
            Chem.Kekulize(mol, clearAromaticFlags=True)
        if mol.GetNumHeavyAtoms() < mol.GetNumAtoms():  # after the bonds: those of pyrrole depend on its hydrogen
            mol = Chem.RemoveHs(mol, updateExplicitCount=True, sanitize=False)
    return mol


def _not_implied(kekule: Chem.Mol) -> Chem.Atom | None:
    """Return the first atom that would have another number of hydrogens if they were left to be implied."""
    atoms = [kekule.GetAtomWithIdx(k) for k in range(kekule.GetNumAtoms())]
    stated = [atom.GetIdx() for atom in atoms if atom.GetNoImplicit() or atom.GetNumExplicitHs()]
    if not stated:
        return None
    implied = Chem.Mol(kekule)
    for k in stated:
        implied.GetAtomWithIdx(k).SetNoImplicit(False)
        implied.GetAtomWithIdx(k).SetNumExplicitHs(0)
    implied.UpdatePropertyCache(strict=False)
    for k in stated:
        if implied.GetAtomWithIdx(k).GetTotalNumHs() != atoms[k].GetTotalNumHs():
            return atoms[k]
    return None


def highest_valences(mols: Iterable[Chem.Mol]) -> Counter[tuple[int, int]]:
    """Return the highest sum of bond orders among heavy atoms that each kind of heavy atom shows.

    Parameters
    ----------
    mols
        Sanitised molecules.

    Returns
    -------
    collections.Counter
        By atomic number and formal charge.
    """
    highest: Counter[tuple[int, int]] = Counter()
    for mol in mols:
        kekule = _kekule(mol)
        for atom in kekule.GetAtoms():
            if atom.GetAtomicNum() <= 1:
                continue  # deuterium, say
            bonds = sum(_ORDERS.get(bond.GetBondType(), 0) for bond in atom.GetBonds())
            key = (atom.GetAtomicNum(), atom.GetFormalCharge())
            highest[key] = max(highest[key], bonds)
    return highest


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


def smiles_orders(mol: Chem.Mol, n_max: int, *, roots: Sequence[int] | None = None) -> NDArray[np.uint8]:
    """Return the orders in which SMILES rooted at each of some heavy atoms write them.

    Parameters
    ----------
    mol
        Without explicit hydrogens.
    n_max
        Length of an order; the places behind the last atom keep their numbers.
    roots
        Atoms to begin at; every atom by default.

    Returns
    -------
    NDArray[np.uint8]
        Shape (n_roots, n_max), one order for each root.

    Examples
    --------
    >>> smiles_orders(Chem.MolFromSmiles("CCO"), 4).tolist()
    [[0, 1, 2, 3], [1, 0, 2, 3], [2, 1, 0, 3]]
    """
    n = mol.GetNumAtoms()
    roots = range(n) if roots is None else roots
    orders = np.tile(np.arange(n_max, dtype=np.uint8), (len(roots), 1))  # (n_roots, n_max)
    with BlockLogs():
        for k, root in enumerate(roots):
            Chem.MolToSmiles(mol, rootedAtAtom=root, isomericSmiles=False)
            orders[k, :n] = [int(number) for number in mol.GetProp("_smilesAtomOutputOrder")[1:-1].split(",") if number]
    return orders

"""Geometries that are the same but for motion and the exchange of equivalent atoms, hydrogens included."""

from __future__ import annotations

from itertools import permutations, product
from math import factorial

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.superposition import kabsch_rmsd, rotation

#: Mappings of the skeleton that are tried at most; beyond it the RMSD is an upper bound.
MAX_MAPPINGS = 10_000

#: Mappings of all atoms up to which each of them is superposed. Beyond it hydrogens of one atom are assigned.
MAX_EXPLICIT = 100

#: Superpositions computed at once: bounds the memory.
_TOGETHER = 4096

#: Rounds of assigning hydrogens and turning; the second changes nothing where geometries are close.
_ROUNDS = 3

#: Rounding of float64 distances, in Å.
_EPSILON = 1e-9


class Symmetry:
    """The exchanges of atoms that leave the bond graph of a molecule as it is, and RMSDs over all of them.

    An exchange is a mapping of the skeleton (all atoms but terminal hydrogens) with, for each atom of it, any order of
    its hydrogens. Where there are few (``MAX_EXPLICIT``) each is superposed, and the RMSD is exact. Where there are
    more, each mapping of the skeleton is superposed with the hydrogens of an atom in their centre, which no order
    changes; hydrogens are then assigned to the nearest, and all atoms superposed. This finds the least RMSD wherever
    it is small against the distance of two hydrogens of an atom, as it is for duplicates. Bond orders and charges
    play no part: the oxygens of a carboxylate are equivalent. Reflections are not allowed: mirror images of a
    geometry count as different, as they do among conformers.

    ``order`` is the number of exchanges, ``pairs`` the pairs of atoms in classes that every exchange maps onto
    themselves.

    Parameters
    ----------
    mol
        With all hydrogens.

    Examples
    --------
    >>> methanol = Symmetry(Chem.AddHs(Chem.MolFromSmiles("CO")))
    >>> methanol.order
    6
    """

    def __init__(self, mol: Chem.Mol) -> None:
        n_atoms = mol.GetNumAtoms()
        hydrogens = _terminal_hydrogens(mol)
        self._groups = [np.array(group) for group in hydrogens.values() if len(group) > 1]
        self._skeleton_maps = _skeleton_maps(mol, hydrogens)  # (n_maps, n_atoms)
        self.order = len(self._skeleton_maps)
        for group in self._groups:
            self.order *= factorial(len(group))
        self._explicit = self._all_maps(n_atoms) if self.order <= MAX_EXPLICIT else None
        self.pairs = _equivalent_pairs(mol, self._orbits(n_atoms))

    def _orbits(self, n_atoms: int) -> NDArray[np.intp]:
        """Return the first of the atoms that each atom can be exchanged with, shape (n_atoms,)."""
        first = np.arange(n_atoms)
        for group in self._groups:
            first[group] = group.min()
        while True:  # once, where the mappings are all of the group
            least = np.minimum(first, first[self._skeleton_maps].min(axis=0))
            if np.array_equal(least, first):
                return first
            first = least

    def _all_maps(self, n_atoms: int) -> NDArray[np.intp]:
        orders = np.tile(np.arange(n_atoms), (self.order // len(self._skeleton_maps), 1))
        for k, choice in enumerate(product(*([*permutations(group.tolist())] for group in self._groups))):
            for group, order in zip(self._groups, choice, strict=True):
                orders[k, group] = order
        maps: NDArray[np.intp] = self._skeleton_maps[:, orders].reshape(-1, n_atoms)
        return maps

    def rmsd(
        self, positions: NDArray[np.float64], others: NDArray[np.float64], *, below: float = np.inf
    ) -> NDArray[np.float64]:
        """Return the least RMSD of a geometry to each of some, over motions and exchanges of equivalent atoms.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).
        others
            In Å, shape (m, n_atoms, 3).
        below
            Values from here on may be lower bounds, which are quicker.

        Returns
        -------
        NDArray[np.float64]
            In Å, over all atoms, shape (m,).
        """
        x = positions - positions.mean(axis=0)
        y = others - others.mean(axis=1, keepdims=True)
        maps = self._skeleton_maps if self._explicit is None else self._explicit
        size = max(1, _TOGETHER // len(maps))
        parts = [self._of_some(x[maps], y[k : k + size], below) for k in range(0, len(y), size)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _of_some(self, x: NDArray[np.float64], y: NDArray[np.float64], below: float) -> NDArray[np.float64]:
        """Return the least over the orders of atoms, x of shape (n_maps, n_atoms, 3), for each y."""
        if self._explicit is not None:
            every = kabsch_rmsd(x[None], y[:, None])  # (m, n_maps)
        else:
            # means of what is left over are no longer than it: hydrogens in their centre give a lower bound
            every = kabsch_rmsd(self._smoothed(x)[None], self._smoothed(y)[:, None])
            close = np.nonzero(every < below)
            every[close] = self._assigned(x[close[1]], y[close[0]])
        least: NDArray[np.float64] = every.min(axis=1)
        return least

    def _assigned(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the RMSD of pairs, shape (m, n_atoms, 3), with the hydrogens of each atom in the best order."""
        x = x @ rotation(self._smoothed(x), self._smoothed(y))
        for _ in range(_ROUNDS):
            for group in self._groups:
                orders = np.array([*permutations(range(len(group)))])  # (n_orders, n_group)
                choices = x[:, group][:, orders]  # (m, n_orders, n_group, 3)
                best = ((choices - y[:, None, group]) ** 2).sum(axis=(2, 3)).argmin(axis=1)  # (m,)
                x[:, group] = choices[np.arange(len(x)), best]
            x = x @ rotation(x, y)
        rmsd: NDArray[np.float64] = np.sqrt(((x - y) ** 2).sum(axis=2).mean(axis=1))
        return rmsd

    def _smoothed(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return geometries with the hydrogens of each atom in their centre."""
        smooth = x.copy()
        for group in self._groups:
            smooth[..., group, :] = x[..., group, :].mean(axis=-2, keepdims=True)
        return smooth


class Known:
    """Geometries of one molecule that are known, and whether another one is among them.

    Parameters
    ----------
    mol
        With all hydrogens.
    threshold
        RMSD in Å below which two geometries are the same.

    Examples
    --------
    >>> water = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    >>> known = Known(Chem.AddHs(Chem.MolFromSmiles("O")), threshold=0.05)
    >>> known.add(water)
    >>> known.find(water[[0, 2, 1]] + 1.0), known.find(1.2 * water)
    (0, None)
    """

    def __init__(self, mol: Chem.Mol, threshold: float) -> None:
        self._threshold = threshold
        self._symmetry = Symmetry(mol)
        n_atoms = mol.GetNumAtoms()
        self._positions = np.zeros((16, n_atoms, 3))  # with room to grow
        self._distances = np.zeros((16, n_atoms * (n_atoms - 1) // 2))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, positions: NDArray[np.float64]) -> None:
        """Take a geometry in.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).
        """
        if self._count == len(self._positions):
            self._positions = np.concatenate([self._positions, np.zeros_like(self._positions)])
            self._distances = np.concatenate([self._distances, np.zeros_like(self._distances)])
        self._positions[self._count] = positions
        self._distances[self._count] = self._sorted_distances(positions)
        self._count += 1

    def find(self, positions: NDArray[np.float64]) -> int | None:
        """Return a known geometry that a geometry is nearer to than the threshold.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).

        Returns
        -------
        int or None
            Its number, in the order in which they were taken in; None if it is new.
        """
        # Σ(d - d')² ≤ n_atoms² RMSD² for any exchange, and the sorted distances of a class have the least such sum:
        # most of the known need no superposition
        difference = self._distances[: self._count] - self._sorted_distances(positions)  # (count, n_pairs)
        bound = np.sqrt(np.einsum("cp,cp->c", difference, difference)) / len(positions)
        close = np.flatnonzero(bound < self._threshold + _EPSILON)
        if not len(close):
            return None
        rmsd = self._symmetry.rmsd(positions, self._positions[close], below=self._threshold)
        best = int(rmsd.argmin())
        return int(close[best]) if rmsd[best] < self._threshold else None

    def _sorted_distances(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all distances, sorted within each class of pairs: no exchange of equivalent atoms changes them."""
        i, j, classes = self._symmetry.pairs
        distances = np.linalg.norm(positions[i] - positions[j], axis=1)  # (n_pairs,)
        arranged: NDArray[np.float64] = distances[np.lexsort((distances, classes))]
        return arranged


def _equivalent_pairs(
    mol: Chem.Mol, orbits: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return all pairs of atoms, and a number for each that no exchange changes: what they are, and bonds between."""
    n_atoms = len(orbits)
    i, j = np.triu_indices(n_atoms, 1)
    between = np.minimum(Chem.GetDistanceMatrix(mol), n_atoms).astype(np.intp)  # without a path it is huge
    low, high = np.minimum(orbits[i], orbits[j]), np.maximum(orbits[i], orbits[j])
    return i, j, (low * n_atoms + high) * (n_atoms + 1) + between[i, j]


def _terminal_hydrogens(mol: Chem.Mol) -> dict[int, list[int]]:
    """Return the hydrogens of each atom that have no other neighbour; those of hydrogen itself stand alone."""
    found: dict[int, list[int]] = {}
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() != 1 or atom.GetDegree() != 1:
            continue
        centre = atom.GetNeighbors()[0]
        if centre.GetAtomicNum() != 1:
            found.setdefault(centre.GetIdx(), []).append(atom.GetIdx())
    return found


def _skeleton_maps(mol: Chem.Mol, hydrogens: dict[int, list[int]]) -> NDArray[np.intp]:
    """Return the mappings of the skeleton onto itself, the hydrogens of an atom going along in their order."""
    terminal = {atom for group in hydrogens.values() for atom in group}
    skeleton = [k for k in range(mol.GetNumAtoms()) if k not in terminal]
    place = {atom: k for k, atom in enumerate(skeleton)}
    graph = Chem.RWMol()
    for index in skeleton:
        atom = Chem.Atom(mol.GetAtomWithIdx(index).GetAtomicNum())
        # the isotope carries the number of hydrogens: an atom matches those of equal element and isotope only
        atom.SetIsotope(len(hydrogens.get(index, [])) + 1)
        atom.SetNoImplicit(True)
        graph.AddAtom(atom)
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if i in place and j in place:
            graph.AddBond(place[i], place[j], Chem.BondType.SINGLE)
    with BlockLogs():
        found = graph.GetSubstructMatches(graph.GetMol(), uniquify=False, maxMatches=MAX_MAPPINGS)
    maps = np.tile(np.arange(mol.GetNumAtoms()), (len(found), 1))
    for row, match in zip(maps, found, strict=True):
        for k, image in enumerate(match):
            row[skeleton[k]] = skeleton[image]
            row[hydrogens.get(skeleton[k], [])] = hydrogens.get(skeleton[image], [])
    return maps

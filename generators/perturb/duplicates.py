"""Geometries that are the same but for motion and the exchange of equivalent atoms, hydrogens included."""

from __future__ import annotations

from itertools import permutations, product
from math import factorial

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

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

    def _all_maps(self, n_atoms: int) -> NDArray[np.intp]:
        orders = np.tile(np.arange(n_atoms), (self.order // len(self._skeleton_maps), 1))
        for k, choice in enumerate(product(*([*permutations(group.tolist())] for group in self._groups))):
            for group, order in zip(self._groups, choice, strict=True):
                orders[k, group] = order
        maps: NDArray[np.intp] = self._skeleton_maps[:, orders].reshape(-1, n_atoms)
        return maps

    def rmsd(self, positions: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the least RMSD of a geometry to each of some, over motions and exchanges of equivalent atoms.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).
        others
            In Å, shape (m, n_atoms, 3).

        Returns
        -------
        NDArray[np.float64]
            In Å, over all atoms, shape (m,).
        """
        x = positions - positions.mean(axis=0)
        y = others - others.mean(axis=1, keepdims=True)
        maps = self._skeleton_maps if self._explicit is None else self._explicit
        size = max(1, _TOGETHER // len(maps))
        parts = [self._of_some(x[maps], y[k : k + size]) for k in range(0, len(y), size)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _of_some(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the least over the orders of atoms, x of shape (n_maps, n_atoms, 3), for each y."""
        left, right = x[None], y[:, None]  # (1, n_maps, n_atoms, 3), (m, 1, n_atoms, 3)
        if self._explicit is None:
            left = self._assigned(left, right)  # (m, n_maps, n_atoms, 3)
        overlap = _overlap(np.swapaxes(left, -1, -2) @ right)  # (m, n_maps)
        square = (left**2).sum(axis=(-1, -2)) + (right**2).sum(axis=(-1, -2)) - 2 * overlap
        least: NDArray[np.float64] = np.sqrt(np.maximum(square.min(axis=1), 0) / x.shape[-2])
        return least

    def _assigned(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return geometries with the hydrogens of each atom in the order that lies best over others."""
        turned = x @ _rotation(self._smoothed(x), self._smoothed(y))  # (m, n_maps, n_atoms, 3)
        for _ in range(_ROUNDS):
            for group in self._groups:
                orders = np.array([*permutations(range(len(group)))])  # (n_orders, n_group)
                choices = turned[..., group, :][..., orders, :]  # (m, n_maps, n_orders, n_group, 3)
                square = ((choices - y[..., None, group, :]) ** 2).sum(axis=(-1, -2))  # (m, n_maps, n_orders)
                best = square.argmin(axis=-1)[..., None, None, None]
                turned[..., group, :] = np.take_along_axis(choices, best, axis=2)[:, :, 0]
            turned = turned @ _rotation(turned, y)
        return turned

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
        self._pairs = _sorted_pairs([atom.GetAtomicNum() for atom in mol.GetAtoms()])
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
        # Σ(d - d')² over sorted distances is at most n_atoms² RMSD²: most of the known need no superposition
        difference = self._distances[: self._count] - self._sorted_distances(positions)  # (count, n_pairs)
        bound = np.sqrt(np.einsum("cp,cp->c", difference, difference)) / len(positions)
        close = np.flatnonzero(bound < self._threshold + _EPSILON)
        if not len(close):
            return None
        rmsd = self._symmetry.rmsd(positions, self._positions[close])
        best = int(rmsd.argmin())
        return int(close[best]) if rmsd[best] < self._threshold else None

    def _sorted_distances(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all distances, sorted within each pair of elements: no exchange of equivalent atoms changes them."""
        parts = [np.sort(np.linalg.norm(positions[i] - positions[j], axis=1)) for i, j in self._pairs]
        return np.concatenate(parts)


def _sorted_pairs(numbers: list[int]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    z = np.array(numbers)
    i, j = np.triu_indices(len(z), 1)
    kind = np.minimum(z[i], z[j]) * 256 + np.maximum(z[i], z[j])
    return [(i[kind == k], j[kind == k]) for k in np.unique(kind)]


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


def _overlap(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the greatest trace over proper rotations (Kabsch), shape (...)."""
    values = np.linalg.svd(covariance, compute_uv=False)  # (..., 3), descending
    trace: NDArray[np.float64] = values[..., 0] + values[..., 1] + values[..., 2] * np.sign(np.linalg.det(covariance))
    return trace


def _rotation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the proper rotations that lay x best over y, to be multiplied from the right, shape (..., 3, 3)."""
    u, _, vt = np.linalg.svd(np.swapaxes(x, -1, -2) @ y)
    u[..., :, 2] *= np.sign(np.linalg.det(u @ vt))[..., None]
    turn: NDArray[np.float64] = u @ vt
    return turn

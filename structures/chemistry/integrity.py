"""Whether geometries of one molecule still are that molecule: the same bonds, the same stereo; on whole arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rdkit import Chem

from molaug.structures.chemistry.connectivity import BOND_FACTOR, TYPICAL_NEIGHBOURS, bonds, reach
from molaug.structures.chemistry.stereo import is_marked_amine, mark_stereo, with_hands_of_amines

#: Why a geometry is not the molecule.
BROKEN_BONDS = "its bonds are not those of the parent"
OTHER_STEREO = "its stereo is not that of the parent"

#: Normalised volume spanned by the neighbours of a centre above which its handedness is beyond doubt; a regular
#: tetrahedron has 0.77.
_CLEAR_VOLUME = 0.3

#: Cosine of the torsion about a double bond above which cis and trans are beyond doubt.
_CLEAR_COSINE = 0.5

#: Elements of pairs times geometries that are compared at once: bounds the memory.
_AT_ONCE = 2_000_000


class Integrity:
    """Judges geometries by the bonds and the stereo of a molecule.

    The verdicts are those of :func:`molaug.structures.chemistry.bonds` and of RDKit's perception of stereo. Geometries
    whose distances, volumes and torsions leave no doubt, nearly all of them, are judged on arrays; the others one by
    one.

    Parameters
    ----------
    mol
        With all hydrogens and its stereo marked; what is not marked is free. Its bonds must be those of a real
        geometry, see :func:`molaug.structures.chemistry.bonds`.

    Examples
    --------
    >>> water = Chem.AddHs(Chem.MolFromSmiles("O"))
    >>> x = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    >>> Integrity(water).reasons([x, 2 * x])
    [None, 'its bonds are not those of the parent']
    """

    def __init__(self, mol: Chem.Mol) -> None:
        self._mol = Chem.Mol(mol)
        self._mol.RemoveAllConformers()
        self._numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.intp)
        n_atoms = len(self._numbers)
        bonded = np.zeros((n_atoms, n_atoms), dtype=bool)
        for bond in mol.GetBonds():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            bonded[i, j] = bonded[j, i] = True
        # with more neighbours than that, a stretched bond must compete with the others
        self._roomy = bool((bonded.sum(axis=1) <= TYPICAL_NEIGHBOURS[self._numbers]).all())
        self._i, self._j = np.triu_indices(n_atoms, 1)
        self._bonded = bonded[self._i, self._j]  # (n_pairs,)
        self._limit = BOND_FACTOR * reach(self._numbers[self._i], self._numbers[self._j])  # (n_pairs,)
        self._pairs = np.stack([self._i, self._j], axis=1)[self._bonded].tolist()
        self._marks = stereo_marks(mol)
        self._amines = any(is_marked_amine(mol.GetAtomWithIdx(k)) for kind, k in self._marks if kind == "atom")
        self._centres = [_ordered_neighbours(mol, place) for kind, place in self._marks if kind == "atom"]
        self._double = [_double_bond(mol, place) for kind, place in self._marks if kind == "bond"]
        self._clear = np.array([_CLEAR_VOLUME] * len(self._centres) + [_CLEAR_COSINE] * len(self._double))
        self._signs: NDArray[np.float64] | None = None

    def reasons(self, positions: ArrayLike) -> list[str | None]:
        """Judge geometries.

        Parameters
        ----------
        positions
            In Å, shape (n, n_atoms, 3), atoms in the order of the molecule.

        Returns
        -------
        list of (str or None)
            None for each that is the molecule.
        """
        x = np.asarray(positions, dtype=np.float64)
        if not len(x):
            return []
        size = max(1, _AT_ONCE // max(len(self._i), 1))
        found: list[str | None] = []
        for first in range(0, len(x), size):
            found.extend(self._judge(x[first : first + size]))
        return found

    def _judge(self, x: NDArray[np.float64]) -> list[str | None]:
        finite = np.asarray(np.isfinite(x).all(axis=(1, 2)))
        same = self._bonds_beyond_doubt(x)
        sure, wrong = self._stereo_beyond_doubt(x)
        reasons: list[str | None] = [None] * len(x)
        for k in np.flatnonzero(~(same & sure)).tolist():
            if not finite[k]:
                reasons[k] = "its positions are not finite"
            elif not same[k] and bonds(self._numbers, x[k]).tolist() != self._pairs:
                reasons[k] = BROKEN_BONDS
            elif wrong[k] or (not sure[k] and not self._same_stereo(x[k])):
                reasons[k] = OTHER_STEREO
        return reasons

    def _bonds_beyond_doubt(self, x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where plain distances show the bonds of the molecule, shape (n,).

        Valences then decide as they did for the molecule itself.
        """
        d = x[:, self._i] - x[:, self._j]  # (n, n_pairs, 3)
        near = np.einsum("npk,npk->np", d, d) < self._limit**2
        same: NDArray[np.bool_] = (near == self._bonded).all(axis=1) & self._roomy
        return same

    def _stereo_beyond_doubt(self, x: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return where the stereo is surely that of the molecule, and where it surely is not; each of shape (n,)."""
        if not self._marks:
            return np.ones(len(x), dtype=bool), np.zeros(len(x), dtype=bool)
        values = self._measures(x)  # (n, n_marks)
        if self._signs is None:
            self._learn(x)
        if self._signs is None:
            return np.zeros(len(x), dtype=bool), np.zeros(len(x), dtype=bool)
        along = values * self._signs
        return np.asarray((along > self._clear).all(axis=1)), np.asarray((along < -self._clear).any(axis=1))

    def _learn(self, x: NDArray[np.float64]) -> None:
        """Take the signs of the marks from the first geometry that RDKit finds to be the molecule, and clearly so."""
        values = self._measures(x)
        for k in np.flatnonzero((np.abs(values) > self._clear).all(axis=1)).tolist():
            if self._same_stereo(x[k]):
                self._signs = np.sign(values[k])
                return

    def _measures(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return normalised volumes of the centres, then cosines of the double bonds, shape (n, n_marks)."""
        columns: list[NDArray[np.float64]] = []
        for place, *arms in self._centres:
            # of four arms the tetrahedron that they span decides, wherever the centre lies
            origin, *others = arms if len(arms) == 4 else (place, *arms)
            edges = x[:, others] - x[:, [origin]]  # (n, 3, 3)
            volume = np.linalg.det(edges) * (-1 if len(arms) == 4 else 1)
            columns.append(volume / np.maximum(np.linalg.norm(edges, axis=2).prod(axis=1), 1e-12))
        for a, b, c, d in self._double:
            axis = x[:, c] - x[:, b]
            first, second = np.cross(x[:, a] - x[:, b], axis), np.cross(x[:, d] - x[:, c], axis)
            lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
            columns.append(np.einsum("nk,nk->n", first, second) / np.maximum(lengths, 1e-12))
        return np.nan_to_num(np.stack(columns, axis=1))  # what is not finite decides nothing

    def _same_stereo(self, x: NDArray[np.float64]) -> bool:
        mol = Chem.Mol(self._mol)
        conformer = Chem.Conformer(len(x))
        conformer.SetPositions(np.ascontiguousarray(x))
        mol.AddConformer(conformer, assignId=True)
        mark_stereo(mol)
        found = stereo_marks(with_hands_of_amines(mol) if self._amines else mol)
        return all(found.get(place) == mark for place, mark in self._marks.items())


def stereo_marks(mol: Chem.Mol) -> dict[tuple[str, int], object]:
    """Return the marked centres and double bonds of a molecule.

    Parameters
    ----------
    mol
        Any.

    Returns
    -------
    dict
        Mark by kind and index; molecules with the same order of atoms and bonds can be compared by it.
    """
    atoms = {
        ("atom", atom.GetIdx()): atom.GetChiralTag()
        for atom in mol.GetAtoms()
        if atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED
    }
    double = {
        ("bond", bond.GetIdx()): (bond.GetStereo(), *bond.GetStereoAtoms())
        for bond in mol.GetBonds()
        if bond.GetStereo() > Chem.BondStereo.STEREOANY
    }
    return {**atoms, **double}


def _ordered_neighbours(mol: Chem.Mol, centre: int) -> tuple[int, ...]:
    return centre, *sorted(atom.GetIdx() for atom in mol.GetAtomWithIdx(centre).GetNeighbors())


def _double_bond(mol: Chem.Mol, index: int) -> tuple[int, int, int, int]:
    bond = mol.GetBondWithIdx(index)
    a, d = bond.GetStereoAtoms()
    return a, bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), d

"""A model of the Hessian of a molecule, from its bonds and its geometry: where quasi-Newton relaxations start."""

from __future__ import annotations

import numpy as np
from ase import units
from numpy.typing import NDArray
from rdkit import Chem

from molaug.generators.torsions.dihedrals import STRAIGHT, cross, dihedral_gradients

# Lindh et al., Table 1: by the rows of the periodic table of two atoms (H-He, Li-Ne, all others), in atomic units
_ALPHA = np.array([[1.0, 0.3949, 0.3949], [0.3949, 0.28, 0.28], [0.3949, 0.28, 0.28]])
_R_REF = np.array([[1.35, 2.10, 2.53], [2.10, 2.87, 3.40], [2.53, 3.40, 3.40]])

#: Force constants of stretches (hartree/bohr²), bends and torsions (hartree/rad²).
_K_STRETCH, _K_BEND, _K_TORSION = 0.45, 0.15, 0.005

#: Added to the diagonal, in eV/Å²: what nothing else holds is as soft as a group that turns.
_FLOOR = 0.1


class ModelHessian:
    """The force-constant model of Lindh, with stretches, bends and torsions along the bonds of a molecule.

    Parameters
    ----------
    mol
        With all hydrogens.

    References
    ----------
    R. Lindh et al., Chem. Phys. Lett. 241, 423 (1995), doi:10.1016/0009-2614(95)00646-L.

    Examples
    --------
    >>> water = Chem.AddHs(Chem.MolFromSmiles("O"))
    >>> x = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    >>> bool((np.linalg.eigvalsh(ModelHessian(water)(x)) > 0).all())
    True
    """

    def __init__(self, mol: Chem.Mol) -> None:
        self._n_atoms = mol.GetNumAtoms()
        numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.intp)
        self._row = np.where(numbers <= 2, 0, np.where(numbers <= 10, 1, 2))
        near = [sorted(n.GetIdx() for n in atom.GetNeighbors()) for atom in mol.GetAtoms()]
        bonds = [(b, c) for b in range(self._n_atoms) for c in near[b] if b < c]
        self._bonds = np.array(bonds, dtype=np.intp).reshape(-1, 2)
        self._angles = np.array(
            [(a, b, c) for b in range(self._n_atoms) for a in near[b] for c in near[b] if a < c], dtype=np.intp
        ).reshape(-1, 3)
        self._torsions = np.array(
            [(a, b, c, d) for b, c in bonds for a in near[b] for d in near[c] if a not in (c, d) and d != b],
            dtype=np.intp,
        ).reshape(-1, 4)

    def __call__(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the model at a geometry.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).

        Returns
        -------
        NDArray[np.float64]
            Positive definite, in eV/Å², shape (3·n_atoms, 3·n_atoms).
        """
        x = positions
        unit = units.Hartree  # of bends and torsions, per rad²
        parts = [self._stretches(x), *self._bends(x), self._turns(x)]
        total = np.zeros((3 * self._n_atoms,) * 2)
        for atoms, gradients, k in parts:
            # rows of Wilson's B matrix, scaled by the roots of their force constants
            B = np.zeros((len(atoms), self._n_atoms, 3))
            B[np.arange(len(atoms))[:, None], atoms] = gradients * np.sqrt(unit * k)[:, None, None]
            flat = B.reshape(len(atoms), 3 * self._n_atoms)
            total += flat.T @ flat
        total[np.diag_indices_from(total)] += _FLOOR
        return total

    def _rho(self, x: NDArray[np.float64], a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how much of a bond there is between pairs of atoms, shape (n,)."""
        squared = np.sum((x[a] - x[b]) ** 2, axis=1) / units.Bohr**2
        rows = self._row[a], self._row[b]
        # squeezed far below the reference it would stiffen without bound
        return np.asarray(np.exp(np.minimum(_ALPHA[rows] * (_R_REF[rows] ** 2 - squared), 1.0)))

    def _stretches(self, x: NDArray[np.float64]) -> _Part:
        a, b = self._bonds.T
        u = x[a] - x[b]
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        return self._bonds, np.stack([u, -u], axis=1), _K_STRETCH / units.Bohr**2 * self._rho(x, a, b)

    def _bends(self, x: NDArray[np.float64]) -> list[_Part]:
        a, b, c = self._angles.T
        u, v = x[a] - x[b], x[c] - x[b]
        ru, rv = np.linalg.norm(u, axis=1, keepdims=True), np.linalg.norm(v, axis=1, keepdims=True)
        u, v = u / ru, v / rv
        k = _K_BEND * self._rho(x, a, b) * self._rho(x, b, c)
        # two directions of bending: in the plane of the atoms, and for straight ones across it as well
        normal = cross(u, v)
        straight = np.linalg.norm(normal, axis=1) < STRAIGHT
        normal[straight] = cross(u[straight], np.eye(3)[np.abs(u[straight]).argmin(axis=1)])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        parts: list[_Part] = []
        in_plane = cross(u, normal) / ru, -cross(v, normal) / rv
        parts.append((self._angles, np.stack([in_plane[0], -in_plane[0] - in_plane[1], in_plane[1]], axis=1), k))
        across = (normal / ru)[straight], (normal / rv)[straight]
        parts.append(
            (
                self._angles[straight],
                np.stack([across[0], -across[0] - across[1], across[1]], axis=1),
                k[straight],
            )
        )
        return parts

    def _turns(self, x: NDArray[np.float64]) -> _Part:
        a, b, c, d = self._torsions.T
        gradients = dihedral_gradients(x, self._torsions)
        # next to a straight angle a torsion is not defined
        fine = np.isfinite(gradients).all(axis=(1, 2)) & (
            np.abs(gradients).max(axis=(1, 2), initial=0.0) < 1 / STRAIGHT
        )
        k = _K_TORSION * self._rho(x, a, b) * self._rho(x, b, c) * self._rho(x, c, d)
        return self._torsions[fine], gradients[fine], k[fine]


#: Atoms of internal coordinates (n, m), their gradients (n, m, 3) and force constants (n,).
_Part = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]

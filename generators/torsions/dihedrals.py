"""Dihedral angles: their values, their gradients, and the turning of groups of atoms that changes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Sine of an angle a-b-c or b-c-d below which the dihedral a-b-c-d is not defined.
STRAIGHT = 0.05

_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


def dihedrals(positions: ArrayLike, quads: ArrayLike) -> NDArray[np.float64]:
    """Return dihedral angles, with the sign of IUPAC.

    Parameters
    ----------
    positions
        In Å, shape (n_atoms, 3).
    quads
        Atoms a, b, c, d of each, shape (n, 4).

    Returns
    -------
    NDArray[np.float64]
        In radians, in (-π, π], shape (n,).

    Examples
    --------
    >>> x = [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1]]
    >>> np.degrees(dihedrals(x, [[0, 1, 2, 3]])).round(6).tolist()
    [90.0]
    """
    F, G, H = _arms(positions, quads)
    A, B = cross(F, G), cross(H, G)  # (n, 3)
    sine = np.einsum("nk,nk->n", cross(B, A), G) / np.linalg.norm(G, axis=1)
    angles: NDArray[np.float64] = np.arctan2(sine, np.einsum("nk,nk->n", A, B))
    return angles


def dihedral_gradients(positions: ArrayLike, quads: ArrayLike) -> NDArray[np.float64]:
    """Return the gradients of dihedral angles by the positions of their four atoms.

    These are the rows of Wilson's B matrix, in the form without singularities at 0 and π.

    Parameters
    ----------
    positions
        In Å, shape (n_atoms, 3).
    quads
        Atoms a, b, c, d of each, shape (n, 4).

    Returns
    -------
    NDArray[np.float64]
        In rad/Å, shape (n, 4, 3). Not finite where three of the atoms are on a line.

    References
    ----------
    A. Blondel, M. Karplus, J. Comput. Chem. 17, 1132 (1996),
    doi:10.1002/(SICI)1096-987X(19960715)17:9<1132::AID-JCC5>3.0.CO;2-T.
    """
    F, G, H = _arms(positions, quads)
    A, B = cross(F, G), cross(H, G)  # (n, 3)
    length = np.linalg.norm(G, axis=1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        A = A / np.einsum("nk,nk->n", A, A)[:, None]
        B = B / np.einsum("nk,nk->n", B, B)[:, None]
        first = length * A
        last = length * B
        shear = np.einsum("nk,nk->n", F, G)[:, None] / length * A - np.einsum("nk,nk->n", H, G)[:, None] / length * B
    return np.stack([-first, first + shear, -last - shear, last], axis=1)


def defined(positions: ArrayLike, quads: ArrayLike) -> NDArray[np.bool_]:
    """Return which dihedral angles are defined: no three of their atoms on a line.

    Parameters
    ----------
    positions
        In Å, shape (n_atoms, 3).
    quads
        Atoms a, b, c, d of each, shape (n, 4).

    Returns
    -------
    NDArray[np.bool_]
        Shape (n,).
    """
    F, G, H = _arms(positions, quads)
    lengths = [np.linalg.norm(v, axis=1) for v in (F, G, H)]
    first = np.linalg.norm(cross(F, G), axis=1) > STRAIGHT * lengths[0] * lengths[1]
    second = np.linalg.norm(cross(H, G), axis=1) > STRAIGHT * lengths[2] * lengths[1]
    return np.asarray(first & second)


def cross(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vector products, for few vectors several times as fast as NumPy.

    Parameters
    ----------
    u
        Shape (n, 3).
    v
        Shape (n, 3).

    Returns
    -------
    NDArray[np.float64]
        Shape (n, 3).
    """
    product: NDArray[np.float64] = u.take(_NEXT, 1) * v.take(_LAST, 1) - u.take(_LAST, 1) * v.take(_NEXT, 1)
    return product


def rotation(axis: ArrayLike, angle: float) -> NDArray[np.float64]:
    """Return the matrix of a right-handed rotation, by the formula of Rodrigues.

    Parameters
    ----------
    axis
        Not zero, shape (3,).
    angle
        In radians.

    Returns
    -------
    NDArray[np.float64]
        Shape (3, 3).
    """
    u = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
    K = np.array([[0.0, -u[2], u[1]], [u[2], 0.0, -u[0]], [-u[1], u[0], 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * (K @ K))


def wrapped(angle: float) -> float:
    """Return an angle in radians within (-π, π].

    Parameters
    ----------
    angle
        In radians.

    Returns
    -------
    float
        The same direction.
    """
    return float(np.pi - (np.pi - angle) % (2 * np.pi))


def _arms(
    positions: ArrayLike, quads: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the vectors F = a - b, G = b - c and H = d - c of the paper, each of shape (n, 3)."""
    x = np.asarray(positions, dtype=np.float64)
    q = np.asarray(quads, dtype=np.intp).reshape(-1, 4)
    a, b, c, d = (x[q[:, k]] for k in range(4))
    return a - b, b - c, d - c

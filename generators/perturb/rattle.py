"""Random displacements of all atoms, of a width that is drawn itself."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray


def log_uniform(uniform: ArrayLike, low: float, high: float) -> NDArray[np.float64]:
    """Return numbers that are equally frequent in every decade, from uniform ones.

    Parameters
    ----------
    uniform
        In [0, 1).
    low
        Least value, above 0.
    high
        Greatest value.

    Returns
    -------
    NDArray[np.float64]
        Of the shape of ``uniform``.

    Examples
    --------
    >>> log_uniform([0.0, 0.5], 0.01, 1.0).round(6).tolist()
    [0.01, 0.1]
    """
    u = np.asarray(uniform, dtype=np.float64)
    drawn: NDArray[np.float64] = low * (high / low) ** u
    return drawn


def rattled(
    positions: NDArray[np.float64], noise: NDArray[np.float64], sigmas: ArrayLike, masses: ArrayLike
) -> NDArray[np.float64]:
    """Return geometries with normal displacements added; the centres of mass stay.

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3).
    noise
        Standard normal numbers, shape (n, n_atoms, 3).
    sigmas
        Width of each geometry's displacements along each axis, in Å, shape (n,).
    masses
        Shape (n_atoms,).

    Returns
    -------
    NDArray[np.float64]
        In Å, shape (n, n_atoms, 3).
    """
    shifted = positions + np.asarray(sigmas, dtype=np.float64)[:, None, None] * noise
    return centred(shifted, positions, masses)


def centred(positions: NDArray[np.float64], onto: NDArray[np.float64], masses: ArrayLike) -> NDArray[np.float64]:
    """Return geometries moved so that their centres of mass are those of others.

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3).
    onto
        In Å, shape (n, n_atoms, 3).
    masses
        Shape (n_atoms,).

    Returns
    -------
    NDArray[np.float64]
        In Å, shape (n, n_atoms, 3).
    """
    m = np.asarray(masses, dtype=np.float64)
    drift = np.einsum("a,nak->nk", m / m.sum(), positions - onto)  # (n, 3)
    moved: NDArray[np.float64] = positions - drift[:, None]
    return moved


def least_separations(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of the two nearest atoms of each geometry.

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3), two atoms at least.

    Returns
    -------
    NDArray[np.float64]
        In Å, shape (n,).

    Examples
    --------
    >>> least_separations(np.array([[[0.0, 0, 0], [3, 0, 0], [3, 0, 1]]])).tolist()
    [1.0]
    """
    i, j = _pairs(positions.shape[1])
    d = positions[:, i] - positions[:, j]  # (n, n_pairs, 3)
    least: NDArray[np.float64] = np.sqrt(np.einsum("npk,npk->np", d, d).min(axis=1))
    return least


@lru_cache(maxsize=64)
def _pairs(n_atoms: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    i, j = np.triu_indices(n_atoms, 1)  # costs more than the distances of a small molecule
    return i, j

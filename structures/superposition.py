"""Geometries laid over one another: the best rotation of W. Kabsch, on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def kabsch_rmsd(x: NDArray[np.float64], y: NDArray[np.float64], *, mirror: bool = False) -> NDArray[np.float64]:
    """Return the RMSD after the best superposition (W. Kabsch, doi:10.1107/S0567739476001873).

    Parameters
    ----------
    x
        Centred positions in Å, shape (..., n_atoms, 3).
    y
        Centred positions of the same atoms, broadcast against ``x``.
    mirror
        Allow reflections.

    Returns
    -------
    NDArray[np.float64]
        In Å, shape (...).

    Examples
    --------
    >>> x = np.array([[0.0, 0, 1], [0, 0, -1]])
    >>> float(kabsch_rmsd(x, x[:, [2, 1, 0]]).round(6))
    0.0
    """
    covariance = np.swapaxes(x, -1, -2) @ y  # (..., 3, 3)
    values = np.linalg.svd(covariance, compute_uv=False)  # (..., 3), descending
    least = values[..., 2] if mirror else values[..., 2] * np.sign(np.linalg.det(covariance))
    overlap = values[..., 0] + values[..., 1] + least
    square = (x**2).sum(axis=(-1, -2)) + (y**2).sum(axis=(-1, -2)) - 2 * overlap
    rmsd: NDArray[np.float64] = np.sqrt(np.maximum(square, 0) / max(1, x.shape[-2]))
    return rmsd


def rotation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the proper rotations that lay geometries best over others (W. Kabsch, doi:10.1107/S0567739476001873).

    Parameters
    ----------
    x
        Centred positions in Å, shape (..., n_atoms, 3).
    y
        Centred positions of the same atoms, broadcast against ``x``.

    Returns
    -------
    NDArray[np.float64]
        To be multiplied from the right, shape (..., 3, 3).

    Examples
    --------
    >>> x = np.array([[0.0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0]])
    >>> y = x[:, [1, 0, 2]] * [1, -1, 1]
    >>> bool(np.allclose(x @ rotation(x, y), y))
    True
    """
    u, _, vt = np.linalg.svd(np.swapaxes(x, -1, -2) @ y)  # (..., 3, 3) each
    u[..., :, 2] *= np.sign(np.linalg.det(u @ vt))[..., None]  # the least axis turns round where it would be a mirror
    turn: NDArray[np.float64] = u @ vt
    return turn


def superposed(positions: ArrayLike, onto: ArrayLike) -> NDArray[np.float64]:
    """Return geometries moved and turned, never mirrored, to lie best over one (least squares, all atoms alike).

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3).
    onto
        In Å, shape (n_atoms, 3).

    Returns
    -------
    NDArray[np.float64]
        In Å, shape (n, n_atoms, 3).

    Examples
    --------
    >>> x = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> bool(np.allclose(superposed([x[:, [1, 2, 0]] + 5], x), x))
    True
    """
    x, y = np.asarray(positions, dtype=np.float64), np.asarray(onto, dtype=np.float64)
    if not len(x):
        return x
    centre = y.mean(axis=0)
    x = x - x.mean(axis=1, keepdims=True)
    moved: NDArray[np.float64] = x @ rotation(x, y - centre) + centre
    return moved  # (n, n_atoms, 3)

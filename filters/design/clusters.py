"""Selection by distances: k-means++ draws and largest-cluster maximum-distance picks, both given what is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Rows of the base whose distances are computed together.
_ROWS = 2048


def lcmd(features: ArrayLike, known: ArrayLike, n: int) -> NDArray[np.intp]:
    """Choose the farthest row of the largest cluster, again and again.

    Every row belongs to the nearest known or chosen row; the cluster of the largest sum of squared distances gives its
    farthest row. Unlike the farthest point of all it goes where many rows are.

    Parameters
    ----------
    features
        Of the candidates, shape (n_candidates, d).
    known
        Of the base, shape (n_known, d); may be empty.
    n
        How many to choose.

    Returns
    -------
    NDArray[np.intp]
        Row numbers in the order of choice, shape (min(n, n_candidates),).

    Raises
    ------
    ValueError
        If ``n`` is negative or shapes do not fit.

    References
    ----------
    D. Holzmüller et al., arXiv:2203.09410.

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0], [1.1], [1.2], [9.0]])
    >>> lcmd(rows, [[0.0], [8.5]], 1).tolist()
    [3]
    """
    rows, base = _checked(features, known, n)
    n = min(n, len(rows))
    chosen: list[int] = []
    if not len(base) and n:
        chosen.append(int(np.einsum("nd,nd->n", rows, rows).argmax()))
        base = rows[chosen]
    square, owner = _nearest(rows, base)
    square[chosen] = 0.0
    free = np.ones(len(rows), dtype=bool)
    free[chosen] = False
    clusters = len(base)
    while len(chosen) < n:
        weights = np.bincount(owner, square, minlength=clusters)
        inside = np.flatnonzero(free & (owner == int(weights.argmax())))
        if not len(inside):  # what is left lies on what is chosen
            inside = np.flatnonzero(free)
        best = int(inside[square[inside].argmax()])
        chosen.append(best)
        free[best] = False
        distance = _squares(rows, rows[best])
        nearer = distance < square
        square, owner = np.where(nearer, distance, square), np.where(nearer, clusters, owner)
        square[best] = 0.0
        clusters += 1
    return np.array(chosen, dtype=np.intp)


def kmeans_pp(features: ArrayLike, known: ArrayLike, n: int, seed: int) -> NDArray[np.intp]:
    """Draw rows in proportion to their squared distance to the nearest known or chosen row.

    Parameters
    ----------
    features
        Of the candidates, shape (n_candidates, d).
    known
        Of the base, shape (n_known, d); may be empty.
    n
        How many to choose.
    seed
        Of the draws.

    Returns
    -------
    NDArray[np.intp]
        Row numbers in the order of choice, shape (min(n, n_candidates),).

    Raises
    ------
    ValueError
        If ``n`` is negative or shapes do not fit.

    References
    ----------
    D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.

    Examples
    --------
    >>> sorted(kmeans_pp([[0.0], [1.0], [5.0]], [[0.0]], 2, seed=0).tolist())
    [1, 2]
    """
    rows, base = _checked(features, known, n)
    rng, n = np.random.default_rng(seed), min(n, len(rows))
    square = _nearest(rows, base)[0] if len(base) else np.ones(len(rows))
    free = np.ones(len(rows), dtype=bool)
    chosen = np.empty(n, dtype=np.intp)
    for k in range(n):
        weights = np.where(free, square, 0.0)
        if not weights.any():
            weights = free.astype(float)
        sums = weights.cumsum()
        best = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        chosen[k], free[best] = best, False
        distance = _squares(rows, rows[best])
        square = distance if k == 0 and not len(base) else np.minimum(square, distance)
    return chosen


def _checked(features: ArrayLike, known: ArrayLike, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, base = np.asarray(features, dtype=np.float64), np.asarray(known, dtype=np.float64)
    if n < 0:
        raise ValueError(f"n is {n}; expected at least 0")
    if rows.ndim != 2:
        raise ValueError(f"features of shape {rows.shape}; expected (n, d)")
    if not base.size:
        base = np.empty((0, rows.shape[1]))
    if base.ndim != 2 or base.shape[1] != rows.shape[1]:
        raise ValueError(f"known features of shape {base.shape}; expected (n, {rows.shape[1]})")
    return rows, base


def _squares(rows: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    off = rows - row
    squares: NDArray[np.float64] = np.einsum("nd,nd->n", off, off)
    return squares


def _nearest(rows: NDArray[np.float64], base: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return for each row the squared distance to the nearest of the base, and which it is."""
    square, owner = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=np.intp)
    lengths = np.einsum("nd,nd->n", rows, rows)
    for start in range(0, len(base), _ROWS):
        part = base[start : start + _ROWS]
        found = lengths[:, None] - 2.0 * (rows @ part.T) + np.einsum("nd,nd->n", part, part)
        best = found.argmin(1)
        distance = np.maximum(found[np.arange(len(rows)), best], 0.0)
        nearer = distance < square
        square, owner = np.where(nearer, distance, square), np.where(nearer, best + start, owner)
    return square, owner

"""Facility location: always the row that brings all rows nearest, on the whole, to what is known and chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Distances that are computed together.
_AT_ONCE = 4_000_000

#: Rows whose gains are brought up to date at first, before a pick; twice as many each time that is not enough.
_BATCH = 32


def facility_location(features: ArrayLike, known: ArrayLike, n: int, *, served: int = 10_000) -> NDArray[np.intp]:
    """Choose rows one by one, each that of the largest fall in the mean distance of rows to the nearest chosen one.

    Where the farthest point makes the largest distance small, this makes the mean distance small: it goes where many
    rows are, and to the middle of them. A gain can only fall as rows are chosen; gains are upper bounds until they are
    brought up to date, and most rows are never looked at again.

    Parameters
    ----------
    features
        Of the candidates, shape (n_candidates, d).
    known
        Of the base, shape (n_known, d); may be empty.
    n
        How many to choose.
    served
        Rows whose distances count: the first of the candidates, which come in random order.

    Returns
    -------
    NDArray[np.intp]
        Row numbers in the order of choice, shape (min(n, n_candidates),); equal gains in the order of the rows.

    Raises
    ------
    ValueError
        If a number is negative, or shapes do not fit.

    References
    ----------
    G. Cornuejols, M. L. Fisher and G. L. Nemhauser, doi:10.1287/mnsc.23.8.789 (greedy, within 1 - 1/e of the best);
    M. Minoux, doi:10.1007/BFb0006528 (lazy evaluation).

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0], [1.1], [1.2], [9.0]])
    >>> facility_location(rows, [[0.0]], 2).tolist()
    [4, 2]
    """
    rows, base = np.asarray(features), np.asarray(known)
    if n < 0 or served < 1:
        raise ValueError(f"n={n}, served={served}; expected at least 0 and 1")
    if rows.ndim != 2 or (len(base) and (base.ndim != 2 or base.shape[1] != rows.shape[1])):
        raise ValueError(f"features of shapes {rows.shape} and {base.shape}; expected (n, d) with one d")
    n = min(n, len(rows))
    if not n:
        return np.empty(0, dtype=np.intp)
    mean = rows.mean(0, dtype=np.float64)  # taken off, so that products lose no digits to what all share
    served_rows = rows[:served] - mean
    if len(base):
        nearest = np.full(len(served_rows), np.inf)
        for part in _parts(len(base), len(served_rows)):
            nearest = np.minimum(nearest, _distances(base[part] - mean, served_rows).min(0))
    else:  # nothing is known: all are farther from it than two rows can be
        nearest = np.full(len(served_rows), 2.0 * max(_lengths(rows[part] - mean) for part in _parts(len(rows), 1)))
    gains = np.empty(len(rows))
    for part in _parts(len(rows), len(served_rows)):
        gains[part] = _gains(rows[part] - mean, served_rows, nearest)
    fresh = np.zeros(len(rows), dtype=np.intp)  # picks that each gain knows of
    chosen = np.empty(n, dtype=np.intp)
    for k in range(n):
        batch = _BATCH
        while fresh[best := int(gains.argmax())] < k:
            top = np.argpartition(-gains, min(batch, len(gains) - 1))[: batch + 1]
            stale = top[(fresh[top] < k) & (gains[top] > -np.inf)]
            for part in _parts(len(stale), len(served_rows)):
                gains[stale[part]] = _gains(rows[stale[part]] - mean, served_rows, nearest)
            fresh[stale] = k
            batch *= 2
        chosen[k], gains[best] = best, -np.inf
        nearest = np.minimum(nearest, _distances(rows[best : best + 1] - mean, served_rows)[0])
    return chosen


def _gains(rows: NDArray[np.float64], served: NDArray[np.float64], nearest: NDArray[np.float64]) -> NDArray[np.float64]:
    gains: NDArray[np.float64] = np.maximum(nearest - _distances(rows, served), 0.0).sum(1)
    return gains


def _distances(rows: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = np.einsum("nd,nd->n", rows, rows)[:, None] + np.einsum("nd,nd->n", others, others)
    squares -= 2.0 * (rows @ others.T)
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
    return distances


def _lengths(rows: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.einsum("nd,nd->n", rows, rows).max()))


def _parts(n: int, width: int) -> list[slice]:
    step = max(1, _AT_ONCE // max(width, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]

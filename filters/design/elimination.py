"""Backward elimination: always the row without which least of ln det M is lost, without asking all rows each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cholesky, solve_triangular

from molaug.filters.information import Information

#: Numbers in the rows that are brought up to date and compared with one another at a time: they stay in the cache.
_NUMBERS = 2**18
_POOL = 1024  # rows at most, to begin with

#: Leverages that differ by less than this share are equal: then the first row goes.
_EQUAL = 1e-9

#: Where 1 - fᵀM⁻¹f is below this, M without the row is singular in double precision.
_NOUGHT = 1e-13


def eliminate(features: ArrayLike, ridge: float, n: int) -> NDArray[np.intp]:
    """Remove rows one by one, each that of the smallest loss -ln(1 - fᵀM⁻¹f) given what was removed before.

    A leverage can only grow as other rows are removed. One that is out of date is therefore a lower bound: the rows of
    the smallest bounds are brought up to date, and rows are removed among them for as long as none outside can be
    smaller. The result is that of the plain rule, which asks all rows each time.

    Parameters
    ----------
    features
        Of the rows, shape (n_rows, d).
    ridge
        ς² of M = FᵀF + ς²I, in the units of FᵀF.
    n
        How many to remove.

    Returns
    -------
    NDArray[np.intp]
        Row numbers in the order of removal, shape (min(n, n_rows),); of equal rows the first goes first.

    Raises
    ------
    ValueError
        If ``n`` is negative, features are not finite, or M is or becomes singular.

    References
    ----------
    V. V. Fedorov, Theory of Optimal Experiments (1972); M. Minoux, doi:10.1007/BFb0006528 (lazy evaluation).

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    >>> eliminate(rows, 1.0, 3).tolist()
    [0, 2, 1]
    """
    if n < 0:
        raise ValueError(f"n is {n}; expected at least 0")
    given = np.asarray(features, dtype=np.float64)
    if given.ndim != 2 or not np.isfinite(given).all():
        raise ValueError(f"features of shape {given.shape}; expected (n, d), finite")
    n = min(n, len(given))
    if not n:
        return np.empty(0, dtype=np.intp)
    rows = Information.of(given, ridge).whitened(given)  # in the metric of all rows: M is the unit matrix
    bounds = np.einsum("nd,nd->n", rows, rows)  # lower bounds of fᵀM⁻¹f
    matrix = np.eye(rows.shape[1])
    removed: list[NDArray[np.intp]] = []
    left, size = n, min(max(_NUMBERS // rows.shape[1], 128), _POOL)
    while left:
        there = len(rows) - (n - left)
        pool, limit = _smallest(bounds, min(size, there), there)
        factor = cholesky(matrix, lower=True, check_finite=False)
        near = solve_triangular(factor, rows[pool].T, lower=True, check_finite=False).T  # of unit matrix again
        leverages = np.einsum("nd,nd->n", near, near)
        bounds[pool] = leverages
        which = pool[_within(near, leverages, limit, left)]
        bounds[pool] = leverages
        matrix -= rows[which].T @ rows[which]
        removed.append(which)
        left -= len(which)
        if len(which) < size // 8:  # too many are alike: more of them have to be compared at once
            size *= 2
    return np.concatenate(removed)


def _smallest(bounds: NDArray[np.float64], size: int, there: int) -> tuple[NDArray[np.intp], float]:
    """Return the rows of the smallest bounds, ascending, and the smallest bound of all others."""
    if size == there:
        return np.flatnonzero(np.isfinite(bounds)), np.inf
    order = np.argpartition(bounds, size)
    return np.sort(order[:size]), float(bounds[order[size]])


def _within(rows: NDArray[np.float64], leverages: NDArray[np.float64], limit: float, most: int) -> NDArray[np.intp]:
    """Remove rows among some, in whose metric M is the unit matrix, while none of the others can be smaller.

    ``leverages`` are kept up to date in place, infinite where removed.
    """
    most = min(most, len(rows))
    directions = np.empty((most, rows.shape[1]))  # M⁻¹ = 1 + Σ vvᵀ over them
    gone = np.empty(most, dtype=np.intp)
    for k in range(most):
        least = float(leverages.min()) * (1.0 + _EQUAL)
        if least >= limit:
            return gone[:k]
        first = int((leverages <= least).argmax())
        row = rows[first]
        along = row + directions[:k].T @ (directions[:k] @ row)  # M⁻¹f
        rest = 1.0 - float(row @ along)
        if not rest > _NOUGHT:
            raise ValueError(
                "without the next row the others do not determine all weights; remove fewer, or give a larger ridge"
            )
        directions[k] = along / np.sqrt(rest)
        leverages += (rows @ directions[k]) ** 2
        gone[k], leverages[first] = first, np.inf
    return gone

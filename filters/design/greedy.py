"""Greedy D-optimal design: always the row that adds most to ln det M, without asking all rows each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.filters.information import Information

#: Picks after which the gains of all rows are brought up to date, by one product of matrices.
_EVERY = 64

#: Rows that are brought up to date together.
_ROWS = 16384


def greedy_d(features: ArrayLike, known: Information, n: int) -> NDArray[np.intp]:
    """Choose rows one by one, each that of the largest gain ln(1 + fᵀM⁻¹f) given what is known and chosen before.

    A gain can only fall as rows are chosen. Gains are therefore upper bounds until they are brought up to date: most
    rows never come near the largest and are only looked at every 64 picks. The result is that of the plain rule.

    Parameters
    ----------
    features
        Of the candidates, shape (n_candidates, d).
    known
        Of the base, with a ridge where the base alone does not determine all weights.
    n
        How many to choose.

    Returns
    -------
    NDArray[np.intp]
        Row numbers in the order of choice, shape (min(n, n_candidates),); equal gains in the order of the rows.

    Raises
    ------
    ValueError
        If ``n`` is negative, features do not fit the base, or they are not finite.

    References
    ----------
    V. V. Fedorov, Theory of Optimal Experiments (1972); M. Minoux, doi:10.1007/BFb0006528 (lazy evaluation); the
    update is that of a pivoted Cholesky decomposition.

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    >>> greedy_d(rows, Information(gram=np.zeros((2, 2)), n=0, ridge=1.0), 3).tolist()
    [1, 2, 0]
    """
    if n < 0:
        raise ValueError(f"n is {n}; expected at least 0")
    # in the metric of what is known: M is the unit matrix, gains are squared lengths
    rows = known.whitened(np.asarray(features))
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"features of shape {rows.shape}; expected (n, d), finite")
    n = min(n, len(rows))
    gains = np.einsum("nd,nd->n", rows, rows)  # upper bounds of fᵀM⁻¹f
    fresh = np.zeros(len(rows), dtype=np.intp)  # picks that each of them knows of
    directions = np.empty((n, rows.shape[1]))  # M⁻¹ = 1 - Σ vvᵀ over them
    chosen = np.empty(n, dtype=np.intp)
    for k in range(n):
        if k and k % _EVERY == 0:
            for start in range(0, len(rows), _ROWS):
                part = slice(start, start + _ROWS)
                _refresh(gains, fresh, rows, directions, np.arange(len(rows))[part], k)
        best = _largest(gains, fresh, rows, directions, k)
        row = rows[best]
        along = row - directions[:k].T @ (directions[:k] @ row)  # M⁻¹f
        directions[k] = along / np.sqrt(1.0 + max(float(row @ along), 0.0))
        chosen[k], gains[best] = best, -np.inf
    return chosen


def _largest(
    gains: NDArray[np.float64],
    fresh: NDArray[np.intp],
    rows: NDArray[np.float64],
    directions: NDArray[np.float64],
    k: int,
) -> int:
    """Return the row of the largest gain, bringing up to date those alone whose bound is above it."""
    batch = 32
    while True:
        best = int(gains.argmax())
        if fresh[best] == k:
            return best
        top = np.argpartition(-gains, min(batch, len(gains) - 1))[: batch + 1]
        _refresh(gains, fresh, rows, directions, top[fresh[top] < k], k)
        batch *= 2


def _refresh(
    gains: NDArray[np.float64],
    fresh: NDArray[np.intp],
    rows: NDArray[np.float64],
    directions: NDArray[np.float64],
    which: NDArray[np.intp],
    k: int,
) -> None:
    """Take from the gains of some rows what the picks since their last time have taken."""
    if not len(which):
        return
    since = int(fresh[which].min())
    along = rows[which] @ directions[since:k].T  # (n_which, k - since)
    along[np.arange(since, k) < fresh[which, None]] = 0.0
    gains[which] = gains[which] - np.einsum("nk,nk->n", along, along)
    fresh[which] = k

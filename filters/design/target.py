"""Designs for a target: always the row that lowers the mean leverage of the target most (I- and V-optimality)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from molaug.filters.information import Information

#: Picks after which all leverages are computed anew, so that rounding does not add up.
_EVERY = 64

#: Rows that are worked on together.
_ROWS = 8192


def greedy_target(
    features: ArrayLike, known: Information, n: int, target: Information | None = None
) -> NDArray[np.intp]:
    """Choose rows one by one, each that which lowers the mean variance of predictions for the target most.

    With G the m rows of the target, a row f lowers tr(G M⁻¹ Gᵀ) by ‖G M⁻¹ f‖² / (1 + fᵀM⁻¹f). Only the second moments
    GᵀG of the target are needed: the cost is n·d for each pick, however many rows the target has.

    Parameters
    ----------
    features
        Of the candidates, shape (n_candidates, d).
    known
        Of the base, with a ridge where the base alone does not determine all weights.
    n
        How many to choose.
    target
        Of the rows for which predictions are wanted; the candidates themselves by default. Its ridge does not matter.

    Returns
    -------
    NDArray[np.intp]
        Row numbers in the order of choice, shape (min(n, n_candidates),); equal gains in the order of the rows.

    Raises
    ------
    ValueError
        If ``n`` is negative, features do not fit the base or the target, or they are not finite.

    References
    ----------
    V. V. Fedorov, Theory of Optimal Experiments (1972); D. A. Cohn, Z. Ghahramani and M. I. Jordan,
    arXiv:cs/9603104.

    Examples
    --------
    >>> rows = np.array([[9.0, 0.0], [0.0, 1.0]])
    >>> nothing = Information(gram=np.zeros((2, 2)), n=0, ridge=1.0)
    >>> greedy_target(rows, nothing, 1).tolist(), greedy_target(rows, nothing, 1, Information.of(rows[1:])).tolist()
    ([0], [1])
    """
    if n < 0:
        raise ValueError(f"n is {n}; expected at least 0")
    # in the metric of what is known: M is the unit matrix
    rows = known.whitened(np.asarray(features))
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"features of shape {rows.shape}; expected (n, d), finite")
    wanted = _moments(known, Information.of(np.asarray(features)) if target is None else target)
    n = min(n, len(rows))
    inverse = np.eye(known.d)  # M⁻¹
    chosen = np.empty(n, dtype=np.intp)
    free = np.ones(len(rows), dtype=bool)
    for k in range(n):
        if k % _EVERY == 0:
            inverse = (inverse + inverse.T) / 2
            lowered, leverage = _forms(rows, inverse @ wanted @ inverse), _forms(rows, inverse)
        best = int(np.where(free, lowered / (1.0 + leverage), -np.inf).argmax())
        chosen[k], free[best] = best, False
        along = inverse @ rows[best]  # M⁻¹f
        rest = 1.0 + max(float(rows[best] @ along), 0.0)
        seen = inverse @ (wanted @ along)
        p, q = (rows @ np.stack([along, seen], 1)).T  # (n_candidates,) each
        # both forms after Sherman and Morrison
        lowered = np.maximum(lowered - 2.0 * p * q / rest + float(along @ wanted @ along) * (p / rest) ** 2, 0.0)
        leverage = np.maximum(leverage - p * p / rest, 0.0)
        inverse -= np.outer(along, along) / rest
    return chosen


def _moments(known: Information, target: Information) -> NDArray[np.float64]:
    """Return GᵀG / m in the metric of what is known."""
    if target.d != known.d:
        raise ValueError(f"{target.d} features of the target, {known.d} of the base; expected as many")
    half = solve_triangular(known.factor, target.gram / max(target.n, 1), lower=True)
    moments: NDArray[np.float64] = solve_triangular(known.factor, half.T, lower=True)
    return (moments + moments.T) / 2


def _forms(rows: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return fᵀAf of each row."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        found[start : start + _ROWS] = np.einsum("nd,nd->n", part @ matrix, part)
    return found

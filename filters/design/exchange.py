"""Fedorov's exchange: rows of a design are swapped for candidates as long as ln det M grows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.filters.information import Information, rank_one

#: Growth of ln det M below which a swap is not made.
_LEAST = 1e-10

#: Swaps after which the inverse is computed anew, against errors of rounding.
_ANEW = 50


def exchange(
    features: ArrayLike, known: Information, chosen: ArrayLike, *, max_swaps: int = 1000, weakest: int = 16
) -> NDArray[np.intp]:
    """Improve a D-optimal design by the best swaps.

    Swapping f_i for f_j multiplies det M by (1 + h_j)(1 - h_i) + h_ij². The rows of the design that tell least are
    tried against all candidates, the best swap is made, and so on until none is left. ln det M never falls.

    Parameters
    ----------
    features
        Of all candidates, shape (n_candidates, d).
    known
        Of the base, which stays.
    chosen
        Rows of the design to begin with, each once.
    max_swaps
        At most so many.
    weakest
        Rows of the design that are tried at each swap, those of the smallest leverage; the classical algorithm tries
        all.

    Returns
    -------
    NDArray[np.intp]
        Rows of the design, as many; the new ones in the places of the old.

    Raises
    ------
    ValueError
        If a row is chosen twice or does not exist, or a number is below 1.

    References
    ----------
    V. V. Fedorov, Theory of Optimal Experiments (1972); M. E. Johnson and C. J. Nachtsheim,
    doi:10.1080/00401706.1983.10487875 (the weakest rows alone).

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    >>> exchange(rows, Information(gram=np.zeros((2, 2)), n=0, ridge=1.0), [0, 2]).tolist()
    [1, 2]
    """
    rows = known.whitened(np.asarray(features))  # M of the base is the unit matrix
    design = np.array(chosen, dtype=np.intp)
    inside = np.zeros(len(rows), dtype=bool)
    if len(design) and (design.min() < 0 or design.max() >= len(rows)):
        raise ValueError(f"rows {design.min()} to {design.max()} of {len(rows)}; expected numbers from 0")
    inside[design] = True
    if int(inside.sum()) != len(design):
        raise ValueError("a row is chosen twice; expected each once")
    if max_swaps < 1 or weakest < 1:
        raise ValueError(f"max_swaps={max_swaps}, weakest={weakest}; expected at least 1")
    if inside.all() or not len(design):
        return design
    inverse = _inverse(rows[design])
    for swap in range(max_swaps):
        if swap and swap % _ANEW == 0:
            inverse = _inverse(rows[design])
        of_design = rows[design] @ inverse  # (n, d)
        leverage = np.einsum("nd,nd->n", of_design, rows[design])
        tried = np.argsort(leverage, kind="stable")[:weakest]
        candidates = np.flatnonzero(~inside)
        h = np.einsum("nd,nd->n", rows[candidates] @ inverse, rows[candidates])  # (n_candidates,)
        cross = of_design[tried] @ rows[candidates].T  # (n_tried, n_candidates)
        ratio = (1.0 - leverage[tried])[:, None] * (1.0 + h) + cross**2
        i, j = np.unravel_index(int(ratio.argmax()), ratio.shape)
        if not ratio[i, j] > 1.0 + _LEAST:
            break
        place, new = int(tried[i]), int(candidates[j])
        inverse = rank_one(rank_one(inverse, rows[new]), rows[design[place]], -1)
        inside[design[place]], inside[new] = False, True
        design[place] = new
    return design


def _inverse(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(np.eye(rows.shape[1]) + rows.T @ rows), dtype=np.float64)

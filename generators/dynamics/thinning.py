"""Farthest-point thinning: an order of geometries in which every beginning is spread as widely as can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.generators.dynamics.distance import rmsd


def farthest_first(
    positions: ArrayLike, known: ArrayLike, count: int, groups: Sequence[Sequence[int]] = ()
) -> NDArray[np.intp]:
    """Order geometries: each next one is the farthest, in RMSD, from what is known and from those before it.

    The least distance between the first k is at least half of what any k of them could have.

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3).
    known
        A geometry that is there already, in Å, shape (n_atoms, 3).
    count
        How many are wanted.
    groups
        Atoms that may be exchanged with each other.

    Returns
    -------
    NDArray[np.intp]
        Indices, shape (min(n, count),). A smaller count gives a beginning of it.

    References
    ----------
    T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985), doi:10.1016/0304-3975(85)90224-5;
    P. Eastman et al., Sci. Data 10, 11 (2023), doi:10.1038/s41597-022-01882-6 (SPICE).

    Examples
    --------
    >>> pairs = np.array([[[0.0, 0, 0], [d, 0, 0]] for d in (1.0, 1.2, 1.5, 1.4)])
    >>> farthest_first(pairs, pairs[0], 3).tolist()
    [2, 1, 3]
    """
    x = np.asarray(positions, dtype=np.float64)
    order: list[int] = []
    if len(x):
        nearest = rmsd(x, known, groups)  # (n,)
        while len(order) < min(count, len(x)):
            order.append(int(np.argmax(nearest)))
            nearest = np.minimum(nearest, rmsd(x, x[order[-1]], groups))
            nearest[order] = -1.0  # copies of each other must not be taken twice
    return np.array(order, dtype=np.intp)

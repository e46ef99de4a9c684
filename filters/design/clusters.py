"""Selection by distances: k-means++ draws and largest-cluster maximum-distance picks, both given what is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.filters.design.farthest import rounding, squared_lengths

#: Rows whose distances are computed together.
_ROWS = 2048


def lcmd(features: ArrayLike, known: ArrayLike, n: int) -> NDArray[np.intp]:
    """Choose the farthest row of the largest cluster, again and again.

    Every row belongs to the nearest known or chosen row; the cluster of the largest sum of squared distances gives its
    farthest row. Unlike the farthest point of all it goes where many rows are. Rows that cannot be nearer to a new
    centre than to their own, by the triangle inequality or by a product of single precision with its rounding, are
    passed over; all others are decided by differences in double precision.

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
        Row numbers in the order of choice, shape (min(n, n_candidates),); of equal clusters and of equally far rows the
        first.

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
    near = _Nearest.of(rows, base)
    chosen: list[int] = []
    free = np.ones(len(rows), dtype=bool)
    while len(chosen) < n:
        if not near.clusters:
            best = int(near.lengths.argmax())
        else:
            weights = np.bincount(near.owner, near.square, minlength=near.clusters)
            inside = np.flatnonzero(free & (near.owner == int(weights.argmax())))
            if not len(inside):  # what is left lies on what is chosen
                inside = np.flatnonzero(free)
            best = int(inside[near.square[inside].argmax()])
        chosen.append(best)
        free[best] = False
        near.add(best)
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
    near = _Nearest.of(rows, base)
    free = np.ones(len(rows), dtype=bool)
    chosen = np.empty(n, dtype=np.intp)
    for k in range(n):
        weights = np.where(free, near.square, 0.0) if near.clusters else free.astype(float)
        if not weights.any():
            weights = free.astype(float)
        sums = weights.cumsum()
        best = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        chosen[k], free[best] = best, False
        near.add(best)
    return chosen


@dataclass(kw_only=True)
class _Nearest:
    """Squared distances of rows to the nearest centre, and which it is; the centres are the base and rows added."""

    rows: NDArray[np.floating]
    base: NDArray[np.floating]
    lengths: NDArray[np.float64]
    base_lengths: NDArray[np.float64]
    square: NDArray[np.float64]
    owner: NDArray[np.intp]
    #: How far products may be off.
    margin: float
    added: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, rows: NDArray[np.floating], base: NDArray[np.floating]) -> _Nearest:
        lengths, of_base = squared_lengths(rows), squared_lengths(base)
        square, owner = _nearest(rows, base)
        margin = rounding(np.concatenate([lengths, of_base]), rows.shape[1], rows.dtype.type)
        return cls(
            rows=rows, base=base, lengths=lengths, base_lengths=of_base, square=square, owner=owner, margin=margin
        )

    @property
    def clusters(self) -> int:
        return len(self.base) + len(self.added)

    def add(self, best: int) -> None:
        """Make a row a centre, looking at those rows alone that can be nearer to it than to their own centre."""
        row, cluster = self.rows[best], self.clusters
        self.added.append(best)
        which = self._candidates(row, cluster) if cluster else np.arange(len(self.rows))
        for start in range(0, len(which), _ROWS):
            part = which[start : start + _ROWS]
            off = self.rows[part].astype(np.float64) - row
            distance = np.einsum("nd,nd->n", off, off)
            nearer = distance < self.square[part]
            part = part[nearer]
            self.square[part], self.owner[part] = distance[nearer], cluster

    def _candidates(self, row: NDArray[np.floating], cluster: int) -> NDArray[np.intp]:
        """Return the rows that may be nearer to a new centre than to their own."""
        # a row is no nearer to it where its own centre is at least twice as far from it as from the row
        centres = np.flatnonzero(np.bincount(self.owner, minlength=cluster))
        of_base, of_rows = np.split(centres, [np.searchsorted(centres, len(self.base))])
        added = np.array(self.added, dtype=np.intp)[of_rows - len(self.base)]
        along = np.concatenate([self.base[of_base] @ row, self.rows[added] @ row])
        own = float(row.astype(np.float64) @ row)
        apart = np.concatenate([self.base_lengths[of_base], self.lengths[added]]) + own - 2.0 * along
        limit = np.zeros(cluster)
        limit[centres] = 0.25 * (apart - self.margin)
        which = np.flatnonzero(self.square > limit[self.owner])
        along = (self.rows @ row)[which] if 4 * len(which) > len(self.rows) else self.rows[which] @ row
        least = self.lengths[which] + (own - self.margin) - 2.0 * along
        return which[least < self.square[which]]


def _checked(features: ArrayLike, known: ArrayLike, n: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    rows = np.asarray(features)
    rows = rows if rows.dtype == np.float32 else rows.astype(np.float64)
    base = np.asarray(known, dtype=rows.dtype)
    if n < 0:
        raise ValueError(f"n is {n}; expected at least 0")
    if rows.ndim != 2:
        raise ValueError(f"features of shape {rows.shape}; expected (n, d)")
    if not base.size:
        base = np.empty((0, rows.shape[1]), dtype=rows.dtype)
    if base.ndim != 2 or base.shape[1] != rows.shape[1]:
        raise ValueError(f"known features of shape {base.shape}; expected (n, {rows.shape[1]})")
    return rows, base


def _nearest(rows: NDArray[np.floating], base: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return for each row the squared distance to the nearest of the base, and which it is."""
    square, owner = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=np.intp)
    for first in range(0, len(rows), _ROWS):
        mine = slice(first, first + _ROWS)
        some = rows[mine].astype(np.float64)
        lengths = np.einsum("nd,nd->n", some, some)
        for start in range(0, len(base), _ROWS):
            part = base[start : start + _ROWS].astype(np.float64)
            found = some @ (-2.0 * part).T
            found += np.einsum("nd,nd->n", part, part)
            best = found.argmin(1)
            distance = np.maximum(found[np.arange(len(some)), best] + lengths, 0.0)
            nearer = distance < square[mine]
            square[mine], owner[mine] = (
                np.where(nearer, distance, square[mine]),
                np.where(nearer, best + start, owner[mine]),
            )
    return square, owner

"""Farthest points: always the row that is farthest from all that is known or chosen, without asking all each time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Rows that come next in question, of which all distances are kept exact.
_SHORT = 1024

#: Rows, and picks, whose distances are computed by one product of matrices.
_ROWS, _PICKS = 1024, 1024

#: Rows that are settled together.
_SETTLED = 256


def farthest(features: ArrayLike, squares: ArrayLike, n: int) -> NDArray[np.intp]:
    """Choose rows one by one, each the farthest from what is known and from all chosen before.

    A distance can only fall as rows are chosen. The rows of the largest distances make a short list, which is kept up
    to date; the others are only looked at again when its best comes down to the best of them, for all picks since by
    one product of matrices. Products give bounds, the decision is by differences in double precision: the result is
    that of the plain rule.

    Parameters
    ----------
    features
        Of the candidates, shape (n_candidates, d).
    squares
        Squared distance of each candidate to the nearest of what is known, infinite where nothing is, shape
        (n_candidates,).
    n
        How many to choose.

    Returns
    -------
    NDArray[np.intp]
        Row numbers in the order of choice, shape (min(n, n_candidates),); equal distances in the order of the rows.

    Raises
    ------
    ValueError
        If ``n`` is negative, shapes do not fit, or features are not finite.

    References
    ----------
    T. Gonzalez, doi:10.1016/0304-3975(85)90224-5.

    Examples
    --------
    >>> farthest([[0.0], [1.0], [5.0], [9.0]], [1.0, 4.0, 9.0, 16.0], 3).tolist()
    [3, 2, 1]
    """
    rows, known = np.asarray(features), np.asarray(squares, dtype=np.float64)
    if n < 0:
        raise ValueError(f"n is {n}; expected at least 0")
    if rows.ndim != 2 or known.shape != rows.shape[:1]:
        raise ValueError(f"features of shape {rows.shape}, squares of shape {known.shape}; expected (n, d) and (n,)")
    lengths = squared_lengths(rows)
    if not np.isfinite(lengths).all() or np.isnan(known).any():
        raise ValueError("features or squared distances are not finite; leave out rows that have none")
    far = _Far(rows=rows, lengths=lengths, value=known.copy(), n=min(n, len(rows)))
    if far.n and np.isinf(known).any():  # nothing is nearer to these than to anything else: the first of them
        far.take(int(known.argmax()))
        far.lower(0)
    while far.k < far.n:
        before = far.k
        far.advance()
        far.lower(before)
    return far.chosen


def squared_lengths(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the squared length of each row.

    Parameters
    ----------
    rows
        Of any precision, shape (n, d).

    Returns
    -------
    NDArray[np.float64]
        Shape (n,).
    """
    found = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS].astype(np.float64)
        found[start : start + _ROWS] = np.einsum("nd,nd->n", part, part)
    return found


def rounding(lengths: NDArray[np.float64], d: int, precision: type[np.floating] = np.float64) -> float:
    """Return how far a squared distance of a product may be off: (a - b)² as a² + b² - 2ab.

    Parameters
    ----------
    lengths
        Squared lengths of all rows.
    d
        Features of a row.
    precision
        Of the product.

    Returns
    -------
    float
        A bound, not an estimate.
    """
    return float(8.0 * (d + 4) * np.finfo(precision).eps * lengths.max(initial=0.0))


@dataclass(kw_only=True)
class _Far:
    """How far rows are from what is known and chosen."""

    rows: NDArray[np.floating]
    lengths: NDArray[np.float64]
    #: Squared distances to what is known and to the first picks, as many as ``settled`` says; -inf for those chosen.
    value: NDArray[np.float64]
    n: int
    k: int = 0
    settled: NDArray[np.intp] = field(init=False)
    #: At least the squared distances to all that is known and chosen.
    bound: NDArray[np.float64] = field(init=False)
    chosen: NDArray[np.intp] = field(init=False)
    #: Squared distance of the last pick when it was chosen.
    last: float = np.inf
    margin: float = field(init=False)

    def __post_init__(self) -> None:
        self.settled = np.zeros(len(self.rows), dtype=np.intp)
        self.bound = self.value.copy()
        self.chosen = np.empty(self.n, dtype=np.intp)
        self.margin = rounding(self.lengths, self.rows.shape[1])

    def take(self, row: int) -> None:
        self.chosen[self.k], self.last = row, float(self.value[row])
        self.value[row] = self.bound[row] = -np.inf
        self.k += 1

    def advance(self) -> None:
        """Choose from a short list as long as no row outside it can be the farthest."""
        short, limit, rival = self._short_list()
        self._settle(short)
        near, value = self.rows[short].astype(np.float64), self.value[short]
        while self.k < self.n:
            best = int(value.argmax())
            if value[best] < limit or (value[best] == limit and short[best] > rival):
                break
            self.value[short[best]] = value[best]
            self.take(int(short[best]))
            off = near - near[best]
            np.minimum(value, np.einsum("nd,nd->n", off, off), out=value)
            value[best] = -np.inf
        self.value[short] = self.bound[short] = value
        self.settled[short] = self.k

    def _short_list(self) -> tuple[NDArray[np.intp], float, int]:
        """Return the rows of the largest bounds in order, the largest bound of all others, and the first that has it.

        Of equal bounds the first rows are in it.
        """
        if len(self.rows) <= _SHORT:
            return np.arange(len(self.rows)), -np.inf, len(self.rows)
        limit = float(np.partition(self.bound, len(self.rows) - _SHORT)[len(self.rows) - _SHORT])
        above, equal = np.flatnonzero(self.bound > limit), np.flatnonzero(self.bound == limit)
        inside, outside = np.split(equal, [_SHORT - len(above)])
        short = np.sort(np.concatenate([above, inside]))
        if len(outside):
            return short, limit, int(outside[0])
        return short, float(self.bound[self.bound < limit].max(initial=-np.inf)), -1

    def _settle(self, which: NDArray[np.intp]) -> None:
        """Bring the values of some rows up to date, exactly."""
        which = which[np.isfinite(self.bound[which]) & (self.settled[which] < self.k)]
        which = which[np.argsort(self.settled[which], kind="stable")]
        for start in range(0, len(which), _SETTLED):
            part = which[start : start + _SETTLED]
            rows = self.rows[part].astype(np.float64)
            for since in range(int(self.settled[part[0]]), self.k, _PICKS):
                picks = self.chosen[since : min(since + _PICKS, self.k)]
                others = self.rows[picks].astype(np.float64)
                least = self.lengths[part, None] + self.lengths[picks] - 2.0 * (rows @ others.T) - self.margin
                i, j = np.nonzero(least <= self.bound[part, None])
                np.minimum.at(self.value, part[i], ((rows[i] - others[j]) ** 2).sum(1))
            self.settled[part] = self.k
            self.bound[part] = self.value[part]

    def lower(self, since: int) -> None:
        """Lower the bounds of all rows by the picks since some time."""
        if since == self.k:
            return
        # picks are no nearer to what was known before than the last of them was: rows that are less than half as far
        # from it as that cannot be nearer to any of them
        which = np.flatnonzero((self.settled < self.k) & (self.bound > 0.2499 * self.last))
        if np.isinf(self.last):
            which = np.flatnonzero(np.isfinite(self.value) | np.isposinf(self.value))
        for start in range(0, len(which), _ROWS):
            part = which[start : start + _ROWS]
            rows = self.rows[part].astype(np.float64)
            bound = self.bound[part]
            for at in range(since, self.k, _PICKS):
                picks = self.chosen[at : min(at + _PICKS, self.k)]
                found = rows @ (-2.0 * self.rows[picks].astype(np.float64)).T
                found += self.lengths[picks]
                np.minimum(bound, np.maximum(found.min(1) + self.lengths[part], 0.0) + self.margin, out=bound)
            self.bound[part] = bound

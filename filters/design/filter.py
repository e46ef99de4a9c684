"""The filter ``leverage``: what the base determines already, or what is remote from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.filters.design.selectors import check_ridge
from molaug.filters.features import FeatureName, Features, features_of
from molaug.filters.filter import Verdicts
from molaug.filters.information import Information, rank_one
from molaug.filters.limits import check_limits, limited
from molaug.filters.pool import Pool
from molaug.structures import Structures


@dataclass(frozen=True, kw_only=True)
class Leverage:
    """Rejects structures by their leverage h = fᵀM⁻¹f against the base and all that was kept before.

    The score is h: the variance of the prediction of a linear model in units of its noise. Rows of the base have at
    most 1, copies of k of them at most 1/k, and d/n in the mean of n rows with d features; what the base does not
    determine has more than 1, and far above 1 it is remote from all of it. Rows that have no features are rejected
    where ``most`` is given.

    Parameters
    ----------
    features
        ``distances`` for geometries, ``morgan`` for graphs, or an object such as a potential's features.
    least
        Smallest leverage.
    most
        Largest leverage.
    ridge
        As a share of the mean eigenvalue of the information matrix of the base, which is taken to be 1 where the base
        is empty.

    Raises
    ------
    ValueError
        If an option is unknown or out of its range, or the least exceeds the most.

    References
    ----------
    V. V. Fedorov, Theory of Optimal Experiments (1972).

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.7, 3.0)])
    >>> Leverage(least=1.0).bound([rows.slice(0, 1)]).judge(rows).keep.tolist()
    [False, False, True]
    """

    features: Features | FeatureName = "distances"
    least: float | None = None
    most: float | None = None
    ridge: float = 1e-4

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", features_of(self.features))
        check_limits(self.least, self.most)
        check_ridge(self.ridge)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "leverage"

    @property
    def stateless(self) -> bool:
        """Verdicts depend on the base and on the rows before."""
        return False

    def bound(self, base: Iterable[Structures]) -> BoundLeverage:
        """Return the judge, which knows the information matrix of the base: see :class:`~molaug.filters.Filter`."""
        see = features_of(self.features)
        known = Information.of([see(Structures.empty())[0]])
        for batch in base:
            vectors, there = Pool.of(batch).seen(see)
            known = known.added(vectors[there])
        known = known.regularised(self.ridge)
        return BoundLeverage(self, known if known.ridge else Information.of(np.zeros((0, known.d)), self.ridge))


class BoundLeverage:
    """The judge of :class:`Leverage`.

    Parameters
    ----------
    limits
        The filter.
    known
        What the base tells.
    """

    def __init__(self, limits: Leverage, known: Information) -> None:
        self._limits = limits
        self._known = known

    def judge(self, candidates: Structures) -> Verdicts:
        """Judge a batch, each row against the base and the rows before it: see :class:`~molaug.filters.BoundFilter`."""
        limits = self._limits
        vectors, present = Pool.of(candidates).seen(limits.features)
        rows = self._known.whitened(vectors)
        inverse = np.eye(self._known.d)  # of the base and of what was kept, in the metric of the base
        score: NDArray[np.float64] = np.full(len(candidates), np.nan)
        reasons = []
        for k, (row, there) in enumerate(zip(rows, present.tolist(), strict=True)):
            if there:
                score[k] = max(float(row @ inverse @ row), 0.0)
            reason = limited(
                score[k],
                limits.least,
                limits.most,
                "leverage {:.6g}",
                "determined by what is known",
                "remote from all that is known",
                "no features",
            )
            reasons.append(reason)
            if there and reason is None:
                inverse = rank_one(inverse, row)
        return Verdicts(score=score, keep=np.array([r is None for r in reasons], dtype=bool), reason=reasons)

    def accept(self, candidates: Structures) -> None:
        """Add rows to the information matrix: see :class:`~molaug.filters.BoundFilter`."""
        vectors, there = Pool.of(candidates).seen(self._limits.features)
        self._known = self._known.added(vectors[there])

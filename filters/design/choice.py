"""What selectors on features share: a choice among vectors, given those of the base."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from molaug.filters.features import FeatureName, Features
from molaug.filters.filter import Selector
from molaug.filters.pool import Pool
from molaug.filters.ranking import check_budget, ranking
from molaug.structures import Structures


@runtime_checkable
class FeatureSelector(Selector, Protocol):
    """A selector that looks at nothing but features.

    Candidates come to ``choose`` in an order that their ids and the seed fix, and equally good ones are taken in this
    order: the order in which they were given cannot matter.
    """

    @property
    def features(self) -> Features | FeatureName:
        """What it looks at."""
        ...

    def choose(self, rows: NDArray[np.float32], known: NDArray[np.float32], n: int, seed: int) -> NDArray[np.intp]:
        """Choose among vectors.

        Parameters
        ----------
        rows
            Features of the candidates, shape (n_candidates, d).
        known
            Features of the base, shape (n_known, d); may be empty.
        n
            How many, at most ``n_candidates``.
        seed
            The one seed of the run.

        Returns
        -------
        NDArray[np.intp]
            Row numbers in the order of choice, shape (n,).
        """
        ...


def select_by_features(
    selector: FeatureSelector, candidates: Structures | Pool, budget: int, base: Structures | Pool, seed: int
) -> NDArray[np.int64]:
    """Describe candidates and base, and choose; what has no features comes last, at random.

    Parameters
    ----------
    selector
        Who chooses.
    candidates
        Rows to choose from.
    budget
        Rows wanted.
    base
        What is known already.
    seed
        The one seed of the run.

    Returns
    -------
    NDArray[np.int64]
        Row numbers, shape (min(budget, n),).

    Raises
    ------
    ValueError
        If the budget is negative.
    """
    check_budget(budget)
    pool = Pool.of(candidates)
    vectors, there = pool.seen(selector.features)
    known, of_known = Pool.of(base).seen(selector.features)
    order = ranking(pool.ids, seed, selector.name)
    described, rest = order[there[order]], order[~there[order]]
    rows = selector.choose(
        vectors[described], known if of_known.all() else known[of_known], min(budget, len(described)), seed
    )
    return np.concatenate([described[rows], rest])[:budget].astype(np.int64)

"""What selectors on features share: candidates and base as vectors, and a choice among vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from molaug.filters.features import FeatureName, Features, features_of
from molaug.filters.filter import Selector
from molaug.filters.selection import check_budget, ranking
from molaug.structures import Structures

#: Rows that are described together.
_BATCH = 4096


@runtime_checkable
class FeatureSelector(Selector, Protocol):
    """A selector that looks at nothing but features, so that candidates need not be in memory.

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


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Described:
    """Features of many structures.

    Parameters
    ----------
    ids
        Of all rows, n of them.
    vectors
        Shape (n, d); zero where there is none.
    there
        Whether there is one, shape (n,).
    """

    ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    there: NDArray[np.bool_]

    @classmethod
    def of(cls, batches: Iterable[Structures], features: Features | FeatureName) -> Described:
        """Describe rows in a stream; only their ids and vectors stay in memory.

        Parameters
        ----------
        batches
            Rows, in batches of any size.
        features
            What to see in them.

        Returns
        -------
        Described
            Of all rows, in order.
        """
        see = features_of(features)
        ids: list[str] = []
        parts = [see(Structures.empty())]  # which tells the width where there are no rows
        for batch in batches:
            for rows in batch.batches(_BATCH):
                ids.extend(rows.ids)
                parts.append(see(rows))
        vectors = np.empty((len(ids), parts[0][0].shape[1]), dtype=np.float32)
        there = np.empty(len(ids), dtype=bool)
        start = len(ids)
        while parts:  # from the end, so that what is copied is let go
            vector, one = parts.pop()
            start -= len(one)
            vectors[start : start + len(one)], there[start : start + len(one)] = vector, one
        return cls(ids=tuple(ids), vectors=vectors, there=there)


def select_by_features(
    selector: FeatureSelector, candidates: Structures, budget: int, base: Structures, seed: int
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
    # described in the order in which they will be seen: a network's last digits may depend on a row's company
    order = ranking(candidates.ids, seed, selector.name)
    found = Described.of([candidates.take(order)], selector.features)
    known = Described.of([base], selector.features)
    return order[chosen_of(selector, found, known.vectors[known.there], budget, seed)]


def chosen_of(
    selector: FeatureSelector, found: Described, known: NDArray[np.float32], budget: int, seed: int
) -> NDArray[np.int64]:
    """Choose among rows that are in order already; what has no features comes last.

    Parameters
    ----------
    selector
        Who chooses.
    found
        The candidates, in the order of :func:`molaug.filters.selection.ranking`.
    known
        Features of the base, shape (n_known, d).
    budget
        Rows wanted.
    seed
        The one seed of the run.

    Returns
    -------
    NDArray[np.int64]
        Row numbers, shape (min(budget, n),).
    """
    described, rest = np.flatnonzero(found.there), np.flatnonzero(~found.there)
    vectors = found.vectors if not len(rest) else found.vectors[described]
    rows = selector.choose(vectors, known, min(budget, len(described)), seed)
    return np.concatenate([described[rows], rest])[:budget].astype(np.int64)

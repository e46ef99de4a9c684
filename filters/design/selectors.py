"""Selectors by optimal design and by clusters, on descriptors that need no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from molaug.filters.design.clusters import kmeans_pp, lcmd
from molaug.filters.design.greedy import greedy_d
from molaug.filters.information import SHARE, Information
from molaug.filters.redundancy.descriptor import Descriptor, describe
from molaug.filters.selection import ranking
from molaug.structures import Structures
from molaug.structures.hashing import derived_seed

_BATCH = 4096

#: From features of the candidates, features of the base and a number to the rows chosen, in order.
Choice = Callable[[NDArray[np.float32], NDArray[np.float32], int], NDArray[np.intp]]


@dataclass(frozen=True, kw_only=True, slots=True)
class DOptimal:
    """Always the candidate that adds most to the determinant of the information matrix of a linear model.

    It is drawn to the rare and the extreme, which bounds the largest errors and costs some of the mean: see the
    measurements in the documentation before preferring it to chance. Rows that have no descriptor come last.

    Parameters
    ----------
    descriptor
        ``distances`` for geometries, ``morgan`` for graphs.
    ridge
        As a share of the mean eigenvalue of the information of base and candidates together.

    Raises
    ------
    ValueError
        If an option is unknown or out of its range.

    References
    ----------
    V. V. Fedorov, Theory of Optimal Experiments (1972); B. Barzdajn and C. P. Race, arXiv:2405.08636.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> DOptimal().select(rows, 1, base=rows.slice(0, 1), seed=0).tolist()
    [2]
    """

    descriptor: Descriptor = "distances"
    ridge: float = 1e-4

    def __post_init__(self) -> None:
        _check(self.descriptor)
        if not SHARE <= self.ridge <= 1:
            raise ValueError(f"ridge is {self.ridge}; expected a share from {SHARE:g} to 1")

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "d-optimal"

    def select(self, candidates: Structures, budget: int, *, base: Structures, seed: int) -> NDArray[np.int64]:
        """Return row numbers, those that tell most first.

        Parameters
        ----------
        candidates
            Rows to choose from.
        budget
            Rows wanted.
        base
            What is known already.
        seed
            The one seed of the run; breaks ties.

        Returns
        -------
        NDArray[np.int64]
            Shape (min(budget, n),).
        """

        def choose(rows: NDArray[np.float32], known: NDArray[np.float32], n: int) -> NDArray[np.intp]:
            of_base = Information.of(known)
            ridge = (of_base + Information.of(rows)).regularised(self.ridge).ridge
            return greedy_d(rows, Information(gram=of_base.gram, n=of_base.n, ridge=ridge or 1.0), n)

        return _chosen(self.name, self.descriptor, candidates, budget, base, seed, choose)


@dataclass(frozen=True, kw_only=True, slots=True)
class LargestCluster:
    """Always the farthest candidate of the largest cluster about the base and what was chosen before.

    It spreads out as the farthest point does, but goes where many candidates are. Rows that have no descriptor come
    last.

    Parameters
    ----------
    descriptor
        ``distances`` for geometries, ``morgan`` for graphs.

    Raises
    ------
    ValueError
        If the descriptor is unknown.

    References
    ----------
    D. Holzmüller et al., arXiv:2203.09410.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> LargestCluster().select(rows, 1, base=rows.slice(0, 1), seed=0).tolist()
    [2]
    """

    descriptor: Descriptor = "distances"

    def __post_init__(self) -> None:
        _check(self.descriptor)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "largest-cluster"

    def select(self, candidates: Structures, budget: int, *, base: Structures, seed: int) -> NDArray[np.int64]:
        """Return row numbers, in the order of choice.

        Parameters
        ----------
        candidates
            Rows to choose from.
        budget
            Rows wanted.
        base
            What is known already.
        seed
            The one seed of the run; breaks ties.

        Returns
        -------
        NDArray[np.int64]
            Shape (min(budget, n),).
        """
        return _chosen(self.name, self.descriptor, candidates, budget, base, seed, lcmd)


@dataclass(frozen=True, kw_only=True, slots=True)
class KMeansPlusPlus:
    """Candidates drawn in proportion to their squared distance to the base and to what was drawn before.

    Rows that have no descriptor come last.

    Parameters
    ----------
    descriptor
        ``distances`` for geometries, ``morgan`` for graphs.

    Raises
    ------
    ValueError
        If the descriptor is unknown.

    References
    ----------
    D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> len(KMeansPlusPlus().select(rows, 2, base=rows.slice(0, 1), seed=0))
    2
    """

    descriptor: Descriptor = "distances"

    def __post_init__(self) -> None:
        _check(self.descriptor)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "k-means++"

    def select(self, candidates: Structures, budget: int, *, base: Structures, seed: int) -> NDArray[np.int64]:
        """Return row numbers, in the order of the draws.

        Parameters
        ----------
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
            Shape (min(budget, n),).
        """

        def choose(rows: NDArray[np.float32], known: NDArray[np.float32], n: int) -> NDArray[np.intp]:
            return kmeans_pp(rows, known, n, derived_seed(seed, self.name))

        return _chosen(self.name, self.descriptor, candidates, budget, base, seed, choose)


def _check(descriptor: str) -> None:
    if descriptor not in get_args(Descriptor):
        expected = " or ".join(map(repr, get_args(Descriptor)))
        raise ValueError(f"descriptor {descriptor!r}; expected {expected}")


def _chosen(
    name: str,
    descriptor: Descriptor,
    candidates: Structures,
    budget: int,
    base: Structures,
    seed: int,
    choose: Choice,
) -> NDArray[np.int64]:
    """Describe base and candidates, and choose; candidates come in an order that their ids fix."""
    if budget < 0:
        raise ValueError(f"budget {budget}; expected at least 0")
    order = ranking(candidates.ids, seed, name)
    vectors, there = describe(candidates.take(order), descriptor)
    described, rest = order[there], order[~there]
    known = [np.zeros((0, vectors.shape[1]), dtype=np.float32)]
    for batch in base.batches(_BATCH):
        of_batch, has_one = describe(batch, descriptor)
        known.append(of_batch[has_one])
    rows = choose(vectors[there], np.concatenate(known), min(budget, len(described)))
    return np.concatenate([described[rows], rest])[:budget].astype(np.int64)

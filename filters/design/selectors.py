"""Selectors on features: the farthest, the rarest, and those of large clusters, all given what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from molaug.filters.design.axes import check_axes, on_axes
from molaug.filters.design.choice import select_by_features
from molaug.filters.design.clusters import kmeans_pp, lcmd
from molaug.filters.design.facility import facility_location
from molaug.filters.design.farthest import farthest
from molaug.filters.design.greedy import greedy_d
from molaug.filters.design.target import greedy_target
from molaug.filters.features import FeatureName, Features, features_of
from molaug.filters.information import SHARE, Information
from molaug.filters.pool import Pool
from molaug.filters.redundancy.descriptor import Neighbours, Search
from molaug.structures import Structures
from molaug.structures.datasets import open_dataset
from molaug.structures.hashing import derived_seed


@dataclass(frozen=True, kw_only=True, slots=True)
class FarthestPoint:
    """Always the candidate that is farthest from the base and from all chosen before.

    The largest hole left is at most twice the smallest possible. Equally far candidates follow a random order, which
    also gives the first one where the base is empty. Rows that have no features come last.

    Parameters
    ----------
    features
        ``distances`` for geometries, ``morgan`` for graphs, or an object such as a potential's features.
    search
        How the base is searched: ``exact``, or ``faiss`` where it is installed.

    Raises
    ------
    ValueError
        If an option is unknown.

    References
    ----------
    T. Gonzalez, doi:10.1016/0304-3975(85)90224-5.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> FarthestPoint().select(rows, 1, base=rows.slice(0, 1), seed=0).tolist()
    [2]
    """

    features: Features | FeatureName = "distances"
    search: Search = "exact"

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", features_of(self.features))
        if self.search not in get_args(Search):
            raise ValueError(f"search {self.search!r}; expected {' or '.join(map(repr, get_args(Search)))}")

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "farthest-point"

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers, the farthest first: see :class:`~molaug.filters.Selector`."""
        return select_by_features(self, candidates, budget, base, seed)

    def choose(self, rows: NDArray[np.float32], known: NDArray[np.float32], n: int, seed: int) -> NDArray[np.intp]:
        """Choose among vectors: see :class:`~molaug.filters.design.FeatureSelector`."""
        neighbours = Neighbours(self.search)
        neighbours.add(known)
        return farthest(rows, neighbours.nearest(rows)[0] ** 2, n)


@dataclass(frozen=True, kw_only=True, slots=True)
class DOptimal:
    """Always the candidate that adds most to the determinant of the information matrix of a linear model.

    It is drawn to the rare and the extreme, which bounds the largest errors and costs some of the mean: see the
    measurements in the documentation before preferring it to chance. Rows that have no features come last.

    Parameters
    ----------
    features
        ``distances`` for geometries, ``morgan`` for graphs, or an object such as a potential's features.
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

    features: Features | FeatureName = "distances"
    ridge: float = 1e-4

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", features_of(self.features))
        check_ridge(self.ridge)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "d-optimal"

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers, those that tell most first: see :class:`~molaug.filters.Selector`."""
        return select_by_features(self, candidates, budget, base, seed)

    def choose(self, rows: NDArray[np.float32], known: NDArray[np.float32], n: int, seed: int) -> NDArray[np.intp]:
        """Choose among vectors: see :class:`~molaug.filters.design.FeatureSelector`."""
        return greedy_d(rows, ridged(known, rows, self.ridge), n)


@dataclass(frozen=True, kw_only=True, slots=True)
class LargestCluster:
    """Always the farthest candidate of the largest cluster about the base and what was chosen before.

    It spreads out as the farthest point does, but goes where many candidates are. Rows that have no features come
    last.

    Parameters
    ----------
    features
        ``distances`` for geometries, ``morgan`` for graphs, or an object such as a potential's features.
    whitening
        Distances are measured on the principal axes, each divided by this power of its spread: 0 as they are, 1 all
        axes alike.
    axes
        Principal axes that are looked at.

    Raises
    ------
    ValueError
        If the features are unknown or an option is out of its range.

    References
    ----------
    D. Holzmüller et al., arXiv:2203.09410.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> LargestCluster().select(rows, 1, base=rows.slice(0, 1), seed=0).tolist()
    [2]
    """

    features: Features | FeatureName = "distances"
    whitening: float = 0.5
    axes: int = 128

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", features_of(self.features))
        check_axes(self.axes, self.whitening)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "largest-cluster"

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers in the order of choice: see :class:`~molaug.filters.Selector`."""
        return select_by_features(self, candidates, budget, base, seed)

    def choose(self, rows: NDArray[np.float32], known: NDArray[np.float32], n: int, seed: int) -> NDArray[np.intp]:
        """Choose among vectors: see :class:`~molaug.filters.design.FeatureSelector`."""
        candidates, base = on_axes(rows, known, axes=self.axes, whitening=self.whitening)
        return lcmd(candidates, base, n)


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityLocation:
    """Always the candidate that brings all candidates nearest, on the whole, to the base and what was chosen.

    It takes the middle of every crowd, the largest crowd first, and what lies apart when crowds are served. Rows that
    have no features come last.

    Parameters
    ----------
    features
        ``distances`` for geometries, ``morgan`` for graphs, or an object such as a potential's features.
    axes
        Principal axes that are looked at.
    served
        Candidates, drawn at random, whose distances count; all where there are no more.

    Raises
    ------
    ValueError
        If the features are unknown or a number is below 1.

    References
    ----------
    G. Cornuejols, M. L. Fisher and G. L. Nemhauser, doi:10.1287/mnsc.23.8.789.

    Examples
    --------
    >>> lengths = (0.7, 0.98, 1.0, 1.02)
    >>> rows = Structures.from_arrays([[1, 1]] * 4, [[[0, 0, 0], [0, 0, d]] for d in lengths])
    >>> FacilityLocation().select(rows, 1, base=rows.slice(0, 1), seed=0).tolist()
    [2]
    """

    features: Features | FeatureName = "distances"
    axes: int = 128
    served: int = 10_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", features_of(self.features))
        check_axes(self.axes, 0.0)
        if self.served < 1:
            raise ValueError(f"served is {self.served}; expected at least 1")

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "facility-location"

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers in the order of choice: see :class:`~molaug.filters.Selector`."""
        return select_by_features(self, candidates, budget, base, seed)

    def choose(self, rows: NDArray[np.float32], known: NDArray[np.float32], n: int, seed: int) -> NDArray[np.intp]:
        """Choose among vectors: see :class:`~molaug.filters.design.FeatureSelector`."""
        candidates, base = on_axes(rows, known, axes=self.axes, whitening=0.0)
        return facility_location(candidates, base, n, served=self.served)


@dataclass(frozen=True, kw_only=True, slots=True)
class KMeansPlusPlus:
    """Candidates drawn in proportion to their squared distance to the base and to what was drawn before.

    Rows that have no features come last.

    Parameters
    ----------
    features
        ``distances`` for geometries, ``morgan`` for graphs, or an object such as a potential's features.

    Raises
    ------
    ValueError
        If the features are unknown.

    References
    ----------
    D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> len(KMeansPlusPlus().select(rows, 2, base=rows.slice(0, 1), seed=0))
    2
    """

    features: Features | FeatureName = "distances"

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", features_of(self.features))

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "k-means++"

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers in the order of the draws: see :class:`~molaug.filters.Selector`."""
        return select_by_features(self, candidates, budget, base, seed)

    def choose(self, rows: NDArray[np.float32], known: NDArray[np.float32], n: int, seed: int) -> NDArray[np.intp]:
        """Choose among vectors: see :class:`~molaug.filters.design.FeatureSelector`."""
        return kmeans_pp(rows, known, n, derived_seed(seed, self.name))


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetDesign:
    """Always the candidate that makes the predictions of a linear model for a target surest in the mean.

    Unlike the determinant it asks what the model will be used for: what is rare among the candidates and in the target
    is not drawn for its rarity. Rows that have no features come last.

    Parameters
    ----------
    features
        ``distances`` for geometries, ``morgan`` for graphs, or an object such as a potential's features.
    target
        A dataset or a file of the structures for which predictions are wanted; the candidates themselves by default.
    ridge
        As a share of the mean eigenvalue of the information of base and candidates together.

    Raises
    ------
    ValueError
        If an option is unknown or out of its range.

    References
    ----------
    V. V. Fedorov, Theory of Optimal Experiments (1972), I- and V-optimality; D. A. Cohn, Z. Ghahramani and
    M. I. Jordan, arXiv:cs/9603104.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 9, [[[0, 0, 0], [0, 0, d]] for d in (0.7,) * 2 + (2.0,) * 6 + (5.0,)])
    >>> TargetDesign().select(rows, 1, base=rows.slice(0, 1), seed=0)[0] in range(2, 8)
    True
    """

    features: Features | FeatureName = "distances"
    target: str | None = None
    ridge: float = 1e-4

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", features_of(self.features))
        check_ridge(self.ridge)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "target"

    def check(self) -> None:
        """Look for the target, without reading all of it.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        """
        if self.target is not None:
            open_dataset(self.target)

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers, those that help most first: see :class:`~molaug.filters.Selector`."""
        return select_by_features(self, candidates, budget, base, seed)

    def choose(self, rows: NDArray[np.float32], known: NDArray[np.float32], n: int, seed: int) -> NDArray[np.intp]:
        """Choose among vectors: see :class:`~molaug.filters.design.FeatureSelector`."""
        target = None
        if self.target is not None:
            see = features_of(self.features)
            batches = map(see, open_dataset(self.target).batches())
            empty = Information.of(np.zeros((0, rows.shape[1])))
            target = sum((Information.of(vectors[there]) for vectors, there in batches), empty)
            if not target.n:
                raise ValueError(f"no row of the target {self.target} has {see.name} features; expected some")
        return greedy_target(rows, ridged(known, rows, self.ridge), n, target)


def check_ridge(ridge: float) -> None:
    """Refuse a ridge that is no sensible share.

    Parameters
    ----------
    ridge
        As a share of the mean eigenvalue of an information matrix.

    Raises
    ------
    ValueError
        If it is out of its range.
    """
    if not SHARE <= ridge <= 1:
        raise ValueError(f"ridge is {ridge}; expected a share from {SHARE:g} to 1")


def ridged(known: NDArray[np.float32], rows: NDArray[np.float32], ridge: float) -> Information:
    """Return the information of a base, with a ridge that goes with the scale of base and candidates together.

    Parameters
    ----------
    known
        Features of the base, shape (n_known, d).
    rows
        Features of the candidates, shape (n_candidates, d).
    ridge
        As a share of the mean eigenvalue.

    Returns
    -------
    Information
        Of the base; with the ridge 1 where all features are zero.
    """
    of_base = Information.of(known)
    share = (of_base + Information.of(rows)).regularised(ridge).ridge
    return Information(gram=of_base.gram, n=of_base.n, ridge=share or 1.0)

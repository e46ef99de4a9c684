"""Structures as vectors that selectors and filters measure: descriptors, or whatever a model sees in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from molaug.filters.environments import Environments
from molaug.filters.redundancy.descriptor import describe
from molaug.structures import Structures

#: Features that have a name of their own here; others come as objects.
FeatureName = Literal["distances", "morgan", "environments"]

#: Vectors of n rows, shape (n, d), and whether there is one of each, shape (n,).
Seen: TypeAlias = tuple[NDArray[np.float32], NDArray[np.bool_]]


@runtime_checkable
class Features(Protocol):
    """One vector for each structure.

    Features are a frozen, keyword-only dataclass whose fields are their configuration.
    """

    @property
    def name(self) -> str:
        """Name under which they are registered."""
        ...

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors, each by its row alone.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        vectors : NDArray[np.float32]
            Shape (n, d); zero where there is none.
        there : NDArray[np.bool_]
            Whether there is one, shape (n,).
        """
        ...


@runtime_checkable
class Summed(Protocol):
    """Features that may be averages over the atoms of others, which are sums: one serves for both."""

    def sums(self) -> Features | None:
        """Return the features whose averages over the atoms these are.

        Returns
        -------
        Features or None
            None where these are no averages.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Distances:
    """Smeared interatomic distances by pair of elements, and the composition, scaled to unit length; for geometries.

    Examples
    --------
    >>> water = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]])
    >>> vectors, there = Distances()(water)
    >>> vectors.shape, there.tolist()
    ((1, 237), [True])
    """

    @property
    def name(self) -> str:
        """Name under which they are registered."""
        return "distances"

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors.

        Parameters
        ----------
        rows
            Those without a geometry have none.

        Returns
        -------
        vectors : NDArray[np.float32]
            Shape (n, 237).
        there : NDArray[np.bool_]
            Shape (n,).
        """
        return describe(rows, "distances")


@dataclass(frozen=True, kw_only=True, slots=True)
class Morgan:
    """Counts of circular substructures of radius 2, scaled to unit length; for graphs.

    References
    ----------
    D. Rogers and M. Hahn, doi:10.1021/ci100050t.

    Examples
    --------
    >>> vectors, there = Morgan()(Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"]))
    >>> vectors.shape, there.tolist()
    ((1, 1024), [True])
    """

    @property
    def name(self) -> str:
        """Name under which they are registered."""
        return "morgan"

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors.

        Parameters
        ----------
        rows
            Those without a readable SMILES have none.

        Returns
        -------
        vectors : NDArray[np.float32]
            Shape (n, 1024).
        there : NDArray[np.bool_]
            Shape (n,).
        """
        return describe(rows, "morgan")


def features_of(given: Features | FeatureName) -> Features:
    """Return features that are given as an object or by name.

    Parameters
    ----------
    given
        An object, ``"distances"``, ``"morgan"`` or ``"environments"``.

    Returns
    -------
    Features
        The object.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is neither.

    Examples
    --------
    >>> features_of("morgan")
    Morgan()
    """
    if isinstance(given, str):
        for kind in (Distances(), Morgan(), Environments()):
            if kind.name == given:
                return kind
        expected = " or ".join(map(repr, get_args(FeatureName)))
        raise ValueError(f"features {given!r}; expected {expected}, or an object such as a potential's features")
    if not isinstance(given, Features):
        raise TypeError(f"features are {given!r}; expected a name, or an object of the protocol Features")
    return given

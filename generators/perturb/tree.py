"""The tree of geometries, and which of them grows next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.units import kB
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True)
class Node:
    """A geometry of the tree.

    Parameters
    ----------
    id
        Of its row; of the parent for the root.
    positions
        In Å, shape (n_atoms, 3).
    energy
        In eV above the root.
    generation
        Depth in the tree; 0 for the root.
    """

    id: str
    positions: NDArray[np.float64]
    energy: float
    generation: int


def choice_probabilities(
    energies: ArrayLike, generations: ArrayLike, *, temperature: float, beta: float
) -> NDArray[np.float64]:
    """Return how probably each node of a tree is chosen to grow.

    Pᵢ = β exp(-Eᵢ/kT) / Σⱼ exp(-Eⱼ/kT) + (1 - β) Gᵢ / Σⱼ Gⱼ, where E is the energy of the whole molecule and G the
    generation, 1 for the root. Large β grow the tree around the lowest geometries, and the larger the molecule the
    more so; small β carry it away from its root.

    Parameters
    ----------
    energies
        In eV, above anything, shape (n,).
    generations
        Depths, 0 for the root, shape (n,).
    temperature
        In K.
    beta
        In [0, 1].

    Returns
    -------
    NDArray[np.float64]
        Shape (n,), sums to 1.

    Examples
    --------
    >>> choice_probabilities([0.0, 0.1, 0.2], [0, 1, 2], temperature=300, beta=0).round(3).tolist()
    [0.167, 0.333, 0.5]
    """
    e, depth = np.asarray(energies, dtype=np.float64), np.asarray(generations, dtype=np.float64) + 1
    boltzmann = np.exp(-(e - e.min()) / (kB * temperature))
    mixed: NDArray[np.float64] = beta * boltzmann / boltzmann.sum() + (1 - beta) * depth / depth.sum()
    return mixed


def chosen(probabilities: NDArray[np.float64], uniform: float) -> int:
    """Return the node that a uniform number falls on.

    Parameters
    ----------
    probabilities
        Shape (n,), their sum is 1.
    uniform
        In [0, 1).

    Returns
    -------
    int
        Its place.

    Examples
    --------
    >>> [chosen(np.array([0.25, 0.0, 0.75]), u) for u in (0.0, 0.2, 0.25, 0.99)]
    [0, 0, 2, 2]
    """
    bounds = np.cumsum(probabilities)
    return min(int(np.searchsorted(bounds, uniform * bounds[-1], side="right")), len(bounds) - 1)

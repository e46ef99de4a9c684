"""Interatomic distances of a whole batch as flat arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.structures import Structures

#: Pairs handled at once: bounds the memory to about a hundred megabytes.
MAX_PAIRS = 2_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Pairs of atoms i < j of the same structure.

    ``row`` is the structure, ``i`` and ``j`` are places in the flat arrays, ``distance`` is in Å; all of shape
    (n_pairs,).
    """

    row: NDArray[np.int64]
    i: NDArray[np.int64]
    j: NDArray[np.int64]
    distance: NDArray[np.float64]


def by_size(n_atoms: NDArray[np.int64], *, pairs: int = MAX_PAIRS) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of a batch in groups of equal size, small enough to hold all their pairs.

    Parameters
    ----------
    n_atoms
        Size of each structure, shape (n,).
    pairs
        Most pairs a group; a single structure may have more.

    Yields
    ------
    NDArray[np.int64]
        Row numbers.

    Examples
    --------
    >>> [rows.tolist() for rows in by_size(np.array([3, 2, 3]))]
    [[1], [0, 2]]
    """
    for size in np.unique(n_atoms).tolist():
        rows = np.flatnonzero(n_atoms == size)
        step = max(1, pairs // max(1, size * (size - 1) // 2))
        for start in range(0, len(rows), step):
            yield rows[start : start + step]


def finite(batch: Structures) -> NDArray[np.bool_]:
    """Tell which structures have a geometry without NaN or infinity.

    Parameters
    ----------
    batch
        Any rows.

    Returns
    -------
    NDArray[np.bool_]
        Shape (n,).

    Examples
    --------
    >>> finite(Structures.from_arrays([[2], [2]], [None, [[0.0, 0.0, 0.0]]], smiles=["[He]"] * 2)).tolist()
    [False, True]
    """
    bad = ~np.isfinite(batch.positions).all(axis=1)
    spoiled = np.bincount(np.repeat(np.arange(len(batch)), batch.n_atoms), weights=bad, minlength=len(batch)) > 0
    return batch.has_geometry & ~spoiled


def pairs_within(
    offsets: NDArray[np.int64], positions: NDArray[np.float64], rows: NDArray[np.int64] | None = None
) -> Iterator[Pairs]:
    """Yield all pairs of atoms within structures, in groups of structures of equal size.

    Parameters
    ----------
    offsets
        Atoms of structure k are ``offsets[k]:offsets[k+1]``, shape (n + 1,).
    positions
        In Å, shape (n_atoms_total, 3).
    rows
        Structures wanted; all by default.

    Yields
    ------
    Pairs
        Structures of a group one after the other.

    Examples
    --------
    >>> [group.distance.tolist() for group in pairs_within(np.array([0, 2]), np.array([[0.0, 0, 0], [0, 3, 4]]))]
    [[5.0]]
    """
    wanted = np.arange(len(offsets) - 1) if rows is None else np.asarray(rows, dtype=np.int64)
    sizes = np.diff(offsets)[wanted]
    for group in by_size(sizes):
        size = int(sizes[group[0]])
        a, b = np.triu_indices(size, 1)
        first = offsets[wanted[group]][:, None]  # (n_rows, 1)
        i, j = (first + a).ravel(), (first + b).ravel()
        difference = positions[i] - positions[j]  # (n_pairs, 3)
        yield Pairs(
            row=np.repeat(wanted[group], len(a)),
            i=i,
            j=j,
            distance=np.sqrt(np.einsum("ij,ij->i", difference, difference)),
        )

"""Geometries of many molecules as ragged arrays, and the distances between their atoms in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from molaug.structures.chemistry.connectivity import BOND_FACTOR, reach

#: Distances that are held at once.
_BLOCK = 500_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometries:
    """Atoms of many molecules, one behind the other.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    offsets
        Atoms of molecule k are ``offsets[k]:offsets[k + 1]``, shape (n + 1,).

    Examples
    --------
    >>> two = Geometries.of([([1, 1], [[0, 0, 0], [0, 0, 0.74]]), ([2], [[0, 0, 0]])])
    >>> len(two), two.sizes.tolist()
    (2, [2, 1])
    """

    numbers: NDArray[np.uint8]
    positions: NDArray[np.float64]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, molecules: Sequence[tuple[ArrayLike, ArrayLike]]) -> Geometries:
        """Gather molecules.

        Parameters
        ----------
        molecules
            Atomic numbers and positions in Å of each.

        Returns
        -------
        Geometries
            In their order.
        """
        numbers = [np.asarray(z, dtype=np.uint8).ravel() for z, _ in molecules]
        positions = [np.asarray(x, dtype=np.float64).reshape(-1, 3) for _, x in molecules]
        return cls(
            numbers=np.concatenate([np.zeros(0, dtype=np.uint8), *numbers]),
            positions=np.concatenate([np.zeros((0, 3)), *positions]),
            offsets=np.concatenate([[0], np.cumsum([len(z) for z in numbers], dtype=np.int64)]),
        )

    def __len__(self) -> int:
        """Return the number of molecules."""
        return len(self.offsets) - 1

    def __getitem__(self, k: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return atomic numbers and positions of one molecule."""
        atoms = slice(self.offsets[k], self.offsets[k + 1])
        return self.numbers[atoms], self.positions[atoms]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Atoms of each molecule, shape (n,)."""
        return np.diff(self.offsets)

    def blocks(self) -> Iterator[Block]:
        """Compute all distances within molecules, those of one size together.

        Yields
        ------
        Block
            A few molecules of one size; those of fewer than two atoms have none.
        """
        sizes = self.sizes
        for n in np.unique(sizes[sizes > 1]).tolist():
            first, second = np.triu_indices(n, k=1)
            rows = np.flatnonzero(sizes == n)
            step = max(1, _BLOCK // len(first))
            for part in np.split(rows, range(step, len(rows), step)):
                atoms = self.offsets[part][:, None] + np.arange(n)  # (n_rows, n)
                x = self.positions[atoms]  # (n_rows, n, 3)
                # one axis after the other: a third of the memory, and twice as fast as differences of vectors
                square = np.zeros((len(part), len(first)))
                for axis in range(3):
                    difference = x[:, first, axis] - x[:, second, axis]
                    square += difference * difference
                yield Block(rows=part, atoms=atoms, first=first, second=second, distances=np.sqrt(square))


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Distances in some molecules of one size.

    Parameters
    ----------
    rows
        Which molecules, shape (n_rows,).
    atoms
        Places of their atoms in the arrays, shape (n_rows, size).
    first, second
        The pairs i < j of atoms of one molecule, shape (n_pairs,) each.
    distances
        In Å, shape (n_rows, n_pairs).
    """

    rows: NDArray[np.intp]
    atoms: NDArray[np.int64]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    distances: NDArray[np.float64]


def nearness(geometries: Geometries) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how near atoms come to one another, and which geometries hold together.

    Parameters
    ----------
    geometries
        Any.

    Returns
    -------
    nearest : NDArray[np.float64]
        Smallest distance as a multiple of the sum of the covalent radii, shape (n,); infinite without pairs, NaN where
        positions are not finite.
    connected : NDArray[np.bool_]
        One fragment, atoms within 1.3 of the sum of their covalent radii linked; shape (n,). False without atoms.

    Examples
    --------
    >>> apart = Geometries.of([([2, 2], [[0, 0, 0], [0, 0, 5]])])
    >>> nearest, connected = nearness(apart)
    >>> nearest.round(2).tolist(), connected.tolist()
    ([8.93], [False])
    """
    nearest = np.where(geometries.sizes == 1, np.inf, np.nan)
    links: list[NDArray[np.int64]] = [np.zeros((2, 0), dtype=np.int64)]
    table = reach(np.arange(119)[:, None], np.arange(119))
    for block in geometries.blocks():
        z = geometries.numbers[block.atoms]  # (n_rows, size)
        ratio = block.distances / table[z[:, block.first], z[:, block.second]]
        nearest[block.rows] = ratio.min(axis=1)
        row, pair = np.nonzero(ratio < BOND_FACTOR)
        links.append(np.stack([block.atoms[row, block.first[pair]], block.atoms[row, block.second[pair]]]))
    ends = np.concatenate(links, axis=1)
    n = len(geometries.numbers)
    _, fragment = connected_components(coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(n, n)), False)
    owner = np.repeat(np.arange(len(geometries)), geometries.sizes)
    # a fragment lies within one molecule, so that its owner is that of any of its atoms
    _, any_atom = np.unique(fragment, return_index=True)
    return nearest, np.bincount(owner[any_atom], minlength=len(geometries)) == 1

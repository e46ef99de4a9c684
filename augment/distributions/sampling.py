"""What is kept of a stream of rows: a fixed number drawn by lot, and the lowest energy of each molecule."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from molaug.structures import Structures
from molaug.structures.hashing import keys64

#: Columns that the quantities are made from.
_COLUMNS = (
    "id",
    "numbers",
    "positions",
    "charge",
    "multiplicity",
    "smiles",
    "energy",
    "forces",
    "level",
    "sampling_energy",
)


class RowSample:
    """At most so many rows of a stream, drawn by lot.

    Those with the smallest keys of their ids are kept: a uniform draw that does not depend on the order of the rows nor
    on the batches in which they come.

    Parameters
    ----------
    capacity
        Most rows.

    Examples
    --------
    >>> from ase.build import molecule
    >>> sample = RowSample(1)
    >>> sample.add(Structures.from_ase([molecule("H2O"), molecule("CH4")]))
    >>> len(sample.rows()), sample.seen
    (1, 2)
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.seen = 0
        self._batches: list[Structures] = []
        self._keys: list[NDArray[np.uint64]] = []
        self._limit = np.uint64(2**64 - 1)

    def add(self, rows: Structures) -> None:
        """Take in a batch.

        Parameters
        ----------
        rows
            Any.
        """
        self.seen += len(rows)
        keys = keys64(rows.ids)
        near = keys <= self._limit
        if not near.any():
            return
        names = [name for name in _COLUMNS if name in rows.table.column_names]
        kept = Structures(rows.table.select(names))
        self._batches.append(kept if near.all() else kept.filter(near))
        self._keys.append(keys[near])
        if sum(map(len, self._keys)) > 2 * self.capacity:
            self._shrink()

    def rows(self) -> Structures:
        """Return the rows drawn, in the order of their keys.

        Returns
        -------
        Structures
            At most as many as the capacity.
        """
        self._shrink()
        return self._batches[0] if self._batches else Structures.empty()

    def _shrink(self) -> None:
        if not self._batches:
            return
        keys = np.concatenate(self._keys)
        order = np.argsort(keys, kind="stable")[: self.capacity]
        whole = Structures.concat(self._batches)
        self._batches, self._keys = [whole.take(order)], [keys[order]]
        if len(order) == self.capacity and self.capacity:
            self._limit = self._keys[0][-1]


class Minima:
    """The lowest energy of each molecule at each level of theory.

    Of at most so many molecules, those with the smallest keys: the memory is bounded, the choice by lot.

    Parameters
    ----------
    capacity
        Most molecules.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._keys = np.zeros(0, dtype=np.uint64)
        self._lowest = np.zeros(0)
        self._rows = np.zeros(0, dtype=np.int64)
        self._pending: list[tuple[NDArray[np.uint64], NDArray[np.float64]]] = []

    def add(self, keys: NDArray[np.uint64], energies: NDArray[np.float64]) -> None:
        """Take in rows.

        Parameters
        ----------
        keys
            Of their molecules, see :func:`molecule_keys`; shape (n,).
        energies
            In eV, shape (n,); what is not finite is passed over.
        """
        finite = np.isfinite(energies) & (keys > 0)
        if finite.any():
            self._pending.append((keys[finite], energies[finite]))
            if sum(len(part) for part, _ in self._pending) > max(len(self._keys), 65_536):
                self._merge()

    def above(self, keys: NDArray[np.uint64], energies: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far rows lie above the lowest of their molecule.

        Parameters
        ----------
        keys
            Of their molecules, shape (n,).
        energies
            In eV, shape (n,).

        Returns
        -------
        NDArray[np.float64]
            In eV, shape (n,); NaN without an energy, and for molecules of a single row, which lie above nothing.
        """
        self._merge()
        if not len(self._keys):
            return np.full(len(keys), np.nan)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = (self._keys[place] == keys) & (self._rows[place] > 1)
        return np.where(known, energies - self._lowest[place], np.nan)

    def _merge(self) -> None:
        if not self._pending:
            return
        keys = np.concatenate([self._keys, *(part for part, _ in self._pending)])
        lowest = np.concatenate([self._lowest, *(part for _, part in self._pending)])
        rows = np.concatenate([self._rows, np.ones(len(keys) - len(self._rows), dtype=np.int64)])
        self._keys, place = np.unique(keys, return_inverse=True)
        self._lowest = np.full(len(self._keys), np.inf)
        np.minimum.at(self._lowest, place, lowest)
        self._rows = np.bincount(place, weights=rows).astype(np.int64)
        cut = slice(0, self.capacity)
        self._keys, self._lowest, self._rows, self._pending = self._keys[cut], self._lowest[cut], self._rows[cut], []


def molecule_keys(rows: Structures) -> NDArray[np.uint64]:
    """Return a key for each molecule at each level of theory.

    Parameters
    ----------
    rows
        Any.

    Returns
    -------
    NDArray[np.uint64]
        Shape (n,); 0 without a SMILES.
    """
    smiles = rows.column("smiles")
    texts = [f"{level or ''}\x1f{text}" for level, text in zip(rows.column("level"), smiles, strict=True)]
    keys = keys64(texts)
    unknown = np.asarray(pa.array(smiles, pa.string()).is_null())
    return np.where(unknown, np.uint64(0), keys)

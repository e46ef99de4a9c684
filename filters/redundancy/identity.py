"""Which molecules are known, and where their geometries lie."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from molaug.filters.redundancy.keys import Kind, molecule_keys
from molaug.structures import Structures
from molaug.structures.chemistry import formula, with_smiles
from molaug.structures.hashing import key64, keys64

_NONE = np.zeros(0, dtype=np.uint64)


def identities(batch: Structures, kind: Kind) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the molecule of each row.

    Parameters
    ----------
    batch
        Rows; those without a SMILES are perceived from their geometry.
    kind
        Name that tells molecules apart.

    Returns
    -------
    keys : NDArray[np.uint64]
        Shape (n,). Where no molecule can be told the key stands for the formula: such rows can still be compared by
        geometry.
    named : NDArray[np.bool_]
        Whether the molecule is known, shape (n,).
    """
    smiles: list[str | None] = batch.column("smiles")
    unknown = [row for row, text in enumerate(smiles) if text is None]
    for row, text in zip(unknown, with_smiles(batch.take(unknown))[0].column("smiles"), strict=True):
        smiles[row] = text
    keys, named = molecule_keys(smiles, kind)
    if not named.all():
        offsets, numbers = batch.offsets, batch.numbers
        for row in np.flatnonzero(~named).tolist():
            keys[row] = key64(f"formula {formula(numbers[offsets[row] : offsets[row + 1]])}")
        # a bare graph that cannot be read has nothing but its text to be known by
        for row in np.flatnonzero(~named & ~batch.has_geometry).tolist():
            if smiles[row] is not None:
                keys[row], named[row] = key64(f"text {smiles[row]}"), True
    return keys, named


class Ledger:
    """The molecules of the base and of the rows accepted since, and where each geometry lies.

    The base takes 32 bytes a row in sorted arrays, besides its geometries, which are shared with the batches given.

    Parameters
    ----------
    kind
        Name that tells molecules apart.
    geometries
        Keep hold of the positions of the base, so that rows can be compared with them. Those of accepted rows are
        always kept.
    """

    def __init__(self, kind: Kind, *, geometries: bool = True) -> None:
        self._kind: Kind = kind
        self._geometries = geometries
        self._tables: list[pa.Table | None] = []
        self._starts = np.zeros(1, dtype=np.int64)
        self._keys, self._rows = _NONE, np.zeros(0, dtype=np.int64)
        self._ids, self._id_keys = _NONE, _NONE
        self._added: dict[int, list[int]] = {}
        self._added_ids: dict[str, int] = {}
        self._pending: list[tuple[NDArray[np.uint64], NDArray[np.uint64]]] = []

    def read(self, batch: Structures) -> None:
        """Take a batch of the base in; :meth:`close` ends it.

        Parameters
        ----------
        batch
            Rows of the base.
        """
        keys, _ = identities(batch, self._kind)
        self._pending.append((keys, keys64(batch.ids)))
        self._hold(batch if self._geometries else None, len(batch))

    def close(self) -> None:
        """Sort what was read."""
        if not self._pending:
            return
        keys, ids = (np.concatenate(part) for part in zip(*self._pending, strict=True))
        self._pending.clear()
        self._rows = np.argsort(keys, kind="stable")
        self._keys = keys[self._rows]
        order = np.argsort(ids, kind="stable")
        self._ids, self._id_keys = ids[order], keys[order]

    def add(self, batch: Structures, keys: NDArray[np.uint64]) -> None:
        """Take accepted rows in.

        Parameters
        ----------
        batch
            The rows.
        keys
            Their molecules, shape (n,).
        """
        first = int(self._starts[-1])
        self._hold(batch, len(batch))
        for row, (key, name) in enumerate(zip(keys.tolist(), batch.ids, strict=True)):
            self._added.setdefault(key, []).append(first + row)
            self._added_ids[name] = key

    def in_base(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Tell which molecules the base holds.

        Parameters
        ----------
        keys
            Shape (n,).

        Returns
        -------
        NDArray[np.bool_]
            Shape (n,).
        """
        return _held(self._keys, keys)[0]

    def accepted(self, key: int) -> int:
        """Count the accepted rows of a molecule.

        Parameters
        ----------
        key
            The molecule.

        Returns
        -------
        int
            From 0.
        """
        return len(self._added.get(key, ()))

    def molecules_of(self, ids: list[str | None]) -> list[int | None]:
        """Return the molecules of rows by their ids.

        Parameters
        ----------
        ids
            Of base or accepted rows, or of others.

        Returns
        -------
        list of (int or None)
            None where no such row is known.
        """
        found, places = _held(self._ids, keys64([name or "" for name in ids]))
        return [
            None if name is None else int(self._id_keys[place]) if held else self._added_ids.get(name)
            for name, held, place in zip(ids, found.tolist(), places.tolist(), strict=True)
        ]

    def geometries(self, key: int) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.float64]]]:
        """Yield all known geometries of a molecule.

        Parameters
        ----------
        key
            The molecule.

        Yields
        ------
        tuple
            Id, atomic numbers and positions in Å, shape (n_atoms, 3).
        """
        wanted = np.uint64(key)
        left, right = np.searchsorted(self._keys, wanted, "left"), np.searchsorted(self._keys, wanted, "right")
        for place in [*self._rows[left:right].tolist(), *self._added.get(key, ())]:
            held = int(np.searchsorted(self._starts, place, "right")) - 1
            table, row = self._tables[held], place - int(self._starts[held])
            positions = None if table is None else table.column("positions")[row].values
            if table is not None and positions is not None:
                x = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
                if np.isfinite(x).all():
                    numbers = np.asarray(table.column("numbers")[row].values, dtype=np.uint8)
                    yield table.column("id")[row].as_py(), numbers, x

    def _hold(self, batch: Structures | None, n: int) -> None:
        self._tables.append(None if batch is None else batch.table.select(["id", "numbers", "positions"]))
        self._starts = np.append(self._starts, self._starts[-1] + n)


def _held(keys: NDArray[np.uint64], asked: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    if not len(keys):
        return np.zeros(len(asked), dtype=bool), np.zeros(len(asked), dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return keys[places] == asked, places

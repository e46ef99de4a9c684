"""Rows as selectors see them, whether they lie in memory or on disk: ids, origins, and features that are seen once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from molaug.filters.features import FeatureName, Features, Seen, Summed, features_of
from molaug.filters.ranking import ranking
from molaug.structures import Structures

#: Rows that are described together.
_BATCH = 4096


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of all rows without any features.

    Parameters
    ----------
    ids
        Of all rows, n of them.
    origins
        From where each came; None where that is not known.
    n_atoms
        Of each, shape (n,).
    """

    ids: tuple[str, ...]
    origins: tuple[str | None, ...]
    n_atoms: NDArray[np.int64]

    @classmethod
    def of(cls, batches: Iterable[Structures]) -> Facts:
        """Collect them.

        Parameters
        ----------
        batches
            Rows, in batches of any size.

        Returns
        -------
        Facts
            Of all rows, in order.
        """
        ids: list[str] = []
        origins: list[str | None] = []
        sizes = [np.empty(0, dtype=np.int64)]
        for batch in batches:
            ids.extend(batch.ids)
            origins.extend(batch.column("origin"))
            sizes.append(batch.n_atoms)
        return cls(ids=tuple(ids), origins=tuple(origins), n_atoms=np.concatenate(sizes))

    def take(self, rows: NDArray[np.integer]) -> Facts:
        """Take some rows.

        Parameters
        ----------
        rows
            Their numbers, shape (m,).

        Returns
        -------
        Facts
            In this order.
        """
        numbers = rows.tolist()
        return Facts(
            ids=tuple(self.ids[k] for k in numbers),
            origins=tuple(self.origins[k] for k in numbers),
            n_atoms=self.n_atoms[rows],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Candidates, or a base, of which several selectors may look at the same features.

    Every selector takes a pool wherever it takes ``Structures``. What it asks for is computed once and kept in single
    precision: 512 MB for each million rows of 128 features. Features that are averages of others are not kept.

    Parameters
    ----------
    read
        Gives the same rows in the same order, in batches, each time it is called.
    see
        Computes features of all rows; by default batch by batch, as they are read.

    Examples
    --------
    >>> rows = Structures.from_arrays([[2], [10], [18]], None, smiles=["[He]", "[Ne]", "[Ar]"])
    >>> pool = Pool(read=lambda: rows.batches(2))
    >>> len(pool), pool.seen("morgan")[0].shape, pool.take(np.array([2])).ids == (rows.ids[2],)
    (3, (3, 1024), True)
    """

    read: Callable[[], Iterable[Structures]]
    see: Callable[[Features], Seen] | None = None
    _facts: list[Facts] = field(default_factory=list, init=False, repr=False)
    _seen: list[tuple[Features, Seen]] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def of(cls, rows: Structures | Pool) -> Pool:
        """Return rows in memory as a pool.

        Parameters
        ----------
        rows
            A pool is returned as it is.

        Returns
        -------
        Pool
            Of the rows.
        """
        if isinstance(rows, Pool):
            return rows
        return cls(read=lambda: [rows], see=lambda features: _seen_by_id(rows, features))

    @property
    def facts(self) -> Facts:
        """Ids, origins and sizes."""
        if not self._facts:
            self._facts.append(Facts.of(self.read()))
        return self._facts[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all rows."""
        return self.facts.ids

    def __len__(self) -> int:
        return len(self.ids)

    def seen(self, features: Features | FeatureName) -> Seen:
        """Return the features of all rows.

        Parameters
        ----------
        features
            What to see in them.

        Returns
        -------
        vectors : NDArray[np.float32]
            Shape (n, d); zero where there is none.
        there : NDArray[np.bool_]
            Whether there is one, shape (n,).

        Raises
        ------
        ValueError
            If reading again gives another number of rows.
        """
        features = features_of(features)
        sums = features.sums() if isinstance(features, Summed) else None
        if sums is not None:
            vectors, there = self.seen(sums)
            return vectors / np.maximum(self.facts.n_atoms, 1).astype(np.float32)[:, None], there
        for known, found in self._seen:
            if known == features:
                return found
        found = self._described(features) if self.see is None else self.see(features)
        if len(found[1]) != len(self):
            raise ValueError(f"{len(found[1])} rows came where {len(self)} were read before; expected the same rows")
        self._seen.append((features, found))
        return found

    def take(self, rows: NDArray[np.integer]) -> Pool:
        """Take some rows.

        Parameters
        ----------
        rows
            Their numbers, shape (m,).

        Returns
        -------
        Pool
            In this order; what it sees is seen here.
        """

        def see(features: Features) -> Seen:
            vectors, there = self.seen(features)
            return vectors[rows], there[rows]

        part = Pool(read=lambda: [taken(self.read(), rows)], see=see)
        part._facts.append(self.facts.take(rows))
        return part

    def rows(self) -> Structures:
        """Read all rows into memory.

        Returns
        -------
        Structures
            In order.
        """
        return Structures.concat(self.read())

    def _described(self, features: Features) -> Seen:
        """Describe rows as they are read, and collect the facts on the way if they are not known."""
        parts = [features(Structures.empty())]  # which tells the width where there are no rows
        facts = []
        for batch in self.read():
            for rows in batch.batches(_BATCH):
                parts.append(features(rows))
                if not self._facts:
                    facts.append(Facts.of([rows]))
        if not self._facts:
            self._facts.append(
                Facts(
                    ids=tuple(key for each in facts for key in each.ids),
                    origins=tuple(origin for each in facts for origin in each.origins),
                    n_atoms=np.concatenate([np.empty(0, dtype=np.int64), *(each.n_atoms for each in facts)]),
                )
            )
        return joined(parts)


def joined(parts: list[Seen]) -> Seen:
    """Put features of several batches into one array each; the list is emptied on the way to spare memory.

    Parameters
    ----------
    parts
        At least one.

    Returns
    -------
    vectors : NDArray[np.float32]
        Shape (n, d).
    there : NDArray[np.bool_]
        Shape (n,).
    """
    n = sum(len(there) for _, there in parts)
    vectors, present = np.empty((n, parts[0][0].shape[1]), dtype=np.float32), np.empty(n, dtype=bool)
    while parts:
        vector, there = parts.pop()
        n -= len(there)
        vectors[n : n + len(there)], present[n : n + len(there)] = vector, there
    return vectors, present


def taken(batches: Iterable[Structures], rows: NDArray[np.integer]) -> Structures:
    """Take rows by their numbers from a stream.

    Parameters
    ----------
    batches
        Rows, in batches of any size.
    rows
        Distinct numbers, shape (m,).

    Returns
    -------
    Structures
        In the order of the numbers.

    Raises
    ------
    ValueError
        If there are fewer rows than that.
    """
    wanted = np.sort(rows)
    parts, start = [Structures.empty()], 0
    for batch in batches:
        stop = start + len(batch)
        here = wanted[(wanted >= start) & (wanted < stop)] - start
        if len(here):
            parts.append(batch.take(here))
        start = stop
    found = Structures.concat(parts)
    if len(found) != len(rows):
        raise ValueError(f"only {start} rows came; expected more than {wanted[-1]}, as before")
    return found.take(np.argsort(np.argsort(rows)))


def _seen_by_id(rows: Structures, features: Features) -> Seen:
    """Describe rows in an order that only their ids fix: a network's last digits may depend on a row's company."""
    order = ranking(rows.ids, 0, "pool")
    vectors, there = joined([features(Structures.empty()), *map(features, rows.take(order).batches(_BATCH))])
    back = np.argsort(order)
    return vectors[back], there[back]

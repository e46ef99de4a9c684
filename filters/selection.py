"""Selectors that need no model: at random, in turn over origins, or farthest from what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from molaug.filters.redundancy.descriptor import Descriptor, Neighbours, Search, describe
from molaug.structures import Structures
from molaug.structures.hashing import stream

_BATCH = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Random:
    """Candidates at random, whatever their order: they are ranked by a hash of their ids under a key from the seed.

    Examples
    --------
    >>> rows = Structures.from_arrays([[2], [10], [18]], None, smiles=["[He]", "[Ne]", "[Ar]"])
    >>> few = Random().select(rows, 2, base=Structures.empty(), seed=0)
    >>> few.tolist() == Random().select(rows, 3, base=Structures.empty(), seed=0)[:2].tolist()
    True
    """

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "random"

    def select(self, candidates: Structures, budget: int, *, base: Structures, seed: int) -> NDArray[np.int64]:
        """Return row numbers in random order.

        Parameters
        ----------
        candidates
            Rows to choose from.
        budget
            Rows wanted.
        base
            Not looked at.
        seed
            The one seed of the run.

        Returns
        -------
        NDArray[np.int64]
            Shape (min(budget, n),).

        Raises
        ------
        ValueError
            If the budget is negative.
        """
        if budget < 0:
            raise ValueError(f"budget {budget}; expected at least 0")
        return ranking(candidates.ids, seed, self.name)[:budget]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stratified:
    """One candidate of each origin in turn, at random within an origin.

    Examples
    --------
    >>> rows = Structures.from_arrays([[2], [10], [18]], None, smiles=["[He]", "[Ne]", "[Ar]"], origin=["a", "a", "b"])
    >>> picked = Stratified().select(rows, 2, base=Structures.empty(), seed=0)
    >>> sorted(rows.take(picked).column("origin"))
    ['a', 'b']
    """

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "stratified"

    def select(self, candidates: Structures, budget: int, *, base: Structures, seed: int) -> NDArray[np.int64]:
        """Return row numbers, round after round over the origins in alphabetical order.

        Parameters
        ----------
        candidates
            Rows to choose from; those without an origin are one more stratum, the first.
        budget
            Rows wanted.
        base
            Not looked at.
        seed
            The one seed of the run.

        Returns
        -------
        NDArray[np.int64]
            Shape (min(budget, n),).

        Raises
        ------
        ValueError
            If the budget is negative.
        """
        if budget < 0:
            raise ValueError(f"budget {budget}; expected at least 0")
        origins = [origin or "" for origin in candidates.column("origin")]
        turns: dict[str, int] = {}
        order = []
        for row in ranking(candidates.ids, seed, self.name).tolist():
            turn = turns[origins[row]] = turns.get(origins[row], -1) + 1
            order.append((turn, origins[row], row))
        return np.array([row for _, _, row in sorted(order, key=lambda entry: entry[:2])][:budget], dtype=np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class FarthestPoint:
    """Always the candidate that is farthest from the base and from all chosen before, in a descriptor.

    The greedy rule of T. Gonzalez (doi:10.1016/0304-3975(85)90224-5): the largest hole left is at most twice the
    smallest possible. It costs n·k distances for k of n candidates, and one search of the base. Equally far candidates
    follow a random order, which also gives the first one where the base is empty. Rows that have no descriptor (bare
    graphs under ``distances``, unreadable SMILES under ``morgan``) come last.

    Parameters
    ----------
    descriptor
        ``distances`` for geometries, ``morgan`` for graphs.
    search
        How the base is searched: ``exact``, or ``faiss`` where it is installed.

    Raises
    ------
    ValueError
        If an option is unknown.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> FarthestPoint().select(rows, 1, base=rows.slice(0, 1), seed=0).tolist()
    [2]
    """

    descriptor: Descriptor = "distances"
    search: Search = "exact"

    def __post_init__(self) -> None:
        for title, value, allowed in (
            ("descriptor", self.descriptor, get_args(Descriptor)),
            ("search", self.search, get_args(Search)),
        ):
            if value not in allowed:
                raise ValueError(f"{title} {value!r}; expected {' or '.join(map(repr, allowed))}")

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "farthest-point"

    def select(self, candidates: Structures, budget: int, *, base: Structures, seed: int) -> NDArray[np.int64]:
        """Return row numbers, the farthest first.

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

        Raises
        ------
        ValueError
            If the budget is negative.
        """
        if budget < 0:
            raise ValueError(f"budget {budget}; expected at least 0")
        # all further steps see the candidates in an order that their ids fix, so that the order given cannot matter
        order = ranking(candidates.ids, seed, self.name)
        vectors, there = describe(candidates.take(order), self.descriptor)
        described, rest = order[there], order[~there]
        vectors = vectors[there]
        distance = self._to_base(vectors, base) ** 2
        chosen: list[int] = []
        for _ in range(min(budget, len(described))):
            best = int(distance.argmax())
            chosen.append(best)
            # squared distances of unit vectors; never below zero by rounding
            distance = np.minimum(distance, np.maximum(2 - 2 * (vectors @ vectors[best]), 0))
            distance[chosen[-1]] = -np.inf
        return np.concatenate([described[chosen], rest])[:budget].astype(np.int64)

    def _to_base(self, vectors: NDArray[np.float32], base: Structures) -> NDArray[np.float64]:
        known = Neighbours(self.search)
        for batch in base.batches(_BATCH):
            described, there = describe(batch, self.descriptor)
            known.add(described[there])
        return known.nearest(vectors)[0]


def ranking(ids: Sequence[str], seed: int, name: str) -> NDArray[np.int64]:
    """Return rows in a random order that does not depend on the order in which they come.

    Parameters
    ----------
    ids
        Of the rows.
    seed
        The one seed of the run.
    name
        Whose order it is.

    Returns
    -------
    NDArray[np.int64]
        Row numbers, shape (n,), by a hash of the ids.

    Examples
    --------
    >>> [["a", "b"][k] for k in ranking(["a", "b"], 0, "x")] == [["b", "a"][k] for k in ranking(["b", "a"], 0, "x")]
    True
    """
    key = stream(seed, name).bytes(16)
    hashes = [blake2b(row_id.encode(), digest_size=16, key=key).digest() for row_id in ids]
    return np.array(sorted(range(len(ids)), key=hashes.__getitem__), dtype=np.int64)

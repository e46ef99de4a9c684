"""Selectors at random and in turn over origins, and the order at random that all start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from molaug.filters.filter import Selector
from molaug.structures import Structures
from molaug.structures.hashing import stream


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
        """Return row numbers in random order: see :class:`~molaug.filters.Selector`."""
        check_budget(budget)
        return ranking(candidates.ids, seed, self.name)[:budget]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stratified:
    """One candidate of each origin in turn.

    Parameters
    ----------
    within
        Ranks the candidates of an origin, given the base but not what other origins give; at random by default.

    Raises
    ------
    TypeError
        If it is no selector.

    Examples
    --------
    >>> rows = Structures.from_arrays([[2], [10], [18]], None, smiles=["[He]", "[Ne]", "[Ar]"], origin=["a", "a", "b"])
    >>> picked = Stratified().select(rows, 2, base=Structures.empty(), seed=0)
    >>> sorted(rows.take(picked).column("origin"))
    ['a', 'b']
    """

    within: Selector | None = None

    def __post_init__(self) -> None:
        if self.within is not None and not isinstance(self.within, Selector):
            raise TypeError(f"within is {self.within!r}; expected a selector")

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "stratified"

    def select(self, candidates: Structures, budget: int, *, base: Structures, seed: int) -> NDArray[np.int64]:
        """Return row numbers, round after round over the origins in alphabetical order.

        Rows without an origin are one more stratum, the first. See :class:`~molaug.filters.Selector`.
        """
        check_budget(budget)
        strata: dict[str, list[int]] = {}
        origins = candidates.column("origin")
        for row in ranking(candidates.ids, seed, self.name).tolist():
            strata.setdefault(origins[row] or "", []).append(row)
        if self.within is not None:
            for origin, rows in strata.items():
                chosen = self.within.select(candidates.take(rows), budget, base=base, seed=seed)
                strata[origin] = [rows[k] for k in chosen.tolist()]
        order = [(turn, origin, row) for origin, rows in strata.items() for turn, row in enumerate(rows)]
        return np.array([row for _, _, row in sorted(order)][:budget], dtype=np.int64)


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


def check_budget(budget: int) -> None:
    """Refuse a negative budget.

    Parameters
    ----------
    budget
        Rows wanted.

    Raises
    ------
    ValueError
        If it is negative.
    """
    if budget < 0:
        raise ValueError(f"budget {budget}; expected at least 0")

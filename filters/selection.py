"""Selectors at random and in turn over origins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.filters.filter import Selector
from molaug.filters.mixture import Mixture
from molaug.filters.pool import Pool
from molaug.filters.ranking import check_budget, ranking
from molaug.structures import Structures

#: What ranks within an origin: of all that was tried that which loses nothing to random and takes most off the tail.
MEASURED_BEST = Mixture()


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

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers in random order: see :class:`~molaug.filters.Selector`."""
        check_budget(budget)
        return ranking(Pool.of(candidates).ids, seed, self.name)[:budget]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stratified:
    """One candidate of each origin in turn: no generator takes the whole budget, and of each the best come first.

    Parameters
    ----------
    within
        Ranks the candidates of an origin, given the base but not what other origins give; ``Random()`` for chance.

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

    within: Selector = MEASURED_BEST

    def __post_init__(self) -> None:
        if not isinstance(self.within, Selector):
            raise TypeError(f"within is {self.within!r}; expected a selector")

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "stratified"

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers, round after round over the origins in alphabetical order.

        Rows without an origin are one more stratum, the first. See :class:`~molaug.filters.Selector`.
        """
        check_budget(budget)
        pool, known = Pool.of(candidates), Pool.of(base)
        strata: dict[str, list[int]] = {}
        origins = pool.facts.origins
        for row in ranking(pool.ids, seed, self.name).tolist():
            strata.setdefault(origins[row] or "", []).append(row)
        for origin, rows in strata.items():
            chosen = self.within.select(pool.take(np.array(rows)), budget, base=known, seed=seed)
            strata[origin] = [rows[k] for k in chosen.tolist()]
        order = [(turn, origin, row) for origin, rows in strata.items() for turn, row in enumerate(rows)]
        return np.array([row for _, _, row in sorted(order)][:budget], dtype=np.int64)

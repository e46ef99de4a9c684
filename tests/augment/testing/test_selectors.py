"""The contract of selectors lets sound ones pass and catches each way of breaking it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from molaug.filters import Pool
from molaug.filters.ranking import check_budget, ranking
from molaug.structures import Structures
from molaug.testing import check_selector

_CALLS: list[int] = []


@dataclass(frozen=True, kw_only=True)
class Smallest:
    """Takes the smallest first, and on demand breaks one clause."""

    name: ClassVar[str] = "smallest"

    fault: str | None = None

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        fault = self.fault
        if fault != "careless":
            check_budget(budget)
        if fault == "rows only":
            candidates = candidates.filter(candidates.alive)  # type: ignore[union-attr]
        pool = Pool.of(candidates)
        _CALLS.append(len(pool))
        if fault == "needs a base" and not len(Pool.of(base)):
            return np.zeros(0, dtype=np.int64)
        order = np.arange(len(pool)) if fault == "as given" else ranking(pool.ids, seed, self.name)
        if fault == "moody":
            order = np.roll(order, len(_CALLS))
        rows = order[np.argsort(pool.facts.n_atoms[order], kind="stable")] if fault != "moody" else order
        if fault == "budget first":
            rows = np.roll(rows, budget)
        if fault == "twice" and len(rows):
            rows = np.r_[rows[:1], rows[:-1]]
        if fault == "bare last" and len(rows):
            there = pool.rows().has_geometry
            rows = rows[there[rows]]
        if fault == "scores":
            return rows[:budget].astype(float)  # type: ignore[return-value]
        return rows[:budget]


@pytest.fixture
def rows() -> Structures:
    return Structures.from_arrays(
        [[1, 1]] * 4 + [[2]], [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.8, 0.9, 1.0)] + [[[0, 0, 0]]]
    )


def test_a_sound_selector_passes(rows: Structures) -> None:
    check_selector(Smallest(), rows, rows.slice(0, 2))


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        ("scores", "ranking: .* expected row numbers"),
        ("twice", "ranking: 7 of 5 rows"),
        ("budget first", "prefix: a budget of 1"),
        ("moody", "prefix|determinism"),
        ("as given", "independence: candidates in reverse order"),
        ("needs a base", "edges: without a base"),
        ("bare last", "edges: with bare graphs"),
        ("careless", "edges: a budget of -1 was accepted"),
    ],
)
def test_the_contract_catches(fault: str, clause: str, rows: Structures) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_selector(Smallest(fault=fault), rows, rows.slice(0, 2))


def test_one_that_looks_at_rows_alone_is_no_selector_of_pools(rows: Structures) -> None:
    with pytest.raises(AttributeError, match="'Pool' object has no attribute 'filter'"):
        check_selector(Smallest(fault="rows only"), rows, rows.slice(0, 2))


def test_too_few_candidates_are_refused(rows: Structures) -> None:
    for few in (rows.slice(0, 2), rows.reject(["test: no"] * 5)):
        with pytest.raises(ValueError, match="expected at least three rows, all alive"):
            check_selector(Smallest(), few, rows)

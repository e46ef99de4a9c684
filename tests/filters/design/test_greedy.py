"""Lazy greedy D-optimal picks are those of the plain rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.filters.design import greedy_d
from molaug.filters.information import Information


def plain(rows: np.ndarray, known: Information, n: int) -> list[int]:
    """All gains anew for each pick, by the inverse."""
    chosen: list[int] = []
    for _ in range(n):
        gains = known.added(rows[chosen]).leverage(rows) if chosen else known.leverage(rows)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
    return chosen


def nothing(d: int, ridge: float) -> Information:
    return Information(gram=np.zeros((d, d)), n=0, ridge=ridge)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.floats(1e-4, 10))
def test_picks_are_those_of_the_plain_rule(seed: int, d: int, ridge: float) -> None:
    rows = np.random.default_rng(seed).normal(size=(50, d))
    assert greedy_d(rows, nothing(d, ridge), 30).tolist() == plain(rows, nothing(d, ridge), 30)


def test_picks_are_those_of_the_plain_rule_beyond_a_refresh() -> None:
    rng = np.random.default_rng(0)
    rows, base = rng.normal(size=(400, 12)) * rng.lognormal(size=(400, 1)), rng.normal(size=(20, 12))
    known = Information.of(base)
    assert greedy_d(rows, known, 200).tolist() == plain(rows, known, 200)


def test_a_smaller_number_is_a_prefix_and_all_is_a_permutation() -> None:
    rows = np.random.default_rng(0).normal(size=(90, 4))
    everything = greedy_d(rows, nothing(4, 1.0), 1000)
    assert sorted(everything.tolist()) == list(range(90))
    assert greedy_d(rows, nothing(4, 1.0), 17).tolist() == everything[:17].tolist()
    assert greedy_d(rows, nothing(4, 1.0), 0).tolist() == []
    assert greedy_d(np.empty((0, 4)), nothing(4, 1.0), 5).tolist() == []


def test_gains_fall_and_sum_to_the_growth_of_the_determinant() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 6))
    known = nothing(6, 0.1)
    chosen = greedy_d(rows, known, 50)
    before = np.array([known.added(rows[chosen[:k]]).log_det if k else known.log_det for k in range(51)])
    gains = np.diff(before)
    assert (np.diff(gains) < 1e-9).all()
    random = np.random.default_rng(1).permutation(200)[:50]
    assert before[-1] > known.added(rows[random]).log_det


def test_what_the_base_knows_is_not_chosen() -> None:
    rows = np.vstack([np.tile([5.0, 0.0], (10, 1)), [[0.0, 1.0]]])
    known = Information.of(np.tile([5.0, 0.0], (100, 1)), 1e-3)
    assert greedy_d(rows, known, 1).tolist() == [10]


def test_copies_of_a_row_come_last() -> None:
    rows = np.vstack([np.eye(4)] * 5) * 3.0
    assert sorted((greedy_d(rows, nothing(4, 1.0), 4) % 4).tolist()) == [0, 1, 2, 3]


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(ValueError, match="n is -1"):
        greedy_d(np.ones((2, 2)), nothing(2, 1.0), -1)
    with pytest.raises(ValueError, match="finite"):
        greedy_d(np.full((2, 2), np.nan), nothing(2, 1.0), 1)
    with pytest.raises(ValueError, match="expected 2 along the last axis"):
        greedy_d(np.ones((2, 3)), nothing(2, 1.0), 1)

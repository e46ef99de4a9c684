"""Fedorov's exchange never makes a design worse, and finds the best of small ones."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.filters.design import exchange, greedy_d
from molaug.filters.information import Information


def known(d: int, ridge: float = 1e-2) -> Information:
    return Information(gram=np.zeros((d, d)), n=0, ridge=ridge)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_determinant_never_falls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(40, 4))
    design = rng.permutation(40)[:8]
    worth = [known(4).added(rows[design]).log_det]
    for swaps in (1, 2, 5, 100):
        better = exchange(rows, known(4), design, max_swaps=swaps)
        assert len(set(better.tolist())) == 8
        worth.append(known(4).added(rows[better]).log_det)
    assert (np.diff(worth) >= -1e-9).all()


def test_no_swap_of_the_weakest_is_left() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 3))
    design = exchange(rows, known(3), np.arange(6), weakest=6)
    best = known(3).added(rows[design]).log_det
    for place in range(6):
        for new in set(range(30)) - set(design.tolist()):
            other = design.copy()
            other[place] = new
            assert known(3).added(rows[other]).log_det <= best + 1e-9


def test_it_comes_near_the_best_of_all_designs() -> None:
    for seed in range(5):
        rows = np.random.default_rng(seed).normal(size=(14, 3))
        best = max(known(3).added(rows[list(which)]).log_det for which in combinations(range(14), 5))
        found = known(3).added(rows[exchange(rows, known(3), greedy_d(rows, known(3), 5))]).log_det
        assert found > best - 0.05


def test_greedy_picks_leave_it_little_to_do() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 10))
    start = greedy_d(rows, known(10), 60)
    greedy = known(10).added(rows[start]).log_det
    improved = known(10).added(rows[exchange(rows, known(10), start)]).log_det
    assert 0.95 * improved <= greedy <= improved


def test_a_base_counts() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])
    base = Information.of(np.array([[0.0, 9.0]]), 1e-2)
    assert exchange(rows, base, [1]).tolist() == [0]


def test_what_cannot_be_is_told() -> None:
    rows = np.eye(3)
    for wrong, message in (([0, 0], "chosen twice"), ([3], "expected numbers from 0"), ([-1], "numbers from 0")):
        with pytest.raises(ValueError, match=message):
            exchange(rows, known(3), wrong)
    with pytest.raises(ValueError, match="max_swaps=0"):
        exchange(rows, known(3), [0], max_swaps=0)
    assert exchange(rows, known(3), []).tolist() == []
    assert exchange(rows, known(3), [2, 0, 1]).tolist() == [2, 0, 1]

"""Designs for a target are those of brute force, and serve the target better than others do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.filters.design import greedy_d, greedy_target
from molaug.filters.information import Information


def brute_force(rows: np.ndarray, known: Information, n: int, target: np.ndarray) -> list[int]:
    """The mean leverage of the target with each row added, from scratch."""
    chosen: list[int] = []
    for _ in range(n):
        left = [
            np.inf if k in chosen else known.added(rows[[*chosen, k]]).leverage(target).mean() for k in range(len(rows))
        ]
        chosen.append(int(np.argmin(left)))
    return chosen


def nothing(d: int, ridge: float) -> Information:
    return Information(gram=np.zeros((d, d)), n=0, ridge=ridge)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([1e-3, 1.0]))
def test_picks_are_those_of_brute_force(seed: int, d: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    rows, target = rng.normal(size=(25, d)) * rng.lognormal(size=(25, 1)), rng.normal(size=(9, d))
    known = nothing(d, ridge)
    assert greedy_target(rows, known, 8, Information.of(target)).tolist() == brute_force(rows, known, 8, target)
    assert greedy_target(rows, known, 8).tolist() == brute_force(rows, known, 8, rows)


def test_picks_are_those_of_brute_force_beyond_a_refresh_and_given_a_base() -> None:
    rng = np.random.default_rng(0)
    rows, base, target = rng.normal(size=(90, 7)), rng.normal(size=(12, 7)), rng.normal(size=(30, 7))
    known = Information.of(base, 1e-2)
    assert greedy_target(rows, known, 75, Information.of(target)).tolist() == brute_force(rows, known, 75, target)


def test_the_target_is_served_better_than_by_the_determinant() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 10))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    target = rng.normal(size=(50, 10)) * np.where(np.arange(10) < 2, 3.0, 0.1)
    known = nothing(10, 0.1)
    ours, theirs = (
        known.added(rows[chosen]).leverage(target).mean()
        for chosen in (greedy_target(rows, known, 20, Information.of(target)), greedy_d(rows, known, 20))
    )
    assert ours < 0.8 * theirs


def test_smaller_numbers_are_prefixes_and_ties_go_by_the_order_of_the_rows() -> None:
    rows = np.vstack([np.eye(3)] * 4)
    everything = greedy_target(rows, nothing(3, 1.0), 99)
    assert sorted(everything.tolist()) == list(range(12))
    assert everything[:3].tolist() == [0, 1, 2]
    assert greedy_target(rows, nothing(3, 1.0), 5).tolist() == everything[:5].tolist()
    assert greedy_target(np.empty((0, 3)), nothing(3, 1.0), 5).tolist() == []


def test_what_cannot_be_is_told() -> None:
    rows = np.ones((2, 2))
    with pytest.raises(ValueError, match="n is -1"):
        greedy_target(rows, nothing(2, 1.0), -1)
    with pytest.raises(ValueError, match="3 features of the target, 2 of the base"):
        greedy_target(rows, nothing(2, 1.0), 1, nothing(3, 1.0))
    with pytest.raises(ValueError, match="finite"):
        greedy_target(np.full((2, 2), np.nan), nothing(2, 1.0), 1)
    with pytest.raises(ValueError, match="expected 2 along the last axis"):
        greedy_target(np.ones((2, 3)), nothing(2, 1.0), 1)

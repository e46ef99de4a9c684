"""Facility location: always a row of the largest gain, and near the best possible choice."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from molaug.filters.design.facility import facility_location


def cost(rows: np.ndarray, known: np.ndarray, served: int) -> np.ndarray:
    """Distance of each served row to the nearest that is known."""
    return np.linalg.norm(rows[:served, None] - known[None], axis=-1).min(1)


@pytest.mark.parametrize("served", [200, 60])
@pytest.mark.parametrize("n_known", [15, 0])
def test_each_pick_has_the_largest_gain(served: int, n_known: int) -> None:
    rng = np.random.default_rng(served + n_known)
    rows, known = rng.normal(size=(200, 5)), rng.normal(size=(n_known, 5))
    picks = facility_location(rows, known, 40, served=served)
    assert len(set(picks.tolist())) == 40
    far = 2 * np.linalg.norm(rows - rows.mean(0), axis=1).max()
    nearest = cost(rows, known, served) if n_known else np.full(min(served, 200), far)
    free = np.ones(200, dtype=bool)
    for pick in picks:
        gains = np.maximum(nearest - np.linalg.norm(rows[:, None] - rows[None, :served], axis=-1), 0).sum(1)
        assert gains[pick] == pytest.approx(gains[free].max(), abs=1e-6)  # two that only serve each other are equal
        free[pick] = False
        nearest = np.minimum(nearest, np.linalg.norm(rows[:served] - rows[pick], axis=1))


def test_a_smaller_number_is_a_prefix() -> None:
    rows = np.random.default_rng(1).normal(size=(100, 3))
    assert facility_location(rows, rows[:0], 30)[:7].tolist() == facility_location(rows, rows[:0], 7).tolist()


def test_greedy_is_within_its_bound_of_the_best_three() -> None:
    rows = np.random.default_rng(2).normal(size=(12, 2))
    known = np.full((1, 2), 4.0)
    before = cost(rows, known, 12).sum()
    best = max(
        before - cost(rows, np.vstack([known, rows[list(three)]]), 12).sum() for three in combinations(range(12), 3)
    )
    found = before - cost(rows, np.vstack([known, rows[facility_location(rows, known, 3)]]), 12).sum()
    assert found >= (1 - 1 / np.e) * best


def test_it_takes_the_middle_of_the_largest_crowd_that_nothing_serves() -> None:
    rng = np.random.default_rng(3)
    served_crowd, crowd, outlier = rng.normal(0, 1, (50, 2)), rng.normal(30, 1, (80, 2)), np.full((1, 2), -20.0)
    rows = np.vstack([served_crowd, crowd, outlier])
    first, second = facility_location(rows, np.zeros((1, 2)), 2)
    assert np.linalg.norm(rows[first] - 30) < 1.0
    assert second == len(rows) - 1


def test_what_is_known_already_comes_last_and_copies_are_taken_once() -> None:
    rows = np.repeat(np.arange(5.0)[:, None], 3, axis=0)
    picks = facility_location(rows, [[0.0]], 15)
    assert sorted(picks.tolist()) == list(range(15))
    assert sorted(rows[picks[:4], 0].tolist()) == [1.0, 2.0, 3.0, 4.0]


def test_nothing_asked_for_or_nothing_there_gives_nothing() -> None:
    assert facility_location(np.ones((3, 2)), np.ones((0, 2)), 0).tolist() == []
    assert facility_location(np.ones((0, 2)), np.ones((1, 2)), 3).tolist() == []
    assert sorted(facility_location(np.ones((3, 0)), np.ones((1, 0)), 3).tolist()) == [0, 1, 2]


@pytest.mark.parametrize(("n", "served", "known"), [(-1, 5, 2), (1, 0, 2), (1, 5, 3)])
def test_wrong_numbers_and_shapes_are_refused(n: int, served: int, known: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        facility_location(np.ones((4, 2)), np.ones((1, known)), n, served=served)

"""Selections by distances: the plain algorithm's picks, conditional on the base."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.filters.design import kmeans_pp, lcmd


def plain(rows: np.ndarray, base: np.ndarray, n: int) -> list[int]:
    """Clusters and distances from scratch for each pick."""
    chosen: list[int] = []
    while len(chosen) < n:
        centres = np.vstack([base, rows[chosen]])
        if not len(centres):
            chosen.append(int((rows**2).sum(1).argmax()))
            continue
        squares = ((rows[:, None] - centres) ** 2).sum(-1)
        owner, square = squares.argmin(1), squares.min(1)
        weights = np.bincount(owner, square, minlength=len(centres))
        inside = [k for k in np.flatnonzero(owner == weights.argmax()) if k not in chosen]
        chosen.append(int(max(inside, key=lambda k: square[k])))
    return chosen


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_lcmd_is_the_plain_algorithm(seed: int, n_base: int) -> None:
    rng = np.random.default_rng(seed)
    rows, base = rng.normal(size=(30, 3)), rng.normal(size=(n_base, 3))
    assert lcmd(rows, base, 15).tolist() == plain(rows, base, 15)


def step_by_step(rows: np.ndarray, base: np.ndarray, n: int) -> list[int]:
    """All distances to each pick, in double precision; of equal clusters and rows the first."""
    rows, chosen = rows.astype(float), []
    squares = ((rows[:, None] - base) ** 2).sum(-1)
    owner, square, free = squares.argmin(1), squares.min(1), np.ones(len(rows), dtype=bool)
    for cluster in range(len(base), len(base) + n):
        inside = np.flatnonzero(free & (owner == np.bincount(owner, square, minlength=cluster).argmax()))
        inside = inside if len(inside) else np.flatnonzero(free)
        best = inside[square[inside].argmax()]
        chosen.append(int(best))
        free[best] = False
        distance = ((rows - rows[best]) ** 2).sum(1)
        owner, square = np.where(distance < square, cluster, owner), np.minimum(distance, square)
    return chosen


@pytest.mark.parametrize("whole", [True, False], ids=["whole numbers", "any"])
@pytest.mark.parametrize("away", [0.0, 64.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_passed_over_change_nothing(whole: bool, away: float, dtype: type) -> None:
    rng = np.random.default_rng(int(away))
    groups = np.repeat(rng.integers(-9, 9, (12, 3)), 60, axis=0)
    rows = groups + (rng.integers(-2, 3, groups.shape) if whole else rng.normal(size=groups.shape))
    rows, base = (rows + away).astype(dtype), (rng.integers(-9, 9, (4, 3)) + away).astype(dtype)
    assert lcmd(rows, base, 300).tolist() == step_by_step(rows, base.astype(float), 300)
    assert lcmd(rows[:50], base, 60).tolist() == step_by_step(rows[:50], base.astype(float), 50)


def test_lcmd_goes_where_many_are_and_the_farthest_point_does_not() -> None:
    rng = np.random.default_rng(0)
    rows = np.vstack([rng.normal([5.0, 0.0], 0.5, size=(500, 2)), [[0.0, 9.0]]])
    base = np.array([[0.0, 0.0], [-3.0, 5.0]])
    farthest = int(((rows[:, None] - base) ** 2).sum(-1).min(1).argmax())
    rows[500] *= 1.2 * np.linalg.norm(rows[farthest]) / 9.0
    rows[500] += base[1]
    assert ((rows[:, None] - base) ** 2).sum(-1).min(1).argmax() == 500
    assert lcmd(rows, base, 1)[0] != 500


def test_smaller_numbers_are_prefixes_and_all_are_permutations() -> None:
    rng = np.random.default_rng(0)
    rows, base = rng.normal(size=(40, 3)), rng.normal(size=(2, 3))
    for pick in (lambda n: lcmd(rows, base, n), lambda n: kmeans_pp(rows, base, n, seed=3)):
        everything = pick(99).tolist()
        assert sorted(everything) == list(range(40))
        assert pick(7).tolist() == everything[:7]
        assert pick(0).tolist() == []


def test_copies_are_taken_when_nothing_else_is_left() -> None:
    rows = np.array([[1.0], [1.0], [2.0]])
    for found in (lcmd(rows, [[1.0]], 3), kmeans_pp(rows, [[1.0]], 3, seed=0)):
        assert found[0] == 2
        assert sorted(found.tolist()) == [0, 1, 2]


def test_draws_go_by_the_squared_distance() -> None:
    rows = np.array([[1.0], [2.0], [3.0]])
    first = [int(kmeans_pp(rows, [[0.0]], 1, seed)[0]) for seed in range(4000)]
    np.testing.assert_allclose(np.bincount(first) / 4000, np.array([1, 4, 9]) / 14, atol=0.025)


def test_a_draw_without_a_base_is_even() -> None:
    rows = np.array([[1.0], [2.0], [30.0]])
    first = [int(kmeans_pp(rows, np.empty((0, 1)), 1, seed)[0]) for seed in range(3000)]
    np.testing.assert_allclose(np.bincount(first) / 3000, 1 / 3, atol=0.03)


@pytest.mark.parametrize("pick", [lcmd, lambda *a: kmeans_pp(*a, seed=0)], ids=["lcmd", "k-means++"])
def test_what_cannot_be_is_told(pick: object) -> None:
    for rows, base, n, message in (
        (np.ones((2, 2)), np.ones((1, 3)), 1, r"expected \(n, 2\)"),
        (np.ones(2), [], 1, r"expected \(n, d\)"),
        (np.ones((2, 2)), [], -1, "n is -1"),
    ):
        with pytest.raises(ValueError, match=message):
            pick(rows, base, n)  # type: ignore[operator]

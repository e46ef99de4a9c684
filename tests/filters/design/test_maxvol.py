"""MaxVol: no row is a combination with coefficients much above 1."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.filters.design import ActiveSet


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_no_row_it_was_chosen_from_extrapolates(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(60, d)) * rng.lognormal(size=(60, 1))
    found = ActiveSet.of(rows)
    assert len(set(found.rows.tolist())) == d
    assert found.grade(rows).max() <= 1.01 + 1e-9
    np.testing.assert_allclose(found.grade(rows[found.rows]), 1, atol=1e-9)


def test_the_volume_is_within_the_bound_of_the_largest() -> None:
    """A tolerance of 1 leaves a volume of at least d^(-d/2) of the largest."""
    for seed in range(5):
        rows = np.random.default_rng(seed).normal(size=(12, 3))
        largest = max(abs(np.linalg.det(rows[list(which)])) for which in combinations(range(12), 3))
        assert abs(np.linalg.det(rows[ActiveSet.of(rows, tolerance=1.0).rows])) >= largest / 3**1.5


def test_the_grade_grows_as_the_distance_and_does_not_know_of_scales() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 4))
    found = ActiveSet.of(rows)
    np.testing.assert_allclose(found.grade(7.0 * rows), 7.0 * found.grade(rows))
    mixed = rows @ np.random.default_rng(1).normal(size=(4, 4))
    again = ActiveSet.of(mixed, tolerance=1.0)
    assert again.grade(mixed).max() <= 1 + 1e-9


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (np.ones((2, 3)), {}, "n at least d"),
        (np.ones((5, 2)), {}, "do not span 2 dimensions"),
        (np.zeros((5, 2)), {}, "do not span 2 dimensions"),
        (np.eye(2), {"tolerance": 0.5}, "tolerance is 0.5"),
    ],
)
def test_what_cannot_be_is_told(rows: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ActiveSet.of(rows, **options)


def test_swaps_that_do_not_suffice_are_told() -> None:
    for seed in range(50):
        rows = np.random.default_rng(seed).normal(size=(200, 8))
        if ActiveSet.of(rows, tolerance=1e9).grade(rows).max() > 1.05:  # the pivots were not the best
            break
    with pytest.raises(ValueError, match="0 swaps do not suffice"):
        ActiveSet.of(rows, max_swaps=0)
    assert ActiveSet.of(rows).grade(rows).max() <= 1.01 + 1e-9

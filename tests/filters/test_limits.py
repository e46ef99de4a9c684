"""A score between its limits has no reason, any other one has."""

from __future__ import annotations

import math

import pytest

from molaug.filters.limits import check_limits, limited

WORDS = ("s = {:.2f}", "low", "high", "unknown")


@pytest.mark.parametrize(
    ("score", "least", "most", "expected"),
    [
        (1.0, None, None, None),
        (1.0, 1.0, 1.0, None),
        (0.5, 1.0, None, "s = 0.50 is below 1: low"),
        (2.0, 0.0, 1.5, "s = 2.00 is above 1.5: high"),
        (math.nan, 1.0, None, None),
        (math.nan, None, 1.0, "unknown"),
        (math.inf, None, 1.0, "s = inf is above 1: high"),
    ],
)
def test_a_score_is_compared(score: float, least: float | None, most: float | None, expected: str | None) -> None:
    assert limited(score, least, most, *WORDS) == expected


@pytest.mark.parametrize(("least", "most"), [(-1.0, None), (None, math.nan), (2.0, 1.0)])
def test_limits_that_cannot_be_are_told(least: float | None, most: float | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_limits(least, most)

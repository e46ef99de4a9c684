"""Errors against uncertainties in four fields."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters.uncertainty.quadrants import QUADRANTS, quadrants


def test_every_field_has_its_structures() -> None:
    sigma, errors = [0.1, 0.1, 3.0, 3.0, 3.0, 0.1], [0.0, -5.0, 0.1, 5.0, -6.0, 0.2]
    found = quadrants(sigma, errors, error_limit=1.0, sigma_limit=1.0)
    names = [QUADRANTS[k] for k in found.field]
    assert names == ["well covered", "similar but unspecific", "redundant", "missing", "missing", "well covered"]
    assert found.counts == {"well covered": 2, "redundant": 1, "similar but unspecific": 1, "missing": 2}
    assert found.sensitivity == found.precision == pytest.approx(2 / 3)


def test_limits_are_the_roots_of_the_mean_squares_by_default() -> None:
    rng = np.random.default_rng(0)
    sigma, errors = rng.uniform(0, 1, 500) + 0.1, rng.normal(size=500)
    found = quadrants(sigma, errors)
    assert found.error_limit == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert found.sigma_limit == pytest.approx(np.sqrt(np.mean(sigma**2)))
    assert sum(found.counts.values()) == 500


def test_shares_of_nothing_are_not_numbers() -> None:
    found = quadrants([1.0, 1.0], [0.5, 0.5])
    assert np.isnan(found.sensitivity)
    assert np.isnan(found.precision)

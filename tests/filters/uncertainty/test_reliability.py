"""Measures of uncertainties: closed forms, limits, uncertainty-toolbox's values."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molaug.filters.uncertainty.reliability import auroc, calibration_curve, ence, miscalibration_area, reliability


def sample(n: int = 50_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(0.2, 3.0, n)
    return sigma, sigma * rng.normal(size=n)


def test_calibrated_uncertainties_are_found_calibrated() -> None:
    sigma, errors = sample()
    found = reliability(sigma, errors)
    assert found.miscalibration_area < 0.005
    assert found.ence < 0.03
    assert found.zms == pytest.approx(1, abs=0.03)
    assert found.sharpness == pytest.approx(found.rmse, rel=0.02)
    assert found.coverage68 == pytest.approx(0.683, abs=0.01)
    assert found.coverage95 == pytest.approx(0.95, abs=0.01)
    assert found.spearman == pytest.approx(found.spearman_ceiling, abs=0.02)
    assert found.dispersion == pytest.approx(2.8 / 12**0.5 / 1.6, rel=0.01)


def test_values_are_those_of_uncertainty_toolbox() -> None:
    told = json.loads((Path(__file__).parent / "data" / "rigidities_and_measures.json").read_text())
    found = reliability(told["sigma"], told["error"])
    assert found.miscalibration_area == pytest.approx(told["area"], abs=2e-4)
    assert found.sharpness == pytest.approx(told["sharpness"], rel=1e-9)
    assert found.nll == pytest.approx(told["nll"], rel=1e-6)


def test_uncertainties_that_are_too_small_or_too_large_are_found_so() -> None:
    sigma, errors = sample()
    small, large = reliability(sigma / 4, errors), reliability(sigma * 4, errors)
    assert small.zms == pytest.approx(16, rel=0.05)
    assert large.coverage68 > 0.99 > 0.3 > small.coverage68
    assert small.ence == pytest.approx(3, abs=0.15)
    assert large.ence == pytest.approx(0.75, abs=0.02)
    for found in (small, large):
        assert found.miscalibration_area > 0.2
        assert found.auroc == reliability(sigma, errors).auroc  # the ranking is another matter


def test_the_area_is_exact_where_it_can_be_told() -> None:
    """One error within the interval of probability p: observed 0 up to p, then 1."""
    for z, p in ((0.0, 0.0), (1.0, 0.6826894921), (50.0, 1.0)):
        assert miscalibration_area([1.0], [z]) == pytest.approx((p**2 + (1 - p) ** 2) / 2, abs=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_the_area_is_that_of_the_curve(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    sigma, errors = rng.uniform(0.5, 2, n), rng.standard_t(3, n)
    at = np.linspace(0, 1, 20_001)
    numeric = np.trapezoid(np.abs(calibration_curve(sigma, errors, at) - at), at)
    assert miscalibration_area(sigma, errors) == pytest.approx(numeric, abs=1e-3)


def test_the_error_by_bins_sees_what_the_mean_hides() -> None:
    sigma = np.repeat([1.0, 2.0], 500)
    errors = np.tile([1.0, -1.0], 500) * np.repeat([2.0, 1.0], 500)
    assert ence(sigma, errors, bins=2) == pytest.approx((1.0 + 0.5) / 2)
    assert ence(sigma, np.tile([1.0, -1.0], 500) * sigma, bins=2) == pytest.approx(0)


def test_ranking_of_the_worst() -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(size=2000)
    perfect, blind = np.abs(errors) + 1e-3, rng.uniform(1, 2, 2000)
    best, none = reliability(perfect, errors), reliability(blind, errors)
    assert best.auroc == best.hit_rate == best.spearman == pytest.approx(1)
    assert none.auroc == pytest.approx(0.5, abs=0.08)
    assert none.hit_rate < 0.12
    equal = reliability(np.ones(2000), errors)
    assert equal.auroc == 0.5
    assert np.isnan(equal.spearman)
    assert equal.dispersion == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_is_the_share_of_pairs_in_order(cases: list[tuple[int, bool]]) -> None:
    yes, no = ([score for score, positive in cases if positive is kind] for kind in (True, False))
    found = auroc([score for score, _ in cases], [positive for _, positive in cases])
    if not yes or not no:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(np.mean([(a > b) + 0.5 * (a == b) for a in yes for b in no]))


def test_units_scale_and_the_order_of_structures_does_not_matter() -> None:
    sigma, errors = sample(1000)
    order = np.random.default_rng(1).permutation(1000)
    plain, turned, scaled = (
        asdict(reliability(s, e)) for s, e in ((sigma, errors), (sigma[order], errors[order]), (5 * sigma, -5 * errors))
    )
    for name, value in plain.items():
        if name != "spearman_ceiling":  # of other draws
            assert turned[name] == pytest.approx(value), name
        factor = 5 if name in ("mae", "rmse", "sharpness") else 1
        shift = np.log(5) if name == "nll" else 0
        assert scaled[name] == pytest.approx(factor * value + shift), name


def test_what_cannot_be_measured_is_told() -> None:
    with pytest.raises(ValueError, match="3 structures and 20 bins"):
        reliability(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="top is 0"):
        reliability(np.ones(30), np.ones(30), top=0)

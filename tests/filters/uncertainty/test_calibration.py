"""Calibrators: they recover what was done to uncertainties, minimise what they say, and cover what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from molaug.filters.uncertainty.calibration import Conformal, Isotonic, Scale


def sample(n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(0.2, 3.0, n)
    return sigma, sigma * rng.normal(size=n)


@pytest.mark.parametrize("by", ["squared", "absolute", "crps"])
@pytest.mark.parametrize("factor", [0.01, 1.0, 40.0])
def test_a_factor_that_was_taken_away_is_found(by: str, factor: float) -> None:
    sigma, errors = sample()
    scale = Scale.fitted(sigma / factor, errors, by=by)
    assert scale.factor == pytest.approx(factor, rel=0.02)
    np.testing.assert_array_equal(scale(sigma), scale.factor * sigma)


def crps(sigma: np.ndarray, errors: np.ndarray) -> float:
    u = errors / sigma
    return float(np.mean(sigma * (u * (2 * norm.cdf(u) - 1) + 2 * norm.pdf(u) - 1 / math.sqrt(math.pi))))


def nll(sigma: np.ndarray, errors: np.ndarray) -> float:
    return float(np.mean(np.log(sigma) + 0.5 * (errors / sigma) ** 2))


@pytest.mark.parametrize(("by", "score"), [("squared", nll), ("crps", crps)])
@given(seed=st.integers(0, 1000))
def test_the_factor_is_the_minimum_of_its_score(by: str, score: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sigma, errors = rng.uniform(0.1, 2, 50), rng.standard_t(2, 50)
    best = Scale.fitted(sigma, errors, by=by).factor
    around = [score(best * c * sigma, errors) for c in (0.97, 1.0, 1.03)]  # type: ignore[operator]
    assert around[1] == min(around)


def test_outliers_move_the_absolute_factor_less() -> None:
    sigma, errors = sample(1000)
    errors[:10] *= 100
    squared, absolute = (Scale.fitted(sigma, errors, by=by).factor for by in ("squared", "absolute"))
    assert absolute < squared / 3


def test_what_fits_nothing_is_told() -> None:
    with pytest.raises(ValueError, match="all errors are 0"):
        Scale.fitted([1.0, 1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="most errors are 0"):
        Scale.fitted(np.ones(4), [0.0, 0.0, 0.0, 1.0], by="crps")
    with pytest.raises(ValueError, match="by is 'nll'"):
        Scale.fitted([1.0], [1.0], by="nll")
    for sigma, errors in (([1.0], [1.0, 2.0]), ([], []), ([[1.0]], [[1.0]])):
        with pytest.raises(ValueError, match=r"expected \(n,\) each"):
            Isotonic.fitted(sigma, errors)
    for sigma, errors in (([0.0], [1.0]), ([1.0], [np.nan]), ([np.inf], [1.0])):
        with pytest.raises(ValueError, match="leave these rows out"):
            Conformal.fitted(sigma, errors)


def test_isotonic_calibration_finds_a_curved_relation() -> None:
    sigma, _ = sample(100_000)
    errors = sigma**3 * np.random.default_rng(1).normal(size=len(sigma))
    calibrated = Isotonic.fitted(sigma, errors)
    at = np.linspace(0.5, 2.9, 20)
    np.testing.assert_allclose(calibrated(at), at**3, rtol=0.2)


def test_isotonic_uncertainties_rise_and_are_never_nought() -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(size=200)
    errors[:50] = 0.0
    sigma = np.sort(rng.uniform(1, 2, 200))
    found = Isotonic.fitted(sigma, errors)(np.linspace(0, 3, 50))
    assert (found > 0).all()
    assert (np.diff(found) >= 0).all()


def test_isotonic_uncertainties_grow_on_beyond_the_largest_that_was_held_out() -> None:
    sigma, errors = sample(10_000)
    calibrated = Isotonic.fitted(sigma, errors)
    edge = sigma.max()
    np.testing.assert_allclose(calibrated([3 * edge, 50 * edge]), calibrated(edge) * np.array([3, 50]))
    assert calibrated(0.0) == calibrated(sigma.min())
    assert np.isnan(calibrated(np.nan))


def test_conformal_intervals_cover_as_they_promise_whatever_the_errors() -> None:
    """Over exchangeable data the coverage is at least 1 - α, and at most 1 / (n + 1) more, on average."""
    covered = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sigma = rng.lognormal(size=250)
        errors = rng.standard_cauchy(250) * (1 + sigma**2)  # nothing like the uncertainties
        fitted = Conformal.fitted(sigma[:50], errors[:50], coverage=0.8)
        covered.append((np.abs(errors[50:]) <= fitted.radius(sigma[50:])).mean())
    deviation = np.std(covered) / np.sqrt(len(covered))
    assert 0.8 - 3 * deviation <= np.mean(covered) <= 0.8 + 1 / 51 + 3 * deviation


def test_too_few_data_for_a_coverage_give_no_bound() -> None:
    assert Conformal.fitted(np.ones(8), np.arange(8.0), coverage=0.9).quantile == math.inf
    assert Conformal.fitted(np.ones(9), np.arange(9.0), coverage=0.9).quantile == 8.0
    with pytest.raises(ValueError, match="coverage is 1"):
        Conformal.fitted(np.ones(9), np.arange(9.0), coverage=1.0)

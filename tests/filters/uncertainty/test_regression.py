"""A regression on held-out errors finds what makes them large, and claims nothing where nothing was held out."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters.uncertainty import ErrorRegression, Scale, reliability


def drawn(n: int, seed: int, noise: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Uncertainties, features of which the first matters, errors, and their true spread."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 1 + noise))
    sigma = np.exp(rng.normal(0, 0.4, n))
    true = 0.2 * sigma * np.exp(0.7 * features[:, 0])
    return sigma, features, true * rng.normal(size=n), true


def test_a_log_linear_spread_is_found() -> None:
    sigma, features, errors, _ = drawn(20_000, 0)
    model = ErrorRegression.fitted(sigma, features, errors)
    np.testing.assert_allclose((model.weights / model.spread)[:2], [1.0, 0.7], atol=0.03)
    np.testing.assert_allclose((model.weights / model.spread)[2:], 0.0, atol=0.03)
    sigma, features, errors, true = drawn(5_000, 1)
    assert np.abs(np.log(model(sigma, features) / true)).mean() < 0.03
    found, plain = reliability(model(sigma, features), errors), reliability(Scale.fitted(sigma, errors)(sigma), errors)
    assert found.miscalibration_area < 0.02 < plain.miscalibration_area
    assert found.auroc > plain.auroc + 0.1


def test_features_that_tell_nothing_change_nothing() -> None:
    """With fewer rows than features a fit without a penalty would be worthless."""
    rng = np.random.default_rng(2)
    sigma = np.exp(rng.normal(0, 0.4, 300))
    errors = 0.2 * sigma * rng.normal(size=300)
    model = ErrorRegression.fitted(sigma, rng.normal(size=(300, 400)), errors)
    fresh = np.exp(rng.normal(0, 0.4, 2000))
    ratio = model(fresh, rng.normal(size=(2000, 400))) / Scale.fitted(sigma, errors)(fresh)
    assert 0.8 < np.exp(np.log(ratio).mean()) < 1.25
    assert np.log(ratio).std() < 0.25


def test_cross_validated_uncertainties_are_as_wide_as_those_of_fresh_data() -> None:
    sigma, features, errors, _ = drawn(400, 3, noise=60)
    told = ErrorRegression.cross_validated(sigma, features, errors)
    assert np.mean((errors / told) ** 2) == pytest.approx(1.0)
    fresh = drawn(4000, 4, noise=60)
    model = ErrorRegression.fitted(sigma, features, errors)
    assert 0.6 < np.mean((fresh[2] / model(fresh[0], fresh[1])) ** 2) < 1.7


def test_beyond_the_held_out_data_it_grows_with_the_uncertainty_alone() -> None:
    sigma, features, errors, _ = drawn(2_000, 5)
    model = ErrorRegression.fitted(sigma, features, errors)
    edge, far = features.max(0), features.max(0) + 100.0
    assert model([1.0], [edge]) == pytest.approx(model([1.0], [far]))
    top = sigma.max()
    near, away = model([top, 50 * top], [edge, edge])
    assert away == pytest.approx(50 * near)
    bottom = sigma.min()
    near, away = model([bottom, bottom / 50], [edge, edge])
    assert away == pytest.approx(near / 50)


def test_neither_units_nor_constant_features_matter() -> None:
    sigma, features, errors, _ = drawn(1_000, 6)
    plain = ErrorRegression.fitted(sigma, features, errors)(sigma, features)
    scaled = np.column_stack([1e3 * features - 7.0, np.full(len(sigma), 4.0)])
    np.testing.assert_allclose(ErrorRegression.fitted(sigma, scaled, errors)(sigma, scaled), plain, rtol=1e-3)
    others = 27.2 * sigma
    np.testing.assert_allclose(ErrorRegression.fitted(others, features, errors)(others, features), plain, rtol=1e-3)
    np.testing.assert_allclose(
        ErrorRegression.fitted(sigma, features, 27.2 * errors)(sigma, features), 27.2 * plain, rtol=1e-3
    )
    alone = ErrorRegression.fitted(sigma, np.empty((len(sigma), 0)), errors)
    assert alone(sigma, np.empty((len(sigma), 0))).shape == sigma.shape


def test_what_cannot_be_predicted_is_not_a_number() -> None:
    model = ErrorRegression.fitted(*drawn(100, 7)[:3])
    assert np.isnan(model([1.0, np.nan], [[0.0] * 4, [np.nan] * 4])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("sigma", "features", "errors", "message"),
    [
        (np.ones(9), np.ones((9, 1)), np.ones(9), "9 held-out errors, 9 not 0; expected at least 10"),
        (np.ones(20), np.ones((20, 1)), np.zeros(20), "20 held-out errors, 0 not 0"),
        (np.ones(20), np.ones((19, 1)), np.ones(20), r"features of shape \(19, 1\) for 20 uncertainties"),
        (np.zeros(20), np.ones((20, 1)), np.ones(20), "not more than 0"),
    ],
)
def test_what_cannot_be_fitted_is_told(
    sigma: np.ndarray, features: np.ndarray, errors: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ErrorRegression.fitted(sigma, features, errors)

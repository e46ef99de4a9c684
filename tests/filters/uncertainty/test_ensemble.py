"""Ensembles: the law of total variance."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters.uncertainty.ensemble import ensemble_prediction


def test_scatter_is_unbiased() -> None:
    drawn = np.random.default_rng(0).normal(2.0, 3.0, size=(4, 100_000))
    mean, sigma = ensemble_prediction(drawn)
    assert mean.mean() == pytest.approx(2, abs=0.02)
    assert np.mean(sigma**2) == pytest.approx(9, rel=0.02)


def test_a_mixture_has_the_variance_of_its_members_and_that_of_their_means() -> None:
    means, own = np.array([[0.0], [1.0], [5.0]]), np.array([[1.0], [2.0], [3.0]])
    _, sigma = ensemble_prediction(means, own)
    assert sigma[0] ** 2 == pytest.approx(2.0 + 7.0)


def test_the_order_of_members_does_not_matter() -> None:
    drawn = np.random.default_rng(0).normal(size=(5, 3, 2))
    for a, b in zip(ensemble_prediction(drawn), ensemble_prediction(drawn[::-1]), strict=True):
        np.testing.assert_allclose(a, b)
        assert a.shape == (3, 2)


def test_one_member_has_no_scatter_and_variances_must_fit() -> None:
    with pytest.raises(ValueError, match="at least two members"):
        ensemble_prediction([[1.0, 2.0]])
    for own in ([[1.0]], [[1.0], [-1.0]]):
        with pytest.raises(ValueError, match="none negative"):
            ensemble_prediction([[1.0], [2.0]], own)

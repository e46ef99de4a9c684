"""Rattling: widths that are equally frequent in every decade, normal displacements, a centre of mass at rest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from molaug.generators.perturb.rattle import centred, least_separations, log_uniform, rattled
from molaug.structures.hashing import stream

MASSES = np.array([15.999, 1.008, 1.008, 12.011])


def geometries(n: int) -> np.ndarray:
    return stream(1, "geometries").normal(size=(n, 4, 3))


def test_widths_are_log_uniform() -> None:
    sigmas = log_uniform(stream(1, "sigma").random(20_000), 0.01, 0.1)
    assert sigmas.min() >= 0.01
    assert sigmas.max() <= 0.1
    assert stats.kstest(sigmas, stats.loguniform(0.01, 0.1).cdf).pvalue > 0.01
    assert sigmas.mean() == pytest.approx(0.09 / np.log(10), rel=0.01)


def test_one_width_is_possible() -> None:
    np.testing.assert_allclose(log_uniform([0.0, 0.3, 0.99], 0.05, 0.05), 0.05)


def test_the_centre_of_mass_stays() -> None:
    x = geometries(50)
    moved = rattled(x, stream(2, "noise").normal(size=x.shape), np.full(50, 0.3), MASSES)
    before, after = (np.einsum("a,nak->nk", MASSES, g) / MASSES.sum() for g in (x, moved))
    np.testing.assert_allclose(after, before, atol=1e-14)
    assert np.abs(moved - x).max() > 0.3


def test_displacements_have_the_variance_that_the_centre_of_mass_leaves() -> None:
    n, sigma = 40_000, 0.07
    x = np.zeros((n, 4, 3))
    moved = rattled(x, stream(3, "noise").normal(size=x.shape), np.full(n, sigma), MASSES)
    w = MASSES / MASSES.sum()
    expected = sigma**2 * ((1 - w) ** 2 + (w**2).sum() - w**2)  # of dₐ - Σ w d
    np.testing.assert_allclose(moved.var(axis=(0, 2)), expected, rtol=0.02)
    np.testing.assert_allclose(moved.mean(axis=(0, 2)), 0, atol=4 * sigma / np.sqrt(3 * n))


def test_each_geometry_has_its_own_width() -> None:
    sigmas = np.array([0.01, 0.1])
    noise = np.repeat(stream(4, "noise").normal(size=(1, 4, 3)), 2, axis=0)
    x = np.repeat(geometries(1), 2, axis=0)
    small, large = rattled(x, noise, sigmas, MASSES) - x
    np.testing.assert_allclose(large, 10 * small, atol=1e-12)


def test_centring_moves_without_turning() -> None:
    x = geometries(3)
    np.testing.assert_allclose(centred(x + np.array([1.0, -2.0, 3.0]), x, MASSES), x, atol=1e-14)


def test_the_least_separation_is_that_of_the_nearest_atoms() -> None:
    x = geometries(20)
    distances = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1) + 1e3 * np.eye(4)
    np.testing.assert_allclose(least_separations(x), distances.min(axis=(1, 2)), rtol=1e-12)

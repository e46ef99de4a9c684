"""Distances between samples: closed forms, limits and symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, norm

from molaug.distributions.measures import chance_level, histogram, jensen_shannon, kullback_leibler, wasserstein

COUNTS = st.lists(st.integers(0, 50), min_size=6, max_size=6).filter(any)


def kl_of_densities(p: norm, q: norm) -> float:
    return quad(lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)) / np.log(2), -12, 12, limit=200)[0]


def js_of_densities(p: norm, q: norm) -> float:
    def half(a: norm) -> float:
        def integrand(x: float) -> float:
            return a.pdf(x) * np.log2(a.pdf(x) / (0.5 * (p.pdf(x) + q.pdf(x))))

        return quad(integrand, -12, 12, limit=200)[0]

    return (half(p) + half(q)) / 2


def binned(p: norm, edges: np.ndarray, n: float = 1e9) -> np.ndarray:
    return n * np.diff(p.cdf(edges))


@pytest.mark.parametrize(("shift", "width"), [(0.5, 1.0), (1.0, 1.0), (0.0, 1.5), (1.0, 0.7)])
def test_divergences_of_gaussians_approach_those_of_their_densities(shift: float, width: float) -> None:
    p, q = norm(shift, width), norm(0, 1)
    edges = np.linspace(-7, 7, 1401)
    a, b = binned(p, edges), binned(q, edges)
    closed = (np.log(1 / width) + (width**2 + shift**2) / 2 - 0.5) / np.log(2)
    assert kl_of_densities(p, q) == pytest.approx(closed, rel=1e-6)
    assert kullback_leibler(a, b, smoothing=0) == pytest.approx(closed, rel=1e-3)
    assert jensen_shannon(a, b) == pytest.approx(js_of_densities(p, q), rel=1e-3)


def test_samples_of_gaussians_have_the_divergences_of_their_densities() -> None:
    rng = np.random.default_rng(0)
    counts = histogram(rng.normal(0, 1, 200_000), rng.normal(1, 1, 200_000), bins=100)
    p, q = norm(1, 1), norm(0, 1)
    assert jensen_shannon(counts.base, counts.new) == pytest.approx(js_of_densities(p, q), rel=0.02)
    assert kullback_leibler(counts.new, counts.base) == pytest.approx(kl_of_densities(p, q), rel=0.03)


def test_a_shift_moves_every_value_by_itself() -> None:
    x = np.random.default_rng(1).gamma(2, size=5000)
    assert wasserstein(x, x + 0.37) == pytest.approx(0.37, abs=1e-12)
    assert wasserstein(x, x) == 0


def test_the_distance_of_gaussians_of_one_centre_follows_from_their_widths() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(0, 1, 200_000), rng.normal(0, 3, 200_000)
    assert wasserstein(x, y) == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.01)


def test_equal_samples_have_no_distance() -> None:
    x = np.random.default_rng(3).normal(size=1000)
    counts = histogram(x, x)
    assert jensen_shannon(counts.base, counts.new) == 0
    assert kullback_leibler(counts.new, counts.base) == 0


def test_disjoint_samples_are_one_bit_apart() -> None:
    counts = histogram(np.linspace(0, 1, 500), np.linspace(5, 6, 300))
    assert jensen_shannon(counts.base, counts.new) == 1
    assert np.isinf(kullback_leibler(counts.new, counts.base, smoothing=0))
    assert np.isfinite(kullback_leibler(counts.new, counts.base))


@given(COUNTS, COUNTS)
def test_divergences_are_those_of_scipy(p: list[int], q: list[int]) -> None:
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-9)
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), abs=1e-12)
    assert 0 <= jensen_shannon(p, q) <= 1
    smooth = [np.array(n) + 0.5 for n in (p, q)]
    assert kullback_leibler(p, q) == pytest.approx(entropy(*smooth, base=2), abs=1e-9)


def test_all_values_are_counted_those_far_out_too() -> None:
    x = np.random.default_rng(4).normal(size=4000)
    far = np.append(x, 1e6)
    counts = histogram(x, far, bins=40)
    assert counts.base.sum() == 4000
    assert counts.new.sum() == 4001
    assert counts.high < 10


def test_equal_values_are_one_bin() -> None:
    counts = histogram([1.0, 1.0], [1.0 + 1e-13])
    assert (counts.bins, counts.base.tolist(), counts.new.tolist()) == (1, [2], [1])
    assert jensen_shannon(counts.base, counts.new) == 0


def test_one_side_may_be_empty_but_not_both() -> None:
    assert histogram([1.0, 2.0], []).new.sum() == 0
    with pytest.raises(ValueError, match="0 and 0 values"):
        histogram([], [])
    with pytest.raises(ValueError, match="0 bins"):
        histogram([1.0], [2.0], bins=0)
    with pytest.raises(ValueError, match="without counts"):
        jensen_shannon([0, 0], [1, 1])


def test_the_level_of_chance_is_what_two_samples_of_one_distribution_have() -> None:
    rng = np.random.default_rng(5)
    found, expected = [], []
    for _ in range(200):
        p, q = rng.multinomial(400, [0.05] * 20), rng.multinomial(900, [0.05] * 20)
        found.append(jensen_shannon(p, q))
        expected.append(chance_level(p, q))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.1)
    assert chance_level([1, 0], [0, 1]) <= 1

"""The integrated autocorrelation time against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from molaug.generators.dynamics.autocorrelation import autocorrelation, integrated_time
from molaug.generators.dynamics.trajectory import memory


def ar1(phi: float, n: int, copies: int, seed: int = 0) -> NDArray[np.float64]:
    """Return stationary autoregressive series with ρ(t) = φᵗ, shape (n, copies)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, copies)) * np.sqrt(1 - phi**2)
    x = np.empty((n, copies))
    x[0] = rng.normal(size=copies)
    for t in range(1, n):
        x[t] = phi * x[t - 1] + noise[t]
    return x


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.98])
def test_an_ornstein_uhlenbeck_process_has_its_time(phi: float) -> None:
    exact = 0.5 * (1 + phi) / (1 - phi)
    x = ar1(phi, 100_000, 1)
    # Sokal: the relative variance is 2(2M + 1)/n for a window of M
    error = np.sqrt(2 * (10 * exact + 1) / len(x))
    rho = autocorrelation(x)
    assert integrated_time(x) == pytest.approx(exact, rel=3 * error + 0.01)
    np.testing.assert_allclose(rho[:5], phi ** np.arange(5), atol=0.05)


@pytest.mark.parametrize("phi", [0.7, 0.95])
def test_the_mean_is_as_uncertain_as_it_says(phi: float) -> None:
    n = 2000
    x = ar1(phi, n, 2000, seed=1)
    times = [integrated_time(x[:, k]) for k in range(200)]
    # the variance of the mean is that of n / 2τ independent values
    assert x.mean(axis=0).var() * n / (2 * np.mean(times)) == pytest.approx(1.0, rel=0.15)


def test_a_short_pilot_is_not_far_off_on_average() -> None:
    # 250 steps of a process with τ = 10, as a pilot is
    x = ar1(0.905, 250, 500, seed=2)
    times = [integrated_time(x[:, k]) for k in range(500)]
    assert np.mean(times) == pytest.approx(10, rel=0.2)


def test_steps_two_times_apart_are_all_but_independent() -> None:
    x = ar1(0.95, 200_000, 1, seed=3)[:, 0]
    apart = round(2 * integrated_time(x))
    thinned = x[::apart]
    assert abs(np.corrcoef(thinned[:-1], thinned[1:])[0, 1]) < 0.2  # e⁻² and the noise of it


def test_components_count_by_their_fluctuations() -> None:
    fast, slow = ar1(0.0, 50_000, 1, seed=4), ar1(0.9, 50_000, 1, seed=5)
    both = integrated_time(np.hstack([fast, slow]))
    assert both == pytest.approx((0.5 + 9.5) / 2, rel=0.1)
    assert integrated_time(np.hstack([0.01 * fast, slow])) == pytest.approx(9.5, rel=0.1)


def test_oscillations_do_not_count_as_better_than_independent() -> None:
    t = np.arange(5000)
    phases = np.random.default_rng(10).uniform(0, 2 * np.pi, 20)
    assert 0.5 <= integrated_time(np.cos(0.5 * t[:, None] + phases)) < 1


def test_what_does_not_move_is_forgotten_at_once() -> None:
    rho = autocorrelation(np.full(20, 3.0))
    assert rho[0] == 1
    assert not rho[1:].any()
    assert integrated_time(np.full(20, 3.0)) == pytest.approx(0.5, rel=0.5)


def test_the_fast_way_is_the_definition() -> None:
    x = np.random.default_rng(6).normal(size=(40, 3)).cumsum(axis=0)
    centred = x - x.mean(axis=0)
    direct = [np.einsum("tk,tk->", centred[: 40 - t], centred[t:]) / (40 - t) for t in range(40)]
    np.testing.assert_allclose(autocorrelation(x), np.array(direct) / direct[0], atol=1e-10)


def test_the_memory_of_a_molecule_does_not_see_it_drift_and_turn() -> None:
    rng = np.random.default_rng(7)
    lengths = 1 + 0.05 * ar1(0.9, 3000, 1, seed=8)[:, 0]
    still = np.zeros((3000, 2, 3))
    still[:, 1, 0] = lengths
    turned = np.stack([still[k] @ np.linalg.qr(rng.normal(size=(3, 3)))[0] for k in range(3000)])
    drifting = turned + rng.normal(size=(3000, 1, 3)).cumsum(axis=0)
    energies = rng.normal(size=3000)
    assert memory(drifting, energies) == pytest.approx(memory(still, energies), rel=1e-6)
    assert memory(still, ar1(0.99, 3000, 1, seed=9)[:, 0]) > 2 * memory(still, energies)  # the longer counts

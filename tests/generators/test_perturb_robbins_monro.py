"""Robbins–Monro steps: to the minimum in closed form; the law of stopping, to thermal energies of any size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase.units import kB
from scipy import stats

from molaug.generators.perturb.robbins_monro import Descent, Evaluated, descend
from molaug.generators.perturb.stopping import MOST_OFTEN, stop_probability, vibrations
from molaug.structures.hashing import stream


def quadratic(stiffness: float = 1.0) -> Callable[..., Evaluated]:
    """Energies and forces of atoms, each bound to the origin."""

    def evaluate(walkers: np.ndarray, x: np.ndarray) -> Evaluated:
        return Evaluated(
            energies=0.5 * stiffness * (x**2).sum(axis=(1, 2)), forces=-stiffness * x, reasons=[None] * len(x)
        )

    return evaluate


def never(x: np.ndarray, energies: np.ndarray, forces: np.ndarray) -> np.ndarray:
    return np.zeros(len(x))


def relaxed(x: np.ndarray, sigma: float, steps: int, stiffness: float = 1.0) -> Descent:
    n = len(x)
    return descend(x, np.full(n, sigma), np.full((n, steps), 0.5), quadratic(stiffness), never)


def test_one_atom_follows_the_closed_form() -> None:
    distance, sigma = 0.5, 0.3
    for i in range(1, 30):
        distance = abs(distance - sigma / i)
        done = relaxed(np.array([[[0.3, 0.4, 0.0]]]), sigma, i)
        assert np.linalg.norm(done.positions) == pytest.approx(distance, abs=1e-12)


def test_the_distance_to_the_minimum_ends_below_the_step() -> None:
    x = stream(0, "start").normal(size=(50, 6, 3)) * 0.05
    for steps in (10, 100, 1000):
        left = np.linalg.norm(relaxed(x, 0.2, steps).positions, axis=2)
        assert left.max() <= 0.2 / steps + 1e-12


def test_energies_fall_in_the_mean() -> None:
    x = stream(1, "start").normal(size=(200, 6, 3)) * 0.1
    means = [relaxed(x, 0.1, steps).energies.mean() for steps in range(12)]
    assert (np.diff(means) < 0).all()


def test_steps_do_not_depend_on_the_size_of_the_forces() -> None:
    x = stream(2, "start").normal(size=(3, 4, 3))
    np.testing.assert_allclose(relaxed(x, 0.1, 9, 1.0).positions, relaxed(x, 0.1, 9, 57.0).positions, atol=1e-12)


def test_an_atom_without_force_stays() -> None:
    x = np.array([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    np.testing.assert_allclose(relaxed(x, 0.1, 1).positions, [[[0, 0, 0], [0.9, 0, 0]]], atol=1e-12)


def test_no_steps_leave_the_geometry() -> None:
    x = stream(3, "start").normal(size=(2, 3, 3))
    done = relaxed(x, 0.1, 0)
    np.testing.assert_array_equal(done.positions, x)
    np.testing.assert_allclose(done.energies, 0.5 * (x**2).sum(axis=(1, 2)))
    assert done.steps.tolist() == [0, 0]


def test_walkers_stop_as_often_as_they_are_told() -> None:
    n, p = 20_000, 0.25
    x = np.ones((n, 1, 3))
    draws = stream(4, "draws").random((n, 30))
    done = descend(x, np.full(n, 0.01), draws, quadratic(), lambda x, e, f: np.full(len(x), p))
    counts = np.bincount(done.steps, minlength=12)[:12]
    expected = n * p * (1 - p) ** np.arange(12)
    assert stats.chisquare([*counts, n - counts.sum()], [*expected, n - expected.sum()]).pvalue > 0.01


def test_the_end_is_what_was_computed_last() -> None:
    n = 40
    x = stream(5, "start").normal(size=(n, 3, 3))
    draws = stream(5, "draws").random((n, 10))
    done = descend(x, np.full(n, 0.1), draws, quadratic(2.0), lambda x, e, f: np.full(len(x), 0.2))
    assert len(set(done.steps.tolist())) > 4
    np.testing.assert_allclose(done.energies, (done.positions**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(done.max_forces, 2 * np.linalg.norm(done.positions, axis=2).max(axis=1))


def test_walkers_do_not_know_of_each_other() -> None:
    x = stream(6, "start").normal(size=(10, 3, 3))
    sigmas, draws = stream(6, "sigmas").random(10), stream(6, "draws").random((10, 20))

    def stop(x: np.ndarray, energies: np.ndarray, forces: np.ndarray) -> np.ndarray:
        return np.exp(-energies)

    together = descend(x, sigmas, draws, quadratic(), stop)
    for k in range(10):
        alone = descend(x[[k]], sigmas[[k]], draws[[k]], quadratic(), stop)
        np.testing.assert_array_equal(alone.positions[0], together.positions[k])
        assert alone.steps[0] == together.steps[k]


def test_a_walker_that_fails_stops_and_the_others_go_on() -> None:
    def evaluate(walkers: np.ndarray, x: np.ndarray) -> Evaluated:
        found = quadratic()(walkers, x)
        bad = walkers == 1
        found.energies[bad], found.forces[bad] = np.nan, np.nan
        return Evaluated(
            energies=found.energies, forces=found.forces, reasons=["no field" if k else None for k in bad.tolist()]
        )

    x = np.ones((3, 2, 3))
    done = descend(x, np.full(3, 0.1), np.full((3, 4), 0.5), evaluate, never)
    assert done.reasons == [None, "no field", None]
    assert done.steps.tolist() == [4, 0, 4]
    np.testing.assert_array_equal(done.positions[1], x[1])


# ---------------------------------------------------------------------- when to stop


def test_two_vibrations_stop_by_the_boltzmann_factor() -> None:
    energies = kB * 400 * np.array([0.0, 1.0, 1.3, 1.5, 2.0, 5.0])
    expected = np.minimum(MOST_OFTEN, np.exp(-energies / (kB * 400)))
    np.testing.assert_allclose(stop_probability(energies, 400, 2), expected, rtol=1e-12)


@pytest.mark.parametrize("modes", [1, 3, 12, 57])
def test_the_probability_is_that_of_a_thermal_molecule_being_higher(modes: int) -> None:
    thermal = 0.5 * kB * 300 * (stream(7, modes).normal(size=(40_000, modes)) ** 2).sum(axis=1)
    for share in (0.2, 0.05, 0.01):
        energy = np.quantile(thermal, 1 - share)
        assert stop_probability(energy, 300, modes) == pytest.approx(share, rel=0.1)


def test_below_the_root_walks_stop_most_often() -> None:
    np.testing.assert_array_equal(stop_probability([-1.0, 0.0], 300, 12), MOST_OFTEN)


@pytest.mark.parametrize("modes", [3, 21, 57, 200])
def test_walks_stop_at_the_mean_thermal_energy_of_any_size(modes: int) -> None:
    mean = 0.5 * modes * kB * 300
    assert stop_probability(mean, 300, modes) == MOST_OFTEN
    assert stop_probability(3 * mean, 300, modes) < 0.05
    # the Boltzmann factor of the whole energy would never let larger molecules stop there
    assert modes < 20 or np.exp(-mean / (kB * 300)) < 1e-4


def test_energies_scale_with_temperature() -> None:
    energies = np.linspace(0, 3, 30)
    np.testing.assert_allclose(stop_probability(energies, 300, 12), stop_probability(2 * energies, 600, 12))


@pytest.mark.parametrize(
    ("x", "modes"),
    [
        ([[0, 0, 0], [0, 0, 1.1]], 1),
        ([[0, 0, -1.2], [0, 0, 0], [0, 0, 1.2]], 4),
        ([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]], 3),
    ],
)
def test_vibrations_are_counted(x: list[list[float]], modes: int) -> None:
    assert vibrations(np.array(x)) == modes
    turn = np.linalg.qr(stream(9, "turn").normal(size=(3, 3)))[0]
    assert vibrations(np.array(x) @ turn + 1.0) == modes

"""The choice of the node that grows: Boltzmann weight of the whole energy, or depth, mixed as documented."""

from __future__ import annotations

import numpy as np
import pytest
from ase.units import kB
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from molaug.generators.perturb.tree import choice_probabilities, chosen
from molaug.structures.hashing import stream

ENERGIES, DEPTHS = np.array([0.0, 0.05, 0.02, 0.11]), np.array([0, 1, 1, 2])


def test_beta_1_is_the_boltzmann_distribution() -> None:
    p = choice_probabilities(ENERGIES, DEPTHS, temperature=300, beta=1)
    np.testing.assert_allclose(np.log(p / p[0]), -ENERGIES / (kB * 300), rtol=1e-12, atol=1e-12)
    assert p.sum() == pytest.approx(1)


def test_beta_0_goes_by_generation_alone() -> None:
    p = choice_probabilities(ENERGIES, DEPTHS, temperature=300, beta=0)
    np.testing.assert_allclose(p, np.array([1, 2, 2, 3]) / 8, rtol=1e-12)


@given(beta=st.floats(0, 1))
def test_beta_is_the_weight_of_the_boltzmann_factor(beta: float) -> None:
    boltzmann, depth, mixed = (choice_probabilities(ENERGIES, DEPTHS, temperature=500, beta=b) for b in (1, 0, beta))
    np.testing.assert_allclose(mixed, beta * boltzmann + (1 - beta) * depth, rtol=1e-12)


def test_the_energy_is_that_of_the_whole_molecule() -> None:
    # twice the molecule at the same energy per atom: the odds are squared, not the same
    one = choice_probabilities(ENERGIES, DEPTHS, temperature=300, beta=1)
    two = choice_probabilities(2 * ENERGIES, DEPTHS, temperature=300, beta=1)
    np.testing.assert_allclose(two / two[0], (one / one[0]) ** 2, rtol=1e-12)


def test_the_zero_of_energy_does_not_matter_and_far_energies_do_no_harm() -> None:
    p = choice_probabilities(ENERGIES, DEPTHS, temperature=300, beta=0.7)
    np.testing.assert_allclose(choice_probabilities(ENERGIES - 7, DEPTHS, temperature=300, beta=0.7), p, rtol=1e-9)
    far = choice_probabilities([1e4, -1e4], [0, 0], temperature=10, beta=1)
    np.testing.assert_array_equal(far, [0, 1])


def test_heat_levels_the_odds() -> None:
    cold, hot = (choice_probabilities(ENERGIES, DEPTHS, temperature=t, beta=1) for t in (100, 10_000))
    assert cold[0] > 0.8
    np.testing.assert_allclose(hot, 0.25, atol=0.03)


def test_nodes_are_drawn_with_their_probabilities() -> None:
    p = choice_probabilities(ENERGIES, DEPTHS, temperature=300, beta=0.5)
    drawn = [chosen(p, u) for u in stream(0, "choice").random(20_000)]
    assert stats.chisquare(np.bincount(drawn, minlength=4), 20_000 * p).pvalue > 0.01


@given(u=st.floats(0, 1, exclude_max=True))
def test_what_has_no_probability_is_never_drawn(u: float) -> None:
    assert chosen(np.array([0.0, 0.3, 0.0, 0.7, 0.0]), u) in (1, 3)

"""Prediction rigidities: Bayesian linear regression, skmatter's values, and ensembles that scatter by them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molaug.filters.information import Information
from molaug.filters.uncertainty.calibration import Scale
from molaug.filters.uncertainty.rigidity import Rigidity, structure_sums


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    """skmatter 0.4.1 on random features of atoms."""
    return json.loads((Path(__file__).parent / "data" / "rigidities_and_measures.json").read_text())


@pytest.fixture(scope="module")
def of_skmatter(oracle: dict[str, Any]) -> tuple[Rigidity, list[np.ndarray]]:
    """The same training structures: means over their atoms, scaled as skmatter scales them."""
    train = [np.array(atoms) for atoms in oracle["train"]]
    scale = np.sqrt((np.vstack(train) ** 2).mean(0).sum())
    means = np.array([(atoms / scale).mean(0) for atoms in train])
    return Rigidity(information=Information.of(means, oracle["alpha"])), [np.array(a) / scale for a in oracle["test"]]


def regression(n: int, d: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, weights = rng.normal(size=(n, d)), rng.normal(size=d)
    return rows, weights, rows @ weights + noise * rng.normal(size=n)


def test_it_is_the_posterior_of_bayesian_linear_regression() -> None:
    """With noise s and a prior of unit width, M = FᵀF + s² and α = s: s² fᵀM⁻¹f = fᵀ (FᵀF / s² + 1)⁻¹ f."""
    rows, _, _ = regression(40, 6, 0.3)
    new, s = np.random.default_rng(1).normal(size=(10, 6)), 0.3
    posterior = np.linalg.inv(rows.T @ rows / s**2 + np.eye(6))
    expected = np.sqrt(np.einsum("nd,de,ne->n", new, posterior, new))
    found = Rigidity(information=Information.of(rows, s**2), alpha=s).uncertainty(new)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_it_is_the_scatter_of_least_squares_fits_over_repeated_noise() -> None:
    rows, weights, _ = regression(60, 5, 0.0)
    new = np.random.default_rng(2).normal(size=(8, 5))
    noise = 0.2 * np.random.default_rng(3).normal(size=(60, 4000))
    fits = np.linalg.lstsq(rows, (rows @ weights)[:, None] + noise, rcond=None)[0]
    expected = Rigidity(information=Information.of(rows), alpha=0.2).uncertainty(new)
    np.testing.assert_allclose((new @ fits).std(1), expected, rtol=0.05)


def test_local_rigidities_are_those_of_skmatter(oracle: dict[str, Any], of_skmatter: Any) -> None:
    rigidity, structures = of_skmatter
    for atoms, expected in zip(structures, oracle["lpr"], strict=True):
        np.testing.assert_allclose(rigidity.rigidity(atoms), expected, rtol=1e-9)


def test_component_rigidities_are_those_of_skmatter(oracle: dict[str, Any], of_skmatter: Any) -> None:
    rigidity, structures = of_skmatter
    blocks = [np.arange(2), np.arange(2, 6)]
    means = np.array([atoms.mean(0) for atoms in structures])
    np.testing.assert_allclose(rigidity.component_rigidity(means, blocks), oracle["cpr"], rtol=1e-9)
    for atoms, expected in zip(structures, oracle["lcpr"], strict=True):
        np.testing.assert_allclose(rigidity.component_rigidity(atoms, blocks), expected, rtol=1e-9)


def test_a_component_that_is_not_there_is_infinitely_rigid() -> None:
    rigidity = Rigidity(information=Information.of(np.eye(3)))
    assert rigidity.component_rigidity(np.array([[1.0, 0.0, 0.0]]), [np.array([0]), np.array([1, 2])]).tolist() == [
        [1.0, np.inf]
    ]


def test_uncertainty_grows_as_a_displacement_and_by_the_square_of_rigidity() -> None:
    rows, _, _ = regression(40, 6, 0.3)
    rigidity = Rigidity(information=Information.of(rows), alpha=2.0)
    np.testing.assert_allclose(rigidity.uncertainty(-3.0 * rows), 3.0 * rigidity.uncertainty(rows))
    np.testing.assert_allclose(rigidity.uncertainty(rows), 2.0 / np.sqrt(rigidity.rigidity(rows)))


def test_forces_are_asked_by_derivatives_of_the_features() -> None:
    """σ of a linear model's derivative is that of finite differences of its predictions."""
    rows, _, _ = regression(40, 6, 0.3)
    rigidity = Rigidity(information=Information.of(rows), alpha=0.3)

    def at(x: float) -> np.ndarray:
        return np.sin(x * np.arange(1, 7))

    slope = np.cos(0.4 * np.arange(1, 7)) * np.arange(1, 7)
    step = 1e-4
    difference = (at(0.4 + step) - at(0.4 - step)) / (2 * step)
    np.testing.assert_allclose(rigidity.uncertainty(difference), rigidity.uncertainty(slope), rtol=1e-6)


@pytest.mark.parametrize("by", ["squared", "absolute", "crps"])
def test_the_fit_finds_the_noise(by: Any) -> None:
    """Errors of a fit on new inputs in few dimensions: α is the noise, the ridge hardly matters."""
    errors, features = [], []
    for seed in range(200):
        rows, weights, labels = regression(30, 6, 0.3, seed)
        new = np.random.default_rng(1000 + seed).normal(size=(20, 6))
        fit = np.linalg.lstsq(rows, labels, rcond=None)[0]
        errors.append(new @ (fit - weights))
        features.append(Information.of(rows).whitened(new))  # features in which every information is that of unity
    rigidity = Rigidity.fitted(
        Information(gram=np.eye(6), n=30), np.vstack(features), np.concatenate(errors), shares=(1e-8,), by=by
    )
    assert rigidity.alpha == pytest.approx(0.3, rel=0.05)


def test_the_fit_prefers_the_ridge_under_which_errors_are_likely() -> None:
    """A nearly flat direction of which nothing is known: without a ridge its uncertainties are far too large."""
    rng = np.random.default_rng(0)
    scales = np.array([1.0, 1.0, 1e-5])
    train, held_out = (rng.normal(size=(n, 3)) * scales for n in (300, 2000))
    held_out[:, 2] *= rng.choice([1.0, 100.0], size=2000)
    errors = 0.1 * np.sqrt(np.einsum("nd,d->n", held_out[:, :2] ** 2, np.ones(2))) * rng.normal(size=2000)
    fitted = Rigidity.fitted(Information.of(train), held_out, errors)
    assert fitted.information.ridge > 1e-3
    assert np.mean((errors / fitted.uncertainty(held_out)) ** 2) == pytest.approx(1)


def test_the_fit_passes_over_ridges_that_leave_the_matrix_singular() -> None:
    rows = np.ones((5, 3))
    rows[:, 0] = 0.0
    errors = np.array([0.1, -0.2, 0.1, 0.3, -0.1])
    assert Rigidity.fitted(Information.of(rows), rows, errors, shares=(0.0, 1e-2)).information.ridge > 0
    with pytest.raises(ValueError, match="do not determine"):
        Rigidity.fitted(Information.of(rows), rows, errors, shares=(0.0,))


def test_members_scatter_by_the_uncertainties_about_the_model() -> None:
    rows, weights, _ = regression(40, 6, 0.3)
    rigidity = Rigidity(information=Information.of(rows), alpha=0.3)
    members = rigidity.members(weights, 4000, seed=1)
    np.testing.assert_allclose(members.mean(0), weights, atol=1e-12)
    new = np.random.default_rng(2).normal(size=(5, 6))
    np.testing.assert_allclose((members @ new.T).std(0, ddof=1), rigidity.uncertainty(new), rtol=0.05)
    np.testing.assert_array_equal(members, rigidity.members(weights, 4000, seed=1))
    with pytest.raises(ValueError, match="1 members; expected at least 2"):
        rigidity.members(weights, 1, seed=0)


def test_scaling_multiplies_uncertainties() -> None:
    rigidity = Rigidity(information=Information.of(np.eye(2)), alpha=2.0)
    assert rigidity.scaled(Scale(factor=1.5)).uncertainty(np.eye(2)).tolist() == [3.0, 3.0]
    with pytest.raises(ValueError, match="alpha is 0"):
        Rigidity(information=Information.of(np.eye(2)), alpha=0.0)


def test_sums_over_structures_some_of_which_are_empty() -> None:
    atoms = np.arange(10.0).reshape(5, 2)
    np.testing.assert_array_equal(structure_sums(atoms, [0, 0, 2, 5, 5]), [[0, 0], [2, 4], [18, 21], [0, 0]])
    np.testing.assert_array_equal(structure_sums(atoms, [0, 2, 5], mean=True), [[1, 2], [6, 7]])
    for offsets in ([1, 5], [0, 4], [0, 3, 2, 5], []):
        with pytest.raises(ValueError, match="expected them to rise from 0"):
            structure_sums(atoms, offsets)

"""The measured cost: errors of regressions whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molaug.pruning import MeasuredCost, measured_cost
from molaug.pruning.measured import WAYS

RNG = np.random.default_rng(0)
N, D = 600, 8
FEATURES = RNG.normal(size=(N, D)).astype(np.float32)
ATOMS = RNG.integers(1, 9, size=(N, 3))
WEIGHTS, REFERENCES = RNG.normal(size=D), np.array([-13.6, -1030.0, -2040.0])
NAMES = [f"molecule {k}" for k in range(N)]


def measured(energies: np.ndarray, **options: Any) -> MeasuredCost:
    return measured_cost(FEATURES, ATOMS, energies, NAMES, **options)


def test_energies_that_are_linear_are_learned_whatever_is_kept() -> None:
    found = measured(ATOMS @ REFERENCES + FEATURES @ WEIGHTS, seeds=2)
    assert list(found.errors) == list(WAYS)
    for errors in found.errors.values():
        assert max(errors.largest) < 1e-6


def test_noise_is_what_remains() -> None:
    noise = np.random.default_rng(1).normal(scale=0.05, size=N)
    found = measured(ATOMS @ REFERENCES + FEATURES @ WEIGHTS + noise, seeds=4)
    for errors in found.errors.values():
        assert np.mean(errors.mae) == pytest.approx(0.05 * np.sqrt(2 / np.pi), rel=0.15)
        assert all(m < p <= x for m, p, x in zip(errors.mae, errors.p99, errors.largest, strict=True))
    ratio, error = found.ratio("mae")
    assert abs(ratio - 1) < 4 * error + 0.05


def test_features_that_are_noise_are_not_believed() -> None:
    """With as many features as rows only the ridge of the smallest leave-one-out error saves the fit."""
    wide = np.random.default_rng(2).normal(size=(N, 400)).astype(np.float32)
    noise = np.random.default_rng(3).normal(size=N)
    found = measured_cost(wide, ATOMS, ATOMS @ REFERENCES + noise, NAMES, seeds=2)
    assert np.mean(found.errors["all rows"].mae) < 1.15 * np.sqrt(2 / np.pi)


def test_what_is_rare_is_kept_by_leverage() -> None:
    """Three rows of 600 show a direction that counts: at random they often go, by leverage they stay."""
    rare = FEATURES.copy()
    rare[:, 0] = 0.0
    rare[::120, 0] = 5.0
    found = measured_cost(rare, ATOMS, ATOMS @ REFERENCES + 3.0 * rare[:, 0], NAMES, keep=0.1, seeds=8)
    assert np.mean(found.errors["kept by leverage"].largest) < np.mean(found.errors["kept at random"].largest)


def test_sizes_and_seeds() -> None:
    energies = ATOMS @ REFERENCES + np.random.default_rng(1).normal(size=N)
    found = measured(energies, keep=0.5, seeds=3, level="gfn2-xtb")
    assert found.n_kept == pytest.approx(0.5 * found.n_train, abs=0.5)
    assert found.n_train + found.n_test == pytest.approx(N)
    assert 0.05 < found.n_test / N < 0.15
    assert found.level == "gfn2-xtb"
    assert found == measured(energies, keep=0.5, seeds=3, level="gfn2-xtb")
    assert measured(energies, keep=0.5, seeds=2, seed=1).errors["all rows"].mae == found.errors["all rows"].mae[1:]
    assert np.isnan(measured(energies, seeds=1).ratio("mae")[1])


def test_what_has_one_name_is_in_one_part() -> None:
    """Each row is there twice: were its copy trained on, a fit through all rows would know its noise."""
    twice = np.tile(np.random.default_rng(4).normal(size=(300, 290)), (2, 1)).astype(np.float32)
    atoms, noise = np.tile(ATOMS[:300], (2, 1)), np.tile(np.random.default_rng(5).normal(size=300), 2)
    apart = measured_cost(twice, atoms, noise, NAMES, seeds=2)
    together = measured_cost(twice, atoms, noise, NAMES[:300] * 2, seeds=2)
    assert np.mean(together.errors["all rows"].mae) > 3 * np.mean(apart.errors["all rows"].mae)


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(ValueError, match="expected as many of each"):
        measured_cost(FEATURES, ATOMS[1:], np.zeros(N), NAMES)
    with pytest.raises(ValueError, match="seeds is 0"):
        measured(np.zeros(N), seeds=0)
    with pytest.raises(ValueError, match="expected more labelled rows"):
        measured_cost(FEATURES[:3], ATOMS[:3], np.zeros(3), NAMES[:3])

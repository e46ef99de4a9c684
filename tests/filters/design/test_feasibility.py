"""The report before any label: rank, condition, coverage, and the words for them."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters.design import feasibility
from molaug.filters.information import Information


def features(n: int, d: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_a_sound_set_is_feasible() -> None:
    rows = features(200)
    found = feasibility(Information.of(rows), features(50, 4, 1))
    assert (found.n, found.d, found.rank) == (200, 4, 4)
    assert found.freedom == pytest.approx(4)
    assert found.condition == pytest.approx(np.linalg.cond(rows))
    assert found.vif == pytest.approx(1, abs=0.1)
    assert found.words.startswith("Training is feasible")


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_directions_that_never_occur_are_counted(lost: int) -> None:
    rows = features(100, 4)
    rows[:, :lost] = rows[:, lost:].sum(1, keepdims=True)
    rank = 4 - lost + (0 if lost < 4 else 1)
    found = feasibility(Information.of(rows).regularised())
    assert found.rank == rank
    assert found.condition == found.vif == np.inf
    assert f"determine {rank} of 4 weights: {4 - rank} directions never occur" in found.words


def test_nearly_dependent_features_are_told() -> None:
    rows = features(500, 3)
    rows[:, 2] = rows[:, 1] + 1e-5 * rows[:, 2]
    found = feasibility(Information.of(rows))
    assert found.rank == 3
    assert found.vif > 1e8 / 2
    rows[:, 2] = rows[:, 1]
    assert feasibility(Information.of(rows * [1, 1, 1]).regularised()).rank == 2


def test_variance_inflation_is_that_of_the_textbook() -> None:
    """1 / (1 - R²) of each feature on the others, features not centred."""
    rows = features(300, 3)
    rows[:, 2] += 2 * rows[:, 0]
    expected = []
    for k in range(3):
        others = np.delete(rows, k, 1)
        rest = rows[:, k] - others @ np.linalg.lstsq(others, rows[:, k], rcond=None)[0]
        expected.append((rows[:, k] @ rows[:, k]) / (rest @ rest))
    assert feasibility(Information.of(rows)).vif == pytest.approx(np.median(expected))


def test_a_target_beyond_the_set_is_told() -> None:
    known = Information.of(features(400))
    target = np.vstack([features(50, 4, 1), 100 * features(50, 4, 2)])
    found = feasibility(known, target)
    assert found.coverage == pytest.approx(0.5, abs=0.02)
    assert found.farthest == known.leverage(target).max()
    assert "of the target lie beyond 3 d / n" in found.words


def test_few_structures_and_strong_ridges_are_told() -> None:
    assert "10 structures for 4 weights" in feasibility(Information.of(features(10))).words
    words = feasibility(Information.of(features(100), 1000.0)).words
    assert "The structures determine 0 of 4 weights against the ridge" in words

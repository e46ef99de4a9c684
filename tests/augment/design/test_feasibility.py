"""The verdict over a dataset is that over its features."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from molaug.design import judge_feasibility
from molaug.filters.design import feasibility
from molaug.filters.features import Distances
from molaug.filters.information import Information
from molaug.structures import Structures
from molaug.structures.datasets import Dataset, open_dataset
from molaug.structures.datasets.dataset import rebatch


def hydrogens(bonds: np.ndarray) -> Structures:
    return Structures.from_arrays([[1, 1]] * len(bonds), [[[0, 0, 0], [0, 0, d]] for d in bonds])


def test_it_is_that_of_the_features() -> None:
    train, target = hydrogens(np.linspace(0.7, 1.0, 30)), hydrogens(np.linspace(0.7, 4.0, 25))
    known = Information.of(Distances()(train)[0]).regularised(1e-4)
    expected = feasibility(known, Distances()(target)[0])
    small = Dataset(card=open_dataset(target).card, stream=lambda audit: rebatch([target], 4))
    for given in (target, small):
        found = judge_feasibility(train, target=given)
        assert asdict(found) == pytest.approx(asdict(expected), rel=1e-6)
    assert "extrapolate" in judge_feasibility(train, target=hydrogens(np.array([3.5]))).words
    assert np.isnan(judge_feasibility(train).coverage)


def test_a_target_without_features_is_told() -> None:
    with pytest.raises(ValueError, match="no row of the target"):
        judge_feasibility(
            hydrogens(np.array([0.7, 0.8])), target=Structures.from_arrays([[1, 1]], None, smiles=["[H][H]"])
        )

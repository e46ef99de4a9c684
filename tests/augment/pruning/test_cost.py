"""The predicted cost of a removal: closed forms, and what it must be of rows that tell nothing new."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters.information import Information
from molaug.pruning import PredictedCost


def test_copies_cost_what_they_weigh() -> None:
    """Half of a design of which each row is there twice is worth as much for each row, and half as much in all."""
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    twice = np.vstack([rows, rows])
    found = PredictedCost.of(twice, np.arange(60), Information.of(twice, 1e-3))
    assert found.d_efficiency == pytest.approx(1.0)
    assert 60 * found.loss_per_row == pytest.approx(4 * np.log(2), rel=1e-3)
    assert found.i == pytest.approx(4 / 60, rel=1e-3)  # Σh of the rows kept: the number of weights
    assert found.mean_leverage == pytest.approx(found.i)
    assert found.largest_leverage == pytest.approx(found.g)


def test_a_row_that_stands_alone_is_missed() -> None:
    rows = np.vstack([np.tile([1.0, 0.0], (99, 1)), [[0.0, 1.0]]]).astype(np.float32)
    whole = Information.of(rows, 1e-3)
    alone, one_of_many = (PredictedCost.of(rows, np.array([k]), whole) for k in (99, 0))
    assert alone.largest_leverage == pytest.approx(1e3)  # 1 / ridge
    assert one_of_many.largest_leverage == pytest.approx(1 / 98, rel=1e-3)
    assert alone.loss_per_row > 500 * one_of_many.loss_per_row
    assert alone.g == alone.largest_leverage


@pytest.mark.parametrize("removed", [[], [0, 1, 2]])
def test_something_must_go_and_something_stay(removed: list[int]) -> None:
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="expected at least one, and not all"):
        PredictedCost.of(rows, np.array(removed, dtype=np.intp), Information.of(rows))

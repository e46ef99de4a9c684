"""What a dataset tells a linear model is summed up whatever its batches."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.design import known_information
from molaug.filters.features import Distances
from molaug.filters.information import Information
from molaug.structures import Structures

BONDS = np.linspace(0.6, 2.0, 20)
ROWS = Structures.from_arrays([[1, 1]] * 20, [[[0, 0, 0], [0, 0, d]] for d in BONDS])


def test_the_sum_is_that_of_all_rows_at_once() -> None:
    expected = Information.of(Distances()(ROWS)[0]).regularised(1e-3)
    found = known_information(ROWS.batches(3), Distances(), 1e-3)
    np.testing.assert_allclose(found.gram, expected.gram, atol=1e-12)
    assert (found.n, found.ridge) == (20, pytest.approx(expected.ridge))


def test_rejected_rows_and_rows_without_features_tell_nothing() -> None:
    bare = Structures.from_arrays([[1, 1]], None, smiles=["[H][H]"])
    rejected = ROWS.slice(0, 5).reject(["validity: no"] * 5)
    assert known_information([bare, rejected, ROWS.slice(5)], Distances()).n == 15
    with pytest.raises(ValueError, match="no row has the features 'distances'"):
        known_information([bare, rejected], Distances())


def test_a_ridge_is_a_share() -> None:
    with pytest.raises(ValueError, match="ridge is 2"):
        known_information([ROWS], Distances(), 2.0)

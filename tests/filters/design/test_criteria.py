"""Criteria of design against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters.design import Criteria, d_efficiency
from molaug.filters.information import Information


def features(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 5)) * np.arange(1, 6)


def test_criteria_are_what_they_are_defined_as() -> None:
    rows, target = features(40), features(9, 1)
    matrix = rows.T @ rows + 0.5 * np.eye(5)
    variances = np.einsum("nd,de,ne->n", target, np.linalg.inv(matrix), target)
    found = Criteria.of(Information.of(rows, 0.5), target)
    assert found.d == pytest.approx(np.linalg.slogdet(matrix)[1])
    assert found.a == pytest.approx(np.trace(np.linalg.inv(matrix)))
    assert found.e == pytest.approx(np.linalg.eigvalsh(matrix)[0])
    assert (found.g, found.i) == (pytest.approx(variances.max()), pytest.approx(variances.mean()))
    assert np.isnan(Criteria.of(Information.of(rows)).g)


def test_more_rows_are_better_by_every_criterion() -> None:
    rows, target = features(60), features(9, 1)
    less, more = (Criteria.of(Information.of(rows[:n]), target) for n in (30, 60))
    assert more.d > less.d
    assert more.e > less.e
    assert (more.a, more.g, more.i) < (less.a, less.g, less.i)


def test_efficiency_counts_rows() -> None:
    rows = features(40)
    assert d_efficiency(Information.of(3.0 * rows), Information.of(rows)) == pytest.approx(9)
    assert d_efficiency(Information.of(rows), Information.of(np.vstack([rows] * 4))) == pytest.approx(1)
    with pytest.raises(ValueError, match="5 and 2 features"):
        d_efficiency(Information.of(rows), Information.of(np.eye(2)))

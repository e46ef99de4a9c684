"""Principal axes: distances kept or evened out, whatever the frame of the features."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters.design.axes import on_axes


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(400, 6)) * (9.0, 5.0, 3.0, 1.0, 0.5, 0.1) + 7.0


def squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.square(a[:, None] - b[None]).sum(-1)


def test_without_whitening_all_distances_are_as_they_were(rows: np.ndarray) -> None:
    found, known = on_axes(rows[:300], rows[300:], whitening=0.0)
    np.testing.assert_allclose(squares(found, known), squares(rows[:300], rows[300:]), rtol=1e-4, atol=1e-3)


def test_fully_whitened_the_covariance_of_all_rows_is_the_unit_matrix(rows: np.ndarray) -> None:
    both = np.concatenate(on_axes(rows[:300], rows[300:], whitening=1.0))
    np.testing.assert_allclose(np.cov(both.T, bias=True), np.eye(6), atol=1e-4)


def test_half_whitened_the_variances_become_spreads(rows: np.ndarray) -> None:
    both = np.concatenate(on_axes(rows[:300], rows[300:]))
    spreads = np.sqrt(np.linalg.eigvalsh(np.cov(rows.T, bias=True)))[::-1]
    np.testing.assert_allclose(both.var(0), spreads, rtol=1e-3)


def test_a_rotation_of_the_features_changes_no_distance(rows: np.ndarray) -> None:
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    one, other = on_axes(rows, rows[:0])[0], on_axes(rows @ turn, rows[:0])[0]
    np.testing.assert_allclose(squares(one, one), squares(other, other), rtol=1e-3, atol=1e-3)


def test_axes_of_no_variance_and_those_beyond_the_number_asked_for_are_left_out(rows: np.ndarray) -> None:
    doubled = np.concatenate([rows, rows], 1)
    assert on_axes(doubled, doubled[:0])[0].shape[1] == 6
    assert on_axes(rows, rows[:0], axes=2)[0].shape[1] == 2


def test_equal_rows_have_no_axes_and_no_rows_give_none() -> None:
    found, known = on_axes(np.ones((3, 4)), np.ones((1, 4)))
    assert found.shape == (3, 0)
    assert known.shape == (1, 0)
    assert on_axes(np.ones((0, 4)), np.ones((0, 4)))[0].shape == (0, 4)


def test_blocks_change_nothing(rows: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = on_axes(rows[:300], rows[300:])[0]
    monkeypatch.setattr("molaug.filters.design.axes._ROWS", 37)
    parts = on_axes(rows[:300], rows[300:])[0]
    np.testing.assert_allclose(squares(parts, parts), squares(whole, whole), rtol=1e-3, atol=1e-3)


def test_options_out_of_range_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="whitening=2"):
        on_axes(rows, rows, whitening=2)
    with pytest.raises(ValueError, match="axes=0"):
        on_axes(rows, rows, axes=0)

"""The information matrix: identities of linear algebra that leverage, gain and loss must obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molaug.filters.information import Information, rank_one


def features(n: int = 60, d: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) * np.arange(1, d + 1)


def log_det(matrix: np.ndarray) -> float:
    return float(np.linalg.slogdet(matrix)[1])


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(1e-6, 10.0))
def test_leverage_is_the_quadratic_form_of_the_inverse(seed: int, d: int, ridge: float) -> None:
    rows = features(30, d, seed)
    direct = np.einsum("nd,de,ne->n", rows, np.linalg.inv(rows.T @ rows + ridge * np.eye(d)), rows)
    np.testing.assert_allclose(Information.of(rows, ridge).leverage(rows), direct, rtol=1e-8)


def test_leverages_of_the_rows_sum_to_the_weights_that_they_determine() -> None:
    rows = features()
    assert Information.of(rows).leverage(rows).sum() == pytest.approx(7, abs=1e-9)
    for ridge in (0.1, 30.0):
        known = Information.of(rows, ridge)
        assert known.leverage(rows).sum() == pytest.approx(known.freedom, abs=1e-9)
    assert Information.of(rows).freedom == pytest.approx(7)


def test_a_row_that_is_in_it_has_a_leverage_below_1() -> None:
    rows = features(9, 7)
    assert (Information.of(rows).leverage(rows) < 1 + 1e-12).all()
    alone = np.vstack([rows, np.eye(7)[:1] * 1e9])
    assert Information.of(alone).leverage(alone)[-1] == pytest.approx(1)
    assert Information.of(alone).loss(alone)[-1] > 20


def test_gain_and_loss_are_those_of_the_determinant() -> None:
    rows, more = features(), features(5, 7, 1)
    known = Information.of(rows, 0.3)
    for row, gain in zip(more, known.gain(more), strict=True):
        assert known.added(row[None]).log_det - known.log_det == pytest.approx(gain, abs=1e-10)
    for row, loss in zip(rows, known.loss(rows), strict=True):
        assert known.log_det - known.removed(row[None]).log_det == pytest.approx(loss, abs=1e-10)
    assert known.log_det == pytest.approx(log_det(rows.T @ rows + 0.3 * np.eye(7)))


def test_sherman_and_morrison_agree_with_the_inverse() -> None:
    rows = features()
    matrix, row = rows.T @ rows, rows[3]
    np.testing.assert_allclose(
        rank_one(np.linalg.inv(matrix), row), np.linalg.inv(matrix + np.outer(row, row)), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(
        rank_one(np.linalg.inv(matrix), row, -1), np.linalg.inv(matrix - np.outer(row, row)), rtol=1e-9, atol=1e-12
    )
    with pytest.raises(ValueError, match="without this row the matrix is singular"):
        rank_one(np.eye(2), np.array([1.0, 0.0]), -1)


@given(st.lists(st.integers(1, 15), min_size=1, max_size=6))
def test_parts_in_any_grouping_are_the_whole(sizes: list[int]) -> None:
    rows = features(sum(sizes))
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    whole = Information.of(rows, 0.5)
    streamed = Information.of(iter(parts), 0.5)
    merged = sum((Information.of(part, 0.5) for part in parts[1:]), Information.of(parts[0], 0.5))
    for other in (streamed, merged):
        assert other.n == whole.n
        np.testing.assert_allclose(other.gram, whole.gram, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(other.leverage(rows), whole.leverage(rows), rtol=1e-9)


def test_single_precision_is_summed_in_double() -> None:
    rows = (1.0 + 1e-3 * features(20_000, 3)).astype(np.float32)
    np.testing.assert_allclose(
        Information.of(rows).gram, rows.astype(np.float64).T @ rows.astype(np.float64), rtol=1e-13
    )


def test_the_shape_in_front_is_kept_and_large_arrays_are_cut() -> None:
    rows = features(3 * 4000, 5)
    known = Information.of(rows)
    np.testing.assert_allclose(known.leverage(rows.reshape(3, 4000, 5)), known.leverage(rows).reshape(3, 4000))
    np.testing.assert_allclose((known.whitened(rows) ** 2).sum(-1), known.leverage(rows))
    np.testing.assert_allclose(known.leverage(rows[8190:8195]), known.leverage(rows)[8190:8195], rtol=1e-10)
    assert known.leverage(np.empty((0, 5))).shape == (0,)


def test_a_ridge_by_share_leaves_leverages_alone_when_features_are_scaled() -> None:
    rows = features()
    plain, scaled = (Information.of(c * rows).regularised(1e-3).leverage(c * rows) for c in (1.0, 1e6))
    np.testing.assert_allclose(plain, scaled, rtol=1e-9)


def test_weights_that_are_not_determined_are_told() -> None:
    rows = features(4, 7)
    with pytest.raises(ValueError, match=r"4 rows do not determine 7 weights .* larger ridge"):
        Information.of(rows).leverage(rows)
    assert Information.of(rows).regularised().freedom == pytest.approx(4, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Information.of([]), "no features"),
        (lambda: Information.of(np.ones(3)), r"shape \(3,\); expected \(n, d\)"),
        (lambda: Information.of(np.full((2, 2), np.nan)), "not finite"),
        (lambda: Information.of(np.ones((2, 2)), -1.0), "ridge is -1.0"),
        (lambda: Information.of([np.ones((2, 2)), np.ones((2, 3))]), "3 features after rows of 2"),
        (lambda: Information.of(np.eye(2)) + Information.of(np.eye(3)), "expected the same"),
        (lambda: Information.of(np.eye(2)) + Information.of(np.eye(2), 1.0), "expected the same"),
        (lambda: Information.of(np.eye(2)).removed(np.ones((3, 2))), "3 rows to be removed of 2"),
        (lambda: Information.of(np.eye(2)).leverage(np.ones((3, 3))), "expected 2 along the last axis"),
        (lambda: Information(gram=np.ones((2, 3)), n=1), r"expected \(d, d\)"),
    ],
)
def test_what_cannot_be_is_told(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()  # type: ignore[operator]

"""Farthest points of a short list are those of the plain rule, ties and copies included."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.filters.design import farthest


def plain(rows: np.ndarray, squares: np.ndarray, n: int) -> list[int]:
    """All distances anew for each pick; equal ones in the order of the rows."""
    rows, squares, chosen = rows.astype(float), squares.copy(), []
    for _ in range(min(n, len(rows))):
        chosen.append(int(squares.argmax()))
        squares = np.minimum(squares, ((rows - rows[chosen[-1]]) ** 2).sum(1))
        squares[chosen] = -np.inf
    return chosen


@pytest.fixture(params=[(1, 1, 1, 1), (3, 7, 2, 2), (16, 5, 64, 8), (1024, 1024, 1024, 256)], ids=str)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short lists and blocks of several sizes."""
    for name, size in zip(("_SHORT", "_ROWS", "_PICKS", "_SETTLED"), request.param, strict=True):
        monkeypatch.setattr(sys.modules[farthest.__module__], name, size)


def squares_to(base: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if not len(base):
        return np.full(len(rows), np.inf)
    return np.asarray(((rows[:, None].astype(float) - base) ** 2).sum(-1).min(1))


@pytest.mark.parametrize("n_base", [0, 1, 5])
@pytest.mark.parametrize("d", [1, 2, 6])
@pytest.mark.usefixtures("blocks")
def test_picks_are_those_of_the_plain_rule(n_base: int, d: int) -> None:
    rng = np.random.default_rng(d)
    rows, base = rng.normal(size=(70, d)).astype(np.float32), rng.normal(size=(n_base, d))
    squares = squares_to(base, rows)
    assert farthest(rows, squares, 70).tolist() == plain(rows, squares, 70)
    assert farthest(rows, squares, 9).tolist() == plain(rows, squares, 9)


@pytest.mark.parametrize("n_base", [0, 2])
@pytest.mark.usefixtures("blocks")
def test_ties_and_copies_go_by_the_order_of_the_rows(n_base: int) -> None:
    rng = np.random.default_rng(n_base)
    rows = rng.integers(0, 4, (90, 2)).astype(np.float32)  # distances are whole numbers: a tie is a tie
    squares = squares_to(rng.integers(0, 4, (n_base, 2)), rows)
    assert farthest(rows, squares, 99).tolist() == plain(rows, squares, 99)
    same = np.ones((40, 3), dtype=np.float32)
    assert farthest(same, np.zeros(40), 40).tolist() == list(range(40))


@pytest.mark.usefixtures("blocks")
def test_far_from_the_origin_nothing_changes() -> None:
    rng = np.random.default_rng(0)
    rows = (1000.0 + rng.integers(0, 30, (60, 3))).astype(np.float32)
    squares = squares_to(rows[:1].astype(float), rows)
    assert farthest(rows, squares, 60).tolist() == plain(rows, squares, 60)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_many_rows_are_chosen_as_by_the_plain_rule(seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.integers(0, 3, (3000, 4)) if whole else rng.normal(size=(3000, 4))).astype(np.float32)
    squares = squares_to(rng.normal(size=(2, 4)), rows)
    assert farthest(rows, squares, 40).tolist() == plain(rows, squares, 40)


def test_what_cannot_be_is_told() -> None:
    assert farthest(np.empty((0, 3)), np.empty(0), 4).tolist() == []
    assert farthest(np.ones((3, 1)), np.ones(3), 0).tolist() == []
    for rows, squares, n, message in (
        (np.ones((2, 2)), np.ones(2), -1, "n is -1"),
        (np.ones((2, 2)), np.ones(3), 1, r"expected \(n, d\) and \(n,\)"),
        (np.full((2, 2), np.nan), np.ones(2), 1, "not finite"),
        (np.ones((2, 2)), np.full(2, np.nan), 1, "not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            farthest(rows, squares, n)

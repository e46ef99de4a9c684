"""Lazy backward elimination removes what the plain rule removes, and what that does to a design."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.filters.design import eliminate
from molaug.filters.information import Information


def plain(rows: np.ndarray, ridge: float, n: int) -> list[int]:
    """All leverages anew for each removal, by the inverse; the first of equal ones."""
    there = list(range(len(rows)))
    removed = []
    for _ in range(n):
        leverage = Information.of(rows[there], ridge).leverage(rows[there])
        removed.append(there.pop(int(np.flatnonzero(leverage <= leverage.min() * (1 + 1e-9))[0])))
    return removed


def lost(rows: np.ndarray, ridge: float, removed: np.ndarray) -> float:
    whole = Information.of(rows, ridge)
    return whole.log_det - whole.removed(rows[removed]).log_det


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.floats(1e-4, 10))
def test_removals_are_those_of_the_plain_rule(seed: int, d: int, ridge: float) -> None:
    rows = np.random.default_rng(seed).normal(size=(50, d))
    assert eliminate(rows, ridge, 50).tolist() == plain(rows, ridge, 50)


def test_removals_are_those_of_the_plain_rule_over_several_pools() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2600, 5)) * rng.lognormal(size=(2600, 1))
    assert eliminate(rows, 0.1, 1500).tolist() == plain(rows, 0.1, 1500)


def test_removals_are_those_of_the_plain_rule_where_thousands_are_alike() -> None:
    rng = np.random.default_rng(0)
    rows = np.vstack([np.tile(rng.normal(size=(3, 4)), (600, 1)), rng.normal(size=(200, 4))])
    assert eliminate(rows, 0.1, 400).tolist() == plain(rows, 0.1, 400)


def test_a_smaller_number_is_a_prefix_and_all_is_a_permutation() -> None:
    rows = np.random.default_rng(0).normal(size=(90, 4))
    everything = eliminate(rows, 1.0, 1000)
    assert sorted(everything.tolist()) == list(range(90))
    assert eliminate(rows, 1.0, 17).tolist() == everything[:17].tolist()
    assert eliminate(rows, 1.0, 0).tolist() == []
    assert eliminate(np.empty((0, 4)), 1.0, 5).tolist() == []


def test_losses_grow_and_are_those_of_the_determinant() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 6))
    order = eliminate(rows, 0.1, 150)
    losses, leverage_sums = [], []
    for k in range(150):
        left = np.delete(np.arange(200), order[:k])
        known = Information.of(rows[left], 0.1)
        losses.append(float(known.loss(rows[order[k]])))
        leverage_sums.append(known.leverage(rows[left]).sum() - known.freedom)
    assert (np.diff(losses) > -1e-9).all()
    assert np.abs(leverage_sums).max() < 1e-9  # Σh of those that are left: the weights that they determine
    assert sum(losses) == pytest.approx(lost(rows, 0.1, order), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_loss_is_below_that_of_chance_and_near_the_best_of_all_subsets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(12, 3))
    found = lost(rows, 0.1, eliminate(rows, 0.1, 5))
    of_all = [lost(rows, 0.1, np.array(which)) for which in combinations(range(12), 5)]
    assert min(of_all) - 1e-9 <= found < np.mean(of_all)
    assert found <= np.quantile(of_all, 0.05)


def test_one_of_two_copies_goes_first_and_no_molecule_is_lost_with_both() -> None:
    unique = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))[0]  # each knows what no other does
    copied = np.vstack([unique, unique[:8]])
    order = eliminate(copied, 1e-3, 8)
    assert order.tolist() == list(range(8))  # the first of each pair, its copy stays
    near = np.vstack([unique, unique[:8] + 1e-3])
    assert sorted((eliminate(near, 1e-3, 8) % 20).tolist()) == list(range(8))


def test_equal_rows_go_in_their_order() -> None:
    rows = np.tile([[1.0, 2.0]], (50, 1))
    assert eliminate(rows, 1.0, 10).tolist() == list(range(10))


def test_rows_of_nought_go_first() -> None:
    rows = np.vstack([np.eye(3), np.zeros((2, 3)), np.eye(3)])
    assert eliminate(rows, 0.1, 2).tolist() == [3, 4]


def test_which_rows_go_does_not_depend_on_scale_and_basis() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 5))
    turned = rows @ np.linalg.qr(rng.normal(size=(5, 5)))[0] * 7.0
    assert eliminate(turned, 49.0 * 0.1, 60).tolist() == eliminate(rows, 0.1, 60).tolist()


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(ValueError, match="n is -1"):
        eliminate(np.ones((2, 2)), 1.0, -1)
    with pytest.raises(ValueError, match="finite"):
        eliminate(np.full((2, 2), np.nan), 1.0, 1)
    with pytest.raises(ValueError, match="do not determine all weights"):
        eliminate(np.eye(3), 0.0, 1)
    with pytest.raises(ValueError, match="give a larger ridge"):
        eliminate(np.ones((3, 2)), 0.0, 1)

"""Candidates that are streamed are chosen as those in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from molaug.filters import (
    DOptimal,
    FarthestPoint,
    KMeansPlusPlus,
    LargestCluster,
    Mixture,
    Random,
    Selector,
    Stratified,
)
from molaug.filters.design import select_streamed
from molaug.structures import Structures


def diatomics(n: int, seed: int) -> Structures:
    lengths = np.random.default_rng(seed).uniform(0.7, 5.0, n)
    return Structures.from_arrays([[1, 6]] * n, [[[0, 0, 0], [0, 0, d]] for d in lengths])


BARE = Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"])
ROWS = Structures.concat([diatomics(20, 0), BARE, diatomics(20, 1)])
ROWS = ROWS.with_columns({"origin": ["a", "b"] * 20 + ["c"]})
EACH = Stratified(within=FarthestPoint())


@pytest.mark.parametrize(
    "selector", [FarthestPoint(), DOptimal(), LargestCluster(), KMeansPlusPlus(), Random(), Mixture(), EACH], ids=str
)
@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_rows_are_those_of_candidates_in_memory_in_order(selector: Selector, size: int) -> None:
    base = diatomics(3, 2)
    for budget in (0, 5, 100):
        expected = ROWS.take(selector.select(ROWS, budget, base=base, seed=1))
        found = select_streamed(selector, lambda: ROWS.batches(size), budget, base=lambda: base.batches(2), seed=1)
        assert found.ids == expected.ids
        assert found.table.equals(expected.table)


@pytest.mark.parametrize(
    ("selector", "passes"),
    [
        (Random(), 2),  # ids, and the rows
        (FarthestPoint(), 2),
        (EACH, 3),  # origins first
        (Mixture(parts=(FarthestPoint(), DOptimal())), 3),  # sizes first; both look at the same
        (Mixture(parts=(FarthestPoint(), DOptimal(features="morgan"))), 4),
    ],
    ids=str,
)
def test_every_kind_of_features_takes_one_pass(selector: Selector, passes: int) -> None:
    made = []

    def batches() -> Iterator[Structures]:
        made.append(1)
        yield from ROWS.batches(10)

    assert len(select_streamed(selector, batches, 3, seed=0)) == 3
    assert len(made) == passes


def test_what_cannot_be_is_told() -> None:
    other = ROWS.take(np.arange(len(ROWS))[::-1])
    for later, reason in ((ROWS.slice(1), "only 40 rows came"), (other, "a later pass over the candidates gave other")):
        again = iter([[ROWS], [later]])
        with pytest.raises(ValueError, match=reason):
            select_streamed(FarthestPoint(), lambda: next(again), 41, seed=0)  # noqa: B023
    with pytest.raises(ValueError, match="budget -1"):
        select_streamed(FarthestPoint(), lambda: [ROWS], -1, seed=0)
    assert len(select_streamed(FarthestPoint(), list, 3, seed=0)) == 0

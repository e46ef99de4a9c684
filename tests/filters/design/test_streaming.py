"""Candidates that are streamed are chosen as those in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from molaug.filters import DOptimal, FarthestPoint, KMeansPlusPlus, LargestCluster, Random
from molaug.filters.design import FeatureSelector, select_streamed
from molaug.structures import Structures


def diatomics(n: int, seed: int) -> Structures:
    lengths = np.random.default_rng(seed).uniform(0.7, 5.0, n)
    return Structures.from_arrays([[1, 6]] * n, [[[0, 0, 0], [0, 0, d]] for d in lengths])


BARE = Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"])
ROWS = Structures.concat([diatomics(20, 0), BARE, diatomics(20, 1)])


@pytest.mark.parametrize("selector", [FarthestPoint(), DOptimal(), LargestCluster(), KMeansPlusPlus()], ids=str)
@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_rows_are_those_of_candidates_in_memory_in_order(selector: FeatureSelector, size: int) -> None:
    base = diatomics(3, 2)
    for budget in (0, 5, 100):
        expected = ROWS.take(selector.select(ROWS, budget, base=base, seed=1))
        found = select_streamed(selector, lambda: ROWS.batches(size), budget, base=base.batches(2), seed=1)
        assert found.ids == expected.ids
        assert found.table.equals(expected.table)


def test_no_more_than_two_passes_are_made() -> None:
    passes = []

    def batches() -> Iterator[Structures]:
        passes.append(1)
        yield from ROWS.batches(10)

    assert len(select_streamed(FarthestPoint(), batches, 3, seed=0)) == 3
    assert len(passes) == 2


def test_what_cannot_be_is_told() -> None:
    again = iter([[ROWS], [ROWS.slice(1)]])
    with pytest.raises(ValueError, match="the second pass over the candidates gave other rows"):
        select_streamed(FarthestPoint(), lambda: next(again), 40, seed=0)
    with pytest.raises(TypeError, match="expected one on features"):
        select_streamed(Random(), lambda: [ROWS], 3, seed=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="budget -1"):
        select_streamed(FarthestPoint(), lambda: [ROWS], -1, seed=0)
    assert len(select_streamed(FarthestPoint(), list, 3, seed=0)) == 0

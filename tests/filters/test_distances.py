"""Distances of a flat batch are those of its structures."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from molaug.filters import distances
from molaug.filters.distances import by_size, pairs_within


def test_pairs_are_those_of_each_structure() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([3, 1, 4, 3, 0, 2])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    x = rng.normal(size=(sizes.sum(), 3))
    found: dict[int, list[float]] = {k: [] for k in range(len(sizes))}
    for pairs in pairs_within(offsets, x):
        for row, distance in zip(pairs.row, pairs.distance, strict=True):
            found[int(row)].append(float(distance))
    for k in range(len(sizes)):
        np.testing.assert_allclose(found[k], pdist(x[offsets[k] : offsets[k + 1]]) if sizes[k] > 1 else [])


def test_groups_are_bounded() -> None:
    groups = list(by_size(np.full(10, 4), pairs=13))
    assert [len(group) for group in groups] == [2] * 5
    assert distances.MAX_PAIRS > 0

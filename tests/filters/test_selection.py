"""Selectors: at random, in turn, farthest first."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from molaug.filters import FarthestPoint, Random, Stratified
from molaug.filters.redundancy.descriptor import distance_histograms
from molaug.structures import Structures

NONE = Structures.empty()


def diatomics(n: int, seed: int = 0) -> Structures:
    lengths = np.random.default_rng(seed).uniform(0.7, 5.0, n)
    origins = ["modes" if k % 4 else "amons" for k in range(n)]
    return Structures.from_arrays([[1, 6]] * n, [[[0, 0, 0], [0, 0, d]] for d in lengths], origin=origins)


def test_random_depends_on_the_seed_and_nothing_else() -> None:
    rows = diatomics(50)
    first = Random().select(rows, 20, base=NONE, seed=0)
    assert first.tolist() == Random().select(rows, 20, base=rows, seed=0).tolist()
    assert first.tolist() != Random().select(rows, 20, base=NONE, seed=1).tolist()
    more = Structures.concat([diatomics(30, seed=9), rows])
    chosen = [name for name in more.take(Random().select(more, 80, base=NONE, seed=0)).ids if name in set(rows.ids)]
    assert chosen[:20] == rows.take(first).ids  # further candidates do not reorder those that were there


def test_random_is_uniform() -> None:
    rows = diatomics(10)
    firsts = Counter(int(Random().select(rows, 1, base=NONE, seed=seed)[0]) for seed in range(1000))
    # chi-squared with 9 degrees of freedom exceeds 27.9 once in a thousand
    assert sum((firsts[k] - 100) ** 2 / 100 for k in range(10)) < 27.9


def test_strata_take_turns_until_they_are_empty() -> None:
    rows = diatomics(20)
    origins = rows.take(Stratified().select(rows, 20, base=NONE, seed=0)).column("origin")
    assert origins[:10] == ["amons", "modes"] * 5
    assert origins[10:] == ["modes"] * 10


@pytest.mark.parametrize("search", ["exact", "faiss"])
def test_farthest_points_are_those_of_brute_force(search: str) -> None:
    if search == "faiss":
        pytest.importorskip("faiss")
    rows, base = diatomics(30), diatomics(3, seed=1)
    v, b = distance_histograms(rows).astype(float), distance_histograms(base).astype(float)
    known = list(b)
    chosen = FarthestPoint(search=search).select(rows, 8, base=base, seed=0)  # type: ignore[arg-type]
    for k in chosen:
        gaps = np.array([min(np.linalg.norm(x - y) for y in known) for x in v])
        assert gaps[k] == pytest.approx(gaps.max(), abs=1e-3)
        known.append(v[k])


def test_rows_without_features_come_last() -> None:
    bare = Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"])
    rows = Structures.concat([bare, diatomics(4)])
    assert FarthestPoint().select(rows, 5, base=NONE, seed=0)[-1] == 0

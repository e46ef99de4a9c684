"""Selectors: at random, in turn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from molaug.filters import FarthestPoint, Random, Stratified
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


def test_within_an_origin_a_selector_ranks() -> None:
    rows = diatomics(40)
    order = Stratified(within=FarthestPoint()).select(rows, 40, base=NONE, seed=3).tolist()
    assert sorted(order) == list(range(40))
    for origin in ("amons", "modes"):
        mine = [k for k, name in enumerate(rows.column("origin")) if name == origin]
        ranked = FarthestPoint().select(rows.take(mine), len(mine), base=NONE, seed=3)
        assert [k for k in order if k in mine] == [mine[k] for k in ranked.tolist()]
    assert Stratified(within=FarthestPoint()).select(rows, 7, base=NONE, seed=3).tolist() == order[:7]


def test_what_ranks_within_an_origin_must_be_a_selector() -> None:
    with pytest.raises(TypeError, match="within is 'random'; expected a selector"):
        Stratified(within="random")  # type: ignore[arg-type]

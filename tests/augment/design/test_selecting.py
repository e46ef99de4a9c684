"""Any selector on any dataset."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.design import select
from molaug.filters import FarthestPoint, Random
from molaug.structures import Structures

BONDS = np.random.default_rng(0).uniform(0.6, 2.5, 40)
ROWS = Structures.from_arrays([[1, 1]] * 40, [[[0, 0, 0], [0, 0, d]] for d in BONDS])
BASE = Structures.from_arrays([[1, 1]], [[[0, 0, 0], [0, 0, 0.74]]])


@pytest.mark.parametrize(
    "name", ["random", "stratified", "farthest-point", "d-optimal", "largest-cluster", "k-means++"]
)
def test_rows_come_in_order_of_rank(name: str) -> None:
    found = select(ROWS, 7, selector=name, base=BASE)
    assert found.column("rank") == list(range(1, 8))
    assert len(set(found.ids)) == 7
    assert select(ROWS, 3, selector=name, base=BASE).ids == found.ids[:3]
    assert select(ROWS.take(np.arange(40)[::-1]), 7, selector=name, base=BASE).ids == found.ids


def test_rejected_rows_are_neither_chosen_nor_known() -> None:
    judged = ROWS.reject([None, "validity: no"] * 20)
    assert set(select(judged, 100, selector="random").ids) == set(ROWS.ids[::2])
    nothing = BASE.reject(["validity: no"])
    found, expected = (select(ROWS, 5, selector="farthest-point", base=base) for base in (nothing, None))
    assert found.ids == expected.ids


def test_a_stream_gives_the_same() -> None:
    options = {"selector": {"farthest-point": {"features": "distances"}}, "base": BASE}
    assert select(ROWS, 9, streamed=True, **options) == select(ROWS, 9, **options)  # type: ignore[arg-type]
    assert select(ROWS, 9, selector=Random(), streamed=True) == select(ROWS, 9, selector=Random())


def test_objects_and_bad_names() -> None:
    assert (
        select(ROWS, 2, selector=FarthestPoint(), base=BASE).ids
        == select(ROWS, 2, selector="farthest-point", base=BASE).ids
    )
    with pytest.raises(ValueError, match="did you mean 'farthest-point'"):
        select(ROWS, 2, selector="farthest-points")
    with pytest.raises(ValueError, match="budget -1"):
        select(ROWS, -1)

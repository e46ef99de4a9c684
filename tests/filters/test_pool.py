"""Pools show selectors the same of rows in memory and of rows that are read again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from molaug.filters import Environments, Pool
from molaug.filters.features import Seen
from molaug.structures import Structures


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Lengths of diatomics; counts the rows that it has seen."""

    seen: list[int]
    name: str = "counted"

    def __call__(self, rows: Structures) -> Seen:
        self.seen.append(len(rows))
        lengths = [float(np.ptp(row.positions[:, 2])) if len(row.numbers) == 2 else 0.0 for row in rows]
        vectors = np.array(lengths, dtype=np.float32).reshape(-1, 1)
        return vectors, vectors[:, 0] > 0


def waters(n: int) -> Structures:
    rng = np.random.default_rng(0)
    water = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    return Structures.from_arrays(
        [[8, 1, 1]] * n, water + 0.1 * rng.normal(size=(n, 3, 3)), origin=["a"] * (n - 1) + [None]
    )


ROWS = Structures.concat(
    [Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.8, 0.9)], origin="b"), waters(5)]
)


def pools() -> list[Pool]:
    return [Pool.of(ROWS), Pool(read=lambda: ROWS.batches(3))]


def test_a_pool_knows_its_rows() -> None:
    for pool in pools():
        assert len(pool) == 8
        assert pool.ids == tuple(ROWS.ids)
        assert pool.facts.origins == ("b",) * 3 + ("a",) * 4 + (None,)
        assert pool.facts.n_atoms.tolist() == [2] * 3 + [3] * 5
        assert pool.rows().table.equals(ROWS.table)
        assert Pool.of(pool) is pool


def test_features_are_those_of_the_rows_and_are_seen_once() -> None:
    for pool in pools():
        features = Counted(seen=[])
        for _ in range(2):
            vectors, there = pool.seen(features)
            np.testing.assert_allclose(vectors[:3, 0], [0.7, 0.8, 0.9], rtol=1e-6)
            assert there.tolist() == [True] * 3 + [False] * 5
        assert sum(features.seen) == len(ROWS)


def test_averages_come_from_the_sums() -> None:
    for pool in pools():
        sums, _ = pool.seen(Environments(average=False))
        averages, there = pool.seen(Environments())
        np.testing.assert_array_equal(averages, sums / ROWS.n_atoms[:, None].astype(np.float32))
        np.testing.assert_allclose(averages, Environments()(ROWS)[0], atol=1e-6)
        assert there.all()


@pytest.mark.parametrize("rows", [[], [7, 0, 3]])
def test_a_part_is_seen_in_the_whole(rows: list[int]) -> None:
    numbers: NDArray[np.int64] = np.array(rows, dtype=np.int64)
    for pool in pools():
        features = Counted(seen=[])
        whole, _ = pool.seen(features)
        part = pool.take(numbers)
        assert part.ids == tuple(ROWS.ids[k] for k in rows)
        assert part.facts.n_atoms.tolist() == ROWS.n_atoms[numbers].tolist()
        np.testing.assert_array_equal(part.seen(features)[0], whole[numbers])
        assert part.rows().table.equals(ROWS.take(numbers).table)
        assert sum(features.seen) == len(ROWS)


def test_rows_in_memory_are_seen_in_an_order_of_their_own() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Company:  # whose features depend on the rows before: the worst that a network can do
        name: str = "company"

        def __call__(self, rows: Structures) -> Seen:
            return np.arange(len(rows), dtype=np.float32)[:, None], np.ones(len(rows), dtype=bool)

    order = np.random.default_rng(1).permutation(len(ROWS))
    here, there = Pool.of(ROWS).seen(Company())[0], Pool.of(ROWS.take(order)).seen(Company())[0]
    np.testing.assert_array_equal(here[order], there)


def test_other_rows_on_a_later_pass_are_an_error() -> None:
    passes = iter([[ROWS], [ROWS.slice(1)]])
    pool = Pool(read=lambda: next(passes))
    assert len(pool) == 8
    with pytest.raises(ValueError, match="7 rows came where 8 were read before; expected the same rows"):
        pool.seen("distances")


def test_a_pool_may_be_empty() -> None:
    vectors, there = Pool(read=tuple).seen("distances")
    assert (vectors.shape, there.shape) == ((0, 237), (0,))

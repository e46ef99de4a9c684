"""A function applied chunk by chunk: in order, each item once, and the same in several processes."""

from __future__ import annotations

from itertools import accumulate

import pytest

from molaug.generators.learned import processes
from molaug.generators.learned.processes import CHUNK, mapping


@pytest.mark.parametrize("n", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 5])
def test_items_come_back_in_their_order(n: int) -> None:
    with mapping(1) as mapped:
        assert list(mapped(lambda chunk: [item + 1 for item in chunk], range(n))) == list(range(1, n + 1))


def test_chunks_are_no_larger_than_they_may_be_and_hold_each_item_once() -> None:
    seen: list[list[int]] = []

    def kept(chunk: list[int]) -> list[int]:
        seen.append(chunk)
        return chunk

    with mapping(1) as mapped:
        list(mapped(kept, range(2 * CHUNK + 1)))
    assert [len(chunk) for chunk in seen] == [CHUNK, CHUNK, 1]
    assert [item for chunk in seen for item in chunk] == list(range(2 * CHUNK + 1))


def test_results_are_made_as_they_are_asked_for() -> None:
    done: list[int] = []
    with mapping(1) as mapped:
        results = mapped(lambda chunk: [done.append(len(chunk)) or item for item in chunk], range(2 * CHUNK))
        next(results)
    assert len(done) == CHUNK


def test_several_processes_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over chunks, so that chunks that were mixed up would show."""
    monkeypatch.setattr(processes, "CHUNK", 3)
    with mapping(1) as one, mapping(2) as two:
        assert list(two(_sums, range(20))) == list(one(_sums, range(20)))
        assert list(two(_sums, [])) == []


_sums = accumulate  # of the standard library: a process of its own need not find this file

"""Streams: sizes, repeated passes, bounded memory, and an audit that accounts for every row."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molaug.structures import Structures
from molaug.structures.datasets import Audit, Card, open_dataset, write_dataset
from molaug.structures.datasets.dataset import rebatch

G2 = open_dataset("g2").read()


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 50))
def test_rebatching_keeps_rows_and_order(sizes, size):
    cuts = np.cumsum([0, *sizes]).clip(0, len(G2))
    pieces = [G2.slice(int(a), int(b)) for a, b in pairwise(cuts)]
    batches = list(rebatch(pieces, size))
    assert [len(batch) for batch in batches[:-1]] == [size] * max(0, len(batches) - 1)
    assert [key for batch in batches for key in batch.ids] == G2.ids[: int(cuts[-1])]


def test_each_pass_begins_anew():
    dataset = open_dataset("g2")
    first = [batch.ids for batch in dataset.batches(100)]
    second = [batch.ids for batch in dataset.batches(100)]
    assert first == second
    assert dataset.audit.rows_read == dataset.audit.rows_kept == 162


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(ValueError, match="expected at least 1"):
        next(open_dataset("g2").batches(0))


def test_streaming_many_shards_holds_one_batch(tmp_path):
    """Twenty times the rows need no more memory."""
    rng = np.random.default_rng(0)
    block = Structures.from_arrays([np.full(20, 6)] * 2000, list(rng.normal(size=(2000, 20, 3))))
    peaks = []
    for shards in (2, 40):
        folder = tmp_path / str(shards)
        write_dataset((block for _ in range(shards)), folder, Card(name="many"), shard_size=2000)
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        held = []
        for batch in open_dataset(folder).batches(500):
            held.append(pa.total_allocated_bytes() - before + tracemalloc.get_traced_memory()[0])
            assert len(batch) == 500
        tracemalloc.stop()
        assert len(held) == shards * 4
        peaks.append(max(held))
    assert peaks[1] < 1.5 * peaks[0] + 1_000_000
    assert peaks[1] < 40 * block.table.nbytes / 4


def test_the_audit_counts_names_and_prints():
    audit = Audit(source="demo")
    audit.rows_read = 5
    audit.keep(2)
    for name in ("a", "b"):
        audit.drop(name, "duplicate")
    audit.drop("c", "unreadable")
    audit.note("d", "stretched")
    assert audit.n_dropped == 3
    assert audit.table()[2:] == [("dropped", "duplicate", 2), ("dropped", "unreadable", 1), ("noted", "stretched", 1)]
    assert "duplicate (a, b)" in str(audit)
    audit.clear()
    assert audit == Audit(source="demo")

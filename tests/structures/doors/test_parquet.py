"""Parquet: everything comes back, equal rows give equal bytes, a file that exists is whole."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molaug.structures import Structures
from molaug.structures.datasets import open_dataset
from molaug.structures.doors.parquet import from_parquet, iter_parquet, parquet_files, to_parquet
from molaug.structures.schema import VERSION_KEY

G2 = open_dataset("g2").read()


@given(st.integers(0, 162), st.integers(0, 162))
def test_the_round_trip_loses_nothing(tmp_path_factory, start, stop):
    batch = G2.slice(start, stop).with_columns({"score": 0.5, "energy": -1.0, "level": "x"})
    path = to_parquet(batch, tmp_path_factory.mktemp("p") / "a.parquet")
    assert from_parquet(path).table.to_pylist() == batch.table.to_pylist()


def test_bytes_depend_on_the_rows_alone(tmp_path):
    pieces = Structures.concat([G2.slice(0, 60), G2.slice(60)])
    a = to_parquet(G2, tmp_path / "a.parquet").read_bytes()
    b = to_parquet(pieces, tmp_path / "b.parquet").read_bytes()
    c = to_parquet(Structures.concat([G2, G2]).slice(162), tmp_path / "c.parquet").read_bytes()
    assert a == b == c


def test_streams_in_the_order_of_the_files(tmp_path):
    to_parquet(G2.slice(0, 100), tmp_path / "shards/part-0.parquet")
    to_parquet(G2.slice(100), tmp_path / "shards/part-1.parquet")
    batches = list(iter_parquet(tmp_path, size=30))
    assert max(len(batch) for batch in batches) == 30
    assert [key for batch in batches for key in batch.ids] == G2.ids == from_parquet(tmp_path).ids


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError("No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        to_parquet(G2, tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_foreign_and_later_files_are_refused(tmp_path):
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "foreign.parquet")
    with pytest.raises(ValueError, match=r"foreign\.parquet carries no molaug schema version"):
        from_parquet(tmp_path / "foreign.parquet")
    later = G2.table.replace_schema_metadata({VERSION_KEY: b"99"})
    pq.write_table(later, tmp_path / "later.parquet")
    for read in (from_parquet, lambda path: list(iter_parquet(path))):
        with pytest.raises(ValueError, match=r"written under schema 99.*Upgrade molaug"):
            read(tmp_path / "later.parquet")


def test_a_folder_without_parquet_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a Parquet file or a folder"):
        parquet_files(tmp_path)

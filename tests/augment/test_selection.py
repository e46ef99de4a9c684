"""Features of shards: what is computed here is what a worker would compute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from molaug.selection import described
from molaug.structures import Structures


@dataclass(frozen=True, kw_only=True)
class Threads:
    """The largest number of threads of any library, in place of features."""

    name: str = "threads"

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        most = max(library["num_threads"] for library in threadpool_info())
        return np.full((len(rows), 1), most, dtype=np.float32), np.ones(len(rows), dtype=bool)


def test_features_of_a_shard_are_computed_by_one_thread_as_in_a_worker(tmp_path: Path) -> None:
    """Products of matrices round otherwise with more threads: one worker would then choose other rows than four."""
    rows = Structures.from_arrays([[2], [10]], None, smiles=["[He]", "[Ne]"])
    with threadpool_limits(2):
        assert Threads()(rows)[0].max() == 2
        seen = described(rows.to_parquet(tmp_path / "rows.parquet"), Threads())
    assert seen.seen[0].tolist() == [[1.0], [1.0]]

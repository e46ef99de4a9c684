"""The stage of a run that ranks the survivors and takes what the budget allows; only features are held in memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from molaug.emission import REJECTED_SHARD
from molaug.filters.features import Features, Seen
from molaug.filters.pool import Pool, joined, taken
from molaug.filters.selection import Random, Stratified
from molaug.plan import Plan
from molaug.progress import Progress
from molaug.runs import Unit, make
from molaug.shards import place_in_run, read_record, read_shards, write_record, write_shard
from molaug.structures import Structures
from molaug.structures.datasets.dataset import rebatch
from molaug.structures.doors.seal import write_sealed

#: Survivors in a shard; their features are computed shard by shard, by any process.
_SHARD = 4096


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Ranks what passed all filters.

    Parameters
    ----------
    plan
        What is to be done.
    folder
        Of this stage.
    executor
        Where features are computed; None for this process.
    progress
        Told how far it is.
    """

    plan: Plan
    folder: Path
    executor: Executor | None
    progress: Progress

    def make(self, base: Sequence[Path], compared: Sequence[Path]) -> tuple[Path, Path]:
        """Rank the survivors, unless that is done.

        Parameters
        ----------
        base
            The shards of the base.
        compared
            Judged shards.

        Returns
        -------
        ranked : Path
            The rows selected, in order of rank.
        left : Path
            All rows that are not selected, with their reasons, as a folder of shards.
        """
        plan = self.plan
        ranked, left, done = (self.folder / name for name in ("ranked.parquet", "left", "done.json"))
        if done.exists():
            return ranked, left
        shards = self._survivors(base, compared)
        pool = Pool(read=partial(read_shards, shards), see=partial(self._seen, "survivors", shards))
        known = Pool(read=partial(read_shards, base), see=partial(self._seen, "base", base))
        if plan.budget is None:  # nothing is left out: no one needs to know what is worth most
            order = Stratified(within=Random()).select(pool, len(pool), base=known, seed=plan.seed)
        else:
            order = plan.select.select(pool, plan.budget, base=known, seed=plan.seed)
        with self.progress.stage("select", total=1) as advance:
            rows = taken(read_shards(shards), order)
            write_shard(rows.with_columns({"rank": np.arange(len(order))}), ranked)
            chosen = set(rows.ids)
            budget = len(pool) if plan.budget is None else plan.budget
            reason = f"selection: not among the {len(order)} that the budget of {budget} allows"
            for number, batch in enumerate(rebatch(distinct(base, compared), REJECTED_SHARD)):
                rest = batch.filter(np.array([key not in chosen for key in batch.ids], dtype=bool) | ~batch.alive)
                write_shard(rest.reject([reason] * len(rest)), left / f"part-{number:05d}.parquet")
            write_record(done, {"survivors": len(pool), "selected": len(order)})
            advance()
        for name in ("survivors", "features"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return ranked, left

    def _survivors(self, base: Sequence[Path], compared: Sequence[Path]) -> list[Path]:
        """Write the rows that are alive into shards of their own."""
        folder, done = self.folder / "survivors", self.folder / "survivors" / "written.json"
        if not done.exists():
            number = 0
            for rows in rebatch((rows.filter(rows.alive) for rows in distinct(base, compared)), _SHARD):
                write_shard(rows, folder / f"part-{number:05d}.parquet")
                number += 1
            write_record(done, {"shards": number})
        count = read_record(done)["shards"]
        return [folder / f"part-{k:05d}.parquet" for k in range(count)]

    def _seen(self, name: str, shards: Sequence[Path], features: Features) -> Seen:
        """Compute features of all rows of shards, each shard where there is a process for it."""
        told = blake2b(repr(features).encode(), digest_size=4).hexdigest()
        folder = self.folder / "features" / f"{features.name}-{told}" / name
        units = [Unit(path=folder / shard.name, function=described, arguments=(shard, features)) for shard in shards]
        paths = make(units, self.executor, self.progress, features.name)
        return joined([features(Structures.empty()), *map(_read, paths)])


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Vectors:
    """Features of one shard.

    Parameters
    ----------
    seen
        Vectors, shape (n, d), and whether there is one of each row, shape (n,).
    """

    seen: Seen

    def to_parquet(self, path: Path) -> Path:
        """Write them under a temporary name and rename the file into place.

        Parameters
        ----------
        path
            The file; its folder is made if it is missing.

        Returns
        -------
        Path
            The file.
        """
        vectors, there = self.seen
        flat = pa.array(vectors.reshape(-1), pa.float32())
        column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        table = pa.table({"vector": column, "there": there})
        write_sealed(table, temporary, place=place_in_run(path), compression="snappy")
        temporary.replace(path)
        return path


def described(shard: Path, features: Features) -> Vectors:
    """Compute the features of a shard.

    Parameters
    ----------
    shard
        A Parquet file of rows.
    features
        What to see in them.

    Returns
    -------
    Vectors
        Of all its rows.
    """
    with threadpool_limits(1):  # more threads round otherwise, and a worker has one
        return Vectors(seen=features(Structures.from_parquet(shard)))


def distinct(base: Sequence[Path], compared: Sequence[Path]) -> Iterator[Structures]:
    """Read judged shards; ids stay unique in a dataset even where no filter looks for copies.

    Parameters
    ----------
    base
        The shards of the base.
    compared
        Judged shards.

    Yields
    ------
    Structures
        One batch for each judged shard; what is there already is rejected.
    """
    seen = {key for rows in read_shards(base) for key in rows.ids}
    for rows in read_shards(compared):
        reasons: list[str | None] = []
        for key, alive in zip(rows.ids, rows.alive.tolist(), strict=True):
            reasons.append("selection: an exact copy of an earlier row" if alive and key in seen else None)
            if alive:
                seen.add(key)
        yield rows.reject(reasons)


def _read(path: Path) -> Seen:
    table = pq.read_table(path).combine_chunks()
    column = table.column("vector").combine_chunks()
    there = np.asarray(table.column("there"), dtype=bool)
    return np.asarray(column.values, dtype=np.float32).reshape(len(there), -1), there

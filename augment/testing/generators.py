"""The contract of generators."""

from __future__ import annotations

import os
import pickle
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import get_args

import numpy as np

from molaug.generators.generator import Generator, Kind
from molaug.structures import Structures
from molaug.structures.chemistry import spin_reason
from molaug.structures.hashing import content_key
from molaug.testing.clauses import configuration, one_atom, pickled, require, same

#: Runs shorter than this, in s, are too short to tell a stream from a list.
_SHORTEST = 0.02


def check_generator(
    generator: Generator, parents: Structures, *, n: int = 4, seed: int = 0, processes: int = 2
) -> None:
    """Check that a generator keeps the contract of :class:`molaug.generators.generator.Generator`.

    An AssertionError names the clause that does not hold.

    Parameters
    ----------
    generator
        What to check; it must be importable where ``processes`` are started.
    parents
        A few typical parents, at least two that are alive, each of which allows a row or more.
    n
        Rows to ask of each.
    seed
        Seed to ask with.
    processes
        Fresh processes in which the rows are made again; 0 leaves this clause out.

    Raises
    ------
    ValueError
        If the parents are too few to tell.
    """
    if int(parents.alive.sum()) < 2 or n < 2:
        raise ValueError(f"{int(parents.alive.sum())} parents alive and n={n}; expected at least 2 and 2")
    configuration(generator, Generator)
    require(generator.kind in get_args(Kind), "configuration", f"kind is {generator.kind!r}; not {get_args(Kind)}")
    given = parents if generator.needs_parents else Structures.empty()
    whole = _determinism(generator, given, n, seed)
    _provenance(generator, given, whole, n)
    _content(whole)
    _slices(generator, given, whole, n, seed)
    if generator.needs_parents:
        _independence(generator, given, whole, n, seed)
        _edges(generator, given, n, seed)
        _streaming(generator, given, n, seed)
    _interruption(generator, given, whole, n, seed)
    if processes:
        _processes(generator, given, whole, n, seed, processes)


def _determinism(generator: Generator, parents: Structures, n: int, seed: int) -> Structures:
    states = _global_random_states()
    whole = _run(generator, parents, n, seed)
    require(
        _global_random_states() == states,
        "determinism",
        "the global random state was used; expected molaug.structures.hashing.stream",
    )
    again = _run(pickled(generator), parents, n, seed)
    same(again, whole, "determinism", "the same call gave other rows")
    return whole


def _provenance(generator: Generator, parents: Structures, whole: Structures, n: int) -> None:
    by_id = {parent.id: parent for parent in parents if parent.reason is None}
    counts = dict.fromkeys(by_id, 0)
    for k, row in enumerate(whole):
        require(row.origin == generator.name, "provenance", f"row {k}: origin {row.origin!r}, not {generator.name!r}")
        require(row.seed is not None and row.seed >= 0, "provenance", f"row {k}: seed {row.seed}; expected an integer")
        if not generator.needs_parents:
            continue
        parent = by_id.get(row.parent or "")
        if parent is None:
            raise AssertionError(f"provenance: row {k}: parent {row.parent!r} is none of the parents that are alive")
        counts[parent.id] += 1
        if generator.kind == "geometries":
            kept = sorted(row.numbers) == sorted(parent.numbers) and row.charge == parent.charge
            broken = row.extra.get("intact") is False  # on purpose: then it has no SMILES, or its own
            kept = kept and row.multiplicity == parent.multiplicity
            kept = kept and (broken or parent.smiles in (None, row.smiles))
            require(kept, "provenance", f"row {k}: atoms, charge, multiplicity or SMILES are not the parent's")
    for parent_id, count in counts.items():
        require(count <= n, "provenance", f"{count} rows of parent {parent_id}; {n} were asked for")
        require(count > 0, "provenance", f"no row of parent {parent_id}; expected a rejected one with the reason")


def _content(whole: Structures) -> None:
    for k, row in enumerate(whole):
        finite = row.positions is None or bool(np.isfinite(row.positions).all())
        require(finite, "content", f"row {k}: positions are not finite; a row that failed so has none")
        key = content_key(row.numbers, row.positions, row.charge, row.multiplicity, row.smiles)
        require(row.id == key, "content", f"row {k}: the id is not the key of the row's content")
        if row.reason is not None:
            require(row.reason.strip(), "content", f"row {k}: rejected without words")
            continue
        something = row.positions is not None or row.smiles is not None
        require(something, "content", f"row {k}: alive with neither geometry nor SMILES")
        reason = spin_reason(row.numbers, row.charge, row.multiplicity)
        require(reason is None, "content", f"row {k}: alive, but {reason}")


def _slices(generator: Generator, parents: Structures, whole: Structures, n: int, seed: int) -> None:
    require(len(_run(generator, parents, 0, seed)) == 0, "slices", "n=0 gave rows")
    for cut in sorted({1, n // 2, n - 1}):
        head = _run(generator, parents, cut, seed)
        tail = _run(generator, parents, n - cut, seed, start=cut)
        for parent in dict.fromkeys(whole.column("parent")):
            joined = Structures.concat([_of(head, parent), _of(tail, parent)])
            text = f"rows 0 to {cut} and {cut} to {n} are not rows 0 to {n}"
            same(joined, _of(whole, parent), "slices", text)


def _independence(generator: Generator, parents: Structures, whole: Structures, n: int, seed: int) -> None:
    backwards = _run(generator, parents.take(np.arange(len(parents))[::-1]), n, seed)
    halves = [_run(generator, half, n, seed) for half in parents.batches(max(1, len(parents) // 2))]
    same(Structures.concat(halves), whole, "independence", "parents in two batches gave other rows")
    for k, parent in enumerate(parents.ids):
        rows = _of(whole, parent)
        same(_run(generator, parents.slice(k, k + 1), n, seed), rows, "independence", f"parent {k} alone differs")
        same(_of(backwards, parent), rows, "independence", f"parents in reverse order changed those of parent {k}")


def _edges(generator: Generator, parents: Structures, n: int, seed: int) -> None:
    require(len(_run(generator, Structures.empty(), n, seed)) == 0, "edges", "no parents gave rows")
    dead = parents.reject(["test: rejected"] * len(parents))
    require(len(_run(generator, dead, n, seed)) == 0, "edges", "parents that are rejected gave rows")
    for what, odd in (("one atom", one_atom()), ("a hopeless parent", _hopeless())):
        for k in range(len(odd)):
            try:
                rows = _run(generator, odd.slice(k, k + 1), n, seed)
            except Exception as error:
                raise AssertionError(f"edges: {what} ({odd[k].smiles}) raised {error!r}; expected a row") from error
            require(len(rows) > 0, "edges", f"{what} ({odd[k].smiles}) gave no row; expected one with its reason")
            _content(rows)
            dead_end = what == "one atom" or not rows.alive.any()
            require(dead_end, "edges", f"{what} ({odd[k].smiles}) gave rows that are alive")


def _streaming(generator: Generator, parents: Structures, n: int, seed: int) -> None:
    alive = parents.filter(parents.alive)
    many = alive.take(np.arange(max(16, len(alive))) % len(alive))
    for _ in range(2):  # the first run fills caches
        begin = time.perf_counter()
        iterator = generator.propose(many, n, seed)
        require(isinstance(iterator, Iterator), "streaming", f"propose gave a {type(iterator).__name__}; no iterator")
        batches = [next(iterator)]
        first = time.perf_counter() - begin
        batches += iterator
        total = time.perf_counter() - begin
    owners = [sorted(set(batch.column("parent"))) for batch in batches if len(batch)]
    require(all(len(owner) == 1 for owner in owners), "streaming", "a batch holds rows of several parents")
    order = [owner[0] for k, owner in enumerate(owners) if k == 0 or owner != owners[k - 1]]
    expected = [key for k, key in enumerate(many.ids) if k == 0 or key != many.ids[k - 1]]
    require(order == expected, "streaming", "batches are not in the order of the parents")
    late = first > 0.75 * total and total > _SHORTEST
    require(not late, "streaming", f"the first of {len(batches)} batches came after {first:.3f} of {total:.3f} s")


def _interruption(generator: Generator, parents: Structures, whole: Structures, n: int, seed: int) -> None:
    before = set(threading.enumerate()), set(active_children()), _open_files()
    with _empty_folder() as folder:
        iterator = generator.propose(parents, n, seed)
        next(iterator)
        if hasattr(iterator, "close"):
            iterator.close()
        del iterator
        left = sorted(path.name for path in folder.rglob("*") if path.is_file())
    require(not left, "interruption", f"files were left behind: {', '.join(left)}")
    threads = set(threading.enumerate()) - before[0]
    require(not threads, "interruption", f"threads were left behind: {sorted(t.name for t in threads)}")
    children = set(active_children()) - before[1]
    require(not children, "interruption", f"processes were left behind: {sorted(c.name for c in children)}")
    require(_open_files() <= before[2], "interruption", "files were left open")
    same(_run(generator, parents, n, seed), whole, "interruption", "after an interrupted run rows differ")


def _processes(generator: Generator, parents: Structures, whole: Structures, n: int, seed: int, processes: int) -> None:
    # fresh interpreters have their own order of sets and dictionaries keyed by hash; forked ones would not show it
    shares = list(parents.batches(max(1, -(-len(parents) // processes)))) or [parents]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_run, generator, share, n, seed) for share in shares]
        rows = Structures.concat(future.result() for future in futures)
    same(rows, whole, "processes", "rows made in other processes differ")


def _run(generator: Generator, parents: Structures, n: int, seed: int, start: int = 0) -> Structures:
    return Structures.concat(generator.propose(parents, n, seed, start=start))


def _of(rows: Structures, parent: str | None) -> Structures:
    return rows.filter(np.array([key == parent for key in rows.column("parent")], dtype=bool))


def _hopeless() -> Structures:
    return Structures.from_arrays([[6, 1, 1, 1, 1], [8, 1, 1]], None, smiles=["this is no molecule", None])


def _global_random_states() -> tuple[object, bytes]:
    return random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002 - looked at, not drawn from


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


@contextmanager
def _empty_folder() -> Iterator[Path]:
    """Make an empty folder the place of temporary files and the working directory."""
    here, temporary = Path.cwd(), tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(here)
            tempfile.tempdir = temporary

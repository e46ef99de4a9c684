"""Contracts of generators, filters and labellers, for the parts of molaug and for anyone's own.

Each function runs a part through every clause of its protocol and raises :class:`AssertionError`, naming the clause,
what was found and in which row.

Examples
--------
>>> from molaug.generators.conformers import Conformers
>>> from rdkit import Chem
>>> alkanes = Structures.concat(Structures.from_rdkit(Chem.MolFromSmiles(s)) for s in ("CC", "CCC"))
>>> check_generator(Conformers(), alkanes, n=3, processes=0)
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import random
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from scipy.spatial.transform import Rotation

from molaug.filters.filter import Filter, Verdicts
from molaug.generators.generator import Generator, Kind
from molaug.labels import Labeller, label
from molaug.structures import Structures
from molaug.structures.chemistry import spin_reason
from molaug.structures.hashing import content_key, stream

#: What the verdicts of a filter may be asked not to depend on.
Invariance = Literal["motion", "permutation"]

#: Scores may differ by so much between copies of one structure that are moved or renumbered, or judged alone: the last
#: digits of a network depend on what it works on at the same time.
SCORE_TOLERANCE = 1e-6

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
    _configuration(generator, Generator)
    _require(generator.kind in get_args(Kind), "configuration", f"kind is {generator.kind!r}; not {get_args(Kind)}")
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


def check_filter(
    judge: Filter,
    base: Structures,
    candidates: Structures,
    *,
    invariant_to: Iterable[Invariance] = ("motion", "permutation"),
) -> None:
    """Check that a filter keeps the contract of :class:`molaug.filters.filter.Filter`.

    An AssertionError names the clause that does not hold.

    Parameters
    ----------
    judge
        What to check.
    base
        The database that it is bound to.
    candidates
        At least two typical rows, alive and with geometry.
    invariant_to
        ``"motion"`` (rotation and translation) and ``"permutation"`` (another order of the atoms).

    Raises
    ------
    ValueError
        If there are too few candidates to tell, or some are rejected already.
    """
    if len(candidates) < 2 or not candidates.alive.all():
        raise ValueError(f"{candidates}; expected at least two rows, all alive")
    _configuration(judge, Filter)
    bound = judge.bound([base])
    verdicts = bound.judge(candidates)
    _judged(verdicts, candidates)
    _same_verdicts(bound.judge(candidates), verdicts, "purity", "judged again, rows had other verdicts")
    again = _pickled(judge).bound(iter([base]))
    _same_verdicts(again.judge(candidates), verdicts, "pickling", "a pickled copy gave other verdicts")
    _judged(bound.judge(candidates.slice(0, 0)), candidates.slice(0, 0))
    odd = _one_atom()
    _judged(bound.judge(odd), odd)
    if judge.stateless:
        alone = [judge.bound([]).judge(candidates.slice(k, k + 1)) for k in range(len(candidates))]
        text = "judged alone and without a base, rows differed"
        _same_verdicts(_joined(alone), verdicts, "statelessness", text, SCORE_TOLERANCE)
    for kind in invariant_to:
        copy = _moved(candidates) if kind == "motion" else _permuted(candidates)
        found = judge.bound([base]).judge(copy)
        _same_verdicts(found, verdicts, f"invariance to {kind}", "a copy was judged otherwise", SCORE_TOLERANCE)


def check_labeller(
    labeller: Labeller, structures: Structures, *, tolerance: float = 1e-4, step: float = 1e-3, seed: int = 0
) -> None:
    """Check that labels are functions of the structure alone, and forces the derivatives of the energy.

    An AssertionError names the clause that does not hold. Each structure is computed eight times.

    Parameters
    ----------
    labeller
        What to check; it must give forces.
    structures
        A few typical rows with geometry, away from the minimum.
    tolerance
        Largest error in eV of an energy and in eV/Å of a force. The grids of density functionals, which do not turn
        with the molecule, need more than the default.
    step
        Displacement in Å of the finite differences.
    seed
        Of the motions and displacements.

    Raises
    ------
    ValueError
        If there are no rows with geometry.
    """
    rows = structures.filter(structures.has_geometry & structures.alive)
    if not len(rows):
        raise ValueError(f"{structures}; expected rows with geometry")
    _require(isinstance(labeller.level, str) and labeller.level, "configuration", f"the level is {labeller.level!r}")
    energy, forces = _labels(labeller, rows, "labels")
    again = _labels(_pickled(labeller), rows.take(np.arange(len(rows))[::-1]), "determinism")
    same = np.array_equal(again[0][::-1], energy)
    same = same and all(np.array_equal(a, b) for a, b in zip(again[1][::-1], forces, strict=True))
    _require(same, "determinism", "a copy gave other labels to the same rows in reverse order")
    rng = stream(seed, "molaug.testing", "labeller")
    turn = Rotation.from_quat(rng.normal(size=4)).as_matrix()
    xs = [np.array(row.positions) for row in rows]
    orders = [rng.permutation(len(x)) for x in xs]
    as_given = [np.arange(len(x)) for x in xs]
    for clause, matrix, shift, order in (
        ("invariance to motion", turn, rng.normal(size=3), as_given),
        ("invariance to permutation", np.eye(3), np.zeros(3), orders),
    ):
        copies = _with_atoms(
            rows,
            [row.numbers[o] for row, o in zip(rows, order, strict=True)],
            [(x @ matrix.T + shift)[o] for x, o in zip(xs, order, strict=True)],
        )
        energies, others = _labels(labeller, copies, clause)
        for k, (there, f, o) in enumerate(zip(others, forces, order, strict=True)):
            error = max(abs(float(energies[k] - energy[k])), float(np.abs(there - (f @ matrix.T)[o]).max()))
            _require(error <= tolerance, clause, f"row {k}: energy or a force is off by {error:.2g}")
    for _ in range(2):  # along two directions of all atoms together
        vs = [(v := rng.normal(size=x.shape)) / np.linalg.norm(v) for x in xs]
        numbers = [row.numbers for row in rows]
        up, down = (
            _labels(labeller, _with_atoms(rows, numbers, [x + h * v for x, v in zip(xs, vs, strict=True)]), "forces")[0]
            for h in (step, -step)
        )
        for k, (slope, f, v) in enumerate(zip((up - down) / (2 * step), forces, vs, strict=True)):
            error = abs(float(slope + (f * v).sum()))
            _require(error <= tolerance, "forces", f"row {k}: they are off the finite difference by {error:.2g} eV/Å")
    bad = Structures.from_arrays([[1, 1]] * 2, [None, np.zeros((2, 3))], smiles=["[H][H]"] * 2)
    for k, row in enumerate(label(bad, labeller)):
        told = row.reason is not None and row.energy is None and row.forces is None and row.level is None
        finite = k > 0 and row.energy is not None and np.isfinite(row.energy)
        what = "atoms in one place" if k else "a bare graph"
        _require(told or finite, "failures", f"{what} gave energy {row.energy}, reason {row.reason!r}")


def _labels(labeller: Labeller, rows: Structures, clause: str) -> tuple[Any, list[Any]]:
    labelled = label(rows.with_columns({"energy": None, "forces": None, "level": None}), labeller)
    for k, row in enumerate(labelled):
        _require(row.reason is None, clause, f"row {k} was rejected: {row.reason}")
        _require(row.forces is not None, clause, f"row {k} has no forces")
    return labelled.array("energy"), [row.forces for row in labelled]


# ---------------------------------------------------------------------- clauses of generators


def _configuration(part: Any, protocol: type) -> None:
    kind = type(part).__name__
    _require(isinstance(part, protocol), "configuration", f"{kind} lacks members of {protocol.__name__}")
    _require(isinstance(part.name, str) and part.name, "configuration", f"the name is {part.name!r}; expected a text")
    _require(dataclasses.is_dataclass(part) and _frozen(part), "configuration", f"{kind} is no frozen dataclass")
    _require(
        all(field.kw_only for field in dataclasses.fields(part) if field.init),
        "configuration",
        f"{kind} takes positional parameters; expected keyword-only fields",
    )
    copy = _pickled(part)
    _require(copy == part, "configuration", f"{kind} does not equal its pickled copy")


def _determinism(generator: Generator, parents: Structures, n: int, seed: int) -> Structures:
    states = _global_random_states()
    whole = _run(generator, parents, n, seed)
    _require(
        _global_random_states() == states,
        "determinism",
        "the global random state was used; expected molaug.structures.hashing.stream",
    )
    again = _run(_pickled(generator), parents, n, seed)
    _same(again, whole, "determinism", "the same call gave other rows")
    return whole


def _provenance(generator: Generator, parents: Structures, whole: Structures, n: int) -> None:
    by_id = {parent.id: parent for parent in parents if parent.reason is None}
    counts = dict.fromkeys(by_id, 0)
    for k, row in enumerate(whole):
        _require(row.origin == generator.name, "provenance", f"row {k}: origin {row.origin!r}, not {generator.name!r}")
        _require(row.seed is not None and row.seed >= 0, "provenance", f"row {k}: seed {row.seed}; expected an integer")
        if not generator.needs_parents:
            continue
        parent = by_id.get(row.parent or "")
        if parent is None:
            raise AssertionError(f"provenance: row {k}: parent {row.parent!r} is none of the parents that are alive")
        counts[parent.id] += 1
        if generator.kind == "geometries":
            same = sorted(row.numbers) == sorted(parent.numbers) and row.charge == parent.charge
            broken = row.extra.get("intact") is False  # on purpose: then it has no SMILES, or its own
            same = same and row.multiplicity == parent.multiplicity
            same = same and (broken or parent.smiles in (None, row.smiles))
            _require(same, "provenance", f"row {k}: atoms, charge, multiplicity or SMILES are not the parent's")
    for parent_id, count in counts.items():
        _require(count <= n, "provenance", f"{count} rows of parent {parent_id}; {n} were asked for")
        _require(count > 0, "provenance", f"no row of parent {parent_id}; expected a rejected one with the reason")


def _content(whole: Structures) -> None:
    for k, row in enumerate(whole):
        finite = row.positions is None or bool(np.isfinite(row.positions).all())
        _require(finite, "content", f"row {k}: positions are not finite; a row that failed so has none")
        key = content_key(row.numbers, row.positions, row.charge, row.multiplicity, row.smiles)
        _require(row.id == key, "content", f"row {k}: the id is not the key of the row's content")
        if row.reason is not None:
            _require(row.reason.strip(), "content", f"row {k}: rejected without words")
            continue
        something = row.positions is not None or row.smiles is not None
        _require(something, "content", f"row {k}: alive with neither geometry nor SMILES")
        reason = spin_reason(row.numbers, row.charge, row.multiplicity)
        _require(reason is None, "content", f"row {k}: alive, but {reason}")


def _slices(generator: Generator, parents: Structures, whole: Structures, n: int, seed: int) -> None:
    _require(len(_run(generator, parents, 0, seed)) == 0, "slices", "n=0 gave rows")
    for cut in sorted({1, n // 2, n - 1}):
        head = _run(generator, parents, cut, seed)
        tail = _run(generator, parents, n - cut, seed, start=cut)
        for parent in dict.fromkeys(whole.column("parent")):
            joined = Structures.concat([_of(head, parent), _of(tail, parent)])
            text = f"rows 0 to {cut} and {cut} to {n} are not rows 0 to {n}"
            _same(joined, _of(whole, parent), "slices", text)


def _independence(generator: Generator, parents: Structures, whole: Structures, n: int, seed: int) -> None:
    backwards = _run(generator, parents.take(np.arange(len(parents))[::-1]), n, seed)
    halves = [_run(generator, half, n, seed) for half in parents.batches(max(1, len(parents) // 2))]
    _same(Structures.concat(halves), whole, "independence", "parents in two batches gave other rows")
    for k, parent in enumerate(parents.ids):
        rows = _of(whole, parent)
        _same(_run(generator, parents.slice(k, k + 1), n, seed), rows, "independence", f"parent {k} alone differs")
        _same(_of(backwards, parent), rows, "independence", f"parents in reverse order changed those of parent {k}")


def _edges(generator: Generator, parents: Structures, n: int, seed: int) -> None:
    _require(len(_run(generator, Structures.empty(), n, seed)) == 0, "edges", "no parents gave rows")
    dead = parents.reject(["test: rejected"] * len(parents))
    _require(len(_run(generator, dead, n, seed)) == 0, "edges", "parents that are rejected gave rows")
    for what, odd in (("one atom", _one_atom()), ("a hopeless parent", _hopeless())):
        for k in range(len(odd)):
            try:
                rows = _run(generator, odd.slice(k, k + 1), n, seed)
            except Exception as error:
                raise AssertionError(f"edges: {what} ({odd[k].smiles}) raised {error!r}; expected a row") from error
            _require(len(rows) > 0, "edges", f"{what} ({odd[k].smiles}) gave no row; expected one with its reason")
            _content(rows)
            dead_end = what == "one atom" or not rows.alive.any()
            _require(dead_end, "edges", f"{what} ({odd[k].smiles}) gave rows that are alive")


def _streaming(generator: Generator, parents: Structures, n: int, seed: int) -> None:
    alive = parents.filter(parents.alive)
    many = alive.take(np.arange(max(16, len(alive))) % len(alive))
    for _ in range(2):  # the first run fills caches
        begin = time.perf_counter()
        iterator = generator.propose(many, n, seed)
        _require(isinstance(iterator, Iterator), "streaming", f"propose gave a {type(iterator).__name__}; no iterator")
        batches = [next(iterator)]
        first = time.perf_counter() - begin
        batches += iterator
        total = time.perf_counter() - begin
    owners = [sorted(set(batch.column("parent"))) for batch in batches if len(batch)]
    _require(all(len(owner) == 1 for owner in owners), "streaming", "a batch holds rows of several parents")
    order = [owner[0] for k, owner in enumerate(owners) if k == 0 or owner != owners[k - 1]]
    expected = [key for k, key in enumerate(many.ids) if k == 0 or key != many.ids[k - 1]]
    _require(order == expected, "streaming", "batches are not in the order of the parents")
    late = first > 0.75 * total and total > _SHORTEST
    _require(not late, "streaming", f"the first of {len(batches)} batches came after {first:.3f} of {total:.3f} s")


def _interruption(generator: Generator, parents: Structures, whole: Structures, n: int, seed: int) -> None:
    before = set(threading.enumerate()), set(active_children()), _open_files()
    with _empty_folder() as folder:
        iterator = generator.propose(parents, n, seed)
        next(iterator)
        if hasattr(iterator, "close"):
            iterator.close()
        del iterator
        left = sorted(path.name for path in folder.rglob("*") if path.is_file())
    _require(not left, "interruption", f"files were left behind: {', '.join(left)}")
    threads = set(threading.enumerate()) - before[0]
    _require(not threads, "interruption", f"threads were left behind: {sorted(t.name for t in threads)}")
    children = set(active_children()) - before[1]
    _require(not children, "interruption", f"processes were left behind: {sorted(c.name for c in children)}")
    _require(_open_files() <= before[2], "interruption", "files were left open")
    _same(_run(generator, parents, n, seed), whole, "interruption", "after an interrupted run rows differ")


def _processes(generator: Generator, parents: Structures, whole: Structures, n: int, seed: int, processes: int) -> None:
    # fresh interpreters have their own order of sets and dictionaries keyed by hash; forked ones would not show it
    shares = list(parents.batches(max(1, -(-len(parents) // processes)))) or [parents]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_run, generator, share, n, seed) for share in shares]
        rows = Structures.concat(future.result() for future in futures)
    _same(rows, whole, "processes", "rows made in other processes differ")


# ---------------------------------------------------------------------- clauses of filters


def _judged(verdicts: Verdicts, candidates: Structures) -> None:
    n = len(candidates)
    shapes = np.shape(verdicts.score), np.shape(verdicts.keep), len(verdicts.reason)
    _require(shapes == ((n,), (n,), n), "verdicts", f"shapes {shapes} for {n} rows; expected one of each a row")
    for k, (kept, reason) in enumerate(zip(verdicts.keep, verdicts.reason, strict=True)):
        _require(bool(kept) == (reason is None), "verdicts", f"row {k}: keep is {bool(kept)}, reason {reason!r}")
        _require(reason is None or bool(reason.strip()), "verdicts", f"row {k}: rejected without words")


def _same_verdicts(found: Verdicts, expected: Verdicts, clause: str, text: str, tolerance: float = 0.0) -> None:
    for k in range(len(expected.keep)):
        _require(bool(found.keep[k]) == bool(expected.keep[k]), clause, f"{text}: row {k}: {found.reason[k]}")
        close = np.isclose(found.score[k], expected.score[k], rtol=tolerance, atol=tolerance, equal_nan=True)
        _require(bool(close), clause, f"{text}: row {k}: score {found.score[k]}, not {expected.score[k]}")


def _joined(parts: list[Verdicts]) -> Verdicts:
    return Verdicts(
        score=np.concatenate([part.score for part in parts]),
        keep=np.concatenate([part.keep for part in parts]),
        reason=[reason for part in parts for reason in part.reason],
    )


def _moved(rows: Structures) -> Structures:
    rng = stream(0, "molaug.testing", "motion")
    turned = []
    for row in rows:
        turn, shift = Rotation.from_quat(rng.normal(size=4)).as_matrix(), rng.normal(size=3)  # of any direction alike
        x = None if row.positions is None else row.positions @ turn.T + shift  # (n_atoms, 3)
        turned.append(x)
    return _with_atoms(rows, [row.numbers for row in rows], turned)


def _permuted(rows: Structures) -> Structures:
    rng = stream(0, "molaug.testing", "permutation")
    orders = [rng.permutation(len(row.numbers)) if row.positions is not None else slice(None) for row in rows]
    numbers = [row.numbers[order] for row, order in zip(rows, orders, strict=True)]
    positions = [
        None if row.positions is None else row.positions[order] for row, order in zip(rows, orders, strict=True)
    ]
    return _with_atoms(rows, numbers, positions)


def _with_atoms(rows: Structures, numbers: list[Any], positions: list[Any]) -> Structures:
    columns = {name: rows.column(name) for name in ("charge", "multiplicity", "smiles", "origin", "parent", "energy")}
    extra = {name: rows.table.column(name) for name in rows.extra_columns}
    return Structures.from_arrays(numbers, positions, **columns, extra=extra)


# ---------------------------------------------------------------------- instruments


def _run(generator: Generator, parents: Structures, n: int, seed: int, start: int = 0) -> Structures:
    return Structures.concat(generator.propose(parents, n, seed, start=start))


def _of(rows: Structures, parent: str | None) -> Structures:
    return rows.filter(np.array([key == parent for key in rows.column("parent")], dtype=bool))


def _require(condition: object, clause: str, text: str) -> None:
    if not condition:
        raise AssertionError(f"{clause}: {text}")


def _same(found: Structures, expected: Structures, clause: str, text: str) -> None:
    """Compare all columns to the last digit; a column that one side lacks counts as null."""
    _require(len(found) == len(expected), clause, f"{text}: {len(found)} rows, not {len(expected)}")
    for name in dict.fromkeys([*expected.table.column_names, *found.table.column_names]):
        sides = [
            side.column(name) if name in side.table.column_names else [None] * len(side) for side in (found, expected)
        ]
        for k, (left, right) in enumerate(zip(*sides, strict=True)):
            if repr(left) != repr(right):  # repr is exact for floats, and equal for NaN
                raise AssertionError(f"{clause}: {text}: row {k}, {name}: {left!r:.80}, not {right!r:.80}")


def _one_atom() -> Structures:
    return Structures.from_arrays(
        [[2], [1], [2], [1]],
        [[[0.0, 0.0, 0.0]], [[1.0, 2.0, 3.0]], None, None],
        multiplicity=[1, 2, 1, 2],
        smiles=["[He]", "[H]", "[He]", "[H]"],
    )


def _hopeless() -> Structures:
    return Structures.from_arrays([[6, 1, 1, 1, 1], [8, 1, 1]], None, smiles=["this is no molecule", None])


def _frozen(part: Any) -> bool:
    try:
        part.name = part.name
    except dataclasses.FrozenInstanceError:
        return True
    return False


def _pickled(part: Any) -> Any:
    return pickle.loads(pickle.dumps(part))  # noqa: S301 - bytes of our own making


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

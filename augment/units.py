"""The work of each stage as functions of files, so that any process on any machine can do a shard of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from molaug.filters.filter import Filter, apply
from molaug.generators.conformers import Conformers
from molaug.generators.generator import Generator
from molaug.isolation import isolated
from molaug.labels import Labeller, Relaxation, label, relax
from molaug.structures import Structures
from molaug.structures.chemistry import with_smiles
from molaug.structures.gate import reasons

#: Embeddings tried for a bare graph that is to be labelled; the first that is whole is taken.
_EMBEDDINGS = 5


def perceive_shard(raw: Path) -> Structures:
    """Fill the SMILES of a shard of the base.

    Parameters
    ----------
    raw
        The shard as it was read.

    Returns
    -------
    Structures
        All rows; those that could not be perceived keep a null SMILES.
    """
    return with_smiles(Structures.from_parquet(raw))[0]


def propose_shard(
    generator: Generator,
    parents: Path | None,
    start: int,
    n: int,
    seed: int,
    filters: Sequence[Filter],
    embed: bool,
    time_limit: float | None,
    rows: tuple[int, int] | None = None,
) -> Structures:
    """Propose from a shard of parents and judge each row by itself.

    Parameters
    ----------
    generator
        What proposes.
    parents
        A shard of the base; None for a generator that needs no parents.
    start
        First row of each stream.
    n
        Rows of each stream.
    seed
        The one seed of the run.
    filters
        Stateless filters, in order.
    embed
        Whether bare graphs get a geometry.
    time_limit
        Seconds for each parent.
    rows
        First parent of the shard, and one past the last; None for all.

    Returns
    -------
    Structures
        Alive and rejected rows; a parent that hung or crashed gives a rejected one.
    """
    work = partial(_propose, generator, start, n, seed, tuple(filters), embed)
    batch = Structures.empty() if parents is None else Structures.from_parquet(parents)
    batch = batch.slice(*(rows or (0, len(batch))))
    batch = batch.filter(batch.alive)
    items = [Structures.empty()] if parents is None else list(batch.batches(1))
    made = []
    for parent, outcome in zip(items, isolated(work, items, time_limit=time_limit), strict=True):
        if outcome.value is not None:
            made.append(outcome.value)
        elif parents is None:
            # no row is known that could carry the reason
            raise RuntimeError(f"generator {generator.name} failed for rows {start} to {start + n}: {outcome.reason}")
        else:
            made.append(_lost(parent, generator.name, str(outcome.reason)))
    return Structures.concat(made)


def relax_shard(
    rows: Path, start: int, stop: int, relaxation: Relaxation, labeller: Labeller, time_limit: float | None
) -> Structures:
    """Relax some rows of a file.

    Parameters
    ----------
    rows
        The file.
    start
        First row.
    stop
        One past the last.
    relaxation
        How.
    labeller
        Whose calculator gives the forces.
    time_limit
        Seconds for each structure.

    Returns
    -------
    Structures
        As many rows.
    """
    return relax(Structures.from_parquet(rows).slice(start, stop), relaxation, labeller, time_limit=time_limit)


def label_shard(rows: Path, start: int, stop: int, labeller: Labeller, time_limit: float | None) -> Structures:
    """Label some rows of a file.

    Parameters
    ----------
    rows
        The file.
    start
        First row.
    stop
        One past the last.
    labeller
        How.
    time_limit
        Seconds for each structure.

    Returns
    -------
    Structures
        As many rows.
    """
    return label(Structures.from_parquet(rows).slice(start, stop), labeller, time_limit=time_limit)


def _propose(
    generator: Generator,
    start: int,
    n: int,
    seed: int,
    filters: tuple[Filter, ...],
    embed: bool,
    parents: Structures,
) -> Structures:
    rows = Structures.concat(generator.propose(parents, n, seed, start=start))
    rows, unperceived = with_smiles(rows)
    marks = rows.column("intact") if "intact" in rows.extra_columns else [None] * len(rows)
    rows = rows.reject(
        [
            # what was broken on purpose need not be a molecule
            None if reason is None or intact is False else f"{generator.name}: {reason}"
            for reason, intact in zip(unperceived, marks, strict=True)
        ]
    )
    # the author of a reason stands before it; a generator writes its own without
    prefix = f"{generator.name}: "
    rows = rows.with_columns(
        {"reason": [None if r is None else prefix + r.removeprefix(prefix) for r in rows.column("reason")]}
    )
    rows = rows.reject(reasons(rows, generator.name))
    if embed:
        rows = _embedded(rows, generator.name, seed)
    for judge in filters:
        rows = apply(judge.bound(()), judge.name, rows)
    return rows


def _embedded(rows: Structures, author: str, seed: int) -> Structures:
    """Give each living bare graph the first whole conformer of its own stream."""
    bare = rows.alive & ~rows.has_geometry
    if not bare.any():
        return rows
    made = []
    for row in range(len(rows)):
        graph = rows.slice(row, row + 1)
        if not bare[row]:
            made.append(graph)
            continue
        conformers = Structures.concat(Conformers().propose(graph, _EMBEDDINGS, seed))
        whole = conformers.filter(conformers.alive).slice(0, 1)
        if len(whole):
            made.append(whole.with_columns({name: graph.column(name) for name in ("origin", "parent", "seed")}))
        else:
            reason = conformers.column("reason")[0] if len(conformers) else "no conformer"
            made.append(graph.reject([f"{author}: does not embed: {reason}"]))
    return Structures.concat(made)


def _lost(parent: Structures, author: str, reason: str) -> Structures:
    row = parent.with_columns({"origin": author, "parent": parent.ids, "energy": None, "forces": None, "level": None})
    return row.reject([f"{author}: {reason}"])

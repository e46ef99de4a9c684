"""From single rows to batches: what readers of row-wise formats share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ase.data import atomic_numbers
from numpy.typing import ArrayLike, NDArray

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.dataset import CHUNK
from molaug.structures.doors.ase_info import ARROW
from molaug.structures.gate import IMPOSSIBLE, faults, kind_of, raw_faults
from molaug.structures.table import Structures

DUPLICATE = "duplicate of an earlier row"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row as a reader finds it, in the units of the record; ``name`` is what the source calls it."""

    name: str
    numbers: ArrayLike
    positions: ArrayLike | None
    charge: int = 0
    multiplicity: int | None = None
    smiles: str | None = None
    energy: float | None = None
    forces: ArrayLike | None = None
    level: str | None = None
    origin: str | None = None
    parent: str | None = None
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def assemble(
    rows: Iterable[Row],
    audit: Audit,
    *,
    origin: str,
    size: int = CHUNK,
    unique: bool = False,
    kinds: Mapping[str, str] | None = None,
) -> Iterator[Structures]:
    """Gather rows into batches; those with what no molecule has are dropped with a reason.

    Parameters
    ----------
    rows
        Any number of rows; whoever yields them counts ``rows_read``.
    audit
        Told what is kept and dropped.
    origin
        Name of the dataset.
    size
        Rows a batch.
    unique
        Drop rows whose content id occurred before.
    kinds
        Kinds of all further columns (:data:`molaug.structures.doors.ase_info.ARROW`), where they are known; it may
        grow while rows are read.

    Yields
    ------
    Structures
        The rows kept, in order.
    """
    seen: set[int] = set()
    waiting: list[Row] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == size:
            yield _batch(waiting, audit, origin, seen if unique else None, kinds)
            waiting = []
    if waiting:
        yield _batch(waiting, audit, origin, seen if unique else None, kinds)


def passed(batch: Structures, audit: Audit, names: Sequence[str]) -> Structures:
    """Return the rows of a batch that pass the gate, and account for all of them.

    Parameters
    ----------
    batch
        As read; energies and forces of NaN are taken as missing.
    audit
        Told what is kept and dropped.
    names
        What the source calls the rows.

    Returns
    -------
    Structures
        The rows kept, in order.
    """
    found = faults(batch)
    for name, fault in zip(names, found, strict=True):
        if fault is not None:
            audit.drop(name, f"{IMPOSSIBLE}: {fault}")
    missing = np.asarray(pc.fill_null(pc.is_nan(batch.table.column("energy")), False), dtype=bool)
    if missing.any():
        for k in np.flatnonzero(missing).tolist():
            audit.note(names[k], "unlabelled: an energy of NaN")
        energy = pc.if_else(pa.array(missing), None, batch.table.column("energy"))
        batch = batch.with_columns({"energy": energy})
    lost = np.asarray(pc.is_valid(batch.table.column("forces")), dtype=bool)
    lost &= (
        np.isnan(np.add.reduceat(batch.forces[:, 0], batch.offsets[:-1]))
        if batch.n_atoms.all() and len(batch)
        else False
    )
    if lost.any():  # what is left after the gate is NaN throughout
        batch = batch.with_columns({"forces": pc.if_else(pa.array(lost), None, batch.table.column("forces"))})
    if any(found):
        batch = batch.filter(np.array([fault is None for fault in found]))
    audit.keep(len(batch))
    return batch


def numbers_of(symbols: Iterable[str]) -> NDArray[np.uint8]:
    """Return the atomic numbers of symbols or of numerals.

    Parameters
    ----------
    symbols
        For instance ``["C", "H", "17"]``.

    Returns
    -------
    NDArray[np.uint8]
        Shape (n_atoms,).

    Raises
    ------
    ValueError
        If one is no element.
    """
    found = []
    for symbol in symbols:
        number = int(symbol) if symbol.isdigit() else atomic_numbers.get(symbol.capitalize(), 0)
        if not 0 < number < 119:
            raise ValueError(f"unknown element {symbol!r}")
        found.append(number)
    return np.array(found, dtype=np.uint8)


def _batch(
    rows: list[Row], audit: Audit, origin: str, seen: set[int] | None, kinds: Mapping[str, str] | None
) -> Structures:
    rows = _sound(rows, audit)
    labelled = [_number(row.energy) is not None or row.forces is not None for row in rows]
    names = dict.fromkeys(name for row in rows for name in row.extra) | dict.fromkeys(kinds or ())
    types = {name: ARROW[kind] for name, kind in (kinds or {}).items()}
    batch = Structures.from_arrays(
        [row.numbers for row in rows],
        [row.positions for row in rows],
        charge=np.array([row.charge for row in rows]),
        multiplicity=np.array([_multiplicity(row) for row in rows]),
        smiles=[row.smiles for row in rows],
        origin=[row.origin or origin for row in rows],
        parent=[row.parent for row in rows],
        seed=[row.seed for row in rows],
        energy=[_number(row.energy) for row in rows],
        forces=[_present(row.forces) for row in rows],
        level=[row.level if known else None for row, known in zip(rows, labelled, strict=True)],
        extra={name: pa.array([_number(row.extra.get(name)) for row in rows], types.get(name)) for name in names},
    )
    if seen is not None:
        fresh = np.ones(len(batch), dtype=bool)
        for k, key in enumerate(int(text, 16) for text in batch.ids):
            if key in seen:
                fresh[k] = False
                audit.drop(rows[k].name, DUPLICATE)
            seen.add(key)
        batch = batch if fresh.all() else batch.filter(fresh)
    audit.keep(len(batch))
    return batch


def _sound(rows: list[Row], audit: Audit) -> list[Row]:
    found = raw_faults(
        [row.numbers for row in rows],
        [row.positions for row in rows],
        [row.charge for row in rows],
        [row.multiplicity for row in rows],
        [row.energy for row in rows],
        [row.forces for row in rows],
    )
    # an infinite property: a number out of range, or one that its unit put there
    found = [fault or _infinite(row) for row, fault in zip(rows, found, strict=True)]
    if not any(found):
        return rows
    for row, fault in zip(rows, found, strict=True):
        if fault is not None:
            audit.drop(row.name, f"{IMPOSSIBLE}: {kind_of(fault)}")
    return [row for row, fault in zip(rows, found, strict=True) if fault is None]


def _infinite(row: Row) -> str | None:
    for name, value in row.extra.items():
        if isinstance(value, float) and math.isinf(value):
            return f"{name} that is not finite"
    return None


def _multiplicity(row: Row) -> int:
    if row.multiplicity is not None:
        return row.multiplicity
    return 1 + (int(np.sum(row.numbers, dtype=np.int64)) - row.charge) % 2


def _present(forces: ArrayLike | None) -> ArrayLike | None:
    """Return forces of NaN, which stand for missing ones, as None; the gate let none pass that are so in part."""
    return None if forces is None or np.isnan(np.asarray(forces, dtype=np.float64).flat[0]) else forces


def _number(value: Any) -> Any:
    """Return NaN, which stands for a missing label in most files, as None."""
    return None if isinstance(value, float) and np.isnan(value) else value

"""Lists of SMILES, bare or in tables."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import numpy as np
from rdkit import Chem

from molaug.structures.chemistry import canonical, parse
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.locate import existing, open_text, suffix_of
from molaug.structures.datasets.rows import Row, assemble
from molaug.structures.table import Structures

#: What a column of SMILES is called, in lower case.
_HEADERS = ("smiles", "smile", "canonical_smiles", "isomeric_smiles")

#: A record of a table over more lines than these has a quote that was not closed.
_MOST_LINES = 8


def read_smiles(
    path: str | Path, *, columns: Sequence[str] | str | None = None, unique: bool = True, name: str | None = None
) -> Dataset:
    """Read a list of SMILES as bare graphs.

    Parameters
    ----------
    path
        One SMILES a line, first word (``.smi``, ``.can``, ``.txt``), or a csv or tsv file; compressed or not. Lines
        that begin with ``#`` and a first line that names the columns are dropped with a reason.
    columns
        Of a csv file, the columns that hold SMILES; all are read, row by row. By default the one that is called
        ``smiles``.
    unique
        Drop molecules that occurred before.
    name
        Name of the dataset; by default that of the file.

    Returns
    -------
    Dataset
        Hydrogens included, no positions; lines that RDKit cannot read are dropped with a reason.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    """
    path = existing(path)
    title = name or path.name.split(".")[0]
    wanted = [columns] if isinstance(columns, str) else columns

    def stream(audit: Audit) -> Iterator[Structures]:
        yield from assemble(_graph_rows(path, wanted, audit), audit, origin=title, unique=unique)
        if audit.rows_read and not audit.rows_kept:
            raise ValueError(f"{path}: {audit.nothing()}")

    return Dataset(card=Card.of_file(title, path), stream=stream, audit=Audit(source=str(path)))


def _graph_rows(path: Path, columns: Sequence[str] | None, audit: Audit) -> Iterator[Row]:
    lines = _table(path, columns, audit) if suffix_of(path) in (".csv", ".tsv") else _list(path, audit)
    for name, text in lines:
        audit.rows_read += 1
        graph = parse(text)
        if graph is None:
            audit.drop(name, "unreadable: RDKit cannot read the SMILES")
            continue
        smiles = canonical(graph)
        again = parse(smiles)
        if again is None:
            audit.drop(name, "unreadable: no SMILES that RDKit can read again")
            continue
        whole = Chem.AddHs(again)  # atoms in the order of the canonical SMILES
        yield Row(
            name=name,
            numbers=np.array([atom.GetAtomicNum() for atom in whole.GetAtoms()], dtype=np.uint8),
            positions=None,
            charge=Chem.GetFormalCharge(whole),
            multiplicity=1 + sum(atom.GetNumRadicalElectrons() for atom in whole.GetAtoms()),
            smiles=smiles,
        )


def _list(path: Path, audit: Audit) -> Iterator[tuple[str, str]]:
    with open_text(path) as handle:
        first = True
        for number, line in enumerate(handle, 1):
            words = line.split(maxsplit=1)
            if not words:
                continue
            if words[0].startswith("#"):
                audit.rows_read += 1
                audit.drop(f"line {number}", "a comment")
                continue
            if first and words[0].lower() in _HEADERS:
                audit.rows_read += 1
                audit.drop(f"line {number}", "a line that names the columns")
            else:
                yield f"line {number}", words[0]
            if len(words) > 1:
                audit.drop_column("name", "what follows the SMILES on its line")
            first = False


def _table(path: Path, columns: Sequence[str] | None, audit: Audit) -> Iterator[tuple[str, str]]:
    with open_text(path) as handle:
        first = handle.readline()
        delimiter = _delimiter(first)
        names = next(csv.reader([first.replace("\0", "\ufffd")], delimiter=delimiter), [])
        if columns is None:
            columns = [name for name in names if name.strip().lower() in _HEADERS][:1]
        if not columns and any(parse(name.strip()) is not None for name in names if name.strip()):
            raise ValueError(
                f"{path}: no header, the first line reads {first.strip()[:80]!r}; put a line above it "
                "that names the columns, for instance smiles"
            )
        if not columns or any(column not in names for column in columns):
            raise KeyError(f"{path}: SMILES columns {columns}; pass columns=… of {', '.join(map(repr, names))}")
        for name in names:
            if name not in columns:
                audit.drop_column(name, "only the SMILES of a table are taken")
        places = [(column, names.index(column)) for column in columns]
        for label, row in _records(handle, delimiter, [at for _, at in places], audit):
            for column, at in places:
                yield f"{label} {column}", row[at] if at < len(row) else ""
            if len(row) > len(names):
                audit.note(label, "more fields than the header names: left out")


def _records(handle: TextIO, delimiter: str, places: Sequence[int], audit: Audit) -> Iterator[tuple[str, list[str]]]:
    """Yield the records of a table; a quote that is not closed costs the line that it is on, not all that follow."""
    source = enumerate(handle, 2)
    pending: deque[tuple[int, str]] = deque()
    while item := pending.popleft() if pending else next(source, None):
        if not item[1].strip():
            continue
        gathered, text = [item], item[1]
        while text.count('"') % 2 and len(gathered) < _MOST_LINES:
            more = pending.popleft() if pending else next(source, None)
            if more is None:
                break
            gathered.append(more)
            text += more[1]
        label = f"line {item[0]}"
        row = None
        if not text.count('"') % 2:
            with suppress(csv.Error):
                pieces = text.replace("\0", "\ufffd").splitlines(keepends=True)
                row = next(csv.reader(pieces, delimiter=delimiter), [])
        if row is None or any("\n" in row[at] for at in places if at < len(row)):
            audit.rows_read += 1
            audit.drop(label, "unreadable: a quote that is not closed, or no record of a table")
            pending.extendleft(reversed(gathered[1:]))
        else:
            yield label, row


def _delimiter(header: str) -> str:
    return max((",", "\t", ";"), key=header.count)

"""Lists of SMILES, bare or in tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from rdkit import Chem

from molaug.structures.chemistry import canonical, parse
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.locate import existing, open_text, suffix_of
from molaug.structures.datasets.rows import Row, assemble
from molaug.structures.table import Structures


def read_smiles(
    path: str | Path, *, columns: Sequence[str] | str | None = None, unique: bool = True, name: str | None = None
) -> Dataset:
    """Read a list of SMILES as bare graphs.

    Parameters
    ----------
    path
        One SMILES a line, first word (``.smi``, ``.can``, ``.txt``), or a csv file; compressed or not.
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
        return assemble(_graph_rows(path, wanted, audit), audit, origin=title, unique=unique)

    return Dataset(card=Card.of_file(title, path), stream=stream, audit=Audit(source=str(path)))


def _graph_rows(path: Path, columns: Sequence[str] | None, audit: Audit) -> Iterator[Row]:
    for name, text in _smiles(path, columns):
        audit.rows_read += 1
        mol = parse(text)
        if mol is None:
            audit.drop(name, "unreadable: RDKit cannot read the SMILES")
            continue
        smiles = canonical(mol)
        whole = Chem.AddHs(parse(smiles))  # atoms in the order of the canonical SMILES
        yield Row(
            name=name,
            numbers=np.array([atom.GetAtomicNum() for atom in whole.GetAtoms()], dtype=np.uint8),
            positions=None,
            charge=Chem.GetFormalCharge(whole),
            multiplicity=1 + sum(atom.GetNumRadicalElectrons() for atom in whole.GetAtoms()),
            smiles=smiles,
        )


def _smiles(path: Path, columns: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    with open_text(path) as handle:
        if suffix_of(path) not in (".csv", ".tsv"):
            for number, line in enumerate(handle, 1):
                words = line.split()
                if words:
                    yield f"line {number}", words[0]
            return
        first = handle.readline()
        table = csv.DictReader(chain([first], handle), delimiter=_delimiter(first))
        names = list(table.fieldnames or [])
        if columns is None:
            columns = [name for name in names if name.strip().lower() == "smiles"][:1]
        if not columns and any(parse(name.strip()) is not None for name in names if name.strip()):
            raise ValueError(
                f"{path}: no header, the first line reads {first.strip()!r}; put a line above it "
                "that names the columns, for instance smiles"
            )
        if not columns or any(column not in names for column in columns):
            raise KeyError(f"{path}: SMILES columns {columns}; pass columns=… of {', '.join(map(repr, names))}")
        for number, row in enumerate(table, 2):
            for column in columns:
                yield f"line {number} {column}", row[column] or ""


def _delimiter(header: str) -> str:
    return max((",", "\t", ";"), key=header.count)

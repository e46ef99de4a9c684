"""Rows that molaug wrote itself, and rows in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card
from molaug.structures.datasets.dataset import CHUNK, Dataset
from molaug.structures.datasets.locate import existing
from molaug.structures.datasets.rows import passed
from molaug.structures.doors.parquet import iter_parquet, parquet_files
from molaug.structures.hashing import sha256
from molaug.structures.table import Structures


def read_parquet(path: str | Path) -> Dataset:
    """Read Parquet written by molaug: a file, a folder of shards, or a dataset folder with its card.

    Parameters
    ----------
    path
        A file or folder.

    Returns
    -------
    Dataset
        Streamed shard by shard.

    Raises
    ------
    FileNotFoundError
        If there is no Parquet file.
    ValueError
        If a file is not that of the card's checksum, is missing or is not listed, or the card names another unit of
        energies or forces than eV and eV/Å, which the columns are in.
    """
    path = existing(path)
    files = parquet_files(path)
    card = path / "card.yaml"

    def stream(audit: Audit) -> Iterator[Structures]:
        if not found.files:
            audit.remarks.append(
                "no checksums: the card lists none" if card.is_file() else "no checksums: there is no card"
            )
        for file in files:
            if found.files:
                _compare(file, found.files[str(file.relative_to(path))])
            for batch in iter_parquet(file, CHUNK):
                audit.rows_read += len(batch)
                yield passed(batch, audit, [f"row {k}" for k in range(audit.rows_read - len(batch), audit.rows_read)])

    found = Card.from_yaml(card) if card.is_file() else Card.of_file(path.stem, path)
    for column, unit in (("energy", "eV"), ("forces", "eV/Å")):
        named = found.properties.get(column)
        if named is not None and named.unit not in (unit, unit.replace("Å", "A")):
            raise ValueError(
                f"{card}: {column} in {named.unit!r}; the columns energy and forces of molaug's Parquet are in eV and "
                "eV/Å. Convert them, or correct the card"
            )
    if found.files and path.is_dir():
        there = {str(file.relative_to(path)) for file in files}
        for name in sorted(there ^ set(found.files)):
            what = "is not listed in the card" if name in there else "is missing, though the card lists it"
            raise ValueError(f"{path / name}: {what}; the dataset is not as it was written. Put it back as it was")
    return Dataset(card=found, stream=stream, audit=Audit(source=str(path)))


def _compare(file: Path, checksum: str) -> None:
    if sha256(file) != checksum:
        raise ValueError(f"{file}: damaged: its sha256 is not that of the card. Get or make the file again")


def read_structures(structures: Structures, *, name: str = "structures") -> Dataset:
    """Hand on a batch that is in memory.

    Parameters
    ----------
    structures
        The rows.
    name
        Name of the dataset.

    Returns
    -------
    Dataset
        The same rows.
    """

    def stream(audit: Audit) -> Iterator[Structures]:
        audit.rows_read += len(structures)
        audit.keep(len(structures))
        yield structures

    levels = sorted({level for level in structures.column("level") if level is not None})
    return Dataset(card=Card(name=name, levels=levels), stream=stream, audit=Audit(source=name))

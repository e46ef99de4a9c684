"""Parquet files, written under a temporary name and then renamed, so that a file that exists is whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from molaug.structures.doors.seal import check_seal, write_sealed
from molaug.structures.schema import MEANING, SCHEMA, check_version
from molaug.structures.table import Structures


def parquet_files(path: str | Path) -> list[Path]:
    """Return the Parquet files that a path stands for.

    Parameters
    ----------
    path
        A file, or a folder whose ``*.parquet`` (or those of its folder ``shards``) are meant, by name.

    Returns
    -------
    list of Path
        At least one.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.parquet")) or sorted((path / "shards").glob("*.parquet"))
    if not files:
        raise FileNotFoundError(f"{path}: expected a Parquet file or a folder of *.parquet files")
    return files


def from_parquet(path: str | Path | Iterable[str | Path]) -> Structures:
    """Read a batch that :func:`to_parquet` wrote.

    Parameters
    ----------
    path
        A file, a folder of shards, or several of them.

    Returns
    -------
    Structures
        All rows, in the order of the files.

    Raises
    ------
    FileNotFoundError
        If a path holds no Parquet file.
    ValueError
        If a file was not written by molaug, or by a later version of it.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    return Structures.concat(_read(file) for p in paths for file in parquet_files(p))


def iter_parquet(path: str | Path, size: int = 4096) -> Iterator[Structures]:
    """Stream batches from Parquet in bounded memory.

    Parameters
    ----------
    path
        A file or a folder of shards.
    size
        Most rows a batch.

    Yields
    ------
    Structures
        Consecutive rows, in the order of the files.

    Raises
    ------
    FileNotFoundError
        If the path holds no Parquet file.
    ValueError
        If a file is damaged, or was not written by molaug, or by a later version of it.
    """
    for file in parquet_files(path):
        check_seal(file)
        try:
            with pq.ParquetFile(file) as source:
                check_version(source.schema_arrow.metadata, str(file))
                count = 0
                for batch in source.iter_batches(batch_size=size):
                    count += len(batch)
                    yield _structures(pa.Table.from_batches([batch]), file)
                groups = (source.metadata.row_group(k).num_rows for k in range(source.num_row_groups))
                if not count == source.metadata.num_rows == sum(groups):
                    raise ValueError(f"{file}: {count} rows read, but the file names {source.metadata.num_rows}")
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{file}: not a whole Parquet file: {' '.join(str(error).split())[:160]}") from error


def to_parquet(structures: Structures, path: str | Path, *, place: str = "") -> Path:
    """Write a batch; equal batches give equal bytes. The file bears a seal, so that no damage to it passes for data.

    Parameters
    ----------
    structures
        The rows.
    path
        The file; its folder is made if it is missing.
    place
        What the file is in a run, see :func:`molaug.structures.doors.seal.check_seal`.

    Returns
    -------
    Path
        The file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # one chunk whatever the batch was put together from: the bytes depend on the rows alone
        write_sealed(structures.table.combine_chunks(), temporary, place=place)
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _read(file: Path) -> Structures:
    check_seal(file)
    table = pq.read_table(file)
    check_version(table.schema.metadata, str(file))
    return _structures(table, file)


def _structures(table: pa.Table, file: Path) -> Structures:
    if len(set(table.column_names)) < len(table.column_names):
        raise ValueError(f"{file}: several columns have one name; there are {', '.join(table.column_names)}")
    for field in SCHEMA:
        if not field.nullable and field.name in table.column_names and table.column(field.name).null_count:
            raise ValueError(f"{file}: column {field.name!r} has rows without a value; expected {MEANING[field.name]}")
    try:
        return Structures(table)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error

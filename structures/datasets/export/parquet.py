"""One Parquet file, written row group by row group."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from molaug.structures.datasets.audit import Audit
from molaug.structures.schema import VERSION, VERSION_KEY
from molaug.structures.table import Structures


def write_parquet(
    batches: Iterable[Structures],
    path: Path,
    audit: Audit,
    *,
    energy_key: str = "REF_energy",
    forces_key: str = "REF_forces",
) -> None:
    """Write one Parquet file of the record's schema.

    Parameters
    ----------
    batches
        The rows; all of them must have the further columns of the first batch.
    path
        The file.
    audit
        Told.
    energy_key
        Not used: the column is ``energy``.
    forces_key
        Not used: the column is ``forces``.

    Raises
    ------
    ValueError
        If a later batch has other columns; a dataset folder holds those.
    """
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            table = batch.table
            if writer is None:
                schema = table.schema.with_metadata({VERSION_KEY: str(VERSION).encode()})
                writer = pq.ParquetWriter(path, schema, compression="zstd")
            try:
                writer.write_table(table.cast(writer.schema))
            except (pa.ArrowInvalid, ValueError) as error:
                raise ValueError(
                    f"columns change from {', '.join(writer.schema.names)} to {', '.join(table.column_names)}; "
                    "one Parquet file holds one set of columns. Export a folder instead"
                ) from error
            audit.keep(len(batch))
        if writer is None:
            pq.write_table(Structures.empty().table, path)
    finally:
        if writer is not None:
            writer.close()

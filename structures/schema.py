"""The columns of the record, their types and the version under which they are written."""

from __future__ import annotations

import pyarrow as pa

#: Raised whenever a column of the fixed part changes its name, type or meaning.
VERSION = 1

#: Key of the version in the metadata of Parquet files.
VERSION_KEY = b"molaug.schema"

#: The fixed part; further columns (scores, properties) may follow it.
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("numbers", pa.list_(pa.uint8()), nullable=False),
        pa.field("positions", pa.list_(pa.float64())),
        pa.field("charge", pa.int8(), nullable=False),
        pa.field("multiplicity", pa.uint8(), nullable=False),
        pa.field("smiles", pa.string()),
        pa.field("origin", pa.string()),
        pa.field("parent", pa.string()),
        pa.field("seed", pa.int64()),
        pa.field("energy", pa.float64()),
        pa.field("forces", pa.list_(pa.float64())),
        pa.field("level", pa.string()),
        pa.field("reason", pa.string()),
    ]
)

#: One line for each column, for error messages and documentation.
MEANING = {
    "id": "content key: blake2b of charge, multiplicity, numbers and positions",
    "numbers": "atomic numbers, hydrogens included",
    "positions": "Å, three for each atom; null for a bare molecular graph",
    "charge": "total charge in e",
    "multiplicity": "2S+1",
    "smiles": "canonical isomeric SMILES of the bond graph; null if unknown",
    "origin": "generator or dataset that made the row",
    "parent": "id of the row that it was made from",
    "seed": "random stream that it was made with",
    "energy": "eV",
    "forces": "eV/Å, three for each atom",
    "level": "level of theory of the labels; null when unlabelled",
    "reason": "why the row was rejected, and by whom; null while it is alive",
}


def conform(table: pa.Table) -> pa.Table:
    """Return the table with the fixed columns first, in order and of the right types.

    Parameters
    ----------
    table
        A table that holds at least ``numbers`` and ``id``; fixed columns that it lacks are filled with null.

    Returns
    -------
    pyarrow.Table
        The same rows; further columns follow in their order.

    Raises
    ------
    ValueError
        If a required column is missing or a column cannot be cast to its type.
    """
    current = (table.schema.metadata or {}).get(VERSION_KEY) == str(VERSION).encode()
    if current and list(table.schema)[: len(SCHEMA)] == list(SCHEMA):
        return table  # as every slice of a batch is
    columns: list[pa.ChunkedArray | pa.Array] = []
    for field in SCHEMA:
        if field.name in table.column_names:
            try:
                columns.append(table.column(field.name).cast(field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise ValueError(
                    f"column {field.name!r} has type {table.schema.field(field.name).type}; "
                    f"expected {field.type} ({MEANING[field.name]})"
                ) from error
        elif field.nullable:
            columns.append(pa.nulls(table.num_rows, field.type))
        else:
            raise ValueError(
                f"column {field.name!r} is missing; given: {', '.join(table.column_names) or 'none'}. "
                f"It holds {MEANING[field.name]}"
            )
    extra = [name for name in table.column_names if name not in SCHEMA.names]
    fields = [*SCHEMA, *(table.schema.field(name) for name in extra)]
    metadata = {**(table.schema.metadata or {}), VERSION_KEY: str(VERSION).encode()}
    return pa.table([*columns, *(table.column(name) for name in extra)], schema=pa.schema(fields, metadata=metadata))


def check_version(metadata: dict[bytes, bytes] | None, where: str) -> None:
    """Refuse files written under a schema that this version does not know.

    Parameters
    ----------
    metadata
        Schema metadata of the file.
    where
        What is named in the error.

    Raises
    ------
    ValueError
        If the file was not written by molaug, or by a later version of it.
    """
    found = (metadata or {}).get(VERSION_KEY)
    if found is None:
        raise ValueError(
            f"{where} carries no molaug schema version; expected a Parquet file written by molaug. "
            "Read other tables with their own reader and build molaug.Structures.from_arrays"
        )
    if not found.isdigit():
        raise ValueError(f"{where} names the schema version {found!r}; expected a whole number, the file is damaged")
    if int(found) > VERSION:
        raise ValueError(
            f"{where} was written under schema {int(found)}; this molaug knows up to {VERSION}. Upgrade molaug"
        )

"""A seal on a Parquet file: a checksum of all its bytes, kept in its own footer, and what the file is.

Parquet's page checksums leave out the footer and the headers of pages, and a file in another's place is whole. The
seal is written as zeros, computed over the whole file as it stands, and put in place of the zeros.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

#: Key of the seal in the footer, and of what the file is: the place of a shard in its run.
SEAL_KEY, PLACE_KEY = "molaug.seal", "molaug.place"

_LENGTH = 64
_ZEROS = b"0" * _LENGTH


class DamagedFileError(ValueError):
    """A file that is not as it was written, or stands in another's place."""


def write_sealed(table: pa.Table, path: Path, *, place: str = "", compression: str = "zstd") -> None:
    """Write a table as a sealed Parquet file; equal tables give equal bytes.

    Parameters
    ----------
    table
        The rows.
    path
        The file.
    place
        What the file is, compared by :func:`check_seal`.
    compression
        Of the pages.
    """
    with pq.ParquetWriter(path, table.schema, compression=compression) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({PLACE_KEY: place, SEAL_KEY: _ZEROS.decode()})
    raw = path.read_bytes()
    start = _place_of_seal(raw)
    with path.open("rb+") as handle:
        handle.seek(start)
        handle.write(_digest(raw, start))


def check_seal(path: Path, *, place: str | None = None) -> bool:
    """Check that a file is as it was written, and where it belongs.

    Parameters
    ----------
    path
        A Parquet file.
    place
        What it must be; None for anything.

    Returns
    -------
    bool
        False where the file bears no seal, as those of other programs and of earlier versions.

    Raises
    ------
    DamagedFileError
        If the seal is broken, or the file is another one.
    """
    raw = path.read_bytes()
    start = _place_of_seal(raw)
    if start < 0:
        return False
    if raw[start : start + _LENGTH] != _digest(raw, start):
        raise DamagedFileError(f"{path}: damaged: its bytes are not those that were written")
    if place is not None:
        found = (pq.read_metadata(pa.BufferReader(raw)).metadata or {}).get(PLACE_KEY.encode(), b"").decode()
        if found != place:
            raise DamagedFileError(
                f"{path}: not the file that belongs here: it was written as {found or 'no shard of a run'}"
            )
    return True


def _place_of_seal(raw: bytes) -> int:
    """Return where the checksum begins, or -1: behind its key and the length of a Thrift string."""
    key = raw.rfind(SEAL_KEY.encode())
    if key < 0:
        return -1
    behind = key + len(SEAL_KEY)
    # compact Thrift: a field header, then the length as one byte
    start = behind + 2
    return start if len(raw) >= start + _LENGTH and raw[start - 1] == _LENGTH else -1


def _digest(raw: bytes, start: int) -> bytes:
    state = hashlib.blake2b(raw[:start], digest_size=_LENGTH // 2)
    state.update(_ZEROS)
    state.update(raw[start + _LENGTH :])
    return state.hexdigest().encode()

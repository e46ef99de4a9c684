"""Files of a run: sealed shards, and small records that are written whole or not at all; none is trusted unread."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from molaug.registry import ConfigurationError
from molaug.structures import Structures
from molaug.structures.doors.parquet import to_parquet
from molaug.structures.doors.seal import DamagedFileError, check_seal
from molaug.structures.hashing import sha256

#: Folders of a run whose files later stages build on.
_TRUSTED = ("work", "rejected")

#: Stages each file of which is made by itself.
_SINGLE = ("propose", "compare", "relax", "label", "label-base")

#: Checksums of what a finished run hands out, in the format of ``sha256sum``; the last line is that of the lines above.
CHECKSUMS = "checksums.txt"


def read_shards(paths: Iterable[Path]) -> Iterator[Structures]:
    """Read shards, one in memory at a time.

    Parameters
    ----------
    paths
        Parquet files.

    Returns
    -------
    Iterator[Structures]
        One batch for each file.
    """
    return (Structures.from_parquet(path) for path in paths)


def write_shard(rows: Structures, path: Path) -> Path:
    """Write a shard of a run with a seal that says where it belongs.

    Parameters
    ----------
    rows
        What is in it.
    path
        The file; its folder is made if it is missing.

    Returns
    -------
    Path
        The file.
    """
    return to_parquet(rows, path, place=place_in_run(path))


def place_in_run(path: Path) -> str:
    """Return the place of a file in its run, whatever the run's folder is called.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        For instance ``work/label/part-00000.parquet``; the file's name where it is in no folder of a run.
    """
    parts = path.parts
    first = max((k for k, part in enumerate(parts) if part in _TRUSTED), default=len(parts) - 1)
    return "/".join(parts[first:])


def write_text(path: Path, text: str) -> None:
    """Write a text under a temporary name and rename it into place.

    Parameters
    ----------
    path
        The file; its folder is made if it is missing.
    text
        What it shall hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a small record as sealed JSON.

    Parameters
    ----------
    path
        The file; its folder is made if it is missing.
    record
        Plain values.
    """
    plain = json.dumps(record, indent=2)
    sealed = {"record": json.loads(plain), "seal": _seal(path, json.loads(plain))}
    write_text(path, json.dumps(sealed, indent=2))


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        As it was written.

    Raises
    ------
    DamagedFileError
        If it is not as it was written, or stands in another's place.
    """
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
        record: dict[str, Any] = sealed["record"]
        whole = sealed["seal"] == _seal(path, record)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{path}: damaged: {type(error).__name__} where a record was expected") from error
    if not whole:
        raise DamagedFileError(f"{path}: damaged: it is not as it was written, or belongs elsewhere")
    return record


def check_run(folder: Path) -> None:
    """Check all that a run would go on from, before anything is computed.

    Parameters
    ----------
    folder
        The run's folder.

    Raises
    ------
    ConfigurationError
        If a file is damaged, stands in another's place, or is not what the finished run handed out; says which.
    """
    for path in sorted(path for part in _TRUSTED for path in (folder / part).rglob("*")):
        if path.suffix in (".parquet", ".json") and not path.name.startswith("."):
            try:
                _check(path, place_in_run(path.relative_to(folder)))
            except (DamagedFileError, OSError) as error:
                stale = _stale(folder, path)
                raise ConfigurationError(f"{error}. Delete {stale} and run again: it is made anew") from error
    for line in _handed_out(folder):
        checksum, _, name = line.partition("  ")
        path = folder / name
        if path.is_file() and sha256(path) != checksum:
            stale = folder / Path(name).parts[0]
            raise ConfigurationError(f"{path}: not as it was handed out. Delete {stale} and run again: it is made anew")


def write_checksums(folder: Path) -> None:
    """Write the checksums of what a finished run hands out.

    Parameters
    ----------
    folder
        The run's folder.
    """
    files = [*folder.glob("dataset*"), *(folder / "dataset").rglob("*")]
    named = sorted(str(path.relative_to(folder)) for path in files if path.is_file())
    lines = [f"{sha256(folder / name)}  {name}" for name in named]
    text = "".join(f"{line}\n" for line in lines)
    write_text(folder / CHECKSUMS, f"{text}# {hashlib.sha256(text.encode()).hexdigest()}\n")


def _check(path: Path, place: str) -> None:
    if path.suffix == ".json":
        read_record(path)
    elif not check_seal(path, place=place):
        raise DamagedFileError(f"{path}: damaged: it bears no seal")


def _stale(folder: Path, path: Path) -> Path:
    """Return what must go where a file is damaged: itself where units make single files, else all of its stage."""
    parts = path.relative_to(folder).parts
    return path if len(parts) < 3 or parts[1] in _SINGLE else folder / parts[0] / parts[1]


def _handed_out(folder: Path) -> list[str]:
    path = folder / CHECKSUMS
    if not path.is_file():
        return []
    text, _, own = path.read_bytes().decode("utf-8", "replace").rpartition("# ")
    if own.strip() != hashlib.sha256(text.encode()).hexdigest():
        raise ConfigurationError(f"{path}: damaged. Delete it and run again: it is made anew, as the files are now")
    return text.splitlines()


def _seal(path: Path, record: Any) -> str:
    text = json.dumps([place_in_run(path), record], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

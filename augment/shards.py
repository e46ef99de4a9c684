"""Files of a run: shards read one by one, small texts written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from molaug.structures import Structures


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

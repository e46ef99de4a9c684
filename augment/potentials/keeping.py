"""Where labelled structures are kept beside a training, so that going on need not read a large dataset again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

#: Of what is read and of the layout that is written: files of another version are not found.
VERSION = 1


def kept_path(sources: Sequence[Any] | Any, about: Sequence[Any], folder: str | Path | None) -> Path | None:
    """Return the file in which what is read from some files is kept.

    Parameters
    ----------
    sources
        Paths of files or folders; they are known by path, size and time of change of each file.
    about
        What else the result depends on, JSON-able.
    folder
        Where it is kept.

    Returns
    -------
    pathlib.Path or None
        Changes when a file does; None without a folder, and where a source is not a path: nothing is kept of it.

    Examples
    --------
    >>> kept_path([object()], [], "cache") is None
    True
    """
    if folder is None:
        return None
    files: list[tuple[str, int, int]] = []
    for source in sources if isinstance(sources, list | tuple) else [sources]:
        if not isinstance(source, str | Path) or not (path := Path(source).expanduser().resolve()).exists():
            return None
        within = sorted(path.rglob("*")) if path.is_dir() else [path]
        files.extend((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in within if file.is_file())
    text = json.dumps([VERSION, list(about), files])
    return Path(folder) / f"labelled-{blake2b(text.encode(), digest_size=8).hexdigest()}.npz"

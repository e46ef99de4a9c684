"""Files on disk: found with a helpful error, opened whether compressed or not."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np

#: What NumPy raises for damaged archives of arrays.
_DAMAGE = (
    ValueError,
    OSError,
    AttributeError,
    EOFError,
    KeyError,
    SyntaxError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def existing(path: str | Path) -> Path:
    """Return a path that exists.

    Parameters
    ----------
    path
        A file or folder.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    FileNotFoundError
        If there is none; the message lists what lies there instead.
    """
    path = Path(path).expanduser()
    if path.exists():
        return path
    folder = path.parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{path}: the folder {folder} does not exist")
    names = sorted(entry.name for entry in folder.iterdir())
    near = get_close_matches(path.name, names, n=1)
    listing = ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "nothing"
    raise FileNotFoundError(
        f"{path}: no such file or folder; {folder} holds {listing}" + (f". Did you mean {near[0]}?" if near else "")
    )


def suffix_of(path: Path) -> str:
    """Return the suffix that says the format: that of ``a.smi.gz`` is ``.smi``.

    Parameters
    ----------
    path
        Any path.

    Returns
    -------
    str
        In lower case, with its dot.
    """
    name = path.name.lower()
    for packed in (".gz", ".bz2"):
        name = name.removesuffix(packed)
    return Path(name).suffix


def open_text(path: Path, errors: str = "replace") -> TextIO:
    """Open a text file, compressed by gzip or bzip2 or not, with a byte order mark or without.

    Parameters
    ----------
    path
        The file.
    errors
        What becomes of bytes that are no text; see :func:`open`.

    Returns
    -------
    TextIO
        To be closed by the caller.
    """
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix.lower())
    binary = io.BufferedReader(cast("Any", _Unpacked(path, opener)), 1 << 16) if opener else path.open("rb")
    start = binary.peek(3)[:3]
    marked = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # a damaged byte becomes a mark in the text and costs the row that it is in
    return io.TextIOWrapper(binary, encoding="utf-16" if marked else "utf-8-sig", errors=errors)


class _Unpacked(io.RawIOBase):
    """What a compressed file holds; damage is an error that names the file."""

    def __init__(self, path: Path, opener: Callable[[Path, str], Any]) -> None:
        self._path, self._inner = path, opener(path, "rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._inner.read(len(buffer))
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise ValueError(
                f"{self._path}: not a text file, or truncated or damaged ({error}); get the file again"
            ) from error
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


def read_npz(path: Path) -> dict[str, Any]:
    """Read all arrays of an npz file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict of str to NDArray
        By name.

    Raises
    ------
    ValueError
        If the file is not whole, or an array holds Python objects; the file and the array are named.
    """
    name = ""
    try:
        arrays = {}
        with np.load(path, allow_pickle=False) as source:
            for name in source.files:
                arrays[name] = source[name]
    except _DAMAGE as error:
        where = f"{path}: array {name!r}" if name else str(path)
        raise ValueError(f"{where}: not a whole npz file: {' '.join(str(error).split())[:160]}") from error
    return arrays


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays of an npz file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of str
        In the order of the file.

    Raises
    ------
    ValueError
        If the file is not whole.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a whole npz file: {error}") from error

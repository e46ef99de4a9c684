"""Where molecules to learn from come from: files, known datasets, structures and graphs in memory."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
from ase import Atoms
from numpy.typing import NDArray

from molaug.structures import Structures
from molaug.structures.chemistry import with_smiles
from molaug.structures.datasets import Dataset, open_dataset

#: Suffixes of lists of SMILES.
TEXTS = (".smi", ".smiles", ".can", ".txt", ".csv")

_Row = tuple[str | None, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What sources say of molecules, one row for each entry.

    Parameters
    ----------
    smiles
        As written in the source; None where it gives none and none could be perceived.
    values
        Shape (n, n_columns), NaN where unknown.
    known
        Names of scalar columns that some source has.
    """

    smiles: tuple[str | None, ...]
    values: NDArray[np.float64]
    known: tuple[str, ...]


def read_rows(source: Any, columns: Sequence[str] = ()) -> Rows:
    """Read SMILES and scalar columns.

    Parameters
    ----------
    source
        A list of SMILES (``.smi``, ``.csv`` with a column ``smiles``, compressed or not), a dataset by name or path,
        ``molaug.Structures``, torch-geometric data with an attribute ``smiles``, or a list of several of these.
    columns
        To be kept; a source may lack some.

    Returns
    -------
    Rows
        In the order of the sources.

    Raises
    ------
    ValueError
        If a file cannot be read, has no column ``smiles``, or a value is no number; or a column is in no source.
    FileNotFoundError
        If there is no such file or dataset.
    TypeError
        If a source is of another kind.

    Examples
    --------
    >>> from types import SimpleNamespace as Data
    >>> rows = read_rows([Data(smiles="CO", gap=9.0), Data(smiles="C=O", gap=5.5)], ["gap"])
    >>> rows.smiles, rows.values.tolist()
    (('CO', 'C=O'), [[9.0], [5.5]])
    """
    wanted = tuple(columns)
    known: dict[str, None] = {}
    rows = [row for item in sources_of(source) for row in _rows(item, wanted, known)]
    for name in wanted:
        if rows and name not in known:
            raise ValueError(f"no source has a column {name!r}; they have {', '.join(known) or 'no scalar columns'}")
    return Rows(
        smiles=tuple(smiles for smiles, _ in rows),
        values=np.array([values for _, values in rows], dtype=np.float64).reshape(len(rows), len(wanted)),
        known=tuple(known),
    )


def sources_of(source: Any) -> list[Any]:
    """Take several sources apart.

    Parameters
    ----------
    source
        One source, or a list of them.

    Returns
    -------
    list
        A list of graphs or of ``ase.Atoms`` is one source.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not isinstance(source, list | tuple):
        return [source]
    if not source:
        raise ValueError("the list of sources is empty; expected names, paths, structures or graphs to learn from")
    return [source] if _are_graphs(source) or all(isinstance(item, Atoms) for item in source) else list(source)


def _rows(source: Any, columns: tuple[str, ...], known: dict[str, None]) -> Iterable[_Row]:
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        if path.is_file() and Path(path.name.removesuffix(".gz")).suffix.lower() in TEXTS:
            return _of_text(path, columns, known)
    elif not isinstance(source, Structures | Dataset) and _are_graphs(source):
        return _of_graphs(source, columns, known)
    return _of_dataset(open_dataset(source), columns, known)


def _are_graphs(source: Any) -> bool:
    """Whether something is a sequence of torch-geometric data with SMILES; its datasets are no ``Sequence``."""
    if isinstance(source, str | Path | Structures | Dataset) or not hasattr(source, "__getitem__"):
        return False
    return len(source) > 0 and isinstance(getattr(source[0], "smiles", None), str)


def _of_graphs(source: Any, columns: tuple[str, ...], known: dict[str, None]) -> Iterator[_Row]:
    known.update(dict.fromkeys(name for name in columns if hasattr(source[0], name)))
    for data in source:
        values = [np.asarray(getattr(data, name, np.nan), dtype=np.float64) for name in columns]
        for name, value in zip(columns, values, strict=True):
            if value.size != 1:
                raise ValueError(f"{name!r} of a graph has shape {value.shape}; expected one number for each molecule")
        yield data.smiles, tuple(value.item() for value in values)


def _of_dataset(dataset: Dataset, columns: tuple[str, ...], known: dict[str, None]) -> Iterator[_Row]:
    for batch in dataset.batches():
        rows, _ = with_smiles(batch.filter(batch.alive))
        scalar = [name for name in ("energy", *rows.extra_columns) if _is_number(rows.table.schema.field(name).type)]
        known.update(dict.fromkeys(scalar))
        values = [rows.array(name) if name in scalar else np.full(len(rows), np.nan) for name in columns]
        table = np.array(values).reshape(len(columns), len(rows)).T  # (n, n_columns)
        yield from zip(rows.column("smiles"), map(tuple, table.tolist()), strict=True)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _of_text(path: Path, columns: tuple[str, ...], known: dict[str, None]) -> Iterator[_Row]:
    is_table = Path(path.name.removesuffix(".gz")).suffix.lower() == ".csv"
    try:
        with _opened(path) as handle:
            if is_table:
                yield from _of_table(path, handle, columns, known)
            else:
                unknown = (np.nan,) * len(columns)
                yield from ((line.split()[0], unknown) for line in handle if line.strip())
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")  # spreadsheets begin their files with a byte order mark


def _of_table(path: Path, lines: Iterable[str], columns: tuple[str, ...], known: dict[str, None]) -> Iterator[_Row]:
    table = csv.reader(lines)
    header = [name.strip() for name in next(table, [])]
    places = {name: place for place, name in enumerate(header)}
    smiles = next((place for name, place in places.items() if name.lower() == "smiles"), None)
    if smiles is None:
        raise ValueError(f"{path} has the columns {', '.join(header) or 'none'}; expected one named 'smiles'")
    known.update(dict.fromkeys(name for name in header if name.lower() != "smiles"))
    wanted = [places.get(name) for name in columns]
    for row in table:
        if len(row) <= smiles or not row[smiles].strip():
            continue
        try:
            values = tuple(np.nan if k is None or k >= len(row) or not row[k] else float(row[k]) for k in wanted)
        except ValueError as error:
            raise ValueError(f"{path}, line {table.line_num}: {error}; expected numbers in {columns}") from error
        yield row[smiles].strip(), values

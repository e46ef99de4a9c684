"""The single door into molaug: a name, a path or structures in memory become a dataset."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
from ase import Atoms

from molaug.structures.datasets.ase_files import read_ase
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.locate import existing, npz_names, open_text, suffix_of
from molaug.structures.datasets.own_rows import read_structures
from molaug.structures.datasets.registry import KnownDataset, known_dataset
from molaug.structures.table import Structures

#: The environment variable that names the folder where known datasets are looked for.
DATA_VARIABLE = "MOLAUG_DATA"

#: Readers by format, imported when they are needed.
_READERS = {
    "agz7": "agz7:read_agz7",
    "ani": "ani:read_ani",
    "ase": "ase_files:read_ase",
    "g2": "g2:read_g2",
    "md17": "md17:read_md17",
    "npz": "compact:read_compact",
    "parquet": "own_rows:read_parquet",
    "qm9": "qm9:read_qm9",
    "sdf": "sdf:read_sdf",
    "smiles": "smiles:read_smiles",
}

_BY_SUFFIX = {
    ".parquet": "parquet",
    ".smi": "smiles",
    ".can": "smiles",
    ".smiles": "smiles",
    ".txt": "smiles",
    ".csv": "smiles",
    ".tsv": "smiles",
    ".sdf": "sdf",
    ".db": "ase",
    ".extxyz": "ase",
    ".traj": "ase",
    ".json": "agz7",
    ".jsonl": "agz7",
    ".tar": "qm9",
    ".tgz": "qm9",
    ".zip": "qm9",
}


def open_dataset(
    source: str | Path | Dataset | Structures | Sequence[Atoms],
    *,
    format: str | None = None,  # noqa: A002 -- the name that readers and writers of this field use
    **options: Any,
) -> Dataset:
    """Open a dataset: a known name, a file or folder of any supported format, or structures in memory.

    Parameters
    ----------
    source
        A known name (``"g2"``, ``"qm9"``; see :func:`molaug.structures.datasets.known`), a path, ``molaug.Structures``
        or a sequence of ``ase.Atoms``. Known datasets other than ``g2`` are looked for in the folder ``$MOLAUG_DATA``.
    format
        A reader (``agz7``, ``ani``, ``ase``, ``md17``, ``npz``, ``parquet``, ``qm9``, ``sdf``, ``smiles``) or a known
        name whose reader and options are meant; by default told from the suffix and the content.
    **options
        Options of the reader, for instance ``level=`` or ``energy_key=``.

    Returns
    -------
    Dataset
        With its card, to be streamed.

    Raises
    ------
    FileNotFoundError
        If there is no such path and no such name; the message says what there is, and where known data are to be had.
    ValueError
        If the format is unknown or cannot be told.
    TypeError
        If the reader does not take an option, or the source is of another type.

    Examples
    --------
    >>> from ase.build import molecule
    >>> batch = open_dataset([molecule("H2O"), molecule("CH3OH")]).read()
    >>> len(batch)
    2
    """
    if isinstance(source, Dataset):
        return source
    if isinstance(source, Structures):
        return _call(read_structures, "structures", source, options)
    if isinstance(source, str | Path):
        return _open_path(source, format, options)
    if isinstance(source, Sequence) and all(isinstance(item, Atoms) for item in source):
        return _call(read_ase, "ase", source, options)
    raise TypeError(
        f"cannot open {type(source).__name__}; expected a name, a path, molaug.Structures or a sequence of ase.Atoms"
    )


def _open_path(source: str | Path, kind: str | None, options: dict[str, Any]) -> Dataset:
    name = str(source)
    entry = _entry(name) if kind is None and not Path(name).expanduser().exists() else None
    if entry is not None:
        if entry.reader == "g2":
            return _call(_reader("g2"), "g2", None, options)
        path = _find(entry)
        kind = _layout(entry.reader, path)
        return _call(_reader(kind), kind, path, {**entry.options, **options})
    try:
        path = existing(name)
    except FileNotFoundError as error:
        if os.sep not in name and "." not in name:
            try:
                known_dataset(name)
            except KeyError as unknown:
                raise FileNotFoundError(f"{error}. As a name: {unknown.args[0]}") from None
        raise
    if kind is None:
        kind = _recognise(path)
    elif kind not in _READERS or kind == "g2":
        entry = _entry(kind)
        if entry is None:
            near = get_close_matches(kind, _READERS, n=1)
            raise ValueError(
                f"unknown format {kind!r}"
                + (f", did you mean {near[0]!r}?" if near else "")
                + f"; expected one of {', '.join(sorted(_READERS))} or a known dataset"
            )
        kind, options = entry.reader, {**entry.options, **options}
    kind = _layout(kind, path)
    return _call(_reader(kind), kind, path, options)


def _layout(kind: str, path: Path) -> str:
    """Return the reader of a file: QM9 also comes in the compact layout."""
    return "npz" if kind == "qm9" and suffix_of(path) == ".npz" else kind


def _entry(name: str) -> KnownDataset | None:
    try:
        return known_dataset(name)
    except KeyError:
        return None


def _find(entry: KnownDataset) -> Path:
    card = entry.card
    folder = os.environ.get(DATA_VARIABLE)
    for place in [Path(folder), Path(folder) / card.name] if folder else []:
        for name in entry.files:
            if (place / name).exists():
                return place / name
    raise FileNotFoundError(
        f"dataset {card.name!r} is not on this machine: looked for {', '.join(entry.files)} in "
        + (f"{folder} and {folder}/{card.name} (${DATA_VARIABLE})" if folder else f"${DATA_VARIABLE}, which is not set")
        + f". Where to get it: {card.how_to_get or card.url}. "
        + f"Then set ${DATA_VARIABLE}, or open the file itself: open_dataset(path, format={card.name!r})"
    )


def _reader(kind: str) -> Callable[..., Dataset]:
    module, _, function = _READERS[kind].partition(":")
    reader: Callable[..., Dataset] = getattr(import_module(f"molaug.structures.datasets.{module}"), function)
    return reader


def _call(reader: Callable[..., Dataset], kind: str, source: Any, options: dict[str, Any]) -> Dataset:
    takes = [p.name for p in inspect.signature(reader).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in takes:
            near = get_close_matches(option, takes, n=1)
            raise TypeError(
                f"the reader of {kind} takes no option {option!r}"
                + (f", did you mean {near[0]!r}?" if near else "")
                + f"; it takes {', '.join(takes) or 'none'}"
            )
    return reader(**options) if source is None else reader(source, **options)


def _recognise(path: Path) -> str:
    if path.is_dir():
        return _recognise_folder(path)
    suffix = suffix_of(path)
    if suffix in (".h5", ".hdf5"):
        if not h5py.is_hdf5(path):
            raise ValueError(f"{path} is not an HDF5 file, whatever its suffix says")
        return "ani"
    if suffix == ".npz":
        return "npz" if "offsets" in npz_names(path) else "md17"
    if suffix == ".xyz" and _is_qm9_xyz(path):
        return "qm9"
    if path.name.lower().startswith("gdb9.sdf") and suffix == ".sdf":
        return "qm9"
    if suffix == ".json" and _is_ase_json(path):
        return "ase"
    return _BY_SUFFIX.get(suffix, "ase")


def _recognise_folder(path: Path) -> str:
    if any(path.glob("*.parquet")) or any((path / "shards").glob("*.parquet")):
        return "parquet"
    first = next(iter(sorted(path.glob("*.xyz"))), None)
    if first is not None and _is_qm9_xyz(first):
        return "qm9"
    if any(path.glob("*.json")):
        return "agz7"
    names = sorted(entry.name for entry in path.iterdir())[:8]
    raise ValueError(
        f"{path} is a folder of no known layout; it holds {', '.join(names) or 'nothing'}. Expected card.yaml with "
        "shards/*.parquet, dsgdb9nsd_*.xyz or AGZ7's *.json; open a single file of it otherwise"
    )


def _is_qm9_xyz(path: Path) -> bool:
    with open_text(path, errors="replace") as handle:
        handle.readline()
        words = handle.readline().split()
    return len(words) >= 17 and words[0] in ("gdb", "ANI-1E", "PubChemQS")


def _is_ase_json(path: Path) -> bool:
    with open_text(path, errors="replace") as handle:
        return '"ids"' in handle.read(4096) or '"nextid"' in path.read_text(encoding="utf-8", errors="replace")[-200:]

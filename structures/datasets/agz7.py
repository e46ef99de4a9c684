"""AGZ7: AMONs with up to seven heavy atoms, one JSON record each (arXiv:2008.05260)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase.units import Hartree

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.graphs import settle_graph
from molaug.structures.datasets.locate import existing, open_text
from molaug.structures.datasets.registry import known_dataset
from molaug.structures.datasets.rows import Row, assemble
from molaug.structures.gate import IMPOSSIBLE, kind_of, row_fault
from molaug.structures.table import Structures

_ENERGIES = {
    "homo": "homo",
    "lumo": "lumo",
    "gap": "gap",
    "zpe": "zpve",
    "U0": "u0",
    "U": "u298",
    "H": "h298",
    "G": "g298",
}
_OTHERS = ("mu", "alpha", "r2", "A", "B", "C")
_PROPERTIES = {**_ENERGIES, **dict(zip(_OTHERS, _OTHERS, strict=True))}
_KNOWN = {*_PROPERTIES, "zs", "coords", "et", "smi", "id"}

#: Beyond lies no property, and no float either.
_LARGEST = 1e300


def read_agz7(path: str | Path, *, graphs: bool = True) -> Dataset:
    """Read AGZ7 records: a JSON file, a folder of them, or one record a line (``.jsonl``), compressed or not.

    Parameters
    ----------
    path
        A file or folder.
    graphs
        Settle a SMILES: the listed one where the geometry bears it out, else what is perceived.

    Returns
    -------
    Dataset
        Total energies in eV at B3LYP/cc-pVTZ (density fitting) and further properties.

    Raises
    ------
    FileNotFoundError
        If the path is missing.
    """
    path = existing(path)
    entry = known_dataset("agz7")

    def stream(audit: Audit) -> Iterator[Structures]:
        return assemble(_rows(path, entry.card.levels[0], graphs, audit), audit, origin="agz7")

    return Dataset(card=entry.card, stream=stream, audit=Audit(source=str(path)))


def _rows(path: Path, level: str, graphs: bool, audit: Audit) -> Iterator[Row]:
    for name, record in _records(path):
        audit.rows_read += 1
        if not isinstance(record, dict):
            audit.drop(name, "unreadable: no JSON record")
            continue
        lacking = [key for key in ("zs", "coords", "et") if record.get(key) is None]
        if lacking:
            audit.drop(name, f"unreadable: no {lacking[0]}")
            continue
        try:
            x = np.array(record["coords"], dtype=np.float64)
            energy = float(np.ravel(record["et"])[-1]) * Hartree  # the original files hold a list of one
        except (ValueError, TypeError, IndexError, OverflowError):
            audit.drop(name, "unreadable: coords or et are no numbers")
            continue
        x = x.reshape(-1, 3) if x.size % 3 == 0 else x
        fault = row_fault(numbers=record["zs"], positions=x, energy=energy)
        if fault is not None:
            audit.drop(name, f"{IMPOSSIBLE}: {kind_of(fault)}")
            continue
        z = np.array(record["zs"]).astype(np.uint8).ravel()
        extra = _properties(name, record, audit)
        m = 1 + int(z.sum(dtype=np.int64)) % 2
        listed = record.get("smi")
        smiles = (
            settle_graph([listed if isinstance(listed, str) else ""], z, x, name, audit, multiplicity=m)
            if graphs
            else None
        )
        yield Row(name=name, numbers=z, positions=x, smiles=smiles, energy=energy, level=level, extra=extra)


def _properties(name: str, record: dict[str, Any], audit: Audit) -> dict[str, float]:
    found: dict[str, float] = {}
    for theirs, ours in _PROPERTIES.items():
        value = record.get(theirs)
        if isinstance(value, int | float) and abs(value) < _LARGEST:
            found[ours] = float(value) * (Hartree if theirs in _ENERGIES else 1.0)
        elif value is not None:
            audit.note(name, f"{theirs} left out: it is no finite number")
    for key in record.keys() - _KNOWN - audit.dropped_columns.keys():
        audit.drop_column(key, "a key that the reader does not know")
    return found


def _records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield names and records; None for what is no JSON."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    for file in files:
        try:
            with open_text(file, errors="replace") as handle:
                if ".jsonl" in file.name:
                    for number, line in enumerate(handle):
                        if line.strip():
                            record = _loaded(line)
                            name = record.get("id", number) if isinstance(record, dict) else f"line {number + 1}"
                            yield str(name), record
                else:
                    yield file.stem, _loaded(handle.read())
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{file}: the file is damaged: {error}") from error


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

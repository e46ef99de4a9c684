"""AGZ7: AMONs with up to seven heavy atoms, one JSON record each (arXiv:2008.05260)."""

from __future__ import annotations

import json
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
        try:
            z = np.array(record["zs"], dtype=np.uint8)
            x = np.array(record["coords"], dtype=np.float64).reshape(len(z), 3)
            energy = float(np.ravel(record["et"])[-1]) * Hartree  # the original files hold a list of one
        except (KeyError, ValueError, TypeError) as error:
            audit.drop(name, f"unreadable: {type(error).__name__} {error}")
            continue
        extra = {
            ours: float(record[theirs]) * Hartree for theirs, ours in _ENERGIES.items() if _present(record, theirs)
        }
        extra |= {key: float(record[key]) for key in _OTHERS if _present(record, key)}
        m = 1 + int(z.sum(dtype=np.int64)) % 2
        smiles = settle_graph([record.get("smi", "")], z, x, name, audit, multiplicity=m) if graphs else None
        yield Row(name=name, numbers=z, positions=x, smiles=smiles, energy=energy, level=level, extra=extra)


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    for file in files:
        with open_text(file) as handle:
            if ".jsonl" in file.name:
                for number, line in enumerate(handle):
                    record = json.loads(line)
                    yield str(record.get("id", number)), record
            else:
                yield file.stem, json.load(handle)


def _present(record: dict[str, Any], key: str) -> bool:
    return isinstance(record.get(key), int | float)

"""Ragged molecules in one npz file: ``z``, ``pos`` and ``offsets``, with what labels there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card, Property
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.graphs import settle_graph
from molaug.structures.datasets.locate import existing, read_npz
from molaug.structures.datasets.qm9_tables import UNCHARACTERIZED, PropertyTable, uncharacterized_beside
from molaug.structures.datasets.registry import known_dataset
from molaug.structures.datasets.rows import Row, assemble
from molaug.structures.datasets.units import detect_energy_unit, energy_factor
from molaug.structures.table import Structures

_REQUIRED = ("z", "pos", "offsets")

#: What is read, with the shape for one molecule and the kinds of numbers or texts.
_SHAPES = {
    **dict.fromkeys(_REQUIRED, ((), "iuf")),
    "energy": ((), "iuf"),
    "dipole": ((3,), "iuf"),
    "smiles": ((), "US"),
    "gdb_index": ((), "iu"),
    "id": ((), "USiu"),
    "uncharacterized": ((), "biu"),
}


def read_compact(
    path: str | Path,
    *,
    level: str | None = None,
    energy_unit: str | None = None,
    properties: str | Path | None = None,
    uncharacterized: str | Path | None = None,
    graphs: bool = True,
) -> Dataset:
    """Read ragged molecules from one npz file.

    Parameters
    ----------
    path
        The file. Atoms of molecule k are ``offsets[k]:offsets[k+1]`` of ``z`` and ``pos`` (Å); ``energy``, ``dipole``
        (debye), ``smiles``, ``gdb_index`` and ``id`` are read where present. With ``gdb_index`` the data are QM9.
    level
        Level of theory of the energies, where they are not QM9's.
    energy_unit
        Unit of the energies; by default told from their size.
    properties
        A table like ``gdb9.sdf.csv``, joined by ``gdb_index``.
    uncharacterized
        QM9's list of molecules that failed the consistency check; by default ``uncharacterized.txt`` beside the file.
    graphs
        Settle a SMILES for each row: the listed one where the geometry bears it out, else what is perceived.

    Returns
    -------
    Dataset
        Energies in eV.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    KeyError
        If a required array is missing.
    ValueError
        If the unit of the energies is neither given nor to be told.
    """
    path = existing(path)
    arrays = _load(path)
    is_qm9 = "gdb_index" in arrays
    flawed = uncharacterized_beside(path, uncharacterized) if is_qm9 else None
    table = None if properties is None else PropertyTable.read(existing(properties))
    card = known_dataset("qm9").card if is_qm9 else _card(path, arrays, level)
    origin = "qm9" if is_qm9 else path.stem
    unit, how = _energy_unit(path, arrays, energy_unit)

    def stream(audit: Audit) -> Iterator[Structures]:
        if unit is not None:
            audit.detected["energy"] = f"{unit} ({how})"
        columns = _columns(arrays, audit)
        labels = level or (card.levels[0] if is_qm9 else None)
        factor = None if unit is None else energy_factor(unit)
        return assemble(
            _rows(columns, factor, labels, table, flawed, graphs, audit), audit, origin=origin, unique=is_qm9
        )

    return Dataset(card=card, stream=stream, audit=Audit(source=str(path)))


def _load(path: Path) -> dict[str, Any]:
    arrays = read_npz(path)
    missing = [key for key in _REQUIRED if key not in arrays]
    if missing:
        raise KeyError(
            f"{path}: no array {', '.join(missing)}; there are {', '.join(arrays)}. "
            "Expected z, pos and offsets of ragged molecules"
        )
    z, pos, offsets = (arrays[key] for key in _REQUIRED)
    for key, fits, kinds, expected in (
        ("offsets", offsets.ndim == 1 and len(offsets) > 0, "iu", "integers (n + 1,)"),
        ("z", z.ndim == 1, "iuf", "numbers (n_atoms_total,)"),
        ("pos", pos.ndim == 2 and pos.shape[1] == 3, "iuf", "numbers (n_atoms_total, 3)"),
    ):
        if not fits or arrays[key].dtype.kind not in kinds:
            raise ValueError(
                f"{path}: {key} of type {arrays[key].dtype} and shape {arrays[key].shape}; expected {expected}"
            )
    return arrays


def _columns(arrays: dict[str, Any], audit: Audit) -> dict[str, Any]:
    """Return the arrays that can be read for each molecule; the others are named in the audit."""
    n = len(arrays["offsets"]) - 1
    if "energy" in arrays and arrays["energy"].shape == (n, 1):
        arrays = {**arrays, "energy": arrays["energy"][:, 0]}
    kept: dict[str, Any] = {}
    for name, values in arrays.items():
        if name not in _SHAPES:
            audit.drop_column(name, "an array that the reader does not know")
            continue
        tail, kinds = _SHAPES[name]
        if name not in _REQUIRED and (values.ndim == 0 or values.shape[1:] != tail or values.dtype.kind not in kinds):
            audit.drop_column(name, f"type {values.dtype} and shape {values.shape}, expected one for each molecule")
            continue
        kept[name] = values
    return kept


def _card(path: Path, arrays: dict[str, Any], level: str | None) -> Card:
    labelled = "energy" in arrays
    return Card(
        name=path.stem,
        title=f"Molecules read from {path.name}",
        levels=[level] if level and labelled else [],
        properties={"energy": Property(unit="eV")} if labelled else {},
    )


def _energy_unit(path: Path, arrays: dict[str, Any], given: str | None) -> tuple[str | None, str]:
    if "energy" not in _columns(arrays, Audit()):
        return None, ""
    if given is not None:
        energy_factor(given)
        return given, "as given"
    z, offsets, energy = arrays["z"], arrays["offsets"], arrays["energy"].ravel()
    n = min(len(energy), len(offsets) - 1)
    whole = ~_torn(offsets.astype(np.int64), min(len(z), len(arrays["pos"])))[:n] & np.isfinite(energy[:n])
    rows = np.flatnonzero(whole)[np.linspace(0, whole.sum() - 1, 64).astype(int)] if whole.any() else []
    unit = detect_energy_unit((z[offsets[k] : offsets[k + 1]], float(energy[k])) for k in rows)
    if unit is None:
        raise ValueError(f"{path}: the unit of the energies cannot be told from their size; pass energy_unit=…")
    return unit, "told from the size of total energies"


def _torn(places: NDArray[np.int64], n_atoms: int) -> NDArray[np.bool_]:
    """Tell which molecules have offsets that cannot be right; where they run backwards, nor can the neighbours."""
    backwards = places[1:] < places[:-1]
    torn = backwards | (places[:-1] < 0) | (places[1:] > n_atoms)
    torn[:-1] |= backwards[1:]
    torn[1:] |= backwards[:-1]
    return torn


def _rows(
    arrays: dict[str, Any],
    factor: float | None,
    level: str | None,
    table: PropertyTable | None,
    flawed: frozenset[int] | None,
    graphs: bool,
    audit: Audit,
) -> Iterator[Row]:
    z, pos, offsets = (arrays[key] for key in _REQUIRED)
    n = len(offsets) - 1
    most = max([n, *(len(values) for name, values in arrays.items() if name not in _REQUIRED)])
    least = min([n, *(len(values) for name, values in arrays.items() if name not in _REQUIRED)])
    places = offsets.astype(np.int64)
    torn = _torn(places, min(len(z), len(pos)))
    if n and max(len(z), len(pos)) > places[-1]:
        audit.remarks.append(f"{max(len(z), len(pos)) - places[-1]} atoms after the last offset belong to no molecule")
    for k in range(most):
        audit.rows_read += 1
        name = _text(arrays["id"][k]) if "id" in arrays and k < len(arrays["id"]) else str(k)
        if k >= least:
            short = ", ".join(key for key, values in arrays.items() if key not in _REQUIRED and len(values) <= k)
            audit.drop(name, f"unreadable: no entry in {short or 'offsets'}")
            continue
        if torn[k]:
            audit.drop(name, "unreadable: offsets that run backwards or beyond the atoms")
            continue
        atoms = slice(places[k], places[k + 1])
        extra: dict[str, Any] = {}
        if "gdb_index" in arrays:
            index = int(arrays["gdb_index"][k])
            name = f"gdb_{index}"
            extra = {"gdb_index": index, **(table.row(index) if table else {})}
            listed_as_flawed = bool(arrays["uncharacterized"][k]) if "uncharacterized" in arrays else False
            if listed_as_flawed or (flawed and index in flawed):
                audit.drop(name, UNCHARACTERIZED)
                continue
        if "dipole" in arrays and np.isfinite(arrays["dipole"][k]).all():
            extra["mu"] = float(np.linalg.norm(arrays["dipole"][k]))
        elif "dipole" in arrays and np.isinf(arrays["dipole"][k]).any():
            audit.note(name, "dipole left out: it is not finite")
        energy = None if factor is None else float(arrays["energy"][k]) * factor
        if energy is not None and np.isnan(energy):
            audit.note(name, "unlabelled: no energy in the file")
        smiles = None
        if graphs and places[k + 1] > places[k]:
            listed = [_text(arrays["smiles"][k])] if "smiles" in arrays else []
            odd = int(z[atoms].sum(dtype=np.int64)) % 2
            smiles = settle_graph(listed, z[atoms], pos[atoms], name, audit, multiplicity=1 + odd)
        yield Row(
            name=name, numbers=z[atoms], positions=pos[atoms], smiles=smiles, energy=energy, level=level, extra=extra
        )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

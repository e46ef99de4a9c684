"""Files of any origin: whatever ASE reads, SDF, lists of SMILES, and Parquet written by molaug."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Hartree
from rdkit import Chem

from molaug.structures.chemistry import canonical, parse
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card, Property
from molaug.structures.datasets.dataset import CHUNK, Dataset
from molaug.structures.datasets.frames import frames_of
from molaug.structures.datasets.locate import existing, open_text, suffix_of
from molaug.structures.datasets.rows import Row, assemble, passed
from molaug.structures.datasets.sdf import sdf_rows
from molaug.structures.datasets.units import energy_factor, force_factor
from molaug.structures.doors.ase_atoms import ENERGY_KEYS, FORCES_KEYS, from_ase
from molaug.structures.doors.parquet import iter_parquet, parquet_files
from molaug.structures.table import Structures

#: Arrays of atoms that are read, or from which charge and multiplicity are.
_TAKEN = ("numbers", "positions", "initial_charges", "initial_magmoms")
_FORCES = ": pass forces_key= if these are the forces"


def read_ase(
    source: str | Path | Sequence[Atoms],
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    energy_unit: str = "eV",
    force_unit: str | None = None,
    level: str | None = None,
    name: str | None = None,
) -> Dataset:
    """Read what ASE reads: extxyz, ``ase.db``, trajectories, outputs of programs; or a sequence of ``Atoms``.

    Parameters
    ----------
    source
        A file, or structures in memory.
    energy_key
        Key of the energy in ``Atoms.info``; by default ``REF_energy``, ``energy`` or a calculator's result.
    forces_key
        Key of the forces in ``Atoms.arrays``; likewise.
    energy_unit
        Unit of the energies; ASE's own readers give eV.
    force_unit
        Unit of the forces, after a minus where they are gradients (``"-Ha/bohr"``); by default that of the energies
        by Å.
    level
        Level of theory of the labels, where the file does not say.
    name
        Name of the dataset; by default that of the file.

    Returns
    -------
    Dataset
        One row for each frame; periodic frames are dropped with a reason.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If ASE cannot read the file or a unit is unknown.
    """
    path = existing(source) if isinstance(source, str | Path) else None
    given = [] if isinstance(source, str | Path) else source
    pushed = force_unit or f"{energy_unit}/Å"
    factors = energy_factor(energy_unit), force_factor(pushed)
    title = name or (path.stem if path else "structures")

    def stream(audit: Audit) -> Iterator[Structures]:
        hartree = 1.0 if energy_unit != "eV" else Hartree
        frames = frames_of(path, audit, hartree=hartree) if path else _named(given, audit)
        keys = _OneKey(energy_key, title)
        if factors != (1.0, 1.0):
            audit.detected["energy"] = f"{energy_unit} (as given)"
            audit.detected["forces"] = f"{pushed} ({'as given' if force_unit else 'that of the energies, by Å'})"
        options = {"energy_key": energy_key, "forces_key": forces_key, "level": level, "origin": title}
        while chunk := list(islice(frames, CHUNK)):
            sound = []
            for label, frame in chunk:
                fault = _fault(frame, audit, label, forces_key)
                if fault:
                    audit.drop(label, fault)
                else:
                    sound.append((label, keys.only(frame)))
            batch = _converted(sound, audit, options)
            audit.keep(len(batch))
            if len(batch):
                yield _scaled(batch, *factors)
        if path and not audit.rows_kept:
            raise ValueError(f"{path}: {_nothing(audit)}")

    return Dataset(card=_card(title, level, path), stream=stream, audit=Audit(source=str(path or "structures")))


def read_sdf(path: str | Path, *, bonds: bool = True, energy_unit: str = "eV", name: str | None = None) -> Dataset:
    """Read an SDF, compressed or not.

    Parameters
    ----------
    path
        The file; records with a 3D conformer must hold all hydrogens.
    bonds
        Take bonds from the file; otherwise they are perceived from the geometry.
    energy_unit
        Unit of the tags that are energies.
    name
        Name of the dataset; by default that of the file.

    Returns
    -------
    Dataset
        Tags are further columns, each of one type; the tags ``REF_energy`` or ``energy`` and ``level`` are
        labels. Records that RDKit cannot read are dropped with a reason.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If the unit is unknown.
    """
    path = existing(path)
    title = name or path.name.split(".")[0]
    factor = energy_factor(energy_unit)

    def stream(audit: Audit) -> Iterator[Structures]:
        if factor != 1.0:
            audit.detected["energy"] = f"{energy_unit} (as given)"
        for batch in assemble(sdf_rows(path, bonds, audit), audit, origin=title):
            yield _scaled(batch, factor, 1.0)

    return Dataset(card=_card(title, None, path), stream=stream, audit=Audit(source=str(path)))


def read_smiles(
    path: str | Path, *, columns: Sequence[str] | str | None = None, unique: bool = True, name: str | None = None
) -> Dataset:
    """Read a list of SMILES as bare graphs.

    Parameters
    ----------
    path
        One SMILES a line, first word (``.smi``, ``.can``, ``.txt``), or a csv file; compressed or not.
    columns
        Of a csv file, the columns that hold SMILES; all are read, row by row. By default the one that is called
        ``smiles``.
    unique
        Drop molecules that occurred before.
    name
        Name of the dataset; by default that of the file.

    Returns
    -------
    Dataset
        Hydrogens included, no positions; lines that RDKit cannot read are dropped with a reason.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    """
    path = existing(path)
    title = name or path.name.split(".")[0]
    wanted = [columns] if isinstance(columns, str) else columns

    def stream(audit: Audit) -> Iterator[Structures]:
        return assemble(_graph_rows(path, wanted, audit), audit, origin=title, unique=unique)

    return Dataset(card=_card(title, None, path), stream=stream, audit=Audit(source=str(path)))


def read_parquet(path: str | Path) -> Dataset:
    """Read Parquet written by molaug: a file, a folder of shards, or a dataset folder with its card.

    Parameters
    ----------
    path
        A file or folder.

    Returns
    -------
    Dataset
        Streamed shard by shard.

    Raises
    ------
    FileNotFoundError
        If there is no Parquet file.
    ValueError
        If the card names another unit of energies or forces than eV and eV/Å, which the columns are in.
    """
    path = existing(path)
    parquet_files(path)
    card = path / "card.yaml"

    def stream(audit: Audit) -> Iterator[Structures]:
        for batch in iter_parquet(path, CHUNK):
            audit.rows_read += len(batch)
            yield passed(batch, audit, [f"row {k}" for k in range(audit.rows_read - len(batch), audit.rows_read)])

    found = Card.from_yaml(card) if card.is_file() else _card(path.stem, None, path)
    for column, unit in (("energy", "eV"), ("forces", "eV/Å")):
        named = found.properties.get(column)
        if named is not None and named.unit not in (unit, unit.replace("Å", "A")):
            raise ValueError(
                f"{card}: {column} in {named.unit!r}; the columns energy and forces of molaug's Parquet are in eV and "
                "eV/Å. Convert them, or correct the card"
            )
    return Dataset(card=found, stream=stream, audit=Audit(source=str(path)))


def read_structures(structures: Structures, *, name: str = "structures") -> Dataset:
    """Hand on a batch that is in memory.

    Parameters
    ----------
    structures
        The rows.
    name
        Name of the dataset.

    Returns
    -------
    Dataset
        The same rows.
    """

    def stream(audit: Audit) -> Iterator[Structures]:
        audit.rows_read += len(structures)
        audit.keep(len(structures))
        yield structures

    levels = sorted({level for level in structures.column("level") if level is not None})
    return Dataset(card=Card(name=name, levels=levels), stream=stream, audit=Audit(source=name))


def _card(name: str, level: str | None, path: Path | None) -> Card:
    return Card(
        name=name,
        title=f"Structures read from {path.name}" if path else "Structures in memory",
        levels=[level] if level else [],
        properties={"energy": Property(unit="eV"), "forces": Property(unit="eV/Å")},
    )


def _named(frames: Iterable[Atoms], audit: Audit) -> Iterator[tuple[str, Atoms]]:
    for number, frame in enumerate(frames):
        audit.rows_read += 1
        yield f"frame {number}", frame


def _nothing(audit: Audit) -> str:
    reasons = "; ".join(f"{tally.count} {reason}" for reason, tally in audit.dropped.items())
    return f"none of {audit.rows_read} rows can be used" + (f" ({reasons})" if reasons else "")


class _OneKey:
    """Energies of a file come from one key: levels of theory are not mixed frame by frame."""

    def __init__(self, given: str | None, source: str) -> None:
        self.given, self.source, self.seen = given, source, set[str]()

    def only(self, frame: Atoms) -> Atoms:
        results = _read_results(frame)
        keys = {key for key in ENERGY_KEYS if key in frame.info} | ({"energy"} if "energy" in results else set())
        if self.given is None and keys:
            self.seen = (self.seen & keys) or (self.seen or keys)
            if not self.seen & keys:
                raise ValueError(
                    f"{self.source}: some frames have their energy under REF_energy, others under energy, which may be "
                    "two levels of theory; pass energy_key=… and leave out the others"
                )
        return frame


def _read_results(frame: Atoms) -> dict[str, Any]:
    """Return what a file reader attached; a live calculator's results are looked at elsewhere."""
    return dict(frame.calc.results) if isinstance(frame.calc, SinglePointCalculator) else {}


def _fault(frame: Atoms, audit: Audit, label: str, forces_key: str | None) -> str:
    if frame.pbc.any():
        return "periodic: molaug holds molecules"
    if not len(frame) or frame.numbers.min() < 1 or frame.numbers.max() > 118:
        return "no atoms, dummy atoms or atomic numbers above 118"
    if not np.isfinite(frame.positions).all():
        return "positions that are not finite"
    for key in (*ENERGY_KEYS, "energy"):
        value = frame.info.get(key)
        if value is not None and not (np.asarray(value).dtype.kind in "iuf" and np.isfinite(value).all()):
            return f"{key} that is no finite number"
    results = _read_results(frame)
    for key, value in results.items():
        if key in ("energy", "forces"):
            if not np.isfinite(np.asarray(value, dtype=float)).all():
                return f"{key} that are not finite"
        elif value is not None:
            audit.note(label, f"result {key!r} of a calculator is not taken")
    for key, values in frame.arrays.items():
        if key in (*FORCES_KEYS, forces_key):
            if values.shape != (len(frame), 3) or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
                return f"{key} that are no finite vectors"
        elif key not in _TAKEN:
            audit.note(label, f"per-atom array {key!r} is not taken" + (_FORCES if "force" in key.lower() else ""))
    if not (set(ENERGY_KEYS) & set(frame.info) or "energy" in results):
        for key in frame.info:
            if "energy" in str(key).lower():
                audit.note(label, f"energy key {key!r} is a column, no label: pass energy_key={key} if it is one")
    return ""


def _converted(frames: list[tuple[str, Atoms]], audit: Audit, options: dict[str, Any]) -> Structures:
    labels, atoms = [label for label, _ in frames], [frame for _, frame in frames]
    try:
        return from_ase(atoms, **options, note=partial(_note, audit, labels))
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        kept = []
        for label, frame in frames:
            try:
                from_ase([frame], **options, note=lambda number, text: None)
            except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
                audit.drop(
                    label, "unreadable: " + " ".join(str(error).split())[:120].replace("structure 0", "the frame")
                )
            else:
                kept.append((label, frame))
        if len(kept) == len(frames):
            raise
        return _converted(kept, audit, options)


def _note(audit: Audit, labels: Sequence[str], k: int, text: str) -> None:
    audit.note(labels[k], text)


def _scaled(batch: Structures, energy: float, forces: float) -> Structures:
    if energy == forces == 1.0:
        return batch
    pushed = [None if s.forces is None else s.forces * forces for s in batch]
    return batch.with_columns({"energy": pc.multiply(batch.table.column("energy"), energy), "forces": pushed})


def _graph_rows(path: Path, columns: Sequence[str] | None, audit: Audit) -> Iterator[Row]:
    for name, text in _smiles(path, columns):
        audit.rows_read += 1
        mol = parse(text)
        if mol is None:
            audit.drop(name, "unreadable: RDKit cannot read the SMILES")
            continue
        smiles = canonical(mol)
        whole = Chem.AddHs(parse(smiles))  # atoms in the order of the canonical SMILES
        yield Row(
            name=name,
            numbers=np.array([atom.GetAtomicNum() for atom in whole.GetAtoms()], dtype=np.uint8),
            positions=None,
            charge=Chem.GetFormalCharge(whole),
            multiplicity=1 + sum(atom.GetNumRadicalElectrons() for atom in whole.GetAtoms()),
            smiles=smiles,
        )


def _smiles(path: Path, columns: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    with open_text(path) as handle:
        if suffix_of(path) not in (".csv", ".tsv"):
            for number, line in enumerate(handle, 1):
                words = line.split()
                if words:
                    yield f"line {number}", words[0]
            return
        first = handle.readline()
        table = csv.DictReader(chain([first], handle), delimiter=_delimiter(first))
        names = list(table.fieldnames or [])
        if columns is None:
            columns = [name for name in names if name.strip().lower() == "smiles"][:1]
        if not columns and any(parse(name.strip()) is not None for name in names if name.strip()):
            raise ValueError(
                f"{path}: no header, the first line reads {first.strip()!r}; put a line above it "
                "that names the columns, for instance smiles"
            )
        if not columns or any(column not in names for column in columns):
            raise KeyError(f"{path}: SMILES columns {columns}; pass columns=… of {', '.join(map(repr, names))}")
        for number, row in enumerate(table, 2):
            for column in columns:
                yield f"line {number} {column}", row[column] or ""


def _delimiter(header: str) -> str:
    return max((",", "\t", ";"), key=header.count)

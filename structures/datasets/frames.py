"""Frames of whatever ASE reads, one by one, and what all of them together hold."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ase.db
import ase.units
import numpy as np
from ase import Atoms
from ase.io import iread
from ase.io.formats import UnknownFileTypeError

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.locate import suffix_of
from molaug.structures.datasets.units import energy_factor, force_factor
from molaug.structures.datasets.xyz import comments_of, frames_of_xyz, kinds_in
from molaug.structures.doors.ase_atoms import is_plain
from molaug.structures.doors.ase_info import column_kind, kind_of
from molaug.structures.doors.ase_labels import ENERGY_KEYS, FORCES_KEYS, label_keys

_CANNOT = (
    UnknownFileTypeError,
    ValueError,
    KeyError,
    OSError,
    StopIteration,
    sqlite3.Error,
    TypeError,
    AttributeError,
    IndexError,
    AssertionError,
    RuntimeError,
)


@dataclass(kw_only=True, slots=True)
class Census:
    """What all frames of a source hold: kinds of the values by key, and under which keys there are labels."""

    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    energies: set[frozenset[str]] = field(default_factory=set)
    forces: set[frozenset[str]] = field(default_factory=set)

    def add(self, info: Mapping[str, Any], energies: frozenset[str], forces: frozenset[str]) -> None:
        """Count one frame.

        Parameters
        ----------
        info
            What it holds beside atoms.
        energies
            Keys of its energies.
        forces
            Keys of its forces.
        """
        self.energies.add(energies)
        self.forces.add(forces)
        for key, value in info.items():
            kind = kind_of(value)
            if kind is not None:
                self.kinds.setdefault(key, Counter())[kind] += 1

    def add_frames(self, frames: Iterable[Atoms]) -> None:
        """Count frames in memory.

        Parameters
        ----------
        frames
            Any.
        """
        for frame in frames:
            results = getattr(frame.calc, "results", None) or {}
            self.add(frame.info, *label_keys(frame, results))

    def columns(self, *, widen: bool) -> dict[str, str]:
        """Return the kinds of the columns.

        Parameters
        ----------
        widen
            Frames that were not counted follow: whole numbers may turn out to be others.

        Returns
        -------
        dict of str to str
            By key of ``info``; keys that molaug has columns for are left out.
        """
        found = {key: column_kind(counts) for key, counts in sorted(self.kinds.items()) if is_plain(key)}
        wider = {"int": "float", "ints": "floats"} if widen else {}
        return {key: wider.get(kind, kind) for key, kind in found.items()}


def frames_of(path: Path, audit: Audit, *, energy_unit: str = "eV") -> Iterator[tuple[str, Atoms]]:
    """Read the frames of a file, whatever its format.

    Parameters
    ----------
    path
        The file.
    audit
        Told of every frame that is read, and of those that are not handed on.
    energy_unit
        Unit of the energies, where the user gave one.

    Yields
    ------
    tuple of (str, Atoms)
        What the file calls the frame, and the frame.

    Raises
    ------
    ValueError
        If ASE cannot read the file at all.
    """
    suffix = suffix_of(path)
    if suffix in (".xyz", ".extxyz"):
        yield from frames_of_xyz(path, audit, energy_unit=energy_unit)
        return
    if suffix == ".db":
        yield from _database(path, audit)
        return
    try:
        for number, frame in enumerate(iread(path, index=":")):
            audit.rows_read += 1
            yield f"frame {number}", frame
    except _CANNOT as error:
        raise _unreadable(path, error) from error


def census_of(path: Path) -> Census | None:
    """Count what all frames of a file hold, without reading their atoms.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Census or None
        None where the format does not allow that.
    """
    census = Census()
    suffix = suffix_of(path)
    if suffix in (".xyz", ".extxyz"):
        for comment in comments_of(path):
            try:
                found = dict(kinds_in(comment))
            except (ValueError, KeyError, TypeError, IndexError):
                continue
            energies = frozenset(key for key in ENERGY_KEYS if key in found)
            census.energies.add(energies)
            census.forces.add(frozenset(key for key in FORCES_KEYS if f":{key}:" in comment))
            for key, kind in found.items():
                if kind is not None and key not in ("pbc", "Properties", "Lattice"):
                    census.kinds.setdefault(key, Counter())[kind] += 1
        return census
    if suffix == ".db":
        for _, frame in _database(path, Audit()):
            census.add_frames([frame])
        return census
    return None


def _database(path: Path, audit: Audit) -> Iterator[tuple[str, Atoms]]:
    """Read row by row, so that a damaged one costs itself only; units are those of the metadata."""
    try:
        with path.open("rb") as handle:
            if handle.read(15) != b"SQLite format 3":
                raise ValueError("it is no SQLite database")
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            ids = [int(key) for (key,) in connection.execute("select id from systems order by id")]
        with ase.db.connect(path, type="db") as database:  # which would make tables that are missing
            metadata = database.metadata
    except _CANNOT as error:
        raise _unreadable(path, error) from error
    units = metadata.get("_property_unit_dict") if isinstance(metadata, dict) else None
    length = metadata.get("_distance_unit", "Ang") if isinstance(metadata, dict) else "Ang"
    units, scale = dict(units or {}), ase.units.Bohr if length in ("Bohr", "bohr", "a0") else 1.0
    with ase.db.connect(path, type="db") as database:
        for number, key in enumerate(ids):
            name = f"frame {number}"
            audit.rows_read += 1
            try:
                row = database.get(key)
                frame = row.toatoms()
                frame.info.update({**row.key_value_pairs, **row.data})
                frame.positions *= scale
                _convert(frame, units, audit)
            except Exception as error:  # whatever damaged bytes provoke in the decoders
                audit.drop(name, f"unreadable: {type(error).__name__} in ASE's reader of databases")
                continue
            yield name, frame


def _convert(frame: Atoms, units: Mapping[str, str], audit: Audit) -> None:
    for key, unit in units.items():
        value = frame.info.get(key)
        if value is None:
            continue
        if key in ENERGY_KEYS:
            frame.info[key] = np.asarray(value, dtype=float) * energy_factor(unit)
            audit.detected[key] = f"{unit} (in the metadata of the database)"
        elif key in FORCES_KEYS:
            frame.info[key] = np.asarray(value, dtype=float) * force_factor(unit.replace("Ang", "Å"))
            audit.detected[key] = f"{unit} (in the metadata of the database)"
        else:
            audit.detected.setdefault(f"unit of {key}", f"{unit}, not converted")
    for key in [k for k, v in frame.info.items() if np.ndim(v) == 2 and np.shape(v) == (len(frame), 3)]:
        frame.arrays[key] = np.asarray(frame.info.pop(key), dtype=float)


def _unreadable(path: Path, error: BaseException) -> ValueError:
    return ValueError(f"{path}: ASE cannot read it ({' '.join(str(error).split())[:200] or type(error).__name__})")

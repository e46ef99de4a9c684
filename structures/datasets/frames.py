"""Frames of files that ASE reads, one by one, so that a damaged one costs itself only."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import ase.db
import ase.units
import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io import iread
from ase.io.extxyz import read_xyz
from ase.io.formats import UnknownFileTypeError

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.locate import open_text, suffix_of
from molaug.structures.datasets.units import energy_factor, force_factor

_NUMBER = r"([-+]?\d+\.\d+(?:[eE][-+]?\d+)?)"

#: Comment lines whose energy is in Hartree, by program.
_COMMENTS = {
    "a plain number, as CREST and GOAT write": re.compile(rf"^\s*{_NUMBER}(?:\s+converged=\S+)?(?:\s*!.*)?\s*$"),
    "energy: … gnorm: …, as xtb writes": re.compile(rf"^\s*energy:\s*{_NUMBER}\s+gnorm:.*$"),
    "Coordinates from ORCA-job … E …": re.compile(rf"^\s*Coordinates from ORCA-job .*\bE\s+{_NUMBER}\s*$"),
}


def frames_of(path: Path, audit: Audit, *, hartree: float = ase.units.Hartree) -> Iterator[tuple[str, Atoms]]:
    """Read the frames of a file, whatever its format.

    Parameters
    ----------
    path
        The file.
    audit
        Told of every frame that is read, and of those that are not handed on.
    hartree
        What energies in the comment lines of CREST, ORCA and xtb are multiplied by.

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
        yield from _xyz(path, audit, hartree)
        return
    try:
        found = _database(path, audit) if suffix == ".db" else iread(path, index=":")
        for number, frame in enumerate(found):
            audit.rows_read += 1
            yield f"frame {number}", frame
    except (UnknownFileTypeError, ValueError, KeyError, OSError, StopIteration) as error:
        raise ValueError(f"{path}: ASE cannot read it ({' '.join(str(error).split())[:200]})") from error


def _xyz(path: Path, audit: Audit, hartree: float) -> Iterator[tuple[str, Atoms]]:
    for number, block in enumerate(_blocks(path)):
        audit.rows_read += 1
        name = f"frame {number}"
        if isinstance(block, str):
            audit.drop(name, block)
            continue
        comment = block[1]
        energy = None
        if "=" not in comment or comment.lstrip()[:1] in "-+0123456789":
            energy = _energy_in(comment, name, audit)
            block[1] = "\n"
        try:
            frame = _parsed(block)
        except Exception as error:
            audit.drop(name, f"unreadable: {type(error).__name__} in ASE's reader")
            continue
        if energy is not None:
            frame.info["energy"] = energy * hartree
        elif block[1] == "\n" and comment.strip():
            frame.info["comment"] = comment.strip()
        for key in [k for k, value in frame.info.items() if value is True and f"{k}=" not in comment]:
            del frame.info[key]
            audit.note(name, "words without a value in the comment line are left out")
        yield name, frame


def _blocks(path: Path) -> Iterator[list[str] | str]:
    """Yield the lines of each frame, or why there is none."""
    with open_text(path) as handle:
        line = handle.readline()
        fault = ""
        while line:
            if not line.strip():
                line = handle.readline()
                continue
            if not _is_count(line):
                line, _ = _to_count(handle, line)
                yield "unreadable: no number of atoms where a frame begins"
                continue
            count = int(line)
            block = [line, handle.readline()]
            if fault and _is_count(block[1]):  # the first was what is left of the damaged frame
                line = block[1]
                fault = ""
                continue
            line = handle.readline()
            while len(block) < count + 2 and line.strip() and not _is_count(line):
                block.append(line)
                line = handle.readline()
            fault = "unreadable: fewer atoms than the frame announces" if len(block) < count + 2 else ""
            line, skipped = _to_count(handle, line)
            if skipped and not fault:
                fault = "unreadable: more atoms than the frame announces"
            yield fault or block


def _to_count(handle: TextIO, line: str) -> tuple[str, int]:
    skipped = 0
    while line and not _is_count(line):
        skipped += bool(line.strip()) and not line.startswith(("VEC", "Tv"))
        line = handle.readline()
    return line, skipped


def _is_count(line: str) -> bool:
    return line.strip().isdigit()


def _parsed(block: list[str]) -> Atoms:
    try:
        return next(iter(read_xyz(io.StringIO("".join(block)), index=slice(None))))
    except KeyError as error:
        if str(error.args[0]).capitalize() not in atomic_numbers:
            raise
    whole = [*block[:2], *(line.lstrip() for line in block[2:])]  # symbols in capitals, as Fortran programs write
    whole[2:] = [re.sub(r"^[A-Za-z]+", lambda m: m[0].capitalize(), line) for line in whole[2:]]
    return next(iter(read_xyz(io.StringIO("".join(whole)), index=slice(None))))


def _energy_in(comment: str, name: str, audit: Audit) -> float | None:
    for what, pattern in _COMMENTS.items():
        match = pattern.match(comment)
        if match and float(match[1]) < 0:
            audit.detected["energy"] = f"in the comment lines, Ha unless a unit was given ({what})"
            return float(match[1])
    if re.search(_NUMBER, comment):
        audit.note(name, "a number in the comment line is not read as an energy")
    return None


def _database(path: Path, audit: Audit) -> Iterator[Atoms]:
    with ase.db.connect(path) as database:
        units: dict[str, Any] = dict(database.metadata.get("_property_unit_dict") or {})
        length = {"Bohr": ase.units.Bohr, "bohr": ase.units.Bohr}.get(
            database.metadata.get("_distance_unit", "Ang"), 1.0
        )
        for row in database.select():
            frame = row.toatoms()
            frame.info.update({**row.key_value_pairs, **row.data})
            frame.positions *= length
            for key, unit in units.items():
                value = frame.info.get(key)
                if value is None:
                    continue
                if key in ("energy", "REF_energy"):
                    frame.info[key] = np.asarray(value, dtype=float) * energy_factor(unit)
                    audit.detected[key] = f"{unit} (in the metadata of the database)"
                elif key in ("forces", "REF_forces"):
                    frame.info[key] = np.asarray(value, dtype=float) * force_factor(unit.replace("Ang", "Å"))
                    audit.detected[key] = f"{unit} (in the metadata of the database)"
                elif f"unit of {key}" not in audit.detected:
                    audit.detected[f"unit of {key}"] = f"{unit}, not converted"
            for key in [k for k, v in frame.info.items() if np.ndim(v) == 2 and np.shape(v) == (len(frame), 3)]:
                frame.arrays[key] = np.asarray(frame.info.pop(key), dtype=float)
            yield frame

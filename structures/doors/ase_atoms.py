"""ase.Atoms in and out."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms

from molaug.structures.doors.ase_info import column, column_kind, count_kinds, kind_of
from molaug.structures.doors.ase_labels import (
    ENERGY_KEYS,
    FORCES_KEYS,
    energy_of,
    forces_of,
    label_keys,
    one_key,
)
from molaug.structures.doors.ase_state import (
    CHARGE_KEYS,
    MULTIPLICITY_KEYS,
    SPIN_KEYS,
    charge_of,
    multiplicity_of,
    results_of,
)
from molaug.structures.gate import kind_of as fault_kind
from molaug.structures.gate import raw_faults
from molaug.structures.hashing import content_key
from molaug.structures.schema import SCHEMA
from molaug.structures.table import Structures

#: Columns that travel through ``Atoms.info`` under their own names.
_INFO = ("smiles", "origin", "parent", "seed", "level", "reason")

#: Keys that mean something else in frames of other programs.
_PROVENANCE = ("id", "parent", "seed", "reason")

#: Columns whose names in ``info`` cannot mean what molaug holds there.
_ELSEWHERE = tuple(
    name for name in SCHEMA.names if name not in (*_INFO, "id", "charge", "multiplicity", "energy", "forces")
)

_STATE = frozenset((*CHARGE_KEYS, *MULTIPLICITY_KEYS, *SPIN_KEYS))

#: Arrays of atoms that are read, or from which charge and multiplicity are.
_TAKEN = frozenset({"numbers", "positions", "initial_charges", "initial_magmoms"})

Note = Callable[[int, str], None]
Lost = Callable[[int, str, str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelSource:
    """Where the labels of frames are, and what is said of rows that do not say it themselves."""

    energy_key: str | None = None
    forces_key: str | None = None
    level: str | None = None
    origin: str | None = None


def from_ase(
    atoms: Atoms | Iterable[Atoms],
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    level: str | None = None,
    origin: str | None = None,
    note: Callable[[int, str], None] | None = None,
) -> Structures:
    """Convert ``ase.Atoms``; energies are taken to be in eV and forces in eV/Å, as ASE has them.

    Parameters
    ----------
    atoms
        One or many.
    energy_key
        Key of the energy in ``Atoms.info``; by default ``REF_energy``, then ``energy`` or the results that a
        file reader attached as a calculator: the first that all labelled frames have.
    forces_key
        Key of the forces in ``Atoms.arrays``; likewise.
    level
        Level of theory of the labels, where ``info`` does not say.
    origin
        Name of the dataset, where ``info`` does not say.
    note
        Told the number of a frame and what of it is not taken as it stands; by default these are warnings.

    Returns
    -------
    Structures
        One row for each. Without a charge in ``info`` it is the sum of the initial charges where that is an integer;
        without a multiplicity or ``spin`` it follows from the initial magnetic moments or is the lowest possible
        one. Results of a calculator are labels only where it computed this very frame. Numbers, texts and lists of
        numbers in ``info`` become further columns; ``parent``, ``seed`` and ``reason`` are those of molaug where
        ``id`` is that of the frame, and otherwise columns ``info_parent`` and so on.

    Raises
    ------
    KeyError
        If a key that was named is absent.
    ValueError
        If a structure is periodic, a label is not finite, or some frames have one key and others another.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from_ase(molecule("OH"))[0].multiplicity
    2
    """
    frames = [atoms] if isinstance(atoms, Atoms) else list(atoms)
    told: Counter[str] = Counter()
    for number, frame in enumerate(frames):
        if energy_key is not None and energy_key not in frame.info:
            raise KeyError(f"structure {number} has no energy {energy_key!r}; info holds {listed(frame.info)}")
        if forces_key is not None and forces_key not in frame.arrays:
            raise KeyError(f"structure {number} has no forces {forces_key!r}; arrays holds {listed(frame.arrays)}")
    keys = [label_keys(frame, {} if frame.calc is None else results_of(frame, _silent)) for frame in frames]
    source = LabelSource(
        energy_key=energy_key or one_key((key for key, _ in keys), ENERGY_KEYS, "energy_key"),
        forces_key=forces_key or one_key((key for _, key in keys), FORCES_KEYS, "forces_key"),
        level=level,
        origin=origin,
    )
    say = partial(_tell, told, note)
    rows, _ = rows_of_frames(frames, source, note=say, lost=partial(_lost, say), fail=_fail)
    for text, count in told.items():
        warnings.warn(f"{count} of {len(frames)} frames: {text}", stacklevel=2)
    return rows


def rows_of_frames(
    frames: Sequence[Atoms],
    source: LabelSource,
    *,
    note: Note,
    lost: Lost,
    fail: Note,
    kinds: dict[str, str] | None = None,
) -> tuple[Structures, list[int]]:
    """Convert frames of which some may be damaged.

    Parameters
    ----------
    frames
        Any number of frames.
    source
        Where the labels are.
    note
        Told the number of a frame and what of it is not taken as it stands.
    lost
        Told the number of a frame, a key that is not handed on, and why.
    fail
        Told the number of a frame that cannot be converted, and why.
    kinds
        Kinds of further columns (:data:`molaug.structures.doors.ase_info.ARROW`), where more frames follow; those of
        columns that occur first here are added.

    Returns
    -------
    tuple of (Structures, list of int)
        The rows, and the numbers of their frames.
    """
    rows: dict[str, list[Any]] = {name: [] for name in SCHEMA.names if name != "id"}
    extras: list[dict[str, Any]] = []
    kept: list[int] = []
    for number, frame in enumerate(frames):
        try:
            row, extra = _row(frame, source, partial(note, number), partial(lost, number))
        except (ValueError, TypeError, OverflowError) as error:
            fail(number, " ".join(str(error).split()))
            continue
        for name, values in rows.items():
            values.append(row[name])
        extras.append(extra)
        kept.append(number)
    found = raw_faults(*(rows[name] for name in ("numbers", "positions", "charge", "multiplicity", "energy", "forces")))
    if any(found):
        for k, fault in zip(kept, found, strict=True):
            if fault is not None:
                fail(k, f"impossible: {fault_kind(fault)}")
        sound = [k for k, fault in enumerate(found) if fault is None]
        rows = {name: [values[k] for k in sound] for name, values in rows.items()}
        extras, kept = [extras[k] for k in sound], [kept[k] for k in sound]
    kinds = {} if kinds is None else kinds
    fresh = count_kinds({key: value for key, value in extra.items() if key not in kinds} for extra in extras)
    kinds |= {key: column_kind(counts) for key, counts in sorted(fresh.items())}
    further = {
        key: column(key, [extra.get(key) for extra in extras], kind, lambda k, text: note(kept[k], text))
        for key, kind in kinds.items()
    }
    return Structures.from_arrays(**rows, extra=further), kept


def is_plain(key: str) -> bool:
    """Tell whether a key of ``info`` becomes a column under its own name in any frame.

    Parameters
    ----------
    key
        The key.

    Returns
    -------
    bool
        False for labels, charge, spin and what molaug has columns for.
    """
    return key not in SCHEMA.names and key not in _STATE and key not in (*ENERGY_KEYS, *FORCES_KEYS)


def column_name(key: str, info: Mapping[str, Any], own: bool) -> str:
    """Return the name of the column for a key of ``info``.

    Parameters
    ----------
    key
        The key.
    info
        All of ``info``.
    own
        The frame is one of molaug's.

    Returns
    -------
    str
        The key itself, or ``info_`` and the key where molaug has a column of that name.
    """
    foreign = key in _ELSEWHERE or (key in _PROVENANCE and not own)
    if not foreign and not (key in ("level", "origin", "smiles") and not isinstance(info[key], str)):
        return key
    name = f"info_{key}"
    while name in info:
        name = f"info_{name}"
    return name


def to_ase(structures: Structures, *, energy_key: str = "REF_energy", forces_key: str = "REF_forces") -> list[Atoms]:
    """Convert to ``ase.Atoms`` with labels in ``info`` and ``arrays``.

    The default keys are those of MACE: unlike ``energy`` and ``forces`` they survive ``Atoms.copy`` after reading.

    Parameters
    ----------
    structures
        Rows with positions.
    energy_key
        Key of the energy (eV) in ``info``.
    forces_key
        Key of the forces (eV/Å) in ``arrays``.

    Returns
    -------
    list of ase.Atoms
        One for each row; everything else that the row holds is in ``info``.

    Raises
    ------
    ValueError
        If a row has no positions.
    """
    frames = []
    for row, s in enumerate(structures):
        if s.positions is None:
            raise ValueError(f"row {row} ({s.smiles}) has no positions; embed it first (molaug.generators.Conformers)")
        frame = Atoms(numbers=s.numbers, positions=s.positions)
        frame.info.update(id=s.id, charge=s.charge, multiplicity=s.multiplicity)
        frame.info.update({name: getattr(s, name) for name in _INFO if getattr(s, name) is not None})
        frame.info.update({name: value for name, value in s.extra.items() if value is not None})
        if s.energy is not None:
            frame.info[energy_key] = s.energy
        if s.forces is not None:
            frame.arrays[forces_key] = np.array(s.forces)
        frames.append(frame)
    return frames


def listed(keys: Iterable[str]) -> str:
    """Return keys as a text for messages.

    Parameters
    ----------
    keys
        Any.

    Returns
    -------
    str
        In order, or ``nothing``.
    """
    return ", ".join(sorted(map(str, keys))) or "nothing"


def _row(
    frame: Atoms, source: LabelSource, say: Callable[[str], None], lost: Callable[[str, str], None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    if frame.pbc.any():
        raise ValueError(
            f"the structure is periodic (pbc={frame.pbc.tolist()}); molaug holds molecules. "
            "Use Atoms.set_pbc(False) if the cell is only a box"
        )
    info = frame.info
    if not len(frame):
        raise ValueError("no atoms")
    charge = _whole(charge_of(frame, say), "charge")
    multiplicity = _whole(multiplicity_of(frame, charge, say), "multiplicity")
    told = info.get(source.energy_key) is not None and source.forces_key in frame.arrays
    results = {} if told or frame.calc is None else results_of(frame, say)
    energy, forces = energy_of(frame, source.energy_key, results), forces_of(frame, source.forces_key, results)
    labelled = energy is not None or forces is not None
    own = "id" in info and info["id"] == content_key(frame.numbers, frame.positions, charge, multiplicity)
    row: dict[str, Any] = {
        "numbers": frame.numbers,
        "positions": frame.positions,
        "charge": charge,
        "multiplicity": multiplicity,
        "energy": energy,
        "forces": forces,
        "level": source.level if labelled else None,
        "origin": source.origin,
        "smiles": None,
        "parent": None,
        "seed": None,
        "reason": None,
    }
    extra: dict[str, Any] = {}
    for key, value in info.items():
        if key in _STATE or key == source.energy_key or value is None:
            continue
        if key in ENERGY_KEYS or (key in FORCES_KEYS and np.ndim(value)):
            lost(str(key), f"the labels are those of {source.energy_key!r}")
        elif key == "smiles" and value is False:  # ASE's extxyz reader takes the text F, hydrogen fluoride, for false
            row["smiles"] = "F"
        elif key in ("smiles", "level", "origin") and isinstance(value, str):
            if key != "level" or labelled:
                row[key] = value
            else:
                lost(key, "the row has no label")
        elif own and key in _PROVENANCE:
            _take(row, key, value, lost)
        elif kind_of(value) is None:
            lost(str(key), _what(value))
        else:
            name = column_name(str(key), info, own)
            if name != key:
                say(f"{key!r} is column {name!r}: molaug means something else by {key!r}")
            extra[name] = value
    _name_the_rest(frame, source, lost)
    return row, extra


def _name_the_rest(frame: Atoms, source: LabelSource, lost: Callable[[str, str], None]) -> None:
    """Name results and arrays of atoms that are not taken."""
    for key in frame.arrays.keys() - _TAKEN:
        if key != source.forces_key:
            why = "an array of the atoms"
            if "force" in key.lower():
                used = source.forces_key
                why += f", the forces are {used!r}" if used else f": pass forces_key={key} if these are the forces"
            lost(key, why)
    results = getattr(frame.calc, "results", None)
    if isinstance(results, Mapping):
        for key, value in results.items():
            if value is not None and key not in ("energy", "forces"):
                lost(key, "a result of its calculator")


def _take(row: dict[str, Any], key: str, value: Any, lost: Callable[[str, str], None]) -> None:
    if key == "id":
        return
    right = kind_of(value) == "int" if key == "seed" else isinstance(value, str)
    if right:
        row[key] = value
    else:
        lost(key, "no whole number" if key == "seed" else "no text")


def _what(value: Any) -> str:
    try:
        shape = np.shape(value)
    except ValueError:
        shape = ()
    if len(shape) > 1:
        return f"an array of {len(shape)} dimensions"
    return f"a list of {type(value[0]).__name__}" if shape and shape[0] else f"a {type(value).__name__}"


def _tell(told: Counter[str], note: Note | None, number: int, text: str) -> None:
    if note is None:
        told[text] += 1
    else:
        note(number, text)


def _lost(say: Note, number: int, key: str, reason: str) -> None:
    if not reason.startswith(("an array of the atoms", "a result of")):  # atoms in memory still have them
        say(number, f"{key!r} is not taken: {reason}")


def _fail(number: int, text: str) -> None:
    raise ValueError(f"structure {number}: {text}".replace(": the structure is", " is"))


def _silent(text: str) -> None:
    """Say nothing: it is said when the results are taken."""


def _whole(value: Any, what: str) -> int:
    if type(value) is int and 1 <= value <= 100:
        return value
    try:
        whole = float(np.asarray(value).item())
    except (TypeError, ValueError):
        whole = np.nan
    if not whole.is_integer() or abs(whole) > 100 or (what == "multiplicity" and whole < 1):
        raise ValueError(f"{what} {value!r}, which is none")
    return int(whole)

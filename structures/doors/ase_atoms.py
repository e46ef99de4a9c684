"""ase.Atoms in and out."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from molaug.structures.doors.ase_state import (
    CHARGE_KEYS,
    MULTIPLICITY_KEYS,
    SPIN_KEYS,
    charge_of,
    multiplicity_of,
    results_of,
)
from molaug.structures.schema import SCHEMA
from molaug.structures.table import Structures

#: Where labels are looked for when no key is named: what MACE and its relatives write, then plain names.
ENERGY_KEYS = ("REF_energy", "energy")
FORCES_KEYS = ("REF_forces", "forces")

#: Columns that travel through ``Atoms.info`` under their own names.
_INFO = ("smiles", "origin", "parent", "seed", "level", "reason")


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
        Key of the energy in ``Atoms.info``; by default ``REF_energy``, then ``energy``, then the results that a
        file reader attached as a calculator.
    forces_key
        Key of the forces in ``Atoms.arrays``; likewise.
    level
        Level of theory of the labels, where ``info`` does not say.
    origin
        Name of the dataset, where ``info`` does not say.
    note
        Told the number of a frame and what of its charge, spin or results is not taken as it stands; by default
        these are warnings.

    Returns
    -------
    Structures
        One row for each. Without a charge in ``info`` it is the sum of the initial charges where that is an integer;
        without a multiplicity or ``spin`` it follows from the initial magnetic moments or is the lowest possible
        one. Results of a calculator are labels only where it computed this very frame. Scalars and vectors in
        ``info`` become further columns.

    Raises
    ------
    KeyError
        If a key that was named is absent.
    ValueError
        If a structure is periodic.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from_ase(molecule("OH"))[0].multiplicity
    2
    """
    frames = [atoms] if isinstance(atoms, Atoms) else list(atoms)
    rows: dict[str, Any] = {name: [] for name in SCHEMA.names if name != "id"}
    extras: list[dict[str, Any]] = []
    reserved = {
        *SCHEMA.names,
        *CHARGE_KEYS,
        *MULTIPLICITY_KEYS,
        *SPIN_KEYS,
        *ENERGY_KEYS,
        *FORCES_KEYS,
        energy_key,
        forces_key,
    }
    told: Counter[str] = Counter()
    for number, frame in enumerate(frames):
        say = partial(_tell, told, note, number)
        if frame.pbc.any():
            raise ValueError(
                f"structure {number} is periodic (pbc={frame.pbc.tolist()}); molaug holds molecules. "
                "Use Atoms.set_pbc(False) if the cell is only a box"
            )
        charge = _whole(charge_of(frame, say), "charge", number)
        told_all = _has(frame.info, energy_key, ENERGY_KEYS) and _has(frame.arrays, forces_key, FORCES_KEYS)
        results = {} if told_all else results_of(frame, say)
        energy, forces = _energy(frame, energy_key, number, results), _forces(frame, forces_key, number, results)
        labelled = energy is not None or forces is not None
        rows["numbers"].append(frame.numbers)
        rows["positions"].append(frame.positions)
        rows["charge"].append(charge)
        rows["multiplicity"].append(_whole(multiplicity_of(frame, charge, say), "multiplicity", number))
        rows["energy"].append(energy)
        rows["forces"].append(forces)
        info = _own(frame.info)
        rows["level"].append(info.get("level", level) if labelled else None)
        rows["origin"].append(info.get("origin", origin))
        rows["smiles"].append(_smiles(info.get("smiles")))
        for name in ("parent", "seed", "reason"):
            rows[name].append(info.get(name))
        extras.append(
            {
                k: v
                for k, v in info.items()
                if k not in reserved and (isinstance(v, str | int | float | bool | np.generic) or _is_vector(v))
            }
        )
    for text, count in told.items():
        warnings.warn(f"{count} of {len(frames)} frames: {text}", stacklevel=2)
    names = sorted({name for extra in extras for name in extra})
    further = {name: [_plain(extra.get(name)) for extra in extras] for name in names}
    return Structures.from_arrays(**rows, extra=further)


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


def _first(info: dict[str, Any], keys: tuple[str, ...], default: Any) -> Any:
    return next((info[key] for key in keys if info.get(key) is not None), default)


def _has(values: Mapping[str, Any], key: str | None, usual: tuple[str, ...]) -> bool:
    return key is not None or any(values.get(k) is not None for k in usual)


def _tell(told: Counter[str], note: Callable[[int, str], None] | None, number: int, text: str) -> None:
    if note is None:
        told[text] += 1
    else:
        note(number, text)


def _energy(frame: Atoms, key: str | None, number: int, results: Mapping[str, Any]) -> float | None:
    if key is not None:
        if key not in frame.info:
            raise KeyError(f"structure {number} has no energy {key!r}; info holds {_listed(frame.info)}")
        return _scalar(frame.info[key], number)
    found = _first(frame.info, ENERGY_KEYS, None)
    found = results.get("energy") if found is None else found
    return None if found is None else _scalar(found, number)


def _forces(frame: Atoms, key: str | None, number: int, results: Mapping[str, Any]) -> NDArray[np.float64] | None:
    if key is not None:
        if key not in frame.arrays:
            raise KeyError(f"structure {number} has no forces {key!r}; arrays holds {_listed(frame.arrays)}")
        return np.asarray(frame.arrays[key], dtype=np.float64)
    found = next((frame.arrays[k] for k in FORCES_KEYS if k in frame.arrays), None)
    found = results.get("forces") if found is None else found
    return None if found is None else np.asarray(found, dtype=np.float64)


def _own(info: Mapping[str, Any]) -> dict[str, Any]:
    """Rename what another program means by the keys of molaug, all of whose frames have these three."""
    if {"id", "charge", "multiplicity"} <= info.keys():
        return dict(info)
    foreign = {"id", "reason", "parent", "seed"}
    foreign |= {key for key in ("level", "origin") if not isinstance(info.get(key, ""), str)}
    return {f"info_{key}" if key in foreign else key: value for key, value in info.items()}


def _whole(value: Any, what: str, number: int) -> int:
    try:
        whole = float(np.asarray(value).item())
    except (TypeError, ValueError):
        whole = np.nan
    if not whole.is_integer() or abs(whole) > 100 or (what == "multiplicity" and whole < 1):
        raise ValueError(f"structure {number} has {what} {value!r}, which is none")
    return int(whole)


def _scalar(value: Any, number: int) -> float:
    found = np.asarray(value, dtype=np.float64)
    if found.size != 1 or not np.isfinite(found).all():
        raise ValueError(f"structure {number} has energy {value!r}, which is no finite number")
    return float(found.item())


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _is_vector(value: Any) -> bool:
    """Tell a list of numbers, such as a dipole moment."""
    if not isinstance(value, list | tuple | np.ndarray):
        return False
    array = np.asarray(value)
    return array.ndim == 1 and array.dtype.kind in "iuf"


def _smiles(value: Any) -> str | None:
    # ASE's extxyz reader takes the text F, hydrogen fluoride, for false
    return "F" if value is not None and not isinstance(value, str) and not value else value

"""Trajectories of one molecule in npz files: MD17 and sGDML (``z, R, E, F``), revised MD17."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card, Property
from molaug.structures.datasets.dataset import CHUNK, Dataset
from molaug.structures.datasets.graphs import group_graphs
from molaug.structures.datasets.locate import existing, read_npz
from molaug.structures.datasets.units import (
    ForceConvention,
    detect_energy_unit,
    detect_forces,
    energy_factor,
    force_factor,
)
from molaug.structures.gate import frame_faults, row_fault
from molaug.structures.table import Structures

#: Names of numbers, positions, energies and forces: sGDML's and those of revised MD17.
_KEYS = (("z", "R", "E", "F"), ("nuclear_charges", "coords", "energies", "forces"))


def read_md17(
    path: str | Path,
    *,
    level: str | None = None,
    energy_unit: str | None = None,
    force_unit: str | None = None,
    charge: int = 0,
    multiplicity: int | None = None,
    graphs: bool = True,
    name: str | None = None,
) -> Dataset:
    """Read frames of one molecule with energies and forces; positions in Å.

    Parameters
    ----------
    path
        The npz file.
    level
        Level of theory; by default what the file's ``theory`` says.
    energy_unit
        Unit of the energies; by default told from their size.
    force_unit
        Unit of the forces, after a minus where they are gradients; by default told from the energies, and where that
        proves nothing and ``energy_unit`` is given, that of the energies by Å.
    charge
        Total charge in e.
    multiplicity
        2S+1; the lowest possible by default.
    graphs
        Settle one SMILES for all frames with the bonds of the lowest one.
    name
        Name of the dataset; by default that of the file.

    Returns
    -------
    Dataset
        Energies in eV, forces in eV/Å.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    KeyError
        If arrays are missing.
    ValueError
        If units are neither given nor to be told, or the array of forces holds gradients.
    """
    path = existing(path)
    title = name or path.stem
    source = read_npz(path)
    keys = next((keys for keys in _KEYS if set(keys[:3]) <= set(source)), None)
    if keys is None:
        raise KeyError(f"{path}: found arrays {', '.join(source)}; expected {' or '.join(map(str, _KEYS))}")
    z, x, energy, forces, lost = _arrays(path, source, keys)
    fault = row_fault(numbers=z, charge=charge, multiplicity=multiplicity)
    if fault is not None:
        raise ValueError(f"{path}: no molecule has {fault}")
    level = level or _level(str(source["theory"]) if "theory" in source else None)
    given = [e for e in energy[:16] if np.isfinite(e)]
    unit = energy_unit or detect_energy_unit((z, float(e)) for e in given)
    if unit is None:
        raise ValueError(f"{path}: the unit of the energies cannot be told from their size; pass energy_unit=…")
    energy = energy * energy_factor(unit)
    convention = None if forces is None else _forces(path, x, energy, forces, force_unit, energy_unit)
    card = Card(
        name=title,
        title=f"Frames of one molecule read from {path.name}",
        levels=[level] if level else [],
        properties={"energy": Property(unit="eV"), "forces": Property(unit="eV/Å")},
    )

    def stream(audit: Audit) -> Iterator[Structures]:
        for key, why in lost.items():
            audit.drop_column(key, why)
        audit.detected["energy"] = f"{unit} ({'as given' if energy_unit else 'told from the size of total energies'})"
        if convention is not None:
            audit.detected["forces"] = str(convention)
        lowest = _lowest(x, energy)
        spin = multiplicity or 1 + (int(z.sum(dtype=np.int64)) - charge) % 2
        kind: dict[str, Any] = {"charge": charge, "multiplicity": spin}
        n = min(len(x), len(energy))
        for start in range(0, n, CHUNK):
            some = np.arange(start, min(start + CHUNK, n))
            audit.rows_read += len(some)
            found = frame_faults(x[some], energy[some], None if forces is None else forces[some])
            for k, reason in zip(some, found, strict=True):
                if reason is not None:
                    audit.drop(f"frame {k}", reason)
                elif np.isnan(energy[k]):
                    audit.note(f"frame {k}", "unlabelled: an energy of NaN")
            some = some[[reason is None for reason in found]]
            names = [f"frame {k}" for k in some]
            audit.keep(len(some))
            frames, measured = x[some], energy[some]
            pushed = None if convention is None or forces is None else forces[some] * convention.factor
            yield Structures.from_arrays(
                [z] * len(some),
                list(frames),
                smiles=group_graphs([], z, frames, lowest, names, audit, **kind) if graphs else None,
                origin=title,
                energy=measured if np.isfinite(measured).all() else [None if np.isnan(e) else e for e in measured],
                forces=None if pushed is None else [None if np.isnan(f).all() else f for f in pushed],
                level=level,
                **kind,
            )
        longest = max(len(x), len(energy))
        audit.rows_read += longest - n
        for beyond in range(n, longest):
            audit.drop(
                f"frame {beyond}", f"unreadable: more {'positions' if len(x) > n else 'energies'} than the other"
            )

    return Dataset(card=card, stream=stream, audit=Audit(source=str(path)))


def _arrays(
    path: Path, source: dict[str, Any], keys: Sequence[str]
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None, dict[str, str]]:
    """Return numbers, positions, energies and forces, and why further arrays are not handed on."""
    z, x, energy = (source[key] for key in keys[:3])
    expected = {keys[0]: "(n_atoms,)", keys[1]: "(n, n_atoms, 3)", keys[2]: "(n,) or (n, 1)"}
    shaped = (z.ndim == 1, x.shape[1:] == (z.size, 3), energy.ndim > 0 and energy.size == len(energy) > 0)
    for key, fits in zip(keys[:3], shaped, strict=True):
        if not fits or source[key].dtype.kind not in "iuf":
            shapes = ", ".join(f"{k} {source[k].shape} of {source[k].dtype}" for k in keys[:3])
            raise ValueError(
                f"{path}: arrays {shapes} do not belong together; expected {key} of numbers {expected[key]}"
            )
    forces = source.get(keys[3])
    known = {*keys, "theory", "name", "type", "md5"}
    lost = {key: "an array that the reader does not know" for key in source if key not in known}
    if forces is not None and (forces.shape != x.shape or forces.dtype.kind not in "iuf"):
        lost[keys[3]] = "forces of a wrong shape"
        forces = None
    floats = None if forces is None else forces.astype(np.float64)
    return z, x.astype(np.float64), energy.astype(np.float64).ravel(), floats, lost


def _lowest(x: NDArray[np.float64], energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frame of lowest energy among those that are finite."""
    n = min(len(x), len(energy))
    sound = np.isfinite(x[:n]).all(axis=(1, 2)) & np.isfinite(energy[:n])
    lowest: NDArray[np.float64] = x[int(np.argmin(np.where(sound, energy[:n], np.inf)))]
    return lowest


def _forces(
    path: Path,
    x: NDArray[np.float64],
    energy: NDArray[np.float64],
    f: NDArray[np.float64],
    unit: str | None,
    energy_unit: str | None,
) -> ForceConvention:
    if unit is not None:
        force_factor(unit)  # refuses unknown units
        return ForceConvention(sign=1, unit=unit, evidence="as given")
    n = min(len(x), len(energy))
    sound = np.isfinite(x[:n]).all(axis=(1, 2)) & np.isfinite(energy[:n]) & np.isfinite(f[:n]).all(axis=(1, 2))
    found = detect_forces([(x[:n][sound], energy[:n][sound], f[:n][sound])])
    if found is None and energy_unit is not None:
        return ForceConvention(
            sign=1, unit=f"{energy_unit}/Å", evidence="that of the energies, by Å; nothing proves it"
        )
    if found is None:
        raise ValueError(f"{path}: the unit of the forces cannot be told; pass force_unit='kcal/mol/Å' or 'eV/Å'")
    return found


def _level(theory: str | None) -> str | None:
    """Return ``ccsd(t)/cc-pvtz`` for ``Psi4: CCSD(T), cc-pVTZ``."""
    if not theory or theory == "unknown":
        return None
    return "/".join(part.strip() for part in theory.rpartition(":")[2].split(",")).lower()

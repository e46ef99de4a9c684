"""Trajectories of one molecule in npz files: MD17 and sGDML (``z, R, E, F``), revised MD17."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card, Property
from molaug.structures.datasets.dataset import CHUNK, Dataset
from molaug.structures.datasets.graphs import group_graphs
from molaug.structures.datasets.locate import existing
from molaug.structures.datasets.units import (
    ForceConvention,
    detect_energy_unit,
    detect_forces,
    energy_factor,
    force_factor,
)
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
    with np.load(path, allow_pickle=False) as source:
        keys = next((keys for keys in _KEYS if set(keys[:3]) <= set(source.files)), None)
        if keys is None:
            raise KeyError(f"{path}: found arrays {', '.join(source.files)}; expected {' or '.join(map(str, _KEYS))}")
        z = source[keys[0]].astype(np.uint8)
        x = source[keys[1]].astype(np.float64)  # (n, n_atoms, 3)
        energy = source[keys[2]].astype(np.float64).ravel()
        forces = source[keys[3]].astype(np.float64) if keys[3] in source.files else None
        theory = str(source["theory"]) if "theory" in source.files else None
    level = level or _level(theory)
    unit = energy_unit or detect_energy_unit((z, float(e)) for e in energy[:16])
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
        audit.detected["energy"] = f"{unit} ({'as given' if energy_unit else 'told from the size of total energies'})"
        if convention is not None:
            audit.detected["forces"] = str(convention)
        lowest = x[int(np.argmin(energy))]
        spin = multiplicity or 1 + (int(z.sum(dtype=np.int64)) - charge) % 2
        for start in range(0, len(x), CHUNK):
            frames = x[start : start + CHUNK]
            names = [f"frame {k}" for k in range(start, start + len(frames))]
            audit.rows_read += len(frames)
            audit.keep(len(frames))
            kind: dict[str, Any] = {"charge": charge, "multiplicity": spin}
            pushed = None if convention is None or forces is None else forces[start : start + CHUNK] * convention.factor
            yield Structures.from_arrays(
                [z] * len(frames),
                list(frames),
                smiles=group_graphs([], z, frames, lowest, names, audit, **kind) if graphs else None,
                origin=title,
                energy=energy[start : start + CHUNK],
                forces=None if pushed is None else list(pushed),
                level=level,
                **kind,
            )

    return Dataset(card=card, stream=stream, audit=Audit(source=str(path)))


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
    found = detect_forces([(x, energy, f)])
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

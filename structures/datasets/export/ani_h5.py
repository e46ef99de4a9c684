"""HDF5 in the layout of pyanitools, which the tools around ANI read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase.units import Hartree

from molaug.structures import Structure, Structures
from molaug.structures.chemistry import symbols
from molaug.structures.datasets.ani_layouts import LEVEL_ATTRIBUTE
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.export.writing import name_lost, with_geometry

#: The one top group.
_ROOT = "molaug"

#: Columns of the layout; ids follow from the content.
_HELD = ("id", "numbers", "positions", "charge", "multiplicity", "smiles", "energy", "forces", "level")


def write_ani(
    batches: Iterable[Structures],
    path: Path,
    audit: Audit,
    *,
    energy_key: str = "REF_energy",
    forces_key: str = "REF_forces",
) -> None:
    """Write one group for each molecule: conformers of one order of atoms, charge, multiplicity and SMILES.

    ``coordinates`` are in Å, ``energies`` in Ha, ``forces`` (true forces, not gradients) in Ha/Å, ``species`` symbols.

    Parameters
    ----------
    batches
        The rows; those without positions or energy are left out. Groups grow, so that conformers of one molecule may
        come at any time.
    path
        The file.
    audit
        Told.
    energy_key
        Not used: the layout says ``energies``.
    forces_key
        Not used: the layout says ``forces``.
    """
    places: dict[tuple[Any, ...], str] = {}
    with h5py.File(path, "w", libver="latest") as file:
        root = file.create_group(_ROOT)
        file.attrs["molaug.units"] = "coordinates: Å, energies: Ha, forces: Ha/Å (forces, not gradients)"
        for batch in batches:
            gathered: dict[tuple[Any, ...], list[Structure]] = {}
            kept = with_geometry(batch, audit)
            name_lost(kept, audit, _HELD, "the layout of pyanitools has no place for it")
            for s in kept:
                if s.energy is None:
                    audit.drop(s.id, "no energy: the layout holds labelled conformers")
                    continue
                file.attrs[LEVEL_ATTRIBUTE] = s.level or ""
                kind = (s.numbers.tobytes(), s.charge, s.multiplicity, s.smiles, s.forces is not None)
                gathered.setdefault(kind, []).append(s)
                audit.keep()
            for kind, members in gathered.items():
                if kind not in places:
                    places[kind] = f"mol{len(places):07d}"
                    _create(root.create_group(places[kind]), members[0])
                _append(root[places[kind]], members)


def _create(group: h5py.Group, s: Structure) -> None:
    n = len(s.numbers)
    group["species"] = np.array([symbol.encode() for symbol in symbols(s.numbers)])
    group["smiles"] = np.array([letter.encode() for letter in s.smiles or ""], dtype="S1")  # as ANI-1 has it
    group.attrs.update(charge=s.charge, multiplicity=s.multiplicity)
    shapes: dict[str, tuple[int, ...]] = {"coordinates": (n, 3), "energies": ()}
    if s.forces is not None:
        shapes["forces"] = (n, 3)
    for name, shape in shapes.items():
        group.create_dataset(name, (0, *shape), np.float64, maxshape=(None, *shape), chunks=(64, *shape))


def _append(group: h5py.Group, members: list[Structure]) -> None:
    columns: dict[str, list[Any]] = {
        "coordinates": [s.positions for s in members],
        "energies": [(s.energy or 0.0) / Hartree for s in members],
    }
    if "forces" in group:
        columns["forces"] = [None if s.forces is None else s.forces / Hartree for s in members]
    for name, values in columns.items():
        data = group[name]
        start = data.shape[0]
        data.resize(start + len(values), axis=0)
        data[start:] = np.array(values, dtype=np.float64)

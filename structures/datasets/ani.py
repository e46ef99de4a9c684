"""The ANI family in HDF5: ANI-1, COMP6 and their kin by molecule, ANI-1x/ccx by formula, ANI-2x by number of atoms.

Energies are converted from Hartree to eV. Whether an array ``forces`` holds forces or gradients, and by Å or by bohr,
differs from file to file: it is given by the caller, or told from the energies, and written into the audit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.units import Hartree
from numpy.typing import NDArray

from molaug.structures.datasets.ani_layouts import Conformers, groups, levels_in
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card, Property
from molaug.structures.datasets.dataset import CHUNK, Dataset
from molaug.structures.datasets.graphs import group_graphs, settle_graph
from molaug.structures.datasets.locate import existing
from molaug.structures.datasets.units import (
    ForceConvention,
    detect_energy_unit,
    detect_forces,
    energy_factor,
    force_factor,
)
from molaug.structures.gate import frame_faults
from molaug.structures.table import Structures

#: Conformers looked at when conventions are told from the numbers.
_SAMPLED_GROUPS = 80
_SAMPLED_CONFORMERS = 2000


def read_ani(
    path: str | Path,
    *,
    level: str | None = None,
    forces: str | None = None,
    force_unit: str | None = None,
    high_energy: bool = False,
    graphs: bool = True,
    name: str | None = None,
) -> Dataset:
    """Read an HDF5 file of the ANI family.

    Parameters
    ----------
    path
        The file; its layout is recognised by its arrays.
    level
        Level of theory of the labels. For ANI-1x/ccx files, which hold several, the one that is wanted: for instance
        ``"wb97x/6-31g(d)"`` or ``"wb97x_dz"``. Elsewhere by default what the file says, which may be nothing.
    forces
        ``"force"`` or ``"gradient"``: what an array ``forces`` holds; by default told from the energies.
    force_unit
        For instance ``"Ha/Å"`` or ``"Ha/bohr"``; by default told from the energies. Needed together with ``forces``.
    high_energy
        Also read ``coordinatesHE`` and ``energiesHE``, with a column ``high_energy``.
    graphs
        Settle a SMILES: one for each group of conformers, for those with its bonds; for each conformer where a group
        may hold isomers.
    name
        Name of the dataset; by default that of the file.

    Returns
    -------
    Dataset
        Energies in eV, forces in eV/Å. Conformers without an energy at the level are dropped and counted.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If the level is not in the file or not unique, the meaning of the forces is neither given nor provable, or
        energies are not in Hartree.
    """
    path = existing(path)
    if forces not in (None, "force", "gradient"):
        raise ValueError(f"forces={forces!r}; expected 'force', 'gradient' or None to tell it from the energies")
    if (forces is None) != (force_unit is None):
        raise ValueError("forces and force_unit belong together: pass both ('gradient' and 'Ha/Å', say) or none")
    choice = levels_in(path).choose(level, path)
    _check_hartree(path, choice.prefix)
    convention = None
    if choice.has_forces:
        convention = _given(forces, force_unit) or _detected(path, choice.prefix, choice.documented)
    title = name or path.stem
    card = Card(
        name=title,
        title=f"Conformers read from {path.name}",
        levels=[choice.level] if choice.level else [],
        properties={
            "energy": Property(unit="eV", description="total energy"),
            **({"forces": Property(unit="eV/Å")} if convention else {}),
        },
    )

    def stream(audit: Audit) -> Iterator[Structures]:
        audit.detected["energy"] = "Ha (told from the size of total energies)"
        if convention is not None:
            audit.detected["forces"] = str(convention)
        if choice.level is None:
            audit.remarks.append("the file does not name the level of theory of its labels; pass level=…")
        for group in groups(path, choice.prefix, high_energy=high_energy, audit=audit):
            for start in range(0, len(group.coordinates), CHUNK):
                yield from _batch(group.slice(start, start + CHUNK), choice.level, convention, graphs, title, audit)

    return Dataset(card=card, stream=stream, audit=Audit(source=str(path)))


def _batch(
    group: Conformers, level: str | None, convention: ForceConvention | None, graphs: bool, origin: str, audit: Audit
) -> Iterator[Structures]:
    audit.rows_read += len(group.coordinates)
    raw = group.forces if convention is not None else None
    found = frame_faults(group.coordinates, group.energies, raw)
    for k in np.flatnonzero(np.isnan(group.energies)):
        found[k] = found[k] or "unlabelled: no energy at this level"
    for place, reason in enumerate(found):
        if reason is not None:
            audit.drop(group.names[place], reason)
    rows = np.flatnonzero([reason is None for reason in found])
    if not len(rows):
        return
    x = group.coordinates[rows].astype(np.float64)
    names = [group.names[k] for k in rows]
    energies = group.energies[rows] * Hartree
    forces: list[NDArray[np.float64] | None] | None = None
    if convention is not None and group.forces is not None:
        scaled = group.forces[rows].astype(np.float64) * convention.factor
        forces = [f if np.isfinite(f).all() else None for f in scaled]
    extra = {} if group.high_energy is None else {"high_energy": [group.high_energy] * len(rows)}
    yield Structures.from_arrays(
        [group.numbers] * len(rows),
        list(x),
        charge=group.charge,
        multiplicity=group.multiplicity,
        smiles=_graphs(group, x, energies, names, audit) if graphs else None,
        origin=origin,
        energy=energies,
        forces=forces,
        level=level,
        extra=extra,
    )
    audit.keep(len(rows))


def _graphs(
    group: Conformers, x: NDArray[np.float64], energies: NDArray[np.float64], names: list[str], audit: Audit
) -> list[str | None]:
    z, q = group.numbers, group.charge
    m = group.multiplicity or 1 + (int(z.sum(dtype=np.int64)) - q) % 2
    if group.isomers:
        return [
            settle_graph([], z, xk, name, audit, charge=q, multiplicity=m) for xk, name in zip(x, names, strict=True)
        ]
    lowest = x[int(np.argmin(energies))] if group.reference is None else group.reference
    listed = [group.smiles] if group.smiles else []
    return group_graphs(listed, z, x, lowest, names, audit, charge=q, multiplicity=m)


def _sample(path: Path, prefix: str) -> Iterator[Conformers]:
    for count, group in enumerate(groups(path, prefix)):
        if count == _SAMPLED_GROUPS:
            return
        known = np.flatnonzero(np.isfinite(group.energies))[:_SAMPLED_CONFORMERS]
        if len(known):
            yield group.take(known)


def _check_hartree(path: Path, prefix: str) -> None:
    samples = [(group.numbers, float(energy)) for group in _sample(path, prefix) for energy in group.energies[:1]]
    unit = detect_energy_unit(samples)
    if samples and unit not in ("Ha", None):
        raise ValueError(f"{path}: the energies are of the size of {unit}; files of this layout hold Ha. Convert them")
    if not samples:
        raise ValueError(f"{path}: no conformer has an energy at this level")


def _given(forces: str | None, unit: str | None) -> ForceConvention | None:
    if forces is None or unit is None:
        return None
    force_factor(unit)  # refuses unknown units
    return ForceConvention(sign=1 if forces == "force" else -1, unit=unit, evidence="as given")


def _detected(path: Path, prefix: str, documented: str | None) -> ForceConvention:
    sample = [
        (g.coordinates.astype(np.float64), g.energies * energy_factor("Ha"), g.forces.astype(np.float64))
        for g in _sample(path, prefix)
        if g.forces is not None and np.isfinite(g.forces).all() and np.isfinite(g.coordinates).all()
    ]
    found = detect_forces(sample)
    if found is not None:
        return found
    if documented is not None:
        evidence = "as this layout is documented; too few near conformers to prove it"
        return ForceConvention(sign=1, unit=documented, evidence=evidence)
    raise ValueError(
        f"{path}: it cannot be told from the energies whether 'forces' holds forces or gradients and in which unit; "
        "pass forces='force' or 'gradient' and force_unit='Ha/Å' or 'Ha/bohr'"
    )

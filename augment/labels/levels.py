"""Levels of theory never mix silently: labels that claim one level must reproduce each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from molaug.labels.causes import cause_of_energies, cause_of_forces
from molaug.labels.labeller import Labeller
from molaug.labels.labelling import TIME_LIMIT, label
from molaug.structures import Structures

#: Largest difference per structure at which two energies count as the same level, in eV (0.1 mHa).
TOLERANCE = 2.7e-3

#: Largest difference of a component of a force at which two labels count as the same level, in eV/Å: positions that
#: were printed to 1e-4 Å move the forces of stiff bonds by 0.01 eV/Å, programs differ by as much.
FORCE_TOLERANCE = 0.05

#: Differences below it are those of machines, in eV and eV/Å.
_PRINTED = 1e-4


class LevelError(ValueError):
    """New labels are not at the level of theory of the base."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelCheck:
    """What recomputing a few base structures showed.

    Parameters
    ----------
    level
        Of the new labels.
    ids
        What was recomputed.
    differences
        Recomputed minus stored energies in eV; NaN where the base has no energy.
    force_differences
        Largest difference of a component of the forces in eV/Å; NaN where forces were not compared.
    unnamed
        Rows of the base with labels whose level it does not name.
    remarks
        What is not known after the check, one sentence each.
    """

    level: str
    ids: tuple[str, ...]
    differences: tuple[float, ...]
    force_differences: tuple[float, ...] = ()
    unnamed: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def largest(self) -> float:
        """Largest absolute difference of energies in eV; 0 where nothing was compared."""
        return max((abs(d) for d in self.differences if np.isfinite(d)), default=0.0)

    @property
    def largest_force(self) -> float:
        """Largest difference of a component of the forces in eV/Å; 0 where nothing was compared."""
        return max((d for d in self.force_differences if np.isfinite(d)), default=0.0)

    @property
    def evidence(self) -> str:
        """What was compared, in words."""
        energies, forces = (sum(map(np.isfinite, values)) for values in (self.differences, self.force_differences))
        off, pushed = (max(worst, _PRINTED) for worst in (self.largest, self.largest_force))
        return (
            f"{len(self.ids)} structures of the base were recomputed at {self.level}: {energies} energies agree within "
            f"{off:.1g} eV, forces of {forces} within {pushed:.1g} eV/Å"
        )


def canonical_level(name: str) -> str:
    """Return the name of a level in the form in which names are compared: lower case, no blanks.

    Parameters
    ----------
    name
        For instance ``"B3LYP/6-31G(2df,p)"``.

    Returns
    -------
    str
        For instance ``"b3lyp/6-31g(2df,p)"``. Names with a ``module:Class`` keep their case: options may be names of
        files.
    """
    joined = "".join(name.split())
    return joined if ":" in joined else joined.lower()


def check_level(
    base: Structures,
    labeller: Labeller,
    *,
    n: int = 3,
    tolerance: float = TOLERANCE,
    force_tolerance: float = FORCE_TOLERANCE,
    time_limit: float | None = TIME_LIMIT,
) -> LevelCheck:
    """Recompute a few structures of the base and compare with the energies and forces that it holds.

    Parameters
    ----------
    base
        Labelled structures. The smallest ``n`` molecules are recomputed; where these have no forces that are large
        enough to tell sign and unit, one is added that has. Rows that name no level of theory are judged by their
        numbers alone, ``n`` of them beside those that name it.
    labeller
        What will label the new structures. Forces are computed for the check where the base has them, even if the
        new labels have none.
    n
        How many structures.
    tolerance
        Largest difference of the energies in eV for each.
    force_tolerance
        Largest difference of a component of the forces in eV/Å for each.
    time_limit
        Seconds for each structure.

    Returns
    -------
    LevelCheck
        Which structures were compared, how they differ, and what is not known.

    Raises
    ------
    LevelError
        If the names of the levels differ, an energy or a force differs by more than the tolerance, or nothing could be
        recomputed; the message names the likely cause.
    """
    pushed = np.asarray(pc.is_valid(base.table.column("forces")), dtype=bool)
    labelled = base.filter((np.isfinite(base.array("energy")) | pushed) & base.has_geometry)
    level = str(labeller.level)
    if not len(labelled):
        return LevelCheck(level=level, ids=(), differences=())
    unnamed = np.array([name is None for name in labelled.column("level")], dtype=bool)
    names = sorted({name for name in labelled.column("level") if name is not None})
    if {canonical_level(name) for name in names} - {canonical_level(level)}:
        raise LevelError(
            f"the base holds labels at {', '.join(names)}, new ones would be at {level}; expected one level. "
            "Label at the base's level, relabel the base (base_labels: relabel), or keep both apart in a "
            "multi-fidelity dataset (base_labels: mixed). If both names mean one method, name it: level of the labeller"
        )
    parts = [labelled.filter(which) for which in (~unnamed, unnamed) if which.any()]
    smallest = Structures.concat(_chosen(part, n, force_tolerance) for part in parts)
    recomputed = _recomputed(smallest, labeller, time_limit)
    called = f"calls its labels {names[0]}" if names else "does not name the level of its labels"
    differences = recomputed.array("energy") - smallest.array("energy")
    off = _largest_of_each(smallest.forces - recomputed.forces, smallest)
    faults = [
        *_faults_of_energies(smallest, recomputed, differences, tolerance),
        *_faults_of_forces(smallest, recomputed, off, force_tolerance),
    ]
    if faults:
        raise LevelError(
            f"the base {called}, but {' And '.join(faults)} Relabel the base (base_labels: relabel), "
            "or correct its units or level (base_options: energy_unit, force_unit, level)"
        )
    return LevelCheck(
        level=level,
        ids=tuple(smallest.ids),
        differences=tuple(differences.tolist()),
        force_differences=tuple(off.tolist()),
        unnamed=int(unnamed.sum()),
        remarks=(*_without(labelled, labeller), *_untold(smallest, recomputed, off, force_tolerance)),
    )


def _chosen(rows: Structures, n: int, force_tolerance: float) -> Structures:
    """Return the smallest molecules, among them one with forces of any size where there is one."""
    order = np.argsort(rows.n_atoms, kind="stable")
    largest = _largest_of_each(rows.forces, rows)
    first = order[:n].tolist()
    for least in (2 * force_tolerance, 0.0):
        telling = [int(k) for k in order if largest[k] >= least]
        if telling and not set(telling) & set(first):
            first.append(telling[0])
        if telling:
            break
    with_energy = [int(k) for k in order if np.isfinite(rows.array("energy")[k])]
    if with_energy and not set(with_energy) & set(first):
        first.append(with_energy[0])
    return rows.take(first)


def _recomputed(rows: Structures, labeller: Labeller, time_limit: float | None) -> Structures:
    there = np.asarray(pc.is_valid(rows.table.column("forces")), dtype=bool).any()
    bare = rows.with_columns({"reason": None, "energy": None, "forces": None})
    for forces in (True, False) if there and not labeller.forces else (labeller.forces,):
        found = label(bare, replace(labeller, forces=forces), time_limit=time_limit)
        failed = [reason for reason in found.column("reason") if reason is not None]
        if not failed:
            return found
    raise LevelError(f"the base could not be recomputed at {labeller.level}: {failed[0]}")


def _faults_of_energies(
    stored: Structures, recomputed: Structures, differences: NDArray[np.float64], tolerance: float
) -> list[str]:
    if not (np.abs(differences[np.isfinite(differences)]) > tolerance).any():
        return []
    worst = int(np.nanargmax(np.abs(differences)))
    old, new = stored.array("energy"), recomputed.array("energy")
    fault = (
        f"recomputing {_name(stored, worst)} gives {new[worst]:.6f} eV instead of {old[worst]:.6f} eV; expected "
        f"agreement within {tolerance:g} eV. {cause_of_energies(old, new, stored)}"
    )
    return [fault]


def _faults_of_forces(
    stored: Structures, recomputed: Structures, off: NDArray[np.float64], tolerance: float
) -> list[str]:
    wrong = np.isfinite(off) & (off > tolerance)
    if not wrong.any():
        return []
    worst = int(np.nanargmax(off))
    known = np.repeat(wrong, stored.n_atoms)
    fault = (
        f"a force on an atom of {_name(stored, worst)} is {off[worst]:.3g} eV/Å off the recomputed one; expected "
        f"agreement within {tolerance:g} eV/Å. {cause_of_forces(stored.forces[known], recomputed.forces[known])}"
    )
    return [fault]


def _untold(stored: Structures, recomputed: Structures, off: NDArray[np.float64], tolerance: float) -> list[str]:
    """Say what the forces that were compared cannot tell."""
    if not np.asarray(pc.is_valid(stored.table.column("forces")), dtype=bool).any():
        return []
    compared = np.isfinite(off)
    if not compared.any():
        return ["the forces of the base were not compared: the calculator gives none"]
    if _largest_of_each(recomputed.forces, stored)[compared].max() <= 2 * tolerance:
        return ["the forces of the base that were compared are too small to tell their sign and unit"]
    return []


def _without(rows: Structures, labeller: Labeller) -> Sequence[str]:
    """Say which rows of the base have not both energies and forces."""
    pushed = np.asarray(pc.is_valid(rows.table.column("forces")), dtype=bool)
    energies = np.isfinite(rows.array("energy"))
    found = []
    if (~energies).any():
        found.append(f"{int((~energies).sum())} of {len(rows)} labelled rows of the base have forces and no energy")
    if labeller.forces and (~pushed).any() and pushed.any():
        found.append(f"{int((~pushed).sum())} of {len(rows)} labelled rows of the base have no forces")
    return found


def _largest_of_each(vectors: NDArray[np.float64], rows: Structures) -> NDArray[np.float64]:
    """Return the largest component of each structure; NaN where any is missing."""
    n = rows.n_atoms
    largest = np.full(len(rows), np.nan)
    if len(vectors):
        filled = n > 0
        largest[filled] = np.maximum.reduceat(np.abs(vectors).max(axis=1), rows.offsets[:-1][filled])
    return largest


def _name(rows: Structures, k: int) -> str:
    return str(rows[k].smiles or rows.ids[k])

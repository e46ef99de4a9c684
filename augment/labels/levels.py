"""Levels of theory never mix silently: labels that claim one level must reproduce each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molaug.labels.labeller import Labeller
from molaug.labels.labelling import TIME_LIMIT, label
from molaug.structures import Structures

#: Largest difference per structure at which two energies count as the same level, in eV (0.1 mHa).
TOLERANCE = 2.7e-3


class LevelError(ValueError):
    """New labels are not at the level of theory of the base."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelCheck:
    """What recomputing a few base structures showed: their ids and recomputed minus stored energies in eV."""

    level: str
    ids: tuple[str, ...]
    differences: tuple[float, ...]

    @property
    def largest(self) -> float:
        """Largest absolute difference in eV; 0 where nothing was compared."""
        return max((abs(d) for d in self.differences), default=0.0)


def canonical_level(name: str) -> str:
    """Return the name of a level in the form in which names are compared: lower case, no blanks.

    Parameters
    ----------
    name
        For instance ``"B3LYP/6-31G(2df,p)"``.

    Returns
    -------
    str
        For instance ``"b3lyp/6-31g(2df,p)"``.
    """
    return "".join(name.split()).lower()


def check_level(
    base: Structures,
    labeller: Labeller,
    *,
    n: int = 3,
    tolerance: float = TOLERANCE,
    time_limit: float | None = TIME_LIMIT,
) -> LevelCheck:
    """Recompute a few structures of the base and compare with the labels that it holds.

    Parameters
    ----------
    base
        Labelled structures; the smallest ``n`` molecules are recomputed.
    labeller
        What will label the new structures.
    n
        How many structures.
    tolerance
        Largest difference in eV for each.
    time_limit
        Seconds for each structure.

    Returns
    -------
    LevelCheck
        Which structures were compared and how they differ.

    Raises
    ------
    LevelError
        If the names of the levels differ, an energy differs by more than the tolerance, or nothing could be
        recomputed.
    """
    labelled = base.filter(np.isfinite(base.array("energy")) & base.has_geometry)
    if not len(labelled):
        return LevelCheck(level=str(labeller.level), ids=(), differences=())
    levels = sorted({str(level) for level in labelled.column("level")})
    if {canonical_level(level) for level in levels} != {canonical_level(str(labeller.level))}:
        raise LevelError(
            f"the base holds labels at {', '.join(levels)}, new ones would be at {labeller.level}; expected one level. "
            f"Label at the base's level, relabel the base (base_labels: relabel), or keep both apart in a "
            "multi-fidelity dataset (base_labels: mixed)"
        )
    smallest = labelled.take(np.argsort(labelled.n_atoms, kind="stable")[:n])
    recomputed = label(smallest.with_columns({"reason": None}), labeller, time_limit=time_limit)
    failed = [reason for reason in recomputed.column("reason") if reason is not None]
    if failed:
        raise LevelError(f"the base could not be recomputed at {labeller.level}: {failed[0]}")
    differences = recomputed.array("energy") - smallest.array("energy")
    check = LevelCheck(
        level=str(labeller.level), ids=tuple(smallest.ids), differences=tuple(float(d) for d in differences)
    )
    if check.largest > tolerance:
        worst = int(np.abs(differences).argmax())
        raise LevelError(
            f"the base calls its labels {levels[0]}, but recomputing {smallest[worst].smiles or smallest.ids[worst]} "
            f"gives {recomputed.array('energy')[worst]:.6f} eV instead of {smallest.array('energy')[worst]:.6f} eV; "
            f"expected agreement within {tolerance:g} eV. Is it another code or basis, are energies atomisation "
            "energies, or in other units? Relabel the base (base_labels: relabel) or correct its level"
        )
    return check

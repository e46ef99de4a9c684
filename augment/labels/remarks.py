"""What a user of a run's labels should know: remarks of the card, shown on the console and in the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from molaug.labels.labeller import Labeller
from molaug.labels.levels import LevelCheck
from molaug.shards import read_record
from molaug.structures import Structures
from molaug.structures.calculators import unpolarised
from molaug.structures.datasets.export.folder import without_level


def plain_check(check: LevelCheck) -> dict[str, Any]:
    """Return a check in plain values.

    Parameters
    ----------
    check
        What :func:`molaug.labels.check_level` found.

    Returns
    -------
    dict
        Numbers that are not known are None.
    """
    plain = asdict(check)
    for name in ("differences", "force_differences"):
        plain[name] = [d if np.isfinite(d) else None for d in plain[name]]
    return plain


def read_check(path: Path) -> LevelCheck | None:
    """Read a check.

    Parameters
    ----------
    path
        The file; it need not exist.

    Returns
    -------
    LevelCheck or None
        As it was written.
    """
    if not path.is_file():
        return None
    plain = read_record(path)
    numbers = {
        name: tuple(np.nan if d is None else float(d) for d in plain.get(name, ()))
        for name in ("differences", "force_differences")
    }
    return LevelCheck(
        level=plain["level"],
        ids=tuple(plain["ids"]),
        unnamed=plain.get("unnamed", 0),
        remarks=tuple(plain.get("remarks", ())),
        **numbers,
    )


def remarks_of(labeller: Labeller | None, check: LevelCheck | None, rows: Iterable[Structures]) -> list[str]:
    """Return the remarks of a dataset.

    Parameters
    ----------
    labeller
        What labelled new rows; None where nothing did.
    check
        What the check of the base found, if there was one.
    rows
        Batches of the dataset.

    Returns
    -------
    list of str
        One sentence each.
    """
    remarks = []
    if check is not None and check.ids:
        if check.unnamed:
            remarks.append(
                f"{check.unnamed} labelled rows of the base name no level of theory; they count as {check.level}: "
                f"{check.evidence}"
            )
        remarks += check.remarks
    better = None if labeller is None else unpolarised(labeller.calculator, labeller.options)
    open_shells = unnamed = 0
    for batch in rows:
        unnamed += int(without_level(batch).sum())
        if better is not None and labeller is not None:
            here = pc.equal(pc.fill_null(batch.table.column("level"), ""), str(labeller.level))
            found = pc.and_(here, pc.greater(batch.table.column("multiplicity"), 1))
            open_shells += int(np.asarray(found, dtype=bool).sum())
    if unnamed:
        remarks.append(f"the level of theory of {unnamed} labelled rows is unknown: their source does not name it")
    if open_shells and labeller is not None:
        remarks.append(
            f"{open_shells} rows with unpaired electrons are labelled at {labeller.level}, which leaves out spin "
            f"polarisation: beside closed shells doublets lie 0.1 to 0.4 eV above {better}, triplets 0.4 to 1.5 eV, "
            "and triplet O2 lies above the singlet"
        )
    return remarks

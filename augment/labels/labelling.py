"""Batches labelled and relaxed, one structure at a time in a process of its own fate."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.isolation import Outcome, isolated
from molaug.labels.labeller import LabelError, Labeller
from molaug.labels.relaxation import Relaxation
from molaug.structures import Structure, Structures
from molaug.structures.gate import IMPOSSIBLE, kind_of, row_fault
from molaug.structures.hashing import content_key

#: Seconds for one structure unless told otherwise.
TIME_LIMIT = 600.0


def label(
    structures: Structures, labeller: Labeller | str = "gfn2-xtb", *, time_limit: float | None = TIME_LIMIT
) -> Structures:
    """Label the rows that are alive.

    Parameters
    ----------
    structures
        Any rows; those rejected earlier are left alone.
    labeller
        A labeller or the name of its calculator.
    time_limit
        Seconds for each structure.

    Returns
    -------
    Structures
        All rows, in order, with ``energy``, ``forces`` and ``level``; failures are rejected with a reason.

    Examples
    --------
    >>> from ase.build import molecule
    >>> round(label(Structures.from_ase(molecule("H2")))[0].energy, 2)
    -26.72
    """
    labeller = Labeller(calculator=labeller) if isinstance(labeller, str) else labeller
    labeller.check()  # a missing package or a wrong option stops here, not once for each row
    began = time.time()
    outcomes = isolated(labeller.label, _alive(structures), time_limit=time_limit)
    energies: list[float | None] = []
    forces: list[NDArray[np.float64] | None] = []
    levels: list[str | None] = []
    reasons: list[str | None] = []
    for row in structures:
        if row.reason is not None:
            energies.append(row.energy)
            forces.append(row.forces)
            levels.append(row.level)
            reasons.append(None)
            continue
        outcome = next(outcomes)
        energy, force = outcome.value if outcome.value is not None else (None, None)
        fault = row_fault(numbers=row.numbers, energy=energy, forces=force)
        if fault is not None:
            outcome, energy, force = Outcome(reason=f"{IMPOSSIBLE}: {kind_of(fault)}"), None, None
        energies.append(energy)
        forces.append(force)
        levels.append(None if energy is None else labeller.level)
        reasons.append(_reason(labeller.name, outcome, labeller, row, began))
    return structures.with_columns({"energy": energies, "forces": forces, "level": levels}).reject(reasons)


def relax(
    structures: Structures,
    relaxation: Relaxation,
    labeller: Labeller | str = "gfn2-xtb",
    *,
    time_limit: float | None = TIME_LIMIT,
) -> Structures:
    """Relax the rows that are alive.

    Parameters
    ----------
    structures
        Any rows; those rejected earlier are left alone.
    relaxation
        How.
    labeller
        Whose calculator gives the forces, or its name.
    time_limit
        Seconds for each structure.

    Returns
    -------
    Structures
        All rows, in order. A relaxed row has a new id and its old one in ``relaxed_from``; labels that it had are
        gone. Failures keep their geometry and are rejected with a reason.
    """
    labeller = Labeller(calculator=labeller) if isinstance(labeller, str) else labeller
    labeller.check(labels=False)  # atoms are moved, no energy is kept
    began = time.time()
    outcomes = isolated(partial(_relaxed, relaxation, labeller), _alive(structures), time_limit=time_limit)
    columns: dict[str, list[Any]] = {"id": [], "positions": [], "relaxed_from": []}
    reasons: list[str | None] = []
    for row in structures:
        moved: Structure | None = None
        if row.reason is None:
            outcome = next(outcomes)
            moved = outcome.value
            fault = None if moved is None else row_fault(numbers=moved.numbers, positions=moved.positions)
            if fault is not None:
                moved, outcome = None, Outcome(reason=f"{IMPOSSIBLE}: {kind_of(fault)}")
            reasons.append(_reason(relaxation.name, outcome, labeller, row, began))
        else:
            reasons.append(None)
        kept = row if moved is None else moved
        columns["positions"].append(kept.positions)
        columns["relaxed_from"].append(kept.extra.get("relaxed_from"))
        columns["id"].append(
            row.id
            if moved is None
            else content_key(moved.numbers, moved.positions, moved.charge, moved.multiplicity, moved.smiles)
        )
    cleared = {"energy": None, "forces": None, "level": None}
    return structures.with_columns({**columns, **cleared}).reject(reasons)


def _alive(structures: Structures) -> Iterable[Structure]:
    return (row for row in structures if row.reason is None)


def _relaxed(relaxation: Relaxation, labeller: Labeller, structure: Structure) -> Structure:
    return relaxation.relax(structure, labeller)


def _reason(author: str, outcome: Outcome[Any], labeller: Labeller, row: Structure, began: float) -> str | None:
    if outcome.reason is None:
        return None
    # the class of our own error says nothing that its message does not
    reason = f"{author}: {outcome.reason.removeprefix(f'{LabelError.__name__}: ')}"
    kept = labeller.kept(row, began)
    return reason if kept is None else f"{reason} (its files: {kept})"

"""A list of SMILES, one a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.export.writing import name_lost
from molaug.structures.table import Structures

#: What a SMILES says, and the id beside it.
_HELD = ("id", "smiles", "numbers", "charge", "multiplicity")


def write_smiles(
    batches: Iterable[Structures],
    path: Path,
    audit: Audit,
    *,
    energy_key: str = "REF_energy",
    forces_key: str = "REF_forces",
) -> None:
    """Write one SMILES and id a line.

    Parameters
    ----------
    batches
        The rows; those without a SMILES are left out.
    path
        The file.
    audit
        Told.
    energy_key
        Not used: the format holds no labels.
    forces_key
        Not used.
    """
    with path.open("w", encoding="utf-8") as handle:
        for batch in batches:
            name_lost(batch, audit, _HELD, "a list of SMILES has no place for it")
            for key, smiles in zip(batch.ids, batch.column("smiles"), strict=True):
                if smiles is None:
                    audit.drop(key, "no SMILES")
                else:
                    handle.write(f"{smiles} {key}\n")
                    audit.keep()

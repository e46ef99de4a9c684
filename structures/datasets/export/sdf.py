"""SDF: one record for each conformer, bonds and hydrogens included."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.datasets.audit import Audit
from molaug.structures.doors.rdkit_mols import to_rdkit
from molaug.structures.hashing import content_key
from molaug.structures.structure import Structure
from molaug.structures.table import Structures


def write_sdf(
    batches: Iterable[Structures],
    path: Path,
    audit: Audit,
    *,
    energy_key: str = "REF_energy",
    forces_key: str = "REF_forces",
) -> None:
    """Write an SDF (V2000, hence positions to 1e-4 Å); energies in eV and scalars as tags, no forces.

    Parameters
    ----------
    batches
        The rows; those whose bonds are unknown are left out.
    path
        The file.
    audit
        Told.
    energy_key
        Tag of the energy.
    forces_key
        Not used: the format has no place for vectors of atoms.
    """
    with BlockLogs(), Chem.SDWriter(str(path)) as writer:
        for batch in batches:
            for mol, s in zip(to_rdkit(batch), batch, strict=True):
                if mol is None:
                    audit.drop(s.id, "no bond graph that fits the geometry")
                    continue
                # bare atoms lose unpaired electrons in the format's own radical field
                tags = {"multiplicity": s.multiplicity, energy_key: s.energy, "level": s.level, "origin": s.origin}
                tags |= {"parent": s.parent, "seed": s.seed, "id": _written_id(s)}
                for tag, value in {**tags, **s.extra}.items():
                    if value is None:
                        continue
                    if not isinstance(value, str | int | float):
                        audit.drop_column(tag, "SDF has no place for lists")
                    elif isinstance(value, str) and not value.strip():
                        audit.drop_column(tag, "SDF has no place for empty texts")
                    elif any(mark in tag for mark in "<>\n"):
                        audit.drop_column(tag, "SDF has no such names of tags")
                    else:
                        mol.SetProp(tag, _plain(value, s.id, audit) if isinstance(value, str) else repr(value))
                if s.forces is not None:
                    audit.note(s.id, "forces left out: SDF has no place for them")
                    audit.drop_column("forces", "SDF has no place for them")
                writer.write(mol)
                audit.keep()


def _written_id(s: Structure) -> str:
    """Return the id of a row with the positions that are written, by which a reader knows it for one of molaug's."""
    x = None if s.positions is None else np.array([[float(f"{c:.4f}") for c in row] for row in s.positions])
    return content_key(s.numbers, x, s.charge, s.multiplicity, s.smiles)


def _plain(text: str, key: str, audit: Audit) -> str:
    """Return a text as a tag can hold it: no blank lines, no line that looks like the next tag or the end."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith((">", "$$$$"))]
    if "\n".join(kept) != text:
        audit.note(key, "texts whose blanks or lines SDF cannot hold are written without them")
    return "\n".join(kept)

"""SDF: one record for each conformer, bonds and hydrogens included."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.datasets.audit import Audit
from molaug.structures.doors.rdkit_mols import to_rdkit
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
                tags |= {"parent": s.parent, "seed": s.seed}
                for tag, value in {**tags, **s.extra}.items():
                    if isinstance(value, str | int | float):
                        mol.SetProp(tag, value if isinstance(value, str) else repr(value))
                if s.forces is not None:
                    audit.note(s.id, "forces left out: SDF has no place for them")
                writer.write(mol)
                audit.keep()

"""ASE's database: labels as the results of a calculator, everything else as data of the row."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import ase.db
from ase.calculators.singlepoint import SinglePointCalculator

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.export.writing import with_geometry
from molaug.structures.doors.ase_atoms import to_ase
from molaug.structures.table import Structures


def write_ase_db(
    batches: Iterable[Structures],
    path: Path,
    audit: Audit,
    *,
    energy_key: str = "REF_energy",
    forces_key: str = "REF_forces",
) -> None:
    """Write an SQLite database of ASE by a single writer.

    Parameters
    ----------
    batches
        The rows; those without positions are left out.
    path
        The file.
    audit
        Told.
    energy_key
        Not used: energies are where ASE keeps them (``row.energy``, eV).
    forces_key
        Not used: forces are where ASE keeps them (``row.forces``, eV/Å).
    """
    with ase.db.connect(path, type="db", append=False) as database:
        database.metadata = {"units": {"energy": "eV", "forces": "eV/Å", "positions": "Å"}}
        for batch in batches:
            kept = with_geometry(batch, audit)
            for frame in to_ase(kept, energy_key=energy_key, forces_key=forces_key):
                results = {"energy": frame.info.pop(energy_key, None), "forces": frame.arrays.pop(forces_key, None)}
                known = {name: value for name, value in results.items() if value is not None}
                if known:
                    frame.calc = SinglePointCalculator(frame, **known)
                database.write(frame, data=dict(frame.info))
            audit.keep(len(kept))

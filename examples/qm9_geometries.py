"""Write the geometries of QM9 that ``diffusion-qm9`` learned from: ``python examples/qm9_geometries.py qm9.parquet``.

It reads ``$MOLAUG_DATA``: geometries with their SMILES and dipole moments (``qm9/qm9_structures.npz``) and gaps
(``qm9/qm9_frontier_orbitals.csv.gz``). Columns besides those of the record: ``dipole`` in debye and ``gap`` in eV,
empty where unknown.
"""

from __future__ import annotations

import csv
import gzip
import os
import sys
from pathlib import Path

import numpy as np

from molaug import Structures
from molaug.structures.datasets import open_dataset

HARTREE = 27.211386245988  # eV


def main(out: str) -> None:
    """Write the file."""
    folder = Path(os.environ.get("MOLAUG_DATA", "../shared/data"))
    with gzip.open(folder / "qm9" / "qm9_frontier_orbitals.csv.gz", "rt") as handle:
        gaps = {int(row["mol_id"][4:]): float(row["gap"]) * HARTREE for row in csv.DictReader(handle)}
    batches = []
    for batch in open_dataset(folder / "qm9" / "qm9_structures.npz").batches():
        index = batch.array("gdb_index").astype(int).tolist()
        columns = {"dipole": batch.array("mu"), "gap": np.array([gaps.get(k, np.nan) for k in index])}
        batches.append(batch.with_columns(columns))
    Structures.concat(batches).to_parquet(out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("expected the file to write: python examples/qm9_geometries.py qm9.parquet")
    main(sys.argv[1])

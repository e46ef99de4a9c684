"""Write the molecules of QM9 that ``graph-qm9`` learned from: ``python examples/qm9_graphs.py qm9_graphs.csv.gz``.

It reads ``$MOLAUG_DATA``: SMILES with their dipole moments (``qm9/qm9_structures.npz``; those perceived from a geometry
are left out), gaps (``qm9/qm9_frontier_orbitals.csv.gz``), and the list of the molecules of nine heavy atoms
(``amons/qm9_g9.smi.gz``), which has those with fluorine too. Columns: ``smiles`` as listed; ``dipole`` in debye and
``gap`` in eV, empty where unknown. A molecule may have several rows.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import sys
from pathlib import Path

import numpy as np

#: SMILES that stand in a list of QM9, in the code of ``smiles_source``.
LISTED = (1, 2)

HARTREE = 27.211386245988  # eV


def main(out: str) -> None:
    """Write the table."""
    folder = Path(os.environ.get("MOLAUG_DATA", "../shared/data"))
    with gzip.open(folder / "qm9" / "qm9_frontier_orbitals.csv.gz", "rt") as handle:
        gaps = {int(row["mol_id"][4:]): float(row["gap"]) * HARTREE for row in csv.DictReader(handle)}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["smiles", "dipole", "gap"])
    with np.load(folder / "qm9" / "qm9_structures.npz") as data:
        norms = np.linalg.norm(data["dipole"], axis=1)  # (n,)
        for index, smiles, source, dipole in zip(
            data["gdb_index"].tolist(), data["smiles"].tolist(), data["smiles_source"].tolist(), norms, strict=True
        ):
            if source in LISTED:
                gap = gaps.get(index)
                table.writerow(
                    [
                        smiles.decode(),
                        f"{dipole:.4f}" if np.isfinite(dipole) else "",
                        "" if gap is None else f"{gap:.4f}",
                    ]
                )
    with gzip.open(folder / "amons" / "qm9_g9.smi.gz", "rt") as handle:
        table.writerows([line.split()[0], "", ""] for line in handle if line.strip())
    Path(out).write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("expected the file to write: python examples/qm9_graphs.py qm9_graphs.csv.gz")
    main(sys.argv[1])

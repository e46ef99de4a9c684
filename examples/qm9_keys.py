"""Make the index ``qm9-keys`` again: ``python examples/qm9_keys.py OUT [--workers 2]``, some minutes.

It reads ``$MOLAUG_DATA``: geometries with their SMILES (``qm9/qm9_structures.npz``, ``qm9/qm9_extra_structures.npz``),
the table of properties (``qm9/qm9_properties.csv.gz``) for molecules without a geometry, and the list of the molecules
of nine heavy atoms (``amons/qm9_g9.smi.gz``) for those that neither has. Equal input gives an equal ``keys.npz``.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import numpy as np

from molaug.filters import MoleculeIndex
from molaug.structures.chemistry import identify, lay_graph

#: Bits of each key that are shipped: the chance of a false find among 130,000 molecules is 7e-9.
BITS = 44


def with_stereo(molecule: tuple[str, np.ndarray, np.ndarray]) -> str:
    """Return the SMILES with the stereo of the geometry, or as it is where the two disagree."""
    smiles, numbers, positions = molecule
    return lay_graph(smiles, numbers, positions).smiles or smiles


def flat(smiles: str) -> str:
    """Return the name without stereo; a text that cannot be read stands for itself."""
    try:
        return identify(smiles).flat
    except ValueError:
        return smiles


def molecules(folder: Path, executor: Executor) -> Iterator[str]:
    """Yield one SMILES for each molecule of QM9 that the folder knows of."""
    named: set[int] = set()
    given: list[str] = []
    for name in ("qm9_structures.npz", "qm9_extra_structures.npz"):
        with np.load(folder / "qm9" / name) as data:
            named |= set(data["gdb_index"].tolist())
            cuts = data["offsets"][1:-1]
            rows = zip(data["smiles"].tolist(), np.split(data["z"], cuts), np.split(data["pos"], cuts), strict=True)
            found = [(text.decode(), z, x) for text, z, x in rows if text]
        given += executor.map(with_stereo, found, chunksize=500)
    with gzip.open(folder / "qm9" / "qm9_properties.csv.gz", "rt") as handle:
        table = csv.DictReader(handle)
        given += [row["smiles"] for row in table if row["smiles"] and int(row["mol_id"][4:]) not in named]
    yield from given
    seen = set(executor.map(flat, given, chunksize=1000))
    with gzip.open(folder / "amons" / "qm9_g9.smi.gz", "rt") as handle:
        listed = handle.read().split()
    for smiles, name in zip(listed, executor.map(flat, listed, chunksize=1000), strict=True):
        if name not in seen:
            seen.add(name)
            yield smiles


def main() -> None:
    """Build, save and name the checksum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers) as executor:
        lines = list(molecules(Path(os.environ["MOLAUG_DATA"]), executor))
        index = MoleculeIndex.build(lines, executor=executor).truncated(BITS)
    index.save(options.out)
    digest = hashlib.sha256((options.out / "keys.npz").read_bytes()).hexdigest()
    print(f"{index} of {len(lines):,} lines\nkeys.npz has sha256 {digest}")


if __name__ == "__main__":
    main()

"""Labels of calculators that work through files, in several processes at once: how many are of another structure.

A program reads ``pair.in`` and writes ``pair.out`` in its working directory, as most codes do; another calculator
writes into the working directory itself. ``python benchmarks/file_calculators.py --labels 1000 --workers 4``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase.build import molecule

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from molaug import Augmenter  # noqa: E402
from molaug.structures import Structures  # noqa: E402
from tests.structures.calculators.file_calculators import pair_energy  # noqa: E402


def main() -> None:
    """Label geometries of methanol and compare with the energies computed here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    methanol, rng = molecule("CH3OH"), np.random.default_rng(arguments.seed)
    places = [methanol.positions + 0.02 * rng.normal(size=(6, 3)) for _ in range(arguments.labels)]
    base = Structures.from_arrays([methanol.numbers] * arguments.labels, places)
    for name in ("PairFiles", "Careless"):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            run = Augmenter(
                base=base,
                generators=(),
                filters=(),
                budget=0,
                base_labels="relabel",
                label={"calculator": f"tests.structures.calculators.file_calculators:{name}", "max_force": None},
            )
            began = time.perf_counter()
            rows = run.run("run", workers=arguments.workers).structures()
            took = time.perf_counter() - began
            off = [abs(pair_energy(row.positions)[0] - row.energy) for row in rows]
            wrong, left = sum(error > 1e-9 for error in off), [p.name for p in Path().iterdir() if p.name != "run"]
            os.chdir(ROOT)
        print(
            f"{name}: {len(rows)} of {arguments.labels} labelled with {arguments.workers} workers, {wrong} wrong, "
            f"files left behind: {left or 'none'}, {1000 * took / arguments.labels:.1f} ms a label"
        )


if __name__ == "__main__":
    main()

"""Cost of evaluating geometries: EDM's bond table on arrays beside a loop over pairs, and what else is measured.

Run ``python benchmarks/evaluation.py`` (a minute). Geometries are read from ``$MOLAUG_DATA``, the samples of G-SchNet,
or any npz file with ``z``, ``pos`` and ``offsets`` (``--samples``). Times are processor seconds of the one process.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from molaug.evaluation.coordinates import coordinates
from molaug.evaluation.edm import DOUBLE, MARGINS, SINGLE, TRIPLE, VALENCES, edm_smiles, table_bonds
from molaug.evaluation.geometries import Geometries, nearness
from molaug.evaluation.geometry_validity import judge_geometries
from molaug.evaluation.polished import judge_polished


def machine() -> str:
    """Name the processor and its load."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def naive_stable(geometries: Geometries) -> list[bool]:
    """Tell which molecules are stable, pair by pair with dictionaries."""
    tables = []
    for table in (SINGLE, DOUBLE, TRIPLE):
        both: dict[tuple[str, str], int] = {}
        for first, others in table.items():
            for second, length in others.items():
                both[first, second] = both[second, first] = length
        tables.append(both)
    stable = []
    for k in range(len(geometries)):
        numbers, x = geometries[k]
        symbols = [chemical_symbols[number] for number in numbers]
        valence = [0] * len(symbols)
        for i in range(len(symbols)):
            for j in range(i):
                distance = 100 * float(np.sqrt(((x[i] - x[j]) ** 2).sum()))
                order = 0
                for table, margin in zip(tables, MARGINS, strict=True):
                    length = table.get((symbols[i], symbols[j]))
                    if length is None or distance >= length + margin:
                        break
                    order += 1
                valence[i] += order
                valence[j] += order
        stable.append(all(v in VALENCES.get(symbol, ()) for v, symbol in zip(valence, symbols, strict=True)))
    return stable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("MOLAUG_DATA", "."))
    parser.add_argument("--samples", type=Path, default=data / "generated" / "gschnet_qm9_10k.npz")
    parser.add_argument("--naive", type=int, default=1000, help="molecules of the loop (default: %(default)s)")
    parser.add_argument("--whole", type=int, default=1000, help="molecules of the whole tier (default: %(default)s)")
    arguments = parser.parse_args()
    with np.load(arguments.samples) as arrays:
        z, x, offsets = arrays["z"], arrays["pos"].astype(np.float64), arrays["offsets"]
    whole = Geometries(numbers=z, positions=x, offsets=offsets)

    def part(n: int) -> Geometries:
        return Geometries.of([whole[k % len(whole)] for k in range(n)])

    print(f"{machine()}\n\n{arguments.samples.name}: {len(whole):,} molecules of {whole.sizes.mean():.1f} atoms\n")
    print("| EDM's bond table | molecules | s | molecules/s |\n|---|---:|---:|---:|")
    few = part(arguments.naive)
    slow, naive = timed(lambda: naive_stable(few))
    print(f"| loop over pairs | {len(few):,} | {slow:.2f} | {len(few) / slow:,.0f} |")
    rate = 0.0
    for n in (1_000, 10_000, 100_000):
        many = part(n)
        seconds, bonds = timed(lambda many=many: table_bonds(many))
        rate = n / seconds
        print(f"| arrays | {n:,} | {seconds:.2f} | {rate:,.0f} |")
    if table_bonds(few).stable.tolist() != naive:
        raise SystemExit("the loop and the arrays disagree")
    print(f"\nBoth find the same molecules stable; the arrays are {rate * slow / len(few):,.0f} times as fast.\n")

    some = part(arguments.whole)
    print("| step | molecules | ms a molecule |\n|---|---:|---:|")
    bonds = table_bonds(some)
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("nearest atoms and connectedness", lambda: nearness(some)),
        ("EDM validity", lambda: edm_smiles(some, bonds)),
        ("strict validity", lambda: judge_geometries(some)),
    ]
    for label, work in steps:
        seconds, judged = timed(work)
        print(f"| {label} | {len(some):,} | {1000 * seconds / len(some):.3f} |")
    seconds, polished = timed(lambda: judge_polished(judged))
    print(f"| polish (MMFF94, at most 200 steps) and judge again | {len(some):,} | {1000 * seconds / len(some):.3f} |")
    mols = [mol for mol in polished.mols if mol is not None]
    seconds, _ = timed(lambda: coordinates(mols))
    print(f"| lengths, angles and torsions | {len(mols):,} | {1000 * seconds / len(mols):.3f} |")


if __name__ == "__main__":
    main()

"""Cost of telling what is known: our index and conformer comparison beside the naive ways, and validity.

Run ``python benchmarks/redundancy.py`` (some minutes). QM9 is read from ``$MOLAUG_DATA/qm9/qm9_structures.npz``;
``--molecules`` sets how many of its molecules are taken, ``--keys`` how large the synthetic index is. All times are
those of the one process (CPU seconds), so that other work on the machine does not distort them.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolAlign

from molaug.filters import MoleculeIndex, Redundancy, Validity
from molaug.filters.redundancy.geometry import Conformers
from molaug.structures import Structures
from molaug.structures.superposition import kabsch_rmsd


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


def peak() -> float:
    """Return the highest memory of the process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def row(what: str, n: int, seconds: float, note: str = "") -> None:
    print(f"| {what} | {n:,} | {seconds:.2f} | {n / max(seconds, 1e-9):,.0f} | {note} |", flush=True)


def qm9(folder: Path, n: int) -> Structures:
    with np.load(folder / "qm9" / "qm9_structures.npz") as arrays:
        ends, z, x, smiles = arrays["offsets"], arrays["z"], arrays["pos"], arrays["smiles"]
    total = len(smiles)
    chosen = np.linspace(0, total - 1, min(n, total)).astype(int)
    atoms = [slice(ends[k], ends[k + 1]) for k in chosen]
    return Structures.from_arrays(
        [z[a] for a in atoms], [x[a] for a in atoms], smiles=[smiles[k].decode() or None for k in chosen]
    )


def large_index(n: int) -> None:
    before = peak()
    parts = [
        MoleculeIndex(keys={"flat": np.sort(np.random.default_rng(k).integers(0, 2**64, n // 2, dtype=np.uint64))})
        for k in range(2)
    ]
    seconds, index = timed(lambda: parts[0].merge(parts[1]))
    held = index.keys["flat"].nbytes / 1e9
    row(
        "merge two indices of random keys", n, seconds, f"{held:.2f} GB held, peak {peak():.2f} GB, {before:.2f} before"
    )
    keys = index.keys["flat"][:: max(1, n // 500_000)]
    asked = np.random.default_rng(2).permutation(np.concatenate([keys, keys ^ np.uint64(1)]))
    seconds, found = timed(lambda: index.contains(asked))
    row("look up in it, random order", len(asked), seconds, f"{int(found.sum()):,} found, peak {peak():.2f} GB")
    few = [f"molecule{key}" for key in keys[:200_000].tolist()]
    seconds, naive = timed(lambda: set(few))
    size = (sys.getsizeof(naive) + sum(map(sys.getsizeof, few))) / len(few)
    row("naive: a Python set of texts", len(few), seconds, f"{size:.0f} bytes each: {size * n / 1e9:.1f} GB for {n:,}")


def molecules(rows: Structures) -> None:
    canonical = rows.with_columns(
        {"smiles": [s and Chem.MolToSmiles(Chem.MolFromSmiles(s)) for s in rows.column("smiles")]}
    )
    index = MoleculeIndex.build(canonical.column("smiles")[:1])
    texts = [s for s in canonical.column("smiles") if s]
    seconds, _ = timed(lambda: index.knows(texts))
    row("identity, canonical SMILES", len(texts), seconds, "read, written and looked up")

    start = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        MoleculeIndex.build(texts, kinds=("flat",), executor=pool)
    row("identity, two processes", len(texts), time.perf_counter() - start, "wall time; read, written, sorted")

    def naive() -> int:
        seen: set[str] = set()
        for text in texts:
            seen.add(Chem.MolToSmiles(Chem.MolFromSmiles(text), isomericSmiles=False))
        return len(seen)

    seconds, _ = timed(naive)
    row("naive: Python set of SMILES", len(texts), seconds)

    def deduplicate() -> int:
        judge, kept = Redundancy().bound([]), 0
        for batch in rows.batches(5000):
            verdicts = judge.judge(batch)
            judge.accept(batch.filter(verdicts.keep))
            kept += int(verdicts.keep.sum())
        return kept

    seconds, kept = timed(deduplicate)
    row("QM9 against itself, geometries too", len(rows), seconds, f"{kept:,} kept, peak {peak():.2f} GB")


def conformers(count: int) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("CCCC(C)CO"))
    rdDistGeom.EmbedMultipleConfs(mol, count, randomSeed=1)
    z = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    for n in (count // 4, count // 2, count):
        xs = [mol.GetConformer(k).GetPositions() for k in range(n)]

        def ours(xs: list[Any] = xs) -> int:
            known = Conformers(threshold=0.5)
            for x in xs:
                shape = known.shape(z, x)
                nearest = known.nearest(shape)
                if nearest is None or nearest.rmsd > 0.5:
                    known.add(shape)
            return len(known)

        def naive(n: int = n) -> int:
            heavy, kept = Chem.RemoveHs(mol), []
            for k in range(n):
                if all(rdMolAlign.GetBestRMS(heavy, heavy, k, other) > 0.5 for other in kept):
                    kept.append(k)
            return len(kept)

        seconds, kept = timed(ours)
        row(f"{n} conformers of one molecule", n, seconds, f"{kept} kept")
        slow, same = timed(naive)
        row("naive: all pairs by GetBestRMS", n, slow, f"{same} kept; ours {slow / seconds:.1f}x faster")


def displaced(count: int) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("CCCC(C)CO"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    rdForceFieldHelpers.MMFFOptimizeMolecule(mol)
    z = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    rest = mol.GetConformer().GetPositions()
    noise = np.random.default_rng(0).normal(size=(count, *rest.shape))
    xs = list(rest + 0.03 * noise)
    rows = Structures.from_arrays([z] * count, xs, smiles=["CCCC(C)CO"] * count, extra={"displaced": [True] * count})
    for n in (count // 4, count // 2, count):
        some = rows.slice(0, n)
        seconds, verdicts = timed(lambda some=some: Redundancy().bound([]).judge(some))
        row(f"{n} displaced geometries of one molecule", n, seconds, f"{int(verdicts.keep.sum())} kept")

        def naive(n: int = n) -> int:
            kept: list[Any] = []
            for x in rest + 0.03 * noise[:n]:
                centred = x - x.mean(axis=0)
                if all(kabsch_rmsd(centred, other) > 0.02 for other in kept):
                    kept.append(centred)
            return len(kept)

        if n == count // 4:
            slow, same = timed(naive)
            ratio = f"{same} kept; ours {slow / seconds:.1f}x faster"
            row("naive: all pairs superposed, no atoms exchanged", n, slow, ratio)
    judge = Validity().bound([])
    seconds, _ = timed(lambda: judge.judge(rows))
    row("validity of displaced geometries, together", count, seconds)
    slow, _ = timed(lambda: [judge.judge(rows.slice(k, k + 1)) for k in range(count)])
    row("one by one", count, slow, f"together {slow / seconds:.1f}x faster")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", type=int, default=126_744)
    parser.add_argument("--keys", type=int, default=20_000_000)
    parser.add_argument("--conformers", type=int, default=400)
    options = parser.parse_args()
    print(f"{machine()}\n")
    print("| what | items | CPU s | items/s | |\n| --- | ---: | ---: | ---: | --- |")
    large_index(options.keys)
    conformers(options.conformers)
    displaced(options.conformers * 4)
    folder = Path(os.environ.get("MOLAUG_DATA", Path(__file__).parent / "data"))
    if not (folder / "qm9").is_dir():
        print(f"\nno QM9 at {folder}; set MOLAUG_DATA to its folder for the other rows")
        return
    rows = qm9(folder, options.molecules)
    few = rows.slice(0, min(len(rows), 2000))
    seconds, _ = timed(lambda: Validity().bound([]).judge(few))
    row("validity", len(few), seconds, "bonds, stereo and contacts of geometries")
    molecules(rows)


if __name__ == "__main__":
    main()

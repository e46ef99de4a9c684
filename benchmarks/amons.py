"""Cost of AMON enumeration: ours beside a plain RDKit version of the same rules, and over all of QM9.

Run ``python benchmarks/amons.py`` (a minute), with ``--qm9`` also over the QM9 molecules of nine heavy atoms
(minutes), which are read from ``$MOLAUG_DATA/amons/qm9_g9.smi.gz``.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import platform
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molaug.generators.amons import AmonFailure, amons, amons_of_many, cut_amons
from molaug.generators.amons.fragment import build, candidates, ring_masks
from molaug.generators.amons.heavy_graph import HeavyGraph
from molaug.generators.amons.rings import perfect_matchings

#: Molecules per second and core of the authors' program at seven heavy atoms on the same molecules.
PUBLISHED_PROGRAM = 9.4
#: Distinct AMONs by size of 110,041 QM9 molecules; the file holds 108,367 of them.
QM9_UNION = {1: 3, 2: 12, 3: 40, 4: 150, 5: 669, 6: 3157, 7: 14983}


def machine() -> str:
    """Name the processor and its load, as other work on it slows everything down."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def plain_amons(smiles: str, max_heavy: int = 7) -> set[str]:
    """List the fragments one by one as RDKit molecules, with the atom-wise rules only (an upper set of the AMONs)."""
    graph = HeavyGraph.from_mol(Chem.MolFromSmiles(smiles))
    n = len(graph.z)
    level = {frozenset([i]) for i in range(n)}
    subgraphs = set(level)
    for _ in range(max_heavy - 1):
        level = {s | {j} for s in level for i in s for j in range(n) if graph.order[i, j] and j not in s}
        subgraphs |= level
    found = set()
    for subgraph in subgraphs:
        atoms = sorted(subgraph)
        kept = graph.kept_order[atoms][:, atoms]
        degree = (kept > 0).sum(axis=1)
        hydrogens = graph.coordination[atoms] - degree
        left = graph.valence[atoms] - hydrogens - kept.sum(axis=1)
        if ((left != 0) & (left != 1)).any():
            continue
        free = [i for i, v in enumerate(left) if v == 1]
        for pairs in perfect_matchings({i: {j for j in free if kept[i, j]} for i in free}):
            bonds = [
                (i, j, int(kept[i, j]) + ((i, j) in pairs))
                for i, j in itertools.combinations(range(len(atoms)), 2)
                if kept[i, j]
            ]
            mol = build(graph.z[atoms], graph.charge[atoms], hydrogens, bonds)
            if mol is not None:
                found.add(Chem.MolToSmiles(mol, isomericSmiles=False))
    return found


def seconds(run: Callable[[], object]) -> float:
    """Measure the time of this process, which other work on the machine lengthens less than the clock's."""
    start = time.process_time()
    run()
    return time.process_time() - start


def forget() -> None:
    candidates.cache_clear()
    ring_masks.cache_clear()


def compare(smiles: list[str]) -> None:
    """Print molecules per second, each row with what it is measured against."""
    plain = 100 / seconds(lambda: [plain_amons(s) for s in smiles[:100]])
    forget()
    cold = len(smiles) / seconds(lambda: list(amons_of_many(smiles)))
    warm = len(smiles) / seconds(lambda: list(amons_of_many(smiles)))
    single = 500 / seconds(lambda: [amons(s) for s in smiles[:500]])
    print(f"\n{len(smiles)} random QM9 molecules of nine heavy atoms, AMONs of up to seven:\n")
    print("| | molecules/s/core | over the plain version | over the published program (9.4) |")
    print("|---|---|---|---|")
    for name, rate in (
        ("one RDKit molecule a fragment, atom-wise rules only", plain),
        ("`amons_of_many`, empty cache", cold),
        ("`amons_of_many`, fragments known", warm),
        ("`amons`, fragments known", single),
    ):
        print(f"| {name} | {rate:.0f} | {rate / plain:.1f} | {rate / PUBLISHED_PROGRAM:.0f} |")


def growth() -> None:
    """Print the cost against the size of the parent."""
    print("\n| parent | heavy atoms | AMONs | ms |\n|---|---|---|---|")
    for name, smiles in {
        "hexane": "CCCCCC",
        "dodecane": "C" * 12,
        "tetracosane": "C" * 24,
        "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
        "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
        "cholesterol": "CC(C)CCCC(C)C1CCC2C1(CCC3C2CC=C4C3(CCC(C4)O)C)C",
        "taxol": "CC1=C2C(C(=O)C3(C(CC4C(C3C(C(C2(C)C)(CC1OC(=O)C(C(C5=CC=CC=C5)NC(=O)C6=CC=CC=C6)O)O)"
        "OC(=O)C7=CC=CC=C7)(CO4)OC(=O)C)O)C)OC(=O)C",
    }.items():
        found = amons(smiles)
        print(
            f"| {name} | {Chem.MolFromSmiles(smiles).GetNumHeavyAtoms()} | {len(found)}"
            f" | {1e3 * seconds(lambda s=smiles: amons(s)):.1f} |"  # type: ignore[misc]
        )


def geometries(smiles: list[str]) -> None:
    """Print the cost of cutting geometries."""
    parents = []
    for one in smiles:
        mol = Chem.AddHs(Chem.MolFromSmiles(one))
        if rdDistGeom.EmbedMolecule(mol, randomSeed=7) == 0:
            parents.append(mol)
    print("\n| 3D mode | molecules/s | fragments/s | kept of all |\n|---|---|---|---|")
    for name, options in {
        "not relaxed": {"relax": False},
        "relaxed": {},
        "relaxed as published": {"rules": "reference"},
    }.items():
        start = time.process_time()
        found = [amon for mol in parents for amon in cut_amons(mol, **options)]  # type: ignore[arg-type]
        took = time.process_time() - start
        kept = sum(amon.reason is None for amon in found)
        print(f"| {name} | {len(parents) / took:.1f} | {len(found) / took:.0f} | {kept} of {len(found)} |")


def qm9(smiles: list[str]) -> None:
    """Print the union of the AMONs of all molecules, and the time as it grows."""
    forget()
    union: dict[str, int] = {}
    total = largest = failures = 0
    print("\n| molecules | s by the clock | s of this process | molecules/s/core | distinct AMONs |")
    print("|---|---|---|---|---|")
    clock, start = time.perf_counter(), time.process_time()
    for i, found in enumerate(amons_of_many(smiles, rules="reference"), start=1):
        if isinstance(found, AmonFailure):
            failures += 1
            continue
        total += len(found)
        largest = max(largest, len(found))
        union.update(dict.fromkeys(found, 0))
        if i % 20_000 == 0 or i == len(smiles):
            took, passed = time.process_time() - start, time.perf_counter() - clock
            print(f"| {i} | {passed:.0f} | {took:.0f} | {i / took:.0f} | {len(union)} |", flush=True)
    sizes = Counter(Chem.MolFromSmiles(s).GetNumHeavyAtoms() for s in union)
    print(f"\nmean {total / len(smiles):.2f} AMONs a molecule, at most {largest}; {failures} failures\n")
    print("| heavy atoms | " + " | ".join(map(str, QM9_UNION)) + " | all |\n|---|" + "---|" * (len(QM9_UNION) + 1))
    print("| here | " + " | ".join(str(sizes[k]) for k in QM9_UNION) + f" | {len(union)} |")
    print("| of 110,041 molecules | " + " | ".join(map(str, QM9_UNION.values())) + f" | {sum(QM9_UNION.values())} |")
    part = smiles[:40_000]
    forget()
    start = time.perf_counter()
    list(amons_of_many(part))
    one = time.perf_counter() - start
    start = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        list(amons_of_many(part, executor=executor))
    two = time.perf_counter() - start
    print(f"\n{len(part)} molecules: {one:.0f} s in this process, {two:.0f} s with two workers ({one / two:.2f} times)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qm9", action="store_true", help="also scan the whole list")
    parser.add_argument("--json", type=Path, help="file of reference lists to compare the results with")
    options = parser.parse_args()
    folder = Path(os.environ.get("MOLAUG_DATA", Path(__file__).parents[1] / "data"))
    path = folder / "amons" / "qm9_g9.smi.gz"
    if not path.is_file():
        parser.error(f"no list of molecules at {path}: set MOLAUG_DATA to the folder of the data")
    with gzip.open(path, "rt") as lines:
        smiles = [line.split()[0] for line in lines]
    print(machine())
    chosen = random.Random(0).sample(smiles, 3000)
    compare(chosen)
    growth()
    geometries(chosen[:30])
    if options.json is not None:
        lists = json.loads(options.json.read_text())["qm9_graph_mode"]
        equal = sum(amons(s, 7, "reference") == entry["k7"] for s, entry in lists.items())
        print(f"\nequal to the published program for {equal} of {len(lists)} molecules")
    if options.qm9:
        qm9(smiles)


if __name__ == "__main__":
    main()

"""Conformers beside plain RDKit: speed on QM9, and with ``--recall`` how many DFT minima of AMONs are found.

    python benchmarks/conformers.py [--recall] [--molecules 200] [--conformers 10] [--processes 2]

The data are looked for in ``$MOLAUG_DATA``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy: processes are compared, not threads

import argparse
import gzip
import json
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolAlign

from molaug.generators.conformers import Conformers
from molaug.generators.parents import molecule
from molaug.structures import Structures

#: Conformers for each reference of the recall, and the radius within which a reference counts as found, in Å.
RECALL_CONFORMERS, RECALL_RADIUS = 20, 0.25


def raw_many(parent: Structures, n: int) -> int:
    """Embed and relax as an RDKit user does who asks for all conformers at once."""
    mol = plain(parent)
    rdDistGeom.EmbedMultipleConfs(mol, n, etkdg(1))
    return relaxed(mol)


def raw_single(parent: Structures, n: int) -> int:
    """Embed and relax as an RDKit user does who asks for one conformer after the other."""
    made = 0
    for k in range(n):
        mol = plain(parent)
        if rdDistGeom.EmbedMolecule(mol, etkdg(1 + k)) == 0:
            made += relaxed(mol)
    return made


def ours(parent: Structures, n: int, generator: Conformers) -> int:
    """Count the rows that were embedded, kept or not, as the others do."""
    return sum(int(batch.has_geometry.sum()) for batch in generator.propose(parent, n, 0))


def plain(parent: Structures) -> Chem.Mol:
    mol = molecule(parent[0]).mol
    assert mol is not None
    mol.RemoveAllConformers()
    return mol


def etkdg(seed: int) -> rdDistGeom.EmbedParameters:
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed
    return parameters


def relaxed(mol: Chem.Mol) -> int:
    if mol.GetNumConformers() and rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(mol, numThreads=1, mmffVariant="MMFF94s")
    return int(mol.GetNumConformers())


def qm9(data: Path, count: int) -> list[Structures]:
    """Return random QM9 molecules, geometry and SMILES, each a batch of one."""
    with np.load(data / "qm9/qm9_structures.npz") as file:
        z, x, offsets, smiles = (file[key] for key in ("z", "pos", "offsets", "smiles"))
    parents: list[Structures] = []
    for k in np.random.default_rng(0).permutation(len(smiles)):
        atoms = slice(offsets[k], offsets[k + 1])
        parent = Structures.from_arrays([z[atoms]], [x[atoms]])
        if molecule(parent[0]).mol is not None:
            parents.append(parent)
        if len(parents) == count:
            break
    return parents


def one_process(way: Callable[..., int], parents: list[Structures], n: int) -> tuple[int, float]:
    """Return conformers and processor seconds, which other load on the machine disturbs least."""
    start = time.process_time()
    made = sum(way(parent, n) for parent in parents)
    return made, time.process_time() - start


def several(way: Callable[..., int], parents: list[Structures], n: int, processes: int) -> tuple[int, float]:
    """Return conformers and wall seconds of a pool that is warm."""
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(abs, range(processes)))
        start = time.perf_counter()
        made = sum(pool.map(partial(way, n=n), parents, chunksize=4))
        return made, time.perf_counter() - start


def speed(data: Path, molecules: int, conformers: int, processes: int) -> Iterator[str]:
    parents = qm9(data, molecules)
    ways: dict[str, Callable[..., int]] = {
        "RDKit, one EmbedMultipleConfs a molecule": raw_many,
        "RDKit, one EmbedMolecule a conformer": raw_single,
        "molaug": partial(ours, generator=Conformers()),
        "molaug, window 0.2 eV": partial(ours, generator=Conformers(energy_window=0.2, ensemble=conformers)),
        "molaug, nothing compared": partial(ours, generator=Conformers(prune_rms=None)),
    }
    yield f"{len(parents)} QM9 molecules, {conformers} conformers each, ETKDGv3 and MMFF94s\n"
    yield "| way | embedded | CPU s | conformers/s | to RDKit at once |"
    yield "|---|---|---|---|---|"
    totals = {name: np.zeros(2) for name in ways}
    for k in range(0, len(parents), 10):  # by turns, so that load on the machine strikes all alike
        for name, way in ways.items():
            totals[name] += one_process(way, parents[k : k + 10], conformers)
    base = np.divide(*next(iter(totals.values())))
    for name, (made, seconds) in totals.items():
        yield f"| {name} | {made:.0f} | {seconds:.1f} | {made / seconds:.0f} | {made / seconds / base:.2f} |"
    yield f"\n| {processes} processes | embedded | wall s | conformers/s | to RDKit at once |"
    yield "|---|---|---|---|---|"
    base = 0.0
    for name in (next(iter(ways)), "molaug"):
        made, seconds = several(ways[name], parents, conformers, processes)
        base = base or made / seconds
        yield f"| {name} | {made} | {seconds:.1f} | {made / seconds:.0f} | {made / seconds / base:.2f} |"
    yield "\n| conformers a molecule | CPU s | ms a conformer |"
    yield "|---|---|---|"
    for n in (5, 10, 20, 40):
        made, seconds = one_process(ways["molaug"], parents[: max(len(parents) // 8, 1)], n)
        yield f"| {n} | {seconds:.1f} | {1000 * seconds / made:.1f} |"


def recall(data: Path, elements: int) -> Iterator[str]:
    """Compare 20 conformers with the DFT minimum: its least heavy-atom RMSD, for AMONs of the largest size at hand."""
    references: list[Structures] = []
    with gzip.open(data / "amons/agz7_upto5.jsonl.gz", "rt") as lines:
        for line in lines:
            record = json.loads(line)
            z = np.array(record["zs"])
            if (z > 1).sum() == elements:
                reference = Structures.from_arrays([z], [np.reshape(record["coords"], (-1, 3))])
                if molecule(reference[0]).mol is not None:
                    references.append(reference)
    references = [references[k] for k in np.random.default_rng(0).permutation(len(references))[:259]]
    ways: dict[str, Callable[[Structures], Chem.Mol]] = {
        "RDKit ETKDGv3": partial(raw_conformers, relax=False),
        "RDKit ETKDGv3 + MMFF94s": partial(raw_conformers, relax=True),
        "molaug": partial(our_conformers, generator=Conformers()),
        "molaug, copies kept": partial(our_conformers, generator=Conformers(prune_rms=None)),
    }
    yield f"\n{len(references)} AMONs of {elements} heavy atoms (AGZ7), {RECALL_CONFORMERS} conformers each\n"
    yield f"| way | COV-R@{RECALL_RADIUS} Å / % | COV-R@0.1 Å / % | AMR-R / Å | median / Å | conformers kept |"
    yield "|---|---|---|---|---|---|"
    for name, way in ways.items():
        nearest, kept = [], 0
        for reference in references:
            target = Chem.RemoveHs(molecule(reference[0]).mol)
            found = way(reference)
            kept += found.GetNumConformers()
            heavy = Chem.RemoveHs(found)
            rmsd = [rdMolAlign.GetBestRMS(heavy, target, c.GetId(), -1) for c in heavy.GetConformers()]
            nearest.append(min(rmsd, default=np.inf))
        there = np.array(nearest)[np.isfinite(nearest)]
        shares = [100 * np.mean(np.array(nearest) < radius) for radius in (RECALL_RADIUS, 0.1)]
        yield (
            f"| {name} | {shares[0]:.1f} | {shares[1]:.1f} | {there.mean():.3f} | {np.median(there):.3f} "
            f"| {kept / len(references):.1f} |"
        )


def raw_conformers(reference: Structures, relax: bool) -> Chem.Mol:
    mol = plain(reference)
    rdDistGeom.EmbedMultipleConfs(mol, RECALL_CONFORMERS, etkdg(1))
    if relax:
        relaxed(mol)
    return mol


def our_conformers(reference: Structures, generator: Conformers) -> Chem.Mol:
    mol = plain(reference)
    for batch in generator.propose(reference, RECALL_CONFORMERS, 0):
        for row in batch.filter(batch.alive):
            conformer = Chem.Conformer(len(row.numbers))
            conformer.SetPositions(np.ascontiguousarray(row.positions))
            mol.AddConformer(conformer, assignId=True)
    return mol


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=200)
    parser.add_argument("--conformers", type=int, default=10)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--recall", action="store_true", help="measure the recall of DFT minima in place of the speed")
    options = parser.parse_args()
    data = Path(os.environ.get("MOLAUG_DATA", "data"))
    if not data.is_dir():
        parser.error(f"no data at {data}; set MOLAUG_DATA to the folder that holds qm9/ and amons/")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}, RDKit {rdBase.rdkitVersion}\n")
    lines = recall(data, 5) if options.recall else speed(data, options.molecules, options.conformers, options.processes)
    with rdBase.BlockLogs():
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()

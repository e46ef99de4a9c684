"""Rattle and relax beside the naive way of doing it, on random QM9 molecules.

    python benchmarks/perturb.py [--molecules 20] [--rows 16] [--rows-gfn2 6] [--largest-tree 400]

Four tables: rows per second and force calls per kept row; what either check takes for a duplicate; energies and
refusals by temperature; the cost of a row as the tree grows. The naive way walks one geometry at a time, weighs
energies per atom, compares mean displacements without superposition or renumbering, does not look at bonds, and would
repeat refused attempts for ever (here it gives a molecule up after 60 of them). The data are looked for in
``$MOLAUG_DATA``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy

import argparse
import platform
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.units import kB
from rdkit import Chem, rdBase
from scipy.spatial.transform import Rotation

from molaug.generators.parents import molecule
from molaug.generators.perturb import Perturb
from molaug.generators.perturb.duplicates import Known, Symmetry
from molaug.generators.perturb.tree import choice_probabilities, chosen
from molaug.generators.start import minimum_of, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.hashing import stream

#: Attempts in a row after which the naive way gives a molecule up, so that the benchmark ends.
PATIENCE = 60


@dataclass
class Tally:
    """What one way did."""

    rows: int = 0
    kept: int = 0
    calls: int = 0
    copies: int = 0
    broken: int = 0
    seconds: float = 0.0

    def line(self, name: str) -> str:
        """Return a line of the table."""
        return (
            f"| {name} | {self.kept} of {self.rows} | {self.kept / self.seconds:.1f} | {self.calls / self.kept:.1f} "
            f"| {self.copies} of {self.kept} | {self.broken} of {self.kept} |"
        )


def qm9(data: Path, count: int) -> list[Structures]:
    """Return random QM9 molecules, each a batch of one."""
    with np.load(data / "qm9/qm9_structures.npz") as file:
        z, x, offsets = (file[key] for key in ("z", "pos", "offsets"))
    parents: list[Structures] = []
    for k in np.random.default_rng(0).permutation(len(offsets) - 1):
        atoms = slice(offsets[k], offsets[k + 1])
        parent = Structures.from_arrays([z[atoms]], [x[atoms]])
        if molecule(parent[0]).mol is not None:
            parents.append(parent)
        if len(parents) == count:
            break
    return parents


def naive_walk(parent: Structures, n: int, options: Perturb, threshold: float, tally: Tally) -> None:
    """Grow a tree one geometry at a time, with none of the checks that cost thought."""
    begin = start_of(parent[0], 1)
    rng, kT, n_atoms = stream(0, "naive", parent.ids[0]), kB * options.temperature, len(parent[0].numbers)
    clock = time.perf_counter()
    with Surface(Method.of(options.calculator), begin.structure) as surface:
        minimum = minimum_of(begin, surface, fmax=options.fmax, steps=options.relax_steps)
        xs, energies, depths, calls = [minimum.positions], [0.0], [0], surface.calls
        failures = 0
        while len(xs) <= n and failures < PATIENCE:
            failures += 1
            k = chosen(
                choice_probabilities(
                    np.array(energies) / n_atoms, depths, temperature=options.temperature, beta=options.beta
                ),
                rng.random(),
            )
            sigma = options.sigma_min * (options.sigma_max / options.sigma_min) ** rng.random()
            noise = sigma * rng.normal(size=xs[k].shape)
            x = xs[k] + noise - noise.mean(axis=0)
            try:
                energy, forces = surface(x)
                for i in range(1, options.max_steps + 1):
                    if rng.random() < min(
                        0.25, np.exp(min(0.0, -(energy - minimum.energy - energies[k]) / n_atoms / kT))
                    ):
                        break
                    x = x + sigma / i * forces / np.maximum(np.linalg.norm(forces, axis=1), 1e-6)[:, None]
                    energy, forces = surface(x)
            except SamplingError:
                continue
            if min(np.linalg.norm(x - known, axis=1).mean() for known in xs) < threshold:
                continue
            failures = 0
            xs.append(x)
            energies.append(energy - minimum.energy)
            depths.append(depths[k] + 1)
        tally.calls += surface.calls - calls
    tally.seconds += time.perf_counter() - clock
    tally.rows += n
    tally.kept += len(xs) - 1
    judge(begin.mol, xs, options.prune_rms or 0.02, tally)
    tally.broken += sum(reason is not None for reason in begin.integrity.reasons(xs[1:]))


def our_walk(parent: Structures, n: int, options: Perturb, tally: Tally) -> None:
    clock = time.perf_counter()
    rows = Structures.concat(options.propose(parent, n, 0))
    tally.seconds += time.perf_counter() - clock
    tally.rows += n
    if len(rows) < n:
        return  # a parent that cannot be sampled
    kept = rows.filter(rows.alive)
    tally.kept += len(kept)
    tally.calls += int(rows.array("force_calls").sum())
    begin = start_of(parent[0], 1)
    xs = [row.positions for row in kept if row.positions is not None]
    judge(begin.mol, xs, options.prune_rms or 0.02, tally)
    tally.broken += sum(reason is not None for reason in begin.integrity.reasons(xs))


def judge(mol: Chem.Mol, xs: list[np.ndarray], threshold: float, tally: Tally) -> None:
    """Count the geometries that are near an earlier one."""
    symmetry = Symmetry(mol)
    tally.copies += sum(bool(symmetry.rmsd(x, np.array(xs[:k])).min() < threshold) for k, x in enumerate(xs) if k)


def speed(parents: list[Structures], calculator: str, n: int) -> Iterator[str]:
    yield f"\n{len(parents)} molecules, {n} rows each, {calculator}, 300 K\n"
    yield "| way | kept | kept rows / s | force calls / kept row | copies (RMSD < 0.02 Å) | bonds or stereo lost |"
    yield "|---|---|---|---|---|---|"
    options = Perturb(calculator=calculator)
    ours, naive, tight = Tally(), Tally(), Tally()
    for parent in parents:
        our_walk(parent, n, options, ours)
        naive_walk(parent, n, options, 0.1, naive)
        naive_walk(parent, n, options, 0.02, tight)
    yield ours.line("molaug")
    yield naive.line("naive, mean displacement 0.1 Å")
    yield tight.line("naive, mean displacement 0.02 Å")


def duplicates(parents: list[Structures], n: int) -> Iterator[str]:
    """Show either check copies of known geometries, exact and with noise of 0.005 Å."""
    found: Counter[tuple[str, str]] = Counter()
    total = 0
    for parent in parents:
        begin, rng = start_of(parent[0], 1), stream(0, "copies", parent.ids[0])
        known = Known(begin.mol, 0.02)
        xs = [row.positions for row in Structures.concat(Perturb(calculator="mmff94s").propose(parent, n, 0))]
        xs = [x for x in xs if x is not None]
        for x in xs:
            known.add(x)
        exchanges = begin.mol.GetSubstructMatches(Chem.Mol(begin.mol), uniquify=False, maxMatches=1000)
        for x in xs:
            total += 1
            blurred = x + 0.005 * rng.normal(size=x.shape)
            turned = (blurred - x.mean(axis=0)) @ Rotation.from_rotvec([0, 0, 0.2]).as_matrix() + x.mean(axis=0)
            exchanged = blurred[list(exchanges[rng.integers(1, len(exchanges))])] if len(exchanges) > 1 else None
            for kind, copy in (
                ("as it lies", blurred),
                ("turned by 11°", turned),
                ("equal atoms exchanged", exchanged),
            ):
                if copy is None:
                    continue
                found[kind, "shown"] += 1
                found[kind, "molaug"] += known.find(copy) is not None
                found[kind, "naive"] += min(np.linalg.norm(copy - y, axis=1).mean() for y in xs) < 0.1
    yield f"\nCopies of {total} geometries, with noise of 0.005 Å, that are recognised\n"
    yield "| copy | molaug (RMSD < 0.02 Å) | naive (mean displacement < 0.1 Å) |\n|---|---|---|"
    for kind in ("as it lies", "turned by 11°", "equal atoms exchanged"):
        shown = found[kind, "shown"]
        yield f"| {kind} | {found[kind, 'molaug']} of {shown} | {found[kind, 'naive']} of {shown} |"


def temperatures(parents: list[Structures], n: int) -> Iterator[str]:
    yield f"\nEnergies above the root and refusals, {len(parents)} molecules, {n} rows each, mmff94s\n"
    yield (
        "| T / K | σ ≤ / Å | kept | meV / atom, mean ± spread | ΔE / (f kT/2) | attempts | duplicates / % "
        "| bonds / % | stereo / % | force / % | other / % |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    kinds = {"duplicates": "RMSD of an earlier", "bonds": "bonds", "stereo": "stereo", "force": "a force above"}
    for temperature, sigma_max in ((100, 0.1), (300, 0.1), (1000, 0.1), (1000, 0.3), (3000, 0.3)):
        options = Perturb(calculator="mmff94s", temperature=temperature, sigma_max=sigma_max)
        per_atom, thermal, refused, attempts, kept, asked = [], [], Counter[str](), 0, 0, 0
        for parent in parents:
            rows = Structures.concat(options.propose(parent, n, 0))
            if len(rows) < n:
                continue
            n_atoms = len(parent[0].numbers)
            energies = rows.filter(rows.alive).array("sampling_energy")
            per_atom += (1000 * energies / n_atoms).tolist()
            thermal += (energies / (0.5 * (3 * n_atoms - 6) * kB * temperature)).tolist()
            attempts += int(rows.array("attempts").sum())
            kept, asked = kept + len(energies), asked + n
            for text in rows.column("refused"):
                for cause, count in re.findall(r"(.+?) \((\d+)\)(?:, |$)", text or ""):
                    kind = next((kind for kind, words in kinds.items() if words in cause), "other")
                    refused[kind] += int(count)
        shares = " | ".join(f"{100 * refused[kind] / attempts:.1f}" for kind in (*kinds, "other"))
        yield (
            f"| {temperature} | {sigma_max} | {kept} of {asked} | {np.mean(per_atom):.1f} ± {np.std(per_atom):.1f} "
            f"| {np.mean(thermal):.2f} | {attempts} | {shares} |"
        )


def growth(largest: int) -> Iterator[str]:
    yield "\nCost of a row by the size of the tree, mmff94s\n"
    yield "| molecule | exchanges of equal atoms | rows of the tree | ms / row of its last quarter |\n|---|---|---|---|"
    sizes = [largest // 16, largest // 4, largest]
    for smiles in ("OCC1CC1N", "CC(C)CCO", "CC(C)(C)C=O"):
        parent = Structures.from_rdkit(Chem.MolFromSmiles(smiles))
        order = Symmetry(start_of(parent[0], 1).mol).order
        batches = Perturb(calculator="mmff94s").propose(parent, largest, 0)
        times = [time.perf_counter() for _ in batches]
        for size in sizes:
            end, begin = size // 8 - 1, max(size * 3 // 4 // 8 - 1, 0)
            yield f"| {smiles} | {order} | {size} | {1000 * (times[end] - times[begin]) / (8 * (end - begin)):.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=20)
    parser.add_argument("--rows", type=int, default=16, help="of each molecule with MMFF94s")
    parser.add_argument("--rows-gfn2", type=int, default=6, help="of each of a quarter of the molecules with GFN2-xTB")
    parser.add_argument("--largest-tree", type=int, default=384)
    options = parser.parse_args()
    data = Path(os.environ.get("MOLAUG_DATA", "data"))
    if not data.is_dir():
        parser.error(f"no data at {data}; set MOLAUG_DATA to the folder that holds qm9/")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}, one thread, RDKit {rdBase.rdkitVersion}")
    parents = qm9(data, options.molecules)
    with rdBase.BlockLogs():
        for table in (
            speed(parents, "mmff94s", options.rows),
            speed(parents[: -(-len(parents) // 4)], "gfn2-xtb", options.rows_gfn2),
            duplicates(parents, options.rows),
            temperatures(parents, options.rows),
            growth(options.largest_tree),
        ):
            for line in table:
                print(line, flush=True)


if __name__ == "__main__":
    main()

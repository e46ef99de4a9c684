"""Molecules drawn in space beside what is cheaper: quality against steps, cost of a valid molecule, growth of the cost.

    python benchmarks/diffusion.py [--checkpoint diffusion-qm9] [--samples 512] [--reference qm9.parquet]
                                   [--only quality solvers peers cost spread]

The reference, whose test part bond lengths, angles and torsions are compared with, is a compact file of ``molaug
prepare`` or any dataset, such as ``examples/qm9_geometries.py`` writes; without it those columns are empty. A geometry
counts as valid by the strict rules of ``molaug evaluate samples``; "polished" means after at most 200 steps of MMFF94
on the bonds that the network drew. Seconds are CPU seconds of this process on one thread, unless they are called wall.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from rdkit.rdBase import BlockLogs
from torch.utils.flop_counter import FlopCounterMode

from molaug.evaluation.coordinates import Coordinates, coordinates, wasserstein_distances
from molaug.evaluation.geometries import Geometries
from molaug.evaluation.geometry_validity import judge_geometries
from molaug.generators.diffusion import MoleculePipeline, MoleculeSamples, load_pipeline
from molaug.generators.diffusion import geometries as prepared
from molaug.generators.graph import load_pipeline as load_graphs
from molaug.structures.calculators import Method
from molaug.structures.chemistry import perceive, strict_reason
from molaug.structures.chemistry.polish import polish

PARTS = ("quality", "solvers", "peers", "cost", "spread")
STEPS = (10, 20, 50, 100)
#: GFLOP of one call of the network for a molecule of 18 atoms, and calls: measured on the authors' code.
PUBLISHED = {"EDM (arXiv:2203.17003)": (2.37, 1000), "SemlaFlow (arXiv:2406.07266)": (1.36, 100)}
GROWTH = (64, 256, 1024)

Molecule = tuple[NDArray[np.uint8], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Shares of some molecules, and those that are valid."""

    n: int
    atoms: float
    stable: float
    strict: int
    unique: int
    mols: list[Chem.Mol]

    @classmethod
    def of(cls, molecules: Sequence[Molecule]) -> Judged:
        """Judge geometries alone."""
        found = judge_geometries(Geometries.of(molecules))
        names = {name for name, reason in zip(found.names, found.reasons, strict=True) if reason is None}
        return cls(
            n=len(molecules),
            atoms=float(found.bonds.stable_atoms.mean()) if len(found.bonds.stable_atoms) else math.nan,
            stable=float(found.bonds.stable.mean()),
            strict=int(found.strict.sum()),
            unique=len(names),
            mols=[m for m, reason in zip(found.mols, found.reasons, strict=True) if m is not None and reason is None],
        )


def machine() -> str:
    """Name the processor and its load, as other work on it slows everything down."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return (
        f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, threads {torch.get_num_threads()}"
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def table(*columns: str) -> None:
    print("\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), flush=True)


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def percent(share: float, of: int) -> str:
    """Write a share in per cent with its binomial standard error."""
    return f"{100 * share:.1f} ± {100 * math.sqrt(max(share * (1 - share), 0.0) / of):.1f}" if of else "–"


def per(seconds: float, count: int) -> str:
    return f"{1e3 * seconds / count:.0f}" if count else f"more than {1e3 * seconds:.0f}"


def molecules_of(samples: MoleculeSamples) -> list[Molecule]:
    return list(zip(samples.numbers, samples.positions, strict=True))


def polished(samples: MoleculeSamples) -> tuple[list[Molecule], list[float]]:
    """Polish the molecules whose drawn bonds are sound; the others are left as they are. Also how far atoms moved."""
    molecules, moved = molecules_of(samples), []
    for k, mol in enumerate(samples.drawn()):
        if strict_reason(Chem.Mol(mol)) is None:
            done = polish(mol)
            if done.mol is not None and done.rmsd is not None:
                molecules[k] = (molecules[k][0], done.mol.GetConformer().GetPositions())
                moved.append(done.rmsd)
    return molecules, moved


def distances(mols: Sequence[Chem.Mol], reference: Coordinates | None) -> list[str]:
    """Return the Wasserstein distances of lengths (Å), angles and torsions (°)."""
    if reference is None or not mols:
        return ["–"] * 3
    found = wasserstein_distances(coordinates(mols), reference)
    shown = {"bond lengths": 4, "bond angles": 2, "torsions": 1}
    return ["–" if found[k].distance is None else f"{found[k].distance:.{digits}f}" for k, digits in shown.items()]


def held_out(path: Path) -> Coordinates:
    """Measure geometries that no training has seen, one of at most 5,000 molecules."""
    whole = prepared.Geometries.read(path)
    test = whole.part("test")
    test = np.random.default_rng(0).permutation(test)[:5000]
    held = whole.take(test)
    numbers = np.array(held.types.numbers, dtype=np.uint8)[held.atoms]
    judged = judge_geometries(
        Geometries(
            numbers=numbers,
            positions=held.coordinates.astype(np.float64) * prepared.GRID,
            offsets=held.atom_starts,
        )
    )
    return coordinates([mol for mol, fine in zip(judged.mols, judged.strict, strict=True) if mol is not None and fine])


def gflop(pipeline: MoleculePipeline, steps: int, n_heavy: int = 9, n_atoms: int = 18) -> float:
    """Count the operations of one molecule: calls for the graph of heavy atoms, and for coordinates of all atoms."""
    network, n = pipeline.network, 8
    of_graph = round(float(pipeline.config.graph_share) * steps)
    total = 0.0
    for part, size, calls in (("graph", n_heavy, of_graph), ("coordinates", n_atoms, steps - of_graph)):
        atoms, bonds = torch.zeros(n, size, dtype=torch.long), torch.zeros(n, size, size, dtype=torch.long)
        mask, times = torch.ones(n, size, dtype=torch.bool), torch.full((n,), 0.5)
        x = [] if part == "graph" else [torch.randn(n, size, 3)]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(part, atoms, bonds, *x, mask, times)
        total += calls * float(counter.get_total_flops()) / n / 1e9
    return total


def quality(
    pipeline: MoleculePipeline, n: int, reference: Coordinates | None, settings: Sequence[dict[str, Any]]
) -> None:
    table(
        "options", "EDM atom stable", "EDM mol. stable", "strictly valid", "drawn bonds valid",
        "polished strictly valid", "unique of valid", "moved Å", "ms a molecule", "ms a valid one",
        "lengths Å", "angles °", "torsions °",
    )  # fmt: skip
    for options in settings:
        seconds, samples = timed(partial(pipeline, n, seed=0, **options))
        raw = Judged.of(molecules_of(samples))
        drawn = np.mean([reason is None for reason in samples.graph_reasons()])
        extra, (after, moved) = timed(partial(polished, samples))
        done = Judged.of(after)
        row(
            ", ".join(f"{key} {value}" for key, value in options.items()),
            percent(raw.atoms, int(samples.sizes.sum())),
            percent(raw.stable, n),
            percent(raw.strict / n, n),
            percent(float(drawn), n),
            percent(done.strict / n, n),
            f"{100 * raw.unique / raw.strict:.1f}" if raw.strict else "–",
            f"{np.median(moved):.2f}" if moved else "–",
            f"{1e3 * seconds / n:.0f}",
            f"{per(seconds, raw.strict)} / {per(seconds + extra, done.strict)} polished",
            *distances(raw.mols, reference),
        )


def solvers(pipeline: MoleculePipeline, n: int) -> None:
    table("solver of the coordinates", "steps", "EDM atom stable", "EDM mol. stable", "strictly valid")
    kept = pipeline.scheduler
    multistep = partial(DPMSolverMultistepScheduler, prediction_type="flow_prediction", use_flow_sigmas=True)
    for name, scheduler in (("Euler", FlowMatchEulerDiscreteScheduler()), ("DPM-Solver++ 2M", multistep())):
        for steps in (20, 50):
            pipeline.scheduler = scheduler
            samples = pipeline(
                n, seed=0, num_inference_steps=steps, noise=0.0
            )  # the flow alone: fresh noise hides them
            found = Judged.of(molecules_of(samples))
            row(
                name, steps, percent(found.atoms, int(samples.sizes.sum())), percent(found.stable, n),
                percent(found.strict / n, n),
            )  # fmt: skip
    pipeline.scheduler = kept


def embedded(smiles: Sequence[str | None]) -> list[Molecule]:
    """Return geometries of molecules: one conformer by ETKDG each, nothing where that fails."""
    found: list[Molecule] = []
    for text in smiles:
        with BlockLogs():
            mol = None if text is None else Chem.AddHs(Chem.MolFromSmiles(text))
            failed = mol is None or rdDistGeom.EmbedMolecule(mol, randomSeed=7, maxAttempts=10)
        if mol is None or failed:
            found.append((np.zeros(0, dtype=np.uint8), np.zeros((0, 3))))
            continue
        numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.uint8)
        found.append((numbers, mol.GetConformer().GetPositions()))
    return found


def settled(smiles: Sequence[str | None]) -> list[Molecule]:
    """Return the same after at most 200 steps of MMFF94."""
    found: list[Molecule] = []
    for numbers, x in embedded(smiles):
        judged = judge_geometries(Geometries.of([(numbers, x)]))
        done = None if judged.mols[0] is None else polish(judged.mols[0])
        found.append((numbers, x if done is None or done.mol is None else done.mol.GetConformer().GetPositions()))
    return found


def peers(pipeline: MoleculePipeline, n: int, reference: Coordinates | None) -> None:
    table(
        "way", "GFLOP a molecule", "EDM atom stable", "EDM mol. stable", "strictly valid", "ms a molecule",
        "ms a valid one", "lengths Å", "angles °", "torsions °",
    )  # fmt: skip

    def line(name: str, seconds: float, molecules: Sequence[Molecule], flop: str) -> None:
        found = Judged.of(molecules)
        row(
            name, flop, percent(found.atoms, sum(len(z) for z, _ in molecules)), percent(found.stable, n),
            percent(found.strict / n, n), f"{1e3 * seconds / n:.0f}", per(seconds, found.strict),
            *distances(found.mols, reference),
        )  # fmt: skip

    for steps in (50, 100):
        seconds, samples = timed(partial(pipeline, n, seed=0, num_inference_steps=steps))
        line(f"diffusion, {steps} steps", seconds, molecules_of(samples), f"{gflop(pipeline, steps):.1f}")
        extra, (after, _) = timed(partial(polished, samples))
        line(f"diffusion, {steps} steps, polished", seconds + extra, after, f"{gflop(pipeline, steps):.1f}")
    graphs = load_graphs()
    base, drawn = timed(partial(graphs, n, seed=0, num_inference_steps=20))
    seconds, molecules = timed(partial(embedded, drawn.smiles))
    line("graph generator, 20 steps, ETKDG", base + seconds, molecules, "–")
    seconds, molecules = timed(partial(settled, drawn.smiles))
    line("graph generator, 20 steps, ETKDG, MMFF94", base + seconds, molecules, "–")
    seconds, conformers = timed(
        lambda: [pipeline(32, seed=0, graph=text, num_inference_steps=50) for text in drawn.smiles[:8] if text]
    )
    line_n = sum(map(len, conformers))
    valid = Judged.of([molecule for part in conformers for molecule in molecules_of(part)])
    share = percent(valid.strict / line_n, line_n)
    print(
        f"\nConformers, 32 of each of the first {len(conformers)} graphs, 50 steps: {share} % strictly valid, "
        f"{1e3 * seconds / line_n:.0f} ms each."
    )
    for name, (call, calls) in PUBLISHED.items():
        print(
            f"{name}: {call} GFLOP × {calls} calls = {call * calls:,.0f} GFLOP a molecule, "
            f"{call * calls / gflop(pipeline, 100):.0f} times that of 100 steps here."
        )


def cost(pipeline: MoleculePipeline) -> None:
    table("molecules", "wall s", "molecules/s", "ms a molecule and step")
    for n in GROWTH:
        began = time.perf_counter()
        pipeline(n, seed=0, num_inference_steps=20)
        wall = time.perf_counter() - began
        row(n, f"{wall:.1f}", f"{n / wall:.1f}", f"{1e3 * wall / n / 20:.2f}")
    table("heavy atoms", "ms a molecule and step")
    for n_heavy in (3, 6, 9):
        seconds, _ = timed(partial(pipeline, 64, seed=0, num_inference_steps=10, n_atoms=n_heavy))
        row(n_heavy, f"{1e3 * seconds / 64 / 10:.2f}")


def spreads(pipeline: MoleculePipeline) -> None:
    """Energies of disordered geometries above those of the same molecules as drawn at equilibrium, by GFN2-xTB."""
    table("spread Å", "meV an atom above spread 0: 10, 50 and 90 %", "geometry perceived %")
    method, equilibrium = Method(calculator="gfn2-xtb"), {}
    for spread in (0.0, 0.02, 0.05, 0.1):
        samples = pipeline(128, seed=21, spread=spread, num_inference_steps=50)
        sound = np.array([reason is None for reason in samples.graph_reasons()])
        seen = [perceive(z, x).mol is not None for z, x in molecules_of(samples)]
        energies, structures = {}, samples.structures()
        for k in np.flatnonzero(sound)[:64].tolist():
            atoms = structures.take([k]).to_ase()[0]
            atoms.calc = method.calculator_of(structures[k])
            energies[k] = 1e3 * atoms.get_potential_energy() / len(atoms)
        equilibrium = equilibrium or energies
        above = np.quantile([energies[k] - equilibrium[k] for k in energies], [0.1, 0.5, 0.9])
        row(spread, ", ".join(f"{value:.0f}" for value in above), f"{100 * np.mean(np.array(seen)[sound]):.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="diffusion-qm9")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    pipeline = load_pipeline(arguments.checkpoint)
    reference = None if arguments.reference is None else held_out(arguments.reference)
    n = arguments.samples
    if "quality" in arguments.only:
        quality(pipeline, n, reference, [{"num_inference_steps": steps} for steps in STEPS])
        quality(
            pipeline,
            n,
            reference,
            [
                {"num_inference_steps": 50, **options}
                for options in ({"noise": 0.0}, {"noise": 0.5}, {"temperature": 0.8})
            ],
        )
    if "solvers" in arguments.only:
        solvers(pipeline, n)
    if "peers" in arguments.only:
        peers(pipeline, n, reference)
    if "cost" in arguments.only:
        cost(pipeline)
    if "spread" in arguments.only:
        spreads(pipeline)


if __name__ == "__main__":
    main()

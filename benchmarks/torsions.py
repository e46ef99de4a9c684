"""Torsional scans: constrained relaxations beside ASE and RDKit, failures on QM9, barriers beside the literature.

    python benchmarks/torsions.py [--molecules 30] [--compared 6] [--gfn2 3]

Every way relaxes the same starting geometries: rotors of relaxed QM9 molecules, turned by 30° from point to point.
The data are looked for in ``$MOLAUG_DATA``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy: small molecules do not gain by threads

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from ase import units
from ase.constraints import FixInternals
from ase.optimize import BFGS
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers

from molaug.generators.start import Start, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.generators.torsions import Torsions
from molaug.generators.torsions.constrained import relax
from molaug.generators.torsions.model_hessian import ModelHessian
from molaug.generators.torsions.rotors import Rotor, rotatable, rotors_of
from molaug.structures import Structures
from molaug.structures.calculators import Method

FMAX, STEPS, TURN, POINTS = 0.02, 200, 30.0, 4
KCAL = units.kcal / units.mol

#: Barriers to internal rotation from experiment (microwave and infrared spectroscopy), in kcal/mol: molecule, atoms of
#: the bond in its SMILES, name, from the lowest minimum to the lowest maximum.
BARRIERS = (
    ("CC", (0, 1), "ethane", 2.9),
    ("CO", (0, 1), "methanol", 1.07),
    ("CN", (0, 1), "methylamine", 1.98),
    ("CC=O", (0, 1), "acetaldehyde", 1.17),
    ("C=CC", (1, 2), "propene", 2.0),
    ("CCCC", (1, 2), "butane, trans to gauche", 3.6),
    ("O=CO", (1, 2), "formic acid, cis-trans", 13.0),
)


@dataclass
class Tally:
    """What a way did."""

    points: int = 0
    failures: int = 0
    seconds: float = 0.0
    calls: int = 0
    off: float = 0.0
    energies: dict[tuple[int, int, int], float] = field(default_factory=dict)


#: A relaxation: surface, positions, rotor to positions, calls (0 if not counted), converged.
Way = Callable[[Start, Surface, np.ndarray, Rotor], tuple[np.ndarray, int, bool]]


def ours(start: Start, surface: Surface, x: np.ndarray, rotor: Rotor) -> tuple[np.ndarray, int, bool]:
    end = relax(surface, x, [rotor], ModelHessian(start.mol)(x), fmax=FMAX, steps=STEPS)
    return end.positions, end.calls, end.converged


def ase(start: Start, surface: Surface, x: np.ndarray, rotor: Rotor) -> tuple[np.ndarray, int, bool]:
    atoms = surface.atoms
    atoms.positions = x
    degrees = float(np.degrees(rotor.angle(x))) % 360
    atoms.set_constraint(FixInternals(dihedrals_deg=[[degrees, list(rotor.quad)]], epsilon=1e-5))
    optimizer = BFGS(atoms, logfile=None)
    converged = bool(optimizer.run(fmax=FMAX, steps=STEPS))
    return atoms.positions.copy(), optimizer.nsteps + 1, converged


def rdkit(start: Start, surface: Surface, x: np.ndarray, rotor: Rotor) -> tuple[np.ndarray, int, bool]:
    mol = Chem.Mol(start.mol)
    mol.GetConformer().SetPositions(np.ascontiguousarray(x))
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant="MMFF94s")
    forces = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties, ignoreInterfragInteractions=False)
    forces.Initialize()
    degrees = float(np.degrees(rotor.angle(x)))
    forces.MMFFAddTorsionConstraint(*rotor.quad, False, degrees, degrees, 100.0)
    missed = forces.Minimize(maxIts=10 * STEPS)
    return mol.GetConformer().GetPositions(), 0, missed == 0


def qm9(data: Path, count: int) -> list[Start]:
    """Return random QM9 molecules that MMFF94s describes and that have a rotor."""
    with np.load(data / "qm9/qm9_structures.npz") as file:
        z, x, offsets = (file[key] for key in ("z", "pos", "offsets"))
    found: list[Start] = []
    for k in np.random.default_rng(0).permutation(len(offsets) - 1):
        atoms = slice(offsets[k], offsets[k + 1])
        try:
            start = start_of(Structures.from_arrays([z[atoms]], [x[atoms]])[0], 0)
            Surface(Method(calculator="mmff94s"), start.structure)
        except SamplingError:
            continue
        if rotatable(start.mol):
            found.append(start)
        if len(found) == count:
            break
    return found


def compare(starts: list[Start], calculator: str, ways: dict[str, Way]) -> Iterator[str]:
    tallies = {name: Tally() for name in ways}
    for m, start in enumerate(starts):
        surface = Surface(Method(calculator=calculator), start.structure)
        with surface:
            model = ModelHessian(start.mol)
            minimum = relax(surface, start.positions, [], model(start.positions), fmax=FMAX, steps=STEPS).positions
            for r, rotor in enumerate(rotors_of(start.mol, minimum, rotatable(start.mol))):
                x = minimum
                for p in range(POINTS):
                    begin = rotor.turned(x, np.radians(TURN))
                    for name, way in ways.items():
                        x_end = timed(way, tallies[name], (m, r, p), start, surface, begin, rotor)
                        if name == next(iter(ways)):
                            x = x_end
    yield "| way | points | failed | relaxations/s | energies a relaxation | angle off by at most | lower / higher |"
    yield "|---|---|---|---|---|---|---|"
    first = next(iter(tallies.values()))
    for name, tally in tallies.items():
        shared = [key for key in tally.energies if key in first.energies]
        change = np.array([tally.energies[key] - first.energies[key] for key in shared])
        calls = f"{tally.calls / tally.points:.1f}" if tally.calls else "-"
        yield (
            f"| {name} | {tally.points} | {tally.failures} | {tally.points / tally.seconds:.1f} "
            f"(× {tally.points / tally.seconds / (first.points / first.seconds):.2f}) | {calls} | {tally.off:.1e}° "
            f"| {np.sum(change < -5e-3)} / {np.sum(change > 5e-3)} |"
        )
    yield "\nLower and higher: points that end 5 meV or more below or above those of the first way: in another valley."


def timed(
    way: Way,
    tally: Tally,
    key: tuple[int, int, int],
    start: Start,
    surface: Surface,
    begin: np.ndarray,
    rotor: Rotor,
) -> np.ndarray:
    tally.points += 1
    clock = time.process_time()
    try:
        x, calls, converged = way(start, surface, begin, rotor)
    except Exception:  # whatever a peer raises is a failure of that point
        x, calls, converged = begin, 0, False
    tally.seconds += time.process_time() - clock
    tally.calls += calls
    off = abs((rotor.angle(x) - rotor.angle(begin) + np.pi) % (2 * np.pi) - np.pi)
    tally.off = max(tally.off, float(np.degrees(off)))
    if converged and start.integrity.reasons([x])[0] is None:
        tally.energies[key] = surface(x)[0]
    else:
        tally.failures += 1
    return x


def scans(starts: list[Start], calculator: str) -> Iterator[str]:
    parents = Structures.from_arrays([s.structure.numbers for s in starts], [s.positions for s in starts])
    clock = time.process_time()
    rows = Structures.concat(Torsions(calculator=calculator, step=TURN).propose(parents, 10_000, 0))
    seconds = time.process_time() - clock
    reasons = [reason for reason in rows.column("reason") if reason]
    yield (
        f"\nWhole scans with {calculator}, steps of {TURN:g}°: {len(starts)} molecules, {len(rows)} rows, "
        f"{len(reasons)} rejected, {seconds:.1f} s, {len(rows) / seconds:.0f} rows/s"
    )
    for reason in sorted(set(reasons)):
        yield f"- {reasons.count(reason)} × {reason}"


def barriers() -> Iterator[str]:
    yield "\n| barrier, kcal/mol | experiment | gfn2-xtb | mmff94s |"
    yield "|---|---|---|---|"
    for smiles, bond, name, known in BARRIERS:
        heights = []
        for calculator in ("gfn2-xtb", "mmff94s"):
            parent = Structures.from_rdkit(Chem.MolFromSmiles(smiles))
            rows = Structures.concat(Torsions(calculator=calculator, step=10).propose(parent, 1000, 0))
            found = [
                row.extra["barrier_height"] / KCAL
                for row in rows
                if row.extra["barrier_height"] is not None
                and {int(atom) for atom in row.extra["torsion"].split("-")[1:3]} == set(bond)
            ]
            heights.append(f"{min(found):.2f}" if found else "-")
        yield f"| {name} | {known} | {heights[0]} | {heights[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=30, help="scanned with MMFF94s")
    parser.add_argument("--compared", type=int, default=6, help="of these, relaxed with MMFF94s in every way")
    parser.add_argument("--gfn2", type=int, default=3, help="of these, relaxed and scanned with GFN2-xTB")
    options = parser.parse_args()
    data = Path(os.environ.get("MOLAUG_DATA", "data"))
    if not data.is_dir():
        parser.error(f"no data at {data}; set MOLAUG_DATA to the folder that holds qm9/")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}, RDKit {rdBase.rdkitVersion}")
    starts = qm9(data, options.molecules)
    ways: dict[str, Way] = {"molaug": ours, "ASE FixInternals + BFGS": ase}
    parts: list[tuple[str, list[Start], dict[str, Way]]] = [
        ("mmff94s", starts[: options.compared], {**ways, "RDKit": rdkit}),
        ("gfn2-xtb", starts[: options.gfn2], ways),
    ]
    with rdBase.BlockLogs():
        for calculator, some, several in parts:
            print(f"\n{len(some)} QM9 molecules, {calculator}, forces to {FMAX} eV/Å\n")
            for line in compare(some, calculator, several):
                print(line, flush=True)
        for lines in (partial(scans, starts, "mmff94s"), partial(scans, starts[: options.gfn2], "gfn2-xtb"), barriers):
            for line in lines():
                print(line, flush=True)


if __name__ == "__main__":
    main()

"""Dynamics beside ASE's Langevin: steps a second, equipartition, decorrelation, what thinning gains, integrity.

    python benchmarks/dynamics.py [--molecules 12] [--gfn2-steps 150]

The data are looked for in ``$MOLAUG_DATA``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import ase
import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses
from ase.md.langevin import Langevin as AseLangevin
from numpy.typing import NDArray
from rdkit import Chem

from molaug.generators.dynamics import Dynamics, Langevin, farthest_first
from molaug.generators.dynamics.distance import hydrogen_groups, rmsd
from molaug.generators.dynamics.trajectory import memory, skeleton_of
from molaug.generators.start import Start, minimum_of, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structures
from molaug.structures.calculators import Method

#: 18 atoms, 6 of them heavy.
EIGHTEEN = "CCCC(C)O"

#: Angular frequency, in ASE's units, of a wavenumber in 1/cm.
WAVE = 2 * np.pi * 2.99792458e10 / units.s

KELVIN = 500.0


def qm9(data: Path, count: int) -> list[Start]:
    """Return random QM9 molecules that MMFF94s describes."""
    with np.load(data / "qm9/qm9_structures.npz") as file:
        z, x, offsets = (file[key] for key in ("z", "pos", "offsets"))
    starts: list[Start] = []
    for k in np.random.default_rng(0).permutation(len(offsets) - 1):
        atoms = slice(offsets[k], offsets[k + 1])
        parent = Structures.from_arrays([z[atoms]], [x[atoms]])[0]
        try:
            start = start_of(parent, 0)
            Surface(Method.of("mmff94s"), start.structure)
        except SamplingError:
            continue
        starts.append(start)
        if len(starts) == count:
            break
    return starts


def warm(start: Start, surface: Surface, timestep: float = 1.0, seed: int = 0, friction: float = 10.0) -> Langevin:
    """Return a trajectory in its bath, after 250 fs."""
    minimum = minimum_of(start, surface, fmax=0.05, steps=500)
    dynamics = Langevin(
        surface,
        atomic_masses[start.structure.numbers],
        minimum.positions,
        temperature=KELVIN,
        timestep=timestep,
        friction=friction,
        rng=np.random.default_rng(seed),
        heat=2.0,
    )
    dynamics.run(round(250 / timestep))
    return dynamics


def speed(gfn2_steps: int) -> Iterator[str]:
    start = start_of(Structures.from_rdkit(Chem.MolFromSmiles(EIGHTEEN))[0], 0)
    yield f"## Steps a second\n\n{EIGHTEEN}, {len(start.structure.numbers)} atoms, 1 fs, {KELVIN:.0f} K, by turns\n"
    yield "| method | ASE Langevin / s⁻¹ | molaug / s⁻¹ | ratio | force calls alone / s⁻¹ |"
    yield "|---|---|---|---|---|"
    for name, steps in (("mmff94s", 4000), ("gfn2-xtb", gfn2_steps)):
        with Surface(Method.of(name), start.structure) as surface, Surface(Method.of(name), start.structure) as other:
            ours = warm(start, surface)
            atoms = other.atoms
            atoms.positions = ours.positions
            atoms.set_velocities(ours.velocities)
            theirs = AseLangevin(
                atoms,
                units.fs,
                temperature_K=KELVIN,
                friction=0.01 / units.fs,
                fixcm=False,
                rng=np.random.default_rng(1),
            )
            theirs.run(5)
            seconds = np.zeros(3)
            for _ in range(4):
                seconds[0] += timed(lambda md=theirs, n=steps // 4: md.run(n))
                frames: list[Any] = []
                seconds[1] += timed(lambda md=ours, n=steps // 4, out=frames: out.append(md.run(n)))
                path = frames[0].positions
                seconds[2] += timed(lambda f=surface, xs=path: [f(x) for x in xs])
        rate = steps // 4 * 4 / seconds
        yield f"| {name} | {rate[0]:.0f} | {rate[1]:.0f} | {rate[1] / rate[0]:.2f} | {rate[2]:.0f} |"


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


class Springs(Calculator):  # type: ignore[misc]
    """Hydrogen atoms on springs of given wavenumbers, for ASE and for us."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, waves: NDArray[np.float64]) -> None:
        super().__init__()
        self.k = 1.008 * (WAVE * waves) ** 2  # (n_atoms, 3)

    def energy_and_forces(self, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return both in eV and eV/Å."""
        return 0.5 * float((self.k * x * x).sum()), -self.k * x

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Compute as ASE asks for it."""
        super().calculate(atoms, properties, system_changes)
        energy, forces = self.energy_and_forces(atoms.positions)
        self.results = {"energy": energy, "forces": forces}


def equipartition() -> Iterator[str]:
    n, friction = 1000, 50.0
    share = 3 * n * units.kB * KELVIN / 2
    yield "\n## Equipartition\n"
    yield f"Energies over kT/2 for each of {3 * n} oscillators, {KELVIN:.0f} K, friction {friction:.0f}/ps;"
    yield "the last two columns are ethanol (MMFF94s, molaug), whose potential need not be harmonic\n"
    yield (
        "| timestep / fs | oscillators | ASE potential | ASE kinetic | molaug potential | molaug kinetic "
        "| ethanol kinetic | ± |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    ethanol = start_of(Structures.from_rdkit(Chem.MolFromSmiles("CCO"))[0], 0)
    for timestep in (0.25, 0.5, 1.0, 2.0):
        with Surface(Method.of("mmff94s"), ethanol.structure) as surface:
            dynamics = warm(ethanol, surface, timestep, friction=friction)
            kinetic = dynamics.run(round(20_000 / timestep)).kinetic / (27 * units.kB * KELVIN / 2)
        if len(kinetic) < 16:
            real = "runs away | "
        else:
            blocks = kinetic[: len(kinetic) // 50 * 50].reshape(50, -1).mean(axis=1)
            real = f"{kinetic.mean():.3f} | {blocks.std() / np.sqrt(50):.3f}"
        for text, waves in (
            ("100 to 3,700 cm⁻¹", np.linspace(100, 3700, 3 * n).reshape(n, 3)),
            ("3,000 cm⁻¹", np.full((n, 3), 3000.0)),
        ):
            springs = Springs(waves)
            steps, discarded = round(600 / timestep), round(250 / timestep)
            ours = Langevin(
                springs.energy_and_forces,
                np.full(n, 1.008),
                np.zeros((n, 3)),
                temperature=KELVIN,
                timestep=timestep,
                friction=friction,
                rng=np.random.default_rng(2),
                heat=2.0,
            )
            ours.run(discarded)
            segment = ours.run(steps)
            theirs = of_ase(springs, timestep, friction, steps, discarded) / share
            row = f"{theirs[0]:.3f} | {theirs[1]:.3f} | {segment.potential.mean() / share:.3f} "
            yield f"| {timestep:g} | {text} | {row}| {segment.kinetic.mean() / share:.3f} | {real} |"
            real = " | "


def of_ase(springs: Springs, timestep: float, friction: float, steps: int, discarded: int) -> NDArray[np.float64]:
    n = len(springs.k)
    atoms = Atoms("H" * n, positions=np.zeros((n, 3)), calculator=springs)
    rng = np.random.default_rng(3)
    atoms.set_momenta(np.sqrt(2 * 1.008 * units.kB * KELVIN) * rng.normal(size=(n, 3)))
    dynamics = AseLangevin(
        atoms, timestep * units.fs, temperature_K=KELVIN, friction=friction / 1000 / units.fs, fixcm=False, rng=rng
    )
    dynamics.run(discarded)
    total = np.zeros(2)
    for _ in range(steps):
        dynamics.run(1)
        total += atoms.get_potential_energy(), atoms.get_kinetic_energy()
    return total / steps


def decorrelation(starts: list[Start]) -> Iterator[str]:
    yield f"\n## Decorrelation\n\n{len(starts)} QM9 molecules, MMFF94s, {KELVIN:.0f} K\n"
    yield "| pilot / fs | τ: least, median, greatest / fs | median spacing 2τ / fs | longer than 35 fs / % |"
    yield "|---|---|---|---|"
    for pilot in (300, 1000, 4000):
        times = []
        for start in starts:
            with Surface(Method.of("mmff94s"), start.structure) as surface:
                segment = warm(start, surface).run(pilot)
            times.append(memory(segment.positions[:, skeleton_of(start.structure.numbers)], segment.potential))
        spacing = 2 * np.array(times)
        low, middle, high = np.min(times), np.median(times), np.max(times)
        far = 100 * (spacing > 35).mean()
        yield f"| {pilot} | {low:.0f}, {middle:.0f}, {high:.0f} | {2 * middle:.0f} | {far:.0f} |"


def diversity(starts: list[Start], pool: int = 60, keep: int = 15) -> Iterator[str]:
    """Compare ways to choose from the same trajectories."""
    yield f"\n## Thinning\n\n{keep} of {pool} snapshots, {len(starts)} QM9 molecules, MMFF94s, {KELVIN:.0f} K,"
    yield "default spacing; RMSD over all atoms, equal hydrogens exchanged\n"
    yield "| way | least distance of two / Å | mean distance to the nearest other / Å | farthest of the pool / Å |"
    yield "|---|---|---|---|"
    found: dict[str, list[tuple[float, float, float]]] = {}
    generator = Dynamics(calculator="mmff94s", pool=pool, keep=pool)
    rng = np.random.default_rng(4)
    for start in starts:
        parent = Structures.from_arrays([start.structure.numbers], [start.positions], smiles=[start.structure.smiles])
        rows = Structures.concat(generator.propose(parent, pool, 0))
        x = rows.filter(rows.alive).positions.reshape(-1, len(start.structure.numbers), 3)
        if len(x) < pool:
            continue
        groups = hydrogen_groups(start.mol)
        distances = np.array([rmsd(x, one, groups) for one in x])
        distances = np.minimum(distances, distances.T)
        ways = {
            "farthest first": farthest_first(x, start.positions, keep, groups),
            "every fourth": np.arange(0, pool, pool // keep),
            "at random": rng.permutation(pool)[:keep],
            "the first": np.arange(keep),
        }
        for name, chosen in ways.items():
            among = distances[np.ix_(chosen, chosen)] + 99 * np.eye(keep)
            least = min(distances[a, b] for a, b in combinations(chosen, 2))
            found.setdefault(name, []).append((least, among.min(axis=1).mean(), distances[chosen].min(axis=0).max()))
    for name, values in found.items():
        least, nearest, uncovered = np.mean(values, axis=0)
        yield f"| {name} | {least:.3f} | {nearest:.3f} | {uncovered:.3f} |"


def integrity(starts: list[Start]) -> Iterator[str]:
    yield f"\n## Integrity and energy\n\n{len(starts)} QM9 molecules, MMFF94s, 20 snapshots each, nothing thinned out\n"
    yield "| T / K | snapshots that keep bonds and stereo / % | energy over (3N - 6)kT/2, median | blocks/s |"
    yield "|---|---|---|---|"
    for kelvin in (300.0, 500.0, 1000.0, 2000.0):
        generator = Dynamics(calculator="mmff94s", temperature=kelvin, keep=20)
        kept, ratio, seconds = 0, [], 0.0
        for start in starts:
            parent = Structures.from_arrays(
                [start.structure.numbers], [start.positions], smiles=[start.structure.smiles]
            )
            begin = time.perf_counter()
            rows = Structures.concat(generator.propose(parent, 20, 0))
            seconds += time.perf_counter() - begin
            kept += int(rows.alive.sum())
            if len(rows) == 20:
                thermal = (3 * len(start.structure.numbers) - 6) * units.kB * kelvin / 2
                ratio.append(np.nanmean(rows.array("sampling_energy")) / thermal)
        share = 100 * kept / (20 * len(starts))
        yield f"| {kelvin:.0f} | {share:.1f} | {np.median(ratio):.2f} | {len(starts) / seconds:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=12)
    parser.add_argument("--gfn2-steps", type=int, default=160)
    options = parser.parse_args()
    data = Path(os.environ.get("MOLAUG_DATA", "data"))
    if not data.is_dir():
        parser.error(f"no data at {data}; set MOLAUG_DATA to the folder that holds qm9/")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}, ASE {ase.__version__}, one thread\n")
    starts = qm9(data, options.molecules)
    for table in (
        speed(options.gfn2_steps),
        equipartition(),
        decorrelation(starts),
        diversity(starts),
        integrity(starts),
    ):
        for line in table:
            print(line, flush=True)


if __name__ == "__main__":
    main()

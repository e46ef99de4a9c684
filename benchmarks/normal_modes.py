"""Normal-mode samples, Hessians and broken geometries, beside loops over samples, ASE and plain tblite.

    python benchmarks/normal_modes.py [--molecules 60] [--samples 10240] [--repeats 3]

The molecules are looked for in ``$MOLAUG_DATA``. Times are the best of the repeats.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy: processes are compared, not threads

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.vibrations import Vibrations
from tblite.interface import Calculator

from molaug.generators.normal_modes import Equilibrium, NormalModes, cache, equilibrium_of, hessian, modes_of
from molaug.generators.start import Start, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.chemistry import bonds

MMFF, GFN2 = Method(calculator="mmff94s"), Method()
TEMPERATURES = (300.0, 600.0, 1000.0, 2000.0)

#: What to call no floor: a force constant in eV/Å² that only imaginary modes and free rotors are below.
NO_FLOOR = 1e-3


def qm9(data: Path) -> Iterator[Structures]:
    """Yield QM9 molecules in random order, each a batch of one."""
    with np.load(data / "qm9/qm9_structures.npz") as file:
        z, x, offsets = (file[key] for key in ("z", "pos", "offsets"))
    for k in np.random.default_rng(0).permutation(len(offsets) - 1):
        atoms = slice(offsets[k], offsets[k + 1])
        yield Structures.from_arrays([z[atoms]], [x[atoms]])


def sampled(data: Path, count: int) -> list[tuple[Structures, Start, Equilibrium]]:
    """Return molecules that MMFF94s relaxes."""
    found: list[tuple[Structures, Start, Equilibrium]] = []
    for parent in qm9(data):
        try:
            start = start_of(parent[0], 0)
            found.append((parent, start, equilibrium_of(start, MMFF)))
        except SamplingError:
            continue
        if len(found) == count:
            break
    return found


def best(work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


# ---------------------------------------------------------------------- samples


def ours(parent: Structures, n: int, **options: object) -> Structures:
    return Structures.concat(NormalModes(calculator="mmff94s", **options).propose(parent, n, 0))


def naive(start: Start, rest: Equilibrium, n: int, temperature: float) -> list[tuple[Atoms, bool]]:
    """Draw, displace and check one sample after the other, mode by mode, as scripts do."""
    rng, z, x0 = np.random.default_rng(0), start.structure.numbers, rest.modes.positions
    stiffness = np.maximum(rest.modes.force_constants, 0.312)
    directions = rest.modes.cartesian * np.sqrt(rest.modes.reduced_masses)[:, None, None]
    wanted = bonds(z, x0)
    made = []
    for _ in range(n):
        x = x0.copy()
        for k, direction in zip(stiffness, directions, strict=True):
            x += rng.normal(0, np.sqrt(units.kB * temperature / k)) * direction
        made.append((Atoms(numbers=z, positions=x), np.array_equal(bonds(z, x), wanted)))
    return made


def speed(parent: Structures, start: Start, rest: Equilibrium, n: int, repeats: int) -> Iterator[str]:
    yield f"\n{len(start.structure.numbers)} atoms ({start.structure.smiles}), {n} samples at 300 K, one core\n"
    yield "| way | samples/s | to the loop |"
    yield "|---|---|---|"
    few = max(n // 20, 1)
    base = few / best(lambda: naive(start, rest, few, 300.0), repeats)
    yield f"| loop over samples and modes, bonds checked | {base:,.0f} | 1.0 |"
    for text, options in {
        "molaug, boltzmann": {},
        "molaug, quantum": {"distribution": "quantum"},
        "molaug, ani": {"distribution": "ani"},
        "molaug, boltzmann, MMFF94s energies": {"energies": "calculator"},
    }.items():
        rate = n / best(lambda options=options: ours(parent, n, **options), repeats)  # type: ignore[misc]
        yield f"| {text} | {rate:,.0f} | {rate / base:.1f} |"
    yield "\n| samples | ms a sample |"
    yield "|---|---|"
    for m in (1, 256, 2560, 10240):
        yield f"| {m} | {1000 * best(lambda m=m: ours(parent, m), repeats) / m:.3f} |"  # type: ignore[misc]


# ---------------------------------------------------------------------- Hessians


def ase_hessian(atoms: Atoms) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        vibrations = Vibrations(atoms, name=str(Path(folder) / "vib"), delta=0.005)
        vibrations.run()
        return np.asarray(vibrations.get_vibrations().get_hessian_2d())


def tblite_hessian(atoms: Atoms, step: float = 0.005) -> np.ndarray:
    """Displace with tblite's own interface, from the last wave function, without ASE."""
    x = atoms.positions / units.Bohr
    calculator = Calculator("GFN2-xTB", atoms.numbers, x)
    calculator.set("verbosity", 0)
    h = step / units.Bohr
    result, rows = None, []
    for k in range(x.size):
        sides = []
        for sign in (1, -1):
            calculator.update((x.ravel() + sign * h * np.eye(1, x.size, k)[0]).reshape(-1, 3))
            result = calculator.singlepoint(result)
            sides.append(result.get("gradient").ravel())
        rows.append((sides[0] - sides[1]) / (2 * h))
    matrix = np.array(rows) * units.Hartree / units.Bohr**2
    return 0.5 * (matrix + matrix.T)


def hessians(start: Start, repeats: int) -> Iterator[str]:
    cache.forget()
    rest = equilibrium_of(start, GFN2)
    structure, x = start.structure, rest.minimum.positions
    surface = Surface(GFN2, structure)
    atoms = surface.atoms
    atoms.positions = x

    def frequencies(matrix: np.ndarray) -> np.ndarray:
        return modes_of(structure.numbers, x, matrix).frequencies

    yield f"\nHessian of {len(x)} atoms ({structure.smiles}), GFN2-xTB: {6 * len(x)} gradients, "
    yield f"asymmetry {rest.asymmetry:.1g} eV/Å²\n"
    yield "| way | s | to ASE | largest difference of a frequency from ASE / cm^-1 |"
    yield "|---|---|---|---|"
    with ProcessPoolExecutor(1) as one, ProcessPoolExecutor(2) as two:
        for pool in (one, two):
            list(pool.map(abs, range(4)))
            hessian(GFN2, structure, x, executor=pool)
        ways: dict[str, Callable[[], np.ndarray]] = {
            "ASE Vibrations": lambda: ase_hessian(atoms),
            "tblite's interface": lambda: tblite_hessian(atoms),
            "molaug, in this process": lambda: hessian(GFN2, structure, x).matrix,
            "molaug, 1 worker": lambda: hessian(GFN2, structure, x, executor=one).matrix,
            "molaug, 2 workers": lambda: hessian(GFN2, structure, x, executor=two).matrix,
        }
        seconds = dict.fromkeys(ways, np.inf)
        for _ in range(repeats):  # by turns, so that load on the machine strikes all alike
            for name, way in ways.items():
                seconds[name] = min(seconds[name], best(way, 1))
        expected = frequencies(ase_hessian(atoms))
        for name, way in ways.items():
            error = np.abs(frequencies(way()) - expected).max()
            yield f"| {name} | {seconds[name]:.2f} | {seconds[name] / seconds['ASE Vibrations']:.2f} | {error:.2g} |"
    found = best(lambda: equilibrium_of(start, GFN2), repeats)
    yield f"| molaug, minimum and Hessian found in memory | {found:.4f} | {found / seconds['ASE Vibrations']:.4f} | - |"
    relaxed = equilibrium_of(start, MMFF).minimum.positions
    mmff = best(lambda: hessian(MMFF, structure, relaxed), repeats)
    yield f"| molaug, MMFF94s | {mmff:.4f} | {mmff / seconds['ASE Vibrations']:.4f} | - |"


# ---------------------------------------------------------------------- broken geometries


def broken(molecules: list[tuple[Structures, Start, Equilibrium]], n: int = 100) -> Iterator[str]:
    total = n * len(molecules)
    floored = np.mean([(rest.modes.force_constants < 0.312).sum() for *_, rest in molecules])
    yield f"\nRejected for bonds or stereo: {len(molecules)} QM9 molecules × {n} samples = {total} a cell, MMFF94s; "
    yield f"the floor holds {floored:.1f} modes a molecule\n"
    yield "| distribution | floor / eV/Å² | " + " | ".join(f"{t:.0f} K / %" for t in TEMPERATURES) + " |"
    yield "|---" * (2 + len(TEMPERATURES)) + "|"
    for distribution in ("boltzmann", "ani"):
        for floor in (NO_FLOOR, 0.312):
            cells = []
            for temperature in TEMPERATURES:
                options = {"distribution": distribution, "temperature": temperature, "force_constant_floor": floor}
                dead = sum(int((~ours(parent, n, **options).alive).sum()) for parent, *_ in molecules)
                cells.append(f"{100 * dead / total:.1f}")
            yield f"| {distribution} | {'none' if floor == NO_FLOOR else floor} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=60)
    parser.add_argument("--samples", type=int, default=10240)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    data = Path(os.environ.get("MOLAUG_DATA", "data"))
    if not data.is_dir():
        parser.error(f"no data at {data}; set MOLAUG_DATA to the folder that holds qm9/")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}, one thread each")
    molecules = sampled(data, options.molecules)
    parent, start, rest = next(entry for entry in molecules if len(entry[1].structure.numbers) == 18)
    for lines in (
        speed(parent, start, rest, options.samples, options.repeats),
        hessians(start, options.repeats),
        broken(molecules),
    ):
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()

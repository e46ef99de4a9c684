"""Recompute molecules of QM9 and ANI with PySCF and print how far the energies and forces are from the published ones.

    python benchmarks/dft_levels.py --data DIR [--molecules 20] [--workers 2] [--grid 3] [--sources qm9 ...]

DIR holds ``qm9/`` and ``ani/``. Each molecule is computed exactly and with a fitted density, one after the other in
the same process; seconds are its CPU time. Lines are printed as they are done. ``--sources qm9-fluorine`` takes
minutes for each molecule.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
from ase import Atoms
from ase.units import Hartree
from numpy.typing import NDArray

from molaug.structures.calculators.dft import b3lyp_6_31g_2df_p, wb97x_6_31g_d

LEVELS = {"b3lyp/6-31g(2df,p)": b3lyp_6_31g_2df_p, "wb97x/6-31g(d)": wb97x_6_31g_d}
MULTIPLICITIES = {"H": 2, "C": 3, "N": 4, "O": 3, "F": 2}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A published energy (Ha), with forces (eV/Å) where there are any; then what PySCF makes of it."""

    source: str
    name: str
    level: str
    atoms: Atoms
    energy: float
    forces: NDArray[np.float64] | None = None
    compare_fit: bool = True
    error: float = np.nan  # mHa
    force_error: float = np.nan  # largest component, meV/Å
    seconds: float = np.nan
    fit_error: float = np.nan  # fitted minus exact, mHa
    fit_seconds: float = np.nan


def qm9(data: Path, n: int) -> Iterator[Case]:
    """Give the first molecules of QM9, which are its smallest."""
    with np.load(data / "qm9/qm9_structures.npz") as file:
        offsets, numbers, positions = file["offsets"], file["z"], file["pos"]
        index, energies = file["gdb_index"], file["energy"]
    for k in np.flatnonzero(np.isfinite(energies))[:n]:
        span = slice(offsets[k], offsets[k + 1])
        atoms = Atoms(numbers[span], positions[span].astype(np.float64))
        yield Case(
            source="QM9",
            name=f"gdb {index[k]} {atoms.get_chemical_formula()}",
            level="b3lyp/6-31g(2df,p)",
            atoms=atoms,
            energy=float(energies[k]),
        )


def qm9_atoms(data: Path) -> Iterator[Case]:
    """Give QM9's free atoms."""
    for line in (data / "qm9/atomref.txt").read_text().splitlines():
        fields = line.split()
        if len(fields) == 7 and fields[0] in MULTIPLICITIES:
            yield Case(
                source="QM9 free atoms",
                name=fields[0],
                level="b3lyp/6-31g(2df,p)",
                atoms=Atoms(fields[0], info={"multiplicity": MULTIPLICITIES[fields[0]]}),
                energy=float(fields[2]),
            )


def qm9_fluorine(data: Path) -> Iterator[Case]:
    """Give the smallest molecules of QM9 with fluorine of which the geometry is at hand (to four decimals)."""
    with np.load(data / "qm9/qm9_extra_structures.npz") as file:
        offsets, numbers, positions = file["offsets"], file["z"], file["pos"]
        index, energies = file["gdb_index"], file["energy"]
    for k in range(len(index)):
        span = slice(offsets[k], offsets[k + 1])
        if 9 in numbers[span] and len(numbers[span]) <= 10:
            atoms = Atoms(numbers[span], positions[span].astype(np.float64))
            name = f"gdb {index[k]} {atoms.get_chemical_formula()}"
            yield Case(
                source="QM9 with fluorine",
                name=name,
                level="b3lyp/6-31g(2df,p)",
                atoms=atoms,
                energy=float(energies[k]),
                compare_fit=False,
            )


def ani1(data: Path, n: int) -> Iterator[Case]:
    """Give conformers of ANI-1, evenly over its molecules and evenly over each molecule's list."""
    groups = [
        ("ani_gdb_s01.h5", "gdb11_s01"),
        ("ani1_hydrocarbons_s02.h5", "gdb11_s02"),
        ("gdb11_S01_06r.h5", "gdb11_s01"),
    ]
    molecules = [(name, group, key) for name, group in groups for key in _keys(data / "ani" / name, group)]
    shares = np.bincount(np.arange(n) % len(molecules), minlength=len(molecules))
    for (name, group, key), share in zip(molecules, shares, strict=True):
        with h5py.File(data / "ani" / name) as file:
            record = file[group][key]
            symbols = [symbol.decode() for symbol in record["species"][()]]
            for k in np.linspace(0, len(record["energies"]) - 1, share + 2, dtype=int)[1:-1]:
                atoms = Atoms(symbols, record["coordinates"][k].astype(np.float64))
                # What this file calls forces are gradients, in Ha/Å.
                forces = -record["forces"][k].astype(np.float64) * Hartree if "forces" in record else None
                yield Case(
                    source="ANI-1",
                    name=f"{key} {atoms.get_chemical_formula()} {k}",
                    level="wb97x/6-31g(d)",
                    atoms=atoms,
                    energy=float(record["energies"][k]),
                    forces=forces,
                )


def ani2x(data: Path) -> Iterator[Case]:
    """Give the diatomics of ANI-2x, each at its lowest point; all are singlets there, even O2."""
    with h5py.File(data / "ani/ani2x_diatomics.hdf5") as file:
        record = file["002"]
        species, energies = record["species"][()], record["energies"][()]
        for pair in np.unique(species, axis=0):
            rows = np.flatnonzero((species == pair).all(axis=1))
            k = rows[energies[rows].argmin()]
            atoms = Atoms(pair, record["coordinates"][k].astype(np.float64))
            yield Case(
                source="ANI-2x diatomics",
                name=atoms.get_chemical_formula(),
                level="wb97x/6-31g(d)",
                atoms=atoms,
                energy=float(energies[k]),
                forces=record["forces"][k].astype(np.float64) * Hartree,
            )


def compute(case: Case, grid: int) -> Case:
    """Recompute one molecule."""
    exact, case_time = _labelled(case, grid, density_fit=False)
    error = 1e3 * (exact.get_potential_energy() / Hartree - case.energy)
    case = replace(case, error=error, seconds=case_time)
    if case.compare_fit:
        fitted, fit_time = _labelled(case, grid, density_fit=True)
        difference = fitted.get_potential_energy() - exact.get_potential_energy()
        case = replace(case, fit_error=1e3 * difference / Hartree, fit_seconds=fit_time)
    if case.forces is not None:
        case = replace(case, force_error=1e3 * float(np.abs(exact.get_forces() - case.forces).max()))
    return replace(case, forces=None)


def _labelled(case: Case, grid: int, *, density_fit: bool) -> tuple[Atoms, float]:
    atoms = case.atoms.copy()
    atoms.calc = LEVELS[case.level](grid_level=grid, density_fit=density_fit)
    start = time.process_time()
    atoms.get_potential_energy()
    return atoms, time.process_time() - start


def _keys(path: Path, group: str) -> list[str]:
    with h5py.File(path) as file:
        return sorted(file[group])


def line(case: Case) -> str:
    """Write one molecule as a line of the first table."""
    return (
        f"| {case.name} | {case.level} | {case.energy:.6f} | {case.error:+.4f} | {_number(case.force_error, '.1f')} "
        f"| {case.seconds:.1f} | {_number(case.fit_seconds, '.1f')} | {_number(case.fit_error, '+.4f')} |"
    )


def summary(cases: Sequence[Case]) -> str:
    """Print one line a database."""
    lines = [
        "| database | n | mean abs. / mHa | max / mHa | mean / mHa | force / meV/Å | exact / s | fit / s | fit / mHa |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for source, group in groupby(cases, key=lambda case: case.source):
        rows = list(group)
        errors = np.array([case.error for case in rows])
        force, fit = (
            np.array([getattr(case, name) for case in rows if np.isfinite(getattr(case, name))])
            for name in ("force_error", "fit_error")
        )
        timed = [case for case in rows if np.isfinite(case.fit_seconds)]
        lines.append(
            f"| {source} | {len(rows)} | {np.abs(errors).mean():.4f} | {np.abs(errors).max():.4f} "
            f"| {errors.mean():+.4f} | {_number(force.max() if force.size else np.nan, '.1f')} "
            f"| {sum(case.seconds for case in rows):.0f} "
            f"| {_number(sum(case.fit_seconds for case in timed) if timed else np.nan, '.0f')} "
            f"| {_number(np.abs(fit).max() if fit.size else np.nan, '.4f')} |"
        )
    return "\n".join(lines)


def _number(value: float, style: str) -> str:
    return format(value, style) if np.isfinite(value) else "–"


def machine() -> str:
    """Name the machine and the versions."""
    import pyscf

    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
    cpu = names[0] if names else platform.processor()
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, PySCF {pyscf.__version__}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with qm9/ and ani/")
    parser.add_argument("--molecules", type=int, default=20, help="molecules of QM9 and conformers of ANI-1")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread")
    parser.add_argument("--grid", type=int, default=3, help="PySCF's level of the integration grid")
    parser.add_argument(
        "--sources",
        nargs="+",
        choices=["qm9", "qm9-atoms", "qm9-fluorine", "ani1", "ani2x"],
        default=["qm9", "qm9-atoms", "ani1", "ani2x"],
    )
    options = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"

    sources: dict[str, Callable[[], Iterator[Case]]] = {
        "qm9": partial(qm9, options.data, options.molecules),
        "qm9-atoms": partial(qm9_atoms, options.data),
        "qm9-fluorine": partial(qm9_fluorine, options.data),
        "ani1": partial(ani1, options.data, options.molecules),
        "ani2x": partial(ani2x, options.data),
    }
    cases = [case for name in options.sources for case in sources[name]()]
    start = time.perf_counter()
    done = []
    print("| molecule | level | published / Ha | off by / mHa | force / meV/Å | exact / s | fit / s | fit / mHa |")
    print("|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        for case in pool.map(partial(compute, grid=options.grid), cases):
            print(line(case), flush=True)
            done.append(case)
    print()
    print("Off by: ours minus published; force: its largest component off; fit: fitted minus exact density.")
    print()
    print(summary(done))
    print()
    print(f"{machine()}; one thread a process, {options.workers} at a time; grid level {options.grid};", end=" ")
    print(f"{time.perf_counter() - start:.0f} s in all.")


if __name__ == "__main__":
    main()

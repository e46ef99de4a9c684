"""Calculators that write files: a program of its own reads an input and leaves an output in the working directory."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, FileIOCalculator, all_changes

#: The program: the energy is a sum over pairs, the forces are its derivative, and it takes a few milliseconds.
PROGRAM = Path(__file__).with_name("pair_program.py")


class PairFiles(FileIOCalculator):
    """Writes ``pair.in``, runs a program, reads ``pair.out``."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]
    default_parameters: ClassVar[dict[str, Any]] = {"strength": 1.0}

    def __init__(self, command: str | None = None, **options: Any) -> None:
        command = command or f"{shlex.quote(sys.executable)} -S {shlex.quote(str(PROGRAM))} pair.in pair.out"
        super().__init__(command=command, **options)

    def write_input(self, atoms: Atoms, properties: Any = None, system_changes: Any = None) -> None:
        super().write_input(atoms, properties, system_changes)
        charge = self.parameters.get("charge", 0)
        lines = [f"{len(atoms)} {charge} {self.parameters['strength']}"]
        lines += [" ".join(map(repr, row)) for row in atoms.positions.tolist()]
        (Path(self.directory) / "pair.in").write_text("\n".join(lines) + "\n")

    def read_results(self) -> None:
        rows = [
            [float(word) for word in line.split()]
            for line in (Path(self.directory) / "pair.out").read_text().splitlines()
        ]
        self.results = {"energy": rows[0][0], "forces": np.array(rows[1:])}


class Careless(Calculator):
    """Writes into the current directory whatever its ``directory`` is, and reads it again a moment later."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        np.savetxt("state.txt", self.atoms.positions)
        time.sleep(0.004)
        energy, forces = pair_energy(np.loadtxt("state.txt", ndmin=2))
        self.results = {"energy": energy, "forces": forces}


class Failing(PairFiles):
    """Leaves its input and an output, and then fails."""

    def read_results(self) -> None:
        raise RuntimeError(f"no energy in {Path(self.directory, 'pair.out').resolve()}")


class Hanging(PairFiles):
    """Writes its input, and never comes back."""

    def read_results(self) -> None:
        time.sleep(60.0)


def pair_energy(positions: Any, charge: float = 0.0) -> tuple[float, Any]:
    """Return Σ 1/r in eV and the forces, as the program computes them."""
    x = np.asarray(positions, dtype=np.float64)
    apart = x[:, None] - x[None, :]  # (n_atoms, n_atoms, 3)
    r = np.linalg.norm(apart, axis=2)
    np.fill_diagonal(r, np.inf)
    return float((1 / r).sum() / 2 + charge), (apart / r[..., None] ** 3).sum(1)

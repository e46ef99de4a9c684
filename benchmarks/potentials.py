"""Speed of potentials, and what uncertainties of energies add to a prediction.

    python benchmarks/potentials.py [--molecules 400]

On QM9 molecules from ``$MOLAUG_DATA/qm9/qm9_structures.npz``, one thread, untrained weights (the cost is the same).
Seconds are of the process, the least of some repetitions. Energies are the network on batches of like size; what
uncertainties add is measured by itself, as it is less than the noise of the former: the sums over atoms of the inputs
of the last layer, and the prediction rigidity, a triangular solve of d x d for each molecule.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from molaug.filters.information import Information
from molaug.filters.uncertainty import Rigidity
from molaug.potentials import Potential
from molaug.potentials.derivatives import force_uncertainty
from molaug.potentials.prediction import parts_of, predict_arrays

ELEMENTS = {1: -16.5, 6: -1035.0, 7: -1488.0, 8: -2043.0}


def machine() -> str:
    """Name the processor and its load."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}"


def least(*works: Callable[[], Any], repeat: int) -> list[float]:
    """Return the least seconds of the process of each; they take turns, so that what else runs disturbs all alike."""
    seconds = [[] for _ in works]
    for _ in range(repeat):
        for work, found in zip(works, seconds, strict=True):
            start = time.process_time()
            work()
            found.append(time.process_time() - start)
    return [min(found) for found in seconds]


def qm9(n: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    folder = Path(os.environ.get("MOLAUG_DATA", "data"))
    with np.load(folder / "qm9" / "qm9_structures.npz") as arrays:
        offsets, z, x = arrays["offsets"].astype(np.int64), arrays["z"], arrays["pos"]
    chosen = np.linspace(0, len(offsets) - 2, n).astype(int)
    atoms = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in chosen])
    return z[atoms], x[atoms], np.concatenate([[0], np.cumsum(np.diff(offsets)[chosen])])


def potential(network: str, width: int) -> Potential:
    torch.manual_seed(0)
    options = {"width": width, "layers": 3} if network == "painn" else {"width": width, "layers": 3, "radial": 20}
    return Potential(network, options, references=ELEMENTS, scale=0.25).eval()


def overhead(d: int, arrays: Any, repeat: int) -> None:
    """Print what uncertainties cost beside the energies, painn of that width."""
    model = potential("painn", d)
    n = len(arrays[2]) - 1
    rng = np.random.default_rng(0)
    known = Information.of(rng.normal(size=(4 * d, d + 1))).regularised()
    rigidity = Rigidity(information=known)
    rigidity.uncertainty(rng.normal(size=(2, d + 1)))  # the factor is computed once for a model

    def energies() -> None:
        with torch.no_grad():
            for part in parts_of(model, *arrays):
                model(part.numbers, part.positions, part.batch).energy.numpy()

    with torch.no_grad():
        seen = [(p, model(p.numbers, p.positions, p.batch).features) for p in parts_of(model, *arrays)]

    def sums() -> NDArray[np.float64]:
        told = np.ones((n, d + 1))
        for part, of_atoms in seen:
            told[part.rows, :-1] = of_atoms.new_zeros(len(part.rows), d).index_add(0, part.batch, of_atoms).numpy()
        return told

    told = sums()
    plain, summed, sigma = least(energies, sums, lambda: rigidity.uncertainty(told), repeat=repeat)
    shares = [f"{1e6 * seconds / n:,.1f}" for seconds in (plain, summed, sigma)]
    print(f"| {d} | " + " | ".join(shares) + f" | {100 * (summed + sigma) / plain:.2f} % |", flush=True)


def forces(d: int, arrays: Any) -> None:
    """Print the cost of uncertainties of all forces."""
    model = potential("painn", d)
    z, x, ends = arrays
    few = min(20, len(ends) - 1)
    arrays = z[: ends[few]], x[: ends[few]], ends[: few + 1]
    rigidity = Rigidity(information=Information.of(np.random.default_rng(0).normal(size=(4 * d, d + 1))).regularised())
    plain, exact, drawn = least(
        lambda: predict_arrays(model, *arrays, forces=True),
        lambda: force_uncertainty(model, rigidity, *arrays),
        lambda: force_uncertainty(model, rigidity, *arrays, draws=16),
        repeat=1,
    )
    print(f"| {d} | {few / plain:,.0f} | {few / exact:,.1f} | {few / drawn:,.1f} |", flush=True)


def speeds(network: str, width: int, arrays: Any, repeat: int) -> None:
    """Print the speed of inference and of training."""
    model = potential(network, width)
    n = len(arrays[2]) - 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)

    def step(of_forces: bool) -> None:
        model.train()
        for part in parts_of(model, *arrays):
            found = model(part.numbers, part.positions, part.batch, forces=of_forces)
            loss = found.energy.square().mean()
            if of_forces:
                loss = loss + found.forces.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()

    seconds = least(
        lambda: predict_arrays(model, *arrays),
        lambda: predict_arrays(model, *arrays, forces=True),
        lambda: step(False),
        lambda: step(True),
        repeat=repeat,
    )
    print(f"| {network} | {width} | " + " | ".join(f"{n / s:,.0f}" for s in seconds) + " |", flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--molecules", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arrays = qm9(arguments.molecules)
    few = min(arguments.molecules, 150)
    part = arrays[0][: arrays[2][few]], arrays[1][: arrays[2][few]], arrays[2][: few + 1]
    print(f"{machine()}, one thread; {arguments.molecules:,} molecules, {len(arrays[0]):,} atoms\n")
    with threadpool_limits(1):
        print("| d | energies, µs a molecule | sums of features | σ | both beside energies |")
        print("|---|---|---|---|---|")
        for d in (128, 256, 512):
            overhead(d, arrays if d < 512 else part, arguments.repeat)
        print("\n| d | energies and forces, molecules/s | σ of all forces, exact | from 16 last layers |")
        print("|---|---|---|---|")
        for d in (64, 128):
            forces(d, part)
        print("\n| network | width | energies, molecules/s | and forces | trained on energies | and forces |")
        print("|---|---|---|---|---|---|")
        for network in ("painn", "schnet"):
            for width in (64, 128):
                speeds(network, width, part, 1)


if __name__ == "__main__":
    main()

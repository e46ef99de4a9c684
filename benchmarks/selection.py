"""Every selector against random, by the errors of models trained on what it chose: pools of QM9 with their true labels.

    python benchmarks/selection.py --cache FOLDER [--pools report] [--tasks size eight plain oxygen nitrogen]
                                   [--seeds 3] [--budgets 500 1000] [--selectors NAME ...]

A base of 1,000 molecules, 12,000 candidates and 2,000 others to test on, drawn from ``$MOLAUG_DATA/qm9``. Tasks differ
in the base: ``size`` and ``eight`` have at most 7 or 8 heavy atoms where candidates have 9, ``oxygen`` at most one
oxygen, ``nitrogen`` none, ``plain`` is drawn as the candidates are. A selector adds so many labels; two models are then
trained on base and additions: ridge regression on summed random features of SOAP (needs ``pip install dscribe``), and
kernel ridge regression on interatomic distances. Both subtract energies of free atoms, and choose their ridge by
leaving one out of a random set. Selectors see none of the features that the models have, but for ``distances`` and the
second model. QM9 is divided in two halves by lot: pools ``development``, on which defaults were chosen, and ``report``.
Errors are given against the mean of three random draws of the same pool, means over pools with standard errors.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Hartree, kcal, mol
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from molaug.filters import (
    DOptimal,
    Environments,
    FacilityLocation,
    FarthestPoint,
    KMeansPlusPlus,
    LargestCluster,
    Mixture,
    Random,
    TargetDesign,
)
from molaug.filters.features import Distances, Features
from molaug.structures import Structures

ELEMENTS, MEASURES = (1, 6, 7, 8), ("MAE", "99th percentile", "largest", "RMSE")
Array = NDArray[np.float64]


@dataclass
class Data:
    """QM9 as arrays, energies in kcal/mol."""

    z: NDArray[np.uint8]
    x: NDArray[np.float32]
    offsets: NDArray[np.int64]
    energy: Array
    counts: Array = field(init=False)

    def __post_init__(self) -> None:
        row = np.repeat(np.arange(len(self.energy)), np.diff(self.offsets))
        self.counts = np.stack([np.bincount(row, self.z == e, minlength=len(self.energy)) for e in ELEMENTS], 1)

    @classmethod
    def read(cls) -> Data:
        """Read the arrays as they are."""
        folder = Path(os.environ.get("MOLAUG_DATA", "../shared/data"))
        with np.load(folder / "qm9" / "qm9_structures.npz") as a:
            return cls(a["z"], a["pos"], a["offsets"].astype(np.int64), a["energy"] * Hartree / (kcal / mol))

    def atoms(self, k: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return elements and positions of one molecule."""
        part = slice(self.offsets[k], self.offsets[k + 1])
        return self.z[part], self.x[part]

    def structures(self, rows: NDArray[np.intp]) -> Structures:
        """Return molecules as rows."""
        pairs = [self.atoms(k) for k in rows]
        return Structures.from_arrays([z for z, _ in pairs], [x for _, x in pairs])

    def pool(self, task: str, seed: int, pools: str) -> tuple[NDArray[np.intp], ...]:
        """Draw base, candidates and test."""
        rng = np.random.default_rng([seed, 7])
        side = np.isfinite(self.energy)
        side &= (np.random.default_rng(12345).random(len(side)) < 0.5) == (pools == "development")
        heavy = self.counts[:, 1:].sum(1)
        known, wanted = {
            "size": (heavy <= 7, heavy == 9),
            "eight": (heavy <= 8, heavy == 9),
            "plain": (heavy > 0, heavy > 0),
            "oxygen": (self.counts[:, 3] <= 1, heavy > 0),
            "nitrogen": (self.counts[:, 2] == 0, heavy > 0),
        }[task]
        base = rng.permutation(np.flatnonzero(side & known))[:1000]
        rest = side & wanted
        rest[base] = False
        others = rng.permutation(np.flatnonzero(rest))
        return base, others[:12_000], others[12_000:14_000]


class Soap:
    """Random features of SOAP summed over atoms, by element; kept in a folder, as they take 2 ms a molecule."""

    def __init__(self, data: Data, folder: Path, size: int = 512) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        n = len(data.energy)
        self.data, self.size = data, size
        rows, done = folder / "rf.npy", folder / "done.npy"
        mode = "r+" if rows.exists() else "w+"
        self.rows = np.lib.format.open_memmap(rows, mode, np.float32, (n, len(ELEMENTS) * size))
        self.done = np.lib.format.open_memmap(done, "r+" if done.exists() else "w+", np.bool_, (n,))
        self.soap: Any = None

    def __call__(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return those of some molecules."""
        missing = np.sort(rows[~self.done[rows]])
        for start in range(0, len(missing), 500):
            part = missing[start : start + 500]
            self.rows[part], self.done[part] = self._computed(part), True
        order = np.argsort(rows)
        found = np.empty((len(rows), self.rows.shape[1]), np.float32)
        found[order] = self.rows[rows[order]]
        return found

    def _spectra(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.intp]]:
        frames = [Atoms(*self.data.atoms(k)) for k in rows]
        spectra = np.concatenate([self.soap.create(frame) for frame in frames]).astype(np.float32)
        spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
        return (
            spectra,
            np.concatenate([frame.numbers for frame in frames]),
            np.repeat(np.arange(len(rows)), list(map(len, frames))),
        )

    def _computed(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        if self.soap is None:
            from dscribe.descriptors import SOAP

            self.soap = SOAP(species=["H", "C", "N", "O"], r_cut=3.5, n_max=6, l_max=4, periodic=False)
            rng, self.draws = np.random.default_rng(0), {}
            spectra, z, _ = self._spectra(rng.choice(len(self.data.energy), 400, replace=False))
            for e in ELEMENTS:  # twice the median distance is the length of the kernel
                few = spectra[z == e][:1500]
                distances = np.sqrt(np.maximum(2 - 2 * few @ few.T, 0))
                width = 2 * np.median(distances[distances > 1e-6])
                weights = (rng.standard_normal((few.shape[1], self.size)) / width).astype(np.float32)
                self.draws[e] = weights, rng.uniform(0, 2 * np.pi, self.size).astype(np.float32)
        spectra, z, row = self._spectra(rows)
        found = np.zeros((len(rows), self.rows.shape[1]), np.float32)
        for j, e in enumerate(ELEMENTS):
            weights, phases = self.draws[e]
            waves = np.cos(spectra[z == e] @ weights + phases) * np.float32(np.sqrt(2 / self.size))
            np.add.at(found[:, j * self.size : (j + 1) * self.size], row[z == e], waves)
        return found


class Kept:
    """Features that are computed once for all selectors of a pool."""

    def __init__(self, features: Features, rows: Structures) -> None:
        self.name, self.places = features.name, {row_id: k for k, row_id in enumerate(rows.ids)}
        start = time.perf_counter()
        self.vectors, self.there = features(rows)
        seconds = time.perf_counter() - start
        print(f"{self.name}: {len(rows) / seconds:,.0f} molecules/s", flush=True)

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return those of some rows."""
        places = [self.places[row_id] for row_id in rows.ids]
        return self.vectors[places], self.there[places]


def selectors(see: dict[str, Any]) -> dict[str, Any]:
    """Return all that compete, by name."""
    d, e, s = see["distances"], see["environments"], see["sums"]
    kinds: dict[str, Any] = {"random": Random()}
    for name, features in (("", d), (" (environments)", e)):
        kinds |= {
            f"farthest-point{name}": FarthestPoint(features=features),
            f"k-means++{name}": KMeansPlusPlus(features=features),
            f"largest-cluster{name}": LargestCluster(features=features),
            f"facility-location{name}": FacilityLocation(features=features),
            f"d-optimal{name}": DOptimal(features=features),
            f"target{name}": TargetDesign(features=features),
        }
    kinds["target (sums of environments)"] = target = TargetDesign(features=s)
    middle = kinds["facility-location (environments)"]
    kinds["half facility-location, half target"] = Mixture(parts=(middle, target))
    kinds["half random, half target"] = Mixture(parts=(Random(), target))
    kinds["half random, half farthest-point"] = Mixture(parts=(Random(), kinds["farthest-point (environments)"]))
    return kinds


class Ridge:
    """Ridge regression in its dual form on what free atoms leave; the ridge by leaving one out, unless it is given."""

    def __init__(self, kernel: Array, counts: Array, energy: Array, ridge: float | None = None) -> None:
        self.free = np.linalg.lstsq(counts, energy, rcond=None)[0]
        rest, scale = energy - counts @ self.free, np.trace(kernel) / len(kernel)
        self.ridge = ridge or min(
            (float(r) for r in scale * 10.0 ** np.arange(-7, 0, 0.5)), key=_left_out(kernel, rest)
        )
        matrix = kernel + self.ridge * np.eye(len(kernel))
        self.weights = cho_solve(cho_factor(matrix, lower=True, overwrite_a=True), rest)

    def __call__(self, kernel: Array, counts: Array) -> Array:
        """Return energies."""
        predicted: Array = kernel @ self.weights + counts @ self.free
        return predicted


def _left_out(kernel: Array, rest: Array) -> Any:
    values, vectors = np.linalg.eigh(kernel)
    along = vectors.T @ rest

    def error(ridge: float) -> float:
        inverse = 1 / (values.clip(0) + ridge)
        return float(np.mean((vectors @ (along * inverse) / (vectors**2 @ inverse)) ** 2))

    return error


def linear(a: NDArray[np.float32], b: NDArray[np.float32]) -> Array:
    return (a @ b.T).astype(np.float64)


def gaussian(width: float) -> Any:
    def kernel(a: NDArray[np.float32], b: NDArray[np.float32]) -> Array:
        squares = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
        found: Array = np.exp(-squares / np.float32(2 * width**2)).astype(np.float64)
        return found

    return kernel


def measured(data: Data, soap: Soap, task: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all selectors on one pool; errors by model, budget and selector."""
    base, candidates, test = data.pool(task, seed, arguments.pools)
    whole = np.concatenate([base, candidates, test])
    rows = data.structures(whole)
    known, new = rows.slice(0, len(base)), rows.slice(len(base), len(candidates))
    few = rows.slice(0, len(base) + len(candidates))
    see = {
        "distances": Kept(Distances(), few),
        "environments": Kept(Environments(), few),
        "sums": Kept(Environments(average=False), few),
    }
    sizes = np.diff(data.offsets)[whole, None].astype(np.float32)
    distances = Distances()(rows)[0] * sizes
    some = distances[np.random.default_rng(0).permutation(len(whole))[:1500]].astype(np.float64)
    squares = (some**2).sum(1)[:, None] + (some**2).sum(1) - 2 * some @ some.T
    models = {
        "SOAP": (soap(whole), linear),
        "distances": (distances, gaussian(float(np.median(np.sqrt(squares.clip(0)))))),
    }
    counts, energy, tested = data.counts[whole], data.energy[whole], slice(len(base) + len(candidates), None)
    most, found, ridges = max(arguments.budgets), {}, {}
    competing = {f"random {k}": (Random(), 1000 * seed + k) for k in range(3)}
    for name, selector in selectors(see).items():
        if name != "random" and (not arguments.selectors or name in arguments.selectors):
            competing[name] = (selector, seed)
    for name, (selector, draw) in competing.items():
        start = time.perf_counter()
        picks = selector.select(new, most, base=known, seed=draw)
        seconds = time.perf_counter() - start
        for budget in arguments.budgets:
            train = np.concatenate([np.arange(len(base)), len(base) + picks[:budget]])
            for model, (features, kernel) in models.items():
                fitted = Ridge(
                    kernel(features[train], features[train]), counts[train], energy[train], ridges.get((model, budget))
                )
                ridges.setdefault((model, budget), fitted.ridge)
                off = np.abs(fitted(kernel(features[tested], features[train]), counts[tested]) - energy[tested])
                errors = [off.mean(), np.percentile(off, 99), off.max(), np.sqrt(np.mean(off**2))]
                found[f"{model}|{budget}|{name}"] = [float(error) for error in errors]
        print(f"{task} {seed} {name}: {seconds:.1f} s", flush=True)
    return found


def table(results: dict[str, dict[str, Any]], budgets: list[int]) -> None:
    """Print errors against random: means over pools and budgets, standard errors over them."""
    tasks = sorted({key.split("|")[0] for key in results})
    for model in ("SOAP", "distances"):
        random = {
            (pool, budget): np.mean([found[f"{model}|{budget}|random {k}"] for k in range(3)], 0)
            for pool, found in results.items()
            for budget in budgets
        }
        scatter = [
            np.array(results[pool][f"{model}|{budget}|random {k}"]) / mean - 1
            for (pool, budget), mean in random.items()
            for k in range(3)
        ]
        one = 100 * np.sqrt(np.mean(np.square(scatter), 0) * 3 / 2)
        absolute = np.mean(list(random.values()), 0)
        print(f"\n### Model: {model}, % above or below random\n")
        print(
            f"random: {', '.join(f'{m} {a:.2f}' for m, a in zip(MEASURES, absolute, strict=True))} kcal/mol;", end=" "
        )
        print(f"one draw scatters by {', '.join(f'{a:.1f}' for a in one)} %\n")
        head = ["selector", *MEASURES, *(f"{task}: MAE, 99th" for task in tasks)]
        print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        names = [k.split("|")[2] for k in next(iter(results.values())) if k.startswith(f"{model}|{budgets[0]}|")]
        for name in (name for name in names if not name.startswith("random ")):
            off = {
                cell: 100 * (np.array(results[cell[0]][f"{model}|{cell[1]}|{name}"]) / mean - 1)
                for cell, mean in random.items()
            }
            every = np.array(
                [np.mean([off[pool, budget] for budget in budgets], 0) for pool in results]
            )  # budgets of one pool are not independent
            error = every.std(0, ddof=1) / np.sqrt(len(every)) if len(every) > 1 else np.full(4, np.nan)
            cells = [f"{m:+.1f} ± {s:.1f}" for m, s in zip(every.mean(0), error, strict=True)]
            for task in tasks:
                mean = np.mean([v for (pool, _), v in off.items() if pool.split("|")[0] == task], 0)
                cells.append(f"{mean[0]:+.1f}, {mean[1]:+.1f}")
            print("| " + " | ".join([name, *cells]) + " |", flush=True)


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", required=True, help="folder of features and results; what is there is not run again")
    parser.add_argument("--pools", default="report", choices=("development", "report"))
    parser.add_argument("--tasks", nargs="+", default=["size", "eight", "plain", "oxygen", "nitrogen"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budgets", nargs="+", type=int, default=[500, 1000])
    parser.add_argument("--selectors", nargs="+", help="by their names in the table; all by default")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    model = next(
        (line.split(":")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    print(f"{model.strip() or platform.processor()}, {os.cpu_count()} cores, {arguments.threads} threads", flush=True)
    data, cache = Data.read(), Path(arguments.cache)
    soap, results = Soap(data, cache), {}
    with threadpool_limits(arguments.threads):
        for seed in range(arguments.seeds):
            for task in arguments.tasks:
                path = cache / f"{arguments.pools}-{task}-{seed}.json"
                if not path.exists():
                    path.write_text(json.dumps(measured(data, soap, task, seed, arguments)))
                results[f"{task}|{seed}"] = json.loads(path.read_text())
    table(results, arguments.budgets)


if __name__ == "__main__":
    main()

"""How far uncertainties of energies can be believed, of each way to get them, in and out of the distribution.

    python benchmarks/uncertainty.py --out FOLDER [--train 10000] [--epochs 60] [--width 64] [--members 4] [--seed 0]

Potentials are trained on part of QM9, which is read from ``$MOLAUG_DATA/qm9/qm9_structures.npz``. Three splits of it:
``random``; ``heavy``: trained on molecules of at most 8 heavy atoms, shifted to those of 9; ``oxygen``: trained on at
most one oxygen, shifted to four and more. A fourth, ``strained``, is of geometries off equilibrium: conformers of
water, ammonia, methane, acetylene and ethane of ANI-1, in ``$MOLAUG_DATA/ani``, trained on those of at most 0.1 eV an
atom above the lowest of the molecule, shifted to all above. Ways: last-layer prediction rigidity of one potential
(llpr), several trainings that differ by their seed (deep ensemble), one potential with several last layers trained by
the likelihood (shallow ensemble), deep evidential regression, and one number for all as what every way must beat
(constant); llpr and the shallow ensemble also regressed on held-out errors, by them and the features. Everything that
calibrates is fitted to the validation part alone. What stands in the folder is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.units import Hartree
from numpy.typing import NDArray
from pytorch_lightning import Trainer, seed_everything
from scipy.stats import norm

from molaug.filters.uncertainty import Conformal, ErrorRegression, Isotonic, Scale, reliability
from molaug.filters.uncertainty.reliability import auroc
from molaug.generators.learned.averaging import Averaging
from molaug.potentials import Labelled, LabelledData, Potential, PotentialTraining, UncertainPotential
from molaug.potentials.data import composition
from molaug.potentials.prediction import Predicted, predict_arrays
from molaug.potentials.uncertain import per_atom
from molaug.structures.split import split_keys
from molaug.training.fitting import quiet

#: Splits; parts that are predicted; share of intervals for the conformal coverage.
SPLITS, PARTS, COVERAGE = ("random", "heavy", "oxygen", "strained"), ("validation", "test", "shifted"), 0.9

#: Files of ANI-1; eV an atom above the lowest conformer of a molecule up to which is trained.
ANI1, STRAIN = ("ani_gdb_s01.h5", "ani1_hydrocarbons_s02.h5"), 0.1

Array = NDArray[np.float64]


def machine() -> str:
    """Name the processor and its load."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}"


@cache
def qm9() -> Labelled:
    """Read the arrays as they are."""
    folder = Path(os.environ.get("MOLAUG_DATA", "data"))
    with np.load(folder / "qm9" / "qm9_structures.npz") as arrays:
        energy, smiles = arrays["energy"] * Hartree, arrays["smiles"]
        there = np.flatnonzero(np.isfinite(energy) & (smiles != b""))
        whole = Labelled(
            numbers=arrays["z"],
            positions=arrays["pos"],
            offsets=arrays["offsets"].astype(np.int64),
            energy=energy,
            forces=None,
            keys=split_keys([name.decode() for name in smiles], canonical=True),
            level="b3lyp/6-31g(2df,p)",
            rejected={},
        )
    return whole.taken(there)


def ani1() -> Labelled:
    """Read conformers off equilibrium."""
    folder = Path(os.environ.get("MOLAUG_DATA", "data")) / "ani"
    return Labelled.read([folder / name for name in ANI1], split="structure")


def strain(whole: Labelled) -> Array:
    """Return the energy of each conformer above the lowest of its formula, in eV an atom."""
    _, counts = composition(whole)
    _, molecule = np.unique(counts, axis=0, return_inverse=True)
    lowest = np.full(molecule.max() + 1, np.inf)
    np.minimum.at(lowest, molecule, whole.energy)
    found: Array = (whole.energy - lowest[molecule]) / whole.sizes
    return found


def parts_of(whole: Labelled, split: str, train: int, test: int) -> dict[str, Labelled]:
    """Divide by the order of keys, which is random; one tenth as many as are trained on are held out to calibrate."""
    of_atom = np.repeat(np.arange(len(whole)), whole.sizes)
    heavy = np.bincount(of_atom, weights=whole.numbers > 1)
    oxygen = np.bincount(of_atom, weights=whole.numbers == 8)
    above = strain(whole) if split == "strained" else np.zeros(len(whole))
    known = {"random": heavy > 0, "heavy": heavy <= 8, "oxygen": oxygen <= 1, "strained": above <= STRAIN}[split]
    shifted = {"random": heavy < 0, "heavy": heavy == 9, "oxygen": oxygen >= 4, "strained": above > STRAIN}[split]
    order = np.argsort(whole.keys, kind="stable")
    within, beyond = order[known[order]], order[shifted[order]][:test]
    held = max(train // 10, 100)
    if len(within) < train + held + 100:
        raise SystemExit(f"{split}: {len(within):,} molecules; expected {train + held + 100:,}; give a smaller --train")
    ends = np.cumsum([train, held, test])
    rows = dict(zip(("train", "validation", "test"), np.split(within, ends)[:3], strict=True))
    if len(beyond):
        rows["shifted"] = beyond
    return {name: whole.taken(which) for name, which in rows.items()}


def trained(parts: dict[str, Labelled], arguments: argparse.Namespace, seed: int, **options: Any) -> Any:
    """Train on the training part, all of it, and return the potential with its averaged weights."""
    data = LabelledData([], batch_size=arguments.batch_size)
    every = {**vars(parts["train"]), "keys": np.full(len(parts["train"]), np.iinfo(np.uint64).max)}  # all to train on
    data.labelled = Labelled(**{name: every[name] for name in Labelled.__dataclass_fields__})
    seed_everything(seed, verbose=False)
    network = {"width": arguments.width, "layers": arguments.layers, "heads": arguments.heads}
    model = PotentialTraining(data.domain, options=network, learning_rate=arguments.learning_rate, **options)
    averaging = Averaging()
    with quiet():
        trainer = Trainer(
            max_epochs=arguments.epochs,
            accelerator="cpu",
            gradient_clip_val=1.0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[averaging],
        )
        trainer.fit(model, train_dataloaders=data.train_dataloader())
        averaging.settle(model)
    return model.potential().eval()


def predicted(potential: Any, part: Labelled) -> Predicted:
    return predict_arrays(potential, part.numbers, part.positions, part.offsets)


def told(potential: Potential, parts: dict[str, Labelled], *, regress: bool) -> dict[str, Array]:
    """Predict all parts: energies, what the head says, the rigidity, and a regression if asked for."""
    found = {name: predicted(potential, part) for name, part in parts.items()}
    held, error = found["validation"], found["validation"].energy - parts["validation"].energy
    uncertain = UncertainPotential.fitted(potential, found.pop("train").features, held.features, error, held.variance)
    arrays = {}
    for name, prediction in found.items():
        arrays[f"{name}_label"], arrays[f"{name}_energy"] = parts[name].energy, prediction.energy
        arrays[f"{name}_llpr"] = uncertain.sigma(prediction, by="rigidity")
        if prediction.variance is not None:
            arrays[f"{name}_sigma"] = np.sqrt(prediction.variance)
        if regress:
            arrays[f"{name}_regressed"] = uncertain.sigma(prediction, by="errors")
    if regress:  # what calibrates must not have been fitted
        before, features = uncertain.sigma(held), per_atom(held.features)
        arrays["validation_regressed"] = ErrorRegression.cross_validated(before, features, error)
    return arrays


def runs(arguments: argparse.Namespace) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return the trainings of each split: a seed and options."""
    every: dict[str, tuple[int, dict[str, Any]]] = {
        f"plain-{k}": (arguments.seed + k, {}) for k in range(arguments.members)
    }
    every["shallow"] = (arguments.seed, {"head": "ensemble", "members": arguments.last_layers})
    every["evidential"] = (arguments.seed, {"head": "evidential"})
    return every


def done(read: Callable[[], Labelled], split: str, arguments: argparse.Namespace) -> dict[str, dict[str, Array]]:
    """Train what is not there, keep the potentials, and return the predictions of all."""
    folder = Path(arguments.out) / split
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Labelled] | None = None
    found = {}
    for name, (seed, options) in runs(arguments).items():
        path = folder / f"{name}.npz"
        if not path.exists():
            if parts is None:
                parts = parts_of(read(), split, arguments.train, arguments.test)
                print(f"{split}: " + ", ".join(f"{len(part):,} {key}" for key, part in parts.items()), flush=True)
            seconds, kept = np.nan, folder / name
            if not (kept / "model.safetensors").exists():
                start = time.perf_counter()
                trained(parts, arguments, seed, **options).save_pretrained(kept)
                seconds = time.perf_counter() - start
            potential = Potential.from_pretrained(kept)  # with the weights of half precision that are kept
            arrays = told(potential, parts, regress=name in ("plain-0", "shallow"))
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, seconds=seconds, **arrays)
            partial.rename(path)
            mae = np.abs(arrays["test_energy"] - arrays["test_label"]).mean()
            print(f"{split}, {name}: {seconds:.0f} s, test MAE {1000 * mae:.1f} meV", flush=True)
        with np.load(path) as arrays:
            found[name] = dict(arrays)
    return found


def ways(
    found: dict[str, dict[str, Array]], arguments: argparse.Namespace
) -> dict[str, dict[str, tuple[Array, Array]]]:
    """Return error and raw uncertainty of each part by each way."""
    parts = [part for part in PARTS if f"{part}_label" in found["plain-0"]]
    plain = [found[f"plain-{k}"] for k in range(arguments.members)]
    every: dict[str, dict[str, tuple[Array, Array]]] = {}
    for part in parts:
        label = plain[0][f"{part}_label"]
        energies = np.stack([one[f"{part}_energy"] for one in plain])
        error = energies[0] - label
        every.setdefault("constant", {})[part] = (error, np.ones(len(label)))
        every.setdefault("llpr", {})[part] = (error, plain[0][f"{part}_llpr"])
        every.setdefault("llpr, regressed", {})[part] = (error, plain[0][f"{part}_regressed"])
        if len(plain) > 1:
            every.setdefault("deep ensemble", {})[part] = (energies.mean(0) - label, energies.std(0, ddof=1))
        for name, way, kind in (
            ("shallow", "shallow ensemble", "sigma"),
            ("shallow", "shallow, regressed", "regressed"),
            ("evidential", "evidential", "sigma"),
        ):
            every.setdefault(way, {})[part] = (found[name][f"{part}_energy"] - label, found[name][f"{part}_{kind}"])
    return every


def calibrators(error: Array, sigma: Array) -> dict[str, Any]:
    """Fit the calibrators to the validation part."""
    known = {"none": lambda s: s, "scale": Scale.fitted(sigma, error)}
    return {**known, "isotonic": Isotonic.fitted(sigma, error)} if np.ptp(sigma) else known


def tables(split: str, every: dict[str, dict[str, tuple[Array, Array]]]) -> None:
    """Print the measures of a split, energies in meV."""
    head = "part,way,calibrator,MAE,RMSE,misc. area,ENCE,C_v,ZMS,NLL,ρ,ρ ceiling,AUROC 5 %,hit 5 %"
    head += ",cov 68,cov 95,conformal 90 %"
    print(f"\n### {split}\n\n| " + head.replace(",", " | ") + " |\n|" + "---|" * len(head.split(",")))
    for part in PARTS[1:]:
        for way, parts in every.items():
            if part not in parts:
                continue
            (held_error, held_sigma), (error, sigma) = parts["validation"], parts[part]
            conformal = Conformal.fitted(held_sigma, held_error, coverage=COVERAGE)
            covered = float((np.abs(error) <= conformal.radius(sigma)).mean())
            for name, calibrated in calibrators(held_error, held_sigma).items():
                if name == "none" and way in ("constant", "llpr", "llpr, regressed", "shallow, regressed"):
                    continue  # of no size of its own: as it comes it is scaled already
                m = reliability(1000.0 * calibrated(sigma), 1000.0 * error)
                cells = [part, way, name, f"{m.mae:.1f}", f"{m.rmse:.1f}", f"{m.miscalibration_area:.3f}"]
                cells += [f"{m.ence:.3f}", f"{m.dispersion:.2f}", f"{m.zms:.2f}", f"{m.nll:.2f}", f"{m.spearman:.3f}"]
                cells += [f"{m.spearman_ceiling:.3f}", f"{m.auroc:.3f}", f"{m.hit_rate:.2f}", f"{m.coverage68:.2f}"]
                print("| " + " | ".join([*cells, f"{m.coverage95:.2f}", f"{covered:.2f}"]) + " |", flush=True)
    if "shifted" not in every["constant"]:
        return
    head = "way,AUROC of σ for shifted,mean σ shifted / test,RMSE shifted / test,RMSE / RMV shifted (scaled)"
    print("\n| " + head.replace(",", " | ") + " |\n|" + "---|" * len(head.split(",")))
    for way, parts in every.items():
        (error, sigma), (off, spread) = parts["test"], parts["shifted"]
        apart = auroc(np.r_[sigma, spread], np.r_[np.zeros(len(sigma)), np.ones(len(spread))])
        scale = Scale.fitted(parts["validation"][1], parts["validation"][0]).factor
        rmse, beyond = np.sqrt(np.mean(error**2)), np.sqrt(np.mean(off**2))
        size = scale * np.sqrt(np.mean(spread**2))
        print(
            f"| {way} | {apart:.3f} | {spread.mean() / sigma.mean():.2f} | {beyond / rmse:.2f} | {beyond / size:.2f} |"
        )


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder of predictions; what is there is not trained again")
    parser.add_argument("--train", type=int, default=10_000, help="molecules of each training part")
    parser.add_argument("--test", type=int, default=5_000, help="molecules of test and shifted parts, at most")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--members", type=int, default=4, help="trainings of the deep ensemble")
    parser.add_argument("--last_layers", type=int, default=32, help="members of the shallow ensemble")
    parser.add_argument("--splits", nargs="+", default=list(SPLITS), choices=SPLITS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    options = {
        key: value for key, value in vars(arguments).items() if key not in ("out", "splits", "threads", "members")
    }
    kept = Path(arguments.out) / "options.json"
    if kept.exists() and json.loads(kept.read_text()) != options:
        raise SystemExit(f"{kept} has other options: {kept.read_text()}; give the same, or another --out")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(options))
    print(f"{machine()}\n{json.dumps({**options, 'members': arguments.members})}", flush=True)
    print(f"Errors of normal distributions: coverages {2 * norm.cdf(1) - 1:.2f} and 0.95.", flush=True)
    for split in arguments.splits:
        found = done(ani1 if split == "strained" else qm9, split, arguments)
        tables(split, ways(found, arguments))
        cost = {name: float(arrays["seconds"]) for name, arrays in found.items()}
        print(
            "\nseconds of training: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in cost.items()), flush=True
        )


if __name__ == "__main__":
    main()

"""What a potential that starts from another one's weights needs of labels at a higher level of theory.

    python benchmarks/transfer.py [--sizes 100 1000] [--steps 1000] [--start potential-qm9] [--seed 0]

RI-MP2/def2-TZVP energies of QM9 molecules, from ``$MOLAUG_DATA/multifidelity/qm9_rimp2_def2tzvp.csv.gz``, at the
geometries of ``$MOLAUG_DATA/qm9/qm9_structures.npz``. All errors are on the molecules of the test part of QM9, of which
the potential that is started from has seen no label; trained is on others, drawn at random. Ways: the start with new
energies of free atoms alone; a training from the start; the same number of steps with a new network, whose learning
rate is that of a new network; and kernel ridge regression on averaged surroundings of atoms, the cheap alternative.
"""

from __future__ import annotations

import argparse
import gzip
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.units import Hartree
from numpy.typing import NDArray
from pytorch_lightning import Trainer, seed_everything

from molaug.filters.environments import Environments
from molaug.generators.learned.averaging import Averaging
from molaug.potentials import (
    Head,
    KernelRidge,
    Labelled,
    LabelledData,
    Potential,
    PotentialTraining,
    begun_from,
    references_for,
)
from molaug.potentials.prediction import predict_arrays
from molaug.structures import Structures
from molaug.structures.split import split_of
from molaug.training.fitting import quiet

LEVEL = "ri-mp2/def2-tzvp"


def labels() -> tuple[Labelled, NDArray[np.str_]]:
    """Read all molecules with RI-MP2 energies; tell the part of QM9 that each is in."""
    folder = Path(os.environ.get("MOLAUG_DATA", "data"))
    with gzip.open(folder / "multifidelity" / "qm9_rimp2_def2tzvp.csv.gz", "rt") as file:
        lines = [line.split(",")[:2] for line in file.read().splitlines()[1:]]
    energy = {int(name.removeprefix("gdb_")): float(value) for name, value in lines}
    with np.load(folder / "qm9" / "qm9_structures.npz") as arrays:
        index, offsets, z, x = (arrays[name] for name in ("gdb_index", "offsets", "z", "pos"))
        names = arrays["smiles"]
    rows = np.array([k for k, number in enumerate(index.tolist()) if number in energy and names[k]])
    whole = Labelled(
        numbers=z,
        positions=x,
        offsets=offsets.astype(np.int64),
        energy=np.array([energy.get(number, np.nan) for number in index.tolist()]) * Hartree,
        forces=None,
        keys=np.full(len(index), np.iinfo(np.uint64).max),  # where a training is all of what it is given
        level=LEVEL,
        rejected={},
    )
    return whole.taken(rows), np.array(split_of([names[k].decode() for k in rows]))


def trained(data: LabelledData, domain: dict[str, Any], steps: int, **options: Any) -> Potential:
    """Train for so many steps and return the averaged weights."""
    model = PotentialTraining(domain, warmup=steps // 10, **options)
    averaging = Averaging()
    with quiet():
        trainer = Trainer(
            max_steps=steps,
            max_epochs=-1,
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


def mae(potential: Potential, test: Labelled) -> float:
    """Return the mean absolute error in meV."""
    found = predict_arrays(potential, test.numbers, test.positions, test.offsets).energy
    return 1000.0 * float(np.abs(found - test.energy).mean())


def structures(labelled: Labelled) -> Structures:
    ends = labelled.offsets[1:-1]
    return Structures.from_arrays(
        np.split(labelled.numbers, ends),
        np.split(labelled.positions, ends),
        energy=labelled.energy,
        level=LEVEL,
    )


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000], help="labels to train on")
    parser.add_argument("--steps", type=int, default=1000, help="of 32 molecules")
    parser.add_argument("--start", default="potential-qm9")
    parser.add_argument("--learning_rate", type=float, default=2e-4, help="of a training from the start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    whole, parts = labels()
    test = whole.taken(np.flatnonzero(parts == "test"))
    order = np.random.default_rng(arguments.seed).permutation(np.flatnonzero(parts == "train"))
    begun = Potential.from_pretrained(arguments.start)
    print(f"{len(test):,} molecules to test on; errors in meV\n\n| labels | way | MAE | seconds |\n|---|---|---|---|")
    for size in arguments.sizes:
        data = LabelledData([], batch_size=min(32, size))
        data.labelled = whole.taken(np.sort(order[:size]))
        references = references_for(begun, data.labelled, data.train_rows)
        shifted = begun_from(begun, head=Head(), references=references, level=LEVEL).eval()
        print(f"| {size:,} | new energies of free atoms | {mae(shifted, test):.1f} | |", flush=True)
        for way, domain, options in (
            (
                "from the start",
                {**data.domain, "references": references},
                {"start": arguments.start, "learning_rate": arguments.learning_rate},
            ),
            ("new network", data.domain, {"options": begun.config["options"]}),
        ):
            seed_everything(arguments.seed, verbose=False)
            since = time.perf_counter()
            found = trained(data, domain, arguments.steps, **options)
            seconds = time.perf_counter() - since
            print(f"| {size:,} | {way} | {mae(found, test):.1f} | {seconds:.0f} |", flush=True)
        since = time.perf_counter()
        model = KernelRidge(features=Environments()).fitted(structures(data.labelled))
        off = model(structures(test))[0] - test.energy
        seconds = time.perf_counter() - since
        print(f"| {size:,} | kernel ridge | {1000.0 * np.abs(off).mean():.1f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""Molecules drawn as graphs beside what is cheaper: quality against steps, peers, training curve, growth of the cost.

    python benchmarks/graph.py [--checkpoint graph-qm9] [--samples 1024] [--log FOLDER] [--only quality peers ...]

Reference and parents are the QM9 molecules that ``examples/qm9_graphs.py`` writes: ``$MOLAUG_DATA/qm9_graphs.csv.gz``,
or any list given by ``--reference``; where there is no such file it is written from ``$MOLAUG_DATA`` into a temporary
folder. Without either, what needs no reference is printed. ``--log`` is the folder of a training (``molaug fit
graph``), of which ``--write-curve FILE`` keeps the curve; by default the ``training.csv`` of the checkpoint is printed.
Seconds are CPU seconds of this process, all threads together, unless they are called wall.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import platform
import runpy
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from graph_peers import decomposable, drawn_again, mutated, recombined

from molaug.evaluation import GraphTier, Reference, evaluate_samples, smiles_samples
from molaug.evaluation.samples import smiles_of_file
from molaug.filters import MoleculeIndex, load_index
from molaug.filters.redundancy.keys import name as canonical_name
from molaug.generators.graph import GraphDenoiser, GraphFlowScheduler, GraphPipeline, GraphSamples, load_pipeline
from molaug.generators.learned.checkpoints import checkpoint_folder
from molaug.structures.chemistry.strict import strict_reasons_of_smiles

PARTS = ("quality", "peers", "training", "cost")
#: Steps and temperature of the rows of the first table; the first is the default of the pipeline.
SETTINGS = ((50, 1.0), (10, 1.0), (20, 1.0), (100, 1.0), (50, 0.9), (50, 0.8))
MAX_HEAVY = 9
PLACES = ("train", "held-out", "elsewhere", "new")
QUANTITIES = ("functional groups", "rings", "ring sizes")
#: What is kept of a training log, beside the molecules seen and the hours.
CURVE = ("val_loss", "sampled_valid", "sampled_unique", "sampled_unknown")
GROWTH = (64, 256, 1024)
SIZES = (9, 18, 30)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What samples are held against: a reference with its training part as SMILES, and an index."""

    reference: Reference | None
    train: tuple[str, ...]
    index: MoleculeIndex

    def tier(self, smiles: Sequence[str | None], seconds: float | None = None) -> GraphTier:
        """Return the figures of samples; None is a sample without a molecule."""
        samples = smiles_samples([text or "" for text in smiles])
        found = evaluate_samples(samples, reference=self.reference, known=self.index, cpu_seconds=seconds)
        return found.files[0].graph

    def new(self, smiles: Sequence[str | None]) -> list[str]:
        """Return the distinct strictly valid molecules that neither the reference nor the index holds."""
        texts = [text or "" for text in smiles]
        reasons = strict_reasons_of_smiles(texts)
        sound = (canonical_name(text) for text, reason in zip(texts, reasons, strict=True) if reason is None)
        names = sorted({name for name in sound if name is not None})
        unseen = ~self.index.knows(names)
        if self.reference is not None:
            unseen &= self.reference.places(names) == "new"
        return [text for text, is_new in zip(names, unseen, strict=True) if is_new]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Samples of the pipeline and the time that they took by the clock."""

    samples: GraphSamples
    wall: float


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


def percent(count: int, of: int) -> str:
    """Write a share in per cent with its binomial standard error."""
    if not of:
        return "–"
    p = count / of
    return f"{100 * p:.1f} ± {100 * math.sqrt(p * (1 - p) / of):.1f}"


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def cost(seconds: float, count: int, n: int) -> str:
    """Write milliseconds a molecule, with the standard error that the count of n samples has."""
    if not count:
        return f"more than {1e3 * seconds:.0f}"
    each = 1e3 * seconds / count
    digits = 0 if each >= 20 else 1
    return f"{each:.{digits}f} ± {each * math.sqrt((1 - count / n) / count):.{digits}f}"


def placed(tier: GraphTier) -> list[str]:
    """Return the shares of the unique valid molecules by place."""
    counts = {place: share.count for place, share in tier.partition.items()}
    if "validation" in counts:
        counts["held-out"] = counts.pop("validation") + counts.pop("test")
    of = tier.shares["unique"].count
    return [percent(counts[place], of) if place in counts else "–" for place in PLACES]


def known(path: Path | None) -> Known:
    """Read and split the reference, once for all tables."""
    index = load_index("qm9-keys")
    if path is None:
        return Known(reference=None, train=(), index=index)

    def read() -> tuple[Reference, tuple[str, ...]]:
        names = {canonical_name(text) for text in dict.fromkeys(smiles_of_file(path))}
        distinct = sorted(text for text in names if text is not None)
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "distinct.smi"
            plain.write_text("\n".join(distinct) + "\n")
            reference = Reference.build([plain], name="QM9")
        places = reference.places(distinct)
        return reference, tuple(text for text, place in zip(distinct, places, strict=True) if place == "train")

    seconds, (reference, train) = timed(read)
    counts = ", ".join(f"{reference.count(part):,} {part}" for part in ("train", "validation", "test"))
    print(f"reference: {len(reference.keys):,} molecules ({counts}); read and split in {seconds:.0f} s", flush=True)
    return Known(reference=reference, train=train, index=index)


def list_of_qm9(given: str | None, folder: Path) -> Path | None:
    """Return the list of QM9's molecules, or None where there are no data."""
    if given is not None:
        return Path(given)
    data = os.environ.get("MOLAUG_DATA")
    if data is None:
        return None
    path = Path(data) / "qm9_graphs.csv.gz"
    if not path.is_file():
        path = folder / "qm9_graphs.csv.gz"
        try:
            runpy.run_path(str(Path(__file__).parents[1] / "examples" / "qm9_graphs.py"))["main"](str(path))
        except FileNotFoundError as missing:
            print(f"MOLAUG_DATA={data} lacks {missing.filename}")
            return None
    return path


def draw(pipeline: GraphPipeline, n: int, steps: int, temperature: float = 1.0, **options: Any) -> Drawn:
    start = time.perf_counter()
    samples = pipeline(n, num_inference_steps=steps, temperature=temperature, **options)
    return Drawn(samples=samples, wall=time.perf_counter() - start)


def quality(pipeline: GraphPipeline, held: Known, n: int) -> Drawn:
    """Print quality against steps and temperature; return the samples of the default."""
    print(f"\n## Quality against steps\n\n{n:,} samples a row, seed 0, shares in per cent ± standard error")
    table(
        "steps",
        "temperature",
        "strictly valid, raw",
        "projected",
        "unique of valid, raw",
        *(f"{place}, of unique" for place in PLACES),
        "molecules/s, wall",
        "molecules/CPU s",
        "CPU ms a valid new molecule, raw",
        "projected",
    )
    drawn: dict[tuple[int, float], Drawn] = {}
    judged = 0.0
    for setting in SETTINGS:
        one = drawn[setting] = draw(pipeline, n, *setting)
        seconds = one.samples.cpu_seconds
        took, (raw, sound) = timed(
            lambda one=one: (held.tier(one.samples.raw_smiles), held.tier(one.samples.smiles))  # type: ignore[misc]
        )
        judged += took
        row(
            setting[0],
            setting[1],
            percent(raw.shares["strictly valid"].count, n),
            percent(sound.shares["strictly valid"].count, n),
            percent(raw.shares["unique"].count, raw.shares["unique"].of),
            *placed(raw),
            f"{n / one.wall:.1f}",
            f"{n / seconds:.1f}",
            *(cost(seconds, tier.partition["new"].count, n) for tier in (raw, sound)),
        )
    print(
        "\nThe time of sampling includes the projection of what is not valid; evaluation is not in it: "
        f"{2 * n * len(SETTINGS) / judged:.0f} samples/CPU s."
    )
    return drawn[SETTINGS[0]]


def peers(held: Known, n: int, generator: Drawn | None) -> None:
    """Print the generator beside what needs no network."""
    train, size = held.train, MAX_HEAVY
    n_again = min(n, len(train))
    ways: dict[str, Callable[[], Sequence[str]]] = {
        "training molecules, drawn again": partial(drawn_again, train, n_again, 0),
        "BRICS recombination": partial(recombined, train, n, 0, size),
        "random mutation, one edit": partial(mutated, train, n, 0, size, 1),
        "random mutation, two edits": partial(mutated, train, n, 0, size, 2),
    }
    rows: list[tuple[str, float, Sequence[str | None]]] = [(name, *timed(way)) for name, way in ways.items()]
    if generator is not None:
        seconds = generator.samples.cpu_seconds
        rows.append(("generator, 50 steps, raw", seconds, generator.samples.raw_smiles))
        rows.append(("generator, 50 steps, projected", seconds, generator.samples.smiles))
    print(f"\n## Beside peers\n\n{n:,} samples of each, seed 0, shares in per cent ± standard error")
    table(
        "way",
        "strictly valid",
        "unique of valid",
        *(f"{place}, of unique" for place in PLACES),
        "new per 100",
        "CPU ms a sample",
        "CPU ms a valid new molecule",
    )
    tiers = {name: held.tier(smiles, seconds) for name, seconds, smiles in rows}
    for name, seconds, smiles in rows:
        tier, count = tiers[name], len(smiles)
        shares, new = tier.shares, tier.partition["new"].count
        row(
            name,
            percent(shares["strictly valid"].count, count),
            percent(shares["unique"].count, shares["unique"].of),
            *placed(tier),
            percent(new, count),
            f"{1e3 * seconds / count:.1f}",
            cost(seconds, new, count) if new else "none",
        )
    print("\nWhat they are like: distance from the held-out part (Jensen–Shannon) and synthetic accessibility")
    table("way", *(f"{q}, all" for q in QUANTITIES), *(f"{q}, new" for q in QUANTITIES), "SA median, all", "new")
    for name, _, smiles in rows:
        new_ones = held.new(smiles)
        both = [tiers[name], held.tier(new_ones) if new_ones else None]
        far = [number(tier and tier.distances[q].held_out) for tier in both for q in QUANTITIES]
        easy = [number(tier and tier.figures.get("synthetic accessibility 50%"), 2) for tier in both]
        row(name, *far, *easy)
    some = train[:: max(1, len(train) // 1000)][:1000]
    cut = percent(round(len(some) * decomposable(some)), len(some))
    print(f"\nBRICS finds a bond to cut in {cut} % of {len(some):,} training molecules.")


def curve_of_log(folder: Path, hours: float | None) -> Iterator[dict[str, float]]:
    """Read the log that Lightning wrote.

    It holds no times. A run that was not interrupted is taken to have gone at an even pace from its first file to the
    last line of its log; of another, and of a copy of the folder, the hours must be given.
    """
    folder = folder / "training" if (folder / "training").is_dir() else folder
    options = yaml.safe_load((folder / "options.yaml").read_text())
    logs = sorted(folder.glob("logs/version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1]))
    if not logs:
        raise FileNotFoundError(f"no logs/version_*/metrics.csv in {folder}; expected the folder of a training")
    lines: dict[int, dict[str, str]] = {}
    for log in logs:  # a training that was gone on with repeats the steps since its last state
        with log.open() as handle:
            for line in csv.DictReader(handle):
                lines[int(line["step"])] = {**lines.get(int(line["step"]), {}), **{k: v for k, v in line.items() if v}}
    last = max(lines)
    if hours is None and len(logs) == 1:
        hours = (logs[0].stat().st_mtime - (folder / "options.yaml").stat().st_mtime) / 3600
    for step, line in sorted(lines.items()):
        if "sampled_valid" in line:
            yield {
                "molecules": (step + 1) * options["batch_size"],
                "hours": math.nan if hours is None else hours * (step + 1) / (last + 1),
                **{key: float(line.get(key, math.nan)) for key in CURVE},
            }


def training(log: Path | None, shipped: Path | None, hours: float | None, written: Path | None) -> None:
    """Print sampled validity against the compute of the training."""
    print("\n## Training")
    if log is not None:
        lines = list(curve_of_log(log, hours))
        if written is not None:
            with written.open("w", newline="") as handle:
                table_of_lines = csv.DictWriter(handle, ["molecules", "hours", *CURVE], lineterminator="\n")
                table_of_lines.writeheader()
                table_of_lines.writerows({key: f"{value:.6g}" for key, value in line.items()} for line in lines)
    elif shipped is not None and shipped.is_file():
        with shipped.open() as handle:
            lines = [{key: float(value) for key, value in line.items()} for line in csv.DictReader(handle)]
    else:
        print("\nno curve: the checkpoint has no training.csv, and no --log is given")
        return
    table("molecules seen", "hours", "validation loss", "strictly valid / %", "unique of valid / %", "not in train / %")
    for line in lines:
        shares = [f"{100 * line[key]:.1f}" for key in CURVE[1:]]
        row(f"{line['molecules']:,.0f}", f"{line['hours']:.2f}", f"{line['val_loss']:.3f}", *shares)
    print("\nSamples of each validation: 256 by default, ± 1 to 3 per cent; hours of the training machine")


def growth(pipeline: GraphPipeline | None, default: Drawn | None) -> None:
    """Print the cost against the number of molecules and, with random weights, against their size."""
    print("\n## Growth of the cost")
    if pipeline is not None:
        table("molecules", "steps", "CPU s", "CPU ms each", "to the first")
        first = None
        for n in GROWTH:
            known_already = default is not None and len(default.samples) == n
            one = default if known_already and default is not None else draw(pipeline, n, 50)
            each = 1e3 * one.samples.cpu_seconds / n
            first = first or each
            row(n, 50, f"{one.samples.cpu_seconds:.1f}", f"{each:.1f}", f"{each / first:.2f}")
    table(
        "heavy atoms, random weights",
        "parameters",
        "CPU ms a molecule and step",
        "to nine",
        "of which the network",
        "to nine",
    )
    base: list[float] | None = None
    for n_max in SIZES:
        random_one = untrained(n_max)
        draw(random_one, 64, 2)
        steps = 10
        # by the difference: what is done once for a molecule, the projection above all, drops out
        spans = [draw(random_one, 64, k, n_atoms=n_max).samples.cpu_seconds for k in (2, 2 + steps)]
        whole = 1e3 * (spans[1] - spans[0]) / (64 * steps)
        alone = 1e3 * network_seconds(random_one, n_max, steps) / (64 * steps)
        base = base or [whole, alone]
        size = sum(p.numel() for p in random_one.network.parameters())
        row(n_max, f"{size:,}", f"{whole:.2f}", f"{whole / base[0]:.1f}", f"{alone:.2f}", f"{alone / base[1]:.1f}")


def untrained(n_max: int) -> GraphPipeline:
    """Return a pipeline of the default width whose weights are random."""
    torch.manual_seed(0)
    types = {"numbers": [6, 7, 8, 9], "charges": [0, 0, 0, 0], "valences": [4, 3, 2, 1]}
    priors = {"atom_prior": [0.722, 0.117, 0.159, 0.002], "bond_prior": [0.727, 0.234, 0.031, 0.008]}
    domain = {
        "types": types,
        "n_max": n_max,
        "size_histogram": [0.0] * n_max + [1.0],
        "conditions": {},
        **priors,
    }
    scheduler = GraphFlowScheduler(**{key: tuple(value) for key, value in priors.items()})
    return GraphPipeline(GraphDenoiser(n_types=4, n_max=n_max), scheduler, domain=domain)


@torch.no_grad()
def network_seconds(pipeline: GraphPipeline, n_max: int, calls: int) -> float:
    """Return the CPU seconds of some calls of the network for 64 molecules."""
    rng = torch.Generator().manual_seed(0)
    atoms = torch.randint(4, (64, n_max), generator=rng)
    upper = torch.randint(4, (64, n_max, n_max), generator=rng).triu(1)
    bonds, mask, when = upper + upper.transpose(1, 2), torch.ones(64, n_max, dtype=torch.bool), torch.full((64,), 0.5)

    def run() -> None:
        for _ in range(calls):
            pipeline.network(atoms, bonds, mask, when, fixed=torch.zeros_like(mask))

    run()
    return timed(run)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="graph-qm9", help="name or folder")
    parser.add_argument("--samples", type=int, default=1024, help="of every row; made in blocks of 64")
    parser.add_argument("--reference", help="list of SMILES; by default $MOLAUG_DATA/qm9_graphs.csv.gz")
    parser.add_argument("--log", type=Path, help="folder of the training")
    parser.add_argument("--hours", type=float, help="that the training took, where the files do not tell")
    parser.add_argument("--write-curve", type=Path, help="where to keep the curve read from --log")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(machine())
    pipeline = curve = generator = None
    try:
        pipeline = load_pipeline(options.checkpoint)
        curve = checkpoint_folder(options.checkpoint, "model_index.json") / "training.csv"
        parameters = sum(p.numel() for p in pipeline.network.parameters())
        print(f"checkpoint {options.checkpoint}: {parameters:,} parameters, at most {pipeline.n_max} heavy atoms")
        draw(pipeline, 64, 2)  # the first call is slower
    except FileNotFoundError as missing:
        print(f"what needs a trained network is left out: {missing}")
    if {"quality", "peers"} & set(options.only):
        with tempfile.TemporaryDirectory() as folder:
            held = known(list_of_qm9(options.reference, Path(folder)))
        if pipeline is not None and "quality" in options.only:
            generator = quality(pipeline, held, options.samples)
        if "peers" in options.only and held.train:
            if pipeline is not None and generator is None:
                generator = draw(pipeline, options.samples, *SETTINGS[0])
            peers(held, options.samples, generator)
        elif "peers" in options.only:
            print("\nno parents for the peers and no reference: set MOLAUG_DATA, or give a list by --reference")
    if "training" in options.only:
        training(options.log, curve, options.hours, options.write_curve)
    if "cost" in options.only:
        growth(pipeline, generator)


if __name__ == "__main__":
    main()

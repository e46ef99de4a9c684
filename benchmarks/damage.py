"""What becomes of a run one bit of which is flipped: told, made good, or read as other data.

Run ``python benchmarks/damage.py --flips 100 --seed 0``. A small run on G2 is made once; in copies of it, finished or
interrupted at one of its stages, one bit of one file is flipped, and the run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from molaug import Augmenter
from molaug.registry import ConfigurationError

RUN = Augmenter(
    base="g2",
    max_heavy=3,
    generators=["amons", {"conformers": {"n": 2}}],
    base_labels="relabel",
    budget=12,
    formats=("extxyz",),
)

#: What is taken away before the flip, from nothing to nearly everything.
STAGES = {
    "finished": (),
    "before emission": ("dataset*", "rejected", "checksums.txt", "funnel.json", "report.html"),
    "before labels": ("dataset*", "rejected", "checksums.txt", "funnel.json", "report.html", "work/label*"),
    "before selection": (
        "dataset*",
        "rejected",
        "checksums.txt",
        "funnel.json",
        "report.html",
        "work/label*",
        "work/select",
    ),
}


def handed_out(folder: Path) -> dict[str, str]:
    """Return the checksums of the dataset, its export and the rejected rows."""
    files = [*folder.glob("dataset.*"), *(folder / "dataset").rglob("*"), *(folder / "rejected").rglob("*")]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.is_file()}


def outcome(folder: Path, expected: dict[str, str]) -> str:
    """Go on with a damaged run and say what became of it."""
    try:
        RUN.run(folder)
    except ConfigurationError as error:
        return "told, the file named" if str(folder) in str(error) else "told"
    except Exception as error:
        return f"another error: {type(error).__name__}"
    return "the same dataset" if handed_out(folder) == expected else "ANOTHER DATASET"


def main() -> None:
    """Flip, go on, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        RUN.run(whole)
        expected = handed_out(whole)
        for number in range(options.flips):
            stage = rng.choice(sorted(STAGES))
            run = Path(place) / f"run-{number}"
            shutil.copytree(whole, run)
            for pattern in STAGES[stage]:
                for path in run.glob(pattern):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            path = rng.choice(sorted(path for path in run.rglob("*") if path.is_file() and path.stat().st_size))
            raw = bytearray(path.read_bytes())
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            path.write_bytes(raw)
            parts = path.relative_to(run).parts
            kind = "/".join(parts[:2]) if parts[0] == "work" else parts[0]
            counts[kind, outcome(run, expected)] += 1
            shutil.rmtree(run)
    print(f"{options.flips} flipped bits, seed {options.seed}")
    for (kind, what), count in sorted(counts.items()):
        print(f"{kind:24s} {what:24s} {count:4d}")


if __name__ == "__main__":
    main()

"""Draw samples to evaluate: ``python examples/graph_samples.py OUT --seeds 0 1 2 --samples 10000 --workers 2``.

For each seed it writes what the network drew by itself (``seed-0.smi``: invalid graphs stand there as drawn) and what
left the sampler (``seed-0-projected.smi``), and prints CPU and wall seconds. ``molaug evaluate samples OUT/seed-?.smi
--reference qm9_graphs.csv.gz`` does the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

#: Samples that one task of a worker draws; a multiple of the blocks of the sampler.
CHUNK = 640

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@cache
def pipeline(checkpoint: str) -> Any:
    """Load a checkpoint, once for each process."""
    import torch

    from molaug.generators.graph import load_pipeline

    torch.set_num_threads(1)
    return load_pipeline(checkpoint)


def draw(checkpoint: str, seed: int, start: int, n: int, options: dict[str, Any]) -> tuple[list[str], list[str], float]:
    """Draw some rows: as drawn, as they left the sampler, and CPU seconds."""
    samples = pipeline(checkpoint)(n, seed=seed, start=start, **options)
    return list(samples.raw_smiles), [s or "" for s in samples.smiles], samples.cpu_seconds


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", default="graph-qm9")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--options", type=json.loads, default={}, help='for instance {"num_inference_steps": 100}')
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.workers) as executor:
        for _ in executor.map(pipeline, [arguments.checkpoint] * arguments.workers):
            pass  # loading is no part of the times
        for seed in arguments.seeds:
            began = time.perf_counter()
            starts = range(0, arguments.samples, CHUNK)
            tasks = [
                executor.submit(
                    draw, arguments.checkpoint, seed, start, min(CHUNK, arguments.samples - start), arguments.options
                )
                for start in starts
            ]
            found = [task.result() for task in tasks]
            wall = time.perf_counter() - began
            raw = [smiles for part, _, _ in found for smiles in part]
            projected = [smiles for _, part, _ in found for smiles in part]
            (arguments.out / f"seed-{seed}.smi").write_text("\n".join(raw) + "\n")
            (arguments.out / f"seed-{seed}-projected.smi").write_text("\n".join(projected) + "\n")
            cpu = sum(seconds for _, _, seconds in found)
            print(
                f"seed {seed}: {len(raw)} samples in {wall:.1f} s of wall and {cpu:.1f} s of CPU time; "
                f"{len(raw) / wall:.1f} molecules/s",
                flush=True,
            )


if __name__ == "__main__":
    main()

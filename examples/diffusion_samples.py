"""Draw molecules in space to evaluate: ``python examples/diffusion_samples.py OUT --seeds 0 1 2 --samples 10000``.

For each seed it writes ``seed-0.sdf``: every molecule as the network drew it, with the bonds that it drew, sound or
not. It prints CPU and wall seconds. ``molaug evaluate samples OUT/seed-?.sdf --reference qm9.parquet`` does the rest.
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
CHUNK = 320

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@cache
def pipeline(checkpoint: str) -> Any:
    """Load a checkpoint, once for each process."""
    import torch

    from molaug.generators.diffusion import load_pipeline

    torch.set_num_threads(1)
    return load_pipeline(checkpoint)


def draw(checkpoint: str, seed: int, start: int, n: int, options: dict[str, Any]) -> tuple[str, float]:
    """Draw some rows: records of an SDF, and CPU seconds."""
    from rdkit import Chem
    from rdkit.rdBase import BlockLogs

    samples = pipeline(checkpoint)(n, seed=seed, start=start, **options)
    with BlockLogs():  # nothing is sanitised: what is unsound stands there as drawn
        blocks = [Chem.MolToMolBlock(mol, kekulize=False, includeStereo=False) for mol in samples.drawn()]
    return "".join(block + "$$$$\n" for block in blocks), samples.cpu_seconds


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", default="diffusion-qm9")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--options", type=json.loads, default={}, help='for instance {"num_inference_steps": 50}')
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.workers) as executor:
        for _ in executor.map(pipeline, [arguments.checkpoint] * arguments.workers):
            pass  # loading is no part of the times
        for seed in arguments.seeds:
            began = time.perf_counter()
            tasks = [
                executor.submit(
                    draw, arguments.checkpoint, seed, start, min(CHUNK, arguments.samples - start), arguments.options
                )
                for start in range(0, arguments.samples, CHUNK)
            ]
            found = [task.result() for task in tasks]
            wall = time.perf_counter() - began
            (arguments.out / f"seed-{seed}.sdf").write_text("".join(text for text, _ in found))
            cpu = sum(seconds for _, seconds in found)
            print(
                f"seed {seed}: {arguments.samples} samples in {wall:.1f} s of wall and {cpu:.1f} s of CPU time; "
                f"{arguments.samples / wall:.2f} molecules/s",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""``molaug prepare``: a dataset as one compact file, from which the 3D generator is trained without RDKit."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

from molaug.generators.diffusion.geometries import SUFFIX, Geometries


def prepare_command(arguments: Namespace) -> int:
    """Write the compact file that the command line asks for, and say what it holds.

    Parameters
    ----------
    arguments
        ``source``, ``out``, ``columns``, ``max_atoms``, ``seed`` and ``workers``.

    Returns
    -------
    int
        0.

    Raises
    ------
    ValueError
        If the name of the file does not end in ``.geometries.npz``, or nothing could be prepared.
    """
    out = Path(arguments.out)
    if not out.name.endswith(SUFFIX):
        raise ValueError(f"--out is {out}; expected a name that ends in {SUFFIX}")
    began = time.perf_counter()
    geometries = Geometries.read(
        list(arguments.source),
        columns=arguments.columns,
        max_atoms=arguments.max_atoms,
        seed=arguments.seed,
        workers=arguments.workers,
    )
    geometries.save(out)
    counts = ", ".join(f"{len(geometries.part(part)):,} {part}" for part in ("train", "validation", "test"))
    print(f"{len(geometries):,} geometries: {counts}")
    for reason, n in geometries.rejected.items():
        print(f"left out: {n:,} × {reason}")
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {time.perf_counter() - began:.0f} s")
    return 0

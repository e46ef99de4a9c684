"""What ``molaug prune`` does."""

from __future__ import annotations

from argparse import Namespace

from molaug.arguments import opened, part
from molaug.pruning.database import prune


def prune_command(arguments: Namespace) -> int:
    """Run ``molaug prune``.

    Parameters
    ----------
    arguments
        As parsed.

    Returns
    -------
    int
        The exit code.
    """
    found = prune(
        opened(arguments),
        keep=arguments.keep,
        features=part(arguments.features, arguments.set),
        ridge=arguments.ridge,
        draws=arguments.draws,
        measure=arguments.measure,
        level=arguments.level,
        split=arguments.split,
        seeds=arguments.seeds,
        seed=arguments.seed,
    )
    print(found.text())
    out = found.save(arguments.out)
    print(f"written: {', '.join(str(out / name) for name in ('kept.parquet', 'removed.parquet', 'report.json'))}")
    return 0

"""What ``molaug evaluate`` does."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from molaug.evaluation.evaluate import evaluate_samples
from molaug.shards import write_text


def evaluate_command(arguments: Namespace) -> int:
    """Run ``molaug evaluate samples``.

    Parameters
    ----------
    arguments
        As parsed.

    Returns
    -------
    int
        The exit code.
    """
    target = Path(arguments.json) if arguments.json else None
    if target is not None and target.is_dir():
        raise ValueError(f"--json {target} is a folder; expected the path of a file")
    found = evaluate_samples(
        arguments.files,
        reference=arguments.reference,
        known=None if arguments.known == "none" else arguments.known,
        cpu_seconds=arguments.cpu_seconds,
        strain=arguments.strain,
    )
    print(found.text())
    if target is not None:
        write_text(target, found.to_json())
        print(f"written: {target}")
    return 0

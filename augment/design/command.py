"""What ``molaug score``, ``molaug select`` and ``molaug feasibility`` do."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from molaug.arguments import check_owners, opened, part
from molaug.design.feasibility import judge_feasibility
from molaug.design.scoring import ScoreSummary, score
from molaug.design.selecting import select
from molaug.filters.design.feasibility import Feasibility
from molaug.registry import MODELS, ConfigurationError, build, check
from molaug.shards import write_text
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.export.atomic import replacing
from molaug.structures.datasets.export.parquet import write_parquet


def score_command(arguments: Namespace) -> int:
    """Run ``molaug score``.

    Parameters
    ----------
    arguments
        As parsed.

    Returns
    -------
    int
        The exit code.
    """
    owners = [name for name in ("model", "features") if getattr(arguments, name) is not None]
    if not owners:
        raise ConfigurationError("neither --model nor --features is given; expected at least one")
    check_owners(arguments.set, owners)
    parts: dict[str, Any] = {name: part(getattr(arguments, name), arguments.set, owner=name) for name in owners}
    if "model" in parts:
        parts["model"] = build(MODELS, parts["model"], "model")
        check(parts["model"], "model")
    summary = ScoreSummary(level=getattr(parts.get("model"), "level", None))
    batches = score(opened(arguments), base=arguments.base, ridge=arguments.ridge, **parts)
    with replacing(parquet_path(arguments.out), overwrite=True) as path:
        write_parquet(summary.watched(batches), path, Audit())
    print(summary.text())
    print(f"written: {arguments.out}")
    return 0


def select_command(arguments: Namespace) -> int:
    """Run ``molaug select``.

    Parameters
    ----------
    arguments
        As parsed.

    Returns
    -------
    int
        The exit code.
    """
    target = parquet_path(arguments.out)
    found = select(
        opened(arguments),
        arguments.budget,
        selector=part(arguments.select, arguments.set),
        base=arguments.base,
        seed=arguments.seed,
        streamed=arguments.stream,
    )
    found.to_parquet(target)
    print(f"selected {len(found):,} rows by {arguments.select}\nwritten: {target}")
    return 0


def feasibility_command(arguments: Namespace) -> int:
    """Run ``molaug feasibility``.

    Parameters
    ----------
    arguments
        As parsed.

    Returns
    -------
    int
        The exit code.
    """
    found = judge_feasibility(
        opened(arguments),
        target=arguments.target,
        features=part(arguments.features, arguments.set),
        ridge=arguments.ridge,
    )
    for name in (field.name for field in fields(Feasibility)):
        value = getattr(found, name)
        if not math.isnan(value):
            print(f"{name:<11}{value:>12,.6g}")
    print(found.words)
    if arguments.json:
        figures = {name: value if math.isfinite(value) else None for name, value in asdict(found).items()}
        write_text(Path(arguments.json), json.dumps({**figures, "words": found.words}, indent=2) + "\n")
        print(f"written: {arguments.json}")
    return 0


def parquet_path(text: str) -> Path:
    """Return the path of a Parquet file that is to be written.

    Parameters
    ----------
    text
        As given.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    ConfigurationError
        If its suffix is another one.
    """
    path = Path(text)
    if path.suffix != ".parquet":
        raise ConfigurationError(f"--out {text}; expected the path of a .parquet file (molaug convert writes others)")
    return path

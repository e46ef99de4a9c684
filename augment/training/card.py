"""The card of a trained checkpoint: what it learned from, how, and what was measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from molaug import __version__
from molaug.training.fitting import Result

#: Packages whose versions a card names.
_PACKAGES = ("torch", "pytorch-lightning", "diffusers", "rdkit", "numpy")


def card(
    name: str,
    what: str,
    *,
    sources: Sequence[str],
    counts: Mapping[str, int],
    rejected: Mapping[str, int],
    facts: Mapping[str, str],
    result: Result,
    use: str,
) -> str:
    """Write a card.

    Parameters
    ----------
    name
        Of the checkpoint.
    what
        One sentence that says what it is.
    sources
        Names or paths of the data.
    counts
        Molecules of each part.
    rejected
        Reasons for which molecules were left out, counted.
    facts
        Further lines about data and model.
    result
        What was measured.
    use
        Python code that uses it.

    Returns
    -------
    str
        Markdown.
    """
    total = sum(counts.values())
    parts = ", ".join(f"{n:,} {part}" for part, n in counts.items())
    left_out = "; ".join(f"{n:,} × {reason}" for reason, n in rejected.items()) or "nothing"
    data = [("sources", ", ".join(f"`{s}`" for s in sources)), ("molecules", f"{total:,}: {parts}")]
    data += [("split", "by the hash of the canonical SMILES without stereo"), ("left out", left_out), *facts.items()]
    training = [
        ("hardware", result.hardware),
        ("wall time", _duration(result.seconds)),
        ("molecules seen", f"{result.molecules:,}"),
        ("steps, epochs", f"{result.steps:,}, {result.epochs:,}"),
        ("versions", ", ".join(_versions())),
    ]
    metrics = [(f"`{key}`", f"{value:.4f}") for key, value in sorted(result.metrics.items())]
    return "\n".join(
        [
            f"# {name}",
            "",
            what,
            "",
            "```python",
            use.strip(),
            "```",
            "",
            "## Data",
            "",
            *_table(data),
            "",
            "## Training",
            "",
            "```",
            result.command,
            "```",
            "",
            *_table(training),
            "",
            "## Last validation",
            "",
            *_table(metrics),
            "",
        ]
    )


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {key} | {value.replace('|', chr(92) + '|')} |" for key, value in rows)]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"


def _versions() -> list[str]:
    found = [f"molaug {__version__}", f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found

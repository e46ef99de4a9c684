"""A pruned database as a text for people: what was removed beside as many rows at random."""

from __future__ import annotations

from dataclasses import fields
from io import StringIO

from rich.console import Console
from rich.table import Table

from molaug.pruning.cost import PredictedCost
from molaug.pruning.database import Pruned
from molaug.pruning.measured import WAYS, MeasuredCost, mean_and_error

_PREDICTED = {
    "loss_per_row": "ln det M lost for each row",
    "d_efficiency": "D-efficiency",
    "mean_leverage": "mean leverage of what went",
    "largest_leverage": "largest leverage of what went",
    "g": "largest leverage anywhere (G)",
    "i": "mean leverage anywhere (I)",
}
_MEASURED = {"mae": "mean", "p99": "99th percentile", "largest": "largest"}
_MILLI = 1000.0


def text(pruned: Pruned, width: int = 120) -> str:
    """Lay out a pruned database.

    Parameters
    ----------
    pruned
        With or without a measurement.
    width
        Of the text in characters.

    Returns
    -------
    str
        Rows, predicted cost, verdict and measured cost.
    """
    console = Console(file=StringIO(), width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(_head(pruned), soft_wrap=True)
        console.print(_predicted(pruned))
        console.print(pruned.feasibility.words, soft_wrap=True)
        if pruned.measured is not None:
            console.print(_measured(pruned.measured))
            console.print(_verdict(pruned.measured), soft_wrap=True)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def _head(pruned: Pruned) -> str:
    features = next(iter(pruned.features))
    said = [f"kept {len(pruned.kept):,} rows, removed {pruned.predicted.n_removed:,} by their leverage in {features!r}"]
    if pruned.without_features:
        said.append(f"{pruned.without_features:,} without these features, kept unseen")
    if pruned.rejected_before:
        said.append(f"{pruned.rejected_before:,} rejected before, passed on with their reasons")
    return "; ".join(said)


def _predicted(pruned: Pruned) -> Table:
    draws = len(pruned.at_random)
    table = Table("predicted cost", "by leverage", f"at random ({draws} draws)", box=None, title_justify="left")
    for name in (field.name for field in fields(PredictedCost) if field.name in _PREDICTED):
        mean, _ = mean_and_error([getattr(cost, name) for cost in pruned.at_random])
        table.add_row(_PREDICTED[name], f"{getattr(pruned.predicted, name):.3g}", f"{mean:.3g}")
    return table


def _measured(measured: MeasuredCost) -> Table:
    table = Table("measured cost: error in meV", *WAYS, "leverage / random", box=None)
    for name, label in _MEASURED.items():
        cells = [
            _plus_minus(*(_MILLI * value for value in mean_and_error(getattr(measured.errors[way], name))))
            for way in WAYS
        ]
        table.add_row(label, *cells, _plus_minus(*measured.ratio(name)))
    return table


def _verdict(measured: MeasuredCost) -> str:
    seeds = len(measured.errors[WAYS[0]].mae)
    words = []
    for name, label in _MEASURED.items():
        ratio, error = measured.ratio(name)
        if not abs(ratio - 1.0) > 2.0 * error:  # NaN for a single seed
            words.append(f"no difference shown in the {label} error")
        else:
            words.append(f"{'better' if ratio < 1 else 'worse'} in the {label} error")
    return (
        f"ridge regression on the same features, {measured.level or 'level unknown'}, {measured.n_kept:,.0f} of "
        f"{measured.n_train:,.0f} rows, {measured.n_test:,.0f} to test on, {seeds} seeds. "
        f"By leverage against at random: {'; '.join(words)}."
    )


def _plus_minus(value: float, error: float) -> str:
    return f"{value:.3g} ± {error:.2g}"

"""The evaluation as a table for people: every percentage with its denominator."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table

from molaug.evaluation.records import Evaluation, Share

#: Files whose own columns are shown; of more only mean and spread are.
_COLUMNS = 3

_PLACES = {
    "train": "in the train part",
    "validation": "in the validation part",
    "test": "in the test part",
    "elsewhere": "known elsewhere",
    "new": "new",
}


def text(evaluation: Evaluation, width: int = 140) -> str:
    """Lay out an evaluation.

    Parameters
    ----------
    evaluation
        Of any number of files.
    width
        Of the text in characters.

    Returns
    -------
    str
        Head, figures and distances.
    """
    console = Console(file=StringIO(), width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        for line in _head(evaluation):
            console.print(line, soft_wrap=True)
        for table in (_shares(evaluation), _distances(evaluation)):
            if table.row_count:
                console.print()
                console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def _head(evaluation: Evaluation) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in evaluation.versions.items())
    lines = [f"protocol {evaluation.protocol} ({versions})"]
    lines += [
        f"file {k}: {file.source}, {file.graph.n_samples:,} samples" for k, file in enumerate(evaluation.files, 1)
    ]
    reference, known = evaluation.reference, evaluation.known
    if reference is not None:
        parts = ", ".join(f"{count:,} {part}" for part, count in reference.molecules.items())
        unread = f"; {reference.unread:,} entries are no molecule" if reference.unread else ""
        lines.append(f"reference: {reference.name}: {parts}{unread}")
    if known is not None:
        lines.append(f"known elsewhere: {known['name']}, {known['molecules']:,} molecules")
    return lines


def _shares(evaluation: Evaluation) -> Table:
    table = _table(evaluation, "figure", "of")
    graphs = [file.graph for file in evaluation.files]
    for name, share in graphs[0].shares.items():
        cells = [_percent(graph.shares[name]) for graph in graphs]
        _row(table, evaluation, (name, share.among), cells, f"shares.{name}", percent=True)
        if name == "strictly valid":
            for kind in dict.fromkeys(kind for graph in graphs for kind in graph.reasons):
                counts = [
                    Share(count=graph.reasons.get(kind, 0), of=graph.n_samples, among="samples") for graph in graphs
                ]
                cells = list(map(_percent, counts))
                _row(table, evaluation, (f"  not: {kind}", "samples"), cells, f"reasons.{kind}", percent=True)
    for place, share in graphs[0].partition.items():
        cells = [_percent(graph.partition[place]) for graph in graphs]
        _row(table, evaluation, (_PLACES[place], share.among), cells, f"partition.{place}", percent=True)
    for name in graphs[0].figures:
        values = [graph.figures[name] for graph in graphs]
        if any(value is not None for value in values):
            _row(table, evaluation, (name, ""), list(map(_number, values)), f"figures.{name}", percent=False)
    return table


def _distances(evaluation: Evaluation) -> Table:
    table = _table(evaluation, "Jensen–Shannon distance", "from", "train to held-out")
    if evaluation.reference is None:
        return table
    for quantity, yardstick in evaluation.reference.distances.items():
        for part, label in (("train", "train"), ("held_out", "held-out")):
            cells = [_number(getattr(file.graph.distances[quantity], part)) for file in evaluation.files]
            head = (quantity if part == "train" else "", label, _number(yardstick))
            _row(table, evaluation, head, cells, f"distances.{part}.{quantity}", percent=False)
    return table


def _table(evaluation: Evaluation, *names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(names):
        table.add_column(name, justify="left" if number < 2 else "right")
    n = len(evaluation.files)
    columns = [f"file {k}" for k in range(1, n + 1)] if n <= _COLUMNS else []
    columns += [f"mean ± sd of {n}"] if n > 1 else []
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _row(
    table: Table, evaluation: Evaluation, head: tuple[str, ...], cells: Sequence[str], key: str, *, percent: bool
) -> None:
    shown = cells if len(cells) <= _COLUMNS else []
    mean = [_mean(evaluation, key, percent=percent)] if len(cells) > 1 else []
    table.add_row(*head, *shown, *mean)


def _mean(evaluation: Evaluation, key: str, *, percent: bool) -> str:
    figure = evaluation.summary().get(key)
    if figure is None:
        return "–"
    spread = figure.sd or 0.0
    return f"{100 * figure.mean:.2f} ± {100 * spread:.2f} %" if percent else f"{figure.mean:.4g} ± {spread:.2g}"


def _percent(share: Share) -> str:
    return "–" if share.value is None else f"{share.count:,} / {share.of:,} = {100 * share.value:.2f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

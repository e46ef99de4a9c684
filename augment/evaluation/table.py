"""The evaluation as a table for people: every percentage with its denominator."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.table import Table

from molaug.evaluation.geometry_table import coordinate_distances, geometry_shares
from molaug.evaluation.records import Evaluation, Share
from molaug.evaluation.table_cells import PLACE_LABELS, empty_table, number, percent, put_row


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
        tables = [_shares(evaluation), _distances(evaluation)]
        if any(file.geometry is not None for file in evaluation.files):
            tables += [geometry_shares(evaluation), coordinate_distances(evaluation)]
        for table in tables:
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
        if reference.geometries is not None and reference.geometries.of:
            found = reference.geometries
            lines.append(f"reference geometries: {found.count:,} strictly valid of {found.of:,} held-out ones measured")
    if known is not None:
        lines.append(f"known elsewhere: {known['name']}, {known['molecules']:,} molecules")
    return lines


def _shares(evaluation: Evaluation) -> Table:
    table = empty_table(evaluation, "figure", "of")
    graphs = [file.graph for file in evaluation.files]
    for name, share in graphs[0].shares.items():
        cells = [percent(graph.shares[name]) for graph in graphs]
        put_row(table, evaluation, (name, share.among), cells, f"shares.{name}", percentage=True)
        if name == "strictly valid":
            for kind in dict.fromkeys(kind for graph in graphs for kind in graph.reasons):
                counts = [
                    Share(count=graph.reasons.get(kind, 0), of=graph.n_samples, among="samples") for graph in graphs
                ]
                cells = list(map(percent, counts))
                put_row(table, evaluation, (f"  not: {kind}", "samples"), cells, f"reasons.{kind}", percentage=True)
    for place, share in graphs[0].partition.items():
        cells = [percent(graph.partition[place]) for graph in graphs]
        put_row(table, evaluation, (PLACE_LABELS[place], share.among), cells, f"partition.{place}", percentage=True)
    for name in graphs[0].figures:
        values = [graph.figures[name] for graph in graphs]
        if any(value is not None for value in values):
            put_row(table, evaluation, (name, ""), list(map(number, values)), f"figures.{name}", percentage=False)
    return table


def _distances(evaluation: Evaluation) -> Table:
    table = empty_table(evaluation, "Jensen–Shannon distance", "from", "train to held-out")
    if evaluation.reference is None:
        return table
    for quantity, yardstick in evaluation.reference.distances.items():
        for part, label in (("train", "train"), ("held_out", "held-out")):
            cells = [number(getattr(file.graph.distances[quantity], part)) for file in evaluation.files]
            head = (quantity if part == "train" else "", label, number(yardstick))
            put_row(table, evaluation, head, cells, f"distances.{part}.{quantity}", percentage=False)
    return table

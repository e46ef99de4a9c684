"""Rows and cells of the tables in which evaluations are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from molaug.evaluation.records import Evaluation, Share

#: Files whose own columns are shown; of more only mean and spread are.
COLUMNS: Final = 3

#: How places are called.
PLACE_LABELS: Final = {
    "train": "in the train part",
    "validation": "in the validation part",
    "test": "in the test part",
    "elsewhere": "known elsewhere",
    "new": "new",
}


def empty_table(evaluation: Evaluation, *names: str) -> Table:
    """Return a table with a column for each file, or for their mean.

    Parameters
    ----------
    evaluation
        Of any number of files.
    *names
        Of the columns before those of the files.

    Returns
    -------
    Table
        Without rows.
    """
    table = Table(box=None, pad_edge=False)
    for k, name in enumerate(names):
        table.add_column(name, justify="left" if k < 2 else "right")
    n = len(evaluation.files)
    columns = [f"file {k}" for k in range(1, n + 1)] if n <= COLUMNS else []
    columns += [f"mean ± sd of {n}"] if n > 1 else []
    for column in columns:
        table.add_column(column, justify="right")
    return table


def put_row(
    table: Table, evaluation: Evaluation, head: tuple[str, ...], cells: Sequence[str], key: str, *, percentage: bool
) -> None:
    """Add a row with one cell for each file.

    Parameters
    ----------
    table
        As :func:`empty_table` made it.
    evaluation
        Whose files they are.
    head
        The cells before those of the files.
    cells
        One for each file.
    key
        Of the figure in the summary.
    percentage
        The figure is a share.
    """
    shown = cells if len(cells) <= COLUMNS else []
    mean = [_mean(evaluation, key, percentage=percentage)] if len(cells) > 1 else []
    table.add_row(*head, *shown, *mean)


def _mean(evaluation: Evaluation, key: str, *, percentage: bool) -> str:
    figure = evaluation.summary().get(key)
    if figure is None:
        return "–"
    spread = figure.sd or 0.0
    return f"{100 * figure.mean:.2f} ± {100 * spread:.2f} %" if percentage else f"{figure.mean:.4g} ± {spread:.2g}"


def percent(share: Share) -> str:
    """Write a share with its denominator.

    Parameters
    ----------
    share
        Of anything.

    Returns
    -------
    str
        A dash of nothing.
    """
    return "–" if share.value is None else f"{share.count:,} / {share.of:,} = {100 * share.value:.2f} %"


def number(value: float | None) -> str:
    """Write a number with four digits.

    Parameters
    ----------
    value
        Any.

    Returns
    -------
    str
        A dash where there is none.
    """
    return "–" if value is None else f"{value:.4g}"

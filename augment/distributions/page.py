"""A comparison as HTML: a table, and histograms of base and new over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from molaug.charts import SERIES, steps
from molaug.distributions.comparison import Comparison, Line

#: Types of each quantity that are drawn for each group, those with most new values.
_DRAWN = {"bond length": 8, "bond angle": 4, "torsion": 4}

#: Bins of a drawing at most: finer ones cannot be told apart in it.
_DRAWN_BINS = 50


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A histogram with its captions.

    Parameters
    ----------
    title
        Quantity and type.
    caption
        Distances and numbers of values.
    svg
        The drawing.
    """

    title: str
    caption: str
    svg: Markup


def page(comparison: Comparison) -> str:
    """Return a comparison as a page that needs nothing else.

    Parameters
    ----------
    comparison
        Any.

    Returns
    -------
    str
        HTML: no scripts, no network, no dates.
    """
    environment = Environment(
        loader=PackageLoader("molaug"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("compare.html.j2").render(
        comparison=comparison, sections=sections(comparison), series=SERIES
    )


@dataclass(frozen=True, kw_only=True)
class Section:
    """A group of new rows beside the base.

    Parameters
    ----------
    group
        Its name.
    read
        Its rows.
    drawn
        Those that were compared.
    header
        Of the table.
    table
        Texts.
    figures
        Histograms.
    """

    group: str
    read: int
    drawn: int
    header: Sequence[str]
    table: Sequence[Sequence[str]]
    figures: Sequence[Figure]


def sections(comparison: Comparison, most: int = 12) -> list[Section]:
    """Return the parts of a page.

    Parameters
    ----------
    comparison
        Any.
    most
        Types of each quantity and group in the tables at most.

    Returns
    -------
    list of Section
        One for each group.
    """
    header, *table = comparison.table(most)
    return [
        Section(
            group=group,
            read=read,
            drawn=kept,
            header=header[1:],
            table=[row[1:] for row in table if row[0] == group],
            figures=_figures(comparison.of(group), comparison.min_samples),
        )
        for group, (read, kept) in comparison.rows.items()
    ]


def drawn(line: Line) -> str:
    """Draw the histogram of a line.

    Parameters
    ----------
    line
        Of a comparison.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    counts = line.histogram
    shares = {name: _coarse(n) / max(int(n.sum()), 1) for name, n in (("base", counts.base), ("new", counts.new))}
    low, high = counts.low, counts.high
    if low == high:  # one bin, drawn with some width
        low, high = low - 0.5, high + 0.5
    low = 0.0 if 0 < low < 1e-3 * high else low  # the label of a torsion of 1e-6°
    return steps(shares, low, high, f"{line.quantity}, {line.kind}: base and {line.group}", line.unit)


def _coarse(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    whole = -(-len(counts) // _DRAWN_BINS)
    starts = np.arange(0, len(counts), whole)
    return np.asarray(np.add.reduceat(counts, starts), dtype=np.float64)


def _figures(lines: Sequence[Line], least: int) -> list[Figure]:
    figures: list[Figure] = []
    count: dict[str, int] = {}
    for line in lines:
        if line.n_new < least or count.get(line.quantity, 0) == _DRAWN.get(line.quantity, 3):
            continue
        count[line.quantity] = count.get(line.quantity, 0) + 1
        figures.append(
            Figure(
                title=f"{line.quantity[0].upper()}{line.quantity[1:]}: {line.kind}",
                caption=_caption(line),
                svg=Markup(drawn(line)),  # noqa: S704 -- charts escape their labels
            )
        )
    return figures


def _caption(line: Line) -> str:
    sizes = f"{line.n_base:,} values of the base, {line.n_new:,} new"
    if line.js is None or line.js_by_chance is None or line.kl is None or line.wasserstein is None:
        return f"too few for distances; {sizes}"
    return (
        f"JS {line.js:.3g} ({line.js_by_chance:.2g} by chance), KL {line.kl:.3g} bits, "
        f"W1 {line.wasserstein:.3g} {line.unit}; {sizes}"
    )

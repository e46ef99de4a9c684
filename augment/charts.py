"""Charts as inline SVG: text of fixed precision, so that equal numbers give equal bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

#: Rows kept; then rows lost to each stage, later ones darker.
KEPT = "#0b7a75"
LOST = ("#dfe3e8", "#c9d0d8", "#b0bac5", "#95a2b0", "#7a8999", "#5f7082", "#45566a")

#: Series of a histogram in their order: base, new.
SERIES = ("#95a2b0", KEPT)

_FONT = 'font-family="system-ui, sans-serif" font-size="11" fill="#3b4652"'


def stacked_bars(rows: Mapping[str, Sequence[tuple[str, int]]], colours: Mapping[str, str], width: int = 760) -> str:
    """Draw one horizontal bar for each row, all to one scale.

    Parameters
    ----------
    rows
        For each row its segments: what they are and how much.
    colours
        Fill by segment.
    width
        Of the drawing, in pixels.

    Returns
    -------
    str
        An ``<svg>`` element.

    Examples
    --------
    >>> stacked_bars({"amons": [("kept", 3), ("lost", 1)]}, {"kept": "#000", "lost": "#ccc"}).count("<rect")
    2
    """
    left, right, step, thick = 110, 60, 30, 18
    largest = max((sum(n for _, n in segments) for segments in rows.values()), default=0) or 1
    scale = (width - left - right) / largest
    parts = []
    for k, (name, segments) in enumerate(rows.items()):
        y, x = step * k + 6, float(left)
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end" {_FONT}>{escape(name)}</text>')
        for what, n in segments:
            if n <= 0:
                continue
            long = n * scale
            parts.append(
                f'<rect x="{x:.2f}" y="{y}" width="{max(long - 1, 0.5):.2f}" height="{thick}" rx="1.5" '
                f'fill="{colours[what]}"><title>{escape(name)}: {n:,} {escape(what)}</title></rect>'
            )
            x += long
        total = sum(n for _, n in segments)
        parts.append(f'<text x="{x + 6:.2f}" y="{y + 13}" {_FONT}>{total:,}</text>')
    return _svg(width, step * len(rows) + 6, parts, f"rows of {len(rows)} generators by what became of them")


def grouped_bars(
    labels: Sequence[str], series: Mapping[str, Sequence[float]], title: str, width: int = 370, height: int = 190
) -> str:
    """Draw a bar for each label and series, as percentages.

    Parameters
    ----------
    labels
        Of the groups, from left to right.
    series
        For each series, a share between 0 and 1 for each label.
    title
        What is drawn.
    width
        Of the drawing, in pixels.
    height
        Likewise.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    left, bottom, top = 38, 24, 10
    inner, tall = width - left - 6, height - bottom - top
    highest = max((value for values in series.values() for value in values), default=0.0) or 1.0
    slot = inner / max(len(labels), 1)
    thick = min(slot * 0.8 / max(len(series), 1), 18.0)
    parts = _axis(left, top, tall, inner, highest)
    every = -(-len(labels) * 22 // inner) or 1  # as many labels as there is room for
    for k, label in enumerate(labels):
        middle = left + slot * (k + 0.5)
        if k % every == 0:
            parts.append(f'<text x="{middle:.2f}" y="{height - 8}" text-anchor="middle" {_FONT}>{escape(label)}</text>')
        for s, (name, values) in enumerate(series.items()):
            high = tall * values[k] / highest
            if high > 0:
                parts.append(
                    f'<rect x="{middle + thick * (s - len(series) / 2):.2f}" y="{top + tall - high:.2f}" '
                    f'width="{max(thick - 1, 0.5):.2f}" height="{high:.2f}" fill="{SERIES[s]}">'
                    f"<title>{escape(label)}, {escape(name)}: {values[k]:.1%}</title></rect>"
                )
    return _svg(width, height, parts, title)


def histogram(
    series: Mapping[str, NDArray[np.float64]],
    title: str,
    unit: str,
    bins: int = 40,
    width: int = 370,
    height: int = 190,
) -> str:
    """Draw the distributions of several samples over common bins, as percentages of each sample.

    Parameters
    ----------
    series
        Samples by name; empty ones are left out of the drawing.
    title
        What is drawn.
    unit
        Of the values.
    bins
        Number of bins of equal width from the smallest to the largest value.
    width
        Of the drawing, in pixels.
    height
        Likewise.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    everything = np.concatenate([np.zeros(0), *series.values()])
    low, high = (float(everything.min()), float(everything.max())) if everything.size else (0.0, 1.0)
    high = high if high > low else low + 1.0
    shares = {
        name: np.histogram(values, bins=bins, range=(low, high))[0] / max(values.size, 1)
        for name, values in series.items()
    }
    return steps(shares, low, high, title, unit, width, height)


def steps(
    shares: Mapping[str, NDArray[np.float64]],
    low: float,
    high: float,
    title: str,
    unit: str,
    width: int = 370,
    height: int = 190,
) -> str:
    """Draw histograms over common bins over each other, as percentages.

    Parameters
    ----------
    shares
        For each series the share of each bin, between 0 and 1; series without any are left out of the drawing.
    low
        Left edge of the first bin.
    high
        Right edge of the last bin.
    title
        What is drawn.
    unit
        Of the values.
    width
        Of the drawing, in pixels.
    height
        Likewise.

    Returns
    -------
    str
        An ``<svg>`` element.

    Examples
    --------
    >>> steps({"base": np.array([0.2, 0.8])}, 0.0, 1.0, "lengths", "Å").count("<polygon")
    1
    """
    left, bottom, top = 38, 24, 10
    inner, tall = width - left - 6, height - bottom - top
    highest = max((float(values.max()) for values in shares.values()), default=0.0) or 1.0
    parts = _axis(left, top, tall, inner, highest)
    for s, (name, values) in enumerate(shares.items()):
        if not values.any():
            continue
        points = [f"{left:.2f},{top + tall:.2f}"]
        for k, value in enumerate(values):
            y = top + tall * (1 - value / highest)
            points += [f"{left + inner * edge / len(values):.2f},{y:.2f}" for edge in (k, k + 1)]
        points.append(f"{left + inner:.2f},{top + tall:.2f}")
        parts.append(
            f'<polygon points="{" ".join(points)}" fill="{SERIES[s]}" fill-opacity="0.35" stroke="{SERIES[s]}" '
            f'stroke-width="1.5"><title>{escape(name)}</title></polygon>'
        )
    for place, value, anchor in ((left, low, "start"), (left + inner, high, "end")):
        parts.append(
            f'<text x="{place}" y="{height - 8}" text-anchor="{anchor}" {_FONT}>{value:.4g} {escape(unit)}</text>'
        )
    return _svg(width, height, parts, title)


def against_diagonal(
    series: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    title: str,
    across: str,
    up: str,
    low: float = 0.0,
    high: float = 1.0,
    size: int = 240,
) -> str:
    """Draw lines through points in a square, and the diagonal on which they should lie.

    Parameters
    ----------
    series
        Two at most: places across and up by name, shape (n_points,) each; what lies outside is left out.
    title
        What is drawn.
    across
        What is measured from left to right.
    up
        What is measured from below.
    low
        Of both axes.
    high
        Of both axes.
    size
        Of the drawing, in pixels.

    Returns
    -------
    str
        An ``<svg>`` element.

    Examples
    --------
    >>> half = np.array([0.0, 0.5, 1.0])
    >>> against_diagonal({"all": (half, half)}, "calibration", "expected", "observed").count("<circle")
    3
    """
    left, bottom, top = 44, 36, 10
    side = size - left - top
    span = (high - low) or 1.0
    parts = [
        f'<rect x="{left}" y="{top}" width="{side}" height="{size - bottom - top}" fill="none" stroke="#e3e7ec"/>',
        f'<line x1="{left}" y1="{size - bottom}" x2="{left + side}" y2="{top}" stroke="{LOST[2]}" stroke-width="1"/>',
    ]
    for s, (name, (xs, ys)) in enumerate(series.items()):
        inside = (xs >= low) & (xs <= high) & (ys >= low) & (ys <= high)
        points = [
            (left + side * (x - low) / span, size - bottom - (size - bottom - top) * (y - low) / span)
            for x, y in zip(xs[inside].tolist(), ys[inside].tolist(), strict=True)
        ]
        colour = SERIES[::-1][s]
        line = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"><title>{escape(name)}</title>'
            "</polyline>"
        )
        parts += [f'<circle cx="{x:.2f}" cy="{y:.2f}" r="2.5" fill="{colour}"/>' for x, y in points]
    parts += [
        f'<text x="{left}" y="{size - 22}" text-anchor="middle" {_FONT}>{low:.3g}</text>',
        f'<text x="{left + side}" y="{size - 22}" text-anchor="end" {_FONT}>{high:.3g}</text>',
        f'<text x="{left - 5}" y="{top + 9}" text-anchor="end" {_FONT}>{high:.3g}</text>',
        f'<text x="{left + side / 2:.2f}" y="{size - 6}" text-anchor="middle" {_FONT}>{escape(across)}</text>',
    ]
    middle = f'transform="translate(12 {(size - bottom + top) / 2:.2f}) rotate(-90)"'
    parts.append(f'<text {middle} text-anchor="middle" {_FONT}>{escape(up)}</text>')
    return _svg(size, size, parts, title)


def _axis(left: int, top: int, tall: int, inner: int, highest: float) -> list[str]:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = top + tall * (1 - share)
        parts.append(f'<line x1="{left}" x2="{left + inner}" y1="{y:.2f}" y2="{y:.2f}" stroke="#e3e7ec"/>')
        parts.append(
            f'<text x="{left - 5}" y="{y + 4:.2f}" text-anchor="end" {_FONT}>{100 * share * highest:.3g}%</text>'
        )
    return parts


def _svg(width: int, height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )

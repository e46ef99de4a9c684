"""Two datasets compared quantity by quantity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molaug.distributions.measures import SMOOTHING, Histogram

#: Types of one quantity that tables show, those with most new values.
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Line:
    """One quantity of one group of new rows beside the base.

    Parameters
    ----------
    group
        Of the new rows.
    quantity
        For instance ``bond length``.
    kind
        For instance ``C-H``; the level of theory of energies and forces.
    unit
        Of the values.
    n_base
        Values of the base.
    n_new
        Values of the group.
    mean_base
        Mean; None without values.
    mean_new
        Likewise.
    std_base
        Standard deviation; None without values.
    std_new
        Likewise.
    js
        Jensen–Shannon divergence in bits, in [0, 1]; None where either side has too few values, as the other distances.
    js_by_chance
        What two samples of these sizes of one distribution would have.
    kl
        Kullback–Leibler divergence D(new‖base) in bits.
    wasserstein
        Wasserstein-1 distance in the unit of the values.
    histogram
        Counts over common bins.
    """

    group: str
    quantity: str
    kind: str
    unit: str
    n_base: int
    n_new: int
    mean_base: float | None
    mean_new: float | None
    std_base: float | None
    std_new: float | None
    js: float | None
    js_by_chance: float | None
    kl: float | None
    wasserstein: float | None
    histogram: Histogram

    @property
    def bins(self) -> int:
        """Number of bins of the histograms."""
        return self.histogram.bins


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How groups of new rows differ from a base.

    Parameters
    ----------
    base
        Name of the base.
    new
        Name of what is compared with it.
    by
        Column by which new rows are grouped; None for one group.
    base_rows
        Rows of the base that were read, and how many of them were drawn.
    rows
        The same for each group.
    max_rows
        Rows drawn at most of the base and of each group.
    min_samples
        Values on either side below which no distance is given.
    lines
        By group, quantity and type, those with most new values first.
    """

    base: str
    new: str
    by: str | None
    base_rows: tuple[int, int]
    rows: Mapping[str, tuple[int, int]]
    max_rows: int
    min_samples: int
    lines: tuple[Line, ...]

    @property
    def groups(self) -> list[str]:
        """Names of the groups of new rows."""
        return list(self.rows)

    def of(self, group: str, quantity: str | None = None) -> list[Line]:
        """Return the lines of a group.

        Parameters
        ----------
        group
            One of :attr:`groups`.
        quantity
            One quantity; all by default.

        Returns
        -------
        list of Line
            In order.
        """
        return [line for line in self.lines if line.group == group and quantity in (None, line.quantity)]

    def shown(self, most: int | None = _SHOWN) -> list[Line]:
        """Return the lines that tables show.

        Parameters
        ----------
        most
            Types of each quantity and group at most; None for all.

        Returns
        -------
        list of Line
            Those with most new values.
        """
        count: dict[tuple[str, str], int] = {}
        lines = []
        for line in self.lines:
            key = line.group, line.quantity
            count[key] = count.get(key, 0) + 1
            if most is None or count[key] <= most:
                lines.append(line)
        return lines

    def table(self, most: int | None = _SHOWN) -> list[list[str]]:
        """Return the comparison as rows of text, the first being the header.

        Parameters
        ----------
        most
            Types of each quantity and group at most; None for all.

        Returns
        -------
        list of list of str
            A distance that too few values allow is said to be so.
        """
        header = ["group", "quantity", "type", "unit", "n base", "n new", "mean base", "mean new", "std base"]
        table = [[*header, "std new", "bins", "JS", "JS by chance", "KL", "W1"]]
        for line in self.shown(most):
            few = "too few" if line.js is None else ""
            table.append(
                [
                    *(line.group, line.quantity, line.kind, line.unit, str(line.n_base), str(line.n_new)),
                    *map(_number, (line.mean_base, line.mean_new, line.std_base, line.std_new)),
                    str(line.bins),
                    *(few or _number(value) for value in (line.js, line.js_by_chance, line.kl, line.wasserstein)),
                ]
            )
        return table

    def text(self, most: int | None = _SHOWN) -> str:
        """Return the table with aligned columns, and below it what its columns are.

        Parameters
        ----------
        most
            Types of each quantity and group at most; None for all.

        Returns
        -------
        str
            Several lines.
        """
        table = self.table(most)
        widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
        lines = [
            "  ".join(c.ljust(w) if k < 4 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in table
        ]
        left = len(self.lines) - len(table) + 1
        rare = [f"{left} rarer types are not shown"] if left else []
        return "\n".join([*(line.rstrip() for line in lines), *rare, "", self.legend()])

    def legend(self) -> str:
        """Return what the columns of the table are.

        Returns
        -------
        str
            Sentences.
        """
        read = [
            f"{n:,} of {seen:,} rows of {name}" for name, (seen, n) in [("base", self.base_rows), *self.rows.items()]
        ]
        return (
            f"Compared: {', '.join(read)} (at most {self.max_rows:,} of each, drawn by lot). "
            "JS: Jensen–Shannon divergence in bits, 0 for equal and 1 for disjoint histograms; by chance: that of two "
            "samples of these sizes of one distribution. "
            f"KL: Kullback–Leibler divergence of new from base in bits, {SMOOTHING:g} added to each count. "
            "W1: Wasserstein distance of the values in their unit. "
            f"Too few: less than {self.min_samples} values on either side.{self._levels()}"
        )

    def _levels(self) -> str:
        """Say that labels of the two sides are of different levels of theory."""
        labels = [line for line in self.lines if line.quantity in ("energy per atom", "force")]
        base = {line.kind for line in labels if line.n_base}
        new = {line.kind for line in labels if line.n_new}
        if not base or not new or base & new:
            return ""
        return (
            f" Energies and forces are not compared: those of the base are of {', '.join(sorted(base))}, the new ones "
            f"of {', '.join(sorted(new))}."
        )

    def to_json(self) -> str:
        """Return everything as JSON; equal comparisons give equal text.

        Returns
        -------
        str
            All lines with their histograms.
        """
        plain: dict[str, Any] = {
            "base": self.base,
            "new": self.new,
            "by": self.by,
            "base_rows": dict(zip(("read", "drawn"), self.base_rows, strict=True)),
            "rows": {name: dict(zip(("read", "drawn"), rows, strict=True)) for name, rows in self.rows.items()},
            "max_rows": self.max_rows,
            "min_samples": self.min_samples,
            "smoothing": SMOOTHING,
            "lines": [_plain(line) for line in self.lines],
        }
        return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def svg(self, quantity: str, kind: str, group: str | None = None) -> str:
        """Draw one histogram, base and new over each other.

        Parameters
        ----------
        quantity
            For instance ``bond length``.
        kind
            For instance ``C-H``.
        group
            Of the new rows; the first by default.

        Returns
        -------
        str
            An ``<svg>`` element.

        Raises
        ------
        KeyError
            If there is no such line.
        """
        from molaug.distributions.page import drawn

        name = group if group is not None else next(iter(self.groups), "")
        for line in self.of(name, quantity):
            if line.kind == kind:
                return drawn(line)
        known = sorted({f"{line.quantity} {line.kind}" for line in self.of(name)})
        raise KeyError(f"no {quantity!r} of {kind!r} in group {name!r}; there are {', '.join(known) or 'none'}")

    def to_html(self, path: str | Path) -> Path:
        """Write a page with the table and the histograms that needs nothing else.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        Path
            The file; equal comparisons give equal bytes.
        """
        from molaug.distributions.page import page
        from molaug.shards import write_text

        write_text(Path(path), page(self))
        return Path(path)


def _plain(line: Line) -> dict[str, Any]:
    plain = {name: getattr(line, name) for name in Line.__dataclass_fields__ if name != "histogram"}
    counts = line.histogram
    return {
        **plain,
        "bins": counts.bins,
        "histogram": {
            "low": counts.low,
            "high": counts.high,
            "base": counts.base.tolist(),
            "new": counts.new.tolist(),
        },
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

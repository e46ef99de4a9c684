"""Two datasets compared quantity by quantity."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.distributions.layouts import Layouts
from molaug.distributions.measures import (
    SMOOTHING,
    Histogram,
    chance_level,
    histogram,
    jensen_shannon,
    kullback_leibler,
    wasserstein,
)
from molaug.distributions.quantities import QUANTITIES, UNITS, Values, values
from molaug.distributions.sampling import Minima, RowSample, molecule_keys
from molaug.registry import nearest
from molaug.structures import Structures
from molaug.structures.datasets import Dataset, open_dataset

#: Rows drawn of the base, and of each group of new rows.
MAX_ROWS = 5_000

#: Molecules whose lowest energies are held.
MAX_MOLECULES = 1_000_000

#: Values on either side below which no distance is given.
MIN_SAMPLES = 30

#: Groups of new rows.
_MAX_GROUPS = 64

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
            f"Too few: less than {self.min_samples} values on either side."
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


class Collector:
    """Takes in rows of a base and of groups of new rows as they stream by, in bounded memory.

    Parameters
    ----------
    quantities
        Of :data:`molaug.distributions.QUANTITIES`.
    max_rows
        Rows drawn of the base and of each group; see :class:`molaug.distributions.sampling.RowSample`.

    Raises
    ------
    ValueError
        If a quantity is unknown or no row may be drawn.
    """

    def __init__(self, quantities: Iterable[str] = tuple(QUANTITIES), max_rows: int = MAX_ROWS) -> None:
        self.quantities = [quantities] if isinstance(quantities, str) else list(quantities)
        for name in self.quantities:
            if name not in QUANTITIES:
                raise ValueError(f"unknown quantity {name!r}; {nearest(name, list(QUANTITIES))}")
        if max_rows < 1:
            raise ValueError(f"max_rows is {max_rows}; expected at least 1")
        self.max_rows = max_rows
        self._base = RowSample(max_rows)
        self._new: dict[str, RowSample] = {}
        self._minima = Minima(MAX_MOLECULES)

    def add_base(self, rows: Structures) -> None:
        """Take in rows of the base.

        Parameters
        ----------
        rows
            Any; those that are rejected are passed over.
        """
        alive = rows if rows.alive.all() else rows.filter(rows.alive)
        self._base.add(alive)
        self._lowest(alive)

    def add_new(self, rows: Structures, groups: Sequence[str]) -> None:
        """Take in new rows.

        Parameters
        ----------
        rows
            Any; those that are rejected are passed over.
        groups
            One for each row.

        Raises
        ------
        ValueError
            If there are more groups than can be compared.
        """
        names = np.array(groups, dtype=object)
        for name in sorted(set(groups)):
            if name not in self._new and len(self._new) == _MAX_GROUPS:
                raise ValueError(f"more than {_MAX_GROUPS} groups; expected a column of few distinct values, as origin")
            chosen = rows.filter((names == name) & rows.alive)
            self._new.setdefault(name, RowSample(self.max_rows)).add(chosen)
            self._lowest(chosen)

    def comparison(
        self,
        base: str,
        new: str,
        *,
        by: str | None = "origin",
        bins: int = 100,
        min_samples: int = MIN_SAMPLES,
        order: Sequence[str] = (),
    ) -> Comparison:
        """Compare what was taken in.

        Parameters
        ----------
        base
            Name of the base.
        new
            Name of the new rows.
        by
            What the groups are.
        bins
            Of the histograms.
        min_samples
            Values on either side below which no distance is given.
        order
            Groups that come first; the others follow by name.

        Returns
        -------
        Comparison
            The same for any order of rows.

        Raises
        ------
        ValueError
            If ``bins`` or ``min_samples`` is below 1.
        """
        for what, number in (("bins", bins), ("min_samples", min_samples)):
            if number < 1:
                raise ValueError(f"{what} is {number}; expected at least 1")
        groups = [name for name in order if name in self._new]
        groups += sorted(set(self._new) - set(groups))
        layouts = Layouts()
        drawn = self._base.rows()
        old = values(drawn, self._minima, layouts, self.quantities)
        rows, lines = {}, []
        for name in groups:
            sample = self._new[name].rows()
            rows[name] = (self._new[name].seen, len(sample))
            found = values(sample, self._minima, layouts, self.quantities)
            lines += _lines(name, old, found, bins=bins, min_samples=min_samples)
        return Comparison(
            base=base,
            new=new,
            by=by,
            base_rows=(self._base.seen, len(drawn)),
            rows=rows,
            max_rows=self.max_rows,
            min_samples=min_samples,
            lines=tuple(lines),
        )

    def _lowest(self, rows: Structures) -> None:
        if "energies" in self.quantities and len(rows):
            energies = rows.array("energy")
            if np.isfinite(energies).any():
                self._minima.add(molecule_keys(rows), energies)


def compare_distributions(
    base: Any,
    new: Any,
    *,
    by: str | None = "origin",
    quantities: Iterable[str] = tuple(QUANTITIES),
    bins: int = 100,
    max_rows: int = MAX_ROWS,
    min_samples: int = MIN_SAMPLES,
) -> Comparison:
    r"""Compare the distributions of energies, bond lengths and other quantities of new rows with those of a base.

    The distances are the Jensen–Shannon and the Kullback–Leibler divergence of histograms over common bins and the
    Wasserstein-1 distance of the values (arXiv:2504.01685); see :mod:`molaug.distributions.measures`.

    - ``energies``: per atom; above the lowest energy of the molecule among all its rows of the same level of theory,
      base and new; and the ``sampling_energy`` of rows that have no label. Levels of theory are kept apart.
    - ``bonds``: lengths by type (``C-H``, ``C=C``, ``C:C`` where aromatic, ``C~C`` where the order cannot be told).
    - ``angles`` by the elements of their atoms, ``torsions`` likewise and without their sign.
    - ``contacts``: the nearest atoms of each row with more than two bonds between them.
    - ``forces``: their norms, atom by atom.

    Both sides stream. Of the base and of each group at most ``max_rows`` rows are looked at, those with the smallest
    keys of their ids: the result does not depend on the order of the rows. Rejected rows are passed over.

    Parameters
    ----------
    base
        A known name, a path, ``molaug.Structures``, a sequence of ``ase.Atoms`` or an open dataset.
    new
        What is compared with it, likewise.
    by
        Column by which new rows are grouped; None for one group.
    quantities
        Some of ``energies``, ``bonds``, ``angles``, ``torsions``, ``contacts`` and ``forces``.
    bins
        Of the histograms; they span the central 99.8% of both samples.
    max_rows
        Rows drawn at most of the base and of each group.
    min_samples
        Values on either side below which no distance is given.

    Returns
    -------
    Comparison
        With ``table()``, ``text()``, ``to_json()``, ``svg()`` and ``to_html(path)``.

    Raises
    ------
    ValueError
        If a quantity or the column is unknown, or a number is below 1.

    Examples
    --------
    >>> from ase.build import molecule
    >>> near, far = molecule("CH4"), molecule("CH4")
    >>> far.positions *= 1.1
    >>> result = compare_distributions([near], [far], quantities=["bonds"], min_samples=4)
    >>> [(line.kind, line.n_new, round(line.wasserstein, 3), line.js) for line in result.lines]
    [('C-H', 4, 0.109, 1.0)]
    """
    collector = Collector(quantities, max_rows)
    sides: tuple[Dataset, Dataset] = (open_dataset(base), open_dataset(new))
    for rows in sides[0].batches():
        collector.add_base(rows)
    name = sides[1].card.name
    for rows in sides[1].batches():
        collector.add_new(rows, [name] * len(rows) if by is None else _groups(rows, by, name))
    return collector.comparison(sides[0].card.name, name, by=by, bins=bins, min_samples=min_samples)


def _groups(rows: Structures, by: str, name: str) -> list[str]:
    if by not in rows.table.column_names:
        columns = [column for column in rows.table.column_names if column not in ("numbers", "positions", "forces")]
        raise ValueError(f"there is no column {by!r} to group by; {nearest(by, columns)}")
    return [
        name if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in rows.column(by)
    ]


def _lines(group: str, base: Values, new: Values, *, bins: int, min_samples: int) -> list[Line]:
    place = {name: k for k, name in enumerate(UNITS)}
    nothing = np.zeros(0)
    lines = [
        _line(group, key, base.get(key, nothing), new.get(key, nothing), bins, min_samples) for key in {**base, **new}
    ]
    return sorted(lines, key=lambda line: (place[line.quantity], -line.n_new, -line.n_base, line.kind))


def _line(
    group: str, key: tuple[str, str], base: NDArray[np.float64], new: NDArray[np.float64], bins: int, min_samples: int
) -> Line:
    # sorted first, so that sums do not depend on the order of the rows
    base, new = np.sort(base), np.sort(new)
    counts = histogram(base, new, bins)
    enough = min(base.size, new.size) >= min_samples
    quantity, kind = key
    return Line(
        group=group,
        quantity=quantity,
        kind=kind,
        unit=UNITS[quantity],
        n_base=base.size,
        n_new=new.size,
        mean_base=float(base.mean()) if base.size else None,
        mean_new=float(new.mean()) if new.size else None,
        std_base=float(base.std()) if base.size else None,
        std_new=float(new.std()) if new.size else None,
        js=jensen_shannon(counts.base, counts.new) if enough else None,
        js_by_chance=chance_level(counts.base, counts.new) if enough else None,
        kl=kullback_leibler(counts.new, counts.base) if enough else None,
        wasserstein=wasserstein(base, new) if enough else None,
        histogram=counts,
    )


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

"""From streams of rows to a comparison: what is drawn of either side, measured and counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.distributions.comparison import Comparison, Line
from molaug.distributions.layouts import Layouts
from molaug.distributions.measures import chance_level, histogram, jensen_shannon, kullback_leibler, wasserstein
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

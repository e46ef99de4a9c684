"""Rows with what a model and a base know of them: predicted energy, its uncertainty, and leverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from molaug.design.known import known_information
from molaug.filters.features import Features
from molaug.filters.uncertainty.model import UncertainModel
from molaug.filters.uncertainty.reliability import Reliability, reliability
from molaug.labels.levels import canonical_level
from molaug.registry import FEATURES, MODELS, Spec, build, check
from molaug.structures import Structures
from molaug.structures.datasets import open_dataset

#: Columns that are added, with their units.
COLUMNS = {"predicted_energy": "eV", "uncertainty": "eV", "leverage": ""}

#: Labels of one level below which errors are not compared with uncertainties.
_FEW = 20


def score(
    source: Any,
    *,
    base: Any = None,
    model: UncertainModel | Spec | None = None,
    features: Features | Spec | None = None,
    ridge: float = 1e-4,
) -> Iterator[Structures]:
    """Add columns to all rows of a dataset, batch by batch.

    ``predicted_energy`` and ``uncertainty`` in eV are the model's; ``leverage`` is fᵀM⁻¹f of the features f in the
    information matrix M of the base. They are null where a row was rejected or cannot be scored.

    Parameters
    ----------
    source
        A dataset by name or path, a :class:`~molaug.structures.datasets.Dataset`, or ``molaug.Structures``.
    base
        What is known, in the same forms; by default the source itself.
    model
        By name or as a mapping of the name to options (:data:`molaug.registry.MODELS`), or the object.
    features
        The same (:data:`molaug.registry.FEATURES`).
    ridge
        As a share of the mean eigenvalue of the information of the base.

    Yields
    ------
    Structures
        All rows, in order.

    Raises
    ------
    ValueError
        If neither a model nor features are given, or an option is wrong.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> scored = next(score(rows, base=rows.slice(0, 2), features="distances"))
    >>> (scored.array("leverage") > 1).tolist()
    [False, False, True]
    """
    if model is None and features is None:
        raise ValueError("neither a model nor features are given; expected at least one")
    asked: UncertainModel | None = None if model is None else build(MODELS, model, "model")
    describe: Features | None = None if features is None else build(FEATURES, features, "features")
    check(asked, "model")
    check(describe, "features")
    rows = open_dataset(source)
    known = None
    if describe is not None:
        known = known_information((rows if base is None else open_dataset(base)).batches(), describe, ridge)
    for batch in rows.batches():
        alive = np.flatnonzero(batch.alive)
        candidates = batch.take(alive)
        found: dict[str, NDArray[np.float64]] = {}
        if asked is not None:
            found["predicted_energy"], found["uncertainty"] = asked(candidates)
        if describe is not None and known is not None:
            vectors, there = describe(candidates)
            found["leverage"] = np.full(len(candidates), np.nan)
            found["leverage"][there] = known.leverage(vectors[there])
        columns = {}
        for name, values in found.items():
            whole = np.full(len(batch), np.nan)
            whole[alive] = values
            columns[name] = pa.array(whole, pa.float64(), mask=~np.isfinite(whole))
        yield batch.with_columns(columns)


@dataclass(kw_only=True)
class ScoreSummary:
    """What is said of scored rows, taken down while they pass.

    Parameters
    ----------
    n
        Rows.
    unscored
        Rows without a score, counted by the reason.
    values
        The scores, by column.
    errors
        Uncertainties and predictions less labels, in eV, by level of theory of the labels.
    level
        The level of theory that the model learned, where it knows it: labels of others are pointed out.
    """

    n: int = 0
    unscored: Counter[str] = field(default_factory=Counter)
    values: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    errors: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    level: str | None = None

    def watched(self, batches: Iterable[Structures]) -> Iterator[Structures]:
        """Hand on batches and take down their scores.

        Parameters
        ----------
        batches
            Of :func:`score`.

        Yields
        ------
        Structures
            The same.
        """
        for batch in batches:
            self._add(batch)
            yield batch

    def quantiles(self, name: str, at: Iterable[float] = (0.05, 0.5, 0.95, 0.99, 1.0)) -> NDArray[np.float64]:
        """Return quantiles of a score.

        Parameters
        ----------
        name
            The column.
        at
            Shares of the rows.

        Returns
        -------
        NDArray[np.float64]
            One for each share; NaN where no row has this score.
        """
        known = np.concatenate(self.values.get(name, [np.empty(0)]))
        shares = list(at)
        return np.quantile(known, shares) if len(known) else np.full(len(shares), np.nan)

    def mae(self, level: str) -> float:
        """Return the mean absolute error against the labels of a level.

        Parameters
        ----------
        level
            One of :attr:`errors`.

        Returns
        -------
        float
            In eV.
        """
        return float(np.abs(np.concatenate(self.errors[level], axis=1)[1]).mean())

    def reliability(self, level: str) -> Reliability | None:
        """Compare uncertainties with errors against the labels of a level.

        Parameters
        ----------
        level
            One of :attr:`errors`.

        Returns
        -------
        Reliability or None
            None for fewer than 20 labels with an uncertainty above 0.
        """
        sigma, off = np.concatenate(self.errors[level], axis=1)
        usable = sigma > 0
        return reliability(sigma[usable], off[usable]) if int(usable.sum()) >= _FEW else None

    def text(self) -> str:
        """Lay out counts, quantiles and what labels say of the uncertainties.

        Returns
        -------
        str
            Lines.
        """
        lines = [f"{self.n:,} rows"]
        lines += [f"  without a score: {count:,}, {reason}" for reason, count in sorted(self.unscored.items())]
        if self.values:
            lines.append(f"{'':18}{'5 %':>11}{'median':>11}{'95 %':>11}{'99 %':>11}{'largest':>11}")
        for name in self.values:
            unit = COLUMNS.get(name, "")
            cells = "".join(f"{value:>11.4g}" for value in self.quantiles(name))
            lines.append(f"{name:<18}{cells}{f'  {unit}' if unit else ''}")
        for level in sorted(self.errors):
            n = sum(part.shape[1] for part in self.errors[level])
            lines.append(f"against {n:,} labels ({level}): MAE {1000 * self.mae(level):.4g} meV")
            if self.level is not None and canonical_level(level) != canonical_level(self.level):
                lines.append(f"  the model learned {self.level}: what the levels differ by is among its errors")
            found = self.reliability(level)
            if found is not None:
                lines.append(
                    f"  uncertainty: ENCE {found.ence:.3f}, mean (error / uncertainty)² {found.zms:.3g}, "
                    f"miscalibration area {found.miscalibration_area:.3f}, {100 * found.coverage68:.1f} % of errors "
                    "within one σ (68.3 expected)"
                )
                lines.append(
                    f"  ranking: AUROC of the worst {100 * found.top:.0f} % {found.auroc:.3f}, found among the most "
                    f"uncertain {100 * found.hit_rate:.0f} % of them, Spearman {found.spearman:.3f} (at best "
                    f"{found.spearman_ceiling:.3f})"
                )
        return "\n".join(lines)

    def _add(self, batch: Structures) -> None:
        self.n += len(batch)
        there = {name: batch.array(name) for name in COLUMNS if name in batch.extra_columns}
        alive, geometry = batch.alive, batch.has_geometry
        for name, numbers in there.items():
            finite = np.isfinite(numbers)
            self.values.setdefault(name, []).append(numbers[finite])
            if name == "predicted_energy":
                continue  # counted with its uncertainty
            without = alive & ~finite
            self.unscored.update({f"{name}: no geometry": int((without & ~geometry).sum())})
            why = "the model cannot tell" if name == "uncertainty" else "no features"
            self.unscored.update({f"{name}: {why}": int((without & geometry).sum())})
        self.unscored.update({"rejected before": int((~alive).sum())})
        self.unscored = +self.unscored  # without those that are nought
        if "uncertainty" not in there:
            return
        off = there["predicted_energy"] - batch.array("energy")
        compared = np.isfinite(off) & np.isfinite(there["uncertainty"])
        levels = np.array([level or "level unknown" for level in batch.column("level")], dtype=object)
        for level in sorted(set(levels[compared].tolist())):
            which = compared & (levels == level)
            self.errors.setdefault(level, []).append(np.stack([there["uncertainty"][which], off[which]]))

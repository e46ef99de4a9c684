"""The removal of the most redundant rows of a database."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from molaug.filters.design.elimination import eliminate
from molaug.filters.design.feasibility import Feasibility, feasibility
from molaug.filters.design.selectors import check_ridge
from molaug.filters.features import Features
from molaug.filters.information import Information
from molaug.filters.ranking import ranking
from molaug.pruning.cost import PredictedCost
from molaug.pruning.measured import MeasuredCost, measured_cost
from molaug.registry import FEATURES, Spec, build, check, specification
from molaug.structures import Structures
from molaug.structures.datasets import Dataset, open_dataset

#: What is held out as a whole.
Split = Literal["molecule", "structure"]

_BATCH = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Pruned:
    """A database without its most redundant rows, and what their removal costs.

    Parameters
    ----------
    kept
        Rows that stay, in their order; those without features are among them.
    removed
        Rows that go, in the order of their removal, with their leverage against those kept in the column ``leverage``
        and their reason; behind them rows that were rejected before.
    features
        Name and options of the features.
    keep
        Share of the rows with features that stays.
    ridge
        ς², in the units of the features.
    seed
        Of the random removals.
    rejected_before
        Rows that came with a reason.
    without_features
        Rows that stay because nothing is known of them.
    predicted
        Cost of the removal.
    at_random
        Cost of as many rows removed at random, once for each draw.
    feasibility
        What the rows kept can be trained on, with the whole database as the target.
    measured
        Errors of regressions; None unless asked for.
    """

    kept: Structures
    removed: Structures
    features: dict[str, Any]
    keep: float
    ridge: float
    seed: int
    rejected_before: int
    without_features: int
    predicted: PredictedCost
    at_random: tuple[PredictedCost, ...]
    feasibility: Feasibility
    measured: MeasuredCost | None

    def text(self) -> str:
        """Lay out what was removed and what it costs.

        Returns
        -------
        str
            Lines and tables.
        """
        from molaug.pruning.table import text

        return text(self)

    def to_json(self) -> str:
        """Write all figures.

        Returns
        -------
        str
            JSON, without the rows; numbers that are not finite are null.
        """
        report = {
            "rows": {
                "kept": len(self.kept),
                "removed": self.predicted.n_removed,
                "rejected_before": self.rejected_before,
                "without_features": self.without_features,
            },
            "features": self.features,
            "keep": self.keep,
            "ridge": self.ridge,
            "seed": self.seed,
            "predicted": asdict(self.predicted),
            "at_random": [asdict(cost) for cost in self.at_random],
            "feasibility": {**asdict(self.feasibility), "words": self.feasibility.words},
            "measured": None if self.measured is None else asdict(self.measured),
        }
        return json.dumps(_finite(report), indent=2, ensure_ascii=False) + "\n"

    def save(self, folder: str | Path) -> Path:
        """Write the rows and the report.

        Parameters
        ----------
        folder
            Gets ``kept.parquet``, ``removed.parquet`` and ``report.json``.

        Returns
        -------
        Path
            The folder.
        """
        out = Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        self.kept.to_parquet(out / "kept.parquet")
        self.removed.to_parquet(out / "removed.parquet")
        (out / "report.json").write_text(self.to_json(), encoding="utf-8")
        return out


def prune(
    database: Structures | Dataset | str | Path,
    *,
    keep: float = 0.7,
    features: Features | Spec = "distances",
    ridge: float = 1e-4,
    draws: int = 5,
    measure: bool = False,
    level: str | None = None,
    split: Split = "molecule",
    seeds: int = 5,
    seed: int = 0,
) -> Pruned:
    """Remove the rows of a database of which a model that is linear in their features loses least.

    Always the row of the smallest loss -ln(1 - fᵀM⁻¹f) of ln det M goes, given what went before; this is exact. Neither
    the order of the rows nor the seed matter to it: of equal rows the one of the smallest id goes first.

    Parameters
    ----------
    database
        Rows in memory, a dataset, a known name or a path.
    keep
        Share of the rows that stays.
    features
        By name or as a mapping of the name to options (:data:`molaug.registry.FEATURES`), or the object.
    ridge
        As a share of the mean eigenvalue of FᵀF.
    draws
        Removals at random with which the cost is compared.
    measure
        Also train regressions on the energies, see :func:`molaug.pruning.measured_cost`.
    level
        Level of theory of these energies; by default that of all rows, which must then be one.
    split
        What is held out as a whole in this measurement: ``molecule``, by its SMILES or else its formula; or
        ``structure``, each by itself, for many geometries of few molecules.
    seeds
        Test parts of this measurement.
    seed
        Of everything random in the comparisons.

    Returns
    -------
    Pruned
        The rows and the costs.

    Raises
    ------
    ValueError
        If an option is out of its range, or so few rows have features that none can go or stay.

    References
    ----------
    V. V. Fedorov, Theory of Optimal Experiments, Academic Press 1972.

    Examples
    --------
    >>> lengths = (0.70, 0.71, 0.72, 0.74, 2.0)
    >>> rows = Structures.from_arrays([[1, 1]] * 5, [[[0, 0, 0], [0, 0, d]] for d in lengths])
    >>> found = prune(rows, keep=0.4)
    >>> found.kept.positions[1::2, 2].tolist()
    [0.74, 2.0]
    """
    if not 0 < keep < 1:
        raise ValueError(f"keep is {keep}; expected a share between 0 and 1")
    if split not in get_args(Split):
        raise ValueError(f"split is {split!r}; expected {' or '.join(map(repr, get_args(Split)))}")
    check_ridge(ridge)
    if draws < 1:
        raise ValueError(f"draws is {draws}; expected at least 1")
    describe: Features = build(FEATURES, features, "features")
    check(describe, "features")
    whole = open_dataset(database).read()
    rows = whole.filter(whole.alive)
    by_id = np.array(sorted(range(len(rows)), key=rows.ids.__getitem__), dtype=np.int64)
    vectors, there = _described(rows.take(by_id), describe)
    judged = by_id[there]  # their rows, in the order of their ids
    n_removed = len(judged) - round(keep * len(judged))
    if not 0 < n_removed < len(judged):
        raise ValueError(
            f"{len(judged)} of {len(rows)} rows have the features {describe.name!r}, and {keep:g} of them are to stay; "
            "expected that at least one goes and one stays"
        )
    known = Information.of(vectors).regularised(ridge)
    removed = eliminate(vectors, known.ridge, n_removed)
    of_kept = Information.of(np.delete(vectors, removed, axis=0), known.ridge)
    ids = rows.take(judged).ids
    draws_removed = [ranking(ids, seed, f"prune/{draw}")[:n_removed] for draw in range(draws)]
    measured = _measured(rows.take(judged), vectors, keep, ridge, level, split, seeds, seed) if measure else None
    stays = np.ones(len(rows), dtype=bool)
    stays[judged[removed]] = False
    return Pruned(
        kept=rows.filter(stays),
        removed=Structures.concat(
            [_with_reasons(rows.take(judged[removed]), of_kept.leverage(vectors[removed])), whole.filter(~whole.alive)]
        ),
        features=specification(describe, FEATURES),
        keep=keep,
        ridge=known.ridge,
        seed=seed,
        rejected_before=len(whole) - len(rows),
        without_features=len(rows) - len(judged),
        predicted=PredictedCost.of(vectors, removed, known),
        at_random=tuple(PredictedCost.of(vectors, drawn, known) for drawn in draws_removed),
        feasibility=feasibility(of_kept, vectors),
        measured=measured,
    )


def _described(rows: Structures, describe: Features) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the features of the rows that have some, and which these are."""
    parts, there = [], []
    for batch in rows.batches(_BATCH):
        vectors, has_some = describe(batch)
        parts.append(vectors[has_some])
        there.append(has_some)
    if not parts:
        raise ValueError("the database has no rows; expected at least two")
    return np.concatenate(parts), np.concatenate(there)


def _with_reasons(removed: Structures, leverage: NDArray[np.float64]) -> Structures:
    reasons = [f"prune: the others know it, its leverage against the rows kept is {h:.3g}" for h in leverage.tolist()]
    return removed.with_columns({"leverage": pa.array(leverage, pa.float64())}).reject(reasons)


def _measured(
    rows: Structures,
    vectors: NDArray[np.float32],
    keep: float,
    ridge: float,
    level: str | None,
    split: Split,
    seeds: int,
    seed: int,
) -> MeasuredCost:
    levels = np.array(rows.column("level"), dtype=object)
    labelled = np.isfinite(rows.array("energy"))
    if level is not None:
        labelled &= levels == level
    found = sorted({str(name) for name in levels[labelled]})
    if len(found) != 1:
        named = f"level {level!r}" if level is not None else "any level"
        raise ValueError(
            f"energies of {len(found)} levels ({', '.join(found) or 'none'}) where {named} was asked for; expected "
            "one: choose it by level, or leave out the measurement"
        )
    which = np.flatnonzero(labelled)
    chosen = rows.take(which)
    elements, place = np.unique(chosen.numbers, return_inverse=True)
    cells = np.repeat(np.arange(len(chosen)), chosen.n_atoms) * len(elements) + place
    atoms = np.bincount(cells, minlength=len(chosen) * len(elements)).reshape(len(chosen), len(elements))
    return measured_cost(
        vectors[which],
        atoms,
        chosen.array("energy"),
        _molecules(chosen, atoms) if split == "molecule" else chosen.ids,
        keep=keep,
        ridge=ridge,
        seeds=seeds,
        seed=seed,
        level=levels[which[0]],
    )


def _molecules(rows: Structures, atoms: NDArray[np.int64]) -> Sequence[str]:
    """Name the molecule of each row, by its formula where it has no SMILES."""
    return [
        smiles if smiles is not None else f"formula:{formula.tolist()}"
        for smiles, formula in zip(rows.column("smiles"), atoms, strict=True)
    ]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

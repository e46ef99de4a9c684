"""Scored rows: each with what model and base know of it, and a summary that counts those without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from molaug.design import ScoreSummary, known_information, score
from molaug.filters.features import Distances
from molaug.structures import Structures
from molaug.structures.datasets import Dataset, open_dataset
from molaug.structures.datasets.dataset import rebatch

N = 200
BONDS = np.linspace(0.6, 2.0, N)
TRUTH = (BONDS - 1.0) ** 2


@dataclass(frozen=True, kw_only=True)
class Spring:
    """Knows bond lengths up to 1.9 Å; errs by as much as it says."""

    sigma: float = 0.1
    name: str = "spring"

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        bonds = np.array([np.nan if row.positions is None else row.positions[1, 2] for row in rows])
        bonds[bonds > 1.9] = np.nan
        sigma = self.sigma * bonds
        signs = np.array([int(key[:4], 16) / 32768 - 1 for key in rows.ids])  # from -1 to 1
        return (bonds - 1.0) ** 2 + np.sqrt(3) * sigma * signs, sigma


@pytest.fixture(scope="module")
def rows() -> Structures:
    """Hydrogen molecules with labels of two levels, a bare graph and a rejected row at the end."""
    geometries = [np.array([[0, 0, 0], [0, 0, d]]) for d in BONDS]
    return Structures.from_arrays(
        [[1, 1]] * (N + 2),
        [*geometries, None, geometries[0] + 1.0],
        smiles=["[H][H]"] * (N + 2),
        energy=[*TRUTH, None, 0.0],
        level=["b3lyp"] * (N - 10) + ["gfn2-xtb"] * 10 + [None, "b3lyp"],
        reason=[None] * (N + 1) + ["validity: no"],
    )


def scored(rows: Structures, **options: object) -> tuple[Structures, ScoreSummary]:
    summary = ScoreSummary()
    return Structures.concat(summary.watched(score(rows, **options))), summary  # type: ignore[arg-type]


def test_every_row_gets_its_columns(rows: Structures) -> None:
    found, _ = scored(rows, model=Spring(), features="distances")
    assert found.ids == rows.ids
    assert found.extra_columns == ["predicted_energy", "uncertainty", "leverage"]
    np.testing.assert_allclose(found.array("uncertainty")[:N][BONDS <= 1.9], 0.1 * BONDS[BONDS <= 1.9])
    known = known_information([rows], Distances())
    np.testing.assert_allclose(found.array("leverage")[:N], known.leverage(Distances()(rows)[0][:N]), rtol=1e-9)
    assert found.column("leverage")[N:] == [None, None]
    assert found.column("uncertainty")[N - 1 :] == [None] * 3


def test_leverages_are_against_the_base(rows: Structures) -> None:
    short = rows.slice(0, 60)
    found, _ = scored(rows, base=short, features="distances")
    leverage = found.array("leverage")
    assert leverage[N - 1] > 10 * leverage[:60].max()
    assert leverage[:60].max() < 1


def test_batches_do_not_matter(rows: Structures) -> None:
    dataset = open_dataset(rows)
    small = Dataset(card=dataset.card, stream=lambda audit: rebatch([rows], 7))
    whole, summary = scored(rows, model=Spring(), features="distances")
    parts = ScoreSummary()
    again = Structures.concat(parts.watched(score(small, model=Spring(), features="distances")))
    np.testing.assert_allclose(again.array("leverage"), whole.array("leverage"), rtol=1e-6)
    assert parts.unscored == summary.unscored
    assert parts.mae("b3lyp") == pytest.approx(summary.mae("b3lyp"))


def test_rows_without_a_score_are_counted_with_their_reason(rows: Structures) -> None:
    _, summary = scored(rows, model=Spring(), features="distances")
    assert summary.n == N + 2
    assert summary.unscored == {
        "rejected before": 1,
        "uncertainty: no geometry": 1,
        "uncertainty: the model cannot tell": int((BONDS > 1.9).sum()),
        "leverage: no geometry": 1,
    }
    text = summary.text()
    assert f"{N + 2} rows" in text
    assert f"{int((BONDS > 1.9).sum())}, uncertainty: the model cannot tell" in text
    of_graphs = scored(rows, features="morgan")[1]
    assert of_graphs.unscored == {"rejected before": 1}


def test_uncertainties_are_compared_with_errors_level_by_level(rows: Structures) -> None:
    _, summary = scored(rows, model=Spring())
    assert set(summary.errors) == {"b3lyp"}  # those of the other level are beyond the model
    found = summary.reliability("b3lyp")
    assert found is not None
    assert found.zms == pytest.approx(1.0, abs=0.2)
    assert found.mae == pytest.approx(summary.mae("b3lyp"))
    few = scored(rows.slice(0, 10), model=Spring())[1]
    assert few.reliability("b3lyp") is None
    assert "MAE" in few.text()
    assert "AUROC" not in few.text()
    assert "AUROC" in summary.text()


def test_quantiles(rows: Structures) -> None:
    _, summary = scored(rows, model=Spring())
    np.testing.assert_allclose(summary.quantiles("uncertainty", [0.0, 1.0]), [0.06, 0.19], atol=1e-3)
    assert np.isnan(summary.quantiles("leverage")).all()


def test_something_must_be_asked_for(rows: Structures) -> None:
    with pytest.raises(ValueError, match="neither a model nor features"):
        next(score(rows))
    with pytest.raises(ValueError, match="did you mean 'potential'"):
        next(score(rows, model="potenial"))


def test_labels_of_another_level_than_the_model_learned_are_pointed_out() -> None:
    rows = Structures.from_arrays([[1, 1]] * 2, [[[0, 0, 0], [0, 0, 0.74]]] * 2, energy=[-31.0, -31.1])
    rows = rows.with_columns({"level": ["B3LYP/def2", None], "predicted_energy": [-31.0] * 2, "uncertainty": [0.1] * 2})
    summary = ScoreSummary(level="b3lyp/def2")
    list(summary.watched([rows]))
    text = summary.text()
    assert "against 1 labels (level unknown): MAE 100 meV\n  the model learned b3lyp/def2: what" in text
    assert text.count("the model learned") == 1

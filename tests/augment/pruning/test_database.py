"""Pruning a database: which rows go, what is said of it, and what must not matter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from molaug.filters.features import Distances
from molaug.filters.information import Information
from molaug.pruning import Pruned, prune
from molaug.structures import Structures


@pytest.fixture(scope="module")
def rows() -> Structures:
    """Geometries of three molecules with energies, a bare graph and a rejected row."""
    rng = np.random.default_rng(0)
    water = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    numbers = [[8, 1, 1]] * 40 + [[1, 1]] * 15 + [[9, 1]] * 5
    shapes = [water] * 40 + [np.array([[0, 0, 0], [0, 0, 0.74]])] * 15 + [np.array([[0, 0, 0], [0, 0, 0.92]])] * 5
    positions = [shape + rng.normal(0, 0.05, shape.shape) for shape in shapes]
    numbers += [[6, 1, 1, 1, 1], [8, 1, 1]]
    return Structures.from_arrays(
        numbers,
        [*positions, None, water],
        smiles=["O"] * 40 + ["[H][H]"] * 15 + ["F"] * 5 + ["C", "O"],
        energy=[*rng.normal(size=60), None, 1.0],
        level="gfn2-xtb",
        reason=[None] * 61 + ["validity: of another world"],
    )


@pytest.fixture(scope="module")
def pruned(rows: Structures) -> Pruned:
    return prune(rows, keep=0.5)


def test_every_row_is_somewhere(rows: Structures, pruned: Pruned) -> None:
    assert pruned.predicted.n_removed == 30
    assert len(pruned.kept) == 31  # with the bare graph, of which nothing is known
    assert sorted([*pruned.kept.ids, *pruned.removed.ids]) == sorted(rows.ids)
    assert pruned.kept.alive.all()
    assert not pruned.removed.alive.any()
    assert pruned.kept.ids == [key for key in rows.ids if key in set(pruned.kept.ids)]  # in their order
    assert (pruned.without_features, pruned.rejected_before) == (1, 1)
    assert pruned.removed.column("reason")[-1] == "validity: of another world"
    assert pruned.removed.column("leverage")[-1] is None


def test_leverages_are_those_against_the_rows_kept(pruned: Pruned) -> None:
    kept, there = Distances()(pruned.kept)
    known = Information.of(kept[there], pruned.ridge)
    gone = pruned.removed.slice(0, 30)
    expected = known.leverage(Distances()(gone)[0])
    np.testing.assert_allclose(gone.array("leverage"), expected, rtol=1e-6)
    assert gone.column("reason")[0].startswith("prune: ")
    assert pruned.predicted.mean_leverage == pytest.approx(expected.mean(), rel=1e-6)


def test_the_common_goes_and_the_rare_stays(pruned: Pruned) -> None:
    assert pruned.removed.slice(0, 30).column("smiles").count("F") <= 1
    for cost in pruned.at_random:
        assert cost.n_removed == 30
        assert pruned.predicted.loss_per_row < cost.loss_per_row
        assert pruned.predicted.d_efficiency > cost.d_efficiency
        assert pruned.predicted.i < cost.i
    assert len({cost.loss_per_row for cost in pruned.at_random}) == 5


def test_neither_the_order_of_rows_nor_the_seed_matters(rows: Structures, pruned: Pruned) -> None:
    shuffled = rows.take(np.random.default_rng(1).permutation(len(rows)))
    again = prune(shuffled, keep=0.5)
    assert again.removed == pruned.removed
    assert sorted(again.kept.ids) == sorted(pruned.kept.ids)
    assert again.to_json() == pruned.to_json()
    other = prune(rows, keep=0.5, seed=7)
    assert other.removed == pruned.removed
    assert other.at_random != pruned.at_random


def test_of_copies_the_smallest_id_goes_first() -> None:
    bonds = np.repeat(np.linspace(0.7, 2.2, 4), 2)
    shifts = np.tile([0.0, 3.0], 4)  # copies elsewhere in space have other ids
    rows = Structures.from_arrays(
        [[1, 1]] * 8, [[[0, 0, s], [0, 0, s + d]] for d, s in zip(bonds, shifts, strict=True)]
    )
    removed = prune(rows, keep=0.5, ridge=1e-8).removed
    which = [rows.ids.index(key) // 2 for key in removed.ids]
    assert sorted(which) == [0, 1, 2, 3]
    assert sorted(removed.ids) == sorted(min(rows.ids[2 * k : 2 * k + 2]) for k in range(4))


def test_the_measurement_is_of_rows_with_labels(rows: Structures) -> None:
    found = prune(rows, keep=0.5, measure=True, seeds=2)
    assert found.measured is not None
    assert found.measured.level == "gfn2-xtb"
    assert found.measured.n_train + found.measured.n_test == 60
    assert "leverage / random" in found.text()
    by_structure = prune(rows, keep=0.5, measure=True, seeds=2, split="structure")
    assert by_structure.measured is not None
    assert by_structure.measured.n_test < found.measured.n_test  # a tenth of the rows, and not of three molecules
    with pytest.raises(ValueError, match=r"energies of 0 levels \(none\) where level 'b3lyp' was asked for"):
        prune(rows, measure=True, level="b3lyp")
    two = rows.with_columns({"level": ["gfn2-xtb"] * 30 + ["b3lyp"] * 32})
    with pytest.raises(ValueError, match=r"energies of 2 levels \(b3lyp, gfn2-xtb\) where any level"):
        prune(two, measure=True)


def test_it_is_written_and_told(pruned: Pruned, tmp_path: Path) -> None:
    folder = pruned.save(tmp_path / "out")
    assert Structures.from_parquet(folder / "kept.parquet") == pruned.kept
    assert Structures.from_parquet(folder / "removed.parquet") == pruned.removed
    report = json.loads((folder / "report.json").read_text())
    assert report["rows"] == {"kept": 31, "removed": 30, "rejected_before": 1, "without_features": 1}
    assert report["features"] == {"distances": {}}
    assert len(report["at_random"]) == 5
    assert report["measured"] is None
    text = pruned.text()
    assert "kept 31 rows, removed 30 by their leverage in 'distances'" in text
    assert "at random (5 draws)" in text
    assert pruned.feasibility.words in text


def test_any_features_do(rows: Structures) -> None:
    assert prune(rows, features="morgan").without_features == 0
    with pytest.raises(ValueError, match="did you mean 'morgan'"):
        prune(rows, features="morgen")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 1.0}, "keep is 1.0"),
        ({"keep": 0.0}, "keep is 0.0"),
        ({"keep": 0.001}, "expected that at least one goes and one stays"),
        ({"ridge": 0.0}, "ridge is 0.0"),
        ({"draws": 0}, "draws is 0"),
        ({"split": "atom"}, "split is 'atom'"),
    ],
)
def test_what_cannot_be_is_told(rows: Structures, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prune(rows, **options)  # type: ignore[arg-type]

"""Selectors on features: what they choose is what they say, and what has no features comes last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from molaug.filters import DOptimal, FarthestPoint, KMeansPlusPlus, LargestCluster, TargetDesign
from molaug.filters.design import FeatureSelector
from molaug.filters.features import Distances, Morgan
from molaug.filters.redundancy.descriptor import distance_histograms
from molaug.structures import Structures

NONE = Structures.empty()


def diatomics(n: int, seed: int = 0) -> Structures:
    lengths = np.random.default_rng(seed).uniform(0.7, 5.0, n)
    return Structures.from_arrays([[1, 6]] * n, [[[0, 0, 0], [0, 0, d]] for d in lengths])


@pytest.mark.parametrize("search", ["exact", "faiss"])
def test_farthest_points_are_those_of_brute_force(search: str) -> None:
    if search == "faiss":
        pytest.importorskip("faiss")
    rows, base = diatomics(30), diatomics(3, seed=1)
    v, b = distance_histograms(rows).astype(float), distance_histograms(base).astype(float)
    known = list(b)
    chosen = FarthestPoint(search=search).select(rows, 8, base=base, seed=0)  # type: ignore[arg-type]
    for k in chosen:
        gaps = np.array([min(np.linalg.norm(x - y) for y in known) for x in v])
        assert gaps[k] == pytest.approx(gaps.max(), abs=1e-3)
        known.append(v[k])


def test_rows_without_features_come_last() -> None:
    bare = Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"])
    rows = Structures.concat([bare, diatomics(4)])
    for selector in (FarthestPoint(), DOptimal(), LargestCluster(), KMeansPlusPlus(), TargetDesign()):
        assert selector.select(rows, 5, base=NONE, seed=0)[-1] == 0


def test_features_are_given_by_name_or_as_an_object() -> None:
    kinds: tuple[type, ...] = (FarthestPoint, DOptimal, LargestCluster, KMeansPlusPlus, TargetDesign)
    for kind in kinds:
        assert kind() == kind(features="distances") == kind(features=Distances()) != kind(features=Morgan())
        assert isinstance(kind(), FeatureSelector)


def test_a_target_in_a_file_is_what_is_served(tmp_path: Path) -> None:
    short, long = (
        Structures.from_arrays([[1, 6]] * 6, [[[0, 0, 0], [0, 0, d]] for d in lengths])
        for lengths in (np.linspace(0.9, 1.1, 6), np.linspace(3.9, 4.1, 6))
    )
    rows = Structures.concat([short, long])
    for target, expected in ((short, range(6)), (long, range(6, 12))):
        file = target.to_parquet(tmp_path / f"{expected[0]}.parquet")
        selector = TargetDesign(target=str(file))
        selector.check()
        assert selector.select(rows, 1, base=NONE, seed=0)[0] in expected


def test_a_target_without_features_is_told(tmp_path: Path) -> None:
    file = Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"]).to_parquet(tmp_path / "bare.parquet")
    with pytest.raises(ValueError, match="has distances features; expected some"):
        TargetDesign(target=str(file)).select(diatomics(3), 1, base=NONE, seed=0)
    with pytest.raises(ValueError, match="expected a share"):
        TargetDesign(ridge=2.0)

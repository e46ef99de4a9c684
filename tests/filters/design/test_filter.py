"""Rows are judged by their leverage against what is known."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters import Leverage
from molaug.filters.features import Distances
from molaug.filters.filter import apply
from molaug.filters.information import Information
from molaug.structures import Structures
from molaug.testing import check_filter


def diatomics(*lengths: float) -> Structures:
    return Structures.from_arrays([[1, 6]] * len(lengths), [[[0, 0, 0], [0, 0, d]] for d in lengths])


BARE = Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"])


def test_scores_are_leverages_against_the_base_and_the_rows_before() -> None:
    base, rows = diatomics(1.0, 1.1, 2.0), diatomics(1.05, 1.5, 3.0, 3.01)
    ridge = Information.of(Distances()(base)[0]).regularised(1e-2).ridge
    found = Leverage(ridge=1e-2).bound(base.batches(2)).judge(rows).score
    for k in range(4):
        so_far = Structures.concat([base, rows.slice(0, k)])
        known = Information.of(Distances()(so_far)[0], ridge)
        assert found[k] == pytest.approx(known.leverage(Distances()(rows.slice(k, k + 1))[0])[0], rel=1e-6)


def test_what_is_determined_and_what_is_remote_is_rejected_with_numbers() -> None:
    rows = Structures.concat([diatomics(1.0, 1.4, 5.0), BARE])
    judge = Leverage(least=1.0, most=200.0, ridge=0.1).bound([diatomics(1.0, 1.0, 1.0)])
    judged = apply(judge, "leverage", rows)
    low, kept, high, none = judged.column("reason")
    assert low.startswith("leverage: leverage 0.")
    assert low.endswith("is below 1: determined by what is known")
    assert kept is None
    assert high.endswith("is above 200: remote from all that is known")
    assert none == "leverage: no features"
    assert judged.column("leverage")[3] is None


def test_what_was_accepted_is_known() -> None:
    row, judge = diatomics(2.0), Leverage(least=1.0).bound([diatomics(1.0)])
    assert judge.judge(row).keep.all()
    judge.accept(row)
    assert not judge.judge(row).keep.any()
    twice = Leverage(least=1.0).bound([]).judge(Structures.concat([row, row]))
    assert twice.keep.tolist() == [True, False]


def test_it_keeps_the_contract_of_filters() -> None:
    check_filter(Leverage(least=1.0, most=100.0), diatomics(1.0, 1.3), diatomics(1.0, 1.5, 2.0, 5.0))


def test_bad_configuration_stops_at_once() -> None:
    for options in ({"least": -1.0}, {"least": 2.0, "most": 1.0}, {"ridge": 0.0}, {"features": "soap"}):
        with pytest.raises(ValueError, match="expected"):
            Leverage(**options)  # type: ignore[arg-type]
    assert np.isnan(Leverage().bound([]).judge(BARE).score[0])

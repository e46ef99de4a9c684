"""Rows are judged by how unsure a model is of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from molaug.filters import Uncertainty
from molaug.filters.filter import apply
from molaug.structures import Structures
from molaug.testing import check_filter


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """As unsure as the longest distance in Å; it cannot tell of bare graphs."""

    name: str = "stretch"

    def __call__(self, rows: Structures) -> tuple[np.ndarray, np.ndarray]:
        sigma = [
            np.nan if row.positions is None else np.linalg.norm(row.positions[:, None] - row.positions, axis=-1).max()
            for row in rows
        ]
        return np.zeros(len(rows)), np.array(sigma)


def diatomics(*lengths: float) -> Structures:
    return Structures.from_arrays([[1, 6]] * len(lengths), [[[0, 0, 0], [0, 0, d]] for d in lengths])


BARE = Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"])


def test_what_is_known_and_what_cannot_be_trusted_is_rejected_with_numbers() -> None:
    rows = Structures.concat([diatomics(1.0, 2.0, 3.0), BARE])
    judged = apply(Uncertainty(model=Stretch(), least=1.5, most=2.5).bound([]), "uncertainty", rows)
    assert judged.column("reason") == [
        "uncertainty: σ = 1 eV is below 1.5: known already",
        None,
        "uncertainty: σ = 3 eV is above 2.5: too uncertain to be trusted",
        "uncertainty: the model cannot tell how uncertain it is",
    ]
    assert judged.column("uncertainty") == [1.0, 2.0, 3.0, None]


def test_what_the_model_cannot_tell_of_may_stay_where_nothing_is_too_uncertain() -> None:
    rows = Structures.concat([diatomics(1.0), BARE])
    assert Uncertainty(model=Stretch(), least=1.5).bound([]).judge(rows).keep.tolist() == [False, True]
    assert Uncertainty(model=Stretch()).bound([]).judge(rows).keep.all()


def test_it_keeps_the_contract_of_filters() -> None:
    check_filter(Uncertainty(model=Stretch(), least=1.5, most=2.5), diatomics(1.0), diatomics(1.0, 2.0, 3.0))


def test_bad_configuration_stops_at_once() -> None:
    with pytest.raises(ValueError, match="expected the least below the most"):
        Uncertainty(model=Stretch(), least=2.0, most=1.0)
    with pytest.raises(TypeError, match="UncertainModel"):
        Uncertainty(model=None)  # type: ignore[arg-type]

"""What a model is least sure of comes first, what it cannot tell comes last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from molaug.filters import TopUncertainty
from molaug.structures import Structures

NONE = Structures.empty()


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """As unsure as a bond is long, in whole Å; it cannot tell of bare graphs."""

    name: str = "rounded"

    def __call__(self, rows: Structures) -> tuple[np.ndarray, np.ndarray]:
        sigma = [np.nan if row.positions is None else np.round(np.ptp(row.positions[:, 2])) for row in rows]
        return np.zeros(len(rows)), np.array(sigma)


@pytest.fixture
def rows() -> Structures:
    bare = Structures.from_arrays([[6, 1, 1, 1, 1]], None, smiles=["C"])
    lengths = np.random.default_rng(0).uniform(0.6, 5.0, 40)
    return Structures.concat([bare, Structures.from_arrays([[1, 6]] * 40, [[[0, 0, 0], [0, 0, d]] for d in lengths])])


def test_uncertainties_fall_and_what_has_none_comes_last(rows: Structures) -> None:
    order = TopUncertainty(model=Rounded()).select(rows, 100, base=NONE, seed=0)
    sigma = Rounded()(rows)[1][order]
    assert order[-1] == 0
    assert (np.diff(sigma[:-1]) <= 0).all()


def test_ties_go_by_lot(rows: Structures) -> None:
    first, again, other = (
        TopUncertainty(model=Rounded()).select(rows, 9, base=NONE, seed=s).tolist() for s in (0, 0, 1)
    )
    assert first == again != other
    sigma = Rounded()(rows)[1]
    assert sigma[first].tolist() == sigma[other].tolist()


def test_what_is_no_model_is_told() -> None:
    with pytest.raises(TypeError, match="expected an object of the protocol UncertainModel"):
        TopUncertainty(model="potential")  # type: ignore[arg-type]

"""Several selectors share a budget, whatever it is."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.filters import FarthestPoint, Mixture, Random, Stratified
from molaug.filters.filter import Selector
from molaug.structures import Structures

NONE = Structures.empty()


@pytest.fixture
def rows() -> Structures:
    lengths = np.random.default_rng(0).uniform(0.7, 5.0, 60)
    return Structures.from_arrays([[1, 6]] * 60, [[[0, 0, 0], [0, 0, d]] for d in lengths])


def test_a_mixture_of_one_is_that_one(rows: Structures) -> None:
    for part in (Random(), FarthestPoint()):
        expected = part.select(rows, 20, base=NONE, seed=2).tolist()
        assert Mixture(parts=(part,), shares=(0.3,)).select(rows, 20, base=NONE, seed=2).tolist() == expected


@pytest.mark.parametrize("shares", [(1, 1), (3, 1), (0.9, 0.05, 0.05), None])
def test_every_prefix_holds_the_shares_within_one(rows: Structures, shares: tuple[float, ...] | None) -> None:
    parts: tuple[Selector, ...] = (Random(), FarthestPoint(), Stratified())[: len(shares or "abc")]
    order = Mixture(parts=parts, shares=shares).select(rows, 15, base=NONE, seed=0).tolist()
    ranked = [part.select(rows, 60, base=NONE, seed=0).tolist() for part in parts]
    weights = np.array(shares or (1, 1, 1)) / sum(shares or (1, 1, 1))
    # replay: who gave each row is whoever had it next in its ranking
    counts, taken = np.zeros(len(parts)), list[int]()
    for row in order:
        following = [next(k for k in ranks if k not in taken) for ranks in ranked]
        givers = [k for k, nxt in enumerate(following) if nxt == row]
        assert givers
        behind = weights * (len(taken) + 1) - counts
        counts[max(givers, key=lambda k: behind[k])] += 1
        taken.append(row)
        assert (np.abs(counts - weights * len(taken)) < 1.0 + 1e-9).all()


def test_what_one_has_taken_is_passed_over(rows: Structures) -> None:
    order = Mixture(parts=(Random(), Random())).select(rows, 60, base=NONE, seed=0)
    assert order.tolist() == Random().select(rows, 60, base=NONE, seed=0).tolist()


def test_what_cannot_be_is_told() -> None:
    for parts, shares in (((), None), ((Random(),), (1, 2)), ((Random(), Random()), (1, 0)), ((Random(),), (np.inf,))):
        with pytest.raises(ValueError, match="expected parts, and a share above 0 of each"):
            Mixture(parts=parts, shares=shares)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a selector"):
        Mixture(parts=("random",))  # type: ignore[arg-type]

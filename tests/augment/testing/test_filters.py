"""The contract of filters lets a sound one pass and catches each way of breaking it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from molaug.filters.filter import Verdicts
from molaug.structures import Structures
from molaug.testing import check_filter

_SEEN: list[int] = []


@dataclass(frozen=True, kw_only=True)
class Compact:
    """Rejects structures whose radius of gyration exceeds a limit, and on demand breaks one clause."""

    name: ClassVar[str] = "compact"
    stateless: ClassVar[bool] = True

    limit: float = 1.0
    fault: str | None = None

    def bound(self, base: Iterable[Structures]) -> Bound:
        return Bound(self, sum(len(batch) for batch in base))


@dataclass
class Bound:
    compact: Compact
    n_base: int

    def judge(self, candidates: Structures) -> Verdicts:
        fault = self.compact.fault
        _SEEN.extend(range(len(candidates)))
        score = np.full(len(candidates), np.nan)
        for k, row in enumerate(candidates):
            if row.positions is None:
                continue
            x = row.positions
            centre = x[0] if fault == "first atom" else 0.0 if fault == "origin" else x.mean(axis=0)
            score[k] = np.sqrt(np.mean(np.sum((x - centre) ** 2, axis=1)))
        score = score + {"batch": len(candidates), "base": self.n_base, "memory": len(_SEEN)}.get(fault or "", 0)
        keep = ~(score > self.compact.limit)
        words = " " if fault == "silent" else "too wide"
        if fault == "short":
            return Verdicts(score=score[:-1], keep=keep[:-1], reason=[None if kept else words for kept in keep[:-1]])
        return Verdicts(score=score, keep=keep, reason=[None if kept else words for kept in keep])

    def accept(self, candidates: Structures) -> None:
        self.n_base += len(candidates)


@pytest.fixture
def rows() -> Structures:
    """Water, and water with a bond too long."""
    water = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
    return Structures.from_arrays([[8, 1, 1]] * 2, [water, 2 * water], smiles=["O", "O"])


def test_a_sound_filter_passes(rows: Structures) -> None:
    check_filter(Compact(), rows.slice(0, 1), rows)


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        ("memory", "purity"),
        ("short", "verdicts: shapes"),
        ("silent", "verdicts: row 1: rejected without words"),
        ("batch", "statelessness"),
        ("base", "statelessness"),
        ("origin", "invariance to motion"),
        ("first atom", "invariance to permutation"),
    ],
)
def test_the_contract_catches(fault: str, clause: str, rows: Structures) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_filter(Compact(fault=fault), rows.slice(0, 1), rows)


def test_an_invariance_that_is_not_claimed_is_not_asked_for(rows: Structures) -> None:
    check_filter(Compact(fault="origin"), rows.slice(0, 1), rows, invariant_to=["permutation"])


def test_too_few_candidates_are_refused(rows: Structures) -> None:
    with pytest.raises(ValueError, match="expected at least two rows"):
        check_filter(Compact(), rows, rows.slice(0, 1))

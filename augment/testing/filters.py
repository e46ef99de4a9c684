"""The contract of filters."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.spatial.transform import Rotation

from molaug.filters.filter import Filter, Verdicts
from molaug.structures import Structures
from molaug.structures.hashing import stream
from molaug.testing.clauses import SCORE_TOLERANCE, Invariance, configuration, one_atom, pickled, require, with_atoms


def check_filter(
    judge: Filter,
    base: Structures,
    candidates: Structures,
    *,
    invariant_to: Iterable[Invariance] = ("motion", "permutation"),
) -> None:
    """Check that a filter keeps the contract of :class:`molaug.filters.filter.Filter`.

    An AssertionError names the clause that does not hold.

    Parameters
    ----------
    judge
        What to check.
    base
        The database that it is bound to.
    candidates
        At least two typical rows, alive and with geometry.
    invariant_to
        ``"motion"`` (rotation and translation) and ``"permutation"`` (another order of the atoms).

    Raises
    ------
    ValueError
        If there are too few candidates to tell, or some are rejected already.
    """
    if len(candidates) < 2 or not candidates.alive.all():
        raise ValueError(f"{candidates}; expected at least two rows, all alive")
    configuration(judge, Filter)
    bound = judge.bound([base])
    verdicts = bound.judge(candidates)
    _judged(verdicts, candidates)
    _same_verdicts(bound.judge(candidates), verdicts, "purity", "judged again, rows had other verdicts")
    again = pickled(judge).bound(iter([base]))
    _same_verdicts(again.judge(candidates), verdicts, "pickling", "a pickled copy gave other verdicts")
    _judged(bound.judge(candidates.slice(0, 0)), candidates.slice(0, 0))
    odd = one_atom()
    _judged(bound.judge(odd), odd)
    if judge.stateless:
        alone = [judge.bound([]).judge(candidates.slice(k, k + 1)) for k in range(len(candidates))]
        text = "judged alone and without a base, rows differed"
        _same_verdicts(_joined(alone), verdicts, "statelessness", text, SCORE_TOLERANCE)
    for kind in invariant_to:
        copy = _moved(candidates) if kind == "motion" else _permuted(candidates)
        found = judge.bound([base]).judge(copy)
        _same_verdicts(found, verdicts, f"invariance to {kind}", "a copy was judged otherwise", SCORE_TOLERANCE)


def _judged(verdicts: Verdicts, candidates: Structures) -> None:
    n = len(candidates)
    shapes = np.shape(verdicts.score), np.shape(verdicts.keep), len(verdicts.reason)
    require(shapes == ((n,), (n,), n), "verdicts", f"shapes {shapes} for {n} rows; expected one of each a row")
    for k, (kept, reason) in enumerate(zip(verdicts.keep, verdicts.reason, strict=True)):
        require(bool(kept) == (reason is None), "verdicts", f"row {k}: keep is {bool(kept)}, reason {reason!r}")
        require(reason is None or bool(reason.strip()), "verdicts", f"row {k}: rejected without words")


def _same_verdicts(found: Verdicts, expected: Verdicts, clause: str, text: str, tolerance: float = 0.0) -> None:
    for k in range(len(expected.keep)):
        require(bool(found.keep[k]) == bool(expected.keep[k]), clause, f"{text}: row {k}: {found.reason[k]}")
        close = np.isclose(found.score[k], expected.score[k], rtol=tolerance, atol=tolerance, equal_nan=True)
        require(bool(close), clause, f"{text}: row {k}: score {found.score[k]}, not {expected.score[k]}")


def _joined(parts: list[Verdicts]) -> Verdicts:
    return Verdicts(
        score=np.concatenate([part.score for part in parts]),
        keep=np.concatenate([part.keep for part in parts]),
        reason=[reason for part in parts for reason in part.reason],
    )


def _moved(rows: Structures) -> Structures:
    rng = stream(0, "molaug.testing", "motion")
    turned = []
    for row in rows:
        turn, shift = Rotation.from_quat(rng.normal(size=4)).as_matrix(), rng.normal(size=3)  # of any direction alike
        x = None if row.positions is None else row.positions @ turn.T + shift  # (n_atoms, 3)
        turned.append(x)
    return with_atoms(rows, [row.numbers for row in rows], turned)


def _permuted(rows: Structures) -> Structures:
    rng = stream(0, "molaug.testing", "permutation")
    orders = [rng.permutation(len(row.numbers)) if row.positions is not None else slice(None) for row in rows]
    numbers = [row.numbers[order] for row, order in zip(rows, orders, strict=True)]
    positions = [
        None if row.positions is None else row.positions[order] for row, order in zip(rows, orders, strict=True)
    ]
    return with_atoms(rows, numbers, positions)

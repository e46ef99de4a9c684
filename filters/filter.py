"""What every filter and every selector is: a judgement for each row, never only a shorter list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from molaug.structures import Structures

if TYPE_CHECKING:
    from molaug.filters.pool import Pool


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdicts:
    """The judgement of one filter over a batch.

    Parameters
    ----------
    score
        One number for each row, NaN where there is none; what it means is the filter's to say. Shape (n,).
    keep
        Whether the row may stay, shape (n,).
    reason
        Why not, for the rows that may not; None for the others.
    """

    score: NDArray[np.float64]
    keep: NDArray[np.bool_]
    reason: Sequence[str | None]

    def __post_init__(self) -> None:
        n = len(self.keep)
        if len(self.score) != n or len(self.reason) != n:
            raise ValueError(f"{len(self.score)} scores, {n} verdicts and {len(self.reason)} reasons; expected equal")
        if any((reason is None) != bool(kept) for reason, kept in zip(self.reason, self.keep, strict=True)):
            raise ValueError("a row that is kept has a reason, or one that is rejected has none")


@runtime_checkable
class Filter(Protocol):
    """Judges candidates one by one or against a base.

    A filter is a frozen, keyword-only dataclass whose fields are its configuration. ``bound`` gives what judges.
    """

    @property
    def name(self) -> str:
        """Name under which it is registered; its score becomes the column of that name."""
        ...

    @property
    def stateless(self) -> bool:
        """Whether verdicts depend on the row alone, so that shards may be judged apart from each other."""
        ...

    def bound(self, base: Iterable[Structures]) -> BoundFilter:
        """Return the judge for candidates to be added to a base.

        Parameters
        ----------
        base
            The database, in batches; a stateless filter does not read it.

        Returns
        -------
        BoundFilter
            Starts with what the base holds.
        """
        ...


class BoundFilter(Protocol):
    """A filter that knows the base."""

    def judge(self, candidates: Structures) -> Verdicts:
        """Judge a batch, in its order, without remembering it.

        Parameters
        ----------
        candidates
            Rows that are alive.

        Returns
        -------
        Verdicts
            One for each row.
        """
        ...

    def accept(self, candidates: Structures) -> None:
        """Take rows into the base, so that later candidates are judged against them too.

        Parameters
        ----------
        candidates
            Rows that were kept by all filters.
        """
        ...


@runtime_checkable
class Selector(Protocol):
    """Ranks candidates for labelling: a smaller budget is a prefix of a larger one.

    Rows come as they are or as a pool that need not be in memory; ``Pool.of`` makes a pool of either, and
    ``Pool.of(candidates).rows()`` rows of either.
    """

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        ...

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers in the order in which they are worth a label.

        Parameters
        ----------
        candidates
            Rows that passed all filters.
        budget
            Rows wanted, at least 0.
        base
            The database that they will be added to.
        seed
            The one seed of the run.

        Returns
        -------
        NDArray[np.int64]
            Distinct row numbers, shape (min(budget, n),).
        """
        ...


def apply(judge: BoundFilter, name: str, candidates: Structures) -> Structures:
    """Judge the rows that are alive and write score and reason into the batch.

    Parameters
    ----------
    judge
        The filter, bound to a base.
    name
        Column of the score and author of the reasons.
    candidates
        Any rows; those rejected earlier are left alone, with a null score.

    Returns
    -------
    Structures
        All rows, in order.
    """
    alive = np.flatnonzero(candidates.alive)
    verdicts = judge.judge(candidates.take(alive))
    scores: list[float | None] = [None] * len(candidates)
    reasons: list[str | None] = [None] * len(candidates)
    for row, score, reason in zip(alive.tolist(), verdicts.score.tolist(), verdicts.reason, strict=True):
        scores[row] = None if np.isnan(score) else score
        reasons[row] = None if reason is None else f"{name}: {reason}"
    return candidates.with_columns({name: pa.array(scores, pa.float64())}).reject(reasons)

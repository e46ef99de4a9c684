"""The selector ``top-uncertainty``: what a model is least sure of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.filters.features import Seen
from molaug.filters.pool import Pool
from molaug.filters.ranking import check_budget, ranking
from molaug.filters.uncertainty.model import UncertainModel
from molaug.structures import Structures


@dataclass(frozen=True, kw_only=True, slots=True)
class TopUncertainty:
    """The candidates of which a model is least sure, one by one: what was chosen before does not matter.

    Candidates that are alike are alike uncertain: many of them can stand at the top, and a selector that looks at all
    together, or :class:`~molaug.filters.Mixture` with one, spreads better. The base counts only as far as the model
    was trained on it.

    Parameters
    ----------
    model
        Tells the standard deviation of its energy. Equally uncertain candidates are taken at random; those of which
        it cannot tell come last.

    Raises
    ------
    TypeError
        If the model is none.

    Examples
    --------
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Long:  # sure of short bonds
    ...     name: str = "long"
    ...
    ...     def __call__(self, rows):
    ...         lengths = np.array([np.ptp(row.positions[:, 2]) for row in rows])
    ...         return 0 * lengths, lengths
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 3.0, 0.8)])
    >>> TopUncertainty(model=Long()).select(rows, 2, base=Structures.empty(), seed=0).tolist()
    [1, 2]
    """

    model: UncertainModel

    def __post_init__(self) -> None:
        check_model(self.model)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "top-uncertainty"

    def select(
        self, candidates: Structures | Pool, budget: int, *, base: Structures | Pool, seed: int
    ) -> NDArray[np.int64]:
        """Return row numbers, the most uncertain first: see :class:`~molaug.filters.Selector`."""
        check_budget(budget)
        pool = Pool.of(candidates)
        vectors, there = pool.seen(_Deviation(model=self.model))
        sigma = np.where(there, vectors[:, 0], -np.inf)
        order = ranking(pool.ids, seed, self.name)
        return order[np.argsort(-sigma[order], kind="stable")][:budget]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Deviation:
    """What a model is unsure by, as a feature, so that it is computed as features are: by shards, of rows on disk."""

    model: UncertainModel

    @property
    def name(self) -> str:
        return "deviation"

    def __call__(self, rows: Structures) -> Seen:
        if not len(rows):
            return np.zeros((0, 1), dtype=np.float32), np.zeros(0, dtype=bool)
        sigma = self.model(rows)[1]
        there = ~np.isnan(sigma)
        return np.where(there, sigma, 0.0)[:, None].astype(np.float32), there


def check_model(model: object) -> None:
    """Refuse what is no model.

    Parameters
    ----------
    model
        What was given.

    Raises
    ------
    TypeError
        If it is not of the protocol.
    """
    if not isinstance(model, UncertainModel):
        raise TypeError(f"model is {model!r}; expected an object of the protocol UncertainModel, such as a potential's")

"""The filter ``uncertainty``: what a model knows already, or cannot be trusted with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.filters.filter import Verdicts
from molaug.filters.limits import check_limits, limited
from molaug.filters.uncertainty.model import UncertainModel
from molaug.filters.uncertainty.selector import check_model
from molaug.structures import Structures


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """Rejects structures of whose energy a model is too sure, or too unsure.

    The score is the standard deviation σ of the energy in eV. Below ``least`` the model knows the structure already;
    above ``most`` it is so far from all that the model has learned that neither its geometry nor its uncertainty is to
    be trusted. Rows of which the model cannot tell (bare graphs, elements that it does not know, charges and open
    shells that it is not told) have no score (NaN): they never count as known, and are rejected where ``most`` is
    given.

    Parameters
    ----------
    model
        Tells σ.
    least
        In eV.
    most
        In eV.

    Raises
    ------
    ValueError
        If a limit is negative, or the least exceeds the most.
    TypeError
        If the model is none.

    Examples
    --------
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Size:  # less sure of larger molecules
    ...     name: str = "size"
    ...
    ...     def __call__(self, rows):
    ...         return np.zeros(len(rows)), 0.1 * rows.n_atoms
    >>> rows = Structures.from_arrays([[2], [1, 1]], [[[0, 0, 0]], [[0, 0, 0], [0, 0, 0.7]]])
    >>> Uncertainty(model=Size(), least=0.15).bound([]).judge(rows).reason
    ['σ = 0.1 eV is below 0.15: known already', None]
    """

    model: UncertainModel
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        check_model(self.model)
        check_limits(self.least, self.most)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "uncertainty"

    @property
    def stateless(self) -> bool:
        """Verdicts depend on the row alone."""
        return True

    def bound(self, base: Iterable[Structures]) -> BoundUncertainty:
        """Return the judge; the base is not read: see :class:`~molaug.filters.Filter`."""
        return BoundUncertainty(self)


class BoundUncertainty:
    """The judge of :class:`Uncertainty`.

    Parameters
    ----------
    limits
        The filter.
    """

    def __init__(self, limits: Uncertainty) -> None:
        self._limits = limits

    def judge(self, candidates: Structures) -> Verdicts:
        """Judge a batch; the score is σ in eV: see :class:`~molaug.filters.BoundFilter`."""
        limits = self._limits
        sigma: NDArray[np.float64] = limits.model(candidates)[1] if len(candidates) else np.empty(0)
        reasons = [
            limited(
                value,
                limits.least,
                limits.most,
                "σ = {:.3g} eV",
                "known already",
                "too uncertain to be trusted",
                "the model cannot tell how uncertain it is",
            )
            for value in sigma.tolist()
        ]
        return Verdicts(score=sigma, keep=np.array([r is None for r in reasons], dtype=bool), reason=reasons)

    def accept(self, candidates: Structures) -> None:
        """Take note of nothing: the model has not learned from what is accepted."""

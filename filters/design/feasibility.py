"""Whether a model can be trained on a set of structures at all, said before any label is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from molaug.filters.information import Information

#: Eigenvalues below this share of the largest are nought in double precision.
_NOUGHT = 1e-12


@dataclass(frozen=True, kw_only=True)
class Feasibility:
    """What features alone say of training a model that is linear in them.

    Parameters
    ----------
    n
        Structures.
    d
        Features, so many weights.
    rank
        Directions of the features that the structures reach at all.
    condition
        Largest over smallest singular value of the features; infinite below full rank.
    freedom
        Effective degrees of freedom: directions that are determined against the ridge.
    vif
        Median of the variance inflation factors: by how much the variance of a weight exceeds that with uncorrelated
        features; infinite below full rank.
    coverage
        Share of the target structures whose leverage is within the Williams limit 3 d / n; NaN without a target.
    farthest
        Largest leverage in the target; NaN without one.

    References
    ----------
    A. Tropsha et al., doi:10.1002/qsar.200390007 (Williams limit); D. W. Marquardt, doi:10.1080/00401706.1970.10488699
    (variance inflation).
    """

    n: int
    d: int
    rank: int
    condition: float
    freedom: float
    vif: float
    coverage: float
    farthest: float

    @property
    def words(self) -> str:
        """The verdict in words, a sentence for each concern."""
        said = []
        if self.rank < self.d:
            missing = self.d - self.rank
            said.append(
                f"{self.n} structures determine {self.rank} of {self.d} weights: {missing} directions never occur. "
                "Training is possible with a ridge only; predictions along them are guesses. Add structures that "
                "differ, or take fewer features."
            )
        elif self.freedom < 0.9 * self.d:
            said.append(
                f"The structures determine {self.freedom:.0f} of {self.d} weights against the ridge; the others are "
                "given by the ridge."
            )
        if self.rank == self.d and self.condition > 1e8:
            said.append(
                f"The features are nearly dependent (condition number {self.condition:.0e}): fit in double precision "
                "and with a ridge."
            )
        if self.n < 3 * self.d:
            said.append(f"{self.n} structures for {self.d} weights: expect the fit to follow noise of the labels.")
        if not math.isnan(self.coverage) and self.coverage < 0.95:
            said.append(
                f"{100 * (1 - self.coverage):.1f} % of the target lie beyond 3 d / n (largest leverage "
                f"{self.farthest:.3g}): predictions there extrapolate."
            )
        return " ".join(said) or "Training is feasible: all weights are determined, and the target is covered."


def feasibility(information: Information, target: ArrayLike | None = None) -> Feasibility:
    """Judge a set of structures.

    Parameters
    ----------
    information
        Of the structures, with the ridge that training will have.
    target
        Features of structures of which predictions are wanted, shape (n, d).

    Returns
    -------
    Feasibility
        Figures and words.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> feasibility(Information.of(rows), rows).words
    'Training is feasible: all weights are determined, and the target is covered.'
    >>> feasibility(Information.of(rows[:2]).regularised()).rank
    2
    """
    values = information.eigenvalues
    rank = int((values > _NOUGHT * max(float(values.max()), np.finfo(float).tiny)).sum())
    full = rank == information.d
    coverage = farthest = math.nan
    if target is not None:
        leverage = information.leverage(target)
        coverage = float((leverage <= 3.0 * information.d / max(information.n, 1)).mean())
        farthest = float(leverage.max())
    vif = math.inf
    if full:
        scale = np.sqrt(np.diag(information.gram))
        vif = float(np.median(np.diag(np.linalg.inv(information.gram / np.outer(scale, scale)))))
    return Feasibility(
        n=information.n,
        d=information.d,
        rank=rank,
        condition=float(np.sqrt(values.max() / values.min())) if full else math.inf,
        freedom=information.freedom,
        vif=vif,
        coverage=coverage,
        farthest=farthest,
    )

"""Criteria of optimal design: how good a set of structures is to learn from, before any label is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from molaug.filters.information import Information


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """Criteria of a design.

    Parameters
    ----------
    d
        ln det M: the volume of the weights that stay possible; the larger the better.
    a
        tr M⁻¹: the mean variance of the weights; the smaller the better.
    e
        Smallest eigenvalue of M: the weight that is known worst; the larger the better.
    g
        Largest fᵀM⁻¹f of the target: the prediction that is known worst; the smaller the better.
    i
        Mean fᵀM⁻¹f of the target: the mean variance of its predictions; the smaller the better (also called V or IV).

    References
    ----------
    F. Pukelsheim, Optimal Design of Experiments, doi:10.1137/1.9780898719109; B. Barzdajn and C. P. Race,
    arXiv:2405.08636 (of training sets for potentials).
    """

    d: float
    a: float
    e: float
    g: float
    i: float

    @classmethod
    def of(cls, information: Information, target: ArrayLike | None = None) -> Criteria:
        """Evaluate a design.

        Parameters
        ----------
        information
            Of its structures.
        target
            Features of the structures of which predictions are wanted, shape (n, d).

        Returns
        -------
        Criteria
            ``g`` and ``i`` are NaN without a target.

        Examples
        --------
        >>> import numpy as np
        >>> Criteria.of(Information.of(np.diag([1.0, 2.0])), [[1.0, 0.0], [0.0, 2.0]])
        Criteria(d=1.3862943611198906, a=1.25, e=1.0, g=1.0, i=1.0)
        """
        values = information.eigenvalues + information.ridge
        leverage = None if target is None else information.leverage(target)
        return cls(
            d=information.log_det,
            a=float((1.0 / values).sum()),
            e=float(values.min()),
            g=math.nan if leverage is None else float(leverage.max()),
            i=math.nan if leverage is None else float(leverage.mean()),
        )


def d_efficiency(design: Information, other: Information) -> float:
    """Return how many rows of another design are worth one of this: the ratio of (det M)^(1/d) for each row.

    Parameters
    ----------
    design
        The one.
    other
        The other, of as many features.

    Returns
    -------
    float
        1 for equal designs; above 1 if the first tells more for each row.

    Raises
    ------
    ValueError
        If the features differ.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(50, 3))
    >>> d_efficiency(Information.of(np.vstack([rows, rows])), Information.of(rows))
    1.0
    """
    if design.d != other.d:
        raise ValueError(f"{design.d} and {other.d} features; expected as many")
    per_row = (design.log_det - other.log_det) / design.d - math.log(design.n / other.n)
    return round(math.exp(per_row), 12)

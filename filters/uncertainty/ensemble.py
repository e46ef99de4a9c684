"""Ensembles: mean and scatter of several models, or of several last layers of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ensemble_prediction(
    predictions: ArrayLike, variances: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and uncertainty of the predictions of an ensemble.

    Without variances the uncertainty is the scatter of the members (epistemic). With the variance that each member
    gives of its own (aleatoric) it is that of the mixture: the mean of these plus the scatter.

    Parameters
    ----------
    predictions
        Of each member, shape (n_members, ...), at least two members.
    variances
        Of each member, of the same shape.

    Returns
    -------
    mean : NDArray[np.float64]
        Shape (...).
    sigma : NDArray[np.float64]
        Standard deviation, shape (...).

    Raises
    ------
    ValueError
        If there is one member only, the shapes differ or a variance is negative.

    References
    ----------
    B. Lakshminarayanan et al., arXiv:1612.01474 (deep ensembles); M. Kellner and M. Ceriotti, arXiv:2402.16621
    (shallow ensembles, which share all but the last layer).

    Examples
    --------
    >>> mean, sigma = ensemble_prediction([[1.0, 2.0], [3.0, 2.0]])
    >>> mean.tolist(), sigma.round(3).tolist()
    ([2.0, 2.0], [1.414, 0.0])
    """
    values = np.asarray(predictions, dtype=np.float64)
    if not values.ndim or len(values) < 2:
        raise ValueError(f"predictions of shape {values.shape}; expected those of at least two members")
    variance = values.var(0, ddof=1)
    if variances is not None:
        own = np.asarray(variances, dtype=np.float64)
        if own.shape != values.shape or (own < 0).any():
            raise ValueError(f"variances of shape {own.shape}; expected {values.shape}, none negative")
        variance = variance + own.mean(0)
    return values.mean(0), np.sqrt(variance)

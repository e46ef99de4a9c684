"""Charts of uncertainties: how often errors are as small as they say, and how large where they are large."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.charts import against_diagonal
from molaug.filters.uncertainty.calibration import checked
from molaug.filters.uncertainty.reliability import calibration_curve


def calibration_chart(sigma: ArrayLike, errors: ArrayLike, *, points: int = 20) -> str:
    """Draw the share of errors within central intervals against what normal distributions would give.

    Above the diagonal uncertainties are too large, below too small.

    Parameters
    ----------
    sigma
        Uncertainties, shape (n,).
    errors
        Predictions less labels, shape (n,).
    points
        Intervals.

    Returns
    -------
    str
        An ``<svg>`` element.

    References
    ----------
    K. Tran et al., arXiv:1912.10066.

    Examples
    --------
    >>> calibration_chart([1.0, 1.0, 2.0], [0.5, -1.0, 2.0]).startswith("<svg")
    True
    """
    expected = np.linspace(0.0, 1.0, points + 1)
    found = {"observed": (expected, calibration_curve(sigma, errors, expected))}
    return against_diagonal(found, "calibration curve", "expected share", "observed share")


def reliability_chart(sigma: ArrayLike, errors: ArrayLike, *, bins: int = 10, unit: str = "eV") -> str:
    """Draw the root mean squared error of bins along the uncertainty against their root mean variance.

    Parameters
    ----------
    sigma
        Uncertainties, shape (n,).
    errors
        Predictions less labels, shape (n,).
    bins
        Of equal count.
    unit
        Of both.

    Returns
    -------
    str
        An ``<svg>`` element, with axes up to the largest of the points.

    Raises
    ------
    ValueError
        If there are fewer structures than bins.

    References
    ----------
    D. Levi et al., arXiv:1905.11659.
    """
    rmv, rmse = reliability_bins(sigma, errors, bins=bins)
    high = float(max(rmv.max(), rmse.max()))
    found = {"bins": (rmv, rmse)}
    return against_diagonal(found, "reliability", f"root mean variance / {unit}", f"RMSE / {unit}", 0.0, high)


def reliability_bins(
    sigma: ArrayLike, errors: ArrayLike, *, bins: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return root mean variance and root mean squared error of bins of equal count along the uncertainty.

    Parameters
    ----------
    sigma
        Uncertainties, shape (n,).
    errors
        Predictions less labels, shape (n,).
    bins
        How many.

    Returns
    -------
    rmv : NDArray[np.float64]
        Ascending, shape (bins,).
    rmse : NDArray[np.float64]
        Equal to the former when calibrated, shape (bins,).

    Raises
    ------
    ValueError
        If there are fewer structures than bins.

    Examples
    --------
    >>> reliability_bins([1.0, 1.0, 2.0, 2.0], [1.0, -1.0, 1.0, 1.0], bins=2)
    (array([1., 2.]), array([1., 1.]))
    """
    spread, off = checked(sigma, errors)
    if len(spread) < bins or bins < 1:
        raise ValueError(f"{len(spread)} structures and {bins} bins; expected at least one in each")
    parts = np.array_split(np.argsort(spread, kind="stable"), bins)
    rmv = np.array([np.sqrt(np.mean(spread[part] ** 2)) for part in parts])
    return rmv, np.array([np.sqrt(np.mean(off[part] ** 2)) for part in parts])

"""Calibration: from uncertainties that only rank to such whose size can be believed; on held-out data only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Uncertainties times one number; their ranking stays.

    Parameters
    ----------
    factor
        More than 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sigma = rng.uniform(1, 2, 10_000)
    >>> round(Scale.fitted(sigma, 3.0 * sigma * rng.normal(size=10_000)).factor, 1)
    3.0
    """

    factor: float

    @classmethod
    def fitted(
        cls, sigma: ArrayLike, errors: ArrayLike, *, by: Literal["squared", "absolute", "crps"] = "squared"
    ) -> Scale:
        """Fit the factor.

        Parameters
        ----------
        sigma
            Uncertainties, shape (n,).
        errors
            Predictions less labels, shape (n,).
        by
            ``squared``: (mean e²/σ²)^½, that of the highest likelihood under normal errors; ``absolute``: (π/2)^½
            ``mean |e|/σ``, less moved by outliers; ``crps``: that of the lowest continuous ranked probability score.

        Returns
        -------
        Scale
            1 is no change.

        Raises
        ------
        ValueError
            If ``by`` is unknown, or no error differs from 0.
        """
        spread, off = checked(sigma, errors)
        z = np.abs(off) / spread
        if not z.any():
            raise ValueError("all errors are 0; expected errors on data that the model was not trained on")
        if by == "squared":
            return cls(factor=float(np.sqrt(np.mean(z**2))))
        if by == "absolute":
            return cls(factor=float(math.sqrt(math.pi / 2) * np.mean(z)))
        if by == "crps":
            # the score's derivative by the factor; its root, which rises with the factor, is the minimum

            def slope(log_factor: float) -> float:
                u = z / math.exp(log_factor)
                return float(np.average(2.0 * norm.pdf(u) - 1.0 / math.sqrt(math.pi), weights=spread))

            top = math.log(float(z.max())) + 10.0
            low = math.log(float(z[z > 0].min())) - 10.0
            if slope(low) >= 0:
                raise ValueError("most errors are 0; expected errors on data that the model was not trained on")
            return cls(factor=math.exp(brentq(slope, low, top, xtol=1e-12)))
        raise ValueError(f"by is {by!r}; expected 'squared', 'absolute' or 'crps'")

    def __call__(self, sigma: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated uncertainties.

        Parameters
        ----------
        sigma
            Any shape.

        Returns
        -------
        NDArray[np.float64]
            Of the same shape.
        """
        return self.factor * np.asarray(sigma, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Isotonic:
    """Variances as the rising function of the uncertainty that lies nearest to the squared errors.

    Above the largest uncertainty that was held out the result grows in proportion: there the data tell nothing, and
    what is unlike all of them must not look as safe as the worst of them. Below the smallest it stays what it is there.

    Parameters
    ----------
    sigma
        Uncertainties at which the function is known, ascending, shape (n,).
    variance
        Its values there, shape (n,); linear between.

    References
    ----------
    V. Kuleshov et al., arXiv:1807.00263; J. Busk et al., doi:10.1088/2632-2153/ac3eb3 (of variances).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sigma = rng.uniform(1, 2, 10_000)
    >>> calibrated = Isotonic.fitted(sigma, sigma**2 * rng.normal(size=10_000))([1.2, 1.5])
    >>> bool(np.abs(calibrated - [1.44, 2.25]).max() < 0.2)
    True
    """

    sigma: NDArray[np.float64]
    variance: NDArray[np.float64]

    @classmethod
    def fitted(cls, sigma: ArrayLike, errors: ArrayLike) -> Isotonic:
        """Fit the function.

        Parameters
        ----------
        sigma
            Uncertainties, shape (n,).
        errors
            Predictions less labels, shape (n,).

        Returns
        -------
        Isotonic
            A step function, joined by lines.
        """
        spread, off = checked(sigma, errors)
        fit = IsotonicRegression(y_min=np.finfo(float).tiny).fit(spread, off**2)
        return cls(sigma=np.asarray(fit.X_thresholds_), variance=np.asarray(fit.y_thresholds_))

    def __call__(self, sigma: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated uncertainties.

        Parameters
        ----------
        sigma
            Any shape.

        Returns
        -------
        NDArray[np.float64]
            Of the same shape.
        """
        given = np.asarray(sigma, dtype=np.float64)
        beyond = np.fmax(given / self.sigma[-1], 1.0)
        calibrated: NDArray[np.float64] = beyond * np.sqrt(np.interp(given, self.sigma, self.variance))
        return calibrated


@dataclass(frozen=True, kw_only=True)
class Conformal:
    """Intervals prediction ± q σ that hold a label as often as they say, whatever the errors are like.

    That is so on average over data exchangeable with those it was fitted to, not for each kind of structure.

    Parameters
    ----------
    quantile
        q; infinite if there were too few data for that coverage.
    coverage
        What it was fitted for.

    References
    ----------
    H. Papadopoulos et al., doi:10.1007/3-540-36755-1_29 (split conformal); A. N. Angelopoulos and S. Bates,
    arXiv:2107.07511.

    Examples
    --------
    >>> Conformal.fitted(np.ones(9), np.arange(1.0, 10.0), coverage=0.8).radius([2.0]).tolist()
    [16.0]
    """

    quantile: float
    coverage: float

    @classmethod
    def fitted(cls, sigma: ArrayLike, errors: ArrayLike, *, coverage: float = 0.9) -> Conformal:
        """Fit the quantile.

        Parameters
        ----------
        sigma
            Uncertainties, shape (n,).
        errors
            Predictions less labels, shape (n,).
        coverage
            Share of labels that intervals shall hold.

        Returns
        -------
        Conformal
            Whose quantile is the ⌈(n + 1) coverage⌉-th smallest of ``|e|/σ``.

        Raises
        ------
        ValueError
            If the coverage is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage is {coverage}; expected a share between 0 and 1")
        spread, off = checked(sigma, errors)
        scores = np.sort(np.abs(off) / spread)
        rank = math.ceil((len(scores) + 1) * coverage)
        quantile = float(scores[rank - 1]) if rank <= len(scores) else math.inf
        return cls(quantile=quantile, coverage=coverage)

    def radius(self, sigma: ArrayLike) -> NDArray[np.float64]:
        """Return the half-widths of the intervals.

        Parameters
        ----------
        sigma
            Any shape.

        Returns
        -------
        NDArray[np.float64]
            Of the same shape.
        """
        return self.quantile * np.asarray(sigma, dtype=np.float64)


def checked(sigma: ArrayLike, errors: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return uncertainties and errors as arrays, checked.

    Parameters
    ----------
    sigma
        Uncertainties.
    errors
        Predictions less labels.

    Returns
    -------
    sigma : NDArray[np.float64]
        Shape (n,), more than 0.
    errors : NDArray[np.float64]
        Shape (n,), finite.

    Raises
    ------
    ValueError
        If they are anything else.

    Examples
    --------
    >>> checked([1], [2])
    (array([1.]), array([2.]))
    """
    spread, off = np.asarray(sigma, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if spread.shape != off.shape or spread.ndim != 1 or not len(spread):
        raise ValueError(
            f"uncertainties of shape {spread.shape} and errors of {off.shape}; expected (n,) each, n at least 1"
        )
    if not (np.isfinite(spread).all() and np.isfinite(off).all() and (spread > 0).all()):
        raise ValueError("uncertainties that are not more than 0, or numbers that are not finite; leave these rows out")
    return spread, off

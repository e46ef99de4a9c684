"""Whether uncertainties can be believed: calibration, sharpness and ranking against true errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf
from scipy.stats import norm, rankdata

from molaug.filters.uncertainty.calibration import checked


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Measures of uncertainties against errors.

    Parameters
    ----------
    n
        Structures.
    mae
        Mean absolute error.
    rmse
        Root of the mean squared error.
    sharpness
        Root of the mean variance; equal to ``rmse`` when calibrated on the whole.
    dispersion
        Standard deviation of the uncertainties over their mean, C_v; near 0 they are all the same and useless.
    nll
        Negative log-likelihood of the errors under normal distributions.
    zms
        Mean of squared errors over variances; 1 when calibrated.
    miscalibration_area
        Between the observed and the expected share of errors within each central interval; 0 when calibrated.
    ence
        Expected normalised calibration error: how far, relatively, root mean variance and root mean squared error are
        apart in bins of equal count along the uncertainty; 0 when calibrated. Of n / bins structures each, it is about
        (bins / 2n)^½ (2/π)^½ by chance alone.
    spearman
        Rank correlation of uncertainties and absolute errors.
    spearman_ceiling
        What it would be, were errors normal with exactly these uncertainties.
    auroc
        Probability that a structure of the worst errors has a larger uncertainty than another one; 0.5 by chance.
    hit_rate
        Share of the worst errors among as many structures of the largest uncertainty; ``top`` by chance.
    top
        Which share of the errors counts as the worst.
    coverage68
        Share of errors within one σ; 0.683 when calibrated.
    coverage95
        Share of errors within 1.96 σ; 0.95 when calibrated.

    References
    ----------
    K. Tran et al., arXiv:1912.10066 (miscalibration area); D. Levi et al., arXiv:1905.11659 (ENCE, dispersion); P.
    Pernot, arXiv:2402.10043 (ZMS); M. H. Rasmussen et al., doi:10.1186/s13321-023-00790-0 (ceiling of the rank
    correlation).
    """

    n: int
    mae: float
    rmse: float
    sharpness: float
    dispersion: float
    nll: float
    zms: float
    miscalibration_area: float
    ence: float
    spearman: float
    spearman_ceiling: float
    auroc: float
    hit_rate: float
    top: float
    coverage68: float
    coverage95: float


def reliability(
    sigma: ArrayLike, errors: ArrayLike, *, bins: int = 20, top: float = 0.05, draws: int = 20, seed: int = 0
) -> Reliability:
    """Measure how far uncertainties can be believed.

    Parameters
    ----------
    sigma
        Uncertainties, shape (n,).
    errors
        Predictions less labels, of the same structures and in the same unit, shape (n,).
    bins
        Of equal count, for ENCE.
    top
        Share of the structures that counts as the worst.
    draws
        Of normal errors, for the ceiling of the rank correlation.
    seed
        Of these draws.

    Returns
    -------
    Reliability
        NaN where a measure is not defined, for instance a rank correlation of equal uncertainties.

    Raises
    ------
    ValueError
        If shapes differ, numbers are not finite or uncertainties not more than 0, there are fewer structures than bins,
        or ``top`` is not between 0 and 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sigma = rng.uniform(0.5, 1.5, 20_000)
    >>> found = reliability(sigma, sigma * rng.normal(size=20_000))
    >>> found.miscalibration_area < 0.01 and abs(found.zms - 1) < 0.05
    True
    """
    spread, off = checked(sigma, errors)
    if len(spread) < bins or bins < 1:
        raise ValueError(f"{len(spread)} structures and {bins} bins; expected at least one in each")
    if not 0 < top < 1:
        raise ValueError(f"top is {top}; expected a share between 0 and 1")
    size, z = np.abs(off), np.abs(off) / spread
    rng = np.random.default_rng(seed)
    ceilings = [_spearman(spread, np.abs(rng.normal(size=len(spread))) * spread) for _ in range(draws)]
    n_top = max(round(top * len(size)), 1)
    worst = np.zeros(len(size), dtype=bool)
    worst[np.argsort(-size, kind="stable")[:n_top]] = True
    return Reliability(
        n=len(size),
        mae=float(size.mean()),
        rmse=float(np.sqrt(np.mean(size**2))),
        sharpness=float(np.sqrt(np.mean(spread**2))),
        dispersion=float(spread.std() / spread.mean()),
        nll=float(np.mean(0.5 * np.log(2 * np.pi * spread**2) + 0.5 * z**2)),
        zms=float(np.mean(z**2)),
        miscalibration_area=miscalibration_area(spread, off),
        ence=ence(spread, off, bins),
        spearman=_spearman(spread, size),
        spearman_ceiling=float(np.mean(ceilings)) if ceilings else float("nan"),
        auroc=auroc(spread, worst),
        hit_rate=float(worst[np.argsort(-spread, kind="stable")[:n_top]].mean()),
        top=top,
        coverage68=float((z <= 1.0).mean()),
        coverage95=float((z <= norm.ppf(0.975)).mean()),
    )


def calibration_curve(sigma: ArrayLike, errors: ArrayLike, expected: ArrayLike) -> NDArray[np.float64]:
    """Return the share of errors within central intervals of normal distributions.

    Parameters
    ----------
    sigma
        Uncertainties, shape (n,).
    errors
        Predictions less labels, shape (n,).
    expected
        Probabilities of the intervals, shape (n_probabilities,).

    Returns
    -------
    NDArray[np.float64]
        Observed shares, shape (n_probabilities,); equal to ``expected`` when calibrated.

    Examples
    --------
    >>> calibration_curve([1.0, 1.0], [0.1, 3.0], [0.5]).tolist()
    [0.5]
    """
    spread, off = checked(sigma, errors)
    levels = np.sort(erf(np.abs(off) / spread / np.sqrt(2.0)))
    return np.searchsorted(levels, np.asarray(expected, dtype=np.float64), side="right") / len(levels)


def miscalibration_area(sigma: ArrayLike, errors: ArrayLike) -> float:
    """Return the area between the calibration curve and the diagonal, exactly.

    Parameters
    ----------
    sigma
        Uncertainties, shape (n,).
    errors
        Predictions less labels, shape (n,).

    Returns
    -------
    float
        From 0 to 0.5.

    Examples
    --------
    >>> miscalibration_area([1.0, 1.0], [0.0, 0.0])
    0.5
    """
    spread, off = checked(sigma, errors)
    levels = np.sort(erf(np.abs(off) / spread / np.sqrt(2.0)))
    starts, stops = np.r_[0.0, levels], np.r_[levels, 1.0]
    shares = np.arange(len(levels) + 1) / len(levels)  # observed, constant between two levels
    a, b = shares - starts, shares - stops  # a ≥ b; the area of a line that may cross 0
    crossing = (a > 0) & (b < 0)
    parallel = (stops - starts) * np.abs(a + b) / 2.0
    return float(np.where(crossing, (a**2 + b**2) / 2.0, parallel).sum())


def ence(sigma: ArrayLike, errors: ArrayLike, bins: int = 20) -> float:
    """Return the expected normalised calibration error.

    Parameters
    ----------
    sigma
        Uncertainties, shape (n,).
    errors
        Predictions less labels, shape (n,).
    bins
        Of equal count along the uncertainty.

    Returns
    -------
    float
        Mean over bins of |RMV - RMSE| / RMV.

    Examples
    --------
    >>> ence([1.0, 1.0, 2.0, 2.0], [1.0, -1.0, 1.0, 1.0], bins=2)
    0.25
    """
    spread, off = checked(sigma, errors)
    order = np.argsort(spread, kind="stable")
    total = 0.0
    for part in np.array_split(order, bins):
        rmv, rmse = np.sqrt(np.mean(spread[part] ** 2)), np.sqrt(np.mean(off[part] ** 2))
        total += abs(rmv - rmse) / rmv
    return float(total / bins)


def auroc(score: ArrayLike, positive: ArrayLike) -> float:
    """Return the probability that a positive case scores above a negative one, ties by half.

    Parameters
    ----------
    score
        Shape (n,).
    positive
        Whether a case is positive, shape (n,): one of the worst errors, or a structure out of the distribution.

    Returns
    -------
    float
        NaN if all are alike.

    Examples
    --------
    >>> auroc([0.1, 0.2, 0.9], [False, False, True])
    1.0
    """
    values, yes = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
    n_yes, n_no = int(yes.sum()), int((~yes).sum())
    if not n_yes or not n_no:
        return float("nan")
    ranks = rankdata(values)
    return float((ranks[yes].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * n_no))


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    ranks = [rankdata(values) for values in (a, b)]
    off = [values - values.mean() for values in ranks]
    norms = float(np.linalg.norm(off[0]) * np.linalg.norm(off[1]))
    return float(off[0] @ off[1]) / norms if norms else float("nan")

"""Distances between two samples of one quantity: Kullback–Leibler, Jensen–Shannon and Wasserstein.

They are those by which augmented databases are judged in arXiv:2504.01685. The divergences are those of histograms over
common bins and in bits; the Wasserstein distance is that of the samples themselves, in the unit of the quantity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import wasserstein_distance

#: Added to each count for the Kullback–Leibler divergence, which is infinite where the base has an empty bin.
SMOOTHING = 0.5

#: Part of both samples that is spread over the bins; what lies further out falls into the outermost ones.
CENTRAL = 0.998


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Two samples counted over common bins of equal width.

    Parameters
    ----------
    low
        Left edge of the first bin; what lies below it is counted there.
    high
        Right edge of the last bin; likewise.
    base
        Counts, shape (bins,).
    new
        Counts, shape (bins,).
    """

    low: float
    high: float
    base: NDArray[np.int64]
    new: NDArray[np.int64]

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.base)


def histogram(base: ArrayLike, new: ArrayLike, bins: int = 100, central: float = CENTRAL) -> Histogram:
    """Count two samples over common bins.

    The bins span the central part of both samples: a single geometry that flew apart does not widen them.

    Parameters
    ----------
    base
        Sample of the base, shape (n,), finite.
    new
        Sample to compare with it, shape (m,), finite; one of the two may be empty.
    bins
        Number of bins.
    central
        Part of each sample that is spread over the bins.

    Returns
    -------
    Histogram
        One bin where all values are equal.

    Raises
    ------
    ValueError
        If both samples are empty or there is no bin.

    Examples
    --------
    >>> histogram([0.0, 1.0], [1.0, 2.0], bins=2, central=1.0).base.tolist()
    [1, 1]
    """
    x, y = np.asarray(base, dtype=np.float64), np.asarray(new, dtype=np.float64)
    samples = [sample for sample in (x, y) if sample.size]
    if not samples or bins < 1:
        raise ValueError(f"{bins} bins of {x.size} and {y.size} values; expected at least one of each")
    tail = (1 - central) / 2
    low = min(float(np.quantile(sample, tail, method="nearest")) for sample in samples)
    high = max(float(np.quantile(sample, 1 - tail, method="nearest")) for sample in samples)
    # values that differ by rounding alone are equal
    if high - low <= 1e-9 * max(1.0, abs(low), abs(high)):
        return Histogram(low=low, high=high, base=np.array([x.size]), new=np.array([y.size]))
    edges = np.linspace(low, high, bins + 1)
    counted = [np.histogram(np.clip(sample, low, high), bins=edges)[0].astype(np.int64) for sample in (x, y)]
    return Histogram(low=low, high=high, base=counted[0], new=counted[1])


def kullback_leibler(p: ArrayLike, q: ArrayLike, smoothing: float = SMOOTHING) -> float:
    r"""Return the Kullback–Leibler divergence D(P‖Q) of two histograms in bits.

    .. math:: D(P‖Q) = \sum_k p_k \log_2 \frac{p_k}{q_k}, \qquad p_k = \frac{n_k + α}{\sum_j (n_j + α)}

    Parameters
    ----------
    p
        Counts of P, shape (bins,).
    q
        Counts of Q over the same bins.
    smoothing
        α; with 0 the divergence is infinite where P has counts and Q has none.

    Returns
    -------
    float
        At least 0.

    Examples
    --------
    >>> round(kullback_leibler([3, 1], [2, 2], smoothing=0), 4)
    0.1887
    """
    a, b = _shares(p, smoothing), _shares(q, smoothing)
    with np.errstate(divide="ignore"):
        return max(float(np.sum(a[a > 0] * np.log2(a[a > 0] / b[a > 0]))), 0.0)


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    r"""Return the Jensen–Shannon divergence of two histograms in bits.

    .. math:: J(P, Q) = \tfrac{1}{2} D(P‖M) + \tfrac{1}{2} D(Q‖M), \qquad M = \tfrac{1}{2}(P + Q)

    It is symmetric, 0 for equal histograms and 1 for such that share no bin; nothing is added to the counts.

    Parameters
    ----------
    p
        Counts of P, shape (bins,).
    q
        Counts of Q over the same bins.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> jensen_shannon([4, 0], [0, 7])
    1.0
    """
    a, b = _shares(p, 0.0), _shares(q, 0.0)
    middle = (a + b) / 2
    halves = [float(np.sum(x[x > 0] * np.log2(x[x > 0] / middle[x > 0]))) for x in (a, b)]
    return min(max(sum(halves) / 2, 0.0), 1.0)


def chance_level(p: ArrayLike, q: ArrayLike) -> float:
    r"""Return the Jensen–Shannon divergence expected of two samples of one distribution.

    Finite samples differ. To second order in the differences :math:`J ≈ \sum_k (p_k - q_k)^2 / (8 m_k \ln 2)`, and the
    variance of a count gives

    .. math:: ⟨J⟩ ≈ \frac{k - 1}{8 \ln 2} \left(\frac{1}{n} + \frac{1}{m}\right)

    for n and m independent values over k occupied bins. Bonds of one molecule are not independent, so that it is a
    lower limit.

    Parameters
    ----------
    p
        Counts, shape (bins,), n in all.
    q
        Counts over the same bins, m in all.

    Returns
    -------
    float
        In bits, 1 at most.

    Examples
    --------
    >>> round(chance_level([50, 50], [50, 50]), 4)
    0.0036
    """
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    occupied = int(((a + b) > 0).sum())
    return min(float((occupied - 1) / (8 * np.log(2)) * (1 / a.sum() + 1 / b.sum())), 1.0)


def wasserstein(base: ArrayLike, new: ArrayLike) -> float:
    r"""Return the Wasserstein-1 distance of two samples in their unit.

    .. math:: W_1 = ∫ |F(x) - G(x)| \, dx

    with their empirical distribution functions: how far values must be moved on average to turn one into the other.

    Parameters
    ----------
    base
        Shape (n,).
    new
        Shape (m,).

    Returns
    -------
    float
        At least 0.

    Examples
    --------
    >>> wasserstein([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    0.5
    """
    return float(wasserstein_distance(np.asarray(base, dtype=np.float64), np.asarray(new, dtype=np.float64)))


def _shares(counts: ArrayLike, smoothing: float) -> NDArray[np.float64]:
    smooth = np.asarray(counts, dtype=np.float64) + smoothing
    total = float(smooth.sum())
    if total <= 0:
        raise ValueError("a histogram without counts has no divergence; expected at least one value on either side")
    shares: NDArray[np.float64] = smooth / total
    return shares

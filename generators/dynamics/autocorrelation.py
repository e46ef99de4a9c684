"""How long a trajectory remembers: autocorrelation and its integral."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: The integral goes up to that many times its own value: beyond are only noise and bias (Sokal's window).
_WINDOW = 5.0


def autocorrelation(series: ArrayLike) -> NDArray[np.float64]:
    r"""Return the normalised autocorrelation of a series of numbers or vectors.

    .. math::

        \rho(t) = \frac{\sum_k \langle \delta x_k(0)\, \delta x_k(t) \rangle}{\sum_k \langle \delta x_k^2 \rangle}

    Components with the larger fluctuations count more, as they do in an RMSD.

    Parameters
    ----------
    series
        Shape (n,) or (n, n_components).

    Returns
    -------
    NDArray[np.float64]
        Shape (n,); ρ(0) is 1. A series that does not move has ρ(t) = 0 from t = 1 on.

    Examples
    --------
    >>> autocorrelation([1.0, -1.0, 1.0, -1.0]).round(3).tolist()
    [1.0, -1.0, 1.0, -1.0]
    """
    x = np.asarray(series, dtype=np.float64).reshape(len(np.asarray(series)), -1)  # (n, n_components)
    n = len(x)
    x = x - x.mean(axis=0)
    spectrum = np.fft.rfft(x, n=2 * n, axis=0)  # padded, so that the end does not meet the beginning
    power = (np.abs(spectrum) ** 2).sum(axis=1)
    covariance = np.fft.irfft(power, n=2 * n)[:n] / np.arange(n, 0, -1)  # (n,)
    if not covariance[0] > np.finfo(np.float64).tiny:
        covariance, covariance[0] = np.zeros(n), 1.0
    rho: NDArray[np.float64] = covariance / covariance[0]
    return rho


def integrated_time(series: ArrayLike) -> float:
    r"""Return the integrated autocorrelation time of a series in steps.

    .. math::

        \tau = \Bigl(1 + \frac{2M + 1}{n}\Bigr) \Bigl(\tfrac12 + \sum_{t=1}^{M} \rho(t)\Bigr),
        \quad M \text{ the least with } M \ge 5 \tau(M).

    The mean of n steps has the variance of the mean of n/2τ independent ones: steps that are 2τ apart count as
    independent. The first factor makes up for the mean, which is taken from the same steps. What is slower than the
    series is long cannot be seen in it.

    Parameters
    ----------
    series
        Shape (n,) or (n, n_components), see :func:`autocorrelation`.

    Returns
    -------
    float
        At least 1/2, that of independent steps: oscillations, whose integral vanishes, do not make steps more than
        independent.

    References
    ----------
    A. Sokal, Monte Carlo Methods in Statistical Mechanics (1997), doi:10.1007/978-1-4899-0319-8_6 (the window);
    U. Wolff, Comput. Phys. Commun. 156, 143 (2004), doi:10.1016/S0010-4655(03)00467-3 (the factor).

    Examples
    --------
    >>> independent = np.random.default_rng(0).normal(size=100_000)
    >>> round(integrated_time(independent), 1)
    0.5
    >>> round(integrated_time(np.convolve(independent, np.ones(9))), 1)  # 1/2 + 8/9 + 7/9 + ... + 1/9
    4.6
    """
    rho = autocorrelation(series)
    running = np.cumsum(rho) - 0.5  # (n,)
    far = np.arange(len(rho)) >= _WINDOW * np.maximum(running, 0.5)
    M = int(np.argmax(far)) if far.any() else len(rho) - 1
    return max(float(running[M]) * (1 + (2 * M + 1) / len(rho)), 0.5)

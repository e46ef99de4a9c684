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


def integrated_time(rho: ArrayLike) -> float:
    r"""Return the integrated autocorrelation time in steps.

    .. math::

        \tau = \tfrac12 + \sum_{t=1}^{M} \rho(t), \quad M \text{ the least with } M \ge 5 \tau(M).

    The mean of n steps has the variance of the mean of n/2τ independent ones: steps that are 2τ apart count as
    independent. What is slower than the series is long cannot be seen in it.

    Parameters
    ----------
    rho
        Normalised autocorrelation, shape (n,).

    Returns
    -------
    float
        At least 1/2, that of independent steps: an oscillation, whose integral vanishes, may have less, but does not
        make steps more than independent.

    References
    ----------
    A. Sokal, Monte Carlo Methods in Statistical Mechanics (1997), doi:10.1007/978-1-4899-0319-8_6.

    Examples
    --------
    >>> t = np.arange(2000)
    >>> round(integrated_time(np.exp(-t / 20.0)), 1)  # 20, up to the window
    19.9
    """
    running = np.cumsum(np.asarray(rho, dtype=np.float64)) - 0.5  # (n,)
    far = np.arange(len(running)) >= _WINDOW * np.maximum(running, 0.5)
    window = int(np.argmax(far)) if far.any() else len(running) - 1
    return max(float(running[window]), 0.5)

"""Errors as a function of what a model sees: learned on held-out data, beside what its uncertainty tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from molaug.filters.uncertainty.calibration import Scale, checked

#: Penalties that are tried; with the last, which is infinite, only the factor of a :class:`Scale` is left.
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, np.inf)

#: Folds of the cross-validation that decides the penalty and the factor.
FOLDS = 5

#: Columns that vary by less than this share of their size are constant.
_CONSTANT = 1e-9

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ErrorRegression:
    """Uncertainties whose logarithm is linear in that of others and in features.

    A rigidity tells how well the weights of the last layer are determined, and an ensemble how far trainings differ.
    Neither knows that errors of, say, strained rings are larger than those of chains where both are equally well
    covered. Held-out errors do: the mean absolute error is fitted as a log-linear function, by the likelihood of
    exponentially distributed absolute errors, which outliers move little. The penalty is on all differences from the
    uncertainty that was given, times a factor; cross-validation chooses it, and the factor is that of errors which were
    not fitted.

    Beyond the held-out data features count as at its edge, and the result grows in proportion to the uncertainty that
    was given: what was learned of errors holds only where there were any.

    Parameters
    ----------
    weights
        Of log σ and of each feature, standardised, shape (1 + d,).
    centre
        Means of these columns, shape (1 + d,).
    spread
        Their standard deviations, infinite where they are constant, shape (1 + d,).
    low
        Their least values, shape (1 + d,).
    high
        Their largest values, shape (1 + d,).
    factor
        By which the whole is multiplied.

    References
    ----------
    D. A. Nix and A. S. Weigend, doi:10.1109/ICNN.1994.374138 (variances as an output that is learned).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ring = rng.integers(0, 2, (4000, 1))  # what is a ring is three times as wrong
    >>> errors = rng.normal(size=4000) * np.where(ring[:, 0], 0.3, 0.1)
    >>> model = ErrorRegression.fitted(np.ones(4000), ring, errors)
    >>> model(np.ones(2), [[0], [1]]).round(1).tolist()
    [0.1, 0.3]
    """

    weights: Array
    centre: Array
    spread: Array
    low: Array
    high: Array
    factor: float

    @classmethod
    def fitted(cls, sigma: ArrayLike, features: ArrayLike, errors: ArrayLike) -> ErrorRegression:
        """Fit to held-out data.

        Parameters
        ----------
        sigma
            Uncertainties, above 0, shape (n,).
        features
            What else may tell of the size of errors, shape (n, d).
        errors
            Predictions less labels, shape (n,).

        Returns
        -------
        ErrorRegression
            Its uncertainties are of the right size in the mean square.

        Raises
        ------
        ValueError
            If there are fewer rows than folds, or no error differs from 0.
        """
        columns, off = _held_out(sigma, features, errors)
        penalty, told = _cross_validated(columns, off)
        model = _refitted(_start(columns), columns, off, penalty)
        return cls(**{**vars(model), "factor": Scale.fitted(told, off).factor})

    @classmethod
    def cross_validated(cls, sigma: ArrayLike, features: ArrayLike, errors: ArrayLike) -> Array:
        """Return uncertainties of the held-out data, each by a model that has not seen its error.

        Parameters
        ----------
        sigma
            As for :meth:`fitted`, shape (n,).
        features
            Shape (n, d).
        errors
            Shape (n,).

        Returns
        -------
        NDArray[np.float64]
            Shape (n,): what another calibration may be fitted to.

        Raises
        ------
        ValueError
            If there are fewer rows than folds, or no error differs from 0.
        """
        columns, off = _held_out(sigma, features, errors)
        told = _cross_validated(columns, off)[1]
        return Scale.fitted(told, off)(told)

    def __call__(self, sigma: ArrayLike, features: ArrayLike) -> Array:
        """Return calibrated uncertainties.

        Parameters
        ----------
        sigma
            Uncertainties, shape (n,).
        features
            Shape (n, d).

        Returns
        -------
        NDArray[np.float64]
            Shape (n,); NaN where a number is.
        """
        return self.factor * _told(self, _columns(np.asarray(sigma, dtype=np.float64), features))


def _start(columns: Array) -> ErrorRegression:
    """Start from the uncertainty that was given."""
    centre, spread = columns.mean(0), columns.std(0)
    spread = np.where(spread > _CONSTANT * np.maximum(np.abs(centre), 1.0), spread, np.inf)
    weights = np.zeros(columns.shape[1])
    weights[0] = spread[0] if np.isfinite(spread[0]) else 0.0
    return ErrorRegression(
        weights=weights, centre=centre, spread=spread, low=columns.min(0), high=columns.max(0), factor=1.0
    )


def _cross_validated(columns: Array, errors: Array) -> tuple[float, Array]:
    """Choose the penalty; return it, and what the other folds tell of each row, but for a factor."""
    fold = np.arange(len(errors)) % FOLDS
    models = [_start(columns[fold != k]) for k in range(FOLDS)]
    best: tuple[float, float, Array] | None = None
    for penalty in sorted(PENALTIES, reverse=True):
        told = np.empty(len(errors))
        for k in range(FOLDS):
            models[k] = _refitted(models[k], columns[fold != k], errors[fold != k], penalty)
            told[fold == k] = _told(models[k], columns[fold == k])
        mean = told * np.mean(np.abs(errors) / told)
        loss = float(np.mean(np.log(mean) + np.abs(errors) / mean))
        if best is None or loss < best[0]:
            best = loss, penalty, told
    if best is None:
        raise RuntimeError("no penalty was tried")
    return best[1], best[2]


def _refitted(model: ErrorRegression, columns: Array, errors: Array, penalty: float) -> ErrorRegression:
    """Fit the weights, from those that are there, to log E|e| = b + Xw."""
    if not np.isfinite(penalty):
        return model
    x = (columns - model.centre) / model.spread  # (n, 1 + d)
    prior = np.zeros(x.shape[1])
    prior[0] = model.spread[0] if np.isfinite(model.spread[0]) else 0.0
    y = np.abs(errors) / np.mean(np.abs(errors))

    def loss(parameters: Array) -> tuple[float, Array]:
        offset, weights = parameters[0], parameters[1:]
        log_mean = offset + x @ weights
        ratio = y * np.exp(-log_mean)
        slope = (1.0 - ratio) / len(y)
        value = np.mean(log_mean + ratio) + penalty * np.sum((weights - prior) ** 2)
        return float(value), np.r_[slope.sum(), x.T @ slope + 2 * penalty * (weights - prior)]

    found = minimize(loss, np.r_[0.0, model.weights], jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return ErrorRegression(**{**vars(model), "weights": found.x[1:]})


def _told(model: ErrorRegression, columns: Array) -> Array:
    within = np.clip(columns, model.low, model.high)
    beyond = columns[:, 0] - within[:, 0]
    told: Array = np.exp((within - model.centre) / model.spread @ model.weights + beyond)
    return told


def _held_out(sigma: ArrayLike, features: ArrayLike, errors: ArrayLike) -> tuple[Array, Array]:
    given, off = checked(sigma, errors)
    if len(off) < 2 * FOLDS or not off.any():
        raise ValueError(f"{len(off)} held-out errors, {np.count_nonzero(off)} not 0; expected at least {2 * FOLDS}")
    return _columns(given, features), off


def _columns(sigma: Array, features: ArrayLike) -> Array:
    seen = np.asarray(features, dtype=np.float64)
    if seen.ndim != 2 or len(seen) != len(sigma):
        raise ValueError(f"features of shape {seen.shape} for {len(sigma)} uncertainties; expected a row for each")
    return np.column_stack([np.log(sigma), seen])

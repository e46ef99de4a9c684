"""What structures tell a linear model of its weights: M = FᵀF + ς²I, for uncertainty, redundancy and design alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular

#: Rows that are worked on at a time.
_ROWS = 8192

#: Ridge as a share of the mean eigenvalue of FᵀF, for features of which nothing is known.
SHARE = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False)
class Information:
    """The information matrix M = FᵀF + ς²I of some rows F of features, in double precision.

    It is summed up in a stream, and sums of parts can be added. The quadratic form h = fᵀM⁻¹f of a row f is at once
    the variance of its prediction but for a factor (uncertainty), its leverage (redundancy), and by ln(1 + h) what it
    would add to ln det M (D-optimal design).

    Parameters
    ----------
    gram
        FᵀF, shape (d, d).
    n
        Rows of F.
    ridge
        ς², in the units of FᵀF.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, or the ridge is negative.

    References
    ----------
    F. Bigi et al., arXiv:2403.02251 (prediction rigidity of last layers); V. V. Fedorov, Theory of Optimal
    Experiments, Academic Press 1972.

    Examples
    --------
    >>> features = np.random.default_rng(0).normal(size=(100, 4))
    >>> known = Information.of(features)
    >>> round(float(known.leverage(features).sum()), 6)  # the number of weights
    4.0
    """

    gram: NDArray[np.float64]
    n: int
    ridge: float = 0.0

    def __post_init__(self) -> None:
        if self.gram.ndim != 2 or self.gram.shape[0] != self.gram.shape[1] or not len(self.gram):
            raise ValueError(f"the matrix has the shape {self.gram.shape}; expected (d, d)")
        if not np.isfinite(self.gram).all():
            raise ValueError("the features are not finite; leave out rows that have none")
        if not self.ridge >= 0:
            raise ValueError(f"ridge is {self.ridge}; expected at least 0")

    @classmethod
    def of(cls, features: NDArray[Any] | Iterable[ArrayLike], ridge: float = 0.0) -> Information:
        """Sum up rows.

        Parameters
        ----------
        features
            One array of shape (n, d), or an iterable of such.
        ridge
            ς².

        Returns
        -------
        Information
            Of all rows.

        Raises
        ------
        ValueError
            If there is no array at all, or their widths differ.
        """
        parts: Iterable[ArrayLike] = [features] if isinstance(features, np.ndarray) else features
        total: NDArray[np.float64] | None = None
        n = 0
        for part in parts:
            rows = _rows(part)
            gram = _gram(rows)
            if total is not None and total.shape != gram.shape:
                raise ValueError(f"{gram.shape[0]} features after rows of {total.shape[0]}; expected as many")
            total, n = gram if total is None else total + gram, n + len(rows)
        if total is None:
            raise ValueError("no features; expected at least one array of shape (n, d)")
        return cls(gram=total, n=n, ridge=ridge)

    def __add__(self, other: Information) -> Information:
        """Return the information of the rows of both.

        Parameters
        ----------
        other
            Of as many features, with the same ridge.

        Returns
        -------
        Information
            With that ridge, once.

        Raises
        ------
        ValueError
            If features or ridges differ.
        """
        if self.gram.shape != other.gram.shape or self.ridge != other.ridge:
            raise ValueError(
                f"{self.d} features with ridge {self.ridge}, and {other.d} with {other.ridge}; expected the same"
            )
        return replace(self, gram=self.gram + other.gram, n=self.n + other.n)

    def added(self, features: ArrayLike) -> Information:
        """Return what is known with some more rows.

        Parameters
        ----------
        features
            Shape (n, d).

        Returns
        -------
        Information
            With the same ridge.
        """
        return self + Information.of(_rows(features), self.ridge)

    def removed(self, features: ArrayLike) -> Information:
        """Return what is known without some of the rows.

        Parameters
        ----------
        features
            Rows that are in it, shape (n, d).

        Returns
        -------
        Information
            With the same ridge.

        Raises
        ------
        ValueError
            If there are more of them than there are rows.
        """
        rows = _rows(features)
        if len(rows) > self.n:
            raise ValueError(f"{len(rows)} rows to be removed of {self.n}; expected no more of them")
        return replace(self, gram=self.gram - _gram(rows), n=self.n - len(rows))

    def regularised(self, share: float = SHARE) -> Information:
        """Return the same with a ridge that goes with the scale of the features.

        Parameters
        ----------
        share
            Of the mean eigenvalue of FᵀF.

        Returns
        -------
        Information
            With the ridge ``share * trace(FᵀF) / d``.
        """
        return replace(self, ridge=float(share * np.trace(self.gram) / self.d))

    @property
    def d(self) -> int:
        """Features."""
        return len(self.gram)

    @cached_property
    def factor(self) -> NDArray[np.float64]:
        """The lower triangular L of M = LLᵀ, shape (d, d).

        Returns
        -------
        NDArray[np.float64]
            The Cholesky factor.

        Raises
        ------
        ValueError
            If M is singular.
        """
        matrix = (self.gram + self.gram.T) / 2 + self.ridge * np.eye(self.d)
        try:
            factor: NDArray[np.float64] = cholesky(matrix, lower=True, check_finite=False)
        except LinAlgError:
            raise ValueError(
                f"{self.n} rows do not determine {self.d} weights (ridge {self.ridge:g}); give a larger ridge, for "
                "instance by regularised(), more rows, or fewer features"
            ) from None
        return factor

    def whitened(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return rows in whose metric M is the unit matrix: their squared lengths are their leverages.

        Parameters
        ----------
        features
            Shape (..., d).

        Returns
        -------
        NDArray[np.float64]
            L⁻¹f of each row, of the same shape.
        """
        rows = np.asarray(features, dtype=np.float64)
        _check_width(rows, self.d)
        flat = rows.reshape(-1, self.d)
        whitened = np.empty_like(flat)
        for k in range(0, len(flat), _ROWS):  # a block stays in the cache of a processor
            whitened[k : k + _ROWS] = solve_triangular(
                self.factor, flat[k : k + _ROWS].T, lower=True, check_finite=False
            ).T
        return whitened.reshape(rows.shape)

    def leverage(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return h = fᵀM⁻¹f of each row.

        Parameters
        ----------
        features
            Shape (..., d).

        Returns
        -------
        NDArray[np.float64]
            Shape (...), at least 0; below 1 for rows that are in F.
        """
        rows = np.asarray(features)
        _check_width(rows, self.d)
        flat = rows.reshape(-1, self.d)
        found = np.empty(len(flat))
        for k in range(0, len(flat), _ROWS):
            part = self.whitened(flat[k : k + _ROWS])
            found[k : k + _ROWS] = np.einsum("nd,nd->n", part, part)
        return found.reshape(rows.shape[:-1])

    def gain(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return by how much ln det M grows when a row is added: ln(1 + h).

        Parameters
        ----------
        features
            Shape (..., d).

        Returns
        -------
        NDArray[np.float64]
            Shape (...), each row taken by itself.
        """
        return np.log1p(self.leverage(features))

    def loss(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return by how much ln det M falls when a row that is in F is removed: -ln(1 - h).

        Parameters
        ----------
        features
            Rows of F, shape (..., d).

        Returns
        -------
        NDArray[np.float64]
            Shape (...), each row taken by itself; infinite where M would be singular.
        """
        with np.errstate(divide="ignore"):
            return -np.log1p(-np.minimum(self.leverage(features), 1.0))

    @property
    def log_det(self) -> float:
        """Natural logarithm of det M."""
        return float(2.0 * np.log(np.diag(self.factor)).sum())

    @cached_property
    def eigenvalues(self) -> NDArray[np.float64]:
        """Eigenvalues of FᵀF, ascending, none below 0, shape (d,)."""
        values: NDArray[np.float64] = np.linalg.eigvalsh((self.gram + self.gram.T) / 2).clip(min=0.0)
        return values

    @property
    def freedom(self) -> float:
        """Effective degrees of freedom tr(FᵀF M⁻¹): how many weights the rows determine against the ridge."""
        values = self.eigenvalues
        there = values > 0
        return float((values[there] / (values[there] + self.ridge)).sum())


def rank_one(inverse: NDArray[np.float64], row: NDArray[np.float64], sign: int = 1) -> NDArray[np.float64]:
    """Return (M ± ffᵀ)⁻¹ from M⁻¹ (Sherman–Morrison).

    Parameters
    ----------
    inverse
        M⁻¹, shape (d, d).
    row
        f, shape (d,).
    sign
        1 to add the row, -1 to remove it.

    Returns
    -------
    NDArray[np.float64]
        Shape (d, d).

    Raises
    ------
    ValueError
        If the matrix would be singular without the row.

    Examples
    --------
    >>> rank_one(np.eye(2), np.array([1.0, 0.0])).tolist()
    [[0.5, 0.0], [0.0, 1.0]]
    """
    along = inverse @ row  # (d,)
    rest = 1.0 + sign * float(row @ along)
    if not rest > 0:
        raise ValueError("without this row the matrix is singular; keep it, or give a larger ridge")
    return inverse - (sign / rest) * np.outer(along, along)


def _rows(features: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"features of shape {rows.shape}; expected (n, d)")
    return rows


def _gram(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    gram: NDArray[np.float64] = rows.T @ rows
    return gram


def _check_width(rows: NDArray[np.generic], d: int) -> None:
    if not rows.ndim or rows.shape[-1] != d:
        raise ValueError(f"features of shape {rows.shape}; expected {d} along the last axis")

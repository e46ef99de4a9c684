"""MaxVol: the d rows that span the largest volume, and by them the grade of extrapolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr

#: A swap is made where the volume grows by more than this factor.
TOLERANCE = 1.01


@dataclass(frozen=True, kw_only=True, eq=False)
class ActiveSet:
    """Rows of which all others are combinations, those it was chosen from with coefficients of at most about 1.

    Parameters
    ----------
    rows
        Numbers of these rows, shape (d,).
    inverse
        Inverse of the matrix of these rows, shape (d, d).

    References
    ----------
    S. A. Goreinov et al., doi:10.1142/9789812836021_0015 (MaxVol); E. V. Podryabinkin and A. V. Shapeev,
    arXiv:1611.09346 (extrapolation grade of potentials).

    Examples
    --------
    >>> found = ActiveSet.of(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.1, 0.1]]))
    >>> sorted(found.rows.tolist()), found.grade([[4.0, 0.0]]).tolist()
    ([1, 2], [2.0])
    """

    rows: NDArray[np.intp]
    inverse: NDArray[np.float64]

    @classmethod
    def of(cls, features: ArrayLike, *, tolerance: float = TOLERANCE, max_swaps: int = 10_000) -> ActiveSet:
        """Choose the rows.

        Parameters
        ----------
        features
            Shape (n, d), n at least d, of rank d.
        tolerance
            Rows are swapped as long as the volume grows by more than this factor, at least 1.
        max_swaps
            At most so many.

        Returns
        -------
        ActiveSet
            No row of ``features`` has a grade above ``tolerance``.

        Raises
        ------
        ValueError
            If the rows do not span d dimensions, the tolerance is below 1, or the swaps do not suffice.
        """
        matrix = np.asarray(features, dtype=np.float64)
        if matrix.ndim != 2 or len(matrix) < matrix.shape[1] or not matrix.shape[1]:
            raise ValueError(f"features of shape {matrix.shape}; expected (n, d) with n at least d")
        if not tolerance >= 1:
            raise ValueError(f"tolerance is {tolerance}; expected at least 1")
        d = matrix.shape[1]
        _, triangle, order = qr(matrix.T, mode="economic", pivoting=True)
        diagonal = np.abs(np.diag(triangle))
        if not diagonal[-1] > 1e-12 * diagonal[0]:
            raise ValueError(f"{len(matrix)} rows do not span {d} dimensions; leave out features or add rows")
        rows = np.array(order[:d], dtype=np.intp)
        coefficients = matrix @ np.linalg.inv(matrix[rows])  # (n, d)
        for swap in range(max_swaps + 1):
            i, j = np.unravel_index(int(np.abs(coefficients).argmax()), coefficients.shape)
            if abs(coefficients[i, j]) <= tolerance:
                break
            if swap == max_swaps:
                raise ValueError(f"{max_swaps} swaps do not suffice; raise max_swaps or tolerance")
            # the row i takes the place j: one update of rank one
            change = coefficients[i].copy()
            change[j] -= 1.0
            coefficients -= np.outer(coefficients[:, j] / coefficients[i, j], change)
            rows[j] = i
        return cls(rows=rows, inverse=np.asarray(np.linalg.inv(matrix[rows]), dtype=np.float64))

    def grade(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the extrapolation grade γ: the largest coefficient in a row's combination of the active rows.

        Parameters
        ----------
        features
            Shape (n, d).

        Returns
        -------
        NDArray[np.float64]
            Shape (n,); up to 1 a row is interpolated, far above 1 extrapolated.
        """
        coefficients = np.asarray(features, dtype=np.float64) @ self.inverse
        grade: NDArray[np.float64] = np.abs(coefficients).max(-1)
        return grade

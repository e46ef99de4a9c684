"""Errors against uncertainties in four fields: what a database covers, repeats, blurs, or lacks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.filters.uncertainty.calibration import checked

#: Small and large error (rows) by small and large uncertainty.
QUADRANTS = ("well covered", "redundant", "similar but unspecific", "missing")


@dataclass(frozen=True, kw_only=True, eq=False)
class Quadrants:
    """In which field each structure lies.

    ``well covered``: small error, small uncertainty; ``redundant``: small error, large uncertainty (close neighbours in
    the training set, noise); ``similar but unspecific``: large error, small uncertainty (a known group in another
    surrounding); ``missing``: both large: these are what labels are worth most for.

    Parameters
    ----------
    field
        Numbers into :data:`QUADRANTS`, shape (n,).
    error_limit
        Above it an error is large.
    sigma_limit
        Above it an uncertainty is large.

    References
    ----------
    L. I. Vazquez-Salazar, E. D. Boittier and M. Meuwly, Chem. Sci. 13, 13068 (2022), doi:10.1039/d2sc04056e.
    """

    field: NDArray[np.int64]
    error_limit: float
    sigma_limit: float

    @property
    def counts(self) -> dict[str, int]:
        """Structures in each field."""
        found = np.bincount(self.field, minlength=len(QUADRANTS))
        return dict(zip(QUADRANTS, found.tolist(), strict=True))

    @property
    def sensitivity(self) -> float:
        """Share of the large errors that have a large uncertainty; NaN if there are none."""
        _, _, unspecific, missing = self.counts.values()
        return missing / (missing + unspecific) if missing + unspecific else float("nan")

    @property
    def precision(self) -> float:
        """Share of the large uncertainties that have a large error; NaN if there are none."""
        _, redundant, _, missing = self.counts.values()
        return missing / (missing + redundant) if missing + redundant else float("nan")


def quadrants(
    sigma: ArrayLike, errors: ArrayLike, *, error_limit: float | None = None, sigma_limit: float | None = None
) -> Quadrants:
    """Divide structures by error and uncertainty.

    Parameters
    ----------
    sigma
        Uncertainties, shape (n,).
    errors
        Predictions less labels, shape (n,).
    error_limit
        Above it an error is large; by default the root of the mean squared error.
    sigma_limit
        Above it an uncertainty is large; by default the root of the mean variance.

    Returns
    -------
    Quadrants
        Of all structures.

    Examples
    --------
    >>> quadrants([1.0, 3.0, 1.0, 3.0], [0.0, 0.1, 2.0, -2.0]).field.tolist()
    [0, 1, 2, 3]
    """
    spread, off = checked(sigma, errors)
    of_error = float(np.sqrt(np.mean(off**2))) if error_limit is None else error_limit
    of_sigma = float(np.sqrt(np.mean(spread**2))) if sigma_limit is None else sigma_limit
    field = 2 * (np.abs(off) > of_error).astype(np.int64) + (spread > of_sigma)
    return Quadrants(field=field, error_limit=of_error, sigma_limit=of_sigma)

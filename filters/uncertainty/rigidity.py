"""Prediction rigidities: uncertainties of a trained model from the features of its last layer, without an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from molaug.filters.information import Information
from molaug.filters.uncertainty.calibration import Scale

#: Ridges that :meth:`Rigidity.fitted` tries, as shares of the mean eigenvalue.
SHARES: tuple[float, ...] = tuple(10.0**k for k in range(-10, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Rigidity:
    """Uncertainties of predictions that are linear in features: σ² = α² fᵀM⁻¹f.

    f are the inputs of a model's last layer for a whole structure (energies), for one atom (its local energy), with
    all but one component's features set to 0, or their derivative by a coordinate (forces): one formula serves all.
    1 / fᵀM⁻¹f is the prediction rigidity: how much the loss must grow for the prediction to change.

    Parameters
    ----------
    information
        Of the structures that the model was trained on.
    alpha
        α, from errors on held-out data; 1 leaves uncertainties in arbitrary units.

    Raises
    ------
    ValueError
        If α is not more than 0.

    References
    ----------
    F. Bigi et al., arXiv:2403.02251 (LLPR); S. Chong et al., arXiv:2306.15638 (LPR); arXiv:2408.14311 (CPR).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> train, held_out = rng.normal(size=(500, 8)), rng.normal(size=(200, 8))
    >>> errors = rng.normal(size=200) * 0.1
    >>> rigidity = Rigidity.fitted(Information.of(train), held_out, errors)
    >>> rigidity.uncertainty(10.0 * held_out[:1]) > rigidity.uncertainty(held_out[:1])
    array([ True])
    """

    information: Information
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and np.isfinite(self.alpha)):
            raise ValueError(f"alpha is {self.alpha}; expected more than 0")

    @classmethod
    def fitted(
        cls,
        information: Information,
        features: ArrayLike,
        errors: ArrayLike,
        *,
        shares: Sequence[float] = SHARES,
        by: Literal["squared", "absolute", "crps"] = "squared",
    ) -> Rigidity:
        """Choose ς² and α by the likelihood of the errors on held-out data.

        Parameters
        ----------
        information
            Of the training structures; its ridge is replaced.
        features
            Of held-out structures, shape (n, d).
        errors
            Predictions less labels, shape (n,).
        shares
            Ridges to be tried, as shares of the mean eigenvalue of FᵀF.
        by
            How α follows from the errors for each of them, see :meth:`Scale.fitted`.

        Returns
        -------
        Rigidity
            That of the lowest negative log-likelihood under normal errors.

        Raises
        ------
        ValueError
            If no ridge gives a matrix that can be inverted.
        """
        off = np.asarray(errors, dtype=np.float64)
        found: list[tuple[float, Rigidity]] = []
        for share in shares:
            ridged = information.regularised(share)
            try:
                raw = np.sqrt(ridged.leverage(features))
            except ValueError:
                if share == max(shares):
                    raise
                continue
            alpha = Scale.fitted(raw, off, by=by).factor
            sigma = alpha * raw
            score = float(np.mean(np.log(sigma) + 0.5 * (off / sigma) ** 2))
            found.append((score, cls(information=ridged, alpha=alpha)))
        return min(found, key=lambda entry: entry[0])[1]

    def rigidity(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the prediction rigidity 1 / fᵀM⁻¹f of structures (PR), or of atoms (LPR).

        Parameters
        ----------
        features
            Of structures or of atoms, shape (..., d).

        Returns
        -------
        NDArray[np.float64]
            Shape (...).
        """
        with np.errstate(divide="ignore"):
            return 1.0 / self.information.leverage(features)

    def component_rigidity(self, features: ArrayLike, components: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
        """Return the rigidity of each part of a prediction that is a sum over blocks of features (CPR).

        Parameters
        ----------
        features
            Shape (n, d).
        components
            Numbers of the features of each block, for instance of each element.

        Returns
        -------
        NDArray[np.float64]
            Shape (n, n_components).
        """
        rows = np.asarray(features, dtype=np.float64)
        masked = np.zeros((len(components), *rows.shape))
        for k, block in enumerate(components):
            masked[k][:, block] = rows[:, block]
        return self.rigidity(masked).T

    def uncertainty(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the standard deviation of predictions, α (fᵀM⁻¹f)^½.

        Parameters
        ----------
        features
            Of structures or atoms, or derivatives of them, shape (..., d).

        Returns
        -------
        NDArray[np.float64]
            Shape (...), in the unit of the errors that α was fitted to.
        """
        return self.alpha * np.sqrt(self.information.leverage(features))

    def scaled(self, calibration: Scale) -> Rigidity:
        """Return the same with a calibrated α.

        Parameters
        ----------
        calibration
            Of the uncertainties that it gives now.

        Returns
        -------
        Rigidity
            With α times that factor.
        """
        return replace(self, alpha=self.alpha * calibration.factor)

    def members(self, weights: ArrayLike, n: int, seed: int) -> NDArray[np.float64]:
        """Draw last layers whose predictions scatter by the uncertainties: a cheap ensemble.

        Parameters
        ----------
        weights
            Of the trained last layer, shape (d,).
        n
            How many, at least 2.
        seed
            Of the draws.

        Returns
        -------
        NDArray[np.float64]
            Weights w + α L⁻ᵀz, shape (n, d), shifted so that their mean is ``weights``; the variance of predictions
            (with n - 1) is that of :meth:`uncertainty` on average.

        Raises
        ------
        ValueError
            If fewer than two are asked for.
        """
        if n < 2:
            raise ValueError(f"{n} members; expected at least 2")
        z = np.random.default_rng(seed).normal(size=(self.information.d, n))
        z -= z.mean(1, keepdims=True)
        drawn = solve_triangular(self.information.factor, z, lower=True, trans="T")  # (d, n)
        members: NDArray[np.float64] = np.asarray(weights, dtype=np.float64) + self.alpha * drawn.T
        return members


def structure_sums(features: ArrayLike, offsets: ArrayLike, *, mean: bool = False) -> NDArray[np.float64]:
    """Add up the features of the atoms of each structure.

    Parameters
    ----------
    features
        Of atoms, shape (n_atoms, d).
    offsets
        First atom of each structure and the end of the last, shape (n + 1,).
    mean
        Divide by the number of atoms.

    Returns
    -------
    NDArray[np.float64]
        Shape (n, d); 0 for structures without atoms.

    Raises
    ------
    ValueError
        If the offsets do not go from 0 to the number of atoms.

    Examples
    --------
    >>> structure_sums([[1.0], [2.0], [5.0]], [0, 2, 3]).ravel().tolist()
    [3.0, 5.0]
    """
    rows, bounds = np.asarray(features, dtype=np.float64), np.asarray(offsets, dtype=np.intp)
    if bounds.ndim != 1 or not len(bounds) or bounds[0] != 0 or bounds[-1] != len(rows) or (np.diff(bounds) < 0).any():
        raise ValueError(f"offsets {bounds!r} of {len(rows)} atoms; expected them to rise from 0 to that")
    sums = np.zeros((len(bounds) - 1, rows.shape[1]))
    sizes = np.diff(bounds)
    there = sizes > 0
    if there.any():
        sums[there] = np.add.reduceat(rows, bounds[:-1][there], axis=0)
    if mean:
        sums[there] /= sizes[there, None]
    return sums

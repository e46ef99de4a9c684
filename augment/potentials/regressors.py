"""Regression on fixed features: kernel ridge and a sparse Gaussian process, energies with uncertainties in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import BayesianRidge
from sklearn.metrics.pairwise import euclidean_distances, manhattan_distances, pairwise_kernels

from molaug.filters.features import Distances, Features
from molaug.filters.information import Information
from molaug.filters.uncertainty import Scale
from molaug.filters.uncertainty.model import UncertainModel
from molaug.structures import Structures

#: Kernels exp(-|x - y|²/2l²), exp(-|x - y|₁/l) and x · y.
Kernel = Literal["gaussian", "laplacian", "linear"]

#: Rows on which length and ridge are chosen.
TUNING_ROWS = 1000

#: Lengths that are tried, in medians of the distances of the training rows, and ridges, in variances of the kernel.
_LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_RIDGES = tuple(10.0**k for k in range(-10, 0))

#: Mean and variance of what is learned for rows of features, (n, d) to (n,) each.
Posterior = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]


@runtime_checkable
class Regressor(Protocol):
    """A model that learns energies from labelled rows, and then knows how uncertain it is."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    def fitted(self, rows: Structures) -> UncertainModel:
        """Learn.

        Parameters
        ----------
        rows
            Labelled.

        Returns
        -------
        UncertainModel
            That has learned.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class KernelRidge:
    """Kernel ridge regression; uncertainties of the Gaussian process that has the same mean.

    Energies of free atoms are fitted and taken off. Length and ridge are those of the highest marginal likelihood
    unless given; so is the variance of the kernel, of which the ridge is the share that is noise.

    Parameters
    ----------
    features
        Of structures.
    kernel
        ``gaussian``, ``laplacian`` or ``linear``.
    length
        l, in the unit of the features; None to choose it.
    ridge
        λ, as a share of the variance of the kernel; None to choose it.
    per_atom
        Learn energies for each atom: right for features that do not grow with the structure, as those of unit length
        or averages over atoms; of sums over atoms, learn total energies.

    Raises
    ------
    ValueError
        If the kernel is unknown, or length or ridge are not more than 0.

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press 2006, chapter 2; M. Rupp
    et al., doi:10.1103/PhysRevLett.108.058301 (of molecules).

    Examples
    --------
    >>> x = [[[0.0, 0.0, 0.0], [0.0, 0.0, r]] for r in (0.7, 0.8, 0.9, 1.0)]
    >>> rows = Structures.from_arrays([[1, 1]] * 4, x, energy=[-31.6, -31.7, -31.5, -31.2])
    >>> energy, sigma = KernelRidge(length=0.3, ridge=1e-6).fitted(rows)(rows)
    >>> bool(np.abs(energy - rows.array("energy")).max() < 0.05)
    True
    """

    features: Features = field(default_factory=Distances)
    kernel: Kernel = "gaussian"
    length: float | None = None
    ridge: float | None = None
    per_atom: bool = True

    def __post_init__(self) -> None:
        _check(self.kernel, self.length)
        if self.ridge is not None and not self.ridge > 0:
            raise ValueError(f"ridge is {self.ridge}; expected more than 0")

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return "kernel ridge"

    def fitted(self, rows: Structures) -> Fitted:
        """Learn; the time grows with the cube of the rows, so some thousands are enough.

        Parameters
        ----------
        rows
            Those with features and an energy are learned.

        Returns
        -------
        Fitted
            That has learned.
        """
        problem = _Problem.of(rows, self.features, self.per_atom)
        x, y = problem.x, problem.y
        length, ridge = _tuned(x, y, self.kernel, self.length, self.ridge)
        k = _gram(x, x, self.kernel, length)
        scale = float(np.diag(k).mean())
        factor = cholesky(k + ridge * scale * np.eye(len(x)), lower=True)  # (n, n)
        dual = cho_solve((factor, True), y)  # (n,)
        amplitude = float(y @ dual) / len(y)  # of the highest marginal likelihood

        def posterior(queries: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            cross = _gram(queries, x, self.kernel, length)  # (m, n)
            told = solve_triangular(factor, cross.T, lower=True)  # (n, m)
            variance = _diagonal(queries, self.kernel) - np.einsum("nm,nm->m", told, told)
            return cross @ dual, amplitude * variance

        return problem.solved(self.name, posterior)


@dataclass(frozen=True, kw_only=True)
class SparseGaussianProcess:
    """A Gaussian process on as many rows as there are, seen through some of them.

    The kernel is replaced by that of Nyström features of ``landmarks``, on which Bayesian ridge regression chooses the
    variances of noise and kernel by the evidence. What these features cannot see of the kernel is added to the
    uncertainty (the deterministic training conditional): with all rows as landmarks it is the exact process.

    Parameters
    ----------
    features
        Of structures.
    kernel
        ``gaussian``, ``laplacian`` or ``linear``.
    length
        l, in the unit of the features; None to choose it.
    landmarks
        Rows drawn from the training rows.
    per_atom
        See :class:`KernelRidge`.
    seed
        Of the draw.

    Raises
    ------
    ValueError
        If the kernel is unknown, the length is not more than 0, or there is no landmark.

    References
    ----------
    J. Quiñonero-Candela and C. E. Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005); C. K. I. Williams and M. Seeger, NIPS
    13, 682 (2001) (Nyström).
    """

    features: Features = field(default_factory=Distances)
    kernel: Kernel = "gaussian"
    length: float | None = None
    landmarks: int = 500
    per_atom: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.kernel, self.length)
        if self.landmarks < 1:
            raise ValueError(f"landmarks is {self.landmarks}; expected at least 1")

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return "sparse Gaussian process"

    def fitted(self, rows: Structures) -> Fitted:
        """Learn; the time grows with the rows and the square of the landmarks.

        Parameters
        ----------
        rows
            Those with features and an energy are learned.

        Returns
        -------
        Fitted
            That has learned.
        """
        problem = _Problem.of(rows, self.features, self.per_atom)
        x, y = problem.x, problem.y
        length, _ = _tuned(x, y, self.kernel, self.length, None)
        named, gamma = _SKLEARN[self.kernel](length)
        nystroem = Nystroem(
            kernel=named, gamma=gamma, n_components=min(self.landmarks, len(x)), random_state=self.seed
        ).fit(x)
        phi = nystroem.transform(x)  # (n, landmarks)
        unit = float(np.sqrt(np.mean(y**2))) or 1.0  # evidence has priors of its own, weak for numbers near 1
        ridge = BayesianRidge(fit_intercept=False, max_iter=1000, tol=1e-6).fit(phi, y / unit)
        noise, signal = unit**2 / ridge.alpha_, unit**2 / ridge.lambda_
        known = Information.of(phi, ridge=noise / signal)
        weights = unit * ridge.coef_  # (landmarks,)

        def posterior(queries: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            seen = nystroem.transform(queries)  # (m, landmarks)
            unseen = _diagonal(queries, self.kernel) - np.einsum("mk,mk->m", seen, seen)
            return seen @ weights, noise * known.leverage(seen) + signal * np.maximum(unseen, 0.0)

        return problem.solved(self.name, posterior)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A regressor that has learned.

    Parameters
    ----------
    name
        Of the regressor.
    features
        Of structures.
    references
        Energies of free atoms in eV, shape (256,); NaN for elements that were not there.
    per_atom
        Whether energies for each atom were learned.
    posterior
        Mean and variance of what was learned.
    factor
        By which uncertainties are multiplied, see :meth:`calibrated`.
    """

    name: str
    features: Features
    references: NDArray[np.float64]
    per_atom: bool
    posterior: Posterior
    factor: float = 1.0

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        energy : NDArray[np.float64]
            In eV, shape (n,); NaN for rows without features or with elements that were not there.
        sigma : NDArray[np.float64]
            Standard deviation of the energy without the noise of labels, in eV, shape (n,).
        """
        vectors, there = self.features(rows)
        free = np.zeros(len(rows))
        np.add.at(free, np.repeat(np.arange(len(rows)), rows.n_atoms), self.references[rows.numbers])
        there = there & np.isfinite(free)
        energy, sigma = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        if there.any():
            mean, variance = self.posterior(vectors[there].astype(np.float64))
            size = rows.n_atoms[there] if self.per_atom else 1.0
            energy[there] = free[there] + size * mean
            sigma[there] = self.factor * size * np.sqrt(np.maximum(variance, 0.0))
        return energy, sigma

    def calibrated(self, rows: Structures) -> Fitted:
        """Return the same with uncertainties that fit its errors on held-out rows.

        Parameters
        ----------
        rows
            Labelled; none of them was learned.

        Returns
        -------
        Fitted
            With another factor.
        """
        energy, sigma = self(rows)
        errors = energy - rows.array("energy")
        there = np.isfinite(errors) & (sigma > 0)
        return replace(self, factor=self.factor * Scale.fitted(sigma[there], errors[there]).factor)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Problem:
    """What is to be learned: features x (n, d) and what the energies of free atoms leave, y (n,), in eV."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    references: NDArray[np.float64]
    features: Features
    per_atom: bool

    @classmethod
    def of(cls, rows: Structures, features: Features, per_atom: bool) -> _Problem:
        vectors, there = features(rows)
        rows, vectors = rows.filter(kept := there & np.isfinite(rows.array("energy"))), vectors[kept]
        if len(rows) < 2:
            raise ValueError(f"{len(rows)} rows with features and an energy; expected at least 2")
        levels = sorted({"unknown" if level is None else level for level in rows.column("level")})
        if len(levels) > 1:
            raise ValueError(f"labels of {len(levels)} levels: {', '.join(levels)}; expected rows of one level")
        elements, energy = np.unique(rows.numbers), rows.array("energy")
        counts = np.zeros((len(rows), len(elements)))
        np.add.at(counts, (np.repeat(np.arange(len(rows)), rows.n_atoms), np.searchsorted(elements, rows.numbers)), 1.0)
        references = np.full(256, np.nan)
        references[elements] = np.linalg.lstsq(counts, energy, rcond=None)[0]
        y = energy - counts @ references[elements]
        size = rows.n_atoms if per_atom else 1.0
        return cls(
            x=vectors.astype(np.float64), y=y / size, references=references, features=features, per_atom=per_atom
        )

    def solved(self, name: str, posterior: Posterior) -> Fitted:
        return Fitted(
            name=name,
            features=self.features,
            references=self.references,
            per_atom=self.per_atom,
            posterior=posterior,
        )


#: Name of a kernel in scikit-learn and its parameter, by the length.
_SKLEARN: dict[Kernel, Callable[[float], tuple[str, float | None]]] = {
    "gaussian": lambda length: ("rbf", 0.5 / length**2),
    "laplacian": lambda length: ("laplacian", 1.0 / length),
    "linear": lambda length: ("linear", None),
}


def _check(kernel: str, length: float | None) -> None:
    if kernel not in get_args(Kernel):
        raise ValueError(f"kernel {kernel!r}; expected {', '.join(map(repr, get_args(Kernel)))}")
    if length is not None and not length > 0:
        raise ValueError(f"length is {length}; expected more than 0")


def _gram(a: NDArray[np.float64], b: NDArray[np.float64], kernel: Kernel, length: float) -> NDArray[np.float64]:
    named, gamma = _SKLEARN[kernel](length)
    options = {} if gamma is None else {"gamma": gamma}
    found: NDArray[np.float64] = pairwise_kernels(a, b, metric=named, **options)
    return found


def _diagonal(x: NDArray[np.float64], kernel: Kernel) -> NDArray[np.float64]:
    return np.einsum("nd,nd->n", x, x) if kernel == "linear" else np.ones(len(x))


def _tuned(
    x: NDArray[np.float64], y: NDArray[np.float64], kernel: Kernel, length: float | None, ridge: float | None
) -> tuple[float, float]:
    """Return length and ridge of the highest marginal likelihood, each with the best variance of the kernel."""
    chosen = np.linspace(0, len(x) - 1, min(TUNING_ROWS, len(x))).round().astype(np.intp)
    x, y = x[chosen], y[chosen]
    if kernel == "linear":
        lengths = [1.0]
    elif length is not None:
        lengths = [length]
    else:
        apart = euclidean_distances(x) if kernel == "gaussian" else manhattan_distances(x)
        near = apart[np.triu_indices(len(x), 1)]
        median = float(np.median(near[near > 0])) if (near > 0).any() else 1.0
        lengths = [share * median for share in _LENGTHS]
    found = []
    for tried in lengths:
        k = _gram(x, x, kernel, tried)
        values, vectors = np.linalg.eigh(k)
        values, along = values.clip(min=0.0), (vectors.T @ y) ** 2
        scale = float(np.diag(k).mean())
        for share in _RIDGES if ridge is None else (ridge,):
            spectrum = values + share * scale
            # -2/n of the marginal likelihood, maximal over the variance of the kernel, but for constants
            amplitude = max(float(np.mean(along / spectrum)), np.finfo(float).tiny)
            found.append((np.log(amplitude) + np.mean(np.log(spectrum)), tried, share))
    _, best_length, best_ridge = min(found)
    return best_length, best_ridge

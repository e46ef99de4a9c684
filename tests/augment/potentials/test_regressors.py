"""Regressors: the closed forms of Gaussian processes, and energies of molecules that were not learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from ase.build import molecule
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from molaug.filters.features import Distances
from molaug.filters.uncertainty.model import UncertainModel
from molaug.potentials.regressors import KernelRidge, Regressor, SparseGaussianProcess
from molaug.structures import Structures

NAMES = ("CH3CH2OH", "H2O", "CH4", "H2CO", "C6H6", "CH3OH")


@dataclass(frozen=True, kw_only=True)
class Given:
    """Features of hydrogen molecules: cosines of their lengths."""

    d: int = 5

    @property
    def name(self) -> str:
        return "given"

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        length = np.array([np.linalg.norm(np.diff(row.positions, axis=0)) for row in rows])
        return np.cos(length[:, None] * np.arange(self.d)).astype(np.float32), np.ones(len(rows), dtype=bool)


def hydrogen(n: int, seed: int, noise: float = 0.0) -> Structures:
    rng = np.random.default_rng(seed)
    length = rng.uniform(0.6, 1.6, n)
    energy = -30.0 + 4.0 * (1 - np.exp(-1.9 * (length - 0.74))) ** 2 + rng.normal(0, noise, n)
    x = np.zeros((n, 2, 3))
    x[:, 1, 2] = length
    return Structures.from_arrays([[1, 1]] * n, list(x), energy=energy)


def parts(rows: Structures) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Features, what the free atoms leave, and their energy."""
    energy = rows.array("energy")
    return Given()(rows)[0].astype(np.float64), energy - energy.mean(), energy.mean()


def test_kernel_ridge_is_the_posterior_of_a_gaussian_process() -> None:
    """Against scikit-learn's, with the variance of the kernel that has the highest likelihood."""
    train, test = hydrogen(30, 0), hydrogen(10, 1)
    x, y, mean = parts(train)
    energy, sigma = KernelRidge(features=Given(), length=0.8, ridge=1e-3, per_atom=False).fitted(train)(test)
    peer = GaussianProcessRegressor(kernel=RBF(0.8), alpha=1e-3, optimizer=None).fit(x, y)
    expected, spread = peer.predict(Given()(test)[0].astype(np.float64), return_std=True)
    amplitude = y @ np.linalg.solve(RBF(0.8)(x) + 1e-3 * np.eye(30), y) / 30
    np.testing.assert_allclose(energy, mean + expected, atol=1e-8)
    np.testing.assert_allclose(sigma, np.sqrt(amplitude) * spread, rtol=1e-5)


def test_the_dual_of_a_linear_kernel_is_ridge_regression() -> None:
    """w = (XᵀX + λI)⁻¹Xᵀy, and the variance that of the weights."""
    train, test = hydrogen(40, 0, noise=0.1), hydrogen(10, 1)
    x, y, mean = parts(train)
    energy, sigma = KernelRidge(features=Given(), kernel="linear", ridge=1e-2, per_atom=False).fitted(train)(test)
    ridge = 1e-2 * np.mean(np.einsum("nd,nd->n", x, x))
    inverse = np.linalg.inv(x.T @ x + ridge * np.eye(5))
    q = Given()(test)[0].astype(np.float64)
    np.testing.assert_allclose(energy, mean + q @ inverse @ x.T @ y, atol=1e-8)
    amplitude = y @ np.linalg.solve(x @ x.T + ridge * np.eye(40), y) / 40
    np.testing.assert_allclose(sigma**2, amplitude * ridge * np.einsum("nd,de,ne->n", q, inverse, q), rtol=1e-6)


def test_a_sparse_process_with_all_rows_as_landmarks_is_the_exact_one() -> None:
    train, test = hydrogen(30, 0, noise=0.05), hydrogen(10, 1)
    sparse = SparseGaussianProcess(features=Given(d=3), length=0.5, landmarks=30, per_atom=False).fitted(train)
    energy, sigma = sparse(test)
    x, q = Given(d=3)(train)[0].astype(np.float64), Given(d=3)(test)[0].astype(np.float64)
    y = train.array("energy") - train.array("energy").mean()
    k, cross = RBF(0.5)(x), RBF(0.5)(q, x)

    def exact(noise: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        inverse = np.linalg.inv(k + noise * np.eye(30))
        return cross @ inverse @ y, 1 - np.einsum("mn,nk,mk->m", cross, inverse, cross)

    # the evidence has found some share of noise: one number explains all means and all ratios of variances
    shares = np.logspace(-6, 0, 601)
    fits = [np.abs(energy - train.array("energy").mean() - exact(share)[0]).max() for share in shares]
    best = shares[int(np.argmin(fits))]
    assert min(fits) < 2e-3
    ratio = sigma**2 / exact(best)[1]
    assert ratio.std() / ratio.mean() < 0.02


@pytest.mark.parametrize("regressor", [KernelRidge(features=Given()), SparseGaussianProcess(features=Given())])
def test_uncertainties_grow_away_from_what_was_learned_and_fit_the_errors(regressor: Regressor) -> None:
    assert isinstance(regressor, Regressor)
    model = regressor.fitted(hydrogen(60, 0, noise=0.02)).calibrated(hydrogen(200, 2, noise=0.02))
    assert isinstance(model, UncertainModel)
    test = hydrogen(200, 3, noise=0.02)
    energy, sigma = model(test)
    errors = energy - test.array("energy")
    assert np.mean((errors / sigma) ** 2) == pytest.approx(1, abs=0.4)
    assert np.abs(errors).mean() < 0.1 * test.array("energy").std()
    far = Structures.from_arrays([[1, 1]], [[[0, 0, 0], [0, 0, 2.6]]])
    assert model(far)[1][0] > 3 * np.median(sigma)


@pytest.mark.parametrize(
    "regressor", [KernelRidge(), SparseGaussianProcess(landmarks=60), KernelRidge(kernel="laplacian")]
)
def test_molecules_are_learned_from_their_distances(regressor: Regressor) -> None:
    """Rattled molecules with a harmonic energy; what cannot be predicted is not a number."""
    rng = np.random.default_rng(0)
    frames, energies = [], []
    for k in range(240):
        frame = molecule(NAMES[k % 6])
        shift = rng.normal(0, 0.05, frame.positions.shape)
        frame.positions += shift
        frames.append(frame)
        energies.append(sum({1: -13.0, 6: -1030.0, 8: -2040.0}[z] for z in frame.numbers) + 20.0 * (shift**2).sum())
    rows = Structures.from_ase(frames).with_columns({"energy": energies})
    model = regressor.fitted(rows.slice(0, 180))
    energy, sigma = model(rows.slice(180, None))
    assert np.abs(energy - energies[180:]).mean() < 1.0
    assert (sigma > 0).all()
    bare = Structures.concat(
        [Structures.from_ase(molecule("NH3")), Structures.from_arrays([[6]], None, smiles=["C"]), rows.slice(0, 1)]
    )
    assert np.isnan(model(bare)[0]).tolist() == np.isnan(model(bare)[1]).tolist() == [True, True, False]


def test_bad_options_and_rows_are_told() -> None:
    with pytest.raises(ValueError, match="kernel 'rbf'; expected 'gaussian', 'laplacian', 'linear'"):
        KernelRidge(kernel="rbf")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 rows with features and an energy; expected at least 2"):
        KernelRidge().fitted(Structures.from_ase(molecule("NH3")))
    mixed = hydrogen(4, 0).with_columns({"level": ["a", "a", "b", "b"]})
    with pytest.raises(ValueError, match="labels of 2 levels: a, b"):
        KernelRidge(features=Distances()).fitted(mixed)

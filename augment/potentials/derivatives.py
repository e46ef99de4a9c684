"""How the features of structures change with each coordinate, from which uncertainties of forces follow."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molaug.filters.uncertainty import Rigidity
from molaug.potentials.prediction import EnergyModel, Part, parts_of


def feature_derivatives(model: EnergyModel, part: Part) -> Tensor:
    """Differentiate the summed features of structures by all coordinates.

    Coordinates of different structures do not mix: the derivative along the same coordinate of all structures gives a
    row of each, so that a batch needs 3 n_max of them. The derivative Jt along t is that of vᵀJt by v: one graph of
    vᵀJ, which is linear in v, serves all directions.

    Parameters
    ----------
    model
        Any.
    part
        Structures.

    Returns
    -------
    Tensor
        ∂Σⱼfⱼ/∂xᵢ, shape (n_atoms, 3, n_features), in 1/Å.
    """
    n = len(part.rows)
    sizes = torch.bincount(part.batch, minlength=n)
    first = sizes.cumsum(0) - sizes
    slopes = part.positions.new_zeros(*part.positions.shape, model.n_features)
    with torch.enable_grad():
        x = part.positions.clone().requires_grad_(True)
        found = model(part.numbers, x, part.batch)
        v = found.features.new_zeros(n, model.n_features, requires_grad=True)
        (pulled,) = torch.autograd.grad(
            found.features, x, v if found.pooled else v[part.batch], create_graph=True
        )  # vᵀJ, (n_atoms, 3)
    for place in range(int(sizes.max())):
        rows = (sizes > place).nonzero()[:, 0]
        atoms = first[rows] + place
        for axis in range(3):
            along = torch.zeros_like(x)
            along[atoms, axis] = 1.0
            (slope,) = torch.autograd.grad(pulled, v, along, retain_graph=True)  # (n, n_features)
            slopes[atoms, axis] = slope[rows]
    return slopes


def drawn_derivatives(model: EnergyModel, part: Part, weights: Tensor) -> Tensor:
    """Differentiate some linear combinations of the summed features by all coordinates.

    Parameters
    ----------
    model
        Any.
    part
        Structures.
    weights
        Shape (n_draws, n_features).

    Returns
    -------
    Tensor
        ∂(w · Σⱼfⱼ)/∂xᵢ, shape (n_draws, n_atoms, 3), by one derivative in reverse mode each.
    """
    with torch.enable_grad():
        x = part.positions.clone().requires_grad_(True)
        features = model(part.numbers, x, part.batch).features
        totals = (features @ weights.to(features).T).sum(0)  # (n_draws,)
        return torch.stack([torch.autograd.grad(total, x, retain_graph=True)[0] for total in totals])


def force_uncertainty(
    model: EnergyModel,
    rigidity: Rigidity,
    numbers: NDArray[np.uint8],
    positions: NDArray[np.float32],
    offsets: NDArray[np.int64],
    *,
    draws: int | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the standard deviations of all forces, α ((∂f)ᵀM⁻¹∂f)^½.

    Parameters
    ----------
    model
        Any.
    rigidity
        Of sums of its features and the number of atoms, which no coordinate changes.
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    offsets
        First atom of each structure and the end of the last, shape (n + 1,).
    draws
        Estimate them from the scatter of so many last layers, at least 2: cheaper for large structures, with a relative
        error of about (2 draws)^-½. None is exact.
    seed
        Of the draws.

    Returns
    -------
    NDArray[np.float64]
        In eV/Å, shape (n_atoms, 3); NaN where nothing can be predicted.

    References
    ----------
    F. Bigi et al., arXiv:2403.02251.
    """
    sigma = np.full((len(numbers), 3), np.nan)
    deviations = None
    if draws is not None:
        deviations = torch.from_numpy(rigidity.members(np.zeros(rigidity.information.d), draws, seed)[:, :-1])
    for part in parts_of(model, numbers, positions, offsets):
        if deviations is None:
            slopes = feature_derivatives(model, part).cpu().numpy().astype(np.float64)  # (n_atoms, 3, n_features)
            sigma[part.atoms] = rigidity.uncertainty(np.concatenate([slopes, np.zeros((*slopes.shape[:2], 1))], -1))
        else:
            drawn = drawn_derivatives(model, part, deviations).double().std(0)
            sigma[part.atoms] = drawn.cpu().numpy()
    return sigma

"""Predictions of a potential for many structures: energies, forces, and the features of its last layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from molaug.potentials.potential import Potential
from molaug.structures import Structures

#: Atoms that are worked on at a time: enough to fill a processor, few enough for its cache.
ATOMS_AT_ONCE = 2048


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What a potential says of structures.

    Parameters
    ----------
    energy
        In eV, shape (n,); NaN for structures without a geometry or with elements that the potential does not know.
    features
        Sums over the atoms of the inputs of the last layer, and the number of atoms, which goes with its bias, shape
        (n, n_features + 1): the energy is linear in them. NaN where the energy is.
    forces
        In eV/Å of all atoms one behind the other, shape (n_atoms, 3); None unless asked for.
    atoms
        Features of each atom and a 1, shape (n_atoms, n_features + 1); None unless asked for.
    """

    energy: NDArray[np.float64]
    features: NDArray[np.float64]
    forces: NDArray[np.float64] | None
    atoms: NDArray[np.float64] | None


def predict(potential: Potential, structures: Structures, *, forces: bool = False, atoms: bool = False) -> Predicted:
    """Predict.

    Parameters
    ----------
    potential
        Any.
    structures
        Any; what cannot be predicted gives NaN.
    forces
        Return forces.
    atoms
        Return features of atoms.

    Returns
    -------
    Predicted
        In the order of the structures.

    Examples
    --------
    >>> potential = Potential("painn", {"width": 16, "heads": 4}, references={2: -79.0}).eval()
    >>> helium = Structures.from_arrays([[2]], [[[0, 0, 0]]])
    >>> found = predict(potential, helium)
    >>> found.energy.shape, found.features.shape
    ((1,), (1, 17))
    """
    positions = structures.positions.astype(np.float32)  # NaN where there is no geometry
    return predict_arrays(potential, structures.numbers, positions, structures.offsets, forces=forces, atoms=atoms)


def predict_arrays(
    potential: Potential,
    numbers: NDArray[np.uint8],
    positions: NDArray[np.float32],
    offsets: NDArray[np.int64],
    *,
    forces: bool = False,
    atoms: bool = False,
) -> Predicted:
    """Predict structures that lie one behind the other.

    Parameters
    ----------
    potential
        Any.
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3); structures with a NaN are not predicted.
    offsets
        First atom of each structure and the end of the last, shape (n + 1,).
    forces
        Return forces.
    atoms
        Return features of atoms.

    Returns
    -------
    Predicted
        In their order.
    """
    device = next(potential.parameters()).device
    n, width, sizes = len(offsets) - 1, potential.n_features + 1, np.diff(offsets)
    energy, features = np.full(n, np.nan), np.full((n, width), np.nan)
    of_atoms = np.full((len(numbers), width), np.nan) if atoms else None
    of_forces = np.full((len(numbers), 3), np.nan) if forces else None
    sound = np.isin(numbers, potential.elements) & np.isfinite(positions).all(1)
    there = sizes > 0
    there[np.repeat(np.arange(n), sizes)[~sound]] = False
    rows = np.flatnonzero(there)
    for part in _parts(rows[np.argsort(sizes[rows], kind="stable")], sizes):
        places = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in part])
        batch = torch.from_numpy(np.repeat(np.arange(len(part)), sizes[part])).to(device)
        with torch.no_grad():
            found = potential(
                torch.from_numpy(numbers[places].astype(np.int64)).to(device),
                torch.from_numpy(positions[places]).to(device),
                batch,
                forces=forces,
            )
        told = found.features.detach().double()
        told = torch.cat([told, told.new_ones(len(told), 1)], 1)  # (n_atoms, width)
        energy[part] = found.energy.detach().cpu().numpy()
        features[part] = told.new_zeros(len(part), width).index_add(0, batch, told).cpu().numpy()
        if of_atoms is not None:
            of_atoms[places] = told.cpu().numpy()
        if of_forces is not None and found.forces is not None:
            of_forces[places] = found.forces.detach().cpu().numpy()
    return Predicted(energy=energy, features=features, forces=of_forces, atoms=of_atoms)


def _parts(rows: NDArray[np.intp], sizes: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Cut rows into batches of about as many atoms."""
    bounds = np.flatnonzero(np.diff(np.cumsum(sizes[rows]) // ATOMS_AT_ONCE)) + 1
    yield from (part for part in np.split(rows, bounds) if len(part))

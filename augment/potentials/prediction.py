"""Predictions of a potential for many structures: energies, forces, and the features of its last layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molaug.potentials.potential import Prediction
from molaug.structures import Structures

#: Atoms that are worked on at a time: enough to fill a processor, few enough for its cache.
ATOMS_AT_ONCE = 2048


class EnergyModel(Protocol):
    """What gives energies and the inputs of its last layer: a potential, or one from outside behind the same face."""

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that it knows."""
        ...

    @property
    def n_features(self) -> int:
        """Inputs of its last layer."""
        ...

    def parameters(self) -> Iterator[Tensor]:
        """Return its weights; they tell the device.

        Returns
        -------
        Iterator of Tensor
            At least one.
        """
        ...

    def __call__(self, numbers: Tensor, positions: Tensor, batch: Tensor, *, forces: bool = False) -> Prediction:
        """Predict.

        Parameters
        ----------
        numbers
            Atomic numbers, shape (n_atoms,).
        positions
            In Å, shape (n_atoms, 3).
        batch
            Structure of each atom, ascending from 0, shape (n_atoms,).
        forces
            Return forces too.

        Returns
        -------
        Prediction
            Of all structures.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What a potential says of structures.

    Parameters
    ----------
    energy
        In eV, shape (n,); NaN for structures without a geometry, with elements that the potential does not know, or
        with a charge or an open shell: it sees elements and positions, and would tell the energy of another state.
    features
        Sums over the atoms of the inputs of the last layer, and the number of atoms, which goes with its bias, shape
        (n, n_features + 1): the energy is linear in them. NaN where the energy is.
    forces
        In eV/Å of all atoms one behind the other, shape (n_atoms, 3); None unless asked for.
    atoms
        Features of each atom and a 1, shape (n_atoms, n_features + 1); None unless asked for, and of models whose last
        layer sees whole structures.
    variance
        Of the energies as the head gives it, not calibrated, in eV², shape (n,); None of a plain head.
    members
        Energies of the members of an ``ensemble`` head in eV, shape (n, n_members); None of others.
    """

    energy: NDArray[np.float64]
    features: NDArray[np.float64]
    forces: NDArray[np.float64] | None
    atoms: NDArray[np.float64] | None
    variance: NDArray[np.float64] | None = None
    members: NDArray[np.float64] | None = None


def predict(potential: EnergyModel, structures: Structures, *, forces: bool = False, atoms: bool = False) -> Predicted:
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
    >>> from molaug.potentials import Potential
    >>> potential = Potential("painn", {"width": 16, "heads": 4}, references={2: -79.0}).eval()
    >>> helium = Structures.from_arrays([[2]], [[[0, 0, 0]]])
    >>> found = predict(potential, helium)
    >>> found.energy.shape, found.features.shape
    ((1,), (1, 17))
    """
    return predict_arrays(
        potential, structures.numbers, visible_positions(structures), structures.offsets, forces=forces, atoms=atoms
    )


def ordinary(structures: Structures) -> NDArray[np.bool_]:
    """Tell which structures are neutral closed shells: all that elements and positions can tell apart.

    Parameters
    ----------
    structures
        Any.

    Returns
    -------
    NDArray[np.bool_]
        Shape (n,).

    Examples
    --------
    >>> ordinary(Structures.from_arrays([[8, 1]] * 2, None, charge=[-1, 0])).tolist()  # hydroxide and a radical
    [False, False]
    """
    return np.asarray((structures.array("charge") == 0) & (structures.array("multiplicity") == 1))


def visible_positions(structures: Structures) -> NDArray[np.float32]:
    """Return the positions that a potential can make something of.

    Parameters
    ----------
    structures
        Any.

    Returns
    -------
    NDArray[np.float32]
        In Å, shape (n_atoms, 3); NaN where there is no geometry, or a state that no potential is told.
    """
    positions: NDArray[np.float32] = structures.positions.astype(np.float32)
    positions[np.repeat(~ordinary(structures), structures.n_atoms)] = np.nan
    return positions


def predict_arrays(
    potential: EnergyModel,
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
    n, width, sizes = len(offsets) - 1, potential.n_features + 1, np.diff(offsets)
    energy, features = np.full(n, np.nan), np.full((n, width), np.nan)
    of_atoms = np.full((len(numbers), width), np.nan) if atoms else None
    of_forces = np.full((len(numbers), 3), np.nan) if forces else None
    variance, members = None, None
    for part in parts_of(potential, numbers, positions, offsets):
        with torch.no_grad():
            found = potential(part.numbers, part.positions, part.batch, forces=forces)
        energy[part.rows] = found.energy.detach().cpu().numpy()
        told = found.features.detach()
        features[part.rows, -1] = 1.0 if found.pooled else sizes[part.rows]
        sums = told if found.pooled else told.new_zeros(len(part.rows), width - 1).index_add(0, part.batch, told)
        features[part.rows, :-1] = sums.cpu().numpy()
        if of_atoms is not None:
            of_atoms[part.atoms] = 1.0
            of_atoms[part.atoms, :-1] = np.nan if found.pooled else told.cpu().numpy()
        if of_forces is not None and found.forces is not None:
            of_forces[part.atoms] = found.forces.detach().cpu().numpy()
        if found.variance is not None:
            variance = np.full(n, np.nan) if variance is None else variance
            variance[part.rows] = found.variance.detach().cpu().numpy()
        if found.members is not None:
            members = np.full((n, found.members.shape[1]), np.nan) if members is None else members
            members[part.rows] = found.members.detach().cpu().numpy()
    return Predicted(
        energy=energy, features=features, forces=of_forces, atoms=of_atoms, variance=variance, members=members
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Structures that are predicted together.

    Parameters
    ----------
    rows
        Which, shape (n,).
    atoms
        Where their atoms are among all, shape (n_atoms,).
    numbers
        Shape (n_atoms,), on the device of the model.
    positions
        Shape (n_atoms, 3), likewise.
    batch
        Shape (n_atoms,), likewise.
    """

    rows: NDArray[np.intp]
    atoms: NDArray[np.intp]
    numbers: Tensor
    positions: Tensor
    batch: Tensor


def parts_of(
    potential: EnergyModel, numbers: NDArray[np.uint8], positions: NDArray[np.float32], offsets: NDArray[np.int64]
) -> Iterator[Part]:
    """Cut structures into batches of about as many atoms and like size, without those that cannot be predicted.

    Parameters
    ----------
    potential
        Knows the elements and the device.
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    offsets
        First atom of each structure and the end of the last, shape (n + 1,).

    Yields
    ------
    Part
        From small to large structures.
    """
    device = next(iter(potential.parameters())).device
    n, sizes = len(offsets) - 1, np.diff(offsets)
    sound = np.isin(numbers, potential.elements) & np.isfinite(positions).all(1)
    there = sizes > 0
    there[np.repeat(np.arange(n), sizes)[~sound]] = False
    rows = np.flatnonzero(there)
    rows = rows[np.argsort(sizes[rows], kind="stable")]
    bounds = np.flatnonzero(np.diff(np.cumsum(sizes[rows]) // ATOMS_AT_ONCE)) + 1
    for part in np.split(rows, bounds):
        if not len(part):
            continue
        atoms = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in part])
        yield Part(
            rows=part,
            atoms=atoms,
            numbers=torch.from_numpy(numbers[atoms].astype(np.int64)).to(device),
            positions=torch.from_numpy(positions[atoms]).to(device),
            batch=torch.from_numpy(np.repeat(np.arange(len(part)), sizes[part])).to(device),
        )

"""Second derivatives of the energy by central differences of forces, of any calculator and on any executor."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.generators.surface import Surface
from molaug.structures import Structure
from molaug.structures.calculators import FORCE_FIELDS, Method

#: Atoms that one fresh calculator displaces. A calculator may start from its last result, so the last digits depend on
#: what it computed before: the division is the same however many workers there are.
ATOMS_AT_ONCE = 3


@dataclass(frozen=True, kw_only=True)
class Hessian:
    """Second derivatives of the energy.

    Parameters
    ----------
    matrix
        In eV/Å², symmetric, shape (3 n_atoms, 3 n_atoms), coordinates in the order x, y, z of the first atom, x of the
        second and so on.
    asymmetry
        Largest difference between an element and its mirror image before they were averaged, in eV/Å²: the noise of
        the forces over the step, and its error where it is large.
    """

    matrix: NDArray[np.float64]
    asymmetry: float


def hessian(
    method: Method,
    structure: Structure,
    positions: ArrayLike,
    *,
    step: float = 0.005,
    executor: Executor | None = None,
) -> Hessian:
    r"""Compute the Hessian of a molecule.

    .. math:: H_{ij} = -\frac{F_j(x + h e_i) - F_j(x - h e_i)}{2h}

    averaged with its transpose. It costs six energies and forces for each atom. Three atoms at a time are displaced
    by a calculator of their own, here or by the workers of an executor: the result is the same to the last bit.

    Parameters
    ----------
    method
        Where the forces come from.
    structure
        The molecule; its charge, multiplicity and bonds are used, its positions are not.
    positions
        In Å, shape (n_atoms, 3).
    step
        Displacement h in Å.
    executor
        Runs the parts, for instance in a pool of processes; None for one after the other in this process.

    Returns
    -------
    Hessian
        Symmetric.

    Raises
    ------
    ValueError
        If the step is not above 0 or the positions are not those of the molecule.
    SamplingError
        If the calculator fails at one of the geometries.

    Examples
    --------
    Two atoms in a harmonic well of each other: the second derivative is the force constant.

    >>> from molaug.structures import Structures
    >>> lj = Method(calculator="ase.calculators.lj:LennardJones", options={"rc": 50.0})
    >>> pair = Structures.from_arrays([[18, 18]], [[[0, 0, 0], [0, 0, 2 ** (1 / 6)]]])[0]
    >>> h = hessian(lj, pair, pair.positions, step=0.001)
    >>> bool(abs(h.matrix[2, 2] - 72 / 2 ** (1 / 3)) < 1e-2)
    True
    """
    x = np.array(positions, dtype=np.float64)  # (n_atoms, 3)
    n_atoms = len(structure.numbers)
    if not step > 0:
        raise ValueError(f"step is {step} Å; expected more than 0, such as 0.005")
    if x.shape != (n_atoms, 3):
        raise ValueError(f"positions have shape {x.shape}; expected ({n_atoms}, 3)")
    # force fields remember nothing, and making one costs more than all displacements
    size = n_atoms if method.calculator in FORCE_FIELDS else ATOMS_AT_ONCE
    parts = [range(first, min(first + size, n_atoms)) for first in range(0, n_atoms, max(size, 1))]
    rows: Iterable[NDArray[np.float64]]
    if executor is None or len(parts) == 1:
        rows = [_rows(method, structure, x, part, step) for part in parts]
    else:
        waiting = [executor.submit(_rows, method, structure, x, part, step) for part in parts]
        rows = [future.result() for future in waiting]
    matrix = np.concatenate([np.empty((0, 3 * n_atoms)), *rows])  # (3 n_atoms, 3 n_atoms)
    return Hessian(
        matrix=0.5 * (matrix + matrix.T),
        asymmetry=float(np.abs(matrix - matrix.T).max(initial=0.0)),
    )


def _rows(
    method: Method, structure: Structure, x: NDArray[np.float64], atoms: range, step: float
) -> NDArray[np.float64]:
    """Return the rows of some atoms, shape (3 n, 3 n_atoms)."""
    rows: list[NDArray[np.float64]] = []
    with Surface(method, structure) as surface:
        for atom in atoms:
            for axis in range(3):
                up, down = x.copy(), x.copy()
                up[atom, axis] += step
                down[atom, axis] -= step
                rows.append((surface(down)[1] - surface(up)[1]).ravel() / (2 * step))
    return np.array(rows)

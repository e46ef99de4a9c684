"""The minimum of a molecule and the Hessian there: all that normal-mode sampling needs of a calculator."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.generators.normal_modes.cache import Arrays, cached, key_of
from molaug.generators.normal_modes.hessian import hessian
from molaug.generators.normal_modes.modes import Modes, modes_of
from molaug.generators.start import Minimum, Start, minimum_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures.calculators import Method

#: Times that a saddle is left before the molecule is given up, and the mass-weighted step away from it in √amu Å.
_DESCENTS, _DESCENT = 2, 0.3


@dataclass(frozen=True, kw_only=True)
class Equilibrium:
    """A molecule at rest.

    Parameters
    ----------
    minimum
        Positions in Å, energy in eV, and the largest force that is left, in eV/Å.
    hessian
        In eV/Å², shape (3 n_atoms, 3 n_atoms).
    asymmetry
        Of the Hessian before it was symmetrised, in eV/Å².
    modes
        Its normal modes.
    """

    minimum: Minimum
    hessian: NDArray[np.float64]
    asymmetry: float
    modes: Modes


def equilibrium_of(
    start: Start,
    method: Method,
    *,
    relax: bool = True,
    fmax: float = 0.005,
    steps: int = 500,
    step: float = 0.005,
    saddle_frequency: float = 150.0,
    executor: Executor | None = None,
) -> Equilibrium:
    """Relax a molecule and compute its Hessian.

    Where the relaxation ends on a saddle, as it does from geometries of high symmetry, the molecule is moved along the
    lowest mode and relaxed again, twice at most. The result is kept (see :func:`molaug.generators.normal_modes.cache.
    cached`): a second call, of another sampler or with other temperatures, costs nothing.

    Parameters
    ----------
    start
        The molecule.
    method
        Its energies and forces.
    relax
        Whether to relax it; otherwise its geometry is taken as it is, and may be a saddle.
    fmax
        Largest force on an atom at the end of the relaxation, in eV/Å.
    steps
        Most steps of the relaxation.
    step
        Displacement in Å of the finite differences.
    saddle_frequency
        Wavenumber in cm^-1 from which an imaginary mode is that of a saddle; smaller ones, of flat torsions and the
        noise of forces, are left to the floor.
    executor
        Runs the parts of the Hessian.

    Returns
    -------
    Equilibrium
        The same bits whether computed, in parallel or not, or found.

    Raises
    ------
    SamplingError
        If the calculator fails, the relaxation does not converge or makes another molecule, or the saddle stays.
    """
    structure = start.structure

    def compute() -> Arrays:
        relaxed = start
        for _ in range(_DESCENTS + 1):
            with Surface(method, structure) as surface:
                found = minimum_of(relaxed, surface, fmax=fmax, steps=steps) if relax else _as_given(start, surface)
            h = hessian(method, structure, found.positions, step=step, executor=executor)
            modes = modes_of(structure.numbers, found.positions, h.matrix)
            if not relax or not len(modes) or modes.frequencies[0] > -saddle_frequency:
                return {
                    "positions": found.positions,
                    "hessian": h.matrix,
                    "scalars": np.array([found.energy, found.max_force, h.asymmetry]),
                }
            relaxed = start.at(modes.displaced(np.eye(1, len(modes)) * _DESCENT)[0])
        raise SamplingError(
            f"relaxed {_DESCENTS + 1} times with {method.name}, it is on a saddle of {-modes.frequencies[0]:.0f}i cm^-1"
        )

    key = key_of(method, structure, relax=relax, fmax=fmax, steps=steps, step=step, saddle_frequency=saddle_frequency)
    arrays = cached(key, compute)
    energy, max_force, asymmetry = arrays["scalars"].tolist()
    modes = modes_of(structure.numbers, arrays["positions"], arrays["hessian"])
    return Equilibrium(
        minimum=Minimum(positions=modes.positions, energy=energy, max_force=max_force),
        hessian=arrays["hessian"],
        asymmetry=asymmetry,
        modes=modes,
    )


def _as_given(start: Start, surface: Surface) -> Minimum:
    energy, forces = surface(start.positions)
    return Minimum(
        positions=start.positions,
        energy=energy,
        max_force=float(np.linalg.norm(forces, axis=1).max(initial=0.0)),
    )

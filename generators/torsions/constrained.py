"""Relaxation of a molecule with some of its dihedral angles held: a feasible quasi-Newton method in few steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.generators.surface import SamplingError
from molaug.generators.torsions.dihedrals import STRAIGHT, dihedral_gradients, wrapped
from molaug.generators.torsions.rotors import Rotor

#: Furthest that an atom moves in the first step and in any step, and the step at which nothing is left to try; in Å.
_FIRST_RADIUS, _LARGEST_RADIUS, _SMALLEST_RADIUS = 0.15, 0.3, 1e-4

#: Gradient of an angle, in rad/Å, from which on three of its atoms are as good as on a line.
_SINGULAR = 1 / STRAIGHT

#: An energy that rises by less, in eV, may be noise of a self-consistent field.
_NOISE = 1e-5

#: Curvature that an update keeps at least, as a share of that before (Powell).
_DAMPING = 0.2

#: Positions (n_atoms, 3) in Å to energy in eV and forces (n_atoms, 3) in eV/Å.
EnergyAndForces = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxed:
    """Where a relaxation ended.

    Parameters
    ----------
    positions
        In Å, shape (n_atoms, 3).
    energy
        In eV.
    max_force
        Largest force on an atom in eV/Å, without what the held angles bear.
    torques
        What the held angles bear: the derivatives of the relaxed energy by them, in eV/rad, shape (n_rotors,).
    hessian
        Estimate of the Hessian of the Lagrangian, in eV/Å², shape (3·n_atoms, 3·n_atoms).
    converged
        Whether ``max_force`` is as small as was asked for.
    calls
        Geometries that were computed.
    """

    positions: NDArray[np.float64]
    energy: float
    max_force: float
    torques: NDArray[np.float64]
    hessian: NDArray[np.float64]
    converged: bool
    calls: int


def relax(
    surface: EnergyAndForces,
    positions: NDArray[np.float64],
    held: Sequence[Rotor],
    hessian: NDArray[np.float64],
    *,
    fmax: float,
    steps: int,
) -> Relaxed:
    """Relax a molecule, some dihedral angles held at the values that they have.

    Each step minimises the quadratic model of the Lagrangian in the tangent space of the constraints; then the tops of
    the rotors are turned by what is missing, so that all geometries have the angles to rounding. As all are feasible,
    the energy alone judges the steps: one that raises it is taken back and shortened. Curvature is learned by damped
    BFGS updates, from the gradients of the Lagrangian. Without ``held`` this is an ordinary relaxation.

    Parameters
    ----------
    surface
        Where energy and forces come from.
    positions
        In Å, shape (n_atoms, 3).
    held
        Whose angles are held.
    hessian
        First estimate, positive definite, in eV/Å², shape (3·n_atoms, 3·n_atoms).
    fmax
        Largest force on an atom in eV/Å at the end, without what the held angles bear.
    steps
        Most steps.

    Returns
    -------
    Relaxed
        Converged or not.

    Raises
    ------
    SamplingError
        If the surface fails, or an angle that is to be held is not defined.

    References
    ----------
    M. J. D. Powell, Lect. Notes Math. 630, 144 (1978), doi:10.1007/BFb0067703 (damped updates); J. Nocedal,
    S. J. Wright, Numerical Optimization, 2nd ed., chapter 18 (sequential quadratic programming).
    """
    x, H = positions, hessian
    targets = [rotor.angle(x) for rotor in held]
    energy, gradient = _evaluated(surface, x)
    J = _jacobian(x, held)  # (n_rotors, 3·n_atoms)
    if not np.abs(J).max(initial=0.0) < _SINGULAR:
        raise SamplingError("a held dihedral angle is not defined: three of its atoms are on a line")
    radius, calls = _FIRST_RADIUS, 1
    while True:
        torques, tangential = _split(gradient, J)
        max_force = float(np.linalg.norm(tangential.reshape(-1, 3), axis=1).max(initial=0.0))
        converged = max_force <= fmax
        if converged or calls > steps or radius < _SMALLEST_RADIUS:
            break
        s = _step(H, tangential, J)
        length = float(np.linalg.norm(s.reshape(-1, 3), axis=1).max())
        s *= min(1.0, radius / length)
        trial = _restored(x + s.reshape(-1, 3), held, targets)
        new_J = _jacobian(trial, held)
        if not np.abs(new_J).max(initial=0.0) < _SINGULAR:
            radius *= 0.4
            continue
        new_energy, new_gradient = _evaluated(surface, trial)
        calls += 1
        predicted = float(tangential @ s + 0.5 * s @ H @ s)
        moved = (trial - x).ravel()
        new_torques, new_tangential = _split(new_gradient, new_J)
        H = _updated(H, moved, new_tangential - (gradient - new_torques @ J))
        change = new_energy - energy
        if change > _NOISE:
            radius = 0.4 * min(radius, length)
            continue
        if change < 0.75 * predicted and length >= radius:
            radius = min(1.5 * radius, _LARGEST_RADIUS)
        elif change > 0.25 * predicted:
            radius = max(0.5 * min(radius, length), 10 * _SMALLEST_RADIUS)
        x, energy, gradient, J = trial, new_energy, new_gradient, new_J
    return Relaxed(
        positions=x,
        energy=energy,
        max_force=max_force,
        torques=torques,
        hessian=H,
        converged=converged,
        calls=calls,
    )


def _evaluated(surface: EnergyAndForces, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    energy, forces = surface(x)
    return energy, -forces.ravel()


def _jacobian(x: NDArray[np.float64], held: Sequence[Rotor]) -> NDArray[np.float64]:
    """Return the gradients of the held angles in rad/Å, shape (n_rotors, 3·n_atoms)."""
    J = np.zeros((len(held), len(x), 3))
    quads = np.array([rotor.quad for rotor in held], dtype=np.intp).reshape(-1, 4)
    J[np.arange(len(held))[:, None], quads] = dihedral_gradients(x, quads)
    return J.reshape(len(held), 3 * len(x))


def _split(gradient: NDArray[np.float64], J: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the multipliers of the constraints, and what of the gradient is left beside them."""
    if not len(J):
        return np.zeros(0), gradient
    torques = np.asarray(np.linalg.solve(J @ J.T, J @ gradient), dtype=np.float64)
    return torques, gradient - torques @ J


def _step(H: NDArray[np.float64], gradient: NDArray[np.float64], J: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise gradient·s + s·H·s/2 where J·s = 0."""
    m = len(J)
    if not m:
        return np.asarray(-np.linalg.solve(H, gradient), dtype=np.float64)
    solved = np.linalg.solve(H, np.concatenate([gradient[:, None], J.T], axis=1))  # (n, 1 + m)
    free, bound = solved[:, 0], solved[:, 1:]
    step: NDArray[np.float64] = bound @ np.linalg.solve(J @ bound, J @ free) - free
    return step


def _restored(x: NDArray[np.float64], held: Sequence[Rotor], targets: Sequence[float]) -> NDArray[np.float64]:
    """Turn the tops until the angles are met; a turn about one bond changes no angle about another."""
    for rotor, target in zip(held, targets, strict=True):
        x = rotor.turned(x, wrapped(target - rotor.angle(x)))
    return x


def _updated(H: NDArray[np.float64], s: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    Hs = H @ s
    sHs, sy = float(s @ Hs), float(s @ y)
    if sHs <= 0 or not np.isfinite(sy):
        return H
    if sy < _DAMPING * sHs:
        theta = (1 - _DAMPING) * sHs / (sHs - sy)
        y = theta * y + (1 - theta) * Hs
        sy = float(s @ y)
    updated: NDArray[np.float64] = H + np.outer(y, y) / sy - np.outer(Hs, Hs) / sHs
    return updated

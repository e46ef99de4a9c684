"""Relaxation by steps along the forces that shrink as 1/i and end at random; many geometries side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Forces below this, in eV/Å, have no direction.
_NO_FORCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Energies in eV, shape (m,), forces in eV/Å, shape (m, n_atoms, 3), and why there are none, else None."""

    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    reasons: list[str | None]


#: Computes geometries of shape (m, n_atoms, 3), one for each of the walkers whose numbers are given first.
Evaluate = Callable[[NDArray[np.intp], NDArray[np.float64]], Evaluated]

#: Probability to stop, shape (m,), from positions, energies and the largest force of each geometry.
Stop = Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Where walkers ended.

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3).
    energies
        In eV, shape (n,).
    max_forces
        Largest force on an atom in eV/Å, shape (n,).
    steps
        Made by each; one less than its force calls. Shape (n,).
    reasons
        Why a walker has no energy, else None.
    """

    positions: NDArray[np.float64]
    energies: NDArray[np.float64]
    max_forces: NDArray[np.float64]
    steps: NDArray[np.intp]
    reasons: list[str | None]


def descend(
    positions: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    draws: NDArray[np.float64],
    evaluate: Evaluate,
    stop: Stop,
) -> Descent:
    """Relax geometries a little: step i moves every atom by σ/i along its force.

    Steps of σ/i go as far as needed, since their sum has no bound, and come to rest, since that of their squares has
    one (H. Robbins, S. Monro, doi:10.1214/aoms/1177729586). The size of the forces does not matter. Before each step
    a walker stops with a probability that is a function of where it is.

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3).
    sigmas
        Length σ of the first step of each walker in Å, shape (n,).
    draws
        Uniform numbers that decide about stopping, shape (n, max_steps).
    evaluate
        Energies and forces. All walkers that still move are computed together.
    stop
        Probabilities.

    Returns
    -------
    Descent
        With the energies and forces of the last geometries.
    """
    n, max_steps = draws.shape
    x = positions.copy()
    energies, max_forces = np.full(n, np.nan), np.full(n, np.nan)
    steps = np.zeros(n, dtype=np.intp)
    reasons: list[str | None] = [None] * n
    active = np.arange(n)
    for step in range(max_steps + 1):
        if not len(active):
            break
        found = evaluate(active, x[active])
        for walker, reason in zip(active.tolist(), found.reasons, strict=True):
            reasons[walker] = reason
        sizes = np.linalg.norm(found.forces, axis=2)  # (n_active, n_atoms)
        energies[active], max_forces[active], steps[active] = found.energies, sizes.max(axis=1), step
        moving = np.array([reason is None for reason in found.reasons], dtype=bool)
        if step == max_steps:
            break
        with np.errstate(invalid="ignore"):
            moving &= draws[active, step] >= stop(x[active], found.energies, max_forces[active])
        directions = found.forces[moving] / np.maximum(sizes[moving], _NO_FORCE)[:, :, None]
        active = active[moving]
        x[active] += (sigmas[active] / (step + 1))[:, None, None] * directions
    return Descent(positions=x, energies=energies, max_forces=max_forces, steps=steps, reasons=reasons)

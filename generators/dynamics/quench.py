"""The way back from a hot snapshot: a few steps downhill and a short run at low temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.optimize import BFGS
from numpy.typing import NDArray

from molaug.generators.surface import FAILURES, Surface


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Where a few steps downhill lead: positions in Å, energy in eV, and why they stopped early, or None."""

    positions: NDArray[np.float64]
    energy: float = np.nan
    reason: str | None = None


def descend(surface: Surface, positions: NDArray[np.float64], *, fmax: float, steps: int) -> Descent:
    """Take some steps of a minimiser (BFGS), without going all the way.

    Parameters
    ----------
    surface
        On which.
    positions
        Where from, in Å, shape (n_atoms, 3).
    fmax
        Largest force, in eV/Å, at which it is no use to go on.
    steps
        How many at most.

    Returns
    -------
    Descent
        Where it ended.
    """
    atoms = surface.atoms
    atoms.positions = positions
    try:
        BFGS(atoms, logfile=None).run(fmax=fmax, steps=steps)
        return Descent(positions=np.array(atoms.positions), energy=float(atoms.get_potential_energy()))
    except FAILURES as error:
        reason = f"{surface.method.name} failed: {' '.join(str(error).split())[:200]}"
        return Descent(positions=positions, reason=reason)

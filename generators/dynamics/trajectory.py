"""Snapshots of a trajectory, as far apart as its own autocorrelation asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.generators.dynamics.autocorrelation import integrated_time
from molaug.generators.dynamics.langevin import Langevin
from molaug.structures.chemistry.integrity import Integrity

#: A trajectory ends when that many snapshots in a row are another molecule: one alone may be a bond at its turning
#: point, which comes back.
_PATIENCE = 3

#: Distances between heavy atoms alone show the torsions from so many heavy atoms on.
_SKELETON = 4


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """What a trajectory gave.

    Parameters
    ----------
    positions
        In Å, shape (m, n_atoms, 3).
    energies
        Potential energy in eV, shape (m,).
    times
        In fs since the end of the equilibration, shape (m,).
    spacing
        Between snapshots, in fs; not a number if the trajectory ended before it was known.
    autocorrelation_time
        In fs, likewise.
    reason
        Why there are fewer snapshots than were asked for, or None.
    """

    positions: NDArray[np.float64]
    energies: NDArray[np.float64]
    times: NDArray[np.float64]
    spacing: float = np.nan
    autocorrelation_time: float = np.nan
    reason: str | None = None


def snapshots(
    dynamics: Langevin,
    count: int,
    *,
    timestep: float,
    equilibration: int,
    pilot: int,
    spacing: tuple[int, int],
    skeleton: NDArray[np.intp],
    integrity: Integrity | None,
) -> Snapshots:
    """Run a trajectory: equilibration, a pilot that measures the autocorrelation time, and the rest.

    The snapshots begin with the pilot. They are 2τ apart within the bounds, and never closer than the pilot is used
    up by them.

    Parameters
    ----------
    dynamics
        At its start.
    count
        Snapshots that are wanted.
    timestep
        In fs.
    equilibration
        Steps that are thrown away.
    pilot
        Steps of the pilot.
    spacing
        Least and greatest spacing in steps.
    skeleton
        Atoms whose distances, beside the potential energy, must be decorrelated, see :func:`skeleton_of`.
    integrity
        Ends a trajectory that has become another molecule; None lets it go on.

    Returns
    -------
    Snapshots
        As many, or those before the end.
    """
    warm_up = dynamics.run(equilibration)
    if warm_up.reason is not None:
        return _nothing(dynamics, f"not equilibrated: {warm_up.reason}")
    first = dynamics.run(pilot)
    if first.reason is not None and len(first.potential) < pilot:
        return _nothing(dynamics, f"the pilot failed: {first.reason}")
    tau = memory(first.positions[:, skeleton], first.potential)  # in steps
    apart = int(np.clip(round(2 * tau), max(spacing[0], pilot // count), spacing[1]))
    xs: list[NDArray[np.float64]] = []
    energies: list[float] = []
    reason: str | None = None
    lost = 0
    for end in range(apart, apart * count + 1, apart):  # steps since the equilibration
        part, last = first, end - 1
        if end > pilot:
            part, last = dynamics.run(end - max(end - apart, pilot)), -1
            if part.reason is not None:
                reason = part.reason
                break
        xs.append(part.positions[last])
        energies.append(float(part.potential[last]))
        changed = integrity.reasons(xs[-1:])[0] if integrity is not None else None
        lost = 0 if changed is None else lost + 1
        if lost == _PATIENCE:
            reason = f"{changed}, {_PATIENCE} snapshots in a row"
            break
    if reason is not None:
        reason = f"the trajectory ended after {len(xs)} of {count} snapshots: {reason}"
    return Snapshots(
        positions=np.array(xs).reshape(-1, *dynamics.positions.shape),
        energies=np.array(energies),
        times=timestep * apart * np.arange(1.0, len(xs) + 1.0),
        spacing=timestep * apart,
        autocorrelation_time=timestep * tau,
        reason=reason,
    )


def _nothing(dynamics: Langevin, reason: str) -> Snapshots:
    return Snapshots(
        positions=np.empty((0, *dynamics.positions.shape)), energies=np.empty(0), times=np.empty(0), reason=reason
    )


def memory(positions: NDArray[np.float64], energies: NDArray[np.float64]) -> float:
    """Return the integrated autocorrelation time in steps: the longer of that of the energy and of the geometry.

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3); all distances between these atoms stand for the geometry, as one vector, so that
        neither drift nor rotation count and the largest motions count most.
    energies
        Potential energy, shape (n,).

    Returns
    -------
    float
        At least 1/2.
    """
    i, j = np.triu_indices(positions.shape[1], 1)
    distances = np.linalg.norm(positions[:, i] - positions[:, j], axis=2)  # (n, n_pairs)
    return max(integrated_time(series) for series in (energies, distances))


def skeleton_of(numbers: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the atoms that show the shape: the heavy ones, or all where these are too few to have a torsion.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).

    Returns
    -------
    NDArray[np.intp]
        Indices.

    Examples
    --------
    >>> skeleton_of(np.array([8, 1, 1])).tolist(), skeleton_of(np.array([6, 6, 6, 8, 1, 1])).tolist()
    ([0, 1, 2], [0, 1, 2, 3])
    """
    heavy = np.flatnonzero(np.asarray(numbers) > 1)
    return heavy if len(heavy) >= _SKELETON else np.arange(len(numbers))

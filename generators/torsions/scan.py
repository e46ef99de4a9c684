"""Torsional profiles: the energies of a molecule on a grid of dihedral angles, all else relaxed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from molaug.generators.surface import SamplingError
from molaug.generators.torsions.constrained import EnergyAndForces, relax
from molaug.generators.torsions.model_hessian import ModelHessian
from molaug.generators.torsions.rotors import Rotor
from molaug.structures.chemistry.integrity import Integrity

#: Place on the grid, a number for each rotor; the origin is the minimum from which the scan starts.
Index: TypeAlias = tuple[int, ...]

#: What an extremum of a profile is.
Stationary = Literal["minimum", "maximum"]

#: A point is found anew where another way leads lower by more than this, in eV; relaxations are not that exact.
_LOWER = 1e-3

#: Why a point is missing to which no way led.
_UNREACHED = "no neighbour on the grid from which it could be reached was relaxed"

#: Rounds of the wave for each point along the grid, at most.
_ROUNDS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A geometry of a scan.

    Parameters
    ----------
    angles
        The dihedral angles in radians, one for each rotor.
    positions
        In Å, shape (n_atoms, 3).
    energy
        In eV; not a number where it is not known.
    reason
        Why it is no point of the profile, or None.
    stationary
        What it is among its neighbours on the grid, if it is an extremum.
    barrier_height
        Of a maximum: its energy above the lowest point, in eV.
    """

    angles: tuple[float, ...]
    positions: NDArray[np.float64]
    energy: float
    reason: str | None = None
    stationary: Stationary | None = None
    barrier_height: float | None = None


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Drives the rotors of a molecule over a grid.

    Parameters
    ----------
    surface
        Where energies and forces come from.
    hessian
        Model of the Hessian of the molecule.
    integrity
        Points that are no longer the molecule are not gone on from; None lets them be.
    fmax
        Largest force on an atom in eV/Å after relaxation, without what the held angles bear.
    steps
        Most steps of a relaxation.
    """

    surface: EnergyAndForces
    hessian: ModelHessian
    integrity: Integrity | None
    fmax: float
    steps: int

    def minimum(self, positions: NDArray[np.float64]) -> Point:
        """Relax all.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).

        Returns
        -------
        Point
            Without angles.
        """
        return self._relaxed(positions, ())

    def rigid(self, start: Point, rotors: Sequence[Rotor], step: float) -> dict[Index, Point]:
        """Turn the tops rigidly over the grid.

        Parameters
        ----------
        start
            The minimum.
        rotors
            One or more.
        step
            Of the grid, in radians, about.

        Returns
        -------
        dict
            A point for every place of the grid.
        """
        shape = counts(rotors, step)
        points: dict[Index, Point] = {}
        for index in product(*map(range, shape)):
            angles, x = _turned(start, rotors, index, shape)
            try:
                energy = start.energy if not any(index) else self.surface(x)[0]
                points[index] = Point(angles=angles, positions=x, energy=energy)
            except SamplingError as error:
                points[index] = Point(angles=angles, positions=x, energy=np.nan, reason=str(error))
        return _marked(points, shape)

    def relaxed(self, start: Point, rotors: Sequence[Rotor], step: float) -> dict[Index, Point]:
        """Spread over the grid like a wave from the minimum, each point driven from a neighbour and relaxed.

        Fronts run both ways, and back: a point that is reached, or reached lower than before, is driven to all its
        neighbours, until nothing gets lower. So no point is left that a neighbour could lower. Most points are
        relaxed twice for each rotor.

        Parameters
        ----------
        start
            The minimum.
        rotors
            One or more.
        step
            Of the grid, in radians, about.

        Returns
        -------
        dict
            A point for every place of the grid; one that could not be reached says why.

        References
        ----------
        Y. Qiu et al., J. Chem. Phys. 152, 244116 (2020), doi:10.1063/5.0009232.
        """
        shape = counts(rotors, step)
        origin: Index = (0,) * len(rotors)
        points = {origin: replace(start, angles=tuple(rotor.angle(start.positions) for rotor in rotors))}
        front = [origin]
        for _ in range(_ROUNDS * max(shape)):
            reached: dict[Index, None] = {}
            for index in front:
                for axis, sign, neighbour in _neighbours(index, shape):
                    turn = sign * rotors[axis].period / shape[axis]
                    found = self._relaxed(rotors[axis].turned(points[index].positions, turn), rotors)
                    if neighbour not in points or _better(found, points[neighbour]):
                        points[neighbour] = found
                        if found.reason is None:
                            reached[neighbour] = None
            front = list(reached)
            if not front:
                break
        for index in product(*map(range, shape)):
            if index not in points:
                angles, x = _turned(start, rotors, index, shape)
                points[index] = Point(angles=angles, positions=x, energy=np.nan, reason=_UNREACHED)
        return _marked(points, shape)

    def _relaxed(self, positions: NDArray[np.float64], held: Sequence[Rotor]) -> Point:
        angles = tuple(rotor.angle(positions) for rotor in held)
        try:
            end = relax(self.surface, positions, held, self.hessian(positions), fmax=self.fmax, steps=self.steps)
        except SamplingError as error:
            return Point(angles=angles, positions=positions, energy=np.nan, reason=str(error))
        reason = None if end.converged else f"not relaxed to {self.fmax:g} eV/Å in {end.calls - 1} steps"
        if reason is None and self.integrity is not None:
            reason = self.integrity.reasons([end.positions])[0]
        return Point(angles=angles, positions=end.positions, energy=end.energy, reason=reason)


def counts(rotors: Sequence[Rotor], step: float) -> tuple[int, ...]:
    """Return the shape of the grid: the period of each rotor in steps, two at least.

    Parameters
    ----------
    rotors
        One or more.
    step
        In radians; the nearest that divides the period is taken.

    Returns
    -------
    tuple of int
        Points along each rotor.
    """
    return tuple(max(2, round(rotor.period / step)) for rotor in rotors)


def spread(shape: Sequence[int]) -> list[Index]:
    """Return the places of a grid in an order of which every beginning covers it evenly.

    Along one rotor this is the sequence of van der Corput: the origin, the place opposite, the quarters, and so on;
    along two, coarse grids come before fine ones.

    Parameters
    ----------
    shape
        Points along each rotor.

    Returns
    -------
    list of tuple
        All places, the origin first.

    Examples
    --------
    >>> [k for (k,) in spread([8])]
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    lines = [_van_der_corput(count) for count in shape]
    places = product(*map(range, shape))
    ordered = sorted(places, key=lambda ranks: (max(ranks), ranks))
    return [tuple(line[rank] for line, rank in zip(lines, ranks, strict=True)) for ranks in ordered]


def _better(found: Point, known: Point) -> bool:
    """Return whether a point that was found is to stand in place of one that is known."""
    return found.reason is None and (known.reason is not None or found.energy < known.energy - _LOWER)


def _turned(
    start: Point, rotors: Sequence[Rotor], index: Index, shape: Sequence[int]
) -> tuple[tuple[float, ...], NDArray[np.float64]]:
    """Return the angles and the positions of a place of the grid, all tops turned rigidly."""
    x = start.positions
    for rotor, k, count in zip(rotors, index, shape, strict=True):
        x = rotor.turned(x, k * rotor.period / count)
    return tuple(rotor.angle(x) for rotor in rotors), x


def _van_der_corput(count: int) -> list[int]:
    bits = max(count - 1, 1).bit_length()
    reverse = (int(f"{k:0{bits}b}"[::-1], 2) for k in range(2**bits))
    return list(dict.fromkeys(k * count // 2**bits for k in reverse))


def _neighbours(index: Index, shape: Sequence[int]) -> Iterator[tuple[int, int, Index]]:
    """Yield axis, direction and place of those next to a place; the grid is periodic."""
    for axis, count in enumerate(shape):
        for sign in (1, -1):
            yield axis, sign, (*index[:axis], (index[axis] + sign) % count, *index[axis + 1 :])


def _marked(points: dict[Index, Point], shape: Sequence[int]) -> dict[Index, Point]:
    """Mark the extrema among the neighbours on the grid; where one of these failed nothing is said."""
    energies = {index: point.energy if point.reason is None else np.nan for index, point in points.items()}
    lowest = np.nanmin(list(energies.values()))
    marked: dict[Index, Point] = {}
    for index, point in points.items():
        around = np.array([energies[neighbour] for _, _, neighbour in _neighbours(index, shape)])
        if (around > energies[index]).all():
            point = replace(point, stationary="minimum")
        elif (around < energies[index]).all():
            point = replace(point, stationary="maximum", barrier_height=float(energies[index] - lowest))
        marked[index] = point
    return marked

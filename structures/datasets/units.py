"""Units of energies and forces, and how a file's own numbers betray which ones it uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ase.units import Bohr, Hartree, kcal, kJ, mol
from numpy.typing import ArrayLike, NDArray

#: Energy units in eV.
ENERGY_UNITS = {"Ha": Hartree, "eV": 1.0, "kcal/mol": kcal / mol, "kJ/mol": kJ / mol}

#: Length units in Å.
LENGTH_UNITS = {"Å": 1.0, "bohr": Bohr}

#: Total energies of free atoms in Ha (B3LYP, rounded): no more than a yardstick for the unit of a total energy.
_ATOMS = {1: -0.5, 5: -24.7, 6: -37.85, 7: -54.58, 8: -75.07, 9: -99.72, 14: -289.4, 15: -341.3, 16: -398.1, 17: -460.1}

#: Energies of free atoms in Ha of methods that leave out the core (GFN2-xTB, rounded).
_VALENCE = {1: -0.39, 5: -0.95, 6: -1.8, 7: -2.6, 8: -3.77, 9: -4.62, 14: -1.57, 15: -2.37, 16: -3.15, 17: -4.48}
_VALENCE |= {35: -4.05, 53: -3.78}

#: Largest deviation of the logarithm of a fitted slope from that of a unit; the nearest two units differ by 0.64.
_SLACK = 0.25
_LEAST_EXPLAINED = 0.8
_LEAST_PAIRS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class ForceConvention:
    """How an array of forces is meant: ``sign`` is -1 for gradients; ``unit`` is for instance ``"Ha/bohr"``."""

    sign: int
    unit: str
    evidence: str

    @property
    def factor(self) -> float:
        """What the array is multiplied with to give forces in eV/Å."""
        return self.sign * force_factor(self.unit)

    def __str__(self) -> str:
        return f"{'forces' if self.sign > 0 else 'gradients'} in {self.unit} ({self.evidence})"


def energy_factor(unit: str) -> float:
    """Return an energy unit in eV.

    Parameters
    ----------
    unit
        A key of :data:`ENERGY_UNITS`.

    Returns
    -------
    float
        In eV.

    Raises
    ------
    ValueError
        If the unit is unknown.
    """
    if unit not in ENERGY_UNITS:
        raise ValueError(f"unknown energy unit {unit!r}; expected one of {', '.join(ENERGY_UNITS)}")
    return float(ENERGY_UNITS[unit])


def force_factor(unit: str) -> float:
    """Return a force unit in eV/Å.

    Parameters
    ----------
    unit
        An energy and a length unit (``"Ha/bohr"``, ``"kcal/mol/Å"``, ``"eV/A"``), after a minus where the numbers are
        gradients (``"-Ha/bohr"``).

    Returns
    -------
    float
        In eV/Å; negative for gradients.

    Raises
    ------
    ValueError
        If the unit is unknown.

    Examples
    --------
    >>> round(force_factor("Ha/bohr"), 4)
    51.4221
    """
    if unit.startswith("-"):
        return -force_factor(unit[1:])
    energy, _, length = unit.rpartition("/")
    length = {"A": "Å", "Angstrom": "Å", "angstrom": "Å", "Bohr": "bohr"}.get(length, length)
    if length not in LENGTH_UNITS:
        raise ValueError(f"unknown force unit {unit!r}; expected for instance 'Ha/Å', 'Ha/bohr' or 'kcal/mol/Å'")
    return float(energy_factor(energy) / LENGTH_UNITS[length])


def detect_energy_unit(samples: Iterable[tuple[ArrayLike, float]]) -> str | None:
    """Tell the unit of total energies from their size: nearly that of the free atoms.

    Parameters
    ----------
    samples
        Atomic numbers and total energy of some molecules.

    Returns
    -------
    str or None
        A key of :data:`ENERGY_UNITS`; None where none fits all samples, as for energies that are not total or elements
        without a yardstick.
    """
    ratios = []
    for numbers, energy in samples:
        z = np.asarray(numbers).tolist()
        if not all(number in _ATOMS for number in z):
            return None
        ratios.append(energy / (sum(_ATOMS[number] for number in z) * Hartree))
    if not ratios or not np.isfinite(ratios).all():
        return None
    # molecules lie below their atoms by parts in a thousand, hydrogen itself by 17 %; units differ by factors from 4 up
    for unit, value in ENERGY_UNITS.items():
        if all(0.9 < ratio * value < 1.25 for ratio in ratios):
            return unit
    return None


def looks_like_total_energy(numbers: Iterable[int], energy: float) -> bool:
    """Tell whether a number has the size of a total energy in Ha of these atoms.

    Parameters
    ----------
    numbers
        Atomic numbers.
    energy
        In Ha.

    Returns
    -------
    bool
        True if it is near the sum over free atoms, of all electrons or of the valence alone as in xTB.

    Examples
    --------
    >>> [looks_like_total_energy([8, 1, 1], energy) for energy in (-76.4, -5.07, -0.3, -7.5, 12.0)]
    [True, True, False, False, False]
    """
    z = list(numbers)
    if not z or not np.isfinite(energy):
        return False
    # elements without a yardstick lie near 0.57 Z^2.4 Ha, and between 0.2 and 5 Ha without their core
    known = all(number in _ATOMS for number in z)
    whole = sum(_ATOMS.get(number, -0.57 * number**2.4) for number in z)
    low, high = (0.9, 1.25) if known else (0.7, 1.4)
    if low < energy / whole < high:
        return True
    least = -sum(_VALENCE.get(number, -0.2) for number in z)
    most = -sum(_VALENCE.get(number, -5.0) for number in z)
    return 0.9 * least < -energy < 1.45 * most


def detect_forces(
    groups: Iterable[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]], *, pairs_per_group: int = 40
) -> ForceConvention | None:
    """Tell sign and unit of forces from the energies: between near conformers E₂ - E₁ ≈ -½(F₁ + F₂)·(x₂ - x₁).

    Conformers that are near in their interatomic distances are superposed, their forces turned along, and the slope
    of E₂ - E₁ on the right-hand side is fitted; it is +1 for forces and -1 for gradients in the same units, and
    bohr/Å = 1.89 times that for forces by bohr.

    Parameters
    ----------
    groups
        For each molecule positions in Å (n, n_atoms, 3), energies in eV (n,) and the array in question
        (n, n_atoms, 3), atoms in one order.
    pairs_per_group
        Most pairs taken from a molecule.

    Returns
    -------
    ForceConvention or None
        None where there are too few near pairs or no unit fits: nothing is proved.
    """
    rows = []
    for x, energy, f in groups:
        for a, b in _near_pairs(x, pairs_per_group):
            rows.append((*_work(x[a], x[b], f[a], f[b]), float(energy[b] - energy[a])))
    if len(rows) < _LEAST_PAIRS:
        return None
    work, bend, change = np.array(rows).T  # (n_pairs,) each
    straight = np.abs(bend) < 0.5 * np.abs(work)
    # where forces are alike at both ends the trapezoid is a good integral; near a minimum they never are
    for chosen in (straight, np.ones_like(straight)):
        found = _fit(work[chosen], change[chosen])
        if found is not None:
            return found
    return None


def _fit(work: NDArray[np.float64], change: NDArray[np.float64]) -> ForceConvention | None:
    if len(work) < _LEAST_PAIRS or not work.any() or not change.any():
        return None
    slope = float(work @ change / (work @ work))
    explained = 1 - float(((change - slope * work) ** 2).sum() / (change**2).sum())
    if explained < _LEAST_EXPLAINED:
        return None  # numbers that have little to do with each other prove nothing
    for energy_unit in ENERGY_UNITS:
        for length in LENGTH_UNITS:
            unit = f"{energy_unit}/{length}"
            if abs(np.log(abs(slope) / force_factor(unit))) < _SLACK:
                sign = 1 if slope > 0 else -1
                fitted = abs(slope) / force_factor(unit)
                evidence = f"{len(work)} pairs of near conformers: fitted factor {fitted:.3f}, R² {explained:.3f}"
                return ForceConvention(sign=sign, unit=unit, evidence=evidence)
    return None


def _near_pairs(x: NDArray[np.float64], most: int) -> list[tuple[int, int]]:
    n, atoms = x.shape[:2]
    if n < 2 or atoms < 2:
        return []
    chosen = np.unique(np.linspace(0, n - 1, min(n, 400)).astype(int))
    i, j = np.triu_indices(atoms, 1)
    distances = np.linalg.norm(x[chosen][:, i] - x[chosen][:, j], axis=-1)  # (n_chosen, n_pairs)
    square = (distances**2).sum(1)
    gaps = square[:, None] + square[None] - 2 * distances @ distances.T
    gaps[np.tril_indices(len(chosen))] = np.inf
    gaps[gaps < 1e-6] = np.inf  # copies, or nearer than single precision resolves
    order = np.argsort(gaps, axis=None, kind="stable")[: min(most, n)]  # far ones outnumber the near by and by
    pairs = [divmod(int(k), len(chosen)) for k in order if np.isfinite(gaps.flat[k])]
    return [(int(chosen[a]), int(chosen[b])) for a, b in pairs]


def _work(
    xa: NDArray[np.float64], xb: NDArray[np.float64], fa: NDArray[np.float64], fb: NDArray[np.float64]
) -> tuple[float, float]:
    """Return -½(F₁ + F₂)·(x₂ - x₁) after superposition, and the same with the difference of the forces."""
    a, b = xa - xa.mean(0), xb - xb.mean(0)
    u, _, vt = np.linalg.svd(b.T @ a)  # Kabsch 1976, doi:10.1107/S0567739476001873; any best rotation will do
    u[:, -1] *= np.sign(np.linalg.det(u @ vt))
    turn = u @ vt  # (3, 3)
    step, fb = b @ turn - a, fb @ turn
    return -0.5 * float(((fa + fb) * step).sum()), 0.5 * float(((fa - fb) * step).sum())

"""Why labels that should agree do not: units, signs and zeros are known by their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from ase.units import Rydberg, invcm
from numpy.typing import NDArray

from molaug.structures import Structures
from molaug.structures.datasets.units import ENERGY_UNITS, LENGTH_UNITS

#: Units that energies come in, in eV.
_ENERGIES: Mapping[str, float] = MappingProxyType({**ENERGY_UNITS, "Ry": Rydberg, "meV": 1e-3, "cm⁻¹": invcm})
_FORCES: Mapping[str, float] = MappingProxyType(
    {f"{e}/{length}": a / b for e, a in _ENERGIES.items() for length, b in LENGTH_UNITS.items()}
)

#: Largest relative deviation of a factor from that of a unit: total energies of two methods differ by parts in a
#: thousand, the nearest two units by 6 %.
_CLOSE = 0.02

#: Likewise for forces: two methods disagree by a few per cent.
_CLOSE_FORCES = 0.05

#: Largest share of a total energy that the energy of its bonds is, and likewise of what remains of a shift.
_BONDS = 0.3


def cause_of_energies(stored: NDArray[np.float64], computed: NDArray[np.float64], rows: Structures) -> str:
    """Return a sentence that names the likely cause of energies that disagree.

    Parameters
    ----------
    stored
        As the dataset has them, supposed to be in eV; NaN where it has none.
    computed
        As they should be, in eV.
    rows
        The structures.

    Returns
    -------
    str
        One sentence with its full stop.

    Examples
    --------
    >>> rows = Structures.from_arrays([[2], [10]], [[[0, 0, 0]]] * 2)
    >>> cause_of_energies(np.array([-2.9, -128.9]), np.array([-78.9, -3507.6]), rows)
    'The energies look like Ha.'
    """
    there = np.isfinite(stored) & np.isfinite(computed)
    old, new, atoms = stored[there], computed[there], rows.n_atoms[there]
    ratio = old / np.where(new == 0, np.nan, new)
    named = _unit_of(ratio, _ENERGIES, _CLOSE)
    if named is not None:
        return f"The energies look like {named}."
    if np.abs(ratio + 1).max() < _CLOSE:
        return "The energies look like they have the opposite sign."
    shift = old - new
    if len(shift) > 1 and np.ptp(shift) < 0.01 * abs(shift[0]):
        return f"All differ by the same {shift.mean():.6g} eV: the zero of the energies is another."
    if np.isfinite(ratio).all() and np.abs(ratio).max() < _BONDS:
        per_atom = np.abs(old / np.maximum(atoms, 1))
        for unit, factor in ENERGY_UNITS.items():
            if (per_atom * factor < 8).all() and (per_atom * factor > 1).any():  # eV: bonds hold 2 to 6 an atom
                inside = "" if unit == "eV" else f" in {unit}"
                return f"The energies look like atomisation or relative energies{inside}, not like total ones."
        return "The energies look like relative ones (to a minimum, to the atoms), not like total ones."
    return "The level seems to be another one: another code, functional, basis or option, charge or spin."


def cause_of_forces(stored: NDArray[np.float64], computed: NDArray[np.float64]) -> str:
    """Return a sentence that names the likely cause of forces that disagree.

    Parameters
    ----------
    stored
        As the dataset has them, supposed to be in eV/Å, shape (n_atoms, 3).
    computed
        As they should be, in eV/Å.

    Returns
    -------
    str
        One sentence with its full stop.

    Examples
    --------
    >>> right = np.array([[0.0, 1.0, -2.0], [0.5, -1.0, 2.0]])
    >>> cause_of_forces(-right / 51.4221, right)
    'The forces look like gradients (the opposite sign) in Ha/bohr.'
    """
    slope = float((stored * computed).sum() / (computed**2).sum())
    explained = 1 - float(((stored - slope * computed) ** 2).sum() / (stored**2).sum()) if stored.any() else 0.0
    if not stored.any():
        return "All forces are 0: they were not computed, perhaps."
    if explained > 0.98:
        sign = "" if slope > 0 else "gradients (the opposite sign)"
        named = _unit_of(np.array([abs(slope)]), _FORCES, _CLOSE_FORCES)
        if abs(abs(slope) - 1) < 0.1 and sign:
            return f"The forces look like {sign}."
        if named is not None:
            return f"The forces look like {sign + ' in ' if sign else ''}{named}."
        return f"The forces are {slope:.4g} times what they should be."
    lengths = np.linalg.norm(stored, axis=1), np.linalg.norm(computed, axis=1)
    if np.abs(lengths[0] - lengths[1]).max() < 0.05 * lengths[1].max():
        return "The forces have the right lengths and other directions: those of a molecule in another orientation."
    if np.abs(np.sort(lengths[0]) - np.sort(lengths[1])).max() < 0.05 * lengths[1].max():
        return "The forces have the right lengths on other atoms: the atoms are in another order."
    return "The level seems to be another one, or the forces are of other geometries."


def _unit_of(ratio: NDArray[np.float64], units: Mapping[str, float], close: float) -> str | None:
    """Return the unit whose numbers are so many times those in eV, or from which they were converted although in eV."""
    best: tuple[float, str] | None = None
    for unit, factor in units.items():
        if factor == 1.0:
            continue
        for expected, text in ((1 / factor, unit), (factor, f"numbers that were converted from {unit} once too often")):
            away = float(np.abs(np.log(np.abs(ratio / expected))).max()) if (ratio > 0).all() else np.inf
            if away < close and (best is None or away < best[0]):
                best = away, text
    return None if best is None else best[1]

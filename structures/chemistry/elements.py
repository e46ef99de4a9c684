"""Elements, formulas and electron counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import ArrayLike


def atomic_number(symbol: str) -> int:
    """Return the atomic number of a symbol.

    Parameters
    ----------
    symbol
        For instance ``"Cl"``.

    Returns
    -------
    int
        From 1.

    Raises
    ------
    ValueError
        If there is no such element.
    """
    number = atomic_numbers.get(symbol)
    if not number:
        raise ValueError(f"unknown element {symbol!r}; expected a symbol such as 'C' or 'Cl'")
    return int(number)


def symbols(numbers: ArrayLike) -> list[str]:
    """Return the chemical symbols of atomic numbers.

    Parameters
    ----------
    numbers
        Atomic numbers.

    Returns
    -------
    list of str
        One for each.
    """
    return [chemical_symbols[int(z)] for z in np.asarray(numbers).ravel()]


def formula(numbers: ArrayLike) -> str:
    """Return the molecular formula in Hill order.

    Parameters
    ----------
    numbers
        Atomic numbers, hydrogens included.

    Returns
    -------
    str
        Carbon first, then hydrogen, then the rest by symbol; all by symbol where there is no carbon.

    Examples
    --------
    >>> formula([8, 6, 1, 1, 1, 1]), formula([1, 8, 1])
    ('CH4O', 'H2O')
    """
    counts = Counter(symbols(numbers))
    first = [s for s in ("C", "H") if s in counts] if "C" in counts else []
    order = [*first, *sorted(s for s in counts if s not in first)]
    return "".join(s + (str(counts[s]) if counts[s] > 1 else "") for s in order)


def electrons(numbers: ArrayLike, charge: int = 0) -> int:
    """Return the number of electrons.

    Parameters
    ----------
    numbers
        Atomic numbers, hydrogens included.
    charge
        Total charge in e.

    Returns
    -------
    int
        Sum of the atomic numbers minus the charge.
    """
    return int(np.asarray(numbers, dtype=np.int64).sum()) - int(charge)


def heavy_atoms(numbers: ArrayLike) -> int:
    """Return the number of atoms other than hydrogen.

    Parameters
    ----------
    numbers
        Atomic numbers.

    Returns
    -------
    int
        From 0.
    """
    return int((np.asarray(numbers) > 1).sum())


def spin_reason(numbers: ArrayLike, charge: int, multiplicity: int) -> str | None:
    """Say why a multiplicity cannot be, if it cannot.

    Parameters
    ----------
    numbers
        Atomic numbers, hydrogens included.
    charge
        Total charge in e.
    multiplicity
        2S+1.

    Returns
    -------
    str or None
        A reason, or None where electrons and multiplicity agree.

    Examples
    --------
    >>> spin_reason([8, 1], 0, 1)
    '9 electrons cannot have multiplicity 1'
    """
    n = electrons(numbers, charge)
    if multiplicity < 1 or n < multiplicity - 1 or (n - multiplicity + 1) % 2:
        return f"{n} electrons cannot have multiplicity {multiplicity}"
    return None

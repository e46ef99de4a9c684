"""The one gate that every row passes, whatever the door: values that no molecule has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from molaug.structures.table import Structures

#: The last element.
LAST_ELEMENT = 118

#: Å; farther out lies no atom of a molecule, but a damaged exponent.
FARTHEST = 1e5

#: What the columns of the record can hold.
CHARGES = (-128, 127)
MULTIPLICITIES = (1, 255)


def row_fault(
    *,
    numbers: ArrayLike,
    positions: ArrayLike | None = None,
    charge: Any = 0,
    multiplicity: Any = None,
    energy: Any = None,
    forces: ArrayLike | None = None,
) -> str | None:
    """Say what no molecule has about raw values, before any cast.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3) or flat; None for a bare graph.
    charge
        Total charge in e.
    multiplicity
        2S+1; None where it is not known.
    energy
        None or NaN where it is missing.
    forces
        Shape (n_atoms, 3) or flat; None, or NaN throughout, where they are missing.

    Returns
    -------
    str or None
        What is wrong, in few different texts; details of the row follow after a colon (see :func:`kind_of`).

    Examples
    --------
    >>> row_fault(numbers=[8, 0, 1])
    'dummy atoms: atom 1'
    >>> row_fault(numbers=[8, 1], positions=[[0, 0, 0], [0, 0, 1.0]], charge=0.5)
    'a charge that is no whole number: 0.5'
    >>> row_fault(numbers=[1, 1], positions=[[0, 0, 0], [0, 0, 0.74]]) is None
    True
    """
    try:
        z = np.asarray(numbers, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        return f"atomic numbers that are no whole numbers: {numbers!r:.40}"
    return (
        _atoms(z)
        or _positions(len(z), positions)
        or _state(z, charge, multiplicity)
        or _energy(energy)
        or _forces(len(z), forces)
    )


def raw_faults(
    numbers: Sequence[ArrayLike],
    positions: Sequence[ArrayLike | None],
    charge: Sequence[Any],
    multiplicity: Sequence[Any],
    energy: Sequence[Any],
    forces: Sequence[ArrayLike | None],
) -> list[str | None]:
    """Return what :func:`row_fault` says of many rows, at once where all are sound.

    Parameters
    ----------
    numbers
        For each row its atomic numbers.
    positions
        For each row, in Å, or None.
    charge
        For each row, in e.
    multiplicity
        For each row, or None.
    energy
        For each row, or None.
    forces
        For each row, or None.

    Returns
    -------
    list of (str or None)
        One for each row.
    """
    try:
        if _all_sound(numbers, positions, charge, multiplicity, energy, forces):
            return [None] * len(numbers)
    except (TypeError, ValueError):
        pass  # some row is odd: each is looked at by itself
    rows = zip(numbers, positions, charge, multiplicity, energy, forces, strict=True)
    return [
        row_fault(numbers=z, positions=x, charge=q, multiplicity=m, energy=e, forces=f) for z, x, q, m, e, f in rows
    ]


def faults(structures: Structures) -> list[str | None]:
    """Say for each row of a batch what no molecule has.

    Parameters
    ----------
    structures
        Any rows.

    Returns
    -------
    list of (str or None)
        As of :func:`row_fault`, without details; None for a sound row.

    Examples
    --------
    >>> from molaug.structures import Structures
    >>> faults(Structures.from_arrays([[1, 1]], [[[0, 0, 0], [0, 0, 0.74]]]))
    [None]
    """
    n = structures.n_atoms
    found: list[str | None] = [None] * len(n)
    if not len(n):
        return found
    table = structures.table
    z = structures.numbers
    owner = np.repeat(np.arange(len(n)), n)
    charge = np.asarray(table.column("charge"), dtype=np.int64)
    multiplicity = np.asarray(table.column("multiplicity"), dtype=np.int64)
    electrons = np.bincount(owner, weights=z, minlength=len(n)).astype(np.int64) - charge
    energy = np.asarray(pc.fill_null(table.column("energy"), 0.0))
    checks: list[tuple[str, NDArray[np.intp]]] = [
        ("no atoms", np.flatnonzero(n == 0)),
        ("dummy atoms", owner[z == 0]),
        ("atomic numbers of no element", owner[z > LAST_ELEMENT]),
        *_vector_faults(table, "positions", n),
        ("a charge beyond the electrons", np.flatnonzero(electrons < 0)),
        ("a multiplicity outside 1 to 255", np.flatnonzero(multiplicity < 1)),
        ("a multiplicity that its electrons cannot have", np.flatnonzero(_impossible_spin(electrons, multiplicity))),
        ("an infinite energy", np.flatnonzero(np.isinf(energy))),
        *_vector_faults(table, "forces", n),
    ]
    for text, rows in checks:
        for row in dict.fromkeys(rows.tolist()):
            found[row] = found[row] or text
    return found


def kind_of(fault: str) -> str:
    """Return a fault without the details of the row, so that rows can be counted by it.

    Parameters
    ----------
    fault
        As of :func:`row_fault`.

    Returns
    -------
    str
        What stands before the colon.

    Examples
    --------
    >>> kind_of("dummy atoms: atom 1")
    'dummy atoms'
    """
    return fault.partition(":")[0]


def whole(values: ArrayLike, low: int, high: int, what: str, rows: NDArray[np.intp] | None = None) -> NDArray[np.int64]:
    """Return whole numbers within bounds, or say which row has another value, instead of wrapping it by a cast.

    Parameters
    ----------
    values
        Numbers of any type.
    low
        The least that is allowed.
    high
        The greatest that is allowed.
    what
        Named in the error.
    rows
        The row of each value; its place by default.

    Returns
    -------
    NDArray[np.int64]
        The same numbers.

    Raises
    ------
    ValueError
        If a value is not whole or out of bounds.

    Examples
    --------
    >>> whole([0, 300], 1, 118, "atomic number")
    Traceback (most recent call last):
    ...
    ValueError: row 0: atomic number 0; expected a whole number from 1 to 118
    """
    given = np.asarray(values)
    if given.dtype.kind not in "biuf":
        given = given.astype(np.float64)
    wrong = ~((given >= low) & (given <= high))
    if given.dtype.kind == "f":
        wrong |= given != np.rint(given)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        row = place if rows is None else int(rows[place])
        value = given.ravel()[place]
        raise ValueError(f"row {row}: {what} {value}; expected a whole number from {low} to {high}")
    return given.astype(np.int64)


def atomic_numbers(rows: Sequence[ArrayLike]) -> list[NDArray[np.uint8]]:
    """Return atomic numbers as the record holds them.

    Parameters
    ----------
    rows
        For each structure its atomic numbers.

    Returns
    -------
    list of NDArray[np.uint8]
        One array for each.

    Raises
    ------
    ValueError
        If one is not whole, or of no element.
    """
    given = [np.asarray(row).ravel() for row in rows]
    if any(map(len, given)):
        owner = np.repeat(np.arange(len(given)), [len(row) for row in given])
        whole(np.concatenate(given), 1, LAST_ELEMENT, "atomic number", owner)
    return [row.astype(np.uint8, copy=False) for row in given]


def check_finite(rows: Sequence[NDArray[np.float64] | None], what: str) -> None:
    """Refuse vectors that are not finite.

    Parameters
    ----------
    rows
        For each structure its values, or None.
    what
        Named in the error.

    Raises
    ------
    ValueError
        If a value is not finite; the row is named.
    """
    present = [row for row in rows if row is not None]
    if present and not np.isfinite(np.concatenate(present)).all():
        row = next(k for k, values in enumerate(rows) if values is not None and not np.isfinite(values).all())
        raise ValueError(f"row {row}: {what} that are not finite")


def _atoms(z: NDArray[np.float64]) -> str | None:
    if not len(z):
        return "no atoms"
    if (z == 0).any():
        return f"dummy atoms: atom {int(np.argmax(z == 0))}"
    if not (z == np.rint(z)).all():
        return f"atomic numbers that are no whole numbers: {z[z != np.rint(z)][0]}"
    beyond = (z < 1) | (z > LAST_ELEMENT)
    return f"atomic numbers of no element: {z[beyond][0]:.0f}" if beyond.any() else None


def _positions(n: int, positions: ArrayLike | None) -> str | None:
    if positions is None:
        return None
    x = _floats(positions)
    if x is None or x.shape not in ((n, 3), (3 * n,)):
        return f"positions of a wrong shape: {'no numbers' if x is None else x.shape} for {n} atoms"
    if not np.isfinite(x).all():
        return "positions that are not finite"
    farthest = float(np.abs(x).max())
    return f"positions beyond 1e5 Å: {farthest:.3g}" if farthest > FARTHEST else None


def _state(z: NDArray[np.float64], charge: Any, multiplicity: Any) -> str | None:
    q = _number(charge)
    if q is None or q != np.rint(q):
        return f"a charge that is no whole number: {charge!r:.40}"
    if not CHARGES[0] <= q <= CHARGES[1]:
        return f"a charge outside {CHARGES[0]} to {CHARGES[1]}: {q:.0f}"
    electrons = int(z.sum() - q)
    if electrons < 0:
        return f"a charge beyond the electrons: {q:.0f}"
    if multiplicity is None:
        return None
    m = _number(multiplicity)
    if m is None or m != np.rint(m):
        return f"a multiplicity that is no whole number: {multiplicity!r:.40}"
    if not MULTIPLICITIES[0] <= m <= MULTIPLICITIES[1]:
        return f"a multiplicity outside {MULTIPLICITIES[0]} to {MULTIPLICITIES[1]}: {m:.0f}"
    if _impossible_spin(electrons, int(m)):
        return f"a multiplicity that its electrons cannot have: {electrons} electrons, multiplicity {m:.0f}"
    return None


def _impossible_spin(electrons: Any, multiplicity: Any) -> Any:
    return (electrons < multiplicity - 1) | ((electrons - multiplicity + 1) % 2 != 0)


def _energy(energy: Any) -> str | None:
    if energy is None:
        return None
    value = _floats(energy)
    if value is None or value.size != 1:
        return f"an energy that is no number: {energy!r:.40}"
    return "an infinite energy" if np.isinf(value).any() else None


def _forces(n: int, forces: ArrayLike | None) -> str | None:
    if forces is None:
        return None
    f = _floats(forces)
    if f is None or f.shape not in ((n, 3), (3 * n,)):
        return f"forces of a wrong shape: {'no numbers' if f is None else f.shape} for {n} atoms"
    return None if np.isfinite(f).all() or np.isnan(f).all() else "forces that are not finite"


def _floats(values: Any) -> NDArray[np.float64] | None:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _number(value: Any) -> float | None:
    found = _floats(value)
    return float(found.ravel()[0]) if found is not None and found.size == 1 and np.isfinite(found).all() else None


def _all_sound(
    numbers: Sequence[ArrayLike],
    positions: Sequence[ArrayLike | None],
    charge: Sequence[Any],
    multiplicity: Sequence[Any],
    energy: Sequence[Any],
    forces: Sequence[ArrayLike | None],
) -> bool:
    """Tell whether no row has a fault; False also where that cannot be told at once."""
    if not len(numbers):
        return True
    zs = [np.asarray(z) for z in numbers]
    n = np.array([len(z) for z in zs])
    z = np.concatenate(zs)
    if not n.all() or z.ndim != 1 or z.dtype.kind not in "iu" or z.min() < 1 or z.max() > LAST_ELEMENT:
        return False
    q = np.asarray(charge)
    m = np.array([0 if value is None else value for value in multiplicity])
    if q.dtype.kind not in "iu" or m.dtype.kind not in "iu" or q.min() < CHARGES[0] or q.max() > CHARGES[1]:
        return False
    electrons = np.add.reduceat(z.astype(np.int64), np.cumsum(n) - n) - q
    known = np.array([value is not None for value in multiplicity])
    if (electrons < 0).any() or (known & ((m < 1) | (m > MULTIPLICITIES[1]) | _impossible_spin(electrons, m))).any():
        return False
    e = np.array([0.0 if value is None else value for value in energy], dtype=np.float64)
    if e.ndim != 1 or np.isinf(e).any():
        return False
    return _vectors_sound(n, positions, FARTHEST) and _vectors_sound(n, forces, np.inf)


def _vectors_sound(n: NDArray[np.intp], rows: Sequence[ArrayLike | None], bound: float) -> bool:
    present = [(k, np.asarray(row)) for k, row in enumerate(rows) if row is not None]
    if not present:
        return True
    if not all(row.shape in ((n[k], 3), (3 * n[k],)) for k, row in present):
        return False
    flat = np.concatenate([row.ravel() for _, row in present])
    if flat.dtype.kind not in "iuf":
        return False
    return bool(np.isfinite(flat).all() and np.abs(flat).max() <= bound)


def _vector_faults(table: pa.Table, name: str, n: NDArray[np.int64]) -> list[tuple[str, NDArray[np.intp]]]:
    """Return the rows whose vectors are not finite, or too far out."""
    column = table.column(name)
    rows = np.flatnonzero(np.asarray(pc.is_valid(column), dtype=bool))
    values = np.asarray(pc.fill_null(pc.list_flatten(column), np.nan), dtype=np.float64)
    owner = np.repeat(rows, 3 * n[rows])
    text = f"{name} that are not finite"
    if name == "positions":
        return [(text, owner[~np.isfinite(values)]), ("positions beyond 1e5 Å", owner[np.abs(values) > FARTHEST])]
    nan = np.bincount(owner[np.isnan(values)], minlength=len(n))
    partly = (nan > 0) & (nan < 3 * n)
    return [(text, np.concatenate([np.flatnonzero(partly), owner[np.isinf(values)]]))]

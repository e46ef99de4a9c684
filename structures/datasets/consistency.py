"""Whether the forces of a dataset are those of its energies: sign and unit are proved by neighbouring geometries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.units import ForceConvention, detect_energy_unit, detect_forces
from molaug.structures.table import Structures

#: Rows that are looked at, molecules among them and conformers of each; pairs of conformers of each.
MAX_ROWS = 4096
_MOLECULES, _CONFORMERS, _PAIRS = 40, 200, 20

_Group = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def force_convention_of(rows: Structures) -> ForceConvention | None:
    """Tell from the energies what the forces of rows are, as they stand.

    Neighbouring geometries of one molecule (conformers, frames of a trajectory) prove it: what the forces do along the
    way from one to the next is the difference of their energies.

    Parameters
    ----------
    rows
        Energies are taken to be in eV, positions in Å; rows without energy or forces are passed over. The first
        :data:`MAX_ROWS` are looked at.

    Returns
    -------
    ForceConvention or None
        ``sign`` 1 and ``unit`` ``"eV/Å"`` where all is as it should be; None where nothing is proved, since no
        molecule has neighbouring geometries.

    Examples
    --------
    >>> import numpy as np
    >>> length = np.linspace(0.7, 0.8, 9)  # hydrogen on a spring, with gradients
    >>> x = np.zeros((9, 2, 3))
    >>> x[:, 1, 2] = length
    >>> g = np.zeros((9, 2, 3))
    >>> g[:, 1, 2] = 30 * (length - 0.74)
    >>> g[:, 0] = -g[:, 1]
    >>> rows = Structures.from_arrays([[1, 1]] * 9, x, energy=15 * (length - 0.74) ** 2 - 30, forces=g)
    >>> found = force_convention_of(rows)
    >>> found.sign, found.unit
    (-1, 'eV/Å')
    """
    return detect_forces(_groups(rows.slice(0, MAX_ROWS)), pairs_per_group=_PAIRS)


def contradiction_of(rows: Structures | Iterable[Structures]) -> str | None:
    """Say in what the forces of rows contradict their energies, dataset by dataset and level by level.

    Parameters
    ----------
    rows
        One batch or a stream; energies should be in eV and forces in eV/Å. The first :data:`MAX_ROWS` that have both
        are looked at.

    Returns
    -------
    str or None
        One sentence: what the forces look like, by what evidence, and what may be the cause; None where nothing
        contradicts.
    """
    seen: list[Structures] = []
    for batch in [rows] if isinstance(rows, Structures) else rows:
        seen.append(batch.filter(_labelled(batch)))
        if sum(map(len, seen)) >= MAX_ROWS:
            break
    rows = Structures.concat(seen).slice(0, MAX_ROWS)
    keys = np.array([f"{o}\n{lvl}" for o, lvl in zip(rows.column("origin"), rows.column("level"), strict=True)])
    for key in dict.fromkeys(keys.tolist()):
        part = rows.filter(keys == key)
        found = force_convention_of(part)
        if found is not None and (found.sign, found.unit) != (1, "eV/Å"):
            return _sentence(found, part)
    return None


def size_of_energies(rows: Structures) -> str | None:
    """Say that energies have the size of total energies in another unit than eV.

    Parameters
    ----------
    rows
        The first 64 with an energy are looked at.

    Returns
    -------
    str or None
        One sentence; None where the energies of one row are of no such size, as those of methods without the electrons
        of the cores.

    Examples
    --------
    >>> size_of_energies(Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0]] * 3], energy=[-76.4]))
    'the energies have the size of total energies in Ha, not in eV; if that is so, say energy_unit'
    """
    known = rows.filter(np.isfinite(rows.array("energy"))).slice(0, 64)
    unit = detect_energy_unit((row.numbers, float(row.energy)) for row in known if row.energy is not None)
    if unit in (None, "eV"):
        return None
    return f"the energies have the size of total energies in {unit}, not in eV; if that is so, say energy_unit"


def watched(dataset: Dataset) -> Dataset:
    """Return the same dataset, whose audit says after each pass whether the forces are those of the energies.

    Parameters
    ----------
    dataset
        Any.

    Returns
    -------
    Dataset
        The same rows; a contradiction, or an odd size of the first energies, is a remark of the audit; agreement is
        among what was ``detected``.
    """

    def stream(audit: Audit) -> Iterator[Structures]:
        seen: list[Structures] = []
        count = 0
        size = None
        for number, batch in enumerate(dataset.stream(audit)):
            size = size_of_energies(batch) if number == 0 else size
            if count < MAX_ROWS:
                seen.append(batch.filter(_labelled(batch)))
                count += len(seen[-1])
            yield batch
        if size is not None:
            audit.remarks.append(size)
        if not count:
            return
        rows = Structures.concat(seen)
        wrong = contradiction_of(rows)
        if wrong is not None:
            audit.remarks.append(wrong)
        elif (found := force_convention_of(rows)) is not None:
            audit.detected["forces against energies"] = f"agree ({found.evidence})"

    return Dataset(card=dataset.card, stream=stream, audit=dataset.audit)


def _sentence(found: ForceConvention, rows: Structures) -> str:
    what = "forces" if found.sign > 0 else "gradients, the negative of forces,"
    size = detect_energy_unit((row.numbers, float(row.energy)) for row in rows.slice(0, 64) if row.energy is not None)
    cause = "" if size in (None, "eV") else f", or the energies, by their size, are in {size}"
    return (
        f"forces and energies contradict each other: beside energies in eV the array of forces looks like {what} in "
        f"{found.unit}{cause} ({found.evidence}); numbers that were converted twice look so too. Say what the file "
        "holds: energy_unit and force_unit, with a minus for gradients ('-Ha/bohr')"
    )


def _labelled(rows: Structures) -> NDArray[np.bool_]:
    there = np.asarray(pc.is_valid(rows.table.column("forces")), dtype=bool)
    if not there.any():
        return there
    energy = np.asarray(pc.fill_null(rows.table.column("energy"), np.nan), dtype=np.float64)
    return there & np.isfinite(energy) & rows.has_geometry


def _groups(rows: Structures) -> Iterator[_Group]:
    """Yield positions, energies and forces of the molecules with most rows, atoms in one order."""
    rows = rows.filter(_labelled(rows))
    numbers, offsets, x, f, energy = rows.numbers, rows.offsets, rows.positions, rows.forces, rows.array("energy")
    members: dict[Any, list[int]] = {}
    states = zip(rows.column("smiles"), rows.column("charge"), rows.column("multiplicity"), strict=True)
    for k, state in enumerate(states):
        members.setdefault((numbers[offsets[k] : offsets[k + 1]].tobytes(), *state), []).append(k)
    for chosen in sorted(members.values(), key=len, reverse=True)[:_MOLECULES]:
        n = int(offsets[chosen[0] + 1] - offsets[chosen[0]])
        atoms = offsets[np.array(chosen[:_CONFORMERS])][:, None] + np.arange(n)  # (n_conformers, n_atoms)
        forces = f[atoms]
        finite = np.isfinite(forces).all(axis=(1, 2)) & np.isfinite(x[atoms]).all(axis=(1, 2))
        if finite.sum() > 1:
            yield x[atoms][finite], energy[chosen[:_CONFORMERS]][finite], forces[finite]

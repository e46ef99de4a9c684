"""Energies and forces of ``ase.Atoms``: one key for all frames, so that levels of theory are not mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

#: Where labels are looked for when no key is named: what MACE and its relatives write, then plain names.
ENERGY_KEYS = ("REF_energy", "energy")
FORCES_KEYS = ("REF_forces", "forces")


def label_keys(frame: Atoms, results: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the usual keys under which a frame has energies and forces.

    Parameters
    ----------
    frame
        Any atoms.
    results
        What its calculator computed of it.

    Returns
    -------
    tuple of (frozenset of str, frozenset of str)
        Of energies and of forces; results count as ``energy`` and ``forces``.
    """
    energies = {key for key in ENERGY_KEYS if frame.info.get(key) is not None}
    forces = {key for key in FORCES_KEYS if key in frame.arrays}
    if results.get("energy") is not None:
        energies.add("energy")
    if results.get("forces") is not None:
        forces.add("forces")
    return frozenset(energies), frozenset(forces)


def one_key(found: Iterable[frozenset[str]], usual: tuple[str, ...], option: str) -> str | None:
    """Return the one key that all labelled frames have.

    Parameters
    ----------
    found
        Keys of the frames; those without a label are not looked at.
    usual
        Keys in the order of preference.
    option
        Option that chooses the key, for the message.

    Returns
    -------
    str or None
        None where no frame has a label.

    Raises
    ------
    ValueError
        If there is none that all of them have.

    Examples
    --------
    >>> one_key([frozenset({"energy"}), frozenset({"REF_energy", "energy"})], ENERGY_KEYS, "energy_key")
    'energy'
    """
    sets = {keys for keys in found if keys}
    if not sets:
        return None
    for key in usual:
        if all(key in keys for keys in sets):
            return key
    first, second = usual
    raise ValueError(
        f"some frames have {first}, others only {second}, which may be two levels of theory; "
        f"pass {option}={first} or {option}={second} to take the labels of one of them"
    )


def energy_of(frame: Atoms, key: str | None, results: Mapping[str, Any]) -> float | None:
    """Return the energy of a frame.

    Parameters
    ----------
    frame
        Any atoms.
    key
        Where to look.
    results
        What its calculator computed of it.

    Returns
    -------
    float or None
        None where the frame has none.

    Raises
    ------
    ValueError
        If it is no finite number.
    """
    value = None if key is None else frame.info.get(key)
    if value is None and key == "energy":
        value = results.get("energy")
    if value is None:
        return None
    if type(value) is float and isfinite(value):
        return value
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.array([np.nan])
    if isinstance(value, str | bool | np.bool_) or found.size != 1 or not np.isfinite(found).all():
        raise ValueError(f"energy {key!r} is no finite number")
    return float(found.item())


def forces_of(frame: Atoms, key: str | None, results: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the forces of a frame.

    Parameters
    ----------
    frame
        Any atoms.
    key
        Where to look.
    results
        What its calculator computed of it.

    Returns
    -------
    NDArray[np.float64] or None
        Shape (n_atoms, 3); None where the frame has none.

    Raises
    ------
    ValueError
        If they are no finite vectors, one for each atom.
    """
    value = None if key is None else frame.arrays.get(key)
    if value is None and key == "forces":
        value = results.get("forces")
    if value is None:
        return None
    found = np.asarray(value)
    if found.shape != (len(frame), 3) or found.dtype.kind not in "iuf" or not isfinite(found.sum()):
        raise ValueError(f"forces {key!r} are no finite vectors, one for each atom")
    return found.astype(np.float64)

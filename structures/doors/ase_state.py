"""Charge, spin and calculated results of ``ase.Atoms``, each only where the frame says so itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

#: Keys of ``Atoms.info`` that hold the total charge and 2S+1.
CHARGE_KEYS = ("charge", "total_charge")
MULTIPLICITY_KEYS = ("multiplicity", "spin_multiplicity", "mult")

#: Keys that are called a spin and hold 2S+1: those of fairchem, Orb and MACE.
SPIN_KEYS = ("spin", "total_spin")

#: Largest distance of a sum of charges from an integer in e: populations are printed to a few digits.
_INTEGER = 0.05

#: Largest charge that a row holds.
_LARGEST = 127

#: Largest displacement in Å at which a geometry is the one that was computed.
_SAME = 1e-6

Say = Callable[[str], None]


def charge_of(frame: Atoms, say: Say) -> Any:
    """Return the total charge: that of ``info``, else the sum of the initial charges where it is an integer.

    Parameters
    ----------
    frame
        Any atoms.
    say
        Told what is not taken as it stands.

    Returns
    -------
    Any
        The value in ``info`` as it stands, or an integer.

    Examples
    --------
    >>> charge_of(Atoms("OH", charges=[-1, 0]), print)
    -1
    """
    given = _first(frame.info, CHARGE_KEYS)
    initial = frame.arrays.get("initial_charges")
    if initial is None or not np.any(initial):
        return 0 if given is None else given
    total = float(np.sum(initial))
    whole = abs(total) <= _LARGEST and abs(total - round(total)) <= _INTEGER
    if given is None:
        if not whole:
            say("initial charges whose sum is no charge (no integer): the charge is taken to be 0")
        return round(total) if whole else 0
    if not whole or round(total) != given:
        say("the charge in info is taken; the initial charges have another sum")
    return given


def multiplicity_of(frame: Atoms, charge: int, say: Say) -> Any:
    """Return 2S+1: that of ``info``, else of the initial magnetic moments, else the lowest possible one.

    A key called ``spin`` holds 2S+1, as fairchem, Orb and MACE have it. Where the number of electrons forbids that, it
    is 2S, as quantum chemistry programs have it, or S where it is a half.

    Parameters
    ----------
    frame
        Any atoms.
    charge
        Its total charge.
    say
        Told what is not taken as it stands.

    Returns
    -------
    Any
        The value in ``info`` as it stands, or an integer.

    Examples
    --------
    >>> oxygen = Atoms("O2")
    >>> oxygen.info["spin"] = 3
    >>> multiplicity_of(oxygen, 0, print)
    3
    """
    electrons = int(frame.numbers.sum()) - charge
    odd = electrons % 2
    given, spin = _first(frame.info, MULTIPLICITY_KEYS), _first(frame.info, SPIN_KEYS)
    read = None if spin is None else _multiplicity_of_spin(spin, electrons)
    if spin is not None and read is None:
        say("a spin that is no number of unpaired electrons and no 2S+1 of this molecule is left out")
    elif given is None and read is not None and read != spin and spin != 0:
        say("spin is read as 2S (or S): as 2S+1 it contradicts the number of electrons")
    if given is not None:
        if read not in (None, given):
            say("the multiplicity in info is taken; the spin in info is another")
        return given
    if read is not None:
        return read
    moments = abs(float(np.sum(frame.get_initial_magnetic_moments())))
    unpaired = round(moments) if moments <= min(electrons, 254) else -1
    if unpaired >= 0 and unpaired % 2 == odd:
        return 1 + unpaired
    if unpaired and charge == 0:  # those of an ion are a leftover of the neutral molecule
        say("magnetic moments that contradict the number of electrons are left out")
    return 1 + odd


def results_of(frame: Atoms, say: Say) -> Mapping[str, Any]:
    """Return what the calculator attached to a frame has computed, if it has computed this frame.

    A calculator that several frames share holds the results of the last one computed, and one whose frame was moved
    afterwards holds those of another geometry.

    Parameters
    ----------
    frame
        Any atoms.
    say
        Told when results are those of other atoms.

    Returns
    -------
    Mapping
        By name of the property, in ASE's units; empty where there is none of this frame.

    Examples
    --------
    >>> from ase.calculators.lj import LennardJones
    >>> near, far = Atoms("Ar2", [[0, 0, 0], [0, 0, 1]]), Atoms("Ar2", [[0, 0, 0], [0, 0, 2]])
    >>> near.calc = far.calc = LennardJones()
    >>> energy = far.get_potential_energy()  # the last one computed
    >>> results_of(near, print)
    results of its calculator are left out: they are of other atoms
    {}
    >>> bool(results_of(far, print)["energy"] == energy)
    True
    """
    results = getattr(frame.calc, "results", None)
    if not isinstance(results, Mapping) or all(value is None for value in results.values()):
        return {}
    computed = getattr(frame.calc, "atoms", None)
    if not isinstance(computed, Atoms) or not _same(frame, computed):
        say("results of its calculator are left out: they are of other atoms")
        return {}
    return results


def _same(frame: Atoms, computed: Atoms) -> bool:
    """Tell whether two frames are of one geometry and state; a box and a translation make no difference."""
    if not np.array_equal(frame.numbers, computed.numbers):
        return False
    moved = frame.positions - computed.positions  # (n_atoms, 3)
    if len(moved) and not np.abs(moved - moved.mean(axis=0)).max() <= _SAME:
        return False
    if isinstance(frame.calc, SinglePointCalculator):  # numbers read from a file depend on nothing set later
        return True
    return all(
        np.allclose(a, b, rtol=0, atol=_SAME)
        for a, b in (
            (frame.get_initial_charges(), computed.get_initial_charges()),
            (frame.get_initial_magnetic_moments(), computed.get_initial_magnetic_moments()),
        )
    )


def _multiplicity_of_spin(spin: Any, electrons: int) -> int | None:
    if isinstance(spin, bool | np.bool_) or not isinstance(spin, int | float | np.integer | np.floating):
        return None
    value, odd = float(spin), electrons % 2
    if value == 0:  # 2S = 0, or not given
        return 1 + odd
    if not 0 < value <= min(electrons, 254) + 1 or (2 * value) % 1:
        return None
    if value % 1:
        unpaired = round(2 * value)
    else:
        unpaired = round(value) - (1 if round(value) % 2 != odd else 0)
    return 1 + unpaired if unpaired % 2 == odd and unpaired <= electrons else None


def _first(info: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((info[key] for key in keys if info.get(key) is not None), None)

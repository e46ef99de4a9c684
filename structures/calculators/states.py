"""How a calculator is told the charge and the multiplicity of a structure, and which structures it must refuse."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ase import Atoms
from ase.calculators.calculator import FileIOCalculator
from ase.calculators.genericfileio import GenericFileIOCalculator

#: Calculators by class that are known to take both, and the arguments by which they do.
KNOWN_KEYS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "molaug.structures.calculators.dft:PySCFCalculator": ("charge", "multiplicity"),
        "tblite.ase:TBLite": ("charge", "multiplicity"),
    }
)

#: Keys that mean the atoms and not an argument of the calculator, beside ``info:NAME``.
INITIAL_CHARGES, INITIAL_MAGMOMS, INFO = "initial_charges", "initial_magmoms", "info"

#: What ``info`` alone means: all of these are there in any case.
_INFO_NAMES: Mapping[str, str] = MappingProxyType({"charge": "charge", "multiplicity": "spin"})


class StateError(ValueError):
    """A structure whose charge or multiplicity the calculator cannot be told."""


def place_of(calculator: Any) -> str:
    """Return where a calculator's class is to be found.

    Parameters
    ----------
    calculator
        ``module:Class``, which is returned, or an object.

    Returns
    -------
    str
        As ``module:Class``.

    Examples
    --------
    >>> from ase.calculators.emt import EMT
    >>> place_of(EMT())
    'ase.calculators.emt:EMT'
    """
    if isinstance(calculator, str):
        return calculator
    kind = type(calculator)
    return f"{kind.__module__}:{kind.__qualname__}"


def of_atoms(key: str) -> bool:
    """Tell whether a key means something of the atoms rather than an argument of the calculator.

    Parameters
    ----------
    key
        ``charge_key`` or ``multiplicity_key``.

    Returns
    -------
    bool
        True for ``info``, ``info:NAME``, ``initial_charges`` and ``initial_magmoms``.

    Examples
    --------
    >>> of_atoms("info:charge"), of_atoms("total_charge")
    (True, False)
    """
    return key in (INFO, INITIAL_CHARGES, INITIAL_MAGMOMS) or key.startswith(f"{INFO}:")


def check_keys(charge_key: str | None, multiplicity_key: str | None) -> None:
    """Refuse keys that cannot mean what they stand for.

    Parameters
    ----------
    charge_key
        How the charge is told.
    multiplicity_key
        How the multiplicity is told.

    Raises
    ------
    ValueError
        If a key is empty or means the other quantity.
    """
    for name, key, wrong in (
        ("charge_key", charge_key, INITIAL_MAGMOMS),
        ("multiplicity_key", multiplicity_key, INITIAL_CHARGES),
    ):
        if key is None:
            continue
        if not isinstance(key, str) or key in ("", f"{INFO}:", wrong):
            right = INITIAL_CHARGES if wrong == INITIAL_MAGMOMS else INITIAL_MAGMOMS
            raise ValueError(
                f"{name} is {key!r}; expected the name of an argument of the calculator, 'info', 'info:NAME' or "
                f"{right!r}"
            )
    if charge_key is not None and charge_key == multiplicity_key and charge_key != INFO:
        raise ValueError(f"charge_key and multiplicity_key are both {charge_key!r}; expected two names")


def refuse_untold(
    name: str,
    charge: int,
    multiplicity: int,
    charge_key: str | None,
    multiplicity_key: str | None,
    fixed: Mapping[str, Any],
) -> None:
    """Refuse a state that the calculator is not told: it would silently compute another.

    Parameters
    ----------
    name
        Of the calculator.
    charge
        Of the structure, in e.
    multiplicity
        2S+1.
    charge_key
        How it is told the charge; None if it is not.
    multiplicity_key
        Likewise for 2S+1.
    fixed
        Its own parameters: what they say of ``charge`` and ``multiplicity`` holds for all structures.

    Raises
    ------
    StateError
        If the structure is in another state than that which the calculator computes, a neutral closed shell unless its
        parameters say another.

    Examples
    --------
    >>> refuse_untold("EMT", 0, 1, None, None, {})
    >>> refuse_untold("EMT", -1, 1, None, None, {})
    Traceback (most recent call last):
    ...
    molaug.structures.calculators.states.StateError: calculator EMT was not told how to take a charge (here -1): name \
charge_key, the argument, 'info:NAME' or 'initial_charges' by which it takes it
    """
    given = fixed.get("charge")
    if charge_key is None and charge != (0 if given is None else given):
        said = "" if given is None else f", and its charge is fixed to {given}"
        raise StateError(
            f"calculator {name} was not told how to take a charge (here {charge:+d}){said}: name charge_key, the "
            f"argument, 'info:NAME' or '{INITIAL_CHARGES}' by which it takes it"
            if charge
            else f"calculator {name} computes the charge {given} of all structures, and this one is neutral: name "
            "charge_key instead"
        )
    given = fixed.get("multiplicity")
    if multiplicity_key is None and multiplicity != (1 if given is None else given):
        said = "" if given is None else f", and its multiplicity is fixed to {given}"
        raise StateError(
            f"calculator {name} was not told how to take an open shell (here 2S+1 = {multiplicity}){said}: name "
            f"multiplicity_key, the argument, 'info:NAME' or '{INITIAL_MAGMOMS}' by which it takes it"
        )


def check_taken(make: Callable[..., Any], made: Any, keys: Mapping[str, Any], name: str) -> None:
    """Refuse a key that a calculator swallows without knowing it.

    Parameters
    ----------
    make
        What made the calculator.
    made
        The calculator.
    keys
        Arguments by which state is told.
    name
        Of the calculator.

    Raises
    ------
    ValueError
        If it has no such argument.
    """
    if not isinstance(make, type):
        return  # a function refuses what it does not know
    try:
        named = set(inspect.signature(make).parameters)
    except (TypeError, ValueError):
        return
    for key in keys:
        if key not in named and getattr(made, "default_parameters", None) and not _has(made, key):
            raise ValueError(_unknown(name, key))


def tell(calculator: Any, values: Mapping[str, Any], name: str) -> None:
    """Set parameters or attributes of a calculator object, and see that they are set.

    Parameters
    ----------
    calculator
        A copy of its own.
    values
        By name.
    name
        Of the calculator.

    Raises
    ------
    ValueError
        If it has no such parameter or attribute, or does not keep the value.
    """
    for key, value in values.items():
        if not _has(calculator, key):
            raise ValueError(_unknown(name, key))
        attribute = key in vars(calculator) or hasattr(type(calculator), key)
        if attribute and key not in _parameters(calculator):
            setattr(calculator, key, value)
            kept = getattr(calculator, key)
        else:
            calculator.set(**{key: value})
            kept = _parameters(calculator).get(key)
        if kept != value:
            raise ValueError(f"calculator {name} has {key} = {kept!r} after it was set to {value!r}; it cannot be told")
    if values and callable(reset := getattr(calculator, "reset", None)):
        reset()  # results of another state


def mark(atoms: Atoms, charge: int, multiplicity: int, charge_key: str | None, multiplicity_key: str | None) -> None:
    """Write the state where a calculator that looks at the atoms finds it.

    Parameters
    ----------
    atoms
        Changed in place: ``info`` always has ``charge``, ``multiplicity`` and ``spin`` (2S+1).
    charge
        In e.
    multiplicity
        2S+1.
    charge_key
        ``initial_charges`` puts the whole charge on one atom, so that their sum is exact; ``info:NAME`` is another
        name.
    multiplicity_key
        ``initial_magmoms`` deals unpaired electrons out to heavy atoms in turn.
    """
    atoms.info.update(charge=charge, multiplicity=multiplicity, spin=multiplicity)
    for key, value, what in ((charge_key, charge, "charge"), (multiplicity_key, multiplicity, "multiplicity")):
        if key is not None and (key == INFO or key.startswith(f"{INFO}:")):
            atoms.info[key.partition(":")[2] or _INFO_NAMES[what]] = value
    places = [k for k, z in enumerate(atoms.numbers) if z > 1] or list(range(len(atoms)))
    if charge_key == INITIAL_CHARGES:
        charges = [0.0] * len(atoms)
        charges[places[0]] = float(charge)
        atoms.set_initial_charges(charges)
    if multiplicity_key == INITIAL_MAGMOMS:
        moments = [0.0] * len(atoms)
        for k in range(multiplicity - 1):
            moments[places[k % len(places)]] += 1.0
        atoms.set_initial_magnetic_moments(moments)


def _parameters(calculator: Any) -> Mapping[str, Any]:
    found = getattr(calculator, "parameters", None)
    return found if isinstance(found, Mapping) else {}


def _has(calculator: Any, key: str) -> bool:
    """Tell whether a calculator has a parameter or an attribute; those of file calculators are free."""
    if isinstance(calculator, FileIOCalculator | GenericFileIOCalculator) or hasattr(calculator, key):
        return True
    declared = getattr(calculator, "default_parameters", None)
    if isinstance(declared, Mapping):  # those that declare none take any, and any is among their parameters
        return key in declared if declared else callable(getattr(calculator, "set", None))
    return key in _parameters(calculator)


def _unknown(name: str, key: str) -> str:
    return (
        f"calculator {name} has no parameter or attribute {key!r}; expected one that it takes the state by, "
        "'info:NAME', or no key, whereby charged and open-shell structures are refused"
    )

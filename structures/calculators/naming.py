"""Names of levels of theory: a calculator with its options, and calculators that leave out what a name does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

#: Options that say how and where is computed, and how tightly iterations converge, but not what.
NEUTRAL = frozenset(
    {
        *("command", "label", "directory", "prefix", "profile", "txt", "logfile", "verbose", "verbosity", "atoms"),
        *("restart", "ignore_bad_restart_file", "keep_files", "cache_api", "device", "threads", "nthreads", "nprocs"),
        *("num_threads", "parallel", "memory", "max_memory"),
        *("accuracy", "conv_tol", "max_cycle", "max_iterations", "guess", "initial_guess"),
        *("mixer", "mixer_memory", "mixer_damping"),
    }
)

#: Methods that leave spin polarisation out, and those that have it.
SPIN_POLARISED: Mapping[str, str] = {"gfn2-xtb": "spgfn2-xtb", "gfn1-xtb": "spgfn1-xtb"}

#: Where tblite's own calculators lie.
_TBLITE = ("tblite.ase:TBLite",)


def level_name(calculator: str, options: Mapping[str, Any]) -> str:
    """Return the name of the level of theory of a calculator: its own name with the options that change a result.

    Parameters
    ----------
    calculator
        A known name or ``module:Class``.
    options
        Its arguments; those of :data:`NEUTRAL` are left out, the others stand in alphabetical order.

    Returns
    -------
    str
        Two methods of one class have two names. Numbers are written alike whether they are integers or not.

    Examples
    --------
    >>> level_name("ase.calculators.lj:LennardJones", {"sigma": 3.0, "rc": 10})
    'ase.calculators.lj:LennardJones(rc=10, sigma=3)'
    >>> level_name("gfn2-xtb", {"accuracy": 0.1})
    'gfn2-xtb'
    """
    told = {str(key): value for key, value in options.items() if key not in NEUTRAL and value is not None}
    if not told:
        return calculator
    return f"{calculator}({', '.join(f'{key}={_plain(told[key])}' for key in sorted(told))})"


def unpolarised(calculator: Any, options: Mapping[str, Any]) -> str | None:
    """Tell whether a calculator leaves out spin polarisation, without which open shells have no use.

    Parameters
    ----------
    calculator
        A known name, ``module:Class`` or a calculator.
    options
        Its arguments.

    Returns
    -------
    str or None
        The method that has it; None where the calculator is no such method.

    Examples
    --------
    >>> unpolarised("gfn2-xtb", {}), unpolarised("spgfn2-xtb", {})
    ('spgfn2-xtb', None)
    """
    if not isinstance(calculator, str):
        kind, options = type(calculator), getattr(calculator, "parameters", {})
        calculator = f"{kind.__module__}:{kind.__qualname__}"
    if options.get("spin_polarization"):
        return None
    if calculator in _TBLITE:
        calculator = str(options.get("method", "GFN2-xTB")).lower()
    return SPIN_POLARISED.get(calculator)


def _plain(value: Any) -> str:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(value[key])}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if value is None or isinstance(value, bool | int | str):
        return str(value)
    text = repr(value)
    # the address of an object differs from run to run
    return f"{type(value).__module__}.{type(value).__qualname__}" if " at 0x" in text else text

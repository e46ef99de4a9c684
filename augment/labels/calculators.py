"""ASE calculators by name."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ase.calculators.calculator import Calculator

from molaug.registry import ConfigurationError, locate, nearest

#: Name, which is also the level of theory, and the function that makes the calculator.
CALCULATORS: Mapping[str, str] = MappingProxyType(
    {
        "gfn2-xtb": "molaug.labels.calculators:gfn2_xtb",
        "gfn1-xtb": "molaug.labels.calculators:gfn1_xtb",
        "b3lyp/6-31g(2df,p)": "molaug.labels.dft:b3lyp_6_31g_2df_p",
        "wb97x/6-31g(d)": "molaug.labels.dft:wb97x_6_31g_d",
    }
)


def gfn2_xtb(*, charge: int = 0, multiplicity: int = 1, **options: Any) -> Calculator:
    """Return GFN2-xTB (doi:10.1021/acs.jctc.8b01176) through tblite.

    Parameters
    ----------
    charge
        Total charge in e.
    multiplicity
        2S+1.
    **options
        Further arguments of ``tblite.ase.TBLite``.

    Returns
    -------
    ase.calculators.calculator.Calculator
        Silent.

    Raises
    ------
    ImportError
        If tblite is not installed.
    """
    return _tblite("GFN2-xTB", charge, multiplicity, options)


def gfn1_xtb(*, charge: int = 0, multiplicity: int = 1, **options: Any) -> Calculator:
    """Return GFN1-xTB (doi:10.1021/acs.jctc.7b00118) through tblite.

    Parameters
    ----------
    charge
        Total charge in e.
    multiplicity
        2S+1.
    **options
        Further arguments of ``tblite.ase.TBLite``.

    Returns
    -------
    ase.calculators.calculator.Calculator
        Silent.

    Raises
    ------
    ImportError
        If tblite is not installed.
    """
    return _tblite("GFN1-xTB", charge, multiplicity, options)


def calculator_for(
    calculator: Any,
    options: Mapping[str, Any],
    *,
    charge: int = 0,
    multiplicity: int = 1,
    charge_key: str | None = None,
    multiplicity_key: str | None = None,
) -> Calculator:
    """Return a fresh calculator for one structure.

    Parameters
    ----------
    calculator
        A known name, ``module:Class``, or a calculator, which is copied.
    options
        Arguments of the calculator.
    charge
        Total charge in e.
    multiplicity
        2S+1.
    charge_key
        Argument by which ``module:Class`` takes the charge, if any; the known names take it.
    multiplicity_key
        Likewise for the multiplicity.

    Returns
    -------
    ase.calculators.calculator.Calculator
        Not shared with any other structure.

    Raises
    ------
    ConfigurationError
        If the name is unknown or the arguments do not fit.
    """
    if not isinstance(calculator, str):
        return copy.deepcopy(calculator)
    if calculator not in CALCULATORS and ":" not in calculator:
        raise ConfigurationError(
            f"unknown calculator {calculator!r}; {nearest(calculator, CALCULATORS)}; "
            "or any ASE calculator as 'package.module:Class'"
        )
    make = locate(CALCULATORS.get(calculator, calculator))
    arguments = dict(options)
    if calculator in CALCULATORS:
        charge_key, multiplicity_key = "charge", "multiplicity"
    if charge_key:
        arguments[charge_key] = charge
    if multiplicity_key:
        arguments[multiplicity_key] = multiplicity
    try:
        return make(**arguments)
    except TypeError as error:
        raise ConfigurationError(f"calculator {calculator!r} does not take {sorted(arguments)}: {error}") from error


def _tblite(method: str, charge: int, multiplicity: int, options: Mapping[str, Any]) -> Calculator:
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise ImportError(f'{method} needs tblite: pip install "molaug[xtb]"') from error
    return TBLite(method=method, charge=charge, multiplicity=multiplicity, verbosity=0, **options)

"""Semi-empirical tight binding through tblite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase.calculators.calculator import Calculator


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


def spgfn2_xtb(*, charge: int = 0, multiplicity: int = 1, **options: Any) -> Calculator:
    """Return spGFN2-xTB through tblite: GFN2-xTB with spin polarisation (doi:10.1002/jcc.27185).

    Closed shells have the energies of GFN2-xTB. Open shells lie lower, most where spins are parallel: without it
    triplet oxygen lies above the singlet.

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
    return _tblite("GFN2-xTB", charge, multiplicity, options, spin_polarization=1.0)


def spgfn1_xtb(*, charge: int = 0, multiplicity: int = 1, **options: Any) -> Calculator:
    """Return spGFN1-xTB through tblite: GFN1-xTB with spin polarisation (doi:10.1002/jcc.27185).

    Closed shells have the energies of GFN1-xTB. Open shells lie lower, most where spins are parallel: without it
    triplet oxygen lies above the singlet.

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
    return _tblite("GFN1-xTB", charge, multiplicity, options, spin_polarization=1.0)


def _tblite(method: str, charge: int, multiplicity: int, options: Mapping[str, Any], **fixed: Any) -> Calculator:
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise ImportError(f'{method} needs tblite: pip install "molaug[xtb]"') from error
    return TBLite(method=method, charge=charge, multiplicity=multiplicity, verbosity=0, **fixed, **options)

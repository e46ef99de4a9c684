"""Gaussian's Pople basis sets, written so that PySCF computes with exactly the same functions.

Two habits of Gaussian are not PySCF's. With two sets of d functions, ``6-31G(2d)`` splits the single exponent of
``6-31G(d)`` by a factor of two either way (0.8 → 1.6, 0.4), where PySCF takes the exponents that belong to 6-311G. And
with 6-31G it uses six Cartesian d functions but seven pure f functions ("6D 7F"), where PySCF knows only all
Cartesian or all pure.

The second is settled here by a rectangular matrix T that writes the wanted functions as combinations of the Cartesian
ones. T holds numbers only: it does not depend on the geometry.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag, eigh

_FUNCTIONS = {"5D7F": (2, 3), "6D7F": (3,), "5D10F": (2,), "6D10F": ()}


@dataclass(frozen=True, kw_only=True)
class PopleBasis:
    """A Pople basis set with polarization functions.

    Parameters
    ----------
    core
        Name of the set without polarization, known to PySCF.
    polarization
        For each element its polarization shells as pairs of angular momentum and exponent (bohr^-2).
    functions
        Which d and f functions are pure: ``"6D7F"`` is Gaussian's default for the 6-31G family.

    References
    ----------
    P. C. Hariharan, J. A. Pople, Theor. Chim. Acta 28, 213 (1973), doi:10.1007/BF00533485;
    M. J. Frisch, J. A. Pople, J. S. Binkley, J. Chem. Phys. 80, 3265 (1984), doi:10.1063/1.447079.
    """

    core: str
    polarization: Mapping[str, tuple[tuple[int, float], ...]] = field(repr=False)
    functions: str = "6D7F"

    def shells(self, symbols: Iterable[str]) -> dict[str, list[Any]]:
        """Give the shells of each element in PySCF's notation.

        Parameters
        ----------
        symbols
            Chemical symbols.

        Returns
        -------
        dict
            Symbol → list of shells, as `pyscf.gto.Mole.basis` takes it.

        Raises
        ------
        ValueError
            For an element that the basis set does not define.
        """
        from pyscf import gto

        wanted = list(dict.fromkeys(symbols))
        unknown = [symbol for symbol in wanted if symbol not in self.polarization]
        if unknown:
            message = (
                f"the basis set has no functions for {', '.join(unknown)}; it is defined for "
                f"{', '.join(self.polarization)}: use another basis or leave such molecules out"
            )
            raise ValueError(message)
        return {
            symbol: gto.basis.load(self.core, symbol)
            + [[momentum, [exponent, 1.0]] for momentum, exponent in self.polarization[symbol]]
            for symbol in wanted
        }


def _split(exponent: float) -> tuple[tuple[int, float], ...]:
    """Split one d exponent into Gaussian's two, a factor of two either way."""
    return ((2, 2.0 * exponent), (2, 0.5 * exponent))


# Frisch, Pople and Binkley's f exponents; d exponents of Hariharan and Pople.
_F_EXPONENTS = {"C": 0.8, "N": 1.0, "O": 1.4, "F": 1.85}

BASES: dict[str, PopleBasis] = {
    "6-31g(2df,p)": PopleBasis(
        core="6-31g",
        polarization={
            "H": ((1, 1.1),),
            **{symbol: (*_split(0.8), (3, exponent)) for symbol, exponent in _F_EXPONENTS.items()},
        },
    ),
    "6-31g(d)": PopleBasis(
        core="6-31g",
        polarization={
            "H": (),
            **dict.fromkeys(("C", "N", "O", "F"), ((2, 0.8),)),
            "S": ((2, 0.65),),
            "Cl": ((2, 0.75),),
        },
    ),
}


def shells(basis: str, symbols: Iterable[str]) -> dict[str, list[Any]]:
    """Give the shells of a basis set by its name.

    Parameters
    ----------
    basis
        A name in `BASES`, or one of PySCF's library.
    symbols
        Chemical symbols.

    Returns
    -------
    dict
        Symbol → list of shells, as `pyscf.gto.Mole.basis` takes it.

    Raises
    ------
    ValueError
        If there is no such basis set, or if it does not define one of the elements.
    """
    from pyscf import gto
    from pyscf.lib.exceptions import BasisNotFoundError

    pople = BASES.get(basis.lower())
    if pople is not None:
        return pople.shells(symbols)
    found: dict[str, list[Any]] = {}
    for symbol in dict.fromkeys(symbols):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # PySCF advises a further package to install
                found[symbol] = gto.basis.load(basis, symbol)
        except BasisNotFoundError as error:
            message = f"PySCF's library has no basis set {basis!r} with functions for {symbol}"
            raise ValueError(message) from error
    return found


def pure_momenta(functions: str) -> tuple[int, ...]:
    """Read Gaussian's names of the d and f functions.

    Parameters
    ----------
    functions
        ``"5D7F"``, ``"6D7F"``, ``"5D10F"`` or ``"6D10F"``; case and spaces do not matter.

    Returns
    -------
    tuple of int
        The angular momenta, of 2 and 3, whose functions are pure. Those above follow f.

    Raises
    ------
    ValueError
        For any other name.

    Examples
    --------
    >>> pure_momenta("6D 7F")
    (3,)
    """
    name = re.sub(r"[\s,]", "", functions).upper()
    if name not in _FUNCTIONS:
        raise ValueError(f"functions={functions!r} is not one of {', '.join(_FUNCTIONS)}")
    return _FUNCTIONS[name]


def transformation(molecule: Any, pure: tuple[int, ...]) -> NDArray[np.float64]:
    """Write a mixed basis in terms of the Cartesian functions of a molecule.

    Parameters
    ----------
    molecule
        A built `pyscf.gto.Mole` with ``cart=True``.
    pure
        Angular momenta (2, 3) to be pure; what is above f follows f.

    Returns
    -------
    ndarray, shape (n_cartesian, n_mixed)
        Columns are the functions of the mixed basis. The same for every geometry.
    """
    from pyscf import gto

    blocks: list[NDArray[np.float64]] = []
    for shell in range(molecule.nbas):
        momentum = molecule.bas_angular(shell)
        if momentum >= 2 and min(momentum, 3) in pure:
            block = gto.cart2sph(momentum, normalized="sp")
        else:
            block = np.eye((momentum + 1) * (momentum + 2) // 2)
        blocks += [block] * molecule.bas_nctr(shell)
    return np.asarray(block_diag(*blocks), dtype=np.float64)


def orthonormal(functions: NDArray[np.float64], overlap: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Orthonormalise functions symmetrically to their span.

    Parameters
    ----------
    functions
        Coefficients T of the functions, shape (n_cartesian, n_mixed).
    overlap
        Overlap S of the Cartesian functions, shape (n_cartesian, n_cartesian).

    Returns
    -------
    ndarray, shape (n_cartesian, n_mixed)
        :math:`X = T U s^{-1/2}` with :math:`T^\top S T = U s U^\top`, so that :math:`X^\top S X = 1`.
    """
    values, vectors = eigh(functions.T @ overlap @ functions)
    return np.asarray(functions @ (vectors / np.sqrt(values)), dtype=np.float64)

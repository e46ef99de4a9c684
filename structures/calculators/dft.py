"""Density-functional energies and forces at the levels of theory of QM9 and ANI-1, as ASE calculators.

QM9 is B3LYP/6-31G(2df,p) and ANI-1 is wB97X/6-31G(d), both computed with Gaussian 09. PySCF gives the same numbers once
the basis functions are the same ones; `molaug.structures.calculators.basis` says which, and `benchmarks/dft_levels.py`
measures what is left.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, InputError, SCFError, all_changes
from ase.units import Bohr, Hartree
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from molaug.structures.calculators.basis import BASES, orthonormal, pure_momenta, shells, transformation

__all__ = ["PySCFCalculator", "b3lyp_6_31g_2df_p", "wb97x_6_31g_d"]


class PySCFCalculator(Calculator):  # type: ignore[misc]
    r"""Kohn–Sham energies (eV) and analytic forces (eV/Å) of molecules by PySCF.

    Charge and multiplicity are read from ``atoms.info["charge"]`` and ``atoms.info["multiplicity"]``; the parameters
    stand in where these are missing. Singlets are restricted, everything else is unrestricted.

    The basis may mix Cartesian and pure functions, as Gaussian's "6D 7F" does. Integrals are taken over Cartesian
    functions, and every orbital is kept within the span of the wanted ones: with T the fixed matrix of
    `molaug.structures.calculators.basis.transformation`, the equations solved are
    :math:`(T^\top F T)\,c = (T^\top S T)\,c\,\varepsilon`, and the orbitals are :math:`C = Tc`. T does not depend
    on the geometry; the gradient of the Cartesian basis therefore holds unchanged for the densities
    :math:`D = C n C^\top` and :math:`W = C n \varepsilon C^\top`.

    Parameters
    ----------
    functional
        Name of the functional as PySCF (libxc) knows it. ``"b3lyp"`` is Gaussian's, with VWN3.
    basis
        ``"6-31g(2df,p)"`` and ``"6-31g(d)"`` are Gaussian's; any other name is looked up in PySCF's library.
    functions
        Which functions are pure: ``"5D7F"``, ``"6D7F"``, ``"5D10F"`` or ``"6D10F"``. By default Gaussian's choice for
        the two sets above and ``"5D7F"`` otherwise.
    charge
        Total charge of molecules that name none.
    multiplicity
        Spin multiplicity 2S+1 of molecules that name none; by default 1, or 2 for an odd number of electrons.
    density_fit
        Fit the density to an auxiliary basis: cheaper, the more so the larger the molecule. With the auxiliary basis
        below, energies of up to four heavy atoms move by less than 0.005 mHa; with the one that PySCF would choose,
        those of seven to nine move by 0.3 mHa. Never mix fitted and exact labels.
    auxiliary_basis
        The basis for fitting.
    conv_tol
        Largest change of the energy in the last iteration, Hartree. The orbital gradient is held to its square root.
    max_cycle
        Most iterations of the self-consistent field.
    grid_level
        PySCF's level of the integration grid, 0 to 9.
    max_memory
        Memory that PySCF may plan with, in MB. Integrals that do not fit are recomputed in every iteration.
    threads
        Threads of one calculation. Many molecules are served best by many processes of one thread.
    verbose
        PySCF's verbosity, 0 to 9.

    Notes
    -----
    A parameter that is out of its range or names nothing known raises ValueError at once, a missing PySCF ImportError.

    The forces include the response of the integration grid, so that they are the derivative of the energy that is
    printed. A calculation raises `ase.calculators.calculator.SCFError` if the field does not converge, and
    `ase.calculators.calculator.InputError` if the molecule does not fit the level: an element without basis
    functions, a multiplicity that its electrons cannot have, periodic boundaries.

    References
    ----------
    Q. Sun et al., J. Chem. Phys. 153, 024109 (2020), doi:10.1063/5.0006074.

    Examples
    --------
    >>> from ase import Atoms
    >>> hydrogen = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]])
    >>> hydrogen.calc = PySCFCalculator(functional="b3lyp", basis="6-31g(d)")
    >>> round(hydrogen.get_potential_energy(), 2)
    -31.99
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]
    discard_results_on_any_change = True
    default_parameters: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        *,
        functional: str,
        basis: str,
        functions: str | None = None,
        charge: int = 0,
        multiplicity: int | None = None,
        density_fit: bool = False,
        auxiliary_basis: str = "cc-pvqz-jkfit",
        conv_tol: float = 1e-10,
        max_cycle: int = 100,
        grid_level: int = 3,
        max_memory: float = 4000.0,
        threads: int = 1,
        verbose: int = 0,
    ) -> None:
        self._field: Any = None  # the converged mean field, kept for forces asked for after the energy
        super().__init__(
            functional=functional,
            basis=basis,
            functions=functions,
            charge=charge,
            multiplicity=multiplicity,
            density_fit=density_fit,
            auxiliary_basis=auxiliary_basis,
            conv_tol=conv_tol,
            max_cycle=max_cycle,
            grid_level=grid_level,
            max_memory=max_memory,
            threads=threads,
            verbose=verbose,
        )

    @property
    def level(self) -> str:
        """The level of theory, ``functional/basis`` in lower case."""
        return f"{self.parameters['functional']}/{self.parameters['basis']}".lower()

    def set(self, **parameters: Any) -> dict[str, Any]:
        """Change parameters, and forget what was computed with the old ones.

        Parameters
        ----------
        **parameters
            As for the class.

        Returns
        -------
        dict
            Those that differ from before.

        Raises
        ------
        ValueError
            If a parameter is unknown or out of its range.
        """
        known = self.parameters or parameters
        for name in parameters:
            if name not in known:
                raise ValueError(f"unknown parameter {name!r}; known are {', '.join(known)}")
        _check({**known, **parameters})
        changed: dict[str, Any] = super().set(**parameters)
        if changed:
            self.reset()
        return changed

    def reset(self) -> None:
        """Forget the results."""
        super().reset()
        self._field = None

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """List what changed since the last calculation, charge and multiplicity included.

        Parameters
        ----------
        atoms
            The molecule asked about.
        tol
            Tolerance of positions, Å.

        Returns
        -------
        list of str
            Names of what changed; empty if the results still hold.
        """
        changes: list[str] = super().check_state(atoms, tol=tol)
        # ASE compares no `info`, though here it holds part of the question.
        if self.atoms is not None and self._state(atoms) != self._state(self.atoms):
            changes.append("electronic state")
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | tuple[str, ...] = ("energy",),
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute the energy and, where asked for, the forces.

        Parameters
        ----------
        atoms
            The molecule.
        properties
            Any of ``"energy"`` and ``"forces"``.
        system_changes
            What changed since the last calculation; where nothing did, the converged field is used again.
        """
        super().calculate(atoms, properties, system_changes)
        if system_changes:
            self._field = None
        with threadpool_limits(limits=self.parameters["threads"]):
            if self._field is None:
                self._field = self._converge()
            self.results["energy"] = float(self._field.e_tot) * Hartree
            if "forces" in properties:
                self.results["forces"] = -_gradient(self._field) * (Hartree / Bohr)  # (n_atoms, 3)

    def _state(self, atoms: Atoms) -> tuple[int, int]:
        """Charge and multiplicity of a molecule."""
        charge = int(atoms.info.get("charge", self.parameters["charge"]))
        multiplicity = atoms.info.get("multiplicity", self.parameters["multiplicity"])
        if multiplicity is None:
            multiplicity = 1 + (int(atoms.numbers.sum()) - charge) % 2
        return charge, int(multiplicity)

    def _molecule(self) -> tuple[Any, NDArray[np.float64] | None]:
        """Build PySCF's molecule and, where Cartesian and pure functions mix, the matrix T."""
        from pyscf import gto

        atoms, parameters = self.atoms, self.parameters
        if atoms.pbc.any():
            raise InputError("periodic boundaries were given, but a molecule is expected: set atoms.pbc = False")
        charge, multiplicity = self._state(atoms)
        electrons = int(atoms.numbers.sum()) - charge
        if not 1 <= multiplicity <= electrons + 1 or (electrons - multiplicity) % 2 == 0:
            message = f"{electrons} electrons (charge {charge}) cannot have the multiplicity {multiplicity}"
            raise InputError(message)

        symbols = atoms.get_chemical_symbols()
        pople = BASES.get(parameters["basis"].lower())
        functions = parameters["functions"] or (pople.functions if pople else "5D7F")
        pure = pure_momenta(functions)
        try:
            molecule = gto.M(
                atom=list(zip(symbols, atoms.positions.tolist(), strict=True)),
                unit="Angstrom",
                basis=shells(parameters["basis"], symbols),
                charge=charge,
                spin=multiplicity - 1,
                cart=pure != (2, 3),
                max_memory=parameters["max_memory"],
                verbose=parameters["verbose"],
            )
        except ValueError as error:
            raise InputError(f"basis {parameters['basis']!r}: {error}") from error
        if not molecule.cart:
            return molecule, None
        mixed = transformation(molecule, pure)
        return molecule, None if mixed.shape[0] == mixed.shape[1] else mixed

    def _converge(self) -> Any:
        """Solve the Kohn–Sham equations."""
        from pyscf import dft

        parameters = self.parameters
        molecule, mixed = self._molecule()
        field = (dft.UKS if molecule.spin else dft.RKS)(molecule, xc=parameters["functional"])
        if parameters["density_fit"]:
            field = field.density_fit(auxbasis=parameters["auxiliary_basis"])
        field.grids.level = parameters["grid_level"]
        field.conv_tol = parameters["conv_tol"]
        field.max_cycle = parameters["max_cycle"]
        field.chkfile = field._chkfile = None  # noqa: SLF001  (nothing is read back: spare the disk)
        if mixed is not None:
            _confine(field, orthonormal(mixed, field.get_ovlp()))
        field.kernel()
        if not field.converged:
            message = (
                f"the {self.level} field did not converge to {parameters['conv_tol']:g} Ha within "
                f"{parameters['max_cycle']} iterations (last energy {field.e_tot:.6f} Ha): leave the molecule out, "
                "or raise max_cycle or conv_tol"
            )
            raise SCFError(message)
        return field

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mean field behind: it is large, holds open files and is quickly made again."""
        return {**self.__dict__, "_field": None}


def b3lyp_6_31g_2df_p(**options: Any) -> PySCFCalculator:
    """Make a calculator for the level of theory of QM9, B3LYP/6-31G(2df,p).

    Parameters
    ----------
    **options
        Further parameters of `PySCFCalculator`.

    Returns
    -------
    PySCFCalculator
        The calculator.

    References
    ----------
    R. Ramakrishnan et al., Sci. Data 1, 140022 (2014), doi:10.1038/sdata.2014.22.

    Examples
    --------
    >>> b3lyp_6_31g_2df_p(density_fit=True).level
    'b3lyp/6-31g(2df,p)'
    """
    return PySCFCalculator(functional="b3lyp", basis="6-31g(2df,p)", **options)


def wb97x_6_31g_d(**options: Any) -> PySCFCalculator:
    """Make a calculator for the level of theory of ANI-1, wB97X/6-31G(d).

    Parameters
    ----------
    **options
        Further parameters of `PySCFCalculator`.

    Returns
    -------
    PySCFCalculator
        The calculator.

    References
    ----------
    J. S. Smith, O. Isayev, A. E. Roitberg, Sci. Data 4, 170193 (2017), doi:10.1038/sdata.2017.193.

    Examples
    --------
    >>> wb97x_6_31g_d().level
    'wb97x/6-31g(d)'
    """
    return PySCFCalculator(functional="wb97x", basis="6-31g(d)", **options)


def _check(parameters: dict[str, Any]) -> None:
    """Stop at a configuration that can label nothing."""
    try:
        from pyscf.dft import libxc
    except ImportError as error:
        message = 'density-functional labels need PySCF, which is not installed: pip install "molaug[dft]"'
        raise ImportError(message) from error

    try:
        libxc.parse_xc(parameters["functional"])
    except KeyError as error:
        raise ValueError(f"functional={parameters['functional']!r} is not known to PySCF: {error}") from error
    if parameters["functions"] is not None:
        pure_momenta(parameters["functions"])
    if parameters["multiplicity"] is not None and parameters["multiplicity"] < 1:
        raise ValueError(f"multiplicity={parameters['multiplicity']} was given; it is 2S+1, at least 1")
    if not 0 <= parameters["grid_level"] <= 9:
        raise ValueError(f"grid_level={parameters['grid_level']} was given; PySCF's levels are 0 to 9")
    for name in ("conv_tol", "max_cycle", "max_memory", "threads"):
        if not parameters[name] > 0:
            raise ValueError(f"{name}={parameters[name]} was given; it must be positive")


def _confine(field: Any, orbitals: NDArray[np.float64]) -> None:
    """Keep a mean field within the span of orthonormal functions X, shape (n_cartesian, n_mixed)."""
    from pyscf.scf import diis

    def solve(fock: Any, overlap: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        del overlap, args, kwargs  # X is orthonormal already
        energies, coefficients = np.linalg.eigh(orbitals.T @ fock @ orbitals)
        return energies, orbitals @ coefficients

    field._eigh = solve  # noqa: SLF001  (PySCF's own place to change the eigenvalue problem)
    # The commutator FDS - SDF vanishes at convergence only within the span, so DIIS must look at it there.
    field.diis = diis.CDIIS(field, Corth=orbitals)
    field.diis.space = field.diis_space


def _gradient(field: Any) -> NDArray[np.float64]:
    """Differentiate the energy by the positions, Ha/bohr, shape (n_atoms, 3)."""
    gradient = field.nuc_grad_method()
    gradient.grid_response = True
    return np.asarray(gradient.kernel(), dtype=np.float64)

"""Methods that give energies and forces: an ASE calculator by name, by place or as an object, for any structure."""

from __future__ import annotations

import copy
import importlib
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from ase import Atoms
from ase.calculators.calculator import Calculator

from molaug.structures.calculators.force_fields import ForceField, ForceFieldCalculator
from molaug.structures.calculators.naming import level_name
from molaug.structures.calculators.scratch import Scratch, at_home, confine
from molaug.structures.calculators.states import (
    KNOWN_KEYS,
    check_keys,
    check_taken,
    mark,
    of_atoms,
    place_of,
    refuse_untold,
    tell,
)
from molaug.structures.chemistry import lay_graph, perceive
from molaug.structures.structure import Structure

#: Name, which is also the level of theory, and the function that makes the calculator from charge and multiplicity.
CALCULATORS: Mapping[str, str] = MappingProxyType(
    {
        "gfn2-xtb": "molaug.structures.calculators.tblite:gfn2_xtb",
        "gfn1-xtb": "molaug.structures.calculators.tblite:gfn1_xtb",
        "spgfn2-xtb": "molaug.structures.calculators.tblite:spgfn2_xtb",
        "spgfn1-xtb": "molaug.structures.calculators.tblite:spgfn1_xtb",
        "b3lyp/6-31g(2df,p)": "molaug.structures.calculators.dft:b3lyp_6_31g_2df_p",
        "wb97x/6-31g(d)": "molaug.structures.calculators.dft:wb97x_6_31g_d",
    }
)

#: Methods that must know the bonds; their energies compare geometries of one molecule only.
FORCE_FIELDS: tuple[ForceField, ...] = ("mmff94s", "uff")


@dataclass(frozen=True, kw_only=True)
class Method:
    """Where energies and forces come from.

    Parameters
    ----------
    calculator
        A known name (:data:`CALCULATORS`, :data:`FORCE_FIELDS`), ``module:Class`` of any ASE calculator, or such a
        calculator itself.
    options
        Arguments of the calculator.
    charge_key
        How a calculator takes the total charge: the argument of a ``module:Class``, the parameter or attribute of an
        object, ``info:NAME`` or ``info`` (that is ``info:charge``) if it reads ``atoms.info``, ``initial_charges`` if
        it sums these. The known names take it, and so do tblite's and our own calculators. Others refuse structures
        that are charged.
    multiplicity_key
        Likewise for 2S+1, with ``info`` for ``info:spin`` and ``initial_magmoms``. Without it open shells are refused.

    Notes
    -----
    Each calculator works in a scratch folder of its own, which is removed with it, see
    :mod:`molaug.structures.calculators.scratch`.

    Examples
    --------
    >>> from molaug.structures import Structures
    >>> argon = Method(calculator="ase.calculators.lj:LennardJones", options={"rc": 10.0, "sigma": 3.0})
    >>> pair = Structures.from_arrays([[18, 18]], [[[0, 0, 0], [0, 0, 3.3672]]])
    >>> round(float(argon.atoms_of(pair[0]).get_potential_energy()), 3)
    -0.997
    """

    calculator: Any = "gfn2-xtb"
    options: Mapping[str, Any] = field(default_factory=dict)
    charge_key: str | None = None
    multiplicity_key: str | None = None

    @classmethod
    def of(cls, given: Any) -> Method:
        """Return the method that is meant by an option of a configuration.

        Parameters
        ----------
        given
            A name, a mapping of the fields of this class to values, a calculator, or a method.

        Returns
        -------
        Method
            As given or made.

        Raises
        ------
        ValueError
            If the name or a field is unknown.

        Examples
        --------
        >>> Method.of({"calculator": "gfn2-xtb", "options": {"accuracy": 0.1}}).options
        {'accuracy': 0.1}
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            known = [f.name for f in fields(cls)]
            for key in given:
                if key not in known:
                    raise ValueError(f"calculator has the unknown option {key!r}; {_nearest(str(key), known)}")
            method = cls(**given)
        else:
            method = cls(calculator=given)
        if isinstance(method.calculator, str) and method.calculator not in (*CALCULATORS, *FORCE_FIELDS):
            _locate(method.calculator)
        return method

    @property
    def name(self) -> str:
        """The name of the calculator, of its class where it is an object."""
        return self.calculator if isinstance(self.calculator, str) else type(self.calculator).__name__

    @property
    def level(self) -> str:
        """The name with the options that change a result, see :func:`level_name`."""
        options = self.options if isinstance(self.calculator, str) else getattr(self.calculator, "parameters", {})
        return level_name(self.name, options)

    def plain(self) -> str | dict[str, Any]:
        """Return the method in plain values, for a configuration file.

        Returns
        -------
        str or dict
            The name where it says all. The class and parameters of an object stand for it: enough to tell objects
            apart, and to make most of them again.

        Examples
        --------
        >>> Method().plain()
        'gfn2-xtb'
        """
        if isinstance(self.calculator, str):
            name, options = self.calculator, self.options
        else:
            kind = type(self.calculator)
            name, options = f"{kind.__module__}:{kind.__qualname__}", getattr(self.calculator, "parameters", {})
        values = {
            key: value if value is None or type(value) in (bool, int, float, str) else repr(value)
            for key, value in sorted(options.items())
        }
        keys = {key: getattr(self, key) for key in ("charge_key", "multiplicity_key") if getattr(self, key)}
        return {"calculator": name, "options": values, **keys} if values or keys else name

    def keys(self) -> tuple[str | None, str | None]:
        """Return how charge and multiplicity are told.

        Returns
        -------
        charge_key : str or None
            None if the calculator is not told.
        multiplicity_key : str or None
            Likewise.
        """
        return _keys(self.calculator, self.charge_key, self.multiplicity_key)

    def calculator_of(self, structure: Structure, *, folder: Path | None = None) -> Calculator:
        """Return a fresh calculator for one structure, so that no result depends on what was computed before.

        Parameters
        ----------
        structure
            Whose charge and multiplicity are meant, and whose bonds where a force field needs them.
        folder
            Where it shall leave its files; by default they are removed with it.

        Returns
        -------
        ase.calculators.calculator.Calculator
            Ready to be attached.

        Raises
        ------
        ValueError
            If a force field cannot describe the structure, or the calculator cannot be told that it is charged or has
            an open shell.
        """
        return self._made_for(structure, folder)[0]

    def _made_for(self, structure: Structure, folder: Path | None) -> tuple[Calculator, Scratch | None]:
        if self._is_force_field:
            return _force_field(cast("ForceField", self.calculator), structure), None
        parameters = self.options if isinstance(self.calculator, str) else getattr(self.calculator, "parameters", {})
        fixed = parameters if isinstance(parameters, Mapping) else {}
        refuse_untold(self.name, structure.charge, structure.multiplicity, *self.keys(), fixed)
        with at_home():
            calculator = calculator_for(
                self.calculator,
                self.options,
                charge=structure.charge,
                multiplicity=structure.multiplicity,
                charge_key=self.charge_key,
                multiplicity_key=self.multiplicity_key,
            )
            scratch = confine(calculator, self.options, folder)
        return calculator, scratch

    def check(self) -> None:
        """Make a calculator once, so that a missing package or a wrong option stops here and not once for each row.

        Raises
        ------
        ValueError
            If the calculator is unknown or does not take its options.
        ImportError
            If a package is missing.
        """
        check_keys(self.charge_key, self.multiplicity_key)
        if not self._is_force_field:
            calculator_for(
                self.calculator, self.options, charge_key=self.charge_key, multiplicity_key=self.multiplicity_key
            )

    @property
    def _is_force_field(self) -> bool:
        return isinstance(self.calculator, str) and self.calculator in FORCE_FIELDS

    def atoms_of(self, structure: Structure, *, folder: Path | None = None) -> Atoms:
        """Return the structure as ``ase.Atoms`` with its calculator attached.

        Parameters
        ----------
        structure
            With positions.
        folder
            Where the calculator shall leave its files; by default they are removed with it.

        Returns
        -------
        ase.Atoms
            Charge and multiplicity are in ``info`` under the names that calculators look for.

        Raises
        ------
        ValueError
            If the structure has no positions, or the calculator cannot describe it, see :meth:`calculator_of`.
        """
        if structure.positions is None:
            raise ValueError("a bare graph has no geometry to compute")
        atoms = Atoms(numbers=structure.numbers, positions=structure.positions)
        mark(atoms, structure.charge, structure.multiplicity, *self.keys())
        atoms.calc, scratch = self._made_for(structure, folder)
        if scratch is not None:
            weakref.finalize(atoms, scratch.remove)  # calculators of ASE hold themselves, and wait for a collection
        return atoms


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
        A name of :data:`CALCULATORS`, ``module:Class``, or a calculator, which is copied.
    options
        Arguments of the calculator.
    charge
        Total charge in e.
    multiplicity
        2S+1.
    charge_key
        Argument, parameter or attribute by which it takes the charge, if any; see :class:`Method`.
    multiplicity_key
        Likewise for the multiplicity.

    Returns
    -------
    ase.calculators.calculator.Calculator
        Not shared with any other structure.

    Raises
    ------
    ValueError
        If the name is unknown or the arguments do not fit.
    """
    told = zip(_keys(calculator, charge_key, multiplicity_key), (charge, multiplicity), strict=True)
    state = {key: value for key, value in told if key is not None and not of_atoms(key)}
    if not isinstance(calculator, str):
        fresh = _copied(calculator)
        tell(fresh, state, type(calculator).__name__)
        return fresh
    make = _locate(calculator)
    arguments = {**options, **state}
    try:
        made = make(**arguments)
    except TypeError as error:
        raise ValueError(f"calculator {calculator!r} does not take {sorted(arguments)}: {error}") from error
    check_taken(make, made, state, calculator)
    return made


def _copied(calculator: Any) -> Any:
    try:
        return copy.deepcopy(calculator)
    except TypeError as error:  # such as one that holds handles of a library since it was used
        place = place_of(calculator)
        raise ValueError(
            f"calculator {type(calculator).__name__} cannot be copied, and each structure needs its own ({error}); "
            f"expected an object that was not used before, or {place!r} with its options"
        ) from error


def _keys(calculator: Any, charge_key: str | None, multiplicity_key: str | None) -> tuple[str | None, str | None]:
    """Return how the state is told: as the user says, else as it is known."""
    known: tuple[str | None, str | None] = (None, None)
    if isinstance(calculator, str) and calculator in (*CALCULATORS, *CALCULATORS.values()):
        known = ("charge", "multiplicity")
    else:
        known = KNOWN_KEYS.get(place_of(calculator), known)
    return charge_key or known[0], multiplicity_key or known[1]


def _locate(calculator: str) -> Any:
    """Import what makes the calculator."""
    if calculator not in CALCULATORS and ":" not in calculator:
        known = [*CALCULATORS, *FORCE_FIELDS]
        raise ValueError(
            f"unknown calculator {calculator!r}; {_nearest(calculator, known)}; "
            "or any ASE calculator as 'package.module:Class'"
        )
    path = CALCULATORS.get(calculator, calculator)
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and not module.startswith(error.name):
            raise  # the module is there, something that it needs is not: its own message says what to install
        raise ValueError(f"{path!r} cannot be imported ({error}); expected 'package.module:Class'") from error


def _force_field(name: ForceField, structure: Structure) -> Calculator:
    if structure.positions is None:
        raise ValueError("a bare graph has no geometry to compute")
    if structure.smiles is not None:
        found = lay_graph(structure.smiles, structure.numbers, structure.positions)
    else:
        found = perceive(structure.numbers, structure.positions, structure.charge, structure.multiplicity)
    if found.mol is None:
        raise ValueError(f"{name} needs the bonds: {found.reason}")
    return ForceFieldCalculator(found.mol, name)


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    listed = "known: " + ", ".join(known)
    return f"did you mean {close[0]!r}? {listed.capitalize()}" if close else listed

"""Labels from any ASE calculator: energy and forces of one structure, or the reason why there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from molaug.registry import ConfigurationError
from molaug.structures import Structure
from molaug.structures.calculators import FORCE_FIELDS, Method, level_name


class LabelError(RuntimeError):
    """A structure that could not be labelled; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """Energies and forces at one level of theory.

    Parameters
    ----------
    calculator
        A known name (:data:`molaug.structures.calculators.CALCULATORS`), ``module:Class`` of any ASE calculator, or
        such a calculator itself.
    options
        Arguments of the calculator.
    level
        Name of the level of theory in the dataset; by default the name of the calculator with the options that
        change its results (:func:`molaug.structures.calculators.level_name`). It must be given for a calculator
        object.
    forces
        Whether forces are computed.
    max_force
        Largest force on an atom in eV/Å that is believed; a semi-empirical method happily returns numbers for
        absurd geometries. None for no limit.
    charge_key
        Name of the argument by which a ``module:Class`` calculator takes the total charge, if it takes it.
    multiplicity_key
        Likewise for 2S+1.
    allow_force_field
        Whether ``mmff94s`` and ``uff`` may label; their energies compare geometries of one molecule only.

    Examples
    --------
    >>> from molaug.structures import Structures
    >>> lj = Labeller(calculator="ase.calculators.lj:LennardJones", options={"rc": 10.0, "sigma": 3.0})
    >>> pair = Structures.from_arrays([[18, 18]], [[[0, 0, 0], [0, 0, 3.3672]]])
    >>> round(lj.label(pair[0])[0], 3)
    -0.997
    """

    calculator: Any = "gfn2-xtb"
    options: Mapping[str, Any] = field(default_factory=dict)
    level: str | None = None
    forces: bool = True
    max_force: float | None = 50.0
    charge_key: str | None = None
    multiplicity_key: str | None = None
    allow_force_field: bool = False

    def __post_init__(self) -> None:
        if self.level is None:
            if not isinstance(self.calculator, str):
                raise ValueError(
                    f"calculator {type(self.calculator).__name__} is an object; expected level='...' beside it, the "
                    "level of theory that its labels are of"
                )
            object.__setattr__(self, "level", level_name(self.calculator, self.options))

    @property
    def name(self) -> str:
        """Author of the reasons."""
        return "label"

    @property
    def method(self) -> Method:
        """Where energies and forces come from."""
        return Method(
            calculator=self.calculator,
            options=self.options,
            charge_key=self.charge_key,
            multiplicity_key=self.multiplicity_key,
        )

    def check(self, *, labels: bool = True) -> None:
        """Make a calculator once, so that a missing package or a wrong option stops here and not once for each row.

        Parameters
        ----------
        labels
            Whether its energies become labels; otherwise they move atoms only.

        Raises
        ------
        ConfigurationError
            If the calculator is unknown, does not take its options, or is a force field that is not allowed to label.
        ImportError
            If a package is missing.
        """
        if labels and self.calculator in FORCE_FIELDS and not self.allow_force_field:
            raise ConfigurationError(
                f"{self.calculator} was given to label; its energies compare geometries of one molecule only, not "
                "molecules with each other. Expected for instance gfn2-xtb; a force field moves atoms well (the "
                "calculator of a sampler). To label geometries of one molecule all the same: allow_force_field"
            )
        try:
            self.method.check()
        except ValueError as error:
            raise ConfigurationError(str(error)) from error

    def atoms_of(self, structure: Structure) -> Atoms:
        """Return the structure as ``ase.Atoms`` with a fresh calculator attached.

        Parameters
        ----------
        structure
            With positions.

        Returns
        -------
        ase.Atoms
            Charge and multiplicity are in ``info`` under the names that calculators look for.

        Raises
        ------
        LabelError
            If the structure has no positions, or a force field cannot describe it.
        """
        try:
            return self.method.atoms_of(structure)
        except ValueError as error:
            raise LabelError(str(error)) from error

    def label(self, structure: Structure) -> tuple[float, NDArray[np.float64] | None]:
        """Compute one structure.

        Parameters
        ----------
        structure
            With positions.

        Returns
        -------
        energy : float
            In eV.
        forces : NDArray[np.float64] or None
            In eV/Å, shape (n_atoms, 3).

        Raises
        ------
        LabelError
            If the result is not believable.
        """
        atoms = self.atoms_of(structure)
        energy = float(atoms.get_potential_energy())
        forces = np.array(atoms.get_forces(), dtype=np.float64) if self.forces else None
        if not math.isfinite(energy) or (forces is not None and not np.isfinite(forces).all()):
            raise LabelError(f"energy {energy} or a force is not finite")
        if forces is not None and self.max_force is not None and len(forces):
            largest = float(np.linalg.norm(forces, axis=1).max())
            if largest > self.max_force:
                raise LabelError(f"largest force {largest:.1f} eV/Å is above {self.max_force:g}")
        return energy, forces

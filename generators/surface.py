"""The potential energy surface on which a molecule is moved: energies and forces of one method, one thread, counted."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from molaug.structures import Structure
from molaug.structures.calculators import Method
from molaug.structures.calculators.force_fields import ForceFieldCalculator

#: What calculators raise where a geometry is beyond them.
FAILURES = (RuntimeError, ValueError, ArithmeticError)


class SamplingError(RuntimeError):
    """A molecule that cannot be sampled; the message is the reason."""


class Surface:
    """Energies and forces of one molecule by one fresh calculator.

    The calculator may start from its last result: the numbers of a sequence of geometries are those of the sequence,
    and the same sequence gives the same numbers again. Within ``with`` the numerical libraries of the process are held
    to one thread: more make GFN2-xTB of small molecules an order of magnitude slower.

    Parameters
    ----------
    method
        Where energies and forces come from.
    structure
        The molecule, with a geometry.

    Raises
    ------
    SamplingError
        If a force field cannot describe the molecule.

    Examples
    --------
    >>> from molaug.structures import Structures
    >>> x = [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]
    >>> with Surface(Method(calculator="mmff94s"), Structures.from_arrays([[8, 1, 1]], [x])[0]) as surface:
    ...     energy, forces = surface(np.array(x))
    >>> forces.shape, surface.calls
    ((3, 3), 1)
    """

    def __init__(self, method: Method, structure: Structure) -> None:
        self.method = method
        self.calls = 0
        try:
            self._atoms = method.atoms_of(structure)
        except ValueError as error:
            raise SamplingError(str(error)) from error
        self._limits: threadpool_limits | None = None

    def __enter__(self) -> Self:
        self._limits = threadpool_limits(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._limits is not None:
            self._limits.restore_original_limits()
            self._limits = None

    @property
    def atoms(self) -> Atoms:
        """The molecule as ASE moves it, its calculator attached; a copy that shares the calculator."""
        atoms = self._atoms.copy()
        atoms.calc = self._atoms.calc
        return atoms

    def __call__(self, positions: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Compute one geometry.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).

        Returns
        -------
        energy : float
            In eV.
        forces : NDArray[np.float64]
            In eV/Å, shape (n_atoms, 3).

        Raises
        ------
        SamplingError
            If the calculator fails, or a number is not finite.
        """
        self.calls += 1
        try:
            if isinstance(self._atoms.calc, ForceFieldCalculator):  # a quarter of the time
                energy, forces = self._atoms.calc.energy_and_forces(positions)
            else:
                self._atoms.positions = positions
                energy = float(self._atoms.get_potential_energy())
                forces = np.array(self._atoms.get_forces(), dtype=np.float64)  # (n_atoms, 3)
        except FAILURES as error:
            raise SamplingError(f"{self.method.name} failed: {' '.join(str(error).split())[:200]}") from error
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise SamplingError(f"{self.method.name} gave an energy or a force that is not finite")
        return energy, forces

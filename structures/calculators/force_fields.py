"""MMFF94s and UFF as ASE calculators of one molecule: the bonds are given, only the coordinates move."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

#: The force fields by the names under which they are asked for.
ForceField = Literal["mmff94s", "uff"]

_KCAL_PER_MOL: float = units.kcal / units.mol  # in eV


class ForceFieldCalculator(Calculator):  # type: ignore[misc]  # ASE is untyped
    """Energies and forces of a molecule whose bonds stay as they are.

    Energies are comparable between geometries of this molecule only.

    Parameters
    ----------
    mol
        With all hydrogens; its atoms are in the order of the ``ase.Atoms`` that will be computed.
    force_field
        ``"mmff94s"`` (doi:10.1002/(SICI)1096-987X(199905)20:7<720::AID-JCC7>3.0.CO;2-X) or ``"uff"``
        (doi:10.1021/ja00051a040).

    Raises
    ------
    ValueError
        If the force field has no parameters for the molecule.

    Examples
    --------
    >>> from ase.build import molecule
    >>> water = molecule("H2O")
    >>> water.calc = ForceFieldCalculator(Chem.AddHs(Chem.MolFromSmiles("O")))
    >>> round(water.get_potential_energy(), 3)
    0.0
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, mol: Chem.Mol, force_field: ForceField = "mmff94s") -> None:
        super().__init__()
        self._mol = Chem.Mol(mol)
        if not self._mol.GetNumConformers():
            self._mol.AddConformer(Chem.Conformer(self._mol.GetNumAtoms()), assignId=True)
        self._force_field = force_field
        self._field = _field(self._mol, force_field)
        self._numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])

    def __deepcopy__(self, memo: dict[int, Any]) -> ForceFieldCalculator:
        del memo
        return ForceFieldCalculator(self._mol, self._force_field)

    def __reduce__(self) -> tuple[Any, ...]:
        # RDKit's force fields cannot be pickled, but are made again from the molecule
        return ForceFieldCalculator, (self._mol, self._force_field)

    def energy_and_forces(self, positions: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Compute one geometry without the bookkeeping of ASE.

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
        """
        if len(positions) < 2:
            return 0.0, np.zeros((len(positions), 3))
        self._mol.GetConformer().SetPositions(np.ascontiguousarray(positions, dtype=np.float64))
        # without it the gradient is that of the positions before
        self._field.Initialize()
        gradient = np.array(self._field.CalcGrad()).reshape(-1, 3)  # (n_atoms, 3)
        return self._field.CalcEnergy() * _KCAL_PER_MOL, -gradient * _KCAL_PER_MOL

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces.

        Parameters
        ----------
        atoms
            With the atoms of the molecule in its order.
        properties
            Both are computed, whatever is asked for.
        system_changes
            What changed since the last call.

        Raises
        ------
        ValueError
            If the atoms are not those of the molecule.
        """
        super().calculate(atoms, properties or ["energy"], system_changes)
        if not np.array_equal(self.atoms.numbers, self._numbers):
            raise ValueError(f"the atoms are {self.atoms.symbols}; expected those of {Chem.MolToSmiles(self._mol)}")
        energy, forces = self.energy_and_forces(self.atoms.positions)
        self.results = {"energy": energy, "forces": forces}


def _field(mol: Chem.Mol, force_field: ForceField) -> Any:
    with BlockLogs():
        if force_field == "mmff94s":
            properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant="MMFF94s")
            field = properties and rdForceFieldHelpers.MMFFGetMoleculeForceField(
                mol, properties, ignoreInterfragInteractions=False
            )
        else:
            known = rdForceFieldHelpers.UFFHasAllMoleculeParams(mol)
            field = known and rdForceFieldHelpers.UFFGetMoleculeForceField(mol, ignoreInterfragInteractions=False)
    if not field:
        raise ValueError(f"{force_field} has no parameters for {Chem.MolToSmiles(Chem.RemoveHs(mol))}")
    field.Initialize()
    return field

"""Force fields as calculators: forces are derivatives, of the geometry that is given and no earlier one."""

from __future__ import annotations

import copy
import pickle
from typing import cast

import numpy as np
import pytest
from ase import units
from ase.build import molecule
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.calculators.force_fields import ForceField, ForceFieldCalculator

#: eV/Å, from kcal/mol/Å.
TOLERANCE = 1e-4 * units.kcal / units.mol


@pytest.fixture
def lactonitrile() -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(O)C#N"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    return mol


@pytest.mark.parametrize("name", ["mmff94s", "uff"])
def test_forces_are_derivatives_wherever_the_molecule_was_before(name: str, lactonitrile: Chem.Mol) -> None:
    field = ForceFieldCalculator(lactonitrile, cast("ForceField", name))
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = x0(lactonitrile) + 0.05 * rng.normal(size=x0(lactonitrile).shape)
        _, forces = field.energy_and_forces(x)
        step = 1e-4
        for i, k in ((0, 0), (3, 1), (8, 2)):
            up, down = x.copy(), x.copy()
            up[i, k] += step
            down[i, k] -= step
            slope = (field.energy_and_forces(up)[0] - field.energy_and_forces(down)[0]) / (2 * step)
            assert forces[i, k] == pytest.approx(-slope, abs=TOLERANCE)


def x0(mol: Chem.Mol) -> NDArray[np.float64]:
    return mol.GetConformer().GetPositions()


def test_energies_are_those_of_rdkit_in_ev(lactonitrile: Chem.Mol) -> None:
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(lactonitrile, mmffVariant="MMFF94s")
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(lactonitrile, properties)
    energy, _ = ForceFieldCalculator(lactonitrile).energy_and_forces(x0(lactonitrile))
    assert energy == pytest.approx(field.CalcEnergy() * units.kcal / units.mol, rel=1e-12)


def test_a_copy_and_a_pickle_compute_the_same(lactonitrile: Chem.Mol) -> None:
    field = ForceFieldCalculator(lactonitrile)
    energy, _ = field.energy_and_forces(x0(lactonitrile))
    for other in (copy.deepcopy(field), pickle.loads(pickle.dumps(field))):
        assert other.energy_and_forces(x0(lactonitrile))[0] == energy


def test_a_force_field_by_name_takes_the_bonds_from_the_row() -> None:
    ethanol = molecule("CH3CH2OH")
    for smiles in ("CCO", None):
        row = Structures.from_arrays([ethanol.numbers], [ethanol.positions], smiles=[smiles])[0]
        atoms = Method(calculator="mmff94s").atoms_of(row)
        assert np.abs(atoms.get_forces()).max() < 5  # no bond is missing, no contact is a clash


def test_what_a_force_field_cannot_describe_is_an_error() -> None:
    with pytest.raises(ValueError, match="mmff94s has no parameters for"):
        ForceFieldCalculator(Chem.AddHs(Chem.MolFromSmiles("C[B-](C)(C)C")))
    apart = Structures.from_arrays([[8, 1]], [[[0, 0, 0], [0, 0, 3.0]]], multiplicity=[1], charge=[-1])[0]
    with pytest.raises(ValueError, match="uff needs the bonds"):
        Method(calculator="uff").atoms_of(apart)
    water = Structures.from_arrays([[8, 1, 1]], None, smiles=["O"])[0]
    with pytest.raises(ValueError, match="a bare graph has no geometry"):
        Method(calculator="mmff94s").atoms_of(water)


def test_foreign_atoms_are_refused(lactonitrile: Chem.Mol) -> None:
    water = molecule("H2O")
    water.calc = ForceFieldCalculator(lactonitrile)
    with pytest.raises(ValueError, match="the atoms are OH2; expected those of"):
        water.get_potential_energy()

"""Polishing brings geometries down to sound bond lengths and changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from rdkit import Chem
from rdkit.Chem import AllChem, rdForceFieldHelpers

from molaug.structures.chemistry import perceive
from molaug.structures.chemistry.polish import polish
from molaug.structures.superposition import superposed


def embedded(smiles: str, noise: float = 0.0) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
    x = mol.GetConformer().GetPositions()
    mol.GetConformer().SetPositions(x + np.random.default_rng(0).normal(0.0, noise, x.shape))
    return mol


def energy(mol: Chem.Mol) -> float:
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
    return rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties).CalcEnergy()


@pytest.mark.parametrize("smiles", ["CCO", "c1cc[nH]c1", "NCC(=O)O", "C[N+](=O)[O-]", "N#CC1CC1", "FC(F)F"])
def test_noise_is_taken_out(smiles):
    minimum, noisy = embedded(smiles), embedded(smiles, noise=0.05)
    found = polish(noisy)
    assert found.reason is None
    assert found.force_field == "mmff94"
    assert found.energy_drop > 0.1
    assert energy(found.mol) == pytest.approx(energy(minimum), abs=0.5)
    assert Chem.MolToSmiles(found.mol) == Chem.MolToSmiles(minimum)
    # what it says of itself is what happened: kcal/mol against eV, and the distance after superposition
    assert found.energy_drop == pytest.approx((energy(noisy) - energy(found.mol)) * 0.0433641, rel=1e-5)
    before, after = noisy.GetConformer().GetPositions(), found.mol.GetConformer().GetPositions()
    moved = superposed([after], before)[0] - before
    assert found.rmsd == pytest.approx(np.sqrt((moved**2).sum(axis=1).mean()), abs=1e-9)


def test_a_minimum_stays_where_it_is():
    found = polish(embedded("CCO"))
    assert found.converged
    assert found.rmsd < 0.01
    assert found.energy_drop == pytest.approx(0.0, abs=1e-3)


def test_more_steps_go_further_down():
    mol = embedded("CCCO", noise=0.1)
    drops = [polish(mol, steps=steps).energy_drop for steps in (1, 5, 200)]
    assert drops == sorted(drops)
    assert not polish(mol, steps=1).converged


def test_the_molecule_given_is_left_as_it_is():
    mol = embedded("CCO", noise=0.05)
    before = mol.GetConformer().GetPositions().copy()
    polish(mol)
    assert np.array_equal(mol.GetConformer().GetPositions(), before)


def test_uff_serves_where_mmff_has_no_types():
    mol = Chem.AddHs(Chem.MolFromSmiles("C[Se]C"))
    assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
    found = polish(mol)
    assert (found.force_field, found.reason) == ("uff", None)


def test_perceived_molecules_can_be_polished():
    atoms = molecule("CH3CONH2")
    found = polish(perceive(atoms.numbers, atoms.positions).mol)
    assert found.mol is not None
    assert found.rmsd < 0.5  # the methyl group turns


def test_what_cannot_be_polished_has_a_reason():
    flat = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    assert polish(flat).reason == "no geometry"
    bare = Chem.RemoveHs(embedded("CCO"))
    assert "implied" in polish(bare).reason
    broken = embedded("CCO")
    broken.GetConformer().SetPositions(np.full((9, 3), np.nan))
    assert polish(broken).reason == "positions are not finite"
    overfull = Chem.MolFromMolBlock(
        Chem.MolToMolBlock(embedded("CCO")).replace("  1  2  1  0", "  1  2  3  0"), sanitize=False, removeHs=False
    )
    assert polish(overfull).reason == "the molecule cannot be sanitised"
    with pytest.raises(ValueError, match="at least 1"):
        polish(flat, steps=0)


def test_a_single_atom_has_nothing_to_settle():
    atom = Chem.MolFromSmiles("[Ne]")
    atom.AddConformer(Chem.Conformer(1))
    found = polish(atom)
    assert (found.rmsd, found.energy_drop, found.converged) == (0.0, 0.0, True)

"""Which bonds turn, by which dihedral angle this is measured, and how often a full turn repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molaug.generators.torsions.rotors import Rotor, rotatable, rotors_of


def relaxed(smiles: str, conformer: int = 1) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(mol, randomSeed=conformer)
    rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=5000)
    rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=5000)
    return mol


def rotors(mol: Chem.Mol) -> list[Rotor]:
    return rotors_of(mol, mol.GetConformer().GetPositions(), rotatable(mol))


@pytest.mark.parametrize(
    ("smiles", "every", "inner", "single"),
    [
        ("C", 0, 0, 0),
        ("O", 0, 0, 0),
        ("C=C", 0, 0, 0),
        ("C1CC1", 0, 0, 0),
        ("c1ccccc1", 0, 0, 0),
        ("CC", 1, 0, 1),
        ("OO", 1, 0, 1),
        ("CCCC", 3, 1, 3),
        ("CC#N", 0, 0, 0),  # in line with the nitrile nothing turns
        ("CC#CC", 0, 0, 0),
        ("CC=C=C", 1, 0, 1),
        ("CC(=O)NC", 3, 1, 2),  # the amide bond
        ("C=CC=C", 1, 1, 0),
        ("Cc1ccccc1", 1, 0, 1),
        ("c1ccccc1-c1ccccc1", 1, 1, 0),
        ("C[N+](=O)[O-]", 1, 0, 1),
        ("FC(F)(F)C(F)(F)F", 1, 1, 1),
    ],
)
def test_single_bonds_outside_rings_with_further_neighbours_turn(
    smiles: str, every: int, inner: int, single: int
) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    found = len(rotatable(mol)), len(rotatable(mol, terminal=False)), len(rotatable(mol, conjugated=False))
    assert found == (every, inner, single)


@pytest.mark.parametrize(
    ("smiles", "numbers"),
    [
        ("CC", [3]),
        ("OO", [1]),
        ("CO", [3]),
        ("CN", [3]),
        ("C[N+](=O)[O-]", [6]),  # 3 of the methyl and 2 of the nitro group
        ("Cc1ccccc1", [6]),
        ("CCC", [3]),  # both methyl groups are one
        ("NC=O", [2]),
        ("c1ccccc1-c1ccccc1", [2]),
        ("CC(C)(C)C", [3]),
        ("CC(=O)[O-]", [6]),
        ("CS(=O)(=O)C", [3]),
        ("FC(F)(F)c1ccccc1", [6]),
        ("OCO", [1]),
    ],
)
def test_symmetry_is_counted_once(smiles: str, numbers: list[int]) -> None:
    assert [rotor.symmetry for rotor in rotors(relaxed(smiles))] == numbers


def test_like_groups_in_unlike_surroundings_are_two_rotors() -> None:
    # tert-butanol: one methyl group is trans to the hydrogen of the hydroxyl group, two are gauche
    assert [rotor.symmetry for rotor in rotors(relaxed("CC(C)(C)O"))] == [3, 3, 3]


def test_the_dihedral_goes_along_the_heavy_chain() -> None:
    mol = relaxed("CCCO")
    chains = [rotor.quad for rotor in rotors(mol)]
    assert {tuple(sorted(chain)) for chain in chains if max(chain) <= 3} == {(0, 1, 2, 3)}
    for rotor in rotors(mol):
        a, b, c, d = rotor.quad
        assert all(mol.GetBondBetweenAtoms(*pair) for pair in ((a, b), (b, c), (c, d)))


@pytest.mark.parametrize("smiles", ["CCCC", "CC(C)(C)O", "OCC(O)C=O", "CC(=O)NC", "C[C@H](N)C(=O)O"])
def test_rotors_do_not_depend_on_the_order_of_the_atoms(smiles: str) -> None:
    mol = relaxed(smiles)
    x = mol.GetConformer().GetPositions()
    expected = [(rotor.symmetry, round(abs(np.degrees(rotor.angle(x))))) for rotor in rotors(mol)]
    ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False))
    expected_bonds = [sorted(ranks[a] for a in rotor.quad[1:3]) for rotor in rotors(mol)]
    rng = np.random.default_rng(0)
    for _ in range(3):
        order = rng.permutation(mol.GetNumAtoms()).tolist()
        other = Chem.RenumberAtoms(mol, order)
        y = other.GetConformer().GetPositions()
        found = rotors(other)
        assert [(rotor.symmetry, round(abs(np.degrees(rotor.angle(y))))) for rotor in found] == expected
        bonds = [[ranks[order[a]] for a in rotor.quad[1:3]] for rotor in found]
        assert [sorted(bond) for bond in bonds] == expected_bonds


def test_a_turn_changes_its_angle_and_no_other_and_no_bond() -> None:
    mol = relaxed("OCC(O)C=O")
    x = mol.GetConformer().GetPositions()
    found = rotors(mol)
    for rotor in found:
        y = rotor.turned(x, 0.4)
        for other in found:
            change = (other.angle(y) - other.angle(x) + np.pi) % (2 * np.pi) - np.pi
            assert change == pytest.approx(0.4 if other is rotor else 0.0, abs=1e-9)
        for bond in mol.GetBonds():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            assert np.linalg.norm(y[i] - y[j]) == pytest.approx(np.linalg.norm(x[i] - x[j]))
        assert len(rotor.top) <= (len(x) - 2) / 2

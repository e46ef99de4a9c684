"""Whole arrays of geometries get the verdicts that bonds and RDKit's stereo give one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molaug.structures.chemistry import bonds
from molaug.structures.chemistry.integrity import BROKEN_BONDS, OTHER_STEREO, Integrity, stereo_marks

MOLECULES = [
    "C[C@H](F)/C=C/O",
    "C[C@@H]1C[C@H]1C#N",
    "C[S@](=O)CC",
    "C1[C@@H]2C[N@]2C1",
    "C[NH3+]",  # more neighbours than the neutral atom has
    "C[N+](=O)[O-]",
    "C12C3C4C1C5C2C3C45",
    "C1C2CC1C2",  # opposite corners as near as a long bond
]


def embedded(smiles: str) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=7) == 0
    rdForceFieldHelpers.MMFFOptimizeMolecule(mol)
    Chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
    return mol


def one_by_one(mol: Chem.Mol, x: NDArray[np.float64]) -> str | None:
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    pairs = sorted(sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx())) for b in mol.GetBonds())
    if bonds(numbers, x).tolist() != pairs:
        return BROKEN_BONDS
    copy = Chem.Mol(mol)
    copy.GetConformer().SetPositions(x.copy())
    Chem.AssignStereochemistryFrom3D(copy, replaceExistingTags=True)
    found = stereo_marks(copy)
    return None if all(found.get(place) == mark for place, mark in stereo_marks(mol).items()) else OTHER_STEREO


@pytest.mark.parametrize("smiles", MOLECULES)
@pytest.mark.parametrize("width", [0.05, 0.15])
def test_arrays_are_judged_as_single_geometries_are(smiles: str, width: float) -> None:
    mol = embedded(smiles)
    x0 = mol.GetConformer().GetPositions()
    x = x0 + np.random.default_rng(0).normal(size=(100, *x0.shape)) * width
    assert Integrity(mol).reasons(x) == [one_by_one(mol, geometry) for geometry in x]


def test_a_mirror_image_is_another_molecule_only_where_there_is_stereo() -> None:
    for smiles, reason in (("C[C@H](F)O", OTHER_STEREO), ("CC(C)O", None)):
        mol = embedded(smiles)
        x = mol.GetConformer().GetPositions()
        assert Integrity(mol).reasons([x, x * [1, 1, -1]]) == [None, reason]


def test_a_double_bond_turned_round_is_another_molecule() -> None:
    cis, trans = embedded("F/C=C\\F"), embedded("F/C=C/F")
    order = trans.GetSubstructMatch(Chem.MolFromSmarts("F[C]([H])=[C]([H])F"))
    back = cis.GetSubstructMatch(Chem.MolFromSmarts("F[C]([H])=[C]([H])F"))
    x = np.empty((6, 3))
    x[list(back)] = trans.GetConformer().GetPositions()[list(order)]
    assert Integrity(cis).reasons([x]) == [OTHER_STEREO]


def test_positions_that_are_not_finite_are_no_molecule() -> None:
    mol = embedded("CO")
    x = mol.GetConformer().GetPositions()
    x[0, 0] = np.nan
    assert Integrity(mol).reasons([x]) == ["its positions are not finite"]
    assert Integrity(mol).reasons(np.zeros((0, 6, 3))) == []

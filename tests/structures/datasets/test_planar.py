"""Flat coordinates are a geometry where they have all hydrogens and the lengths of bonds, and else a drawing."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDepictor, rdDistGeom, rdForceFieldHelpers

from molaug.structures.datasets.planar import has_geometry


def _flattened(smiles: str) -> Chem.Mol:
    """Embed a planar molecule, lay it into z = 0 and drop the code 3D, as it comes from a file without the code."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(mol, randomSeed=7)
    rdForceFieldHelpers.UFFOptimizeMolecule(mol, maxIters=2000)
    x = mol.GetConformer().GetPositions()
    x = x - x.mean(axis=0)
    axes = np.linalg.svd(x, full_matrices=True)[2]
    flat = x @ axes.T
    flat[:, 2] = 0.0
    for k, position in enumerate(flat):
        mol.GetConformer().SetAtomPosition(k, position.tolist())
    mol.GetConformer().Set3D(False)
    return mol


@pytest.mark.parametrize(
    "smiles", ["O", "C=O", "c1ccccc1", "C=CC=C", "N#N", "O=C=O", "FB(F)F", "Fc1c(F)c(F)c(F)c(F)c1F"]
)
def test_a_planar_molecule_without_the_code_3d_has_a_geometry(smiles: str) -> None:
    """Nothing but the missing code speaks against these coordinates."""
    assert has_geometry(_flattened(smiles))


@pytest.mark.parametrize(
    "smiles", ["C=O", "c1ccccc1", "N#N", "O=C=O", "FB(F)F", "Fc1c(F)c(F)c(F)c(F)c1F", "C", "FC(F)(F)F"]
)
@pytest.mark.parametrize("hydrogens", [False, True])
def test_a_drawing_is_no_geometry(smiles: str, hydrogens: bool) -> None:
    """Whether its hydrogens are drawn or implied."""
    mol = Chem.MolFromSmiles(smiles)
    mol = Chem.AddHs(mol) if hydrogens else mol
    rdDepictor.Compute2DCoords(mol)
    assert not has_geometry(mol)


def test_coordinates_that_are_all_zero_are_no_geometry() -> None:
    """Tables of bonds without coordinates are written so."""
    mol = Chem.AddHs(Chem.MolFromSmiles("O"))
    flat = Chem.Conformer(3)
    flat.Set3D(False)
    mol.AddConformer(flat)
    assert not has_geometry(mol)


def test_a_record_that_was_not_sanitized_is_judged_alike() -> None:
    """Evaluation reads records as they were drawn."""
    block = Chem.MolToMolBlock(_flattened("C=O"))
    assert has_geometry(Chem.MolFromMolBlock(block, removeHs=False, sanitize=False))

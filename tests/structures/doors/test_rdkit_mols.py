"""RDKit molecules in and out: the same molecule, the same atoms in the same order."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from molaug.structures import Structures
from molaug.structures.doors.rdkit_mols import from_rdkit, to_rdkit

SMILES = [
    "CCO",
    "C[C@H](N)C(=O)O",
    "C/C=C/F",
    "[NH3+]CC(=O)[O-]",
    "C[N+](=O)[O-]",
    "[CH3]",
    "[O]",
    "[Na+].[Cl-]",
    "c1ccoc1",
]


def embedded(smiles: str) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    return mol


@pytest.mark.parametrize("smiles", [s for s in SMILES if "." not in s])
def test_conformers_come_back_unchanged(smiles):
    mol = embedded(smiles)
    row = from_rdkit(mol)
    (back,) = to_rdkit(row)
    assert [a.GetAtomicNum() for a in back.GetAtoms()] == [a.GetAtomicNum() for a in mol.GetAtoms()]
    assert np.array_equal(back.GetConformer().GetPositions(), mol.GetConformer().GetPositions())
    assert from_rdkit(back) == row
    assert back.GetProp("_Name") == row.ids[0]


@pytest.mark.parametrize("smiles", SMILES)
def test_bare_graphs_come_back_unchanged(smiles):
    row = from_rdkit(Chem.MolFromSmiles(smiles))
    (back,) = to_rdkit(row)
    assert from_rdkit(back) == row
    assert row[0].positions is None


@pytest.mark.parametrize(
    ("smiles", "charge", "multiplicity"),
    [("[NH4+]", 1, 1), ("[CH3]", 0, 2), ("[CH2]", 0, 3), ("C[N+](=O)[O-]", 0, 1), ("[O-]", -1, 2), ("[OH-]", -1, 1)],
)
def test_charge_and_spin_follow_from_the_graph(smiles, charge, multiplicity):
    row = from_rdkit(Chem.MolFromSmiles(smiles))[0]
    assert (row.charge, row.multiplicity) == (charge, multiplicity)


def test_each_conformer_is_a_row():
    mol = Chem.AddHs(Chem.MolFromSmiles("CCCC"))
    AllChem.EmbedMultipleConfs(mol, 3, randomSeed=1)
    batch = from_rdkit([mol])
    assert len(set(batch.ids)) == 3
    assert set(batch.column("smiles")) == {"CCCC"}


def test_implicit_hydrogens_on_a_conformer_are_refused():
    mol = Chem.RemoveHs(embedded("CCO"))
    with pytest.raises(ValueError, match=r"molecule 0 \(CCO\) has a conformer but implicit hydrogens"):
        from_rdkit(mol)


def test_a_graph_that_contradicts_its_geometry_gives_none():
    x = embedded("CCO").GetConformer().GetPositions()
    z = [6, 6, 8, 1, 1, 1, 1, 1, 1]
    good, bad = Structures.from_arrays([z] * 2, [x] * 2, smiles=["CCO", "COC"]).batches(1)
    assert to_rdkit(good)[0] is not None
    assert to_rdkit(bad) == [None]

"""Stereo from geometries: given marks must be right, what is not given is free."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molaug.structures.chemistry import canonical, lay_graph, parse, perceive
from molaug.structures.chemistry.stereo_symmetry import exchangeable, settled_order


def embedded(smiles: str, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=seed) == 0
    return np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()]), mol.GetConformer().GetPositions()


@pytest.mark.parametrize(
    "smiles",
    [
        "CC[P@](C)c1ccccc1",
        "CC[As@](C)c1ccccc1",
        "CC[S@](=O)c1ccccc1",
        "C[C@H](F)Cl",
        "CC[P@@](=O)(C)c1ccccc1",
        "C[C@@H]1P[C@H]1C",
    ],
)
def test_the_hand_of_a_centre_is_seen_and_the_other_one_refused(smiles: str) -> None:
    z, x = embedded(smiles)
    name = canonical(parse(smiles))
    assert lay_graph(name, z, x).smiles == name
    mirrored = lay_graph(name, z, -x)
    assert mirrored.smiles is None or mirrored.smiles == perceive(z, -x).smiles != name
    assert perceive(z, -x).smiles != perceive(z, x).smiles


def test_the_hand_of_a_ring_nitrogen_counts_where_it_is_given() -> None:
    z, x = embedded("C[C@H]1[N@](C)C1")
    assert lay_graph("C[C@@H]1C[N@@]1C", z, x).smiles == "C[C@@H]1CN1C"
    assert "stereo" in lay_graph("C[C@@H]1C[N@]1C", z, x).reason
    assert lay_graph("C[C@@H]1CN1C", z, x).smiles == "C[C@@H]1CN1C"


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("CC(F)[C@H](C)Cl", "C[C@@H](F)[C@H](C)Cl"),
        ("FC=C/C=C/Cl", "F/C=C/C=C/Cl"),
        ("C[C@H](F)C(C)=N", "C[C@H](F)/C(C)=N/[H]"),
        ("C[C@H](O)C(N)=N", "C[C@H](O)/C(N)=N/[H]"),
        ("C[C@H](F)N=S(C)C", "C[C@H](F)N=S(C)C"),
        ("CC(F)Cl", "C[C@H](F)Cl"),
    ],
)
def test_stereo_that_is_not_given_is_free(given: str, whole: str) -> None:
    z, x = embedded(whole)
    found = lay_graph(canonical(parse(given)), z, x)
    assert found.smiles is not None, found.reason
    wrong = given.replace("@", "@@") if "@" in given else None
    if wrong:
        assert lay_graph(canonical(parse(wrong)), z, x).smiles is None


def test_marks_that_symmetry_exchanges_are_written_one_way() -> None:
    pairs = [
        ("C1O[C@]12C[C@H]1C[C@H](C1)C2", "C1O[C@]12C[C@@H]1C[C@@H](C1)C2"),
        ("C[C@@]1(O)C[C@]12[C@H]1C[C@@H]2C1", "C[C@@]1(O)C[C@]12[C@@H]1C[C@H]2C1"),
    ]
    for one, other in pairs:
        assert canonical(parse(one)) == canonical(parse(other))


@pytest.mark.parametrize(
    "smiles",
    [
        "C[C@H]1CC[C@H](F)CC1",
        "C[C@H](F)/C=C/[C@@H](C)F",
        "O/N=C1\\[C@H]2C[C@@H]1[C@H]2O",
        "[H]/N=C/O[C@H]1C[C@H](C#C)C1",
    ],
)
def test_a_settled_order_is_the_same_molecule(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    assert exchangeable(mol)
    rng = np.random.default_rng(0)
    settled = {
        Chem.MolToSmiles(settled_order(Chem.RenumberAtoms(mol, rng.permutation(mol.GetNumAtoms()).tolist())))
        for _ in range(10)
    }
    assert len(settled) == 1
    [text] = settled
    again = Chem.MolFromSmiles(text)
    assert again.HasSubstructMatch(mol, useChirality=True)
    assert mol.HasSubstructMatch(again, useChirality=True)

"""When two molecules are the same, elements and formulas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from molaug.structures.chemistry import (
    atomic_number,
    canonical,
    flat_smiles,
    formula,
    heavy_atoms,
    identify,
    parse,
    spin_reason,
    symbols,
)

SMILES = [
    "CCO",
    "C[C@H](N)C(=O)O",
    "C/C=C/F",
    "[NH3+]CC(=O)[O-]",
    "c1cc[nH]c1",
    "O=c1cc[nH]cc1",
    "C1C2CC1C2",
    "[H][H]",
    "[OH]",
]


@given(st.sampled_from(SMILES), st.randoms(use_true_random=False))
def test_the_name_does_not_depend_on_the_order_of_atoms(smiles, random):
    mol = Chem.AddHs(parse(smiles))
    order = list(range(mol.GetNumAtoms()))
    random.shuffle(order)
    assert canonical(Chem.RenumberAtoms(mol, order)) == canonical(mol)


@pytest.mark.parametrize("smiles", SMILES)
def test_canonical_is_a_fixed_point(smiles):
    once = canonical(parse(smiles))
    assert canonical(parse(once)) == once


def test_stereo_is_part_of_the_name_and_can_be_left_out():
    left, right = identify("C[C@H](N)C(=O)O"), identify("C[C@@H](N)C(=O)O")
    assert left.smiles != right.smiles
    assert left.inchikey != right.inchikey
    assert left.flat == right.flat == flat_smiles(left.smiles)
    assert left.inchikey[:14] == right.inchikey[:14]


def test_tautomers_share_their_inchikey_but_not_their_smiles():
    keto, enol = identify("O=c1cc[nH]cc1"), identify("Oc1ccncc1")
    assert keto.smiles != enol.smiles
    assert keto.inchikey == enol.inchikey


def test_texts_that_are_no_molecule():
    assert parse("C(") is None
    assert parse("") is None
    with pytest.raises(ValueError, match="RDKit cannot read"):
        identify("not a molecule")


def test_elements():
    assert [atomic_number(s) for s in symbols([1, 6, 17, 53])] == [1, 6, 17, 53]
    assert formula([1] * 6 + [6, 6, 8]) == "C2H6O"
    assert formula([1, 17]) == "ClH"
    assert heavy_atoms([1, 1, 8]) == 1
    with pytest.raises(ValueError, match="unknown element 'Xy'"):
        atomic_number("Xy")


@pytest.mark.parametrize(
    ("numbers", "charge", "multiplicity", "possible"),
    [
        ([8, 1], 0, 2, True),
        ([8, 1], 0, 1, False),
        ([8, 1], -1, 1, True),
        ([1], 1, 1, True),
        ([1], 1, 2, False),
        ([1], 0, 4, False),
    ],
)
def test_electrons_and_multiplicity_must_agree(numbers, charge, multiplicity, possible):
    assert (spin_reason(numbers, charge, multiplicity) is None) == possible

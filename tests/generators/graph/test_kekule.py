"""Molecules as arrays: nothing of a molecule is lost but stereo and isotopes, and nothing is added when it is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from molaug.generators.graph.kekule import KekuleGraphs, drawn, encode, smiles_orders
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry.identity import canonical, parse
from molaug.structures.chemistry.strict import strict_reason

REAL = [
    "C",
    "CCO",
    "C#N",
    "C#CC#C",
    "c1ccccc1",
    "c1cc[nH]c1",
    "c1ccc2[nH]ccc2c1",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "O=c1cc[nH]cc1",
    "c1ccsc1",
    "[O-][N+](=O)c1ccccc1",
    "C[N+](C)(C)CC([O-])=O",
    "[NH3+]CC([O-])=O",
    "[C-]#[N+]C",
    "CS(=O)(=O)C",
    "CS(C)=O",
    "CP(=O)(O)O",
    "ClC(Cl)(Cl)Cl",
    "BrCCF",
    "FS(F)(F)(F)(F)F",
    "C1CC2CC1CC2",
    "B(O)O",
    "C[Si](C)(C)C",
]


def round_trip(smiles: list[str]) -> list[str]:
    mols = [parse(text) for text in smiles]
    types = AtomTypes.of(mols)
    graphs, reasons = encode(mols, types, max(mol.GetNumAtoms() for mol in mols))
    assert reasons == [None] * len(mols)
    again = []
    for mol in drawn(graphs, types):
        assert strict_reason(mol) is None
        Chem.SanitizeMol(mol)
        again.append(canonical(mol, isomeric=False))
    return again


def test_a_molecule_is_drawn_as_it_was() -> None:
    assert round_trip(REAL) == [canonical(parse(text), isomeric=False) for text in REAL]


def test_molecules_of_qm9_are_drawn_as_they_were(qm9_smiles: list[str]) -> None:
    assert round_trip(qm9_smiles) == [canonical(parse(text), isomeric=False) for text in qm9_smiles]


def test_stereo_and_isotopes_are_left_out() -> None:
    assert round_trip(["C[C@H](N)C(=O)O", "F/C=C/F", "[13CH4]"]) == ["CC(N)C(=O)O", "FC=CF", "C"]


def test_explicit_hydrogens_change_nothing() -> None:
    mols = [parse(text) for text in REAL]
    types = AtomTypes.of(mols)
    bare, _ = encode(mols, types, 14)
    full, reasons = encode([Chem.AddHs(mol) for mol in mols], types, 14)
    assert reasons == [None] * len(mols)
    for name in ("atoms", "bonds", "sizes"):
        np.testing.assert_array_equal(getattr(full, name), getattr(bare, name))
    assert AtomTypes.of([Chem.AddHs(mol) for mol in mols]) == types


def test_hydrogens_are_no_type() -> None:
    types = AtomTypes.of([parse("[H][H]"), parse("[2H]C([2H])O")])
    assert types.names == ("C", "O")


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("CCCCC", "5 heavy atoms; there is room for 4"),
        ("C.C", "several fragments"),
        ("CS", "atom S is of no known type (C, N, O)"),
        ("C[NH3+]", "atom N+1 is of no known type (C, N, O)"),
        ("C[CH2]", "atom C has an unpaired electron"),
        ("[H][H]", "atom H is no heavy atom"),
    ],
)
def test_what_cannot_be_written_has_a_reason(smiles: str, reason: str) -> None:
    types = AtomTypes.of([parse("CCO"), parse("CN")])
    graphs, reasons = encode([parse("CO"), parse(smiles), parse("NC")], types, 4)
    assert reasons == [None, reason, None]
    assert len(graphs) == 2
    assert graphs.sizes.tolist() == [2, 2]


@pytest.mark.parametrize("smiles", ["C[PH4]", "C[SH3]", "C->[Zn]", "[H-].[Na+]"])
def test_no_molecule_is_written_that_would_be_drawn_as_another(smiles: str) -> None:
    mol = parse(smiles)
    for given_ in (mol, Chem.AddHs(mol)):
        graphs, (reason,) = encode([given_], AtomTypes.of([mol]), 4)
        assert reason is not None
        assert len(graphs) == 0


@given(st.sampled_from(REAL), st.randoms(use_true_random=False))
def test_numbering_does_not_matter(smiles: str, random: object) -> None:
    mol = parse(smiles)
    order = list(range(mol.GetNumAtoms()))
    random.shuffle(order)  # type: ignore[attr-defined]
    types = AtomTypes.of([mol])
    graphs, _ = encode([mol], types, 16)
    orders = np.array([order + list(range(len(order), 16))])
    again = graphs.renumbered(orders)
    (drawing,) = drawn(again, types)
    Chem.SanitizeMol(drawing)
    assert canonical(drawing, isomeric=False) == canonical(mol, isomeric=False)
    np.testing.assert_array_equal(again.renumbered(np.argsort(orders, 1)).bonds, graphs.bonds)


@pytest.mark.parametrize("smiles", REAL)
def test_orders_are_permutations_whose_beginnings_are_connected(smiles: str) -> None:
    mol = parse(smiles)
    n = mol.GetNumAtoms()
    orders = smiles_orders(mol, n + 2)
    assert orders.shape == (n, n + 2)
    np.testing.assert_array_equal(np.sort(orders, 1), np.tile(np.arange(n + 2), (n, 1)))
    np.testing.assert_array_equal(orders[:, 0], np.arange(n))
    np.testing.assert_array_equal(orders[:, n:], np.tile([n, n + 1], (n, 1)))
    bonded = Chem.GetAdjacencyMatrix(mol)
    for order in orders[:, :n].astype(int):
        assert all(bonded[order[k], order[:k]].any() for k in range(1, n))


def test_types_are_collected_with_their_highest_valence(qm9_smiles: list[str]) -> None:
    types = AtomTypes.of(parse(text) for text in ["C[N+](C)(C)C", "c1ccccc1C", "CC(=O)[O-]", "CN"])
    assert types == AtomTypes(numbers=(6, 7, 7, 8, 8), charges=(0, 0, 1, -1, 0), valences=(4, 1, 4, 1, 2))
    assert types.names == ("C", "N", "N+1", "O-1", "O")
    highest = dict(
        zip(AtomTypes.of(map(parse, qm9_smiles)).names, AtomTypes.of(map(parse, qm9_smiles)).valences, strict=True)
    )
    assert {name: highest[name] for name in "CNOF"} == {"C": 4, "N": 3, "O": 2, "F": 1}


@pytest.mark.parametrize(
    ("numbers", "charges", "valences"), [((6, 6), (0, 0), (4, 4)), ((6,), (0, 0), (4,)), ((), (), ())]
)
def test_types_are_distinct_and_complete(numbers: tuple, charges: tuple, valences: tuple) -> None:
    with pytest.raises(ValueError, match="distinct types"):
        AtomTypes(numbers=numbers, charges=charges, valences=valences)


def test_padding_is_masked() -> None:
    graphs = KekuleGraphs(
        atoms=np.zeros((2, 3), dtype=np.uint8),
        bonds=np.zeros((2, 3, 3), dtype=np.uint8),
        sizes=np.array([1, 3], np.uint8),
    )
    assert graphs.mask.tolist() == [[True, False, False], [True, True, True]]
    assert graphs.n_max == 3
    assert graphs.take(np.array([1])).sizes.tolist() == [3]

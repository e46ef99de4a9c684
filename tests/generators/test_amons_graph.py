"""AMONs of molecular graphs: the authors' lists, and what any such list must satisfy."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molaug.generators.amons import AmonFailure, amons, amons_of_many

VARIED = [
    "CC(C)(O)c1ccco1",
    "O=CCc1ccncc1",
    "CC12CC1C2=O",
    "O=C1CCC(=O)N1",
    "c1ccc2[nH]ccc2c1",
    "C1OC1C1CN1",
    "CC=C[N+](=O)[O-]",
    "CN=[N+]=[N-]",
    "[NH3+]CC(=O)[O-]",
    "NS(=O)(=O)c1ccc(N)cc1",
    "COP(=O)(OC)OC",
    "CS(=O)C=C",
    "C12C3C4C1C5C2C3C45",
    "ClCC(F)Br",
    "C=C=CC#N",
]


def heavy(smiles: str) -> int:
    return Chem.MolFromSmiles(smiles).GetNumHeavyAtoms()


# --- the authors' program ---------------------------------------------------------------------------------------


def test_reference_rules_give_the_lists_of_the_authors_program(oracles: Path) -> None:
    entries = json.loads((oracles / "amons.json").read_text())
    compared = 0
    for smiles, entry in entries["graph_mode"].items():
        for k in (5, 7):
            if entry[f"k{k}"] is not None:
                assert amons(smiles, k, "reference") == entry[f"k{k}"], (smiles, k)
                compared += 1
    for smiles, entry in entries["qm9_graph_mode"].items():
        assert amons(smiles, 7, "reference") == entry["k7"], smiles
        compared += 1
    assert compared == 166


@pytest.mark.parametrize(
    ("smiles", "max_heavy", "expected"),
    [
        ("CCO", 7, ["C", "O", "CC", "CO", "CCO"]),
        ("C1CO1", 7, ["C", "O", "C1CO1"]),
        ("O=C1CCC1", 7, None),
        ("C[N+](=O)[O-]", 7, ["C", "O=[NH+][O-]", "C[N+](=O)[O-]"]),
    ],
)
def test_small_molecules(smiles: str, max_heavy: int, expected: list[str] | None) -> None:
    found = amons(smiles, max_heavy)
    if expected is None:  # a four-membered ring keeps its strain: no propane, no acetone
        assert "CCC" not in found
        assert "CC(C)=O" not in found
        assert "O=C1CCC1" in found
    else:
        assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("smiles", "max_heavy", "number"),
    [("Cc1ccccc1", 6, 7), ("Oc1ccccc1", 6, 7), ("CC(C)(O)c1ccco1", 7, 31)],
)
def test_documented_numbers_of_amons(smiles: str, max_heavy: int, number: int) -> None:
    assert len(amons(smiles, max_heavy, "reference")) == number


def test_both_ways_to_place_the_double_bonds_of_toluene() -> None:
    # The five-carbon pieces of the ring are C=C-C(=C)-C and C-C=C-C=C, from the two Kekulé structures.
    assert {"C=CC(=C)C", "C=CC=CC"} <= set(amons("Cc1ccccc1"))


# --- what must hold for every molecule ----------------------------------------------------------------------------


@pytest.mark.parametrize("smiles", VARIED)
def test_amons_are_valid_neutral_closed_shell_canonical_and_sorted(smiles: str) -> None:
    found = amons(smiles)
    for amon in found:
        mol = Chem.MolFromSmiles(amon)
        assert mol is not None
        assert Chem.GetFormalCharge(mol) == 0
        assert not any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
        assert Chem.MolToSmiles(mol, isomericSmiles=False) == amon
        assert mol.GetNumHeavyAtoms() <= 7
    assert found == sorted(set(found), key=lambda s: (heavy(s), s))


@pytest.mark.parametrize("smiles", VARIED)
def test_amons_up_to_k_are_the_smaller_ones_of_those_up_to_seven(smiles: str) -> None:
    found = amons(smiles)
    for k in range(1, 7):
        assert amons(smiles, k) == [amon for amon in found if heavy(amon) <= k]


@settings(max_examples=60, deadline=None)
@given(smiles=st.sampled_from(VARIED), seed=st.integers(0, 2**31 - 1))
def test_order_of_atoms_has_no_influence(smiles: str, seed: int) -> None:
    mol = Chem.MolFromSmiles(smiles)
    order = list(range(mol.GetNumAtoms()))
    random.Random(seed).shuffle(order)
    shuffled = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
    assert amons(shuffled) == amons(smiles)


def test_stereochemistry_isotopes_and_explicit_hydrogens_have_no_influence() -> None:
    plain = amons("CC(O)C=CC")
    assert amons(r"C[C@H](O)/C=C/C") == plain
    assert amons("[13CH3]C(O)C=CC") == plain
    assert amons("[H]OC(C)C=CC") == plain


def test_molecules_of_the_agz7_database_are_their_own_amons(data: Path) -> None:
    # AGZ7 (arXiv:2008.05260) lists the AMONs of GDB17: it is closed under cutting further.
    members: set[str] = set()
    for name in ("agz7_gdb17.can.gz", "agz7_gdb17-zinc-comm.can.gz"):
        with gzip.open(data / "amons" / name, "rt") as lines:
            for line in lines:
                smiles = line.split()[0]
                if sum(letter.isalpha() for letter in smiles) <= 6:  # the larger ones are not needed
                    members.add(Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=False))
    small = sorted(s for s in members if heavy(s) <= 5)
    chosen = random.Random(1).sample(small, 200) + [s for s in small if "[N+]" in s]
    for smiles, found in zip(chosen, amons_of_many(chosen), strict=True):
        assert smiles in found
        assert members.issuperset(found), smiles


# --- functional groups ------------------------------------------------------------------------------------------


def test_nitro_groups_are_not_torn() -> None:
    torn = "C=[NH+][O-]"  # the nitrone-like piece that the authors' program makes of nitroethene
    assert torn in amons("C=C[N+](=O)[O-]", rules="reference")
    assert amons("C=C[N+](=O)[O-]") == ["C=C", "O=[NH+][O-]", "C=C[N+](=O)[O-]"]
    assert torn not in amons("O=[N+]([O-])c1ccccc1")


def test_zwitterions_hold_both_charges_or_none() -> None:
    found = amons("C[N+](C)(C)CC(=O)[O-]")
    assert "[NH3+]CC(=O)[O-]" in found
    for amon in found:
        assert ("+" in amon) == ("-" in amon)


@pytest.mark.parametrize(
    ("smiles", "group", "whole"),
    [
        ("CCS(=O)(=O)CC", "[S,s]", "S(=O)=O"),  # sulfone
        ("CC(N)CS(=O)C", "[S]", "S=O"),  # sulfoxide
        ("NS(=O)(=O)c1ccccc1", "[S]", "S(=O)=O"),  # sulfonamide
        ("CCOP(=O)(OC)OC", "[P]", "P=O"),  # phosphate
        ("C=CP(C)(C)=O", "[P]", "P=O"),  # phosphine oxide
    ],
)
def test_hypervalent_sulfur_and_phosphorus_keep_their_double_bonds(smiles: str, group: str, whole: str) -> None:
    found = amons(smiles)
    assert any(Chem.MolFromSmiles(a).HasSubstructMatch(Chem.MolFromSmarts(group)) for a in found)
    for amon in found:
        mol = Chem.MolFromSmiles(amon)
        if mol.HasSubstructMatch(Chem.MolFromSmarts(group)):
            assert mol.HasSubstructMatch(Chem.MolFromSmarts(whole)), amon
    with pytest.raises(ValueError, match="hypervalent"):
        amons(smiles, rules="reference")


def test_phosphorus_loses_at_most_two_neighbours() -> None:
    assert "O=[PH3]" not in amons("CP(=O)(O)O")
    assert amons("FS(F)(F)(F)(F)F") == ["FS(F)(F)(F)(F)F"]


def test_halogens_are_cut_with_their_carbon_but_never_alone() -> None:
    found = amons("FCC(Cl)CBr")
    assert {"CF", "CCl", "CBr"} <= set(found)
    assert not {"F", "Cl", "Br"} & set(found)


def test_carbonyl_groups_stay_whole() -> None:
    for amon in amons("CC(=O)CCC(N)=O"):
        assert Counter(amon)["O"] == len(Chem.MolFromSmiles(amon).GetSubstructMatches(Chem.MolFromSmarts("C=O")))


def test_larger_molecules_are_no_different() -> None:
    cholesterol = "CC(C)CCCC(C)C1CCC2C1(CCC3C2CC=C4C3(CCC(C4)O)C)C"
    found = amons(cholesterol)
    assert {"C", "O", "C=C", "C1CCCCC1", "CC(C)C"} <= set(found)
    polyethylene = "C" * 150  # more atoms than bits in a machine word
    assert amons(polyethylene) == ["C" * n for n in range(1, 8)]


# --- errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("C(", "cannot read the SMILES 'C\\('"),
        ("C(C)(C)(C)(C)C", "cannot read"),
        ("", "no heavy atom"),
        ("[H][H]", "no heavy atom"),
        ("C.C", "several molecules"),
        ("[CH3]", "radical"),
        ("*C", "dummy"),
        ("CC(=O)[O-]", "charge -1"),
        ("B<-N", "dative"),
    ],
)
def test_molecules_without_amons_are_refused_with_the_reason(smiles: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        amons(smiles)


def test_reference_rules_return_the_neutral_pieces_of_an_ion() -> None:
    assert amons("CC(=O)[O-]", rules="reference") == ["C", "C=O", "CC=O"]


@pytest.mark.parametrize("max_heavy", [0, 8, -1])
def test_max_heavy_out_of_range(max_heavy: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 7"):
        amons("CC", max_heavy)


def test_wrong_types_and_names() -> None:
    with pytest.raises(TypeError, match="integer"):
        amons("CC", 2.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="SMILES string"):
        amons(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'molaug', 'reference'"):
        amons("CC", 7, "oechem")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="chunk_size"):
        amons_of_many(["C"], chunk_size=0)


# --- streams ----------------------------------------------------------------------------------------------------


def test_a_stream_gives_what_single_calls_give_and_failures_in_their_place() -> None:
    smiles = [*VARIED, "C(", *VARIED[::-1], "[CH3]"]
    found = list(amons_of_many(smiles, chunk_size=7))
    for one, many in zip(smiles, found, strict=True):
        if isinstance(many, AmonFailure):
            assert many.smiles == one
            with pytest.raises(ValueError, match=r"expected|check") as error:
                amons(one)
            assert many.reason == str(error.value)
        else:
            assert many == amons(one)
    assert sum(isinstance(many, AmonFailure) for many in found) == 2


def test_executors_have_no_influence_on_the_result() -> None:
    smiles = VARIED * 5
    here = list(amons_of_many(smiles))
    with ThreadPoolExecutor(2) as threads:
        assert list(amons_of_many(smiles, executor=threads, chunk_size=4)) == here
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        assert list(amons_of_many(smiles, executor=processes, chunk_size=8)) == here


def test_a_stream_is_read_no_further_than_needed() -> None:
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield "CCO"

    stream = amons_of_many(endless(), chunk_size=3)
    assert next(stream) == ["C", "O", "CC", "CO", "CCO"]
    assert read == 3

"""Strict validity: a molecule counts only as it was drawn, and nothing is repaired."""

from __future__ import annotations

import gzip
from collections import Counter

import pytest
from rdkit import Chem

from molaug.structures.chemistry import STRICT_KINDS, as_drawn, reason_kind, strict_reason, strict_reasons_of_smiles


def drawn(symbols: str, bonds: dict[tuple[int, int], int], charges: dict[int, int] | None = None) -> Chem.Mol:
    """Return heavy atoms and bond orders as a generator draws them."""
    kinds = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
    mol = Chem.RWMol()
    for symbol in symbols:
        mol.AddAtom(Chem.Atom(symbol))
    for (i, j), order in bonds.items():
        mol.AddBond(i, j, kinds[order])
    for index, charge in (charges or {}).items():
        mol.GetAtomWithIdx(index).SetFormalCharge(charge)
    return mol.GetMol()


@pytest.mark.parametrize(
    "smiles",
    [
        "C",
        "CCO",
        "c1ccccc1",
        "C[N+](=O)[O-]",
        "[NH3+]CC(=O)[O-]",
        "CS(C)(=O)=O",
        "[C-]#[O+]",
        "[H][H]",
        "[2H]C",
        "C[C@H](F)O",
        "[H]C([H])([H])[H]",
    ],
)
def test_sound_molecules_are_valid(smiles):
    assert strict_reasons_of_smiles([smiles]) == [None]


@pytest.mark.parametrize(
    ("smiles", "kind"),
    [
        ("None", "unreadable"),
        ("C1CC", "unreadable"),
        ("CCO ethanol", "unreadable"),
        ("", "empty"),
        ("C*", "no element"),
        ("C(C)(C)(C)(C)C", "valence"),
        ("CN(=O)=O", "valence"),
        ("c1cccc1", "sanitization"),
        ("CC.O", "fragments"),
        ("[Na+].[Cl-]", "fragments"),
        ("C[NH3+]", "charge"),
        ("[CH3+]", "charge"),
        ("C[CH2]", "radicals"),
        ("[CH2]", "radicals"),
    ],
)
def test_each_fault_has_its_kind(smiles, kind):
    (reason,) = strict_reasons_of_smiles([smiles])
    assert reason is not None
    assert reason_kind(reason) == kind
    assert kind in STRICT_KINDS


def test_a_pentavalent_nitrogen_is_not_rewritten_as_a_charge_pair():
    """RDKit reads it by drawing it anew; as drawn its valence is exceeded."""
    assert Chem.MolFromSmiles("CN(=O)=O") is not None
    assert strict_reason(as_drawn("CN(=O)=O")) == "valence: N of index 1 has 5"


def test_molecules_drawn_by_hand():
    assert strict_reason(Chem.Mol()) == "empty"
    assert strict_reason(drawn("CCO", {(0, 1): 1, (1, 2): 2})) is None
    assert strict_reason(drawn("CCO", {(0, 1): 1})) == "fragments: 2"
    assert strict_reason(drawn("OO", {(0, 1): 3})) == "valence: O of index 0 has 3"
    assert strict_reason(drawn("CN", {(0, 1): 1}, {1: 1})) == "charge: +1"
    assert strict_reason(drawn("CNOO", {(0, 1): 1, (1, 2): 2, (1, 3): 1}, {1: 1, 3: -1})) is None
    # atoms that may take hydrogens are filled up; those that may not keep their electrons
    lone = drawn("C", {})
    assert strict_reason(lone) is None
    lone.GetAtomWithIdx(0).SetNoImplicit(True)
    assert strict_reason(lone) == "radicals: 4"


@pytest.mark.parametrize("smiles", ["CN(=O)=O", "c1ccccc1", "CC.O", "C[CH2]"])
def test_the_molecule_given_is_left_as_it_is(smiles):
    mol = as_drawn(smiles)
    before = mol.ToBinary()
    strict_reason(mol)
    assert mol.ToBinary() == before
    assert all(not atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())


def test_a_molecule_and_its_smiles_have_one_verdict():
    for smiles in ("CCO", "CC.O", "C[NH3+]", "C[CH2]", "c1ccc2[nH]ccc2c1"):
        reason = strict_reason(Chem.MolFromSmiles(smiles))
        assert [reason] == strict_reasons_of_smiles([smiles])


def test_rdkit_stays_silent(capfd):
    strict_reasons_of_smiles(["C(", "c1cccc1", "CN(=O)(=O)=O"])
    assert capfd.readouterr().err == ""


def test_published_samples(data):
    """What does not parse is written ``None`` by the authors; RDKit had cleaned the rest."""
    path = data / "generated" / "digress_qm9_noH_10k.smi.gz"
    if not path.is_file():
        pytest.skip("no published samples")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[:2000]
    kinds = Counter("valid" if reason is None else reason_kind(reason) for reason in strict_reasons_of_smiles(lines))
    assert kinds == Counter({"valid": 2000 - lines.count("None"), "unreadable": lines.count("None")})

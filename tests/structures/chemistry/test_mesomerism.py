"""All mesomeric forms of a molecule have one name, from whatever they are read."""

import pytest
from rdkit import Chem

from molaug.structures.chemistry import canonical, parse
from molaug.structures.chemistry.identity import may_have_forms
from molaug.structures.chemistry.mesomerism import is_plain


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("CS(C)=O", ["C[S+](C)[O-]", "O=S(C)C"]),
        ("C[Se](C)=O", ["C[Se+](C)[O-]"]),
        ("CP(C)(C)=O", ["C[P+](C)(C)[O-]"]),
        ("C=P(C)(C)C", ["[CH2-][P+](C)(C)C"]),
        ("C[N+](=O)[O-]", ["CN(=O)=O"]),
        ("CN=[N+]=[N-]", ["C[N-][N+]#N", "CN=N#N"]),
        ("C=[N+]=[N-]", ["[CH2-][N+]#N"]),
        ("Cn1ccsc1=O", ["Cn1cc[s+]c1[O-]", "C[n+]1ccsc1[O-]"]),
        ("CN(C)C=[NH+]C", ["C[N+](C)=CNC"]),
        ("C=C(C)[O-]", ["CC(=O)[CH2-]"]),
        ("CC(=O)C=C(C)[O-]", ["CC(=O)[CH-]C(C)=O", "CC([O-])=CC(C)=O"]),
        ("COP(=O)([O-])O", ["CO[P@](=O)([O-])O", "CO[P+]([O-])([O-])O"]),
        ("[O-][n+]1ccccc1", ["[O-][n+]1ccccc1"]),  # a nitrogen has no fifth bond
        ("C1=Cc2ccccc21", ["C1=CC=CC2=CC=C12"]),
    ],
)
def test_forms_have_one_name(name: str, forms: list[str]) -> None:
    assert {canonical(parse(form)) for form in [name, *forms]} == {canonical(parse(name))}
    assert canonical(parse(canonical(parse(name)))) == canonical(parse(name))


@pytest.mark.parametrize(
    ("one", "other"),
    [("CC(=O)C", "CC(O)=C"), ("O=c1cccc[nH]1", "Oc1ccccn1"), ("C/C=C/C", "C/C=C\\C"), ("CC(=O)[O-]", "CC(=O)O")],
)
def test_different_molecules_stay_different(one: str, other: str) -> None:
    assert canonical(parse(one)) != canonical(parse(other))


@pytest.mark.parametrize(
    "smiles",
    [
        "C/C=C/C(=O)[O-]",
        "C/C(=N\\[O-])[C@@H](O)[C@H]1C[NH2+]1",
        "[NH3+][C@H]1C[C@H](C(=O)[O-])C1",
        "C[S@](=O)c1ccccc1",
        "C[S@@+](CC)c1ccccc1",
        "CC[P@](C)c1ccccc1",
        "CS(=O)(=O)/C=C/F",
    ],
)
def test_true_stereo_is_kept(smiles: str) -> None:
    name = canonical(parse(smiles))
    assert any(mark in name for mark in "@/")
    assert canonical(parse(name)) == name


@pytest.mark.parametrize("smiles", ["C[S@](=O)c1ccccc1", "C[S@](CC)=NC", "CC[P@](C)c1ccccc1", "C[C@H](F)C(=O)[O-]"])
def test_the_mirror_image_is_another_molecule(smiles: str) -> None:
    assert canonical(parse(smiles)) != canonical(parse(smiles.replace("@", "@@")))


def test_a_bond_that_is_double_in_one_form_only_has_no_stereo() -> None:
    assert canonical(parse("C/[NH+]=C(\\C)NC")) == canonical(parse("C/[NH+]=C(/C)NC"))


def test_map_numbers_are_no_chemistry() -> None:
    names = {canonical(parse(s)) for s in ("CCO", "[CH3:1][CH2:2][OH:3]", "[OH:7][CH2:7][CH3:7]", "C[CH2:1]O")}
    assert names == {"CCO"}
    assert canonical(parse("[H:1][O:2][H:3]")) == "O"
    assert canonical(parse("[CH3:1][C@H:2]([F:3])[Cl:4]")) == canonical(parse("C[C@H](F)Cl"))


def test_what_the_text_shows_to_be_plain_is_plain(data) -> None:
    import numpy as np

    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        listed = [s.decode() for s in arrays["smiles"][::400].tolist() if s]
    for smiles in listed:
        mol = Chem.MolFromSmiles(smiles)
        if not may_have_forms(Chem.MolToSmiles(mol)):
            assert is_plain(mol), smiles


def test_salts_and_metals_are_left_as_they_are() -> None:
    for smiles in ("[Cl-].[Na+]", "[Fe+2]", "C[Zn]C", "[Cl-].C[NH3+]"):
        mol = parse(smiles)
        assert Chem.GetFormalCharge(mol) == Chem.GetFormalCharge(Chem.MolFromSmiles(smiles))
        assert canonical(mol) == Chem.CanonSmiles(smiles)

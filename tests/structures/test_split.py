"""The split: the molecule decides, not its writing, its stereo or its place in a list."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from rdkit import Chem

from molaug.structures.hashing import keys64
from molaug.structures.split import parts_of_keys, split_keys, split_of

MOLECULES = [
    "OCC",
    "C[C@H](F)O",
    "F/C=C/F",
    "c1ccc2[nH]ccc2c1",
    "C[N+](=O)[O-]",
    "O=C1NC=CC1=N",
    "CC1=CC(C)=NO1",
    "[H]OC([H])([H])C",
]


def test_writing_and_stereo_do_not_matter():
    rng = np.random.default_rng(0)
    for smiles in MOLECULES:
        mol = Chem.MolFromSmiles(smiles)
        order = rng.permutation(mol.GetNumAtoms()).tolist()
        others = [
            Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False),
            Chem.MolToSmiles(mol, kekuleSmiles=True),
            Chem.MolToSmiles(mol, isomericSmiles=False),
            Chem.MolToSmiles(Chem.AddHs(mol)),
        ]
        assert set(split_keys(others).tolist()) == set(split_keys([smiles]).tolist()), smiles
    assert split_of(["F/C=C/F"]) == split_of(["F/C=C\\F"])


def test_the_part_is_the_hash():
    """Pinned: a change would put known molecules into other parts than those that models were trained on."""
    assert split_keys(["OCC"]) == keys64(["split:CCO"])
    names = [("C" * i) + ("O" * (i % 2)) + "CC" for i in range(1, 13)]
    assert split_of(names).tolist() == [
        "train",
        "train",
        "train",
        "train",
        "train",
        "train",
        "train",
        "train",
        "train",
        "train",
        "validation",
        "train",
    ]


def test_shares_are_those_asked_for():
    keys = keys64([str(k) for k in range(20_000)])
    parts = parts_of_keys(keys, validation=0.2, test=0.1)
    shares = {part: float((parts == part).mean()) for part in ("train", "validation", "test")}
    assert shares == pytest.approx({"train": 0.7, "validation": 0.2, "test": 0.1}, abs=0.01)


def test_a_larger_test_part_holds_the_smaller_one():
    keys = keys64([str(k) for k in range(2_000)])
    small, large = parts_of_keys(keys, test=0.05), parts_of_keys(keys, test=0.2)
    assert (large[small == "test"] == "test").all()


def test_the_ends_of_the_range():
    keys = np.array([0, 2**64 - 1], dtype=np.uint64)
    assert parts_of_keys(keys).tolist() == ["test", "train"]
    assert parts_of_keys(keys, validation=0.0, test=1.0).tolist() == ["test", "test"]
    assert parts_of_keys(keys, validation=0.0, test=0.0).tolist() == ["train", "train"]


def test_nothing_in_nothing_out():
    assert split_of([]).tolist() == []


def test_what_is_no_share_or_no_molecule_is_named():
    with pytest.raises(ValueError, match=r"validation=0\.6 and test=0\.6"):
        split_of(["C"], validation=0.6, test=0.6)
    with pytest.raises(ValueError, match="cannot read 'C1CC'"):
        split_of(["C", "C1CC"])


def test_no_molecule_of_a_database_is_in_two_parts(data):
    path = data / "amons" / "qm9_g9.smi.gz"
    if not path.is_file():
        pytest.skip("no SMILES of QM9")
    with gzip.open(path, "rt") as lines:
        smiles = [line.strip() for _, line in zip(range(3_000), lines, strict=False)]
    parts = split_of(smiles)
    assert (parts == "train").mean() == pytest.approx(0.8, abs=0.03)
    rewritten = [Chem.MolToSmiles(Chem.MolFromSmiles(text)) for text in smiles[:500]]
    assert (split_of(rewritten) == parts[:500]).all()

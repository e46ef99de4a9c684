"""Strict and relaxed validity side by side, and what else is said of each sample."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.evaluation import smiles_samples
from molaug.evaluation.validity import judge, relaxed_smiles
from molaug.structures.chemistry import as_drawn


def test_every_flag_of_every_kind_of_sample():
    table = {
        #                     strict parsed relaxed ions charged
        "CCO":                (True,  True,  True,  False, False),
        "C[N+](=O)[O-]":      (True,  True,  True,  True,  False),
        "C[NH3+]":            (False, True,  True,  True,  True),
        "CC.O":               (False, True,  True,  False, False),
        "C[CH2]":             (False, True,  True,  False, False),
        "CN(=O)=O":           (False, True,  True,  True,  False),
        "CN(C)(C)C":          (False, False, True,  False, False),
        "C(C)(C)(C)(C)C":     (False, False, False, False, False),
        "c1cccc1":            (False, False, False, False, False),
        "":                   (False, False, False, False, False),
        "None":               (False, False, False, False, False),
    }  # fmt: skip
    judged = judge(smiles_samples(list(table)))
    found = zip(judged.strict, judged.parsed, judged.relaxed, judged.ions, judged.charged, strict=True)
    for smiles, expected, flags in zip(table, table.values(), found, strict=True):
        assert tuple(map(bool, flags)) == expected, smiles
    assert [name is not None for name in judged.names] == judged.parsed.tolist()


def test_strict_is_relaxed_and_parsed():
    judged = judge(smiles_samples(["CCO", "C[S](C)(=O)=O", "[C-]#[O+]", "c1ccncc1", "CC.O", "[NH4+]", "x"]))
    assert not (judged.strict & ~judged.relaxed).any()
    assert not (judged.strict & ~judged.parsed).any()


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CN(C)(C)C", "C[N+](C)(C)C"),
        ("CO(C)C", "C[O+](C)C"),
        ("C=N=O", "C=[N+]=O"),
        ("CN(C)(C)(C)C", None),  # two more than its lowest valence
        ("CF(C)C.CCO", None),  # the largest fragment is the broken one, and only it is looked at
        ("CF.CCO", "CCO"),
        ("CCCC.O", "CCCC"),
    ],
)
def test_the_relaxed_rule(smiles, expected):
    mol = as_drawn(smiles)
    before = mol.ToBinary()
    assert relaxed_smiles(mol) == expected
    assert mol.ToBinary() == before


def test_names_ignore_stereo_and_hydrogens_written_out():
    judged = judge(smiles_samples(["C[C@H](F)O", "C[C@@H](F)O", "CC(O)F", "[H]OC(C)F", "F/C=C/F", "F/C=C\\F"]))
    assert len(set(judged.names[:4])) == 1
    assert len(set(judged.names[4:])) == 1
    assert judged.strict_names() == list(judged.names)


def test_shapes():
    judged = judge(smiles_samples(["C", "x", "N"]))
    assert judged.strict.dtype == np.bool_
    assert judged.strict.tolist() == [True, False, True]
    assert judged.reasons == (None, "unreadable", None)

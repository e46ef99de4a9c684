"""Molecules that InChI cannot name are known again by their SMILES."""

from __future__ import annotations

from typing import Literal

import pytest

from molaug.filters import Redundancy
from molaug.filters.redundancy.index import MoleculeIndex
from molaug.filters.redundancy.keys import Kind
from molaug.structures import Structures
from molaug.structures.chemistry import parse

COMPLEX, AGAIN, OTHER = "C[NH2]->[Zn](Cl)Cl", "Cl[Zn](Cl)<-[NH2]C", "N->[Cu]Br"


@pytest.mark.parametrize("by", ["smiles", "inchikey"])
@pytest.mark.parametrize("stereo", [False, True])
def test_a_complex_with_dative_bonds_is_known_again(by: Literal["smiles", "inchikey"], stereo: bool) -> None:
    """In a batch as in a base, whatever name tells molecules apart; another complex is new."""
    rows = Structures.from_rdkit([parse(text) for text in (COMPLEX, AGAIN, OTHER)])
    assert [r is None for r in Redundancy(molecule_by=by, stereo=stereo).bound([]).judge(rows).reason] == [
        True,
        False,
        True,
    ]
    reasons = Redundancy(molecule_by=by, stereo=stereo).bound([rows.slice(0, 1)]).judge(rows).reason
    assert [r is None for r in reasons] == [False, False, True]
    assert ("no InChIKey" in str(reasons[0])) == (by == "inchikey")


@pytest.mark.parametrize("kind", ["flat", "isomeric", "inchikey", "skeleton"])
def test_an_index_holds_complexes_and_counts_what_it_could_not_read(kind: Kind) -> None:
    """Nothing that was given is lost without a word, in merges too."""
    index = MoleculeIndex.build([COMPLEX, "CCO", "C(C"]).merge(MoleculeIndex.build([OTHER]))
    assert index.knows([AGAIN, OTHER, "OCC", "CCC"], kind=kind).tolist() == [True, True, True, False]
    assert len(index.keys[kind]) == 3
    assert index.unread == 1

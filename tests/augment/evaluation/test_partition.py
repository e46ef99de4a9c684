"""Where molecules are found: each in the first place that has it, and the places add up."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.evaluation import Reference
from molaug.evaluation.partition import PLACES, partition
from molaug.filters import MoleculeIndex
from molaug.structures import Structures
from molaug.structures.split import split_of

CHAINS = ["C" * n + tail for n in range(1, 15) for tail in ("", "O", "N", "F", "C#N")]


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Reference:
    path = tmp_path_factory.mktemp("reference") / "chains.smi"
    path.write_text("\n".join([*CHAINS, "OC", "not a molecule"]) + "\n", encoding="utf-8")
    return Reference.build([path])


def test_the_reference_is_split_by_the_hash(reference):
    parts = split_of(list(dict.fromkeys(CHAINS)))
    assert len(reference.keys) == len(set(CHAINS))
    assert {part: reference.count(part) for part in PLACES[:3]} == {
        part: int((parts == part).sum()) for part in PLACES[:3]
    }
    assert reference.unread == 1
    assert reference.compared == {
        "train": reference.count("train"),
        "held-out": reference.count("validation", "test"),
    }
    assert reference.places(CHAINS).tolist() == split_of(CHAINS).tolist()


def test_places_add_up_and_the_first_counts(reference):
    known = MoleculeIndex.build([*CHAINS, "c1ccccc1"], kinds=("flat",))
    asked = [*CHAINS[:10], "c1ccccc1", "C1CCCC1"]
    found = partition(asked, reference, known)
    assert list(found) == list(PLACES)
    assert sum(found.values()) == len(asked)
    assert (found["elsewhere"], found["new"]) == (1, 1)


def test_places_that_are_not_asked_are_left_out(reference):
    known = MoleculeIndex.build(["CC"], kinds=("flat",))
    assert partition(["CC", "CCCCCCCCCCCCCCCCCCCC"], None, known) == {"elsewhere": 1, "new": 1}
    assert partition(["CC"], None, None) == {"new": 1}
    assert sum(partition([], reference, known).values()) == 0


def test_any_dataset_and_several_are_a_reference(tmp_path, reference):
    path = tmp_path / "more.parquet"
    Structures.from_arrays([[6, 8, 1, 1, 1, 1], [6]], None, smiles=["CO", None]).to_parquet(path)
    (tmp_path / "list.smi").write_text("C1CC1\nOC\n", encoding="utf-8")
    both = Reference.build([path, tmp_path / "list.smi"], name="both")
    assert (both.name, len(both.keys), both.unread) == ("both", 2, 1)
    assert (np.diff(both.keys.astype(object)) > 0).all()
    assert np.isin(reference.places(["CO"]), PLACES[:3]).all()


def test_stereo_twins_are_one_molecule(tmp_path):
    (tmp_path / "twins.smi").write_text("C[C@H](F)O\nC[C@@H](F)O\nCC(O)F\n", encoding="utf-8")
    assert len(Reference.build([tmp_path / "twins.smi"]).keys) == 1


def test_a_reference_without_molecules_is_said(tmp_path):
    (tmp_path / "none.smi").write_text("x\n", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no molecule that RDKit can read"):
        Reference.build([tmp_path / "none.smi"])
    with pytest.raises(FileNotFoundError):
        Reference.build([tmp_path / "nothing.smi"])

"""The index of known molecules: built, merged, written and asked."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molaug.filters import MoleculeIndex, load_index
from molaug.filters.redundancy.elias_fano import decode, encode
from molaug.filters.redundancy.keys import KINDS, molecule_keys, names
from molaug.structures import Structures
from molaug.structures.chemistry import identify

SMILES = ["CCO", "OCC", "C[C@H](F)O", "CC(=O)O", "CC(=O)[O-]", "C/C=C/C", "c1ccccc1", "[H]C([H])([H])[H]"]


def equal(first: MoleculeIndex, second: MoleculeIndex) -> bool:
    return first.bits == second.bits and all(np.array_equal(first.keys[k], second.keys[k]) for k in KINDS)


@pytest.mark.parametrize("smiles", [*SMILES, "OC1=CC=CC=C1", "N[C@@H](C)C(=O)O", "C1N2C3C4C5C2C13CN45"])
def test_names_are_those_of_the_molecule(smiles: str) -> None:
    known = identify(smiles)
    flat, isomeric, inchikey, skeleton = names(smiles)
    assert (flat, isomeric, inchikey) == (known.flat, known.smiles, known.inchikey)
    assert str(skeleton).startswith(known.inchikey[:14])


def test_the_skeleton_keeps_protonation_and_drops_stereo() -> None:
    keys, known = molecule_keys(["CC(=O)O", "CC(=O)[O-]", "C[C@H](F)O", "C[C@@H](F)O"], "skeleton")
    assert known.all()
    assert keys[0] != keys[1]
    assert keys[2] == keys[3]


def test_what_was_put_in_is_found_and_nothing_else() -> None:
    index = MoleculeIndex.build([*SMILES, "C(C"])
    assert index.unread == 1
    assert len(index) == len(SMILES) - 1
    assert index.knows(["C(O)C", "C", "CC", "C(C"]).tolist() == [True, True, False, False]
    assert index.knows(["C[C@@H](F)O", "CC(F)O"], kind="isomeric").tolist() == [False, False]
    assert index.knows(["C[C@@H](F)O"]).tolist() == [True]


def test_batches_executors_and_order_give_the_same_index() -> None:
    plain = MoleculeIndex.build(SMILES)
    batch = Structures.from_arrays([[6]] * len(SMILES), None, smiles=SMILES)
    with ThreadPoolExecutor(2) as executor:
        assert equal(plain, MoleculeIndex.build(SMILES[::-1], executor=executor))
    assert equal(plain, MoleculeIndex.build([batch]))


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=300), st.sampled_from([40, 48, 64]))
def test_the_code_of_sorted_keys_is_lossless(values: list[int], bits: int) -> None:
    keys = np.unique(np.array(sorted(v >> (64 - bits) for v in values), dtype=np.uint64))
    high, low = encode(keys, bits)
    np.testing.assert_array_equal(decode(high, low, len(keys), bits), keys)


def test_the_code_is_near_the_least_possible_size() -> None:
    keys = np.unique(np.random.default_rng(0).integers(0, 2**48, 100_000, dtype=np.uint64))
    size = sum(len(part) for part in encode(keys, 48))
    assert size * 8 / len(keys) < 48 - np.log2(len(keys)) + 1.44 + 1.1


def test_merging_is_a_union_in_any_order() -> None:
    parts = [MoleculeIndex.build(SMILES[k::3]) for k in range(3)]
    whole = MoleculeIndex.build(SMILES)
    for a, b, c in itertools.permutations(parts):
        assert equal(a.merge(b).merge(c), whole)
        assert equal(a.merge(b.merge(c)), whole)
        assert equal(a.merge(b, c), whole)
    assert whole.merge(whole.truncated(40)).bits == 40


def test_files_are_read_back_and_equal_for_equal_indices(tmp_path: Path) -> None:
    index = MoleculeIndex.build(SMILES).truncated(48)
    index.save(tmp_path / "a", card="# Keys\n{counts}\n{sha256}\n", data="made up")
    again = MoleculeIndex.load(tmp_path / "a")
    assert equal(index, again)
    again.save(tmp_path / "b", data="made up")
    assert (tmp_path / "a" / "keys.npz").read_bytes() == (tmp_path / "b" / "keys.npz").read_bytes()
    assert "- `flat`: 7" in (tmp_path / "a" / "README.md").read_text()


def test_damage_and_absence_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLAUG_CHECKPOINTS", str(tmp_path))
    MoleculeIndex.build(["C"]).save(tmp_path / "mine")
    assert load_index("mine").knows(["C"]).all()
    assert load_index(tmp_path / "mine").knows(["C"]).all()
    with pytest.raises(FileNotFoundError, match=r"known by name are .*mine"):
        load_index("yours")
    (tmp_path / "mine" / "keys.npz").write_bytes(b"broken")
    with pytest.raises(ValueError, match="damaged"):
        load_index("mine")


def test_wrong_questions_are_refused() -> None:
    index = MoleculeIndex.build(["C"], kinds=("flat",))
    with pytest.raises(ValueError, match="no 'inchikey' keys"):
        index.knows(["C"], kind="inchikey")
    with pytest.raises(ValueError, match="64 bits asked"):
        index.truncated(48).truncated(64)
    with pytest.raises(ValueError, match="share no kind"):
        index.merge(MoleculeIndex.build(["C"], kinds=("isomeric",)))


@pytest.mark.parametrize(
    ("name", "inside", "outside", "least"),
    [
        ("qm9-keys", ["C", "c1ccccc1", "CC(=O)C", "C1CC1", "OCC#C"], ["CCCCCCCCCCCC", "BrC", "CS"], 127_000),
        ("ani1-keys", ["C", "c1ccccc1", "CCO", "CC(N)=O"], ["CF", "CCCCCCCCCCCC"], 57_000),
    ],
)
def test_shipped_indices(name: str, inside: list[str], outside: list[str], least: int) -> None:
    index = load_index(name)
    assert len(index) > least
    for kind in KINDS:
        assert index.knows(inside, kind=kind).all(), kind
        assert not index.knows(outside, kind=kind).any(), kind

"""What counts as known, as a new geometry, and as a duplicate."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molaug.filters import MoleculeIndex, Redundancy
from molaug.filters.redundancy.descriptor import Neighbours, describe, distance_histograms
from molaug.structures import Structures


def conformers(smiles: str, n: int, *, parent: str | None = None, claim: bool = True) -> Structures:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMultipleConfs(mol, n, randomSeed=5)
    z = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    xs = [c.GetPositions() for c in mol.GetConformers()]
    return Structures.from_arrays([z] * n, xs, smiles=[smiles if claim else None] * n, parent=parent)


def graphs(*smiles: str) -> Structures:
    return Structures.from_arrays([[6]] * len(smiles), None, smiles=list(smiles))


@pytest.fixture(scope="module")
def pentanol() -> Structures:
    return conformers("CCCCCO", 12)


def test_molecules_of_the_base_are_known_in_any_spelling() -> None:
    judge = Redundancy().bound([graphs("CCO"), conformers("CC(N)=O", 1, claim=False)])
    found = judge.judge(graphs("OCC", "NC(C)=O", "CCN", "C(C"))
    assert found.reason == ["known molecule (base)", "known molecule (base)", None, None]
    assert found.score[:2].tolist() == [0, 0]


def test_a_new_geometry_must_come_from_its_molecule(pentanol: Structures) -> None:
    base = pentanol.slice(0, 1)
    stranger = pentanol.slice(1, 2)
    child = stranger.with_columns({"parent": base.ids[0]})
    judge = Redundancy(rmsd=0.05).bound([base])
    assert judge.judge(stranger).reason == ["known molecule (base)"]
    assert judge.judge(child).reason == [None]
    assert judge.judge(child).score[0] > 0.05
    copy = base.with_columns({"parent": base.ids[0]})
    assert "geometry within 0.000 Å RMSD of" in str(judge.judge(copy).reason[0])
    assert Redundancy(known_molecules="reject").bound([base]).judge(child).reason == ["known molecule (base)"]


def test_displaced_geometries_are_compared_by_all_atoms_and_more_closely(pentanol: Structures) -> None:
    base = pentanol.slice(0, 1)
    x = base.positions
    rng = np.random.default_rng(0)
    moved = [x + width * rng.normal(size=x.shape) for width in (0.001, 0.03, 0.03)]
    rows = Structures.from_arrays(
        [base.numbers] * 5, [*moved, moved[1], x + 1.0], smiles=["CCCCCO"] * 5, extra={"displaced": [True] * 5}
    )
    judge = Redundancy().bound([base])
    found = judge.judge(rows)
    assert found.keep.tolist() == [False, True, True, False, False]
    assert str(found.reason[0]).endswith("known up to 0.02")
    judge.accept(rows.filter(found.keep))
    assert judge.judge(rows).keep.tolist() == [False] * 5
    # the same geometries as conformers are within 0.125 Å of the base
    conformer = rows.with_columns({"displaced": [False] * 5, "parent": base.ids[0]})
    assert not Redundancy().bound([base]).judge(conformer).keep.any()


def test_a_displaced_geometry_is_no_known_molecule(pentanol: Structures) -> None:
    base = pentanol.slice(0, 1)
    other = pentanol.slice(1, 2)  # not made from a row of the base
    assert Redundancy().bound([base]).judge(other).reason == ["known molecule (base)"]
    marked = Structures.from_arrays([other.numbers], [other.positions], smiles=["CCCCCO"], extra={"displaced": [True]})
    assert Redundancy().bound([base]).judge(marked).reason == [None]
    assert Redundancy(known_molecules="reject").bound([base]).judge(marked).reason == ["known molecule (base)"]


def test_a_parent_of_another_molecule_is_no_excuse() -> None:
    base = Structures.concat([conformers("CCO", 1), conformers("CCN", 1)])
    child = conformers("CCO", 2).slice(1).with_columns({"parent": base.ids[1]})
    assert Redundancy().bound([base]).judge(child).reason == ["known molecule (base)"]


def test_references_are_named(tmp_path: Path) -> None:
    folder = str(MoleculeIndex.build(["CCO", "C[C@H](F)O"]).save(tmp_path / "mine"))
    rows = graphs("CCO", "C[C@@H](F)O", "CCC")
    found = Redundancy(against=(folder,)).bound([]).judge(rows)
    assert found.reason == [f"known molecule ({folder})"] * 2 + [None]
    assert Redundancy(against=(folder,), stereo=True).bound([]).judge(rows).keep.tolist() == [False, True, True]
    with pytest.raises(FileNotFoundError, match="no molecule index"):
        Redundancy(against=("nothing",)).bound([])
    with pytest.raises(TypeError, match="sequence of names"):
        Redundancy(against="qm9-keys")  # type: ignore[arg-type]


def test_tautomers_are_one_molecule_by_inchikey() -> None:
    rows = graphs("Cc1c[nH]cn1", "Cc1cnc[nH]1")
    assert Redundancy().bound([]).judge(rows).keep.tolist() == [True, True]
    assert Redundancy(molecule_by="inchikey").bound([]).judge(rows).keep.tolist() == [True, False]


@pytest.mark.parametrize("split", [0, 4, 12])
def test_conformers_are_thinned_alike_in_one_batch_or_several(pentanol: Structures, split: int) -> None:
    judge = Redundancy(rmsd=0.8).bound([])
    first = pentanol.slice(0, split)
    kept = judge.judge(first).keep
    judge.accept(first.filter(kept))
    both = [*kept, *judge.judge(pentanol.slice(split)).keep]
    assert both == Redundancy(rmsd=0.8).bound([]).judge(pentanol).keep.tolist()
    assert 1 < sum(both) < len(pentanol)


def test_at_most_so_many_rows_of_a_molecule(pentanol: Structures) -> None:
    judge = Redundancy(rmsd=0.0, max_per_molecule=3).bound([])
    found = judge.judge(pentanol)
    assert found.keep.tolist() == [True] * 3 + [False] * 9
    judge.accept(pentanol.filter(found.keep))
    assert not judge.judge(pentanol.slice(5)).keep.any()


def test_accepted_rows_are_parents_too(pentanol: Structures) -> None:
    base = conformers("CCO", 1)
    judge = Redundancy(rmsd=0.05, known_molecules="reject").bound([base])
    judge.accept(pentanol.slice(0, 1))
    found = judge.judge(pentanol.slice(0, 2))
    assert found.keep.tolist() == [False, True]


def test_what_cannot_be_perceived_is_compared_by_geometry() -> None:
    x = np.array([[0, 0, 0], [0, 0, 3.0], [0, 3.0, 0]])
    rows = Structures.from_arrays([[8, 1, 1]] * 3, [x, x + 1, 1.2 * x])
    assert Redundancy().bound([]).judge(rows).keep.tolist() == [True, False, True]


def test_rows_that_belie_their_graph_do_no_harm() -> None:
    rows = Structures.from_arrays([[8, 1, 1], [8, 1]], [np.eye(3), np.eye(3)[:2]], smiles=["O", "O"])
    assert Redundancy().bound([]).judge(rows).keep.tolist() == [True, True]


def test_broken_positions_stop_nothing(pentanol: Structures) -> None:
    one = pentanol.slice(0, 1)
    broken = one.with_columns({"positions": [np.full(3 * int(one.n_atoms[0]), np.nan)], "parent": one.ids[0]})
    judge = Redundancy(descriptor=0.01).bound([broken])
    judge.accept(broken)
    child = pentanol.slice(1, 2).with_columns({"parent": one.ids[0]})
    found = judge.judge(Structures.concat([broken, child]))
    assert found.reason == ["positions are not finite", None]


def test_descriptors_reject_near_rows_of_any_molecule(pentanol: Structures) -> None:
    rows = Structures.concat([pentanol, conformers("CCCCCN", 3)])
    vectors = distance_histograms(rows).astype(float)
    limit = 0.12
    kept: list[int] = []
    for k in range(len(rows)):
        if all(np.linalg.norm(vectors[k] - vectors[j]) > limit for j in kept):
            kept.append(k)
    found = Redundancy(rmsd=0.0, descriptor=limit).bound([]).judge(rows)
    assert np.flatnonzero(found.keep).tolist() == kept
    assert 1 < len(kept) < len(rows)
    assert "descriptor at" in str(next(reason for reason in found.reason if reason))
    judge = Redundancy(rmsd=0.0, descriptor=limit).bound([rows.take(kept)])
    assert not judge.judge(conformers("CCCCCN", 3)).keep.any()


@pytest.mark.parametrize("search", ["exact", "faiss"])
def test_nearest_neighbours_are_those_of_brute_force(search: str) -> None:
    if search == "faiss":
        pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    known = rng.normal(size=(500, 8)).astype(np.float32)
    queries = rng.normal(size=(40, 8)).astype(np.float32)
    neighbours = Neighbours(search)  # type: ignore[arg-type]
    for part in np.array_split(known, 7):
        neighbours.add(part)
    distance, index = neighbours.nearest(queries)
    every = np.linalg.norm(queries[:, None] - known[None], axis=-1)
    np.testing.assert_array_equal(index, every.argmin(axis=1))
    np.testing.assert_allclose(distance, every.min(axis=1), rtol=1e-5)


def test_descriptors_are_unit_vectors_that_change_smoothly(pentanol: Structures) -> None:
    vectors, there = describe(pentanol, "distances")
    assert there.all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    s = pentanol[0]
    assert s.positions is not None
    step = np.random.default_rng(0).normal(size=s.positions.shape)
    moved = Structures.from_arrays([s.numbers] * 3, [s.positions + h * step for h in (0.0, 1e-3, 2e-3)])
    v = distance_histograms(moved).astype(float)
    one, two = np.linalg.norm(v[1] - v[0]), np.linalg.norm(v[2] - v[0])
    assert 0 < one < 1e-2
    assert two == pytest.approx(2 * one, rel=0.05)


def test_all_conformers_of_a_dense_cloud(pentanol: Structures) -> None:
    """Thinning leaves a set in which no two are near, and every row left out is near to one of it."""
    judge = Redundancy(rmsd=0.6).bound([])
    found = judge.judge(pentanol)
    kept, dropped = pentanol.filter(found.keep), pentanol.filter(~found.keep)
    for a, b in itertools.combinations(range(len(kept)), 2):
        pair = kept.take([a, b])
        assert Redundancy(rmsd=0.6).bound([]).judge(pair).keep.all()
    judge.accept(kept)
    assert not judge.judge(dropped).keep.any()


def test_qm9_knows_itself(data: Path) -> None:
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        ends, z, x, smiles = arrays["offsets"], arrays["z"], arrays["pos"], arrays["smiles"]
    chosen = [k for k in range(0, len(smiles), 500) if smiles[k]]
    atoms = [slice(ends[k], ends[k + 1]) for k in chosen]
    rows = Structures.from_arrays(
        [z[a] for a in atoms], [x[a] for a in atoms], smiles=[smiles[k].decode() for k in chosen]
    )
    assert not Redundancy().bound(rows.batches(100)).judge(rows).keep.any()
    assert not Redundancy(against=("qm9-keys",)).bound([]).judge(rows).keep.any()
    assert Redundancy().bound([]).judge(rows).keep.all()

"""Conformers: as many as rows are asked for, each judged, none of them losing bonds or stereo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers, rdMolAlign, rdMolTransforms

from molaug.generators.conformers import Conformers
from molaug.generators.embedding import embed
from molaug.generators.force_field import relax
from molaug.structures import Structures
from molaug.structures.chemistry import lay_graph
from molaug.structures.hashing import derived_seed


def graphs(*smiles: str) -> Structures:
    return Structures.from_rdkit([Chem.MolFromSmiles(s) for s in smiles])


def made(generator: Conformers, parents: Structures, n: int, seed: int = 0, start: int = 0) -> Structures:
    return Structures.concat(generator.propose(parents, n, seed, start=start))


def kept(rows: Structures) -> Structures:
    return rows.filter(rows.alive)


def test_butane_has_its_three_conformers() -> None:
    rows = kept(made(Conformers(), graphs("CCCC"), 20))
    torsions = []
    for row in rows:
        mol = lay_graph("CCCC", row.numbers, row.positions).mol
        torsions.append(rdMolTransforms.GetDihedralDeg(mol.GetConformer(), 0, 1, 2, 3))
    # anti, gauche and its mirror image
    assert sorted(t % 360 for t in torsions) == pytest.approx([65, 180, 295], abs=3)
    energies = np.sort(rows.array("force_field_energy"))
    assert energies[1] == pytest.approx(energies[2], abs=1e-4)  # mirror images
    assert 0.02 < energies[1] - energies[0] < 0.06  # gauche above anti by 0.8 kcal/mol in MMFF94


def test_energies_are_those_of_rdkit_in_ev() -> None:
    row = made(Conformers(), graphs("CCO"), 1)[0]
    mol = lay_graph("CCO", row.numbers, row.positions).mol
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant="MMFF94s")
    kcal = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties).CalcEnergy()
    assert row.extra["force_field_energy"] == pytest.approx(kcal / 23.0605, rel=1e-5, abs=1e-9)
    assert row.extra["force_field"] == "mmff94s"


def test_row_k_comes_from_seed_k_whatever_else_is_embedded() -> None:
    parent = graphs("CC(O)CCN")
    base = derived_seed(3, "conformers", parent.ids[0])
    rows = made(Conformers(prune_rms=None), parent, 6, seed=3)
    assert rows.column("seed") == [base + k for k in range(6)]
    mol = Chem.AddHs(Chem.MolFromSmiles(parent.column("smiles")[0]))
    one = embed(mol, base + 4, 1, attempts=30, timeout=10)
    relax(one, "mmff94s", 1000)
    np.testing.assert_array_equal(one.GetConformer().GetPositions(), rows[4].positions)


@pytest.mark.parametrize("options", [{}, {"prune_rms": None}, {"energy_window": 0.05}, {"optimize": None}])
@pytest.mark.parametrize("ensemble", [3, 20])
def test_rows_do_not_depend_on_how_many_are_asked_for(options: dict[str, float | None], ensemble: int) -> None:
    generator, parent = Conformers(ensemble=ensemble, **options), graphs("CCCCO")  # type: ignore[arg-type]
    whole = made(generator, parent, 8)
    assert Structures.concat([made(generator, parent, 3), made(generator, parent, 5, start=3)]) == whole


def test_without_a_window_the_size_of_the_ensemble_does_not_matter() -> None:
    parent = graphs("CCCCO")
    assert made(Conformers(ensemble=3), parent, 10) == made(Conformers(ensemble=20), parent, 10)


def test_kept_conformers_differ_by_the_threshold_and_pruned_ones_do_not() -> None:
    rows = made(Conformers(prune_rms=0.3, ensemble=4), graphs("OCCCN"), 20)
    heavy = [
        Chem.RemoveHs(lay_graph(row.smiles, row.numbers, row.positions).mol) for row in rows if row.smiles is not None
    ]
    alive = rows.alive
    assert 1 < alive.sum() < 20
    for k in range(20):
        nearest = min((rdMolAlign.GetBestRMS(heavy[k], heavy[j]) for j in range(k) if alive[j]), default=np.inf)
        assert (nearest >= 0.3) == alive[k], rows.column("reason")[k]


def test_symmetry_makes_copies_equal() -> None:
    # turned by 120°, or with its oxygens exchanged, each of them is the same molecule
    for smiles in ("CC(C)(C)C", "CC(=O)[O-]", "C[N+](=O)[O-]", "c1ccccc1"):
        assert len(kept(made(Conformers(), graphs(smiles), 6))) == 1


def test_the_window_holds_within_an_ensemble() -> None:
    rows = made(Conformers(energy_window=0.03, prune_rms=None, ensemble=20), graphs("CCCCO"), 20)
    energies = rows.array("force_field_energy")
    np.testing.assert_array_equal(rows.alive, energies <= energies.min() + 0.03)
    assert 0 < rows.alive.sum() < 20
    assert "the window is 0.03 eV" in next(reason for reason in rows.column("reason") if reason)


@pytest.mark.parametrize("smiles", ["C[C@H](F)O", "C[C@@H](F)O", "C/C=C/CO", "C/C=C\\CO", "C[C@H]1C[C@H]1F"])
def test_the_stereo_of_a_graph_is_that_of_all_conformers(smiles: str) -> None:
    rows = kept(made(Conformers(prune_rms=None), graphs(smiles), 8))
    assert len(rows) >= 6
    canonical = Chem.CanonSmiles(smiles)
    assert {lay_graph(row.smiles, row.numbers, row.positions).smiles for row in rows} == {canonical}


def test_the_stereo_of_a_geometry_is_kept_where_its_smiles_is_silent() -> None:
    right = kept(made(Conformers(), graphs("C[C@H](F)CO"), 3))[0]
    parent = Structures.from_arrays([right.numbers], [right.positions], smiles=["CC(F)CO"])
    rows = kept(made(Conformers(prune_rms=None), parent, 8))
    found = {lay_graph("CC(F)CO", row.numbers, row.positions).smiles for row in rows}
    assert found == {Chem.CanonSmiles("C[C@H](F)CO")}
    assert set(rows.column("smiles")) == {"CC(F)CO"}


def test_an_open_centre_of_a_bare_graph_is_drawn() -> None:
    rows = kept(made(Conformers(prune_rms=None), graphs("CC(F)O"), 12))
    assert {lay_graph("CC(F)O", row.numbers, row.positions).smiles for row in rows} == {"C[C@H](O)F", "C[C@@H](O)F"}


def test_atoms_stay_in_the_order_of_the_parent() -> None:
    row = kept(made(Conformers(), graphs("CCO"), 1))[0]
    order = np.random.default_rng(0).permutation(len(row.numbers))
    parent = Structures.from_arrays([row.numbers[order]], [row.positions[order]])
    child = kept(made(Conformers(), parent, 2))[0]
    np.testing.assert_array_equal(child.numbers, row.numbers[order])
    assert lay_graph("CCO", child.numbers, child.positions).smiles == "CCO" == child.smiles


@pytest.mark.parametrize(
    ("smiles", "force_field"),
    [("[He]", None), ("[H]", None), ("[Xe]", None), ("[H][H]", "uff"), ("B", "uff"), ("C[Sn](C)(C)C", "uff"),
     ("[CH3]", "mmff94s"), ("C[NH3+]", "mmff94s"), ("[O-]C=O", "mmff94s"), ("[C-]#[O+]", "uff")],
)  # fmt: skip
def test_atoms_ions_and_radicals_have_one_conformer(smiles: str, force_field: str | None) -> None:
    parent = graphs(smiles)
    rows = kept(made(Conformers(), parent, 3))
    assert len(rows) == 1
    assert rows[0].extra["force_field"] == force_field
    assert (rows[0].charge, rows[0].multiplicity) == (parent[0].charge, parent[0].multiplicity)


def test_the_parts_of_a_complex_do_not_overlap() -> None:
    rows = kept(made(Conformers(), graphs("O.O"), 4))
    for row in rows:
        assert np.linalg.norm(row.positions[0] - row.positions[1]) > 2.3  # the two oxygens


@pytest.mark.parametrize(
    ("parent", "reason"),
    [
        (Structures.from_arrays([[8, 1, 1]], None, smiles=["nonsense"]), "cannot read the graph 'nonsense'"),
        (Structures.from_arrays([[8, 1, 1]], None), "neither a geometry nor a SMILES"),
        (Structures.from_arrays([[8, 1, 1]], None, smiles=["N"]), "the row is H2O, its graph N has other atoms"),
        (Structures.from_arrays([[7, 1, 1, 1, 1]], None, smiles=["[NH4+]"]), "has charge 0, its graph"),
        (Structures.from_arrays([[6, 1, 1]], [[[0, 0, 0], [0, 0, 0], [0, 0, 0]]]), "unpaired electrons"),
    ],
)
def test_a_parent_that_cannot_be_read_gives_one_row_that_says_why(parent: Structures, reason: str) -> None:
    rows = made(Conformers(), parent, 5)
    assert len(rows) == 1
    assert rows[0].reason.startswith("conformers: ")
    assert reason in rows[0].reason
    assert made(Conformers(), parent, 5, start=1) == Structures.empty()


@pytest.mark.parametrize(
    ("smiles", "options", "reason"),
    [
        ("C1#CCC1", {"attempts": 3}, "not embedded in 3 attempts"),
        ("FS(F)(F)(F)(F)F", {}, "neither MMFF94s nor UFF has parameters"),
        ("CCCCCC", {"max_iterations": 1}, "not converged in 1 iterations"),
    ],
)
def test_what_fails_is_a_row_with_a_reason(smiles: str, options: dict[str, int], reason: str) -> None:
    rows = made(Conformers(**options), graphs(smiles), 3)  # type: ignore[arg-type]
    assert len(rows) == 3
    assert all(reason in text for text in rows.column("reason"))


def test_molecules_that_sometimes_fail_keep_the_rows_of_their_seeds() -> None:
    cage = Chem.AddHs(Chem.MolFromSmiles("ON=C1CC2COC2C1"))
    together = embed(cage, 11, 12, attempts=2, timeout=10)
    numbers = [conformer.GetId() for conformer in together.GetConformers()]
    assert 0 < len(numbers) < 12
    for number in numbers[:3]:
        alone = embed(cage, 11 + number, 1, attempts=2, timeout=10)
        expected = alone.GetConformer().GetPositions()
        np.testing.assert_array_equal(together.GetConformer(number).GetPositions(), expected)


def test_rejected_parents_are_passed_over() -> None:
    parents = graphs("CC", "CO").reject(["elsewhere: bad", None])
    assert set(made(Conformers(), parents, 2).column("parent")) == {parents.ids[1]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimize": "mmff"}, "optimize is 'mmff'"),
        ({"prune_rms": -0.1}, "prune_rms is -0.1"),
        ({"ensemble": 0}, "ensemble is 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"optimize": None, "energy_window": 0.1}, "needs the energies of a force field"),
    ],
)
def test_a_bad_configuration_stops_at_once(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Conformers(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"n": -1}, {"seed": -1}, {"start": -1}])
def test_a_part_of_a_stream_that_cannot_be_stops_at_once(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is -1; expected"):
        Conformers().propose(graphs("C"), **{"n": 1, "seed": 0, **wrong})


def test_conformers_of_qm9_keep_their_graph(data: Path) -> None:
    with np.load(data / "qm9/qm9_structures.npz") as file:
        z, x, offsets = file["z"], file["pos"], file["offsets"]
    chosen = np.random.default_rng(1).choice(len(offsets) - 1, 12, replace=False)
    parents = Structures.from_arrays(
        [z[offsets[k] : offsets[k + 1]] for k in chosen], [x[offsets[k] : offsets[k + 1]] for k in chosen]
    )
    rows = made(Conformers(), parents, 3)
    assert set(rows.column("parent")) == set(parents.ids)
    by_id = {parent.id: parent for parent in parents}
    for row in kept(rows):
        parent = by_id[row.parent]
        laid = lay_graph(row.smiles, row.numbers, row.positions)
        assert laid.smiles == lay_graph(row.smiles, parent.numbers, parent.positions).smiles

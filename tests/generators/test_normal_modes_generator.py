"""The generator of normal-mode samples: contract, rows and reasons."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.data import atomic_masses
from rdkit import Chem
from scipy.spatial.transform import Rotation

from molaug.generators.normal_modes import NormalModes, cache, equilibrium_of
from molaug.generators.start import start_of
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.chemistry import bonds
from molaug.testing import check_generator


def molecules(*smiles: str) -> Structures:
    return Structures.concat(Structures.from_rdkit(Chem.AddHs(Chem.MolFromSmiles(s))) for s in smiles)


def run(parents: Structures, n: int, seed: int = 0, start: int = 0, **options: object) -> Structures:
    return Structures.concat(NormalModes(**options).propose(parents, n, seed, start=start))


def geometries(*smiles: str) -> Structures:
    """Return relaxed molecules as geometries without SMILES."""
    made = []
    for row in molecules(*smiles):
        start = start_of(row, 0)
        x = equilibrium_of(start, Method(calculator="mmff94s")).minimum.positions
        made.append(Structures.from_arrays([start.structure.numbers], [x], charge=[row.charge]))
    return Structures.concat(made)


# ---------------------------------------------------------------------- contract


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"calculator": "mmff94s", "distribution": "ani"},
        {"calculator": "mmff94s", "energies": "calculator", "temperature": (300.0, 1000.0), "energy_window": 0.1},
        {"energies": "calculator", "distribution": "quantum", "temperature": 0.0},
        {"relax": False, "bond_breaking": True, "temperature": 3000.0},
    ],
)
def test_it_keeps_the_contract(options: dict) -> None:
    check_generator(NormalModes(**options), molecules("O", "C=O"), n=3, processes=0)


def test_other_processes_make_the_same_rows() -> None:
    check_generator(NormalModes(), molecules("O", "C=O"), n=2, processes=1)


@pytest.mark.parametrize("energies", ["harmonic", "calculator"])
def test_rows_across_blocks_are_those_of_one_run(energies: str) -> None:
    parents, options = molecules("CO"), {"calculator": "mmff94s", "energies": energies, "temperature": (300.0, 500.0)}
    whole = run(parents, 600, **options)
    for first, last in ((0, 1), (200, 300), (255, 257), (511, 600), (257, 258)):
        assert run(parents, last - first, start=first, **options) == whole.slice(first, last)
    assert whole.column("temperature")[:4] == [300.0, 500.0, 300.0, 500.0]
    assert len(set(whole.ids)) == 600
    assert run(parents, 3, seed=1, **options).ids != whole.ids[:3]


def test_what_is_kept_does_not_change_rows(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    parents = molecules("CO")
    cache.forget()
    computed = run(parents, 5)
    kept = run(parents, 5)
    monkeypatch.setenv(cache.FOLDER, str(tmp_path))
    cache.forget()
    written = run(parents, 5)
    cache.forget()
    assert len(list(tmp_path.iterdir())) == 1
    assert run(parents, 5) == written == kept == computed


# ---------------------------------------------------------------------- rows


def test_rows_neither_move_nor_turn() -> None:
    for smiles in ("CC(O)C=O", "C#CC#N"):
        parents = molecules(smiles)
        rows = run(parents, 300, calculator="mmff94s", temperature=600.0)
        rest = equilibrium_of(start_of(parents[0], 0), Method(calculator="mmff94s")).modes.positions
        m = atomic_masses[rows[0].numbers][:, None]
        d = rows.positions.reshape(300, -1, 3) - rest
        r = rest - (m * rest).sum(axis=0) / m.sum()
        assert np.abs((m * d).sum(axis=1)).max() < 1e-8  # amu Å
        assert np.abs(np.cross(r, m * d).sum(axis=1)).max() < 1e-8  # amu Å²


def test_columns_say_how_rows_were_made() -> None:
    row = run(molecules("CCO"), 1, calculator="mmff94s", temperature=400)[0]
    assert row.extra["sampling_method"] == "mmff94s"
    assert row.extra["distribution"] == "boltzmann"
    assert row.extra["temperature"] == 400.0
    assert row.extra["floored_modes"] == 1
    assert 100 < row.extra["lowest_frequency"] < 400
    assert row.extra["displaced"]
    assert row.extra["intact"]
    assert 0 < row.extra["sampling_energy"] < 2
    assert row.smiles == "CCO"


def test_what_breaks_is_rejected_and_may_be_kept() -> None:
    parents = molecules("CC(F)(Cl)C=C")
    rows = run(parents, 400, calculator="mmff94s", temperature=4000.0)
    assert 0.1 < rows.alive.mean() < 0.9
    expected = sorted(
        map(
            tuple,
            bonds(
                rows[0].numbers, equilibrium_of(start_of(parents[0], 0), Method(calculator="mmff94s")).minimum.positions
            ).tolist(),
        )
    )
    for row in rows.filter(rows.alive):
        assert sorted(map(tuple, bonds(row.numbers, row.positions).tolist())) == expected
    for row in rows.filter(~rows.alive):
        assert row.reason.startswith("normal-modes: its ")
    kept = run(parents, 400, calculator="mmff94s", temperature=4000.0, bond_breaking=True)
    assert kept.alive.all()
    assert kept.column("intact") == rows.alive.tolist()
    assert kept.column("positions") == rows.column("positions")


def test_a_floor_keeps_more_molecules_whole() -> None:
    parents = molecules("CCOC(=O)CCC")
    shares = [
        run(parents, 300, calculator="mmff94s", temperature=600.0, force_constant_floor=floor).alive.mean()
        for floor in (1e-3, 0.312)
    ]
    assert shares[1] > shares[0] + 0.1


def test_the_window_looks_at_the_energies_that_are_asked_for() -> None:
    parents = molecules("CCO")
    for energies in ("harmonic", "calculator"):
        options = {"calculator": "mmff94s", "temperature": 500.0, "energies": energies}
        rows = run(parents, 200, **options, energy_window=0.055)
        per_atom = run(parents, 200, **options).array("sampling_energy") / 9
        intact = np.isfinite(per_atom)
        assert rows.alive.tolist() == (intact & (per_atom <= 0.055)).tolist()
        assert 0.1 < rows.alive.mean() < 0.9


def test_energies_of_the_calculator_are_those_above_the_minimum() -> None:
    parents = molecules("CO")
    rows = run(parents, 3, energies="calculator")
    start = start_of(parents[0], 0)
    minimum = equilibrium_of(start, Method()).minimum
    for row in rows:
        atoms = Method().atoms_of(start.at(row.positions).structure)
        assert row.extra["sampling_energy"] == pytest.approx(atoms.get_potential_energy() - minimum.energy, abs=1e-5)


# ---------------------------------------------------------------------- parents


def test_a_turned_parent_has_the_same_modes() -> None:
    parent = geometries("CC=O")
    turn = Rotation.random(random_state=2).as_matrix()
    turned = Structures.from_arrays([parent[0].numbers], [parent[0].positions @ turn.T + 3.0])
    a, b = (run(p, 2000, calculator="mmff94s", temperature=300.0) for p in (parent, turned))
    assert a[0].extra["lowest_frequency"] == pytest.approx(b[0].extra["lowest_frequency"], abs=0.5)
    ea, eb = a.array("sampling_energy"), b.array("sampling_energy")
    assert ea.mean() == pytest.approx(eb.mean(), abs=4 * ea.std() * np.sqrt(2 / 2000))
    assert ea.tolist() != eb.tolist()  # it is another row, with a stream of its own


def test_geometries_without_smiles_and_bare_graphs_are_parents() -> None:
    rows = run(Structures.concat([geometries("CCO"), molecules("CCO")]), 4, calculator="mmff94s")
    assert len(rows) == 8
    assert rows.alive.all()
    assert set(rows.column("smiles")) == {"CCO"}


@pytest.mark.parametrize(("smiles", "multiplicity"), [("[NH4+]", 1), ("[OH-]", 1), ("[CH3]", 2), ("CC([O-])=O", 1)])
def test_ions_and_radicals(smiles: str, multiplicity: int) -> None:
    row = run(molecules(smiles), 2, temperature=100.0)[1]
    assert row.reason is None
    assert row.multiplicity == multiplicity
    assert row.charge == Chem.GetFormalCharge(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("smiles", ["[H][H]", "O=C=O", "C#C"])
def test_linear_molecules(smiles: str) -> None:
    rows = run(molecules(smiles), 4, temperature=50.0)
    assert rows.alive.all()


def test_an_atom_gives_a_row_that_says_why() -> None:
    (row,) = run(Structures.from_arrays([[2]], [[[0, 0, 0]]], smiles=["[He]"]), 5)
    assert row.reason == "normal-modes: a single atom has no normal modes"
    assert len(run(Structures.from_arrays([[2]], [[[0, 0, 0]]], smiles=["[He]"]), 5, start=5)) == 0


def test_what_a_force_field_cannot_describe_gives_a_row_that_says_why() -> None:
    (row,) = run(molecules("CB"), 5, calculator="mmff94s")
    assert "mmff94s has no parameters" in row.reason


def test_a_geometry_that_is_not_relaxed_stays_where_it_is() -> None:
    parent = geometries("CCO")
    stretched = Structures.from_arrays([parent[0].numbers], [parent[0].positions * 1.02])
    rows = run(stretched, 500, calculator="mmff94s", relax=False, temperature=100.0)
    mean = rows.positions.reshape(500, -1, 3).mean(axis=0)
    np.testing.assert_allclose(mean, stretched[0].positions, atol=0.02)


def test_calculators_may_be_objects() -> None:
    parent = Structures.from_arrays([[7, 7]], [[[0, 0, 0], [0, 0, 1.1]]], smiles=["N#N"])
    rows = run(parent, 3, calculator=EMT(), temperature=300.0)
    assert rows.alive.all()


# ---------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distribution": "normal"}, "expected one of"),
        ({"energies": "real"}, "expected one of"),
        ({"calculator": "gfn3-xtb"}, "did you mean"),
        ({"temperature": 0.0}, "more than 0 K"),
        ({"temperature": -1.0, "distribution": "quantum"}, "at least 0 K"),
        ({"temperature": (300.0, float("nan"))}, "more than 0 K"),
        ({"temperature": ()}, "more than 0 K"),
        ({"temperature": "hot"}, "or 'ani'"),
        ({"force_constant_floor": 0.0}, "more than 0"),
        ({"step": -0.1}, "more than 0"),
        ({"fmax": 0}, "more than 0"),
        ({"relax_steps": 0}, "more than 0"),
        ({"energy_window": 0.0}, "energy_window"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NormalModes(**options)


def test_temperatures_from_a_file_are_a_tuple() -> None:
    assert NormalModes(temperature=[300.0, 600.0]) == NormalModes(temperature=(300.0, 600.0))


def test_parts_of_a_stream_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="n is -1"):
        NormalModes().propose(molecules("O"), -1, 0)

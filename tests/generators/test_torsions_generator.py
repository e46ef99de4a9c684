"""Rows of torsional scans: the contract, their order, what they say, and what they do not depend on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from molaug.generators.torsions import Torsions
from molaug.generators.torsions.dihedrals import dihedrals, rotation
from molaug.generators.torsions.generator import _KEPT_SCANS
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.testing import check_generator

MMFF = Torsions(calculator="mmff94s", step=30)


def graphs(*smiles: str) -> Structures:
    return Structures.concat(Structures.from_rdkit(Chem.MolFromSmiles(one)) for one in smiles)


def rows_of(generator: Torsions, parents: Structures, n: int = 1000, start: int = 0) -> Structures:
    return Structures.concat(generator.propose(parents, n, 0, start=start))


def qm9(data: Path, places: Sequence[int]) -> Structures:
    with np.load(data / "qm9/qm9_structures.npz") as file:
        z, x, offsets = (file[key] for key in ("z", "pos", "offsets"))
    atoms = [slice(offsets[k], offsets[k + 1]) for k in places]
    return Structures.from_arrays([z[some] for some in atoms], [x[some] for some in atoms])


@pytest.mark.parametrize(
    "generator", [MMFF, Torsions(step=60), Torsions(calculator="mmff94s", relax=False), Torsions(step=90, pairs=True)]
)
def test_the_contract_is_kept(generator: Torsions) -> None:
    parents = Structures.concat([graphs("CO"), rows_of(MMFF, graphs("OO"), 1), graphs("O")])
    check_generator(generator, parents, n=3, processes=0)


def test_rows_are_what_their_columns_say() -> None:
    rows = rows_of(MMFF, graphs("CCO"))
    assert len(rows) == 1 + 3 + 11  # the minimum, the methyl and the hydroxyl group
    assert rows.alive.all()
    assert set(rows.column("sampling_method")) == {"mmff94s"}
    assert set(rows.column("second_angle")) == {None}
    surface = Method.of("mmff94s")
    lowest = None
    for row in rows:
        chain = [int(atom) for atom in row.extra["torsion"].split("-")]
        found = np.degrees(dihedrals(row.positions, [chain])[0])
        assert np.cos(np.radians(found - row.extra["angle"])) > np.cos(np.radians(1e-6))
        energy = surface.atoms_of(row).get_potential_energy()
        lowest = energy if lowest is None else lowest
        assert row.extra["sampling_energy"] == pytest.approx(energy - lowest, abs=1e-9)
        assert (row.extra["barrier_height"] is not None) == (row.extra["stationary"] == "maximum")
        assert row.extra["displaced"]
        assert row.extra["intact"]
    assert rows.column("sampling_energy")[0] == 0
    assert rows.column("stationary")[0] == "minimum"
    assert rows.column("stationary").count("maximum") >= 3


def test_the_first_rows_cover_all_rotors_coarsely() -> None:
    rows = rows_of(MMFF, graphs("OCCO"), 4)
    assert len(set(rows.column("torsion")[1:])) == 3
    whole = rows_of(MMFF, graphs("OCCO"))
    first = [k for k, torsion in enumerate(whole.column("torsion")) if torsion == whole.column("torsion")[0]]
    angles = np.array(whole.column("angle"))[first[:4]]
    assert sorted(np.round((angles - angles[0]) % 360).tolist()) == [0, 90, 180, 270]


def test_parts_of_the_stream_join_whatever_was_kept() -> None:
    parents = graphs("CCO", "CC(=O)N")
    whole = rows_of(MMFF, parents)
    for row, (start, n) in enumerate([(0, 5), (5, 100), (3, 4)]):
        if row:
            _KEPT_SCANS.clear()
        part = rows_of(MMFF, parents, n, start)
        for parent in parents.ids:
            mine = [k for k, key in enumerate(whole.column("parent")) if key == parent][start : start + n]
            theirs = [k for k, key in enumerate(part.column("parent")) if key == parent]
            assert part.take(theirs).table.equals(whole.take(mine).table)


def test_only_the_scans_that_are_asked_for_are_computed() -> None:
    _KEPT_SCANS.clear()
    rows_of(MMFF, graphs("CC(C)C(O)CN"), 3)
    (scans,) = _KEPT_SCANS.values()
    assert len(scans.done) == 2 < len(scans.units)


@pytest.mark.parametrize("smiles", ["CCCO", "CC(=O)N", "OCC=O"])
def test_profiles_depend_neither_on_the_frame_nor_on_the_order_of_the_atoms(smiles: str) -> None:
    generator = Torsions(calculator="mmff94s", step=45, fmax=0.005)
    parent = rows_of(generator, graphs(smiles), 1).take([0])
    z, x = parent[0].numbers, parent[0].positions
    assert x is not None
    order = np.random.default_rng(1).permutation(len(z))
    moved = x @ rotation([1, 2, -1], 1.0).T + [5.0, 0, -3]
    profiles = []
    for numbers, positions in ((z, x), (z, moved), (z[order], x[order])):
        rows = rows_of(generator, Structures.from_arrays([numbers], [positions], smiles=[parent[0].smiles]))
        profiles.append(np.array(rows.column("sampling_energy")))
    assert profiles[1] == pytest.approx(profiles[0], abs=2e-4)
    # where the molecule is its own mirror image the order may choose the other side
    assert np.sort(profiles[2]) == pytest.approx(np.sort(profiles[0]), abs=2e-3)


def test_symmetry_gives_no_row_twice() -> None:
    # of ethane's 24 angles 8 are different, of both methyl groups of propane one is scanned
    assert len(rows_of(Torsions(calculator="mmff94s"), graphs("CC"))) == 8
    assert len(rows_of(Torsions(calculator="mmff94s"), graphs("CCC"))) == 8
    rows = rows_of(MMFF, graphs("CC(C)(C)C"))
    assert len(rows) == 4
    shapes = [np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=None) for x in (r.positions for r in rows)]
    for k, one in enumerate(shapes):
        for other in shapes[:k]:
            mirror = np.abs(one - other).max() < 0.02
            assert not mirror or k == 3  # 30° to both sides of staggered are mirror images


def test_rows_end_with_the_grid() -> None:
    assert len(rows_of(MMFF, graphs("CC"), 3)) == 3
    assert len(rows_of(MMFF, graphs("CC"), 1000)) == 4
    assert len(rows_of(MMFF, graphs("CC"), 10, start=4)) == 0


@pytest.mark.parametrize(
    ("smiles", "options"), [("O", {}), ("c1ccccc1", {}), ("CC#N", {}), ("CC", {"terminal": False})]
)
def test_without_a_rotor_one_row_says_so(smiles: str, options: dict[str, bool]) -> None:
    rows = rows_of(Torsions(calculator="mmff94s", **options), graphs(smiles))
    assert rows.column("reason") == ["torsions: no rotatable bond"]
    assert len(rows_of(Torsions(calculator="mmff94s", **options), graphs(smiles), 5, start=1)) == 0


def test_the_window_rejects_high_barriers_and_says_why() -> None:
    rows = rows_of(Torsions(calculator="mmff94s", step=30, energy_window=0.02), graphs("NC=O"))
    above = np.array(rows.column("sampling_energy")) / 6 > 0.02
    assert above.any()
    assert rows.alive.tolist() == (~above).tolist()
    assert all("the window is 0.02 eV" in reason for reason in rows.column("reason") if reason)


def test_pairs_have_both_angles_off_the_minimum() -> None:
    generator = Torsions(calculator="mmff94s", step=60, pairs=True)
    rows = rows_of(generator, graphs("CCO"))
    single = rows_of(Torsions(calculator="mmff94s", step=60), graphs("CCO"))
    assert len(single) == 1 + 1 + 5
    assert len(rows) == 1 + 1 + 5 + 1 * 5
    two = rows.filter(np.array([angle is not None for angle in rows.column("second_angle")]))
    assert len(two) == 5
    for row in two:
        for name in ("", "second_"):
            chain = [int(atom) for atom in row.extra[f"{name or ''}torsion"].split("-")]
            found = np.degrees(dihedrals(row.positions, [chain])[0])
            assert np.cos(np.radians(found - row.extra[f"{name}angle"])) == pytest.approx(1)


def test_a_calculator_that_fails_gives_a_reason() -> None:
    rows = rows_of(MMFF, Structures.from_arrays([[5, 9, 9, 8, 1]], None, smiles=["FB(F)O"]))
    assert not rows.alive.any()
    assert "mmff94s" in rows.column("reason")[0]


def test_real_molecules_are_scanned_without_a_failure(data: Path) -> None:
    parents = qm9(data, [20000, 52000, 101010])
    rows = rows_of(Torsions(calculator="mmff94s", step=30, terminal=False), parents)
    made = rows.filter(rows.has_geometry)
    assert len(made) == 12 + 23  # acetyl; ethyl and oxetanyl, the first a full turn and the other less its minimum
    assert made.alive.all()
    (bare,) = rows.filter(~rows.has_geometry)
    assert bare.reason == "torsions: no rotatable bond"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0}, "step is 0"),
        ({"step": 180}, "step is 180"),
        ({"fmax": 0}, "fmax is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"energy_window": -1}, "energy_window is -1"),
        ({"calculator": "gfn3-xtb"}, "unknown calculator 'gfn3-xtb'"),
    ],
)
def test_nonsense_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Torsions(**options)

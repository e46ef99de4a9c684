"""From datasets to arrays: bonds and places as the data say, SMILES orders, and every reason to leave a row out."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molaug.generators.diffusion import preparing as module
from molaug.generators.diffusion.geometries import GRID, N_ORDERS, Geometries
from molaug.generators.graph.kekule import smiles_orders
from molaug.structures import Structures
from molaug.structures.chemistry import canonical, parse
from molaug.structures.split import split_of

WATER = [[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]]
KINDS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}


@pytest.fixture(scope="module")
def qm9(data: Path) -> Structures:
    """Molecules spread over all of QM9, with more than their share of those with charged atoms."""
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        offsets, z, x, smiles = (arrays[name] for name in ("offsets", "z", "pos", "smiles"))
    charged = np.flatnonzero(np.char.find(smiles, b"+") >= 0)
    chosen = [*range(7, len(smiles), 1500), *charged[:: len(charged) // 12].tolist()]
    rows = [slice(offsets[k], offsets[k + 1]) for k in chosen]
    names = [smiles[k].decode() or None for k in chosen]
    return Structures.from_arrays([z[row] for row in rows], [x[row] for row in rows], smiles=names)


@pytest.fixture(scope="module")
def geometries(qm9: Structures) -> Geometries:
    return Geometries.read(qm9)


def row(geometries: Geometries, k: int) -> dict[str, np.ndarray]:
    """Arrays of one molecule."""
    atoms, bonds = (slice(starts[k], starts[k + 1]) for starts in (geometries.atom_starts, geometries.bond_starts))
    heavy = slice(geometries.heavy_starts[k], geometries.heavy_starts[k + 1])
    return {
        "numbers": np.array(geometries.types.numbers)[geometries.atoms[atoms]],
        "charges": np.array(geometries.types.charges)[geometries.atoms[atoms]],
        "positions": geometries.coordinates[atoms] * GRID,
        "parents": geometries.parents[atoms],
        "bonds": geometries.bonds[bonds].astype(int),
        "orders": geometries.orders[heavy].T.astype(int),
    }


def molecule(arrays: dict[str, np.ndarray]) -> Chem.Mol:
    """The molecule that arrays say, without its hydrogens."""
    mol = Chem.RWMol()
    for number, charge in zip(arrays["numbers"].tolist(), arrays["charges"].tolist(), strict=True):
        atom = Chem.Atom(number)
        atom.SetFormalCharge(charge)
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for i, j, order in arrays["bonds"].tolist():
        mol.AddBond(i, j, KINDS[order])
    Chem.SanitizeMol(mol)
    return Chem.RemoveHs(mol)


def same(a: Geometries, b: Geometries) -> None:
    for field in fields(Geometries):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert x.dtype == y.dtype, field.name
            np.testing.assert_array_equal(x, y, err_msg=field.name)
        elif field.name == "columns":
            assert list(x) == list(y)
            for name in x:
                np.testing.assert_array_equal(x[name], y[name])
        else:
            assert x == y, field.name


def test_bonds_and_charges_are_those_of_the_smiles_of_the_data(qm9: Structures, geometries: Geometries) -> None:
    assert geometries.rejected == {}
    claimed = qm9.column("smiles")
    known = 0
    for k, name in enumerate(geometries.smiles):
        assert Chem.MolToSmiles(molecule(row(geometries, k))) == name
        if claimed[k] is not None:
            assert name == canonical(parse(claimed[k]), isomeric=False)
            known += 1
    assert known > 0.9 * len(geometries)
    assert sum("+" in name for name in geometries.smiles) >= 10


def test_coordinates_are_those_of_the_data_about_their_centroid_on_the_grid(
    qm9: Structures, geometries: Geometries
) -> None:
    for k, s in enumerate(qm9):
        arrays = row(geometries, k)
        given = s.positions - s.positions.mean(0)
        # the order of the atoms: heavy ones as they were, then hydrogens; each place is found again
        distance = np.linalg.norm(arrays["positions"][:, None] - given, axis=2)
        assert (np.sort(distance.argmin(1)) == np.arange(len(given))).all()
        assert np.abs(arrays["positions"] - given[distance.argmin(1)]).max() <= 0.5 * GRID + 1e-9
        np.testing.assert_array_equal(arrays["numbers"], s.numbers[distance.argmin(1)])


def test_heavy_atoms_stand_first_and_hydrogens_side_by_side_behind(geometries: Geometries) -> None:
    for k in range(len(geometries)):
        arrays, n = row(geometries, k), int(geometries.heavy[k])
        assert (arrays["numbers"][:n] > 1).all()
        assert (arrays["numbers"][n:] == 1).all()
        np.testing.assert_array_equal(arrays["parents"][:n], np.arange(n))
        assert (np.diff(arrays["parents"][n:].astype(int)) >= 0).all()
        hydrogens = {(i, j) for i, j, _ in arrays["bonds"] if j >= n}
        assert hydrogens == {(arrays["parents"][j], j) for j in range(n, len(arrays["numbers"]))}


def test_orders_are_those_in_which_smiles_from_their_first_atoms_are_written(geometries: Geometries) -> None:
    for k in range(0, len(geometries), 2):
        arrays, n = row(geometries, k), int(geometries.heavy[k])
        mol = molecule(arrays)
        expected = {tuple(order) for order in smiles_orders(mol, n).tolist()}
        found = [tuple(order) for order in arrays["orders"].tolist()]
        assert len(set(found)) == min(n, N_ORDERS)
        if n <= N_ORDERS:
            assert {order[0] for order in found} == set(range(n))
        for order in found:
            assert sorted(order) == list(range(n))
            text = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
            assert Chem.CanonSmiles(text) == geometries.smiles[k]
        assert set(found) <= expected


def test_types_have_the_highest_valence_that_is_shown(geometries: Geometries) -> None:
    valences = dict(zip(geometries.types.names, geometries.types.valences, strict=True))
    assert valences == {"H": 1, "C": 4, "N-1": 2, "N": 3, "N+1": 4, "O-1": 1, "O": 2}


def test_several_geometries_of_a_molecule_are_several_rows_of_one_part() -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("OCCCN"))
    rdDistGeom.EmbedMultipleConfs(mol, 3, randomSeed=1)
    z = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    positions = [conformer.GetPositions() for conformer in mol.GetConformers()]
    geometries = Geometries.read(
        Structures.from_arrays([z] * 3, positions, extra={"rank": [1.0, 2.0, 3.0]}), columns=["rank"]
    )
    assert geometries.smiles == ("NCCCO",) * 3
    assert len(set(geometries.parts.tolist())) == 1
    assert len({row(geometries, k)["positions"].tobytes() for k in range(3)}) == 3
    assert geometries.columns["rank"].tolist() == [1.0, 2.0, 3.0]


def test_parts_are_those_of_the_smiles(geometries: Geometries) -> None:
    np.testing.assert_array_equal(geometries.parts, split_of(list(geometries.smiles)))


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(structures: Structures, monkeypatch: pytest.MonkeyPatch) -> None:
    some = structures.slice(0, 30)
    monkeypatch.setattr("molaug.generators.learned.processes.CHUNK", 7)
    same(Geometries.read(some, columns=["refractivity"]), Geometries.read(some, columns=["refractivity"], workers=2))


def test_what_was_prepared_is_found_again_and_told_apart(
    structures: Structures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = structures.slice(0, 12)
    first = Geometries.read(some, cache=tmp_path, seed=1)
    other = Geometries.read(some, cache=tmp_path, max_atoms=6)
    assert len(other) < len(first)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(module, "_prepare_one", None)  # nothing is prepared any more
    same(first, Geometries.read(some, cache=tmp_path, seed=1))
    with pytest.raises(TypeError):
        Geometries.read(some, cache=tmp_path, seed=2)


def embedded(smiles: str, charge: int = 0) -> dict:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    return {"numbers": numbers, "positions": mol.GetConformer().GetPositions(), "smiles": smiles, "charge": charge}


def polyyne(pairs: int) -> dict:
    """H-(C#C)n-H, 2.57 Å a pair."""
    x = np.cumsum([0.0, 1.06, *([1.2, 1.37] * pairs)[:-1], 1.06])
    positions = np.stack([x, 0 * x, 0 * x], 1)
    return {"numbers": [1, *[6] * (2 * pairs), 1], "positions": positions, "smiles": "C#C" * pairs}


REASONS = {
    "the row is rejected in its source": {"numbers": [8, 1, 1], "positions": WATER, "reason": "it is bad"},
    "no geometry": {"numbers": [8, 1, 1], "positions": None, "smiles": "O"},
    "more than 50 atoms": polyyne(25),
    "geometry and graph disagree": {"numbers": [8, 1, 1], "positions": WATER, "smiles": "[OH2+][H]"},
    "no bonds could be perceived": {"numbers": [8, 1, 1], "positions": np.eye(3) * 9},
    "several fragments": {"numbers": [2, 2], "positions": [[0, 0, 0], [0, 0, 5.0]]},
    "atom H is no heavy atom": {"numbers": [1, 1], "positions": [[0, 0, 0], [0, 0, 0.74]]},
    "atom O has an unpaired electron": embedded("C[O]"),
    "a bond of order DATIVE": embedded("C[NH2]->B"),
    "more than 16.4 Å from its middle": polyyne(14),
}


@pytest.mark.parametrize("reason", REASONS)
def test_rows_that_cannot_be_learned_from_are_counted_with_their_reason(reason: str) -> None:
    bad = {"charge": 0, "smiles": None, "reason": None, **REASONS[reason]}
    rows = Structures.from_arrays(
        [[8, 1, 1], bad["numbers"]],
        [WATER, bad["positions"]],
        charge=[0, bad["charge"]],
        smiles=["O", bad["smiles"]],
        reason=[None, bad["reason"]],
    )
    geometries = Geometries.read(rows, max_atoms=50)
    assert geometries.rejected == {reason: 1}
    assert geometries.smiles == ("O",)


def test_an_atom_alone_is_a_molecule() -> None:
    geometries = Geometries.read(Structures.from_arrays([[2], [8, 1, 1]], [[[1.0, 2.0, 3.0]], WATER]))
    assert geometries.smiles == ("[He]", "O")
    assert geometries.bond_counts.tolist() == [0, 2]
    assert not geometries.coordinates[0].any()


def test_numbers_that_are_not_finite_are_left_out() -> None:
    broken = np.array(WATER)
    broken[0, 0] = np.nan
    rows = Structures.from_arrays([[8, 1, 1]] * 2, [WATER, WATER], smiles=["O", "O"])
    geometries = Geometries.read(rows.with_columns({"positions": [WATER, broken]}))
    assert (len(geometries), sum(geometries.rejected.values())) == (1, 1)


def test_charged_molecules_keep_their_charges() -> None:
    rows = [embedded("[NH4+]", 1), embedded("C[N+](=O)[O-]"), embedded("CC(=O)[O-]", -1)]
    geometries = Geometries.read(
        Structures.from_arrays(*([row[name] for row in rows] for name in ("numbers", "positions")), charge=[1, 0, -1])
    )
    assert geometries.smiles == ("[NH4+]", "C[N+](=O)[O-]", "CC(=O)[O-]")
    assert [int(row(geometries, k)["charges"].sum()) for k in range(3)] == [1, 0, -1]


def test_columns_of_several_sources_are_nan_where_one_lacks_them() -> None:
    first = Structures.from_arrays([[8, 1, 1]], [WATER], energy=[-1.5], extra={"gap": [2.0]})
    second = Structures.from_arrays([[8, 1, 1]], [WATER])
    geometries = Geometries.read([first, second], columns=["gap", "energy"])
    np.testing.assert_array_equal(geometries.columns["gap"], [2.0, np.nan])
    np.testing.assert_array_equal(geometries.columns["energy"], [-1.5, np.nan])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["gab"]}, "no source has a column 'gab' of numbers"),
        ({"columns": ["nothing"]}, "column 'nothing' has no value for any molecule"),
        ({"max_atoms": 2}, r"no geometries to learn from; left out: \{'more than 2 atoms': 1\}"),
        ({"max_atoms": 0}, "max_atoms=0; expected at least 1"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_what_cannot_be_learned_from_is_told(options: dict, message: str) -> None:
    water = Structures.from_arrays([[8, 1, 1]], [WATER], extra={"nothing": [np.nan]})
    with pytest.raises(ValueError, match=message):
        Geometries.read(water, **options)

"""Bonds from coordinates: invariances, hard cases, and the listed SMILES of real molecules."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import AllChem
from scipy.spatial.transform import Rotation

from molaug.structures import Structures
from molaug.structures.chemistry import (
    bonds,
    canonical,
    flat_smiles,
    lay_graph,
    parse,
    perceive,
    same_bonds,
    with_smiles,
)

SMILES = [
    "CCO",
    "C[C@H](N)C(=O)O",
    "C/C=C\\F",
    "C[N+](=O)[O-]",
    "c1ccoc1",
    "C1C2CC1C2",
    "CC#N",
    "C[N+]#[C-]",
    "OC1CC1",
    "C=C=O",
]


def embedded(smiles: str) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and an MMFF geometry."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=11) == 0
    AllChem.MMFFOptimizeMolecule(mol)
    return np.array([a.GetAtomicNum() for a in mol.GetAtoms()]), mol.GetConformer().GetPositions()


GEOMETRIES = {smiles: embedded(smiles) for smiles in SMILES}


@pytest.mark.parametrize("smiles", SMILES)
def test_molecules_are_recognised(smiles):
    found = perceive(*GEOMETRIES[smiles])
    assert found.reason is None
    assert found.smiles == canonical(parse(smiles))


@given(st.sampled_from(SMILES), st.integers(0, 2**31))
def test_molecule_is_blind_to_order_and_rigid_motion(smiles, seed):
    z, x = GEOMETRIES[smiles]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(z))
    moved = Rotation.random(rng=rng).apply(x[order]) + rng.normal(size=3) * 5
    assert perceive(z[order], moved).smiles == perceive(z, x).smiles


def test_a_mirror_image_is_the_other_enantiomer():
    z, x = GEOMETRIES["C[C@H](N)C(=O)O"]
    mirrored = perceive(z, x * [1, 1, -1])
    assert mirrored.smiles == canonical(parse("C[C@@H](N)C(=O)O"))
    assert flat_smiles(mirrored.smiles) == "CC(N)C(=O)O"


def test_the_molecule_found_has_the_atoms_and_positions_given():
    z, x = GEOMETRIES["CCO"]
    mol = perceive(z, x).mol
    assert [a.GetAtomicNum() for a in mol.GetAtoms()] == z.tolist()
    assert np.array_equal(mol.GetConformer().GetPositions(), x)


def test_opposite_corners_of_a_cage_are_not_bonded():
    """The bridgeheads of bicyclo[1.1.1]pentane are 1.87 Å apart, nearer than many bonds are long."""
    head, bridge, h = 0.935, 1.29, 2.03
    x = [[0, 0, head], [0, 0, -head], [0, 0, h], [0, 0, -h]]
    z = [6, 6, 1, 1]
    for k in range(3):
        c, s = np.cos(2 * np.pi * k / 3), np.sin(2 * np.pi * k / 3)
        x += [[bridge * c, bridge * s, 0]]
        x += [[1.93 * c, 1.93 * s, 0.9 * t] for t in (1, -1)]
        z += [6, 1, 1]
    assert perceive(z, x).smiles == canonical(parse("C1C2CC1C2"))


@pytest.mark.parametrize(
    ("name", "charge", "multiplicity", "smiles"),
    [
        ("H2O", 0, 1, "O"),
        ("CH3", 0, 2, "[CH3]"),
        ("OH", 0, 2, "[OH]"),
        ("OH", -1, 1, "[OH-]"),
        ("CH3NO2", 0, 1, "C[N+](=O)[O-]"),
        ("CO", 0, 1, "[C-]#[O+]"),
        ("H2", 0, 1, "[H][H]"),
        ("HF", 0, 1, "F"),
        ("N2", 0, 1, "N#N"),
        ("C2H4", 0, 1, "C=C"),
        ("C6H6", 0, 1, "c1ccccc1"),
        ("CH3CH2O", 0, 2, "CC[O]"),
    ],
)
def test_radicals_ions_and_small_molecules(name, charge, multiplicity, smiles):
    frame = molecule(name)
    found = perceive(frame.numbers, frame.positions, charge, multiplicity)
    assert found.smiles == smiles, found.reason


@pytest.mark.parametrize(
    ("z", "charge", "multiplicity", "smiles"),
    [(1, 0, 2, "[H]"), (11, 1, 1, "[Na+]"), (6, 0, 3, "[C]"), (17, -1, 1, "[Cl-]")],
)
def test_single_atoms(z, charge, multiplicity, smiles):
    assert perceive([z], [[0, 0, 0]], charge, multiplicity).smiles == smiles


def test_impossible_spins_are_a_reason():
    assert perceive([8, 1], [[0, 0, 0], [0, 0, 0.97]], 0, 1).reason == "9 electrons cannot have multiplicity 1"


def test_no_atom_has_more_neighbours_than_its_element_can():
    rng = np.random.default_rng(0)
    for _ in range(50):
        z = rng.choice([1, 6, 7, 8, 9], size=12)
        x = rng.normal(size=(12, 3)) * 1.2  # far too dense: every atom has many within reach
        degrees = np.bincount(bonds(z, x).ravel(), minlength=12)
        limit = {1: 1, 6: 4, 7: 4, 8: 3, 9: 1}
        assert all(degree <= limit[int(number)] for degree, number in zip(degrees, z, strict=True))


def test_bonds_kept_broken_and_made():
    z, x = GEOMETRIES["CCO"]
    assert same_bonds(z, x, x + 0.01)
    apart = x.copy()
    apart[z == 8] += 3.0
    assert not same_bonds(z, x, apart)
    assert not same_bonds(z, apart, x)


def test_a_graph_is_laid_over_its_geometry_only():
    z, x = GEOMETRIES["CCO"]
    assert lay_graph("CCO", z, x).smiles == "CCO"
    assert "bonds of the geometry are not those" in lay_graph("COC", z, x).reason
    assert "has other atoms" in lay_graph("CCN", z, x).reason
    assert "RDKit cannot read the graph" in lay_graph("C(", z, x).reason


def test_a_claimed_stereo_must_be_that_of_the_geometry():
    z, x = GEOMETRIES["C[C@H](N)C(=O)O"]
    assert lay_graph("C[C@H](N)C(=O)O", z, x).mol is not None
    assert "the stereo of the geometry is" in lay_graph("C[C@@H](N)C(=O)O", z, x).reason
    assert lay_graph("CC(N)C(=O)O", z, x).smiles == canonical(parse("C[C@H](N)C(=O)O"))


def test_rows_without_a_graph_are_filled():
    z, x = GEOMETRIES["CCO"]
    batch = Structures.from_arrays([z, [1, 1, 1, 1]], [x, [[0, 0, 0], [0, 0, 9], [0, 9, 0], [9, 0, 0]]])
    filled, reasons = with_smiles(batch)
    assert filled.column("smiles")[0] == "CCO"
    assert filled.ids == batch.ids
    assert reasons[0] is None


def test_real_molecules_have_their_listed_smiles(data):
    with np.load(data / "qm9/qm9_structures.npz") as source:
        listed = np.flatnonzero(source["smiles_source"] == 1)  # GDB's own list
        rows = np.sort(np.random.default_rng(5).choice(listed, 300, replace=False))
        z, pos, offsets, smiles = (source[key] for key in ("z", "pos", "offsets", "smiles"))
    wrong = []
    for k in rows:
        atoms = slice(offsets[k], offsets[k + 1])
        found = perceive(z[atoms], pos[atoms])
        expected = canonical(parse(smiles[k].decode()), isomeric=False)
        if found.smiles is None or flat_smiles(found.smiles) != expected:
            wrong.append((int(k), expected, found.smiles or found.reason))
    assert wrong == []


@pytest.mark.parametrize("length", [0.6, 0.74, 0.85, 0.95])
def test_hydrogen_may_vibrate(length: float) -> None:
    """Its bond is longer than the radius of hydrogen in other bonds says."""
    assert perceive([1, 1], [[0, 0, 0], [0, 0, length]]).smiles == "[H][H]"


def test_hydrogens_pressed_together_are_no_bond() -> None:
    methane = molecule("CH4")
    x = methane.positions.copy()
    x[2] = x[1] + 0.9 * (x[2] - x[1]) / np.linalg.norm(x[2] - x[1])
    assert perceive(methane.numbers, x).smiles == "C"

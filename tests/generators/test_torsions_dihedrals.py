"""Dihedral angles, their gradients and the turns that change them."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolTransforms

from molaug.generators.torsions.dihedrals import defined, dihedral_gradients, dihedrals, rotation, wrapped


@pytest.fixture(scope="module")
def four() -> np.ndarray:
    """Hundred random sets of four atoms, shape (400, 3)."""
    return np.random.default_rng(0).normal(size=(400, 3))


@pytest.fixture(scope="module")
def quads() -> np.ndarray:
    return np.arange(400).reshape(100, 4)


def test_the_sign_is_that_of_rdkit() -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(O)CN"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    conformer = mol.GetConformer()
    chains = [[0, 1, 3, 4], [2, 1, 3, 4], [4, 3, 1, 0]]
    expected = [rdMolTransforms.GetDihedralRad(conformer, *chain) for chain in chains]
    assert dihedrals(conformer.GetPositions(), chains) == pytest.approx(expected, abs=1e-9)


def test_gradients_are_those_of_finite_differences(four: np.ndarray, quads: np.ndarray) -> None:
    h = 1e-6
    found = dihedral_gradients(four, quads)
    for atom in range(4):
        for axis in range(3):
            shift = np.zeros_like(four)
            shift[atom::4, axis] = h
            ahead, behind = dihedrals(four + shift, quads), dihedrals(four - shift, quads)
            change = [wrapped(angle) for angle in ahead - behind]
            scale = 1 + np.abs(found[:, atom, axis])
            assert np.max(np.abs(np.array(change) / (2 * h) - found[:, atom, axis]) / scale**3) < 1e-5


def test_gradients_know_no_motion_as_a_whole(four: np.ndarray, quads: np.ndarray) -> None:
    gradients = dihedral_gradients(four, quads)  # (100, 4, 3)
    scale = np.abs(gradients).max(axis=(1, 2))[:, None]
    assert np.max(np.abs(gradients.sum(axis=1)) / scale) < 1e-10
    torque = np.cross(four[quads], gradients).sum(axis=1)
    assert np.max(np.abs(torque) / scale) < 1e-9


@pytest.mark.parametrize("degrees", [0.0, 180.0])
def test_gradients_are_finite_where_the_sine_vanishes(degrees: float) -> None:
    x = np.array([[1.0, 0, -0.3], [0, 0, 0], [0, 0, 1], [np.cos(np.radians(degrees)), 0, 1.3]])
    assert np.isfinite(dihedral_gradients(x, [[0, 1, 2, 3]])).all()
    assert abs(dihedrals(x, [[0, 1, 2, 3]])[0]) == pytest.approx(np.radians(degrees))


def test_atoms_on_a_line_define_no_angle() -> None:
    x = np.array([[0.0, 0, -1], [0, 0, 0], [0, 0, 1], [1, 0, 1.3], [1, 0, 0]])
    assert defined(x, [[0, 1, 2, 3], [4, 1, 2, 3], [3, 2, 1, 0]]).tolist() == [False, True, False]


def test_a_rotation_is_proper_and_about_its_axis() -> None:
    axis = np.array([1.0, -2.0, 0.5])
    R = rotation(axis, 0.7)
    assert pytest.approx(np.eye(3), abs=1e-12) == R @ R.T
    assert np.linalg.det(R) == pytest.approx(1)
    assert R @ axis == pytest.approx(axis)
    assert np.trace(R) == pytest.approx(1 + 2 * np.cos(0.7))
    assert rotation([0, 0, 2], np.pi / 2) @ [1, 0, 0] == pytest.approx([0, 1, 0])


@pytest.mark.parametrize(("degrees", "expected"), [(0, 0), (180, 180), (-180, 180), (190, -170), (-540, 180), (725, 5)])
def test_angles_are_wrapped(degrees: float, expected: float) -> None:
    assert np.degrees(wrapped(np.radians(degrees))) == pytest.approx(expected)

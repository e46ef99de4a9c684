"""Superposition: what a motion does is undone, a mirror image is not, and scipy finds the same rotation."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from molaug.structures.superposition import kabsch_rmsd, rotation, superposed


@pytest.fixture
def pair() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A geometry and a rattled copy, both centred."""
    x = molecule("CH3CH2OH").positions
    y = x + 0.2 * np.random.default_rng(0).normal(size=x.shape)
    return x - x.mean(axis=0), y - y.mean(axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_a_motion_is_undone(seed: int) -> None:
    x = molecule("CH3CH2OH").positions
    rng = np.random.default_rng(seed)
    moved = Rotation.from_quat(rng.normal(size=4)).apply(x) + rng.normal(size=3)
    np.testing.assert_allclose(superposed([moved], x)[0], x, atol=1e-10)


def test_rotation_and_rmsd_are_those_of_scipy(pair: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    x, y = pair
    expected, square = Rotation.align_vectors(y, x)
    np.testing.assert_allclose(rotation(x, y), expected.as_matrix().T, atol=1e-9)
    assert kabsch_rmsd(x, y) == pytest.approx(square / np.sqrt(len(x)), abs=1e-9)
    assert kabsch_rmsd(x, y) == pytest.approx(np.sqrt(((x @ rotation(x, y) - y) ** 2).sum() / len(x)), abs=1e-9)


def test_mirror_images_are_apart_unless_reflections_are_allowed(
    pair: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    _, y = pair
    mirrored = y * [1, 1, -1]
    assert kabsch_rmsd(y, mirrored) > 0.05
    assert kabsch_rmsd(y, mirrored, mirror=True) == pytest.approx(0, abs=1e-6)
    assert np.linalg.det(rotation(mirrored, y)) == pytest.approx(1)


def test_atoms_on_a_line_are_superposed_too() -> None:
    line = np.array([[0.0, 0, -1], [0, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(superposed([line[:, [2, 1, 0]]], line)[0], line, atol=1e-12)
    assert len(superposed(np.zeros((0, 3, 3)), line)) == 0

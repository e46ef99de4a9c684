"""Hydrogens: those of every real molecule are found again from its heavy atoms, where they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from molaug.generators.diffusion.data import padded
from molaug.generators.diffusion.geometries import Geometries
from molaug.generators.diffusion.hydrogens import completed, hydrogen_table
from molaug.structures import Structures

TABLE = np.array([[0, 0, 0, 0, 0], [4, 3, 2, 1, 0], [2, 1, 0, 0, 0]])  # of H, C and O


def orders_of(geometries: Geometries) -> tuple[np.ndarray, ...]:
    """Types, bonds and counts, heavy atoms in one of their SMILES orders, hydrogens in that of their atoms."""
    rng = np.random.default_rng(0)
    batch = {name: value.numpy() for name, value in padded(geometries, np.arange(len(geometries))).items()}
    atoms, bonds = np.zeros_like(batch["atoms"]), np.zeros_like(batch["bonds"])
    for k, (size, heavy) in enumerate(zip(batch["sizes"].tolist(), batch["heavy"].tolist(), strict=True)):
        first = batch["orders"][k, rng.integers(batch["orders"].shape[1]), :heavy].tolist()
        place = {atom: rank for rank, atom in enumerate(first)}
        parents = [place[parent] for parent in batch["parents"][k, heavy:size].tolist()]
        order = first + [heavy + int(j) for j in np.argsort(parents, kind="stable")]
        atoms[k, :size] = batch["atoms"][k, order]
        bonds[k, :size, :size] = batch["bonds"][k][np.ix_(order, order)]
    return atoms, bonds, batch["heavy"], batch["sizes"]


def found_again(geometries: Geometries) -> None:
    assert geometries.implied.all()
    atoms, bonds, heavy, sizes = orders_of(geometries)
    n_heavy, hydrogen = int(heavy.max()), geometries.types.index_of(1, 0)
    inside = np.arange(n_heavy) < heavy[:, None]
    skeleton = bonds[:, :n_heavy, :n_heavy] * inside[:, :, None] * inside[:, None]
    found = completed(
        atoms[:, :n_heavy] * inside, skeleton, heavy, geometries.hydrogens, int(hydrogen or 0), geometries.n_max
    )
    n = found[0].shape[1]
    there = np.arange(n) < sizes[:, None]
    np.testing.assert_array_equal(found[2], sizes)
    np.testing.assert_array_equal(found[0] * there, atoms[:, :n])
    np.testing.assert_array_equal(found[1], bonds[:, :n, :n])


def test_the_hydrogens_of_real_molecules_are_found_again_in_any_order(data: Path) -> None:
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        offsets, z, x, smiles = (arrays[name] for name in ("offsets", "z", "pos", "smiles"))
    charged = np.flatnonzero(np.char.find(smiles, b"+") >= 0)
    chosen = [*range(3, len(smiles), 1500), *charged[:: len(charged) // 40].tolist()]
    rows = [slice(offsets[k], offsets[k + 1]) for k in chosen]
    found_again(Geometries.read(Structures.from_arrays([z[row] for row in rows], [x[row] for row in rows])))


def test_the_hydrogens_of_small_molecules_are_found_again(structures: Structures) -> None:
    found_again(Geometries.read(structures))


def test_valences_that_are_shown_are_filled_up_to() -> None:
    """Sulfur of 2, 4 and 6; what lies between is filled to the next."""
    table = hydrogen_table(np.array([0, 0, 0, 1]), np.array([2, 4, 6, 1]), np.array([0, 0, 0, 3]), 3)
    assert table[0].tolist() == [2, 1, 0, 1, 0, 1, 0]
    assert table[1].tolist() == [4, 3, 2, 1, 0, 0, 0]
    assert table[2].tolist() == [0] * 7  # never seen


def graph(kinds: list[int], *bonds: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    square = np.zeros((1, len(kinds), len(kinds)), dtype=int)
    for i, j, order in bonds:
        square[0, i, j] = square[0, j, i] = order
    return np.array([kinds]), square, np.array([len(kinds)])


@pytest.mark.parametrize(
    ("heavy", "parents"),
    [
        (graph([1]), [0, 0, 0, 0]),
        (graph([1, 2], (0, 1, 2)), [0, 0]),
        (graph([1, 2], (0, 1, 1)), [0, 0, 0, 1]),
        (graph([2, 1], (0, 1, 1)), [0, 1, 1, 1]),
        (graph([1, 1], (0, 1, 3)), [0, 1]),
        (graph([2, 1, 1, 1], (0, 1, 1), (0, 2, 1), (0, 3, 1)), [1, 1, 1, 2, 2, 2, 3, 3, 3]),  # one bond too many
    ],
)
def test_hydrogens_follow_in_the_order_of_their_atoms(heavy: tuple, parents: list[int]) -> None:
    n = heavy[0].shape[1]
    atoms, bonds, sizes = completed(*heavy, TABLE, 0, 29)
    assert sizes.tolist() == [n + len(parents)]
    assert atoms[0].tolist() == heavy[0][0].tolist() + [0] * len(parents)
    assert bonds[0, n:].argmax(1).tolist() == parents
    assert (bonds[0, n:].sum(1) == 1).all()
    np.testing.assert_array_equal(bonds[0], bonds[0].T)
    np.testing.assert_array_equal(bonds[:, :n, :n], heavy[1])  # nothing is repaired


def test_graphs_of_a_batch_do_not_see_each_other_and_room_is_kept() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 6, 50)
    there = np.arange(5) < sizes[:, None]
    atoms = rng.integers(1, 3, (50, 5)) * there
    upper = np.triu(rng.integers(0, 3, (50, 5, 5)), 1) * there[:, :, None] * there[:, None]
    bonds = upper + upper.transpose(0, 2, 1)
    found = completed(atoms, bonds, sizes, TABLE, 0, 9)
    assert found[2].max() <= 9
    for k, n in enumerate(sizes.tolist()):
        alone = completed(atoms[k : k + 1, :n], bonds[k : k + 1, :n, :n], sizes[k : k + 1], TABLE, 0, 9)
        size = int(found[2][k])
        assert alone[2].tolist() == [size]
        np.testing.assert_array_equal(alone[0][0], found[0][k, :size])
        np.testing.assert_array_equal(alone[1][0], found[1][k, :size, :size])
        assert not found[0][k, size:].any()
        assert not found[1][k, size:].any()

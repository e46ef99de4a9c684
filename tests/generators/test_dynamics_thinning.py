"""Farthest-point thinning and the distance that it goes by."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolAlign
from scipy.spatial.transform import Rotation

from molaug.generators.dynamics import farthest_first
from molaug.generators.dynamics.distance import hydrogen_groups, rmsd
from molaug.structures.superposition import superposed


@pytest.fixture(scope="module")
def mol() -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(O)CN"))
    rdDistGeom.EmbedMultipleConfs(mol, 12, randomSeed=1)
    return mol


@pytest.fixture(scope="module")
def geometries(mol: Chem.Mol) -> NDArray[np.float64]:
    """Conformers, shaken; shape (36, n_atoms, 3)."""
    rng = np.random.default_rng(0)
    x = np.array([conformer.GetPositions() for conformer in mol.GetConformers()])
    return np.concatenate([x + 0.1 * rng.normal(size=x.shape) for _ in range(3)])


def moved(x: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    turns = Rotation.random(len(x), random_state=rng).as_matrix()
    return np.einsum("npi,nji->npj", x, turns) + rng.normal(size=(len(x), 1, 3))


def spread(x: NDArray[np.float64], chosen: NDArray[np.intp] | list[int]) -> float:
    """Least distance between any two."""
    return min(float(rmsd(x[[a]], x[b])[0]) for a, b in combinations(chosen, 2))


def test_the_distance_is_that_of_rdkit(mol: Chem.Mol, geometries: NDArray[np.float64]) -> None:
    for k in range(1, 12):
        a, b = Chem.Mol(mol), Chem.Mol(mol)
        for copy, x in ((a, geometries[0]), (b, geometries[k])):
            copy.RemoveAllConformers()
            conformer = Chem.Conformer(len(x))
            conformer.SetPositions(np.ascontiguousarray(x))
            copy.AddConformer(conformer)
        assert rmsd(geometries[[k]], geometries[0])[0] == pytest.approx(rdMolAlign.AlignMol(b, a), abs=1e-6)


def test_hydrogens_are_exchanged_as_rdkit_does_where_geometries_are_close(mol: Chem.Mol) -> None:
    groups = hydrogen_groups(mol)
    assert [len(group) for group in groups] == [3, 2, 2]  # CH3, CH2, NH2; not the lone ones
    rng = np.random.default_rng(1)
    x = mol.GetConformer(0).GetPositions()
    exchanged = x.copy()
    for group in groups:
        exchanged[group] = x[np.roll(group, 1)]
    near = exchanged + 0.05 * rng.normal(size=x.shape)
    a, b = Chem.Mol(mol, confId=0), Chem.Mol(mol, confId=0)
    b.GetConformer().SetPositions(np.ascontiguousarray(near))
    a.GetConformer().SetPositions(np.ascontiguousarray(x))
    best = rdMolAlign.GetBestRMS(b, a)
    assert rmsd([near], x, groups)[0] == pytest.approx(best, abs=1e-6)
    assert rmsd([near], x)[0] > 3 * best


def test_exchange_only_lowers_distances(mol: Chem.Mol, geometries: NDArray[np.float64]) -> None:
    groups = hydrogen_groups(mol)
    plain, exchanged = rmsd(geometries, geometries[0]), rmsd(geometries, geometries[0], groups)
    assert (exchanged <= plain + 1e-12).all()
    assert (exchanged < plain - 0.05).any()


def test_superposition_moves_and_turns_but_never_mirrors(geometries: NDArray[np.float64]) -> None:
    x = geometries[0]
    np.testing.assert_allclose(superposed(moved(np.array([x] * 5)), x), [x] * 5, atol=1e-10)
    mirrored = rmsd([x * [1, 1, -1]], x)[0]
    assert mirrored > 0.1
    assert np.allclose(superposed([[[0, 0, 1.0], [0, 0, 3.0]]], [[1.0, 0, 0], [3.0, 0, 0]]), [[1, 0, 0], [3, 0, 0]])


def test_a_smaller_count_is_a_beginning(geometries: NDArray[np.float64]) -> None:
    whole = farthest_first(geometries, geometries[0], 36).tolist()
    assert sorted(whole) == list(range(36))
    for count in (0, 1, 7, 20):
        assert farthest_first(geometries, geometries[0], count).tolist() == whole[:count]
    assert len(farthest_first(geometries[:0], geometries[0], 5)) == 0


def test_each_is_the_farthest_of_those_left(geometries: NDArray[np.float64]) -> None:
    order = farthest_first(geometries, geometries[3], 8)
    distances = np.array([rmsd(geometries, x) for x in geometries])
    known = distances[3]
    for k in order:
        assert known[k] == known.max()
        known = np.minimum(known, distances[k])


def test_it_is_spread_more_widely_than_the_first_or_any_at_random(geometries: NDArray[np.float64]) -> None:
    chosen = spread(geometries, farthest_first(geometries, geometries[0], 8))
    rng = np.random.default_rng(2)
    others = [spread(geometries, rng.permutation(36)[:8].tolist()) for _ in range(30)]
    assert chosen > max(*others, spread(geometries, list(range(8))))


def test_it_is_at_least_half_as_good_as_the_best(geometries: NDArray[np.float64]) -> None:
    x = geometries[:14]
    order = farthest_first(x, x[0], 4)
    best = max(spread(x, list(chosen)) for chosen in combinations(range(14), 4))
    assert spread(x, order) >= best / 2


def test_the_order_does_not_depend_on_motion_or_on_equal_hydrogens(
    mol: Chem.Mol, geometries: NDArray[np.float64]
) -> None:
    groups = hydrogen_groups(mol)
    order = farthest_first(geometries, geometries[0], 10, groups).tolist()
    other = moved(geometries, seed=3)
    assert farthest_first(other, moved(geometries[:1], seed=4)[0], 10, groups).tolist() == order
    turned = geometries.copy()
    turned[5][groups[0]] = geometries[5][np.roll(groups[0], 1)]
    again = farthest_first(np.concatenate([geometries, turned[[5]]]), geometries[0], 37, groups)
    # the copy adds nothing, as little as what is known already: both come last
    assert set(again[-2:].tolist()) in ({0, 5}, {0, 36})

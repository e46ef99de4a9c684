"""The geometry tier against brute force, symmetric molecules and mirror images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolAlign
from scipy.spatial.transform import Rotation

from molaug.filters.redundancy.geometry import (
    Conformers,
    kabsch_rmsd,
    least_rmsd,
    mappings,
    skeleton,
    sorted_distances,
)


def embedded(smiles: str, n: int) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMultipleConfs(mol, n, randomSeed=11)
    return mol


def numbers(mol: Chem.Mol) -> np.ndarray:
    return np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])


def scrambled(z: np.ndarray, x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(z))
    return z[order], Rotation.random(random_state=seed).apply(x[order]) + rng.normal(size=3)


def brute_force(z: np.ndarray, x: np.ndarray, y: np.ndarray, *, mirror: bool = False) -> float:
    """The least RMSD over all permutations of equal elements."""
    x, y = x - x.mean(0), y - y.mean(0)
    best = np.inf
    for order in itertools.permutations(range(len(z))):
        if (z[list(order)] == z).all():
            for sign in (1, -1) if mirror else (1,):
                _, rssd = Rotation.align_vectors(x, sign * y[list(order)])
                best = min(best, rssd / np.sqrt(len(z)))
    return best


@given(st.integers(0, 10_000), st.floats(0.01, 1.0))
def test_distances_never_exceed_what_the_rmsd_allows(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    z, x = rng.choice([6, 7, 8], n), rng.normal(scale=2, size=(n, 3))
    y = x + rng.normal(scale=size, size=(n, 3))
    rmsd = float(kabsch_rmsd(x - x.mean(0), y - y.mean(0), mirror=True))
    bound = float(least_rmsd(sorted_distances(z, x), sorted_distances(z, y), n))
    assert bound <= rmsd + 1e-9
    spread = np.sqrt(np.mean((sorted_distances(z, x) - sorted_distances(z, y)) ** 2))
    assert spread <= 2 * rmsd + 1e-9


@given(st.integers(0, 1000))
def test_distances_know_no_frame_and_no_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, x = rng.choice([1, 6, 8], 6), rng.normal(size=(6, 3))
    z2, y = scrambled(z, x, seed)
    np.testing.assert_allclose(sorted_distances(z, x), sorted_distances(z2, y), atol=1e-9)


@given(st.integers(0, 1000))
def test_superposition_is_that_of_an_independent_solver(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 5, 3))
    x, y = x - x.mean(0), y - y.mean(0)
    _, rssd = Rotation.align_vectors(x, y)
    assert float(kabsch_rmsd(x, y)) == pytest.approx(rssd / np.sqrt(5), abs=1e-7)


@pytest.mark.parametrize(("name", "count"), [("CH4", 24), ("H2O", 2), ("C2H6", 72), ("C6H6", 12), ("NH3", 6)])
def test_symmetries_of_small_molecules_are_all_found(name: str, count: int) -> None:
    atoms = molecule(name)
    s = skeleton(atoms.numbers, atoms.positions)
    assert len(mappings(s, s)) == count


def test_neopentane_has_24_mappings_of_its_carbons() -> None:
    mol = embedded("CC(C)(C)C", 1)
    s = skeleton(numbers(mol), mol.GetConformer().GetPositions())
    assert len(mappings(s, s)) == 24


@pytest.mark.parametrize("smiles", ["CC(C)(C)C", "c1ccccc1", "O", "C", "CC", "[H][H]", "CC(=O)O", "C1CC1N(C)C"])
def test_the_same_geometry_is_found_in_any_frame_and_order(smiles: str) -> None:
    mol = embedded(smiles, 1)
    z, x = numbers(mol), mol.GetConformer().GetPositions()
    known = Conformers(threshold=0.1)
    known.add(known.shape(z, x))
    for seed in range(5):
        found = known.nearest(known.shape(*scrambled(z, x, seed)))
        assert found is not None
        assert found.rmsd == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["H2O", "NH3", "CH4", "CH3OH"])
def test_small_molecules_agree_with_brute_force_over_all_atoms(name: str) -> None:
    atoms = molecule(name)
    rng = np.random.default_rng(1)
    for _ in range(3):
        y = atoms.positions + rng.normal(scale=0.05, size=(len(atoms), 3))
        known = Conformers(threshold=5.0)
        known.add(known.shape(atoms.numbers, atoms.positions))
        found = known.nearest(known.shape(*scrambled(atoms.numbers, y, 2)))
        assert found is not None
        assert found.rmsd == pytest.approx(brute_force(atoms.numbers, atoms.positions, y), abs=1e-6)


@pytest.mark.parametrize("smiles", ["CCCCO", "CC(C)CC(N)=O", "OC1CCCC1C", "FC(F)(F)CCC"])
def test_conformers_agree_with_the_best_rmsd_of_rdkit(smiles: str) -> None:
    mol = embedded(smiles, 6)
    z, heavy = numbers(mol), Chem.RemoveHs(mol)
    xs = [c.GetPositions() for c in mol.GetConformers()]
    for i, j in itertools.combinations(range(len(xs)), 2):
        known = Conformers(threshold=9.0)
        known.add(known.shape(z, xs[i]))
        found = known.nearest(known.shape(*scrambled(z, xs[j], 5)))
        assert found is not None
        expected = rdMolAlign.GetBestRMS(Chem.Mol(heavy), Chem.Mol(heavy), prbId=i, refId=j)
        assert found.rmsd == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("smiles", ["CC(C)C", "c1ccccc1", "CCO", "CC(=O)[O-]", "C1CC1", "NCCN"])
def test_bounds_never_hide_a_geometry_within_the_threshold(smiles: str) -> None:
    mol = embedded(smiles, 1)
    z, x = numbers(mol), mol.GetConformer().GetPositions()
    rng = np.random.default_rng(3)
    for width in (0.01, 0.05):
        y = x + width * rng.normal(size=x.shape)
        pair = [Chem.Mol(mol), Chem.Mol(mol)]
        pair[1].GetConformer().SetPositions(y)
        best = rdMolAlign.GetBestRMS(*pair, maxMatches=100_000)
        # just wide enough: a bound that was too high would give the geometry up
        known = Conformers(threshold=best + 1e-6, hydrogens=True)
        known.add(known.shape(z, x))
        found = known.nearest(known.shape(*scrambled(z, y, 5)))
        assert found is not None
        assert found.rmsd == pytest.approx(best, abs=1e-6)
        # and just too narrow: what is told is no more than the truth
        narrow = Conformers(threshold=0.5 * best, hydrogens=True)
        narrow.add(narrow.shape(z, x))
        told = narrow.nearest(narrow.shape(*scrambled(z, y, 5)))
        assert told is not None
        assert told.rmsd <= best + 1e-9


def test_many_conformers_are_judged_as_one_by_one() -> None:
    mol = embedded("CCCC(C)O", 60)
    z, xs = numbers(mol), [c.GetPositions() for c in mol.GetConformers()]
    every = Conformers(threshold=0.4)
    kept: list[Conformers] = []
    for x in xs:
        found = every.nearest(every.shape(z, x))
        new = all((pair := one.nearest(one.shape(z, x))) is None or pair.rmsd > 0.4 for one in kept)
        assert (found is None or found.rmsd > 0.4) == new
        if new:
            every.add(every.shape(z, x))
            alone = Conformers(threshold=0.4)
            alone.add(alone.shape(z, x))
            kept.append(alone)
    assert 1 < len(every) < len(xs)


def test_mirror_images_are_one_geometry_on_request_only() -> None:
    mol = embedded("C[C@H](O)CN", 1)
    z, x = numbers(mol), mol.GetConformer().GetPositions()
    rmsd = {}
    for mirror in (False, True):
        known = Conformers(threshold=0.1, mirror=mirror)
        known.add(known.shape(z, x))
        found = known.nearest(known.shape(z, x * [1, 1, -1]))
        assert found is not None
        rmsd[mirror] = found.rmsd
    assert rmsd[True] == pytest.approx(0, abs=1e-5)
    assert rmsd[False] > 0.1


def test_distances_alone_give_a_lower_bound() -> None:
    mol = embedded("CCCCO", 2)
    z = numbers(mol)
    x, y = (c.GetPositions() for c in mol.GetConformers())
    found = {}
    for exact in (True, False):
        known = Conformers(threshold=9.0, exact=exact)
        known.add(known.shape(z, x))
        nearest = known.nearest(known.shape(z, y))
        assert nearest is not None
        found[exact] = nearest.rmsd
    assert 0 < found[False] <= found[True]


def test_hydrogens_count_on_request() -> None:
    ethanol = molecule("CH3CH2OH")
    z, x = ethanol.numbers, ethanol.positions.copy()
    oxygen = int(np.flatnonzero(z == 8)[0])
    hydrogens = np.flatnonzero(z == 1)
    turned = hydrogens[np.argmin(np.linalg.norm(x[hydrogens] - x[oxygen], axis=1))]
    carbon = np.flatnonzero(z == 6)[np.argmin(np.linalg.norm(x[z == 6] - x[oxygen], axis=1))]
    axis = (x[oxygen] - x[carbon]) / np.linalg.norm(x[oxygen] - x[carbon])
    y = x.copy()
    y[turned] = Rotation.from_rotvec(2.0 * axis).apply(x[turned] - x[oxygen]) + x[oxygen]
    for hydrogens_too in (False, True):
        known = Conformers(threshold=0.1, hydrogens=hydrogens_too)
        known.add(known.shape(z, x))
        found = known.nearest(known.shape(z, y))
        assert found is not None
        assert (found.rmsd > 0.1) is hydrogens_too


def test_a_stretched_bond_is_compared_in_the_order_given() -> None:
    butane = molecule("trans-butane")
    z, x = butane.numbers, butane.positions
    carbons = np.flatnonzero(z == 6)
    y = x.copy()
    y[carbons[0]] += 2 * (x[carbons[0]] - x[carbons].mean(0))
    known = Conformers(threshold=0.1)
    known.add(known.shape(z, x))
    first = known.nearest(known.shape(z, y))
    known.add(known.shape(z, y))
    second = known.nearest(known.shape(z, y))
    assert first is not None
    assert second is not None
    assert first.rmsd > 0.1
    assert second.rmsd == pytest.approx(0, abs=1e-6)

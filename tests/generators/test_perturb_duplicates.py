"""Duplicates: the RMSD of RDKit over all renumberings, without its cost; no motion and no exchange of equals counts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolAlign
from scipy.spatial.transform import Rotation

from molaug.generators.perturb.duplicates import Known, Symmetry
from molaug.generators.start import Start, start_of
from molaug.structures import Structures
from molaug.structures.hashing import stream

SMILES = (
    "O", "[H][H]", "N", "C", "CC", "CO", "CC#CC", "c1ccccc1", "CC(=O)[O-]", "CCCC", "CCCCC", "CN(C)C", "OCC(O)CO",
    "FC(F)(F)C(F)(F)F", "CC(C)O",
)  # fmt: skip


@cache
def start(smiles: str) -> Start:
    return start_of(Structures.from_rdkit(Chem.MolFromSmiles(smiles))[0], 1)


def rdkit_rmsd(mol: Chem.Mol, x: np.ndarray, y: np.ndarray) -> float:
    both = Chem.Mol(mol)
    both.RemoveAllConformers()
    for geometry in (x, y):
        conformer = Chem.Conformer(len(geometry))
        conformer.SetPositions(np.ascontiguousarray(geometry))
        both.AddConformer(conformer, assignId=True)
    return float(rdMolAlign.GetBestRMS(both, Chem.Mol(both), 1, 0, maxMatches=1_000_000))


def moved(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(x @ Rotation.random(rng=rng).as_matrix() + rng.normal(size=3))


def renumbered(begin: Start, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a geometry with equivalent atoms exchanged at random."""
    found = begin.mol.GetSubstructMatches(Chem.Mol(begin.mol), uniquify=False, maxMatches=1000)
    return np.asarray(x[list(found[rng.integers(len(found))])])


@pytest.mark.parametrize("smiles", SMILES)
@pytest.mark.parametrize("width", [0.02, 0.1, 0.4])
def test_rmsds_are_those_of_rdkit(smiles: str, width: float) -> None:
    begin, rng = start(smiles), stream(0, smiles)
    symmetry = Symmetry(begin.mol)
    for _ in range(3):
        other = begin.positions + width * rng.normal(size=begin.positions.shape)
        other = moved(renumbered(begin, other, rng), rng)
        expected = rdkit_rmsd(begin.mol, begin.positions, other)
        assert symmetry.rmsd(other, begin.positions[None])[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("smiles", "order"),
    [("O", 2), ("C", 24), ("CC", 72), ("c1ccccc1", 12), ("CC(=O)[O-]", 12), ("CC(C)(C)C", 24 * 6**4), ("OCl", 1)],
)
def test_the_order_is_that_of_the_group_of_the_graph(smiles: str, order: int) -> None:
    assert Symmetry(start(smiles).mol).order == order


@pytest.mark.parametrize("smiles", [*SMILES, "CC(C)(C)C", "CC(C)(C)C(C)(C)C"])
def test_copies_are_found_however_they_lie_and_are_numbered(smiles: str) -> None:
    begin, rng = start(smiles), stream(1, smiles)
    known = Known(begin.mol, 0.02)
    known.add(begin.positions + 0.3 * rng.normal(size=begin.positions.shape))
    x = begin.positions + 0.1 * rng.normal(size=begin.positions.shape)
    known.add(x)
    for _ in range(5):
        assert known.find(moved(renumbered(begin, x, rng), rng)) == 1


def test_a_methyl_group_turned_by_120_degrees_is_the_same() -> None:
    begin = start("CO")
    x = begin.positions
    axis = (x[1] - x[0]) / np.linalg.norm(x[1] - x[0])
    hydrogens = [atom.GetIdx() for atom in begin.mol.GetAtomWithIdx(0).GetNeighbors() if atom.GetAtomicNum() == 1]
    known = Known(begin.mol, 0.05)
    known.add(x)
    for angle, same in ((120, True), (240, True), (60, False), (30, False)):
        turned = x.copy()
        turned[hydrogens] = (x[hydrogens] - x[0]) @ Rotation.from_rotvec(np.radians(angle) * axis).as_matrix().T + x[0]
        assert (known.find(turned) == 0) == same
        # as the peer has it, without renumbering, none of them is
        assert np.linalg.norm(turned - x, axis=1).mean() > 0.1


def test_mirror_images_count_as_different() -> None:
    begin, rng = start("CC(C)O"), stream(2, "mirror")
    x = begin.positions + 0.15 * rng.normal(size=begin.positions.shape)
    known = Known(begin.mol, 0.05)
    known.add(x)
    assert known.find(x * [1, 1, -1]) is None
    # but a planar geometry is its own mirror image
    known = Known(start("O").mol, 0.05)
    known.add(start("O").positions)
    assert known.find(start("O").positions * [1, 1, -1]) == 0


@pytest.mark.parametrize("smiles", ["CO", "CCCC", "CN(C)C"])
def test_the_screen_by_distances_never_loses_a_duplicate(smiles: str) -> None:
    begin, rng = start(smiles), stream(3, smiles)
    symmetry, threshold = Symmetry(begin.mol), 0.08
    known, xs = Known(begin.mol, threshold), []
    for _ in range(40):
        x = begin.positions + 0.06 * rng.normal(size=begin.positions.shape)
        least = symmetry.rmsd(x, np.array(xs)) if xs else np.array([np.inf])
        found = known.find(x)
        assert (found is not None) == (least.min() < threshold)
        if found is not None:
            assert found == least.argmin()
        known.add(x)
        xs.append(x)
    assert len(known) == 40


def test_the_rmsd_is_symmetric() -> None:
    begin, rng = start("CCCCC"), stream(4, "symmetric")
    symmetry = Symmetry(begin.mol)
    x, y = (begin.positions + 0.2 * rng.normal(size=begin.positions.shape) for _ in range(2))
    assert symmetry.rmsd(x, y[None])[0] == pytest.approx(symmetry.rmsd(y, x[None])[0], abs=1e-9)


def test_nothing_is_known_at_first() -> None:
    begin = start("O")
    assert Known(begin.mol, 0.05).find(begin.positions) is None
    assert len(Symmetry(begin.mol).rmsd(begin.positions, np.empty((0, 3, 3)))) == 0

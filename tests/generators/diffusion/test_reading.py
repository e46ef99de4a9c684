"""What becomes of drawn molecules: nothing is repaired, a polish settles geometries, and reasons say what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from scipy.spatial.distance import pdist

from molaug.generators.diffusion.conformer_reading import read_conformer
from molaug.generators.diffusion.reading import numbers_of, read, settle
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.chemistry import canonical, flat_smiles, lay_graph, strict_reasons_of_smiles
from molaug.structures.chemistry.integrity import BROKEN_BONDS, OTHER_STEREO

RING = "OC1CCC(F)C1"


def embedded(smiles: str) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=3) == 0
    rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=2000)
    return mol


def drawn(mol: Chem.Mol, noise: float = 0.0, seed: int = 0) -> Chem.Mol:
    """The molecule as a network would hand it over: Kekulé bonds, all hydrogens explicit, not sanitised."""
    kekulized = Chem.Mol(mol)
    Chem.Kekulize(kekulized, clearAromaticFlags=True)
    bare = Chem.RWMol()
    for atom in kekulized.GetAtoms():
        copy = Chem.Atom(atom.GetAtomicNum())
        copy.SetFormalCharge(atom.GetFormalCharge())
        copy.SetNoImplicit(True)
        bare.AddAtom(copy)
    for bond in kekulized.GetBonds():
        bare.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), bond.GetBondType())
    conformer = Chem.Conformer(mol.GetNumAtoms())
    x = mol.GetConformer().GetPositions()
    conformer.SetPositions(x + noise * np.random.default_rng(seed).normal(size=x.shape))
    bare.AddConformer(conformer, assignId=True)
    return bare.GetMol()


def renumbered(mol: Chem.Mol, seed: int = 0) -> Chem.Mol:
    return Chem.RenumberAtoms(mol, np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist())


def positions(mol: Chem.Mol) -> NDArray[np.float64]:
    x: NDArray[np.float64] = mol.GetConformer().GetPositions()
    return x


# ---------------------------------------------------------------------- tiers


def test_sound_molecules_are_read_as_they_are(structures: Structures) -> None:
    for row in structures:
        assert row.positions is not None
        mol = lay_graph(str(row.smiles), row.numbers, row.positions).mol
        reading = read(drawn(mol), polish="none")
        assert (reading.reason, reading.raw_valid, reading.strict) == (None, True, True)
        assert flat_smiles(str(reading.smiles)) == reading.raw_smiles == flat_smiles(str(row.smiles))
        assert np.array_equal(reading.settled.positions, row.positions)
        assert (reading.settled.by, reading.settled.rmsd, reading.settled.energy_drop) == (None, None, None)


def test_a_polish_brings_blurred_geometries_back(structures: Structures) -> None:
    settled = found = 0
    for k, row in enumerate(structures):
        mol = drawn(lay_graph(str(row.smiles), row.numbers, row.positions).mol, noise=0.15, seed=k)
        reading = read(mol)
        found += reading.strict
        settled += reading.smiles is not None and flat_smiles(reading.smiles) == reading.raw_smiles
        assert reading.settled.by == "mmff94"
        assert 0.0 < float(reading.settled.rmsd or 0.0) < 1.0
        assert float(reading.settled.energy_drop or 0.0) > 0.0
    assert settled == len(structures) > found


def test_what_is_read_is_left_as_it_was() -> None:
    mol = drawn(embedded(RING), noise=0.1)
    before = mol.ToBinary()
    read(mol)
    assert mol.ToBinary() == before


def test_bonds_that_are_not_valid_name_nothing_though_the_geometry_may_be_sound() -> None:
    mol = Chem.RWMol(drawn(embedded("CC=O"), noise=0.02))
    mol.GetBondBetweenAtoms(1, 2).SetBondType(Chem.BondType.TRIPLE)
    reading = read(mol.GetMol())
    assert (reading.smiles, reading.raw_valid, reading.strict) == (None, False, True)
    assert str(reading.reason).startswith("bonds are not valid as drawn: valence: ")
    assert "#" in reading.raw_smiles  # every atom as drawn
    assert strict_reasons_of_smiles([reading.raw_smiles])[0] is not None
    assert np.array_equal(reading.settled.positions, positions(mol))


def test_a_geometry_that_shows_other_bonds_than_were_drawn_is_refused() -> None:
    mol = drawn(embedded("CC=O"))
    x = positions(mol)
    x[3] += 3.0
    mol.GetConformer().SetPositions(x)
    reading = read(mol, polish="none")
    assert (reading.smiles, reading.raw_valid, reading.strict) == (None, True, False)
    assert reading.reason == "its bonds are not those that were drawn"


@pytest.mark.parametrize(("smiles", "reason"), [("O.O", "fragments: 2"), ("C[CH2]", "radicals"), ("[NH4+]", "charge")])
def test_what_is_no_single_neutral_closed_shell_is_refused(smiles: str, reason: str) -> None:
    mol = embedded(smiles)
    if "." in smiles:
        x = positions(mol)
        x[[0, 2, 3]] += 8.0
        mol.GetConformer().SetPositions(x)
    reading = read(drawn(mol))
    assert (reading.raw_valid, reading.strict, reading.smiles) == (False, False, None)
    assert reason in str(reading.reason)


def test_raw_refuses_what_a_polish_would_have_mended() -> None:
    mol = drawn(embedded(RING))
    x = positions(mol)
    x[-1] += 1.2 * (x[-1] - x[1]) / np.linalg.norm(x[-1] - x[1])  # a hydrogen, away from the ring
    mol.GetConformer().SetPositions(x)
    kept, refused = read(mol), read(mol, raw=True)
    assert kept.smiles is not None
    assert not kept.strict
    assert str(refused.reason).startswith("not valid as drawn: ")
    assert np.array_equal(refused.settled.positions, positions(mol))


def test_positions_that_are_not_finite_are_a_reason() -> None:
    mol = drawn(embedded("O"))
    x = positions(mol)
    x[1, 0] = np.nan
    mol.GetConformer().SetPositions(x)
    for displaced in (False, True):
        assert "not finite" in str(read(mol, displaced=displaced).reason)


# ---------------------------------------------------------------------- off equilibrium


def test_displaced_geometries_stay_as_drawn_and_are_named_by_the_bonds_of_the_network() -> None:
    mol = embedded("C[C@H](F)C=O")
    bent = drawn(mol, noise=0.06)
    reading = read(bent, displaced=True)
    assert reading.smiles == canonical(mol)
    assert np.array_equal(reading.settled.positions, positions(bent))
    assert reading.settled.by is None
    x = positions(bent)
    x[0] += (x[0] - x[1]) * 0.8
    bent.GetConformer().SetPositions(x)
    assert read(bent, displaced=True).reason == "its bonds are not those that were drawn"
    wrong = Chem.RWMol(drawn(mol))
    wrong.RemoveBond(0, 1)
    assert read(wrong.GetMol(), displaced=True).reason == "bonds are not valid as drawn: fragments: 2"


# ---------------------------------------------------------------------- GFN2-xTB


def test_gfn2_xtb_takes_a_geometry_to_its_minimum_in_a_bounded_number_of_steps() -> None:
    mol = drawn(embedded("CO"), noise=0.08)
    reading = read(mol, polish="gfn2-xtb")
    assert (reading.smiles, reading.settled.by) == ("CO", "gfn2-xtb")
    row = Structures.from_arrays([numbers_of(mol)], [reading.settled.positions])[0]
    atoms = Method(calculator="gfn2-xtb").atoms_of(row)
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() < 0.051
    first = Structures.from_arrays([numbers_of(mol)], [positions(mol)])[0]
    before = Method(calculator="gfn2-xtb").atoms_of(first).get_potential_energy()
    assert reading.settled.energy_drop == pytest.approx(before - atoms.get_potential_energy(), abs=1e-5)
    short = read(mol, polish="gfn2-xtb", steps=1)
    assert float(short.settled.energy_drop or 0) < float(reading.settled.energy_drop or 0)


def test_a_geometry_that_gfn2_xtb_cannot_compute_is_a_reason() -> None:
    mol = embedded("CO")
    mol.GetConformer().SetPositions(np.zeros((6, 3)))
    settled = settle(mol, "gfn2-xtb", 5)
    assert "gfn2-xtb" in str(settled.reason)
    assert not settled.positions.any()


# ---------------------------------------------------------------------- conformers


@pytest.mark.parametrize("smiles", [RING, "C[C@H](O)[C@@H](F)C", "F/C=C/C#N", "c1ccncc1", "CC(C)(C)C", "O"])
def test_atoms_come_in_the_order_of_the_molecule(smiles: str) -> None:
    mol = embedded(smiles)
    Chem.AssignStereochemistryFrom3D(mol)
    for seed in range(3):
        reading = read_conformer(drawn(renumbered(mol, seed)), mol, polish="none")
        assert (reading.reason, reading.raw_valid, reading.mirrored) == (None, True, False)
        again = Chem.Mol(mol)
        again.GetConformer().SetPositions(reading.settled.positions)
        found = lay_graph(canonical(mol), numbers_of(mol), positions(again))
        assert found.smiles == canonical(mol)
        for bond in mol.GetBonds():  # the same atoms are bonded, equivalent ones may have changed places
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            before, after = (np.linalg.norm(x[i] - x[j]) for x in (positions(mol), positions(again)))
            assert after == pytest.approx(before, abs=0.05)


def test_the_mirror_image_is_taken_where_it_has_the_stereo() -> None:
    mol, other = embedded("C[C@H](F)C=O"), embedded("C[C@@H](F)C=O")
    reading = read_conformer(drawn(renumbered(other), noise=0.02), mol)
    assert (reading.reason, reading.mirrored) == (None, True)
    assert reading.settled.by == "mmff94"
    assert lay_graph(canonical(mol), numbers_of(mol), reading.settled.positions).reason is None
    raw = read_conformer(drawn(other), mol, polish="none")
    assert pdist(raw.settled.positions) == pytest.approx(pdist(positions(other)))


def test_other_diastereomers_and_broken_bonds_are_refused() -> None:
    mol = embedded("O[C@H]1CC[C@@H](F)C1")
    other = drawn(embedded("O[C@H]1CC[C@H](F)C1"))
    reading = read_conformer(other, mol, polish="none")
    assert (reading.reason, reading.raw_valid) == (OTHER_STEREO, False)
    apart = drawn(mol)
    x = positions(apart)
    x[0] += 3.0
    apart.GetConformer().SetPositions(x)
    assert read_conformer(apart, mol, polish="none").reason == BROKEN_BONDS


def test_stereo_that_is_left_open_is_free() -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles(RING))  # no geometry, nothing marked
    for smiles in ("O[C@H]1CC[C@@H](F)C1", "O[C@H]1CC[C@H](F)C1"):
        assert read_conformer(drawn(embedded(smiles)), mol, polish="none").reason is None

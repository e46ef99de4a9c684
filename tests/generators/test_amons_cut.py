"""AMONs cut out of geometries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.data import covalent_radii
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolTransforms
from scipy.spatial.transform import Rotation

from molaug.generators.amons import CutAmon, amons, cut_amons
from molaug.generators.amons.relaxation import heavy_torsions, shape_descriptor


def embedded(smiles: str, seed: int = 7) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=seed) == 0
    return mol


def kept(found: list[CutAmon]) -> list[CutAmon]:
    return [amon for amon in found if amon.reason is None]


def rejected(found: list[CutAmon], why: str) -> list[CutAmon]:
    return [amon for amon in found if amon.reason is not None and amon.reason.startswith(why)]


@pytest.fixture(scope="module")
def parent() -> Chem.Mol:
    return embedded("O=CCc1ccncc1")


def test_graphs_equal_those_of_the_authors_program_and_so_nearly_do_the_conformers(oracles: Path) -> None:
    molecules = json.loads((oracles / "amons.json").read_text())["mode_3d"]["molecules"]
    conformers = 0
    for smiles, entry in molecules.items():
        mol = Chem.MolFromMolBlock(entry["molblock"], removeHs=False)
        found = kept(cut_amons(mol, rules="reference"))
        assert {amon.smiles for amon in found} == set(entry["graphs"]), smiles
        conformers += len(found)
    assert conformers == pytest.approx(sum(e["n_conformers"] for e in molecules.values()), rel=0.1)


def test_three_molecules_of_the_authors_manual_have_42_graphs_in_all(oracles: Path) -> None:
    molecules = json.loads((oracles / "amons.json").read_text())["mode_3d"]["molecules"]
    graphs: set[str] = set()
    for smiles in ("O=CCc1ccccc1", "O=CCc1ccncc1", "CC(C)(O)c1ccco1"):
        mol = Chem.MolFromMolBlock(molecules[smiles]["molblock"], removeHs=False)
        graphs |= {amon.smiles for amon in kept(cut_amons(mol, rules="reference"))}
    assert len(graphs) == 42


@pytest.mark.parametrize("smiles", ["CC(C)(O)c1ccco1", "C1CC2CC1CO2", "CCCCO", "CC(=O)NCC#N", "C=C[N+](=O)[O-]"])
def test_graphs_are_among_those_of_the_graph_mode(smiles: str) -> None:
    found = cut_amons(embedded(smiles))
    assert {amon.smiles for amon in found} == set(amons(smiles))
    assert {amon.smiles for amon in kept(found)} <= set(amons(smiles))
    for amon in found:
        assert Chem.MolToSmiles(Chem.RemoveHs(amon.mol), isomericSmiles=False) == amon.smiles


def test_heavy_atoms_stay_in_place_and_new_hydrogens_lie_on_the_old_bonds(parent: Chem.Mol) -> None:
    positions = parent.GetConformer().GetPositions()
    length = {6: 1.10, 7: 1.00, 8: 0.98}
    for amon in kept(cut_amons(parent, relax=False)):
        mol, at = amon.mol, amon.mol.GetConformer().GetPositions()
        n = len(amon.parent_atoms)
        np.testing.assert_allclose(at[:n], positions[list(amon.parent_atoms)], atol=1e-12)
        assert amon.force_field is None
        for hydrogen in range(n, mol.GetNumAtoms()):
            holder = mol.GetAtomWithIdx(hydrogen).GetNeighbors()[0].GetIdx()
            inherited = np.linalg.norm(positions - at[hydrogen], axis=1).min() < 1e-9
            if inherited:
                continue
            bond = at[hydrogen] - at[holder]
            z = mol.GetAtomWithIdx(holder).GetAtomicNum()
            assert np.linalg.norm(bond) == pytest.approx(length[z], abs=1e-9)
            neighbours = parent.GetAtomWithIdx(amon.parent_atoms[holder]).GetNeighbors()
            old = [positions[b.GetIdx()] - at[holder] for b in neighbours]
            cosine = [bond @ v / np.linalg.norm(bond) / np.linalg.norm(v) for v in old]
            assert max(cosine) == pytest.approx(1.0, abs=1e-9)


def test_relaxation_keeps_bonds_and_dihedrals_of_heavy_atoms(parent: Chem.Mol) -> None:
    static = {(a.smiles, a.parent_atoms): a for a in cut_amons(parent, relax=False)}
    relaxed = kept(cut_amons(parent))
    assert any(heavy_torsions(amon.mol) for amon in relaxed)
    for amon in relaxed:
        assert amon.force_field == "mmff94"
        before = static[amon.smiles, amon.parent_atoms].mol.GetConformer()
        for torsion in heavy_torsions(amon.mol):
            turn = rdMolTransforms.GetDihedralDeg(amon.mol.GetConformer(), *torsion)
            turn -= rdMolTransforms.GetDihedralDeg(before, *torsion)
            assert abs((turn + 180.0) % 360.0 - 180.0) < 2.1
        at = amon.mol.GetConformer().GetPositions()
        for bond in amon.mol.GetBonds():
            i, j = bond.GetBeginAtom(), bond.GetEndAtom()
            radii = covalent_radii[i.GetAtomicNum()] + covalent_radii[j.GetAtomicNum()]
            assert np.linalg.norm(at[i.GetIdx()] - at[j.GetIdx()]) < 1.3 * radii


def test_fragments_whose_new_hydrogens_meet_are_crowded() -> None:
    # Two hydrogens in the place of one carbon atom of the cyclohexane ring
    found = cut_amons(embedded("C1CCCCC1"))
    assert "CCCCC" in amons("C1CCCCC1")
    pentane = [amon for amon in found if amon.smiles == "CCCCC"]
    assert len(pentane) == 6
    assert all(amon in rejected(found, "crowded: H and H") for amon in pentane)


def test_conformers_of_one_amon_are_kept_apart_and_repeats_are_marked() -> None:
    found = cut_amons(embedded("CCCCCCC"))
    butane = [amon for amon in found if amon.smiles == "CCCC"]
    assert len(butane) == 4
    descriptors = [shape_descriptor(amon.mol.GetConformer().GetPositions()) for amon in kept(butane)]
    for i, one in enumerate(descriptors):
        for other in descriptors[:i]:
            assert np.abs(one - other).sum() > 0.01
    assert len(kept([amon for amon in found if amon.smiles == "CC"])) == 1
    assert len(rejected(found, "same conformer")) > 0


def test_rigid_motion_has_no_influence(parent: Chem.Mol) -> None:
    moved = Chem.Mol(parent)
    rotation = Rotation.random(random_state=1).as_matrix()
    at = parent.GetConformer().GetPositions() @ rotation.T + [3.0, -2.0, 5.0]
    moved.GetConformer().SetPositions(at)
    before, after = cut_amons(parent), cut_amons(moved)
    assert [(a.smiles, a.parent_atoms, a.reason) for a in before] == [
        (a.smiles, a.parent_atoms, a.reason) for a in after
    ]
    for a, b in zip(kept(before), kept(after), strict=True):
        one, other = (shape_descriptor(x.mol.GetConformer().GetPositions()) for x in (a, b))
        assert np.abs(one - other).sum() < 0.01  # the same conformer


def test_the_same_input_gives_the_same_numbers_and_is_not_changed(parent: Chem.Mol) -> None:
    before = parent.GetConformer().GetPositions().copy()
    first, second = cut_amons(parent), cut_amons(parent)
    for a, b in zip(first, second, strict=True):
        assert (a.smiles, a.parent_atoms, a.reason) == (b.smiles, b.parent_atoms, b.reason)
        assert np.array_equal(a.mol.GetConformer().GetPositions(), b.mol.GetConformer().GetPositions())
    assert np.array_equal(parent.GetConformer().GetPositions(), before)


def test_hydrogens_may_stand_anywhere_among_the_atoms() -> None:
    mol = embedded("CC(N)CO")
    order = np.random.default_rng(3).permutation(mol.GetNumAtoms()).tolist()
    shuffled = Chem.RenumberAtoms(mol, order)
    found = cut_amons(shuffled)
    assert {a.smiles for a in kept(found)} == {a.smiles for a in kept(cut_amons(mol))}
    for amon in found:
        for new, old in enumerate(amon.parent_atoms):
            z = shuffled.GetAtomWithIdx(old).GetAtomicNum()
            assert amon.mol.GetAtomWithIdx(new).GetAtomicNum() == z > 1


def test_uff_steps_in_where_mmff94_has_no_parameters() -> None:
    found = cut_amons(embedded("CB(O)CC"))
    by_graph = {amon.smiles: amon.force_field for amon in kept(found)}
    assert by_graph["CBC"] == "uff"
    assert by_graph["CC"] == "mmff94"


def test_molecules_that_cannot_be_cut_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="no 3D conformer"):
        cut_amons(Chem.AddHs(Chem.MolFromSmiles("CCO")))
    with pytest.raises(ValueError, match="lacks hydrogen"):
        cut_amons(Chem.RemoveHs(embedded("CCO")))
    with pytest.raises(ValueError, match="charge"):
        cut_amons(embedded("C[NH3+]"))
    with pytest.raises(ValueError, match="expected 1 to 7"):
        cut_amons(embedded("CO"), 9)
    with pytest.raises(ValueError, match="threshold"):
        cut_amons(embedded("CO"), threshold=-1.0)

"""Geometries within the whole evaluation: every format, every figure, and its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import write
from rdkit import Chem
from rdkit.Chem import AllChem

from molaug.evaluation import Evaluation, Reference, evaluate_samples, read_samples, smiles_samples
from molaug.evaluation.geometry_tier import geometry_tier
from molaug.evaluation.protocol import GEOMETRY_PROTOCOL
from molaug.structures import Structures
from molaug.structures.split import split_of

NAMES = ["CH3OH", "CH3OH", "C2H6", "H2O", "CH3NO2"]


@pytest.fixture(scope="module")
def frames() -> list[Atoms]:
    whole = [molecule(name) for name in NAMES]
    return [*whole, whole[0][:-1], Atoms("CH4", np.zeros((5, 3)))]


@pytest.fixture(scope="module")
def embedded() -> list[Chem.Mol]:
    """Thirty small molecules with geometries."""
    smiles = (
        ["C" * n for n in range(2, 12)] + ["C" * n + "O" for n in range(1, 11)] + ["C" * n + "N" for n in range(1, 11)]
    )
    mols = [Chem.AddHs(Chem.MolFromSmiles(text)) for text in smiles]
    for mol in mols:
        assert AllChem.EmbedMolecule(mol, randomSeed=3) == 0
        AllChem.MMFFOptimizeMolecule(mol)
    return mols


@pytest.fixture(scope="module")
def reference(embedded, tmp_path_factory) -> Reference:
    path = tmp_path_factory.mktemp("reference") / "reference.parquet"
    Structures.from_rdkit(embedded).to_parquet(path)
    return Reference.build([path])


def test_shares_state_their_denominators(frames, tmp_path):
    path = tmp_path / "samples.xyz"
    write(path, frames)
    tier = evaluate_samples(path, known=None).files[0].geometry
    assert tier is not None
    shares = {name: (share.count, share.of) for name, share in tier.shares.items()}
    assert shares == {
        "with a geometry": (7, 7),
        # not the N of nitromethane, the C that lacks a hydrogen, and the hydrogens that lie on one another
        "EDM atom stability": (6 + 6 + 8 + 3 + 6 + 4 + 1, 40),
        "EDM molecule stability": (4, 7),
        "EDM validity": (6, 7),
        "EDM valid and unique": (5, 7),
        "connected": (7, 7),
        "strictly valid": (5, 7),
        "unique": (4, 5),
        "bonds by the table": (4, 5),
        "strictly valid, polished": (5, 7),
        "unique, polished": (4, 5),
        "EDM molecule stability, polished": (4, 7),
        "minimum reached": (5, 5),
        "polished by UFF": (0, 5),
    }
    assert tier.reasons == tier.polished_reasons == {"clash": 1, "radicals": 1}
    assert {place: share.count for place, share in tier.partition.items()} == {"new": 4}
    assert tier.distances == {}


def test_every_format_with_geometries_has_the_tier(frames, tmp_path):
    good = frames[:5]
    write(tmp_path / "a.xyz", good)
    write(tmp_path / "a.extxyz", good)
    np.savez(
        tmp_path / "a.npz",
        z=np.concatenate([a.numbers for a in good]),
        pos=np.concatenate([a.positions for a in good]),
        offsets=np.concatenate([[0], np.cumsum([len(a) for a in good])]),
    )
    Structures.from_ase(good).to_parquet(tmp_path / "a.parquet")
    for name in ("a.xyz", "a.extxyz", "a.npz", "a.parquet"):
        tier = geometry_tier(read_samples(tmp_path / name))
        assert (tier.shares["strictly valid"].count, tier.n_samples) == (5, 5), name
        assert "bonds drawn are those perceived" not in tier.shares


def test_lists_of_smiles_have_none(tmp_path):
    found = evaluate_samples(smiles_samples(["CCO"]), known=None)
    assert found.files[0].geometry is None
    assert "EDM" not in found.text()
    (tmp_path / "flat.sdf").write_text(Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")) + "$$$$\n")
    assert evaluate_samples(tmp_path / "flat.sdf", known=None).files[0].geometry is None


def test_bonds_drawn_in_an_sdf_are_held_against_the_coordinates(embedded, tmp_path):
    ethanol = next(mol for mol in embedded if Chem.MolToSmiles(Chem.RemoveHs(mol)) == "CCO")
    other = Chem.RWMol(ethanol)
    other.GetBondBetweenAtoms(0, 1).SetBondType(Chem.BondType.DOUBLE)
    blocks = [Chem.MolToMolBlock(mol, kekulize=False) for mol in (ethanol, other)]
    path = tmp_path / "samples.sdf"
    path.write_text("".join(f"{block}$$$$\n" for block in [*blocks, "broken\n"]))
    file = evaluate_samples(path, known=None).files[0]
    assert file.graph.shares["strictly valid"].count == 1
    assert file.geometry.shares["strictly valid"].count == 2  # whatever was drawn, the coordinates show ethanol
    views = file.geometry.shares["bonds drawn are those perceived"]
    assert (views.count, views.of) == (1, 2)
    assert file.geometry.reasons == {"no geometry": 1}


def test_bonds_drawn_in_a_column(tmp_path):
    atoms = [molecule("CH3OH"), molecule("C2H6"), molecule("H2O")]
    path = tmp_path / "samples.parquet"
    rows = Structures.from_ase(atoms).with_columns({"raw_smiles": pa.array(["CO", "C=C", "nonsense"])})
    rows.to_parquet(path)
    views = geometry_tier(read_samples(path)).shares["bonds drawn are those perceived"]
    assert (views.count, views.of) == (1, 3)
    # a row without one was drawn as its SMILES says
    rows.with_columns({"smiles": ["CO", "CC", "O"], "raw_smiles": pa.array([None, "CC", "O"], pa.string())}).to_parquet(
        path
    )
    views = geometry_tier(read_samples(path)).shares["bonds drawn are those perceived"]
    assert (views.count, views.of) == (3, 3)
    for frame, text in zip(atoms, ("CO", "C", "O"), strict=True):
        frame.info["raw_smiles"] = text
    write(tmp_path / "samples.extxyz", atoms)
    views = geometry_tier(read_samples(tmp_path / "samples.extxyz")).shares["bonds drawn are those perceived"]
    assert (views.count, views.of) == (2, 3)


def test_held_out_geometries_of_the_reference(embedded, reference, tmp_path):
    names = [Chem.MolToSmiles(Chem.RemoveHs(mol)) for mol in embedded]
    held_out = int((split_of(names) != "train").sum())
    assert len(reference.geometries) == held_out
    path = tmp_path / "samples.sdf"
    with Chem.SDWriter(str(path)) as writer:
        for mol in embedded:
            writer.write(mol)
    found = evaluate_samples(path, reference=reference, known=None)
    assert (found.reference.geometries.count, found.reference.geometries.of) == (held_out, held_out)
    tier = found.files[0].geometry
    assert tier.partition["train"].count == len(embedded) - held_out
    assert tier.shares["bonds drawn are those perceived"].value == 1.0
    lengths = tier.distances["bond lengths"]
    assert lengths.distance < 0.01
    assert lengths.compared.of >= lengths.compared.count > 0
    # coordinates that are off by a few hundredths of an Å are told
    with Chem.SDWriter(str(path)) as writer:
        for mol in embedded:
            swollen = Chem.Mol(mol)
            swollen.GetConformer().SetPositions(mol.GetConformer().GetPositions() * 1.03)
            writer.write(swollen)
    tier = evaluate_samples(path, reference=reference, known=None).files[0].geometry
    assert tier.distances["bond lengths"].distance == pytest.approx(0.036, abs=0.008)
    assert tier.polished_distances["bond lengths"].distance < 0.01


def test_json_table_and_spread(frames, reference, tmp_path):
    for k in range(2):
        write(tmp_path / f"{k}.xyz", frames[k:])
    found = evaluate_samples([tmp_path / "0.xyz", tmp_path / "1.xyz"], reference=reference, known=None)
    assert Evaluation.from_json(found.to_json()) == found
    held = json.loads(found.to_json())
    tier = held["files"][0]["geometry"]
    assert tier["protocol"] == GEOMETRY_PROTOCOL
    assert tier["shares"]["strictly valid"] == {"count": 5, "of": 7, "among": "samples", "value": 5 / 7}
    assert held["summary"]["geometry.shares.strictly valid"]["mean"] == pytest.approx((5 / 7 + 4 / 6) / 2)
    text = found.text()
    for line in ("EDM molecule stability", "strictly valid, polished", "not: radicals", "5 / 7 = 71.43 %"):
        assert line in text
    # evaluations that were written without geometries can still be read
    for file in held["files"]:
        del file["geometry"]
    del held["reference"]["geometries"]
    assert Evaluation.from_json(json.dumps(held)).files[0].geometry is None


def test_files_with_and_without_geometries_side_by_side(frames, tmp_path):
    write(tmp_path / "a.xyz", frames)
    (tmp_path / "b.smi").write_text("CCO\n")
    found = evaluate_samples([tmp_path / "b.smi", tmp_path / "a.xyz"], known=None)
    assert [file.geometry is None for file in found.files] == [True, False]
    assert "EDM validity" in found.text()
    with pytest.raises(ValueError, match=r"b\.smi holds no geometries"):
        evaluate_samples([tmp_path / "b.smi", tmp_path / "a.xyz"], known=None, strain=1)
    with pytest.raises(ValueError, match="strain=-1"):
        evaluate_samples(tmp_path / "a.xyz", known=None, strain=-1)


def test_strain_is_that_of_gfn2(tmp_path):
    pytest.importorskip("tblite")
    from molaug.evaluation.strain import strain
    from molaug.structures.chemistry import perceive

    water = molecule("H2O")
    stretched = water.copy()
    stretched.set_distance(0, 1, 1.05, fix=0)
    mols = [perceive(a.numbers, a.positions).mol for a in (water, stretched)]
    near, far = (strain([mol], ["O"], 5).meV_per_atom[0] for mol in mols)
    assert 0 <= near < 5
    assert far > near + 20
    write(Path(tmp_path / "a.xyz"), [water, stretched])
    tier = evaluate_samples(tmp_path / "a.xyz", known=None, strain=1).files[0].geometry
    share = tier.shares["relaxed by GFN2-xTB"]
    assert (share.count, share.of) == (1, 1)
    assert tier.figures["strain (median, meV/atom)"] is not None


def test_samples_without_a_valid_geometry(tmp_path, reference):
    write(tmp_path / "a.xyz", [Atoms("CH4", np.zeros((5, 3)))])
    found = evaluate_samples(tmp_path / "a.xyz", reference=reference, known=None)
    tier = found.files[0].geometry
    assert tier.shares["strictly valid"].count == 0
    assert tier.shares["unique"].value is None
    assert tier.distances["bond lengths"].distance is None
    assert Evaluation.from_json(found.to_json()) == found
    assert "–" in found.text()


@pytest.mark.parametrize("name", ["O", "[H][H]"])
def test_tiny_molecules(name, tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles(name))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    mol.GetConformer().Set3D(True)
    with Chem.SDWriter(str(tmp_path / "a.sdf")) as writer:
        writer.write(mol)
    assert geometry_tier(read_samples(tmp_path / "a.sdf")).shares["with a geometry"].count == 1

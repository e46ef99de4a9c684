"""Readers of samples: every sample counts, whether it can be read or not."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import write
from rdkit import Chem
from rdkit.Chem import AllChem

from molaug.evaluation import read_samples, smiles_samples
from molaug.evaluation.validity import judge
from molaug.structures import Structures

WATER_AND_METHANOL = ["H2O", "CH3OH"]


def names(path: Path) -> tuple[str | None, ...]:
    """Canonical names of what is strictly valid, reasons of what is not."""
    judged = judge(read_samples(path))
    return tuple(
        name if reason is None else reason.split(":")[0]
        for name, reason in zip(judged.names, judged.reasons, strict=True)
    )


@pytest.mark.parametrize("packed", [False, True])
def test_each_line_of_a_list_is_a_sample(tmp_path, packed):
    text = "CCO a name\nNone\n\nC1CC\nOCC |$x$|\n  c1ccccc1\n"
    path = tmp_path / ("samples.smi.gz" if packed else "samples.txt")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert names(path) == ("CCO", "unreadable", "empty", "unreadable", "CCO", "c1ccccc1")


def test_a_csv_has_a_column_of_smiles(tmp_path):
    path = tmp_path / "samples.csv"
    path.write_text("step,SMILES\n1,CCO\n2,\n3,x\n", encoding="utf-8")
    assert names(path) == ("CCO", "empty", "unreadable")
    path.write_text("step,molecule\n1,CCO\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no column smiles; it has 'step', 'molecule'"):
        read_samples(path)


def test_geometries_without_bonds_are_perceived(tmp_path):
    frames = [molecule(name) for name in WATER_AND_METHANOL]
    frames.append(frames[1][:-1])  # a hydrogen is lacking: nothing fills it in
    frames.append(Atoms("CH4", np.zeros((5, 3))))
    frames.append(Atoms("OH2OH2", np.vstack([molecule("H2O").positions, molecule("H2O").positions + 5.0])))
    path = tmp_path / "samples.xyz"
    write(path, frames)
    found = names(path)
    assert found[:3] == ("O", "CO", "radicals")
    assert found[3:] == ("unperceived", "fragments")


def test_npz_of_ragged_molecules(tmp_path):
    frames = [molecule(name) for name in WATER_AND_METHANOL]
    path = tmp_path / "samples.npz"
    broken = np.full((1, 3), np.nan)
    np.savez(
        path,
        z=np.concatenate([*(frame.numbers for frame in frames), [6]]).astype(np.uint8),
        pos=np.concatenate([*(frame.positions for frame in frames), broken]),
        offsets=np.array([0, 3, 9, 9, 10]),
    )
    assert names(path) == ("O", "CO", "empty", "unperceived")
    np.savez(path, R=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="no array z, pos, offsets; there are R"):
        read_samples(path)


def test_parquet_of_structures_and_of_smiles(tmp_path):
    path = tmp_path / "samples.parquet"
    Structures.concat(
        [
            Structures.from_ase([molecule("H2O")]),
            Structures.from_arrays([[6, 8, 1, 1, 1, 1]], None, smiles=["CO"]),
            Structures.from_arrays([[6]], None),
        ]
    ).to_parquet(path)
    assert names(path) == ("O", "CO", "unreadable")
    pq.write_table(pa.table({"smiles": ["OCC", None, "C("]}), path)
    assert names(path) == ("CCO", "empty", "unreadable")


def test_sdf_takes_bonds_as_drawn(tmp_path):
    flat = Chem.MolFromSmiles("CCO")
    overfull = Chem.MolFromSmiles("CN(=O)=O", sanitize=False)
    whole = Chem.AddHs(flat)
    assert AllChem.EmbedMolecule(whole, randomSeed=1) == 0
    lacking = Chem.RWMol(whole)
    lacking.RemoveAtom(whole.GetNumAtoms() - 1)
    path = tmp_path / "samples.sdf"
    blocks = [Chem.MolToMolBlock(mol, kekulize=False) for mol in (flat, overfull, whole, lacking)]
    path.write_text("".join(f"{block}$$$$\n" for block in [*blocks, "not\na\nrecord\n"]), encoding="utf-8")
    # hydrogens are implied in a drawing; a geometry has those that it has
    assert names(path) == ("CCO", "valence", "CCO", "radicals", "unreadable")


def test_smiles_in_memory():
    assert len(smiles_samples(["C", "x"])) == 2
    with pytest.raises(ValueError, match="no samples"):
        smiles_samples([])


def test_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "samples.smi").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no samples"):
        read_samples(tmp_path / "samples.smi")
    with pytest.raises(FileNotFoundError, match=r"Did you mean samples\.smi"):
        read_samples(tmp_path / "sample.smi")
    (tmp_path / "samples.docx").write_text("C", encoding="utf-8")
    with pytest.raises(ValueError, match=r"'\.docx'; expected SMILES"):
        read_samples(tmp_path / "samples.docx")
    (tmp_path / "bad.smi.gz").write_text("CCO\n", encoding="utf-8")
    with pytest.raises(ValueError, match="not a text file"):
        read_samples(tmp_path / "bad.smi.gz")
    (tmp_path / "bad.xyz").write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(ValueError, match="ASE cannot read it"):
        read_samples(tmp_path / "bad.xyz")

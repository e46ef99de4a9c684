"""Datasets out: each ecosystem's own reader and ours find the same rows, labels and units."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import ase.db
import h5py
import numpy as np
import pytest
from ase.io import read as ase_read
from ase.units import Hartree
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from molaug.structures import Structures
from molaug.structures.datasets import Card, Property, export, open_dataset, write_dataset

LEVEL = "wb97x/6-31g(d)"


def labelled(n: int = 40) -> Structures:
    """Return G2 molecules with made labels and all provenance."""
    rng = np.random.default_rng(1)
    base = open_dataset("g2").read().slice(0, n)
    return base.with_columns(
        {
            "energy": rng.normal(size=n) * 1e4,
            "forces": [rng.normal(size=(k, 3)) for k in base.n_atoms],
            "level": LEVEL,
            "parent": "12345678901234567890123456789012",
            "seed": rng.integers(0, 2**62, n),
            "score": rng.normal(size=n),
        }
    )


BATCH = labelled()


def same_rows(found: Structures, expected: Structures) -> None:
    columns = expected.table.column_names
    assert found.table.select(columns).to_pylist() == expected.table.to_pylist()


# ---------------------------------------------------------------- dataset folder


def test_a_folder_holds_rows_card_and_checksums(tmp_path):
    card = write_dataset(
        BATCH, tmp_path / "out", Card(name="demo", properties={"energy": Property(unit="eV")}), shard_size=16
    )
    assert sorted(card.files) == [f"shards/part-{k:05d}.parquet" for k in range(3)]
    for name, digest in card.files.items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    assert card.levels == [LEVEL]
    assert card.counts.structures == 40
    assert card.counts.molecules == len(set(BATCH.column("smiles")) - {None})
    assert card.provenance.origins == {"g2": 40}
    dataset = open_dataset(tmp_path / "out")
    assert dataset.card == card
    same_rows(dataset.read(), BATCH)


@given(st.lists(st.integers(1, 39), max_size=4))
def test_bytes_depend_on_the_rows_and_not_on_their_batches(tmp_path_factory, cuts):
    edges = [0, *sorted(cuts), 40]
    pieces = [BATCH.slice(a, b) for a, b in pairwise(edges)]
    place = tmp_path_factory.mktemp("d")
    write_dataset(pieces, place / "a", Card(name="demo"), shard_size=15)
    write_dataset(BATCH, place / "b", Card(name="demo"), shard_size=15)
    files = [sorted(p.relative_to(place / k) for p in (place / k).rglob("*") if p.is_file()) for k in "ab"]
    assert files[0] == files[1]
    assert all((place / "a" / f).read_bytes() == (place / "b" / f).read_bytes() for f in files[0])


def test_levels_never_mix_silently(tmp_path):
    mixed = Structures.concat([BATCH, BATCH.with_columns({"level": "pbe"})])
    with pytest.raises(ValueError, match="several levels of theory: pbe, wb97x"):
        write_dataset(mixed, tmp_path / "out", Card(name="x"))
    with pytest.raises(ValueError, match="rows are labelled at pbe, the card names"):
        write_dataset(mixed, tmp_path / "out", Card(name="x", levels=[LEVEL]))
    assert list(tmp_path.iterdir()) == []
    assert write_dataset(mixed, tmp_path / "out", Card(name="x", levels=[LEVEL, "pbe"])).counts.structures == 80
    with pytest.raises(ValueError, match="one key cannot hold them"):
        export(mixed, tmp_path / "a.xyz")
    audit = export(mixed, tmp_path / "a.xyz", level="pbe")
    assert (audit.rows_kept, audit.n_dropped) == (40, 40)


def test_labels_that_name_no_level_do_not_mix_with_those_that_do(tmp_path):
    rows = Structures.from_arrays([[2]] * 3, [[[0, 0, k]] for k in range(3)], energy=[-1.0, -2.0, None])
    rows = rows.with_columns({"level": ["a", None, None]})
    with pytest.raises(ValueError, match="several levels of theory: a, unknown"):
        export(rows, tmp_path / "x.extxyz")
    audit = export(rows, tmp_path / "x.extxyz", level="a")
    assert audit.dropped["labelled at no level of theory that is named"].count == 1
    assert open_dataset(tmp_path / "x.extxyz").read().column("level") == ["a", None]  # the last has no label
    assert write_dataset(rows, tmp_path / "set", Card(name="x")).levels == ["a", "unknown"]
    assert write_dataset(rows.take([2]), tmp_path / "bare", Card(name="x")).levels == []


def test_nothing_is_replaced_or_left_half_written(tmp_path):
    write_dataset(BATCH, tmp_path / "out", Card(name="x"))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_dataset(BATCH, tmp_path / "out", Card(name="x"))
    write_dataset(BATCH.slice(0, 3), tmp_path / "out", Card(name="x"), overwrite=True)
    assert len(open_dataset(tmp_path / "out").read()) == 3

    def breaking():
        yield BATCH
        raise RuntimeError("interrupted")

    for name in ("folder", "a.xyz", "a.db", "a.h5"):
        with pytest.raises(RuntimeError, match="interrupted"):
            export(breaking(), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_dataset_is_a_dataset(tmp_path):
    card = write_dataset([], tmp_path / "out", Card(name="x"))
    assert card.counts.structures == 0
    assert len(open_dataset(tmp_path / "out").read()) == 0


# ---------------------------------------------------------------- other ecosystems


def test_extxyz(tmp_path):
    audit = export(BATCH, tmp_path / "a.extxyz")
    assert (audit.rows_read, audit.rows_kept) == (40, 40)
    frames = ase_read(tmp_path / "a.extxyz", index=":")
    assert [frame.info["REF_energy"] for frame in frames] == BATCH.column("energy")
    assert np.array_equal(np.concatenate([frame.arrays["REF_forces"] for frame in frames]), BATCH.forces)
    assert np.array_equal(np.concatenate([frame.positions for frame in frames]), BATCH.positions)
    same_rows(open_dataset(tmp_path / "a.extxyz").read(), BATCH)


def test_extxyz_keeps_texts_that_ase_would_misread(tmp_path):
    """ASE's own writer and reader turn F into false, drop backslashes and read digits as a number."""
    texts = ["F", r"C/C=C\C", "[H][H]", "T", "[1,2]", 'a "b" c', "1e5", "two words", "", "_JSON x", "a=b"]
    batch = Structures.concat([BATCH.slice(0, 1)] * len(texts)).with_columns({"smiles": texts, "origin": texts})
    export(batch, tmp_path / "a.xyz")
    again = open_dataset(tmp_path / "a.xyz").read()
    assert again.column("smiles") == texts
    assert again.column("origin") == texts


def test_extxyz_under_other_keys(tmp_path):
    export(BATCH, tmp_path / "a.xyz", energy_key="dft_energy", forces_key="dft_forces")
    found = open_dataset(tmp_path / "a.xyz", energy_key="dft_energy", forces_key="dft_forces").read()
    same_rows(found, BATCH)


def test_ase_database(tmp_path):
    export(BATCH, tmp_path / "a.db")
    with ase.db.connect(tmp_path / "a.db") as database:
        rows = list(database.select())
        assert database.metadata["units"]["energy"] == "eV"
    assert [row.energy for row in rows] == BATCH.column("energy")
    assert np.array_equal(np.concatenate([row.forces for row in rows]), BATCH.forces)
    assert rows[3].toatoms().get_potential_energy() == BATCH[3].energy
    same_rows(open_dataset(tmp_path / "a.db").read(), BATCH)


def test_ani_hdf5(tmp_path):
    """Read as pyanitools does: every group with species, each dataset by its name."""
    conformers = Structures.concat([BATCH, BATCH.with_columns({"energy": BATCH.array("energy") - 1})])
    neutral = conformers.with_columns({"energy": [-Hartree * 0.9 * s.numbers.sum() for s in conformers]})
    export(neutral, tmp_path / "a.h5")
    energies, forces = [], []
    with h5py.File(tmp_path / "a.h5") as file:
        for group in file["molaug"].values():
            species = [symbol.decode() for symbol in group["species"][:]]
            assert group["coordinates"].shape == (len(group["energies"]), len(species), 3)
            energies += group["energies"][:].tolist()
            forces.append(group["forces"][:].ravel())
    assert np.allclose(sorted(energies), np.sort(neutral.array("energy")) / Hartree)
    assert np.allclose(np.sort(np.concatenate(forces)), np.sort(neutral.forces.ravel()) / Hartree)


def test_ani_hdf5_comes_back_with_level_charge_and_spin(tmp_path, data):
    original = open_dataset(data / "ani/gdb11_S01_06r.h5").read()
    export(original, tmp_path / "a.h5")
    dataset = open_dataset(tmp_path / "a.h5")
    again = dataset.read()
    assert dataset.audit.detected["forces"].startswith("forces in Ha/Å")
    assert again.ids == original.ids
    assert again.column("level") == original.column("level")
    assert again.column("smiles") == original.column("smiles")
    assert np.allclose(again.array("energy"), original.array("energy"), rtol=1e-14)
    assert np.allclose(again.forces, original.forces, rtol=1e-12)


def test_sdf(tmp_path):
    audit = export(BATCH, tmp_path / "a.sdf")
    known = [s for s in BATCH if s.smiles is not None]
    assert audit.rows_kept + audit.n_dropped == 40
    mols = list(Chem.SDMolSupplier(str(tmp_path / "a.sdf"), removeHs=False))
    assert len(mols) == audit.rows_kept >= len(known)
    by_name = {s.id: s for s in BATCH}
    for mol in mols:
        row = by_name[mol.GetProp("_Name")]
        assert mol.GetDoubleProp("REF_energy") == row.energy
        assert np.allclose(mol.GetConformer().GetPositions(), row.positions, atol=6e-5)
    again = open_dataset(tmp_path / "a.sdf").read()
    assert again.column("smiles") == [by_name[mol.GetProp("_Name")].smiles for mol in mols]
    assert again.column("energy") == [by_name[mol.GetProp("_Name")].energy for mol in mols]
    assert again.column("multiplicity") == [by_name[mol.GetProp("_Name")].multiplicity for mol in mols]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch-geometric's own
def test_torch_geometric(tmp_path):
    torch = pytest.importorskip("torch")
    from torch_geometric.loader import DataLoader

    from molaug.structures.datasets.export.pyg import MolaugInMemoryDataset

    export(BATCH, tmp_path / "a.pt")
    torch.load(tmp_path / "a.pt", weights_only=True)  # tensors and texts alone
    dataset = MolaugInMemoryDataset(tmp_path / "a.pt")
    assert len(dataset) == 40
    assert [item.y.item() for item in dataset] == BATCH.column("energy")
    assert [item.name for item in dataset] == BATCH.ids
    batch = next(iter(DataLoader(dataset, batch_size=40)))
    assert np.allclose(batch.pos.numpy(), BATCH.positions, atol=1e-6)
    assert np.allclose(batch.forces.numpy(), BATCH.forces, atol=1e-6)
    with pytest.raises(ValueError, match="some rows lack forces, score, y"):
        export(Structures.concat([BATCH, open_dataset("g2").read()]), tmp_path / "b.pt")
    with pytest.raises(FileNotFoundError, match="no such file"):
        MolaugInMemoryDataset(tmp_path / "none.pt")


def test_parquet_and_smiles(tmp_path):
    export(BATCH, tmp_path / "a.parquet")
    same_rows(open_dataset(tmp_path / "a.parquet").read(), BATCH)
    audit = export(BATCH, tmp_path / "a.smi")
    assert len(open_dataset(tmp_path / "a.smi", unique=False).read()) == audit.rows_kept


def test_rows_that_a_format_cannot_hold_are_counted(tmp_path):
    graph = Structures.from_arrays([[8, 1, 1]], None, smiles=["O"])
    rejected = BATCH.slice(0, 2).reject(["odd", None])
    audit = export(Structures.concat([rejected, graph]), tmp_path / "a.xyz")
    assert audit.rows_kept == 1
    assert {reason: tally.count for reason, tally in audit.dropped.items()} == {
        "rejected": 1,
        "no positions: a bare graph": 1,
    }
    assert audit.dropped["rejected"].names == BATCH.ids[:1]


def test_any_source_goes_out(tmp_path, data):
    audit = export(data / "qm9/raw_xyz", tmp_path / "qm9.xyz")
    assert audit.rows_kept == 21
    frame = ase_read(tmp_path / "qm9.xyz", index=0)
    assert frame.info["level"] == "b3lyp/6-31g(2df,p)"
    assert frame.info["REF_energy"] == pytest.approx(-40.523679 * Hartree)
    again = open_dataset(tmp_path / "qm9.xyz").read()
    same_rows(again.with_columns({}), open_dataset(data / "qm9/raw_xyz").read())


def test_unknown_formats_name_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="'extxzy', did you mean 'extxyz'"):
        export(BATCH, tmp_path / "a.xyz", "extxzy")
    with pytest.raises(ValueError, match=r"unknown export format '.cif'"):
        export(BATCH, tmp_path / "a.cif")

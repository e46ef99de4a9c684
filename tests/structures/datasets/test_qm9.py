"""QM9: its own numbers come back, in eV, and nothing is left out without being counted."""

from __future__ import annotations

import shutil
import tarfile
import zipfile

import numpy as np
import pytest
from ase.units import Hartree

from molaug.structures.chemistry import canonical, parse
from molaug.structures.datasets import known_dataset, open_dataset
from molaug.structures.datasets.qm9 import parse_float
from molaug.structures.datasets.qm9_tables import read_atomref, read_uncharacterized


@pytest.fixture
def raw(data):
    return data / "qm9/raw_xyz"


def test_methane_has_its_published_properties(raw):
    row = open_dataset(raw).read()[0]
    assert row.extra["gdb_index"] == 1
    assert row.smiles == "C"
    assert row.level == "b3lyp/6-31g(2df,p)"
    assert row.energy == pytest.approx((-40.47893 - 0.044749) * Hartree, abs=1e-9)
    assert row.extra["homo"] == pytest.approx(-0.3877 * Hartree)
    assert row.extra["A"] == 157.7118
    assert row.extra["cv"] == 6.469
    assert row.positions.shape == (5, 3)


def test_archives_give_the_rows_of_the_folder(raw, tmp_path):
    expected = open_dataset(raw).read()
    for name, mode in (("a.tar", "w"), ("b.tar.gz", "w:gz"), ("c.tar.bz2", "w:bz2")):
        with tarfile.open(tmp_path / name, mode) as tar:
            for file in sorted(raw.glob("*.xyz")):
                tar.add(file, arcname=f"dsgdb9nsd/{file.name}")
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for file in sorted(raw.glob("*.xyz")):
            archive.write(file, file.name)
    for name in ("a.tar", "b.tar.gz", "c.tar.bz2", "d.zip"):
        assert open_dataset(tmp_path / name).read() == expected


def test_the_list_of_uncharacterized_has_3054_molecules_counted_from_one(data):
    flawed = read_uncharacterized(data / "qm9/uncharacterized.txt")
    assert len(flawed) == 3054
    assert {58, 61, 80, 133866} <= flawed
    assert min(flawed) == 58
    with np.load(data / "qm9/qm9_structures.npz") as source:
        assert not flawed & set(source["gdb_index"].tolist())  # the source left them out: no off-by-one


def test_uncharacterized_molecules_are_dropped_by_their_own_index(raw, tmp_path):
    folder = shutil.copytree(raw, tmp_path / "raw")
    (folder / "uncharacterized.txt").write_text("heading\n   3   O  O  O  1.0\n  20  x y z 1\n")
    dataset = open_dataset(folder)
    kept = dataset.read()
    assert len(kept) == 19
    assert not {3, 20} & set(kept.column("gdb_index"))
    ((reason, tally),) = dataset.audit.dropped.items()
    assert "uncharacterized" in reason
    assert tally.names == ["dsgdb9nsd_000003.xyz", "dsgdb9nsd_000020.xyz"]


def test_a_missing_list_is_a_remark(raw, tmp_path):
    shutil.copy(raw / "dsgdb9nsd_000001.xyz", tmp_path)
    dataset = open_dataset(tmp_path)
    dataset.read()
    assert "no uncharacterized.txt" in dataset.audit.remarks[0]


def test_exponents_duplicates_and_unreadable_files(raw, tmp_path):
    text = (raw / "dsgdb9nsd_000002.xyz").read_text()
    (tmp_path / "dsgdb9nsd_000002.xyz").write_text(text)
    (tmp_path / "dsgdb9nsd_000003.xyz").write_text(text)
    (tmp_path / "dsgdb9nsd_000004.xyz").write_text(text.replace("0.", "zero.", 20))
    lines = text.splitlines()
    words = lines[2].split()
    words[1] = "5.0*^-6"
    lines[2] = "\t".join(words)
    (tmp_path / "dsgdb9nsd_000005.xyz").write_text("\n".join(lines))
    dataset = open_dataset(tmp_path)
    batch = dataset.read()
    assert parse_float("-2.5*^-6") == -2.5e-6
    assert batch[1].positions[0, 0] == 5e-6
    assert dataset.audit.rows_read == 4
    assert dataset.audit.rows_kept == len(batch) == 2
    assert dataset.audit.dropped["duplicate of an earlier row"].names == ["dsgdb9nsd_000003.xyz"]
    assert dataset.audit.n_dropped == 2


def test_gdb9_sdf_takes_geometries_and_never_bonds(data, raw, tmp_path):
    """The bond block is made nonsense on purpose; the molecules come out right all the same."""
    expected = open_dataset(raw).read()
    with (tmp_path / "gdb9.sdf").open("w") as sdf:
        for row in expected:
            n = len(row.numbers)
            sdf.write(f"gdb_{row.extra['gdb_index']}\n made\n\n{n:3d}{n - 1:3d}  0  0  0  0  0  0  0  0999 V2000\n")
            for z, (x, y, w) in zip(row.numbers, row.positions, strict=True):
                symbol = {1: "H", 6: "C", 7: "N", 8: "O"}[int(z)]
                sdf.write(f"{x:10.4f}{y:10.4f}{w:10.4f} {symbol:<3} 0  0  0  0  0\n")
            sdf.writelines(f"{k:3d}{n:3d}  3  0\n" for k in range(1, n))
            sdf.write("M  END\n$$$$\n")
    shutil.copy(data / "qm9/qm9_properties.csv.gz", tmp_path / "gdb9.sdf.csv.gz")
    dataset = open_dataset(tmp_path / "gdb9.sdf", properties=tmp_path / "gdb9.sdf.csv.gz")
    batch = dataset.read()
    assert batch.column("smiles") == expected.column("smiles")
    assert batch.column("gdb_index") == expected.column("gdb_index")
    both = [k for k, energy in enumerate(batch.column("energy")) if energy is not None]
    assert len(both) == 3  # the table is a part of QM9
    assert np.allclose(batch.array("energy")[both], expected.array("energy")[both], atol=1e-9)
    assert batch.array("u0_atom")[0] == pytest.approx(-395.999594594 * 0.0433641, rel=1e-5)


def test_the_compact_file_agrees_with_the_original_files(data, raw):
    compact = next(open_dataset(data / "qm9/qm9_structures.npz").batches(25))
    place = {index: k for k, index in enumerate(compact.column("gdb_index"))}
    compared = 0
    for row in open_dataset(raw).read():
        k = place.get(row.extra["gdb_index"])
        if k is None:
            continue
        same = compact[k]
        compared += 1
        assert same.smiles == row.smiles
        assert same.energy == pytest.approx(row.energy, abs=1e-4 * Hartree)
        assert np.allclose(same.positions, row.positions, atol=5e-5)
        assert same.extra["mu"] == pytest.approx(row.extra["mu"], abs=1e-3)
    assert compared >= 15


def test_compact_flags_and_lists_drop_the_same_molecules(data, tmp_path):
    dataset = open_dataset(data / "qm9/qm9_extra_structures.npz", uncharacterized=data / "qm9/uncharacterized.txt")
    assert len(dataset.read()) == 12
    with np.load(data / "qm9/qm9_extra_structures.npz") as source:
        np.savez(tmp_path / "plain.npz", **{key: source[key] for key in source.files if key != "uncharacterized"})
    by_list = open_dataset(tmp_path / "plain.npz", uncharacterized=data / "qm9/uncharacterized.txt")
    assert by_list.read() == dataset.read()


def test_units_of_compact_energies_are_told_or_asked_for(tmp_path):
    arrays = {"z": np.array([8, 1, 1]), "pos": np.eye(3), "offsets": np.array([0, 3])}
    for unit, energy in (("Ha", -76.4), ("eV", -76.4 * Hartree), ("kcal/mol", -76.4 * 627.5095)):
        np.savez(tmp_path / "a.npz", energy=np.array([energy]), **arrays)
        dataset = open_dataset(tmp_path / "a.npz", graphs=False, level="x")
        assert dataset.read()[0].energy == pytest.approx(-76.4 * Hartree, rel=1e-6)
        assert dataset.audit.detected["energy"].startswith(unit)
    np.savez(tmp_path / "a.npz", energy=np.array([-9.5]), **arrays)  # an atomization energy in some unit
    with pytest.raises(ValueError, match="pass energy_unit"):
        open_dataset(tmp_path / "a.npz")
    assert open_dataset(tmp_path / "a.npz", energy_unit="eV", graphs=False).read()[0].energy == -9.5


def test_graphs_that_the_geometry_contradicts_are_perceived_and_noted(raw, tmp_path):
    with np.load(raw.parent / "qm9_structures.npz") as source:
        end = int(source["offsets"][3])
        arrays = {"z": source["z"][:end], "pos": source["pos"][:end], "offsets": source["offsets"][:4]}
    np.savez(tmp_path / "a.npz", smiles=np.array([b"C", b"O", b""]), **arrays)
    dataset = open_dataset(tmp_path / "a.npz")
    assert dataset.read().column("smiles") == ["C", "N", "O"]
    counts = {reason.split(",")[0].split(":")[1].strip(): t.count for reason, t in dataset.audit.noted.items()}
    assert counts == {"a listed SMILES": 1, "listed SMILES and geometry disagree": 1, "perceived from the geometry": 1}


def test_free_atoms_of_the_card_are_those_of_the_file(data):
    found = read_atomref(data / "qm9/atomref.txt")
    listed = known_dataset("qm9").card.atomic_references["b3lyp/6-31g(2df,p)"]
    assert set(found) == set("HCNOF")
    assert found == pytest.approx(listed, abs=1e-7)
    assert found["H"] == pytest.approx(-0.500273 * Hartree)


def test_pc9_and_ani1e_follow_the_format_with_their_own_columns(data):
    pc9 = open_dataset(data / "ani/pc9_xyz").read()
    assert len(pc9) == 20
    assert pc9[0].energy == pytest.approx(-249.6945983259 * Hartree)
    assert pc9.extra_columns == ["homo", "lumo", "gap"]
    ani1e = open_dataset(data / "ani/ani1e_xyz").read()
    assert set(ani1e.column("level")) == {"wb97x/6-31g(d)"}
    assert set(ani1e.column("origin")) == {"ani1e"}


def test_methane_of_ani1e_lies_at_the_minimum_of_ani1(data):
    """This is why its card names the level of ANI-1."""
    batch = open_dataset(data / "ani/ani1e_xyz").read()
    ani1 = next(open_dataset(data / "ani/ani_gdb_s01.h5", graphs=False).batches(4860))
    methane = batch.column("smiles").index("C")
    assert 0 <= ani1.array("energy").min() - batch.array("energy")[methane] < 0.01


def test_a_random_part_of_qm9_is_laid_or_perceived(data, tmp_path):
    with np.load(data / "qm9/qm9_structures.npz") as source:
        every = {key: source[key] for key in source.files}
    rows = np.sort(np.random.default_rng(2).choice(len(every["energy"]), 300, replace=False))
    atoms = np.concatenate([np.arange(every["offsets"][k], every["offsets"][k + 1]) for k in rows])
    offsets = np.concatenate([[0], np.cumsum(np.diff(every["offsets"])[rows])])
    flat = {key: every[key][rows] for key in ("gdb_index", "energy", "dipole", "smiles")}
    np.savez(tmp_path / "part.npz", z=every["z"][atoms], pos=every["pos"][atoms], offsets=offsets, **flat)
    dataset = open_dataset(tmp_path / "part.npz")
    batch = dataset.read()
    assert len(batch) == 300
    laid = next(t.count for reason, t in dataset.audit.noted.items() if "borne out" in reason)
    assert laid >= 295
    assert all(smiles is None or canonical(parse(smiles)) == smiles for smiles in batch.column("smiles"))

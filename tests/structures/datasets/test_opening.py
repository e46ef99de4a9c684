"""The single door: what it recognises, and what it says when it cannot open something."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from molaug.structures import Structures
from molaug.structures.datasets import known, open_dataset


def test_structures_and_atoms_in_memory():
    frames = [molecule("H2O"), molecule("CH3OH")]
    from_atoms = open_dataset(frames, name="mine")
    assert from_atoms.read().column("origin") == ["mine", "mine"]
    batch = Structures.from_ase(frames)
    assert open_dataset(batch).read() == batch
    assert open_dataset(from_atoms) is from_atoms


def test_known_datasets_are_found_in_the_data_folder(data, monkeypatch):
    monkeypatch.setenv("MOLAUG_DATA", str(data / "ani"))
    dataset = open_dataset("comp6", graphs=False)
    assert dataset.card.levels == ["wb97x/6-31g(d)"]
    assert next(dataset.batches(3)).column("origin") == ["comp6"] * 3


def test_qm9_in_the_compact_layout_is_found_by_its_name(data, monkeypatch):
    for folder in (data, data / "qm9"):
        monkeypatch.setenv("MOLAUG_DATA", str(folder))
        batch = next(open_dataset("qm9", graphs=False).batches(3))
        assert batch.column("level") == ["b3lyp/6-31g(2df,p)"] * 3


def test_a_known_dataset_that_is_absent_says_where_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("MOLAUG_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"'qm9' is not on this machine.*dsgdb9nsd.*figshare collection 978904"):
        open_dataset("qm9")


def test_a_misspelt_name_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no known dataset 'qm99', did you mean 'qm9'.*known: agz7"):
        open_dataset("qm99")


def test_a_misspelt_path_names_the_nearest(tmp_path):
    (tmp_path / "water.xyz").write_text("")
    with pytest.raises(FileNotFoundError, match=r"holds water.xyz. Did you mean water.xyz"):
        open_dataset(tmp_path / "wate.xyz")
    with pytest.raises(FileNotFoundError, match=r"the folder .* does not exist"):
        open_dataset(tmp_path / "none" / "a.xyz")


def test_unknown_options_and_formats_are_refused(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\n\nH 0 0 0\n")
    with pytest.raises(TypeError, match="takes no option 'energykey', did you mean 'energy_key'"):
        open_dataset(path, energykey="E")
    with pytest.raises(ValueError, match="unknown format 'parket', did you mean 'parquet'"):
        open_dataset(path, format="parket")
    with pytest.raises(TypeError, match="cannot open int"):
        open_dataset(3)
    with pytest.raises(TypeError, match="takes no option"):
        open_dataset("g2", level="x")


def test_a_folder_of_no_known_layout_lists_what_it_holds(tmp_path):
    (tmp_path / "readme.md").write_text("")
    with pytest.raises(ValueError, match=r"holds readme.md. Expected card.yaml"):
        open_dataset(tmp_path)


def test_contents_decide_where_suffixes_do_not(tmp_path):
    np.savez(tmp_path / "a.npz", z=np.array([1, 1]), pos=np.zeros((2, 3)), offsets=np.array([0, 2]))
    assert len(open_dataset(tmp_path / "a.npz", graphs=False).read()) == 1
    np.savez(tmp_path / "b.npz", foo=np.zeros(3))
    with pytest.raises(KeyError, match="found arrays foo; expected"):
        open_dataset(tmp_path / "b.npz")
    (tmp_path / "c.h5").write_text("no hdf5")
    with pytest.raises(ValueError, match="is not an HDF5 file"):
        open_dataset(tmp_path / "c.h5")
    (tmp_path / "d.cif2").write_text("nonsense")
    with pytest.raises(ValueError, match="ASE cannot read it"):
        open_dataset(tmp_path / "d.cif2").read()


def test_every_known_reader_exists():
    from molaug.structures.datasets.opening import _READERS, _reader

    for entry in known():
        assert entry.reader in _READERS
        assert callable(_reader(entry.reader))


def test_g2_is_whole_and_its_spins_are_those_of_its_moments():
    g2 = open_dataset("g2")
    batch = g2.read()
    assert len(batch) == 162
    spins = dict(zip(batch.column("name"), batch.column("multiplicity"), strict=True))
    assert [spins[name] for name in ("O2", "OH", "H2O", "N", "CH2_s3B1d", "CH2_s1A1d")] == [3, 2, 1, 4, 3, 1]
    assert batch.column("level") == [None] * 162
    smiles = dict(zip(batch.column("name"), batch.column("smiles"), strict=True))
    assert [smiles[name] for name in ("H2O", "C6H6", "OH", "CO2")] == ["O", "c1ccccc1", "[OH]", "O=C=O"]
    unknown = sum(value is None for value in smiles.values())
    assert unknown == sum(t.count for reason, t in g2.audit.noted.items() if "unknown" in reason) < 25

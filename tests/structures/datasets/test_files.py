"""Files of any origin."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from ase.units import Bohr, Hartree

from molaug.structures import Structures
from molaug.structures.datasets import Card, Property, export, open_dataset, write_dataset


def test_extxyz_with_the_keys_of_mace(tmp_path):
    water = molecule("H2O")
    water.info.update(REF_energy=-2079.5, total_charge=0, level="pbe")
    water.arrays["REF_forces"] = np.arange(9.0).reshape(3, 3)
    write(tmp_path / "a.extxyz", [water, water])
    row = open_dataset(tmp_path / "a.extxyz").read()[1]
    assert (row.energy, row.level) == (-2079.5, "pbe")
    assert np.array_equal(row.forces, np.arange(9.0).reshape(3, 3))


def test_a_wrong_label_key_is_an_error(tmp_path):
    water = molecule("H2O")
    water.info["REF_energy"] = -1.0
    write(tmp_path / "a.extxyz", water)
    with pytest.raises(KeyError, match="no energy 'dft_energy'; info holds REF_energy"):
        open_dataset(tmp_path / "a.extxyz", energy_key="dft_energy").read()


def test_periodic_frames_are_dropped_and_counted(tmp_path):
    water, ice = molecule("H2O"), molecule("H2O", vacuum=3)
    ice.pbc = True
    write(tmp_path / "a.extxyz", [water, ice, water])
    dataset = open_dataset(tmp_path / "a.extxyz")
    assert len(dataset.read()) == 2
    assert dataset.audit.dropped["periodic: molaug holds molecules"].names == ["frame 1"]


def test_energies_in_other_units_are_converted(data):
    path = data / "amons/qm9_3mols/01/g7/frag_01_c00001.xyz"
    row = open_dataset(path, energy_key="b3lypvdz", energy_unit="Ha", level="b3lyp/vdz").read()[0]
    assert row.energy == pytest.approx(-40.480429212044 * Hartree)
    with pytest.raises(ValueError, match="unknown energy unit 'Rydberg'"):
        open_dataset(path, energy_unit="Rydberg")


def in_hartree(tmp_path: Path, length: float) -> Path:
    """Water in extxyz, energy in Ha and forces in Ha by a length in Å, of 1 eV and 1 eV/Å."""
    water = molecule("H2O")
    water.info["REF_energy"] = 1 / Hartree
    water.arrays["REF_forces"] = np.full((3, 3), length / Hartree)
    write(tmp_path / "water.extxyz", water)
    return tmp_path / "water.extxyz"


@pytest.mark.parametrize(
    ("length", "options", "told"),
    [
        (1.0, {"energy_unit": "Ha"}, "Ha/Å (that of the energies, by Å)"),
        (Bohr, {"energy_unit": "Ha", "force_unit": "Ha/bohr"}, "Ha/bohr (as given)"),
        (-Bohr, {"energy_unit": "Ha", "force_unit": "-Ha/bohr"}, "-Ha/bohr (as given)"),
    ],
)
def test_forces_are_converted_with_the_energies(length, options, told, tmp_path):
    dataset = open_dataset(in_hartree(tmp_path, length), **options)
    row = dataset.read()[0]
    assert row.energy == pytest.approx(1.0, abs=1e-6)
    assert np.allclose(row.forces, 1.0, atol=1e-6)
    assert dataset.audit.detected == {"energy": "Ha (as given)", "forces": told}


def test_a_force_unit_alone_leaves_the_energies(tmp_path):
    row = open_dataset(in_hartree(tmp_path, 1.0), force_unit="Ha/Å").read()[0]
    assert row.energy == pytest.approx(1 / Hartree, abs=1e-6)
    assert np.allclose(row.forces, 1.0, atol=1e-6)


def test_energies_of_an_sdf_are_converted(tmp_path):
    rows = Structures.from_arrays([[8, 1, 1]], [molecule("H2O").positions], smiles=["O"], energy=[-76.4])
    export(rows, tmp_path / "water.sdf")
    assert open_dataset(tmp_path / "water.sdf", energy_unit="Ha").read()[0].energy == pytest.approx(-76.4 * Hartree)


def test_frames_whose_forces_prove_nothing_take_the_unit_of_the_energies(tmp_path):
    z, x = np.array([8, 1, 1]), molecule("H2O").positions[None]
    arrays = {"z": z, "R": x, "E": np.array([[-76.4]]), "F": np.full((1, 3, 3), 0.1)}
    np.savez(tmp_path / "one.npz", **arrays)
    with pytest.raises(ValueError, match="pass force_unit"):
        open_dataset(tmp_path / "one.npz")
    dataset = open_dataset(tmp_path / "one.npz", energy_unit="Ha")
    assert np.allclose(dataset.read()[0].forces, 0.1 * Hartree)
    assert "nothing proves it" in dataset.audit.detected["forces"]


def test_a_card_of_another_unit_than_the_columns_is_refused(tmp_path):
    rows = Structures.from_arrays([[1]], [[[0, 0, 0]]], energy=[-0.5])
    write_dataset(rows, tmp_path / "set", Card(name="set", properties={"energy": Property(unit="Ha")}))
    with pytest.raises(ValueError, match="energy in 'Ha'; the columns energy and forces"):
        open_dataset(tmp_path / "set")


def test_smiles_lists_become_bare_graphs(tmp_path):
    with gzip.open(tmp_path / "a.smi.gz", "wt") as handle:
        handle.write("OCC ethanol\nCCO\nC(\n\n[NH4+]\n[CH3]\n")
    dataset = open_dataset(tmp_path / "a.smi.gz")
    batch = dataset.read()
    assert batch.column("smiles") == ["CCO", "[NH4+]", "[CH3]"]
    assert batch.column("charge") == [0, 1, 0]
    assert batch.column("multiplicity") == [1, 1, 2]
    assert not batch.has_geometry.any()
    assert batch[0].numbers.tolist() == [6, 6, 8] + [1] * 6
    assert {reason: t.names for reason, t in dataset.audit.dropped.items()} == {
        "unreadable: RDKit cannot read the SMILES": ["line 3"],
        "duplicate of an earlier row": ["line 2"],
    }


def test_published_lists_of_smiles(data):
    dataset = open_dataset(data / "tautobase/QM9.csv.gz", format="tautobase")
    assert next(dataset.batches(10)).column("origin") == ["tautobase"] * 10
    with pytest.raises(KeyError, match=r"pass columns=.* of .*'Smiles_A'"):
        open_dataset(data / "tautobase/QM9.csv.gz").read()
    amons = open_dataset(data / "amons/qm9_amons.smi.gz")
    assert len(next(amons.batches(200))) == 200


def test_sdf_with_bonds_and_without(data, tmp_path):
    with gzip.open(data / "multifidelity/c7h10o2_isomers.sdf.gz", "rt") as handle:
        text = "$$$$\n".join(handle.read(60_000).split("$$$$\n")[:15]) + "$$$$\n"
    (tmp_path / "a.sdf").write_text(text + "broken\n\n\n  x\nM  END\n$$$$\n")
    dataset = open_dataset(tmp_path / "a.sdf")
    listed = dataset.read()
    assert len(listed) == 15
    assert dataset.audit.n_dropped == 1
    perceived = open_dataset(tmp_path / "a.sdf", bonds=False).read()
    assert perceived.column("smiles") == listed.column("smiles")
    assert perceived.ids == listed.ids


def test_md17_frames(data):
    with np.load(data / "multifidelity/ethanol_ccsd_t-train.npz") as source:
        energy, forces = source["E"].ravel(), source["F"]
    dataset = open_dataset(data / "multifidelity/ethanol_ccsd_t-train.npz")
    batch = dataset.read()
    assert set(batch.column("smiles")) == {"CCO"}
    assert set(batch.column("level")) == {"ccsd(t)/cc-pvtz"}
    assert np.allclose(batch.array("energy"), energy * 0.0433641, rtol=1e-6)
    assert np.allclose(batch.forces, forces.reshape(-1, 3) * 0.0433641, rtol=1e-5)


def test_agz7_records(data):
    batch = open_dataset(data / "amons/agz7_json_sample").read()
    assert len(batch) == 3
    assert batch[0].energy == pytest.approx(-40.5024238628 * Hartree)
    assert batch[0].extra["gap"] == pytest.approx(0.43904998427878916 * Hartree)
    lines = open_dataset(data / "amons/agz7_upto5.jsonl.gz", graphs=False)
    first = next(lines.batches(50))[0]
    assert first.id == batch[0].id
    assert first.energy == pytest.approx(batch[0].energy)


def test_samples_of_a_generator_have_no_labels(data):
    dataset = open_dataset(data / "generated/gschnet_qm9_10k.npz", graphs=False)
    batch = next(dataset.batches(100))
    assert dataset.card.levels == []
    assert batch.column("energy") == [None] * 100


def test_a_csv_is_read_by_its_column_smiles(tmp_path: Path) -> None:
    path = tmp_path / "molecules.csv"
    path.write_text("SMILES,gap\nCCO,7.1\nCCN,6.9\n")
    assert open_dataset(path).read().column("smiles") == ["CCO", "CCN"]
    path.write_text("molecule,gap\nCCO,7.1\n")
    with pytest.raises(KeyError, match="columns="):
        open_dataset(path).read()

"""The ANI family: layouts, levels, and the sign and unit of what each file calls forces."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from ase.units import Bohr, Hartree

from molaug.structures.datasets import open_dataset
from molaug.structures.datasets.units import detect_energy_unit, detect_forces, force_factor


def read(path, **options):
    dataset = open_dataset(path, graphs=False, **options)
    return dataset, dataset.read()


@pytest.mark.parametrize(
    ("file", "meaning"),
    [
        ("ani/gdb11_S01_06r.h5", "gradients in Ha/Å"),
        ("ani/comp6_s66x8_wb97x6-31gd.h5", "gradients in Ha/Å"),
        ("ani/ani2x_diatomics.hdf5", "forces in Ha/Å"),
        ("multifidelity/C2H6_DFT+Force_NMS.h5", "forces in Ha/bohr"),
        ("multifidelity/ethanol_ccsd_t-train.npz", "forces in kcal/mol/Å"),
    ],
)
def test_the_meaning_of_forces_is_told_from_the_energies(data, file, meaning):
    dataset = open_dataset(data / file, graphs=False)
    next(dataset.batches(1))
    assert dataset.audit.detected["forces"].startswith(meaning)


def test_forces_come_out_as_forces_in_ev_per_angstrom(data):
    """Along the bond of each diatomic the energy falls by the force: F = -dE/dr."""
    _, batch = read(data / "ani/ani2x_diatomics.hdf5")
    carbon_monoxide = batch.filter(np.array([row.numbers.tolist() == [6, 8] for row in batch]))
    x = carbon_monoxide.positions.reshape(-1, 2, 3)
    r = np.linalg.norm(x[:, 1] - x[:, 0], axis=1)
    pull = np.einsum("ij,ij->i", carbon_monoxide.forces.reshape(-1, 2, 3)[:, 1], (x[:, 1] - x[:, 0]) / r[:, None])
    order = np.argsort(r)
    slope = np.gradient(carbon_monoxide.array("energy")[order], r[order])
    well = (r[order] > 1.0) & (r[order] < 1.3)
    ratio = np.median(-slope[well] / pull[order][well])
    assert ratio == pytest.approx(1.0, abs=0.05)


def test_gradients_are_turned_into_forces(data):
    with h5py.File(data / "ani/gdb11_S01_06r.h5") as file:
        raw = file["gdb11_s01/mol0000000/forces"][0]
        energy = file["gdb11_s01/mol0000000/energies"][0]
    _, batch = read(data / "ani/gdb11_S01_06r.h5")
    assert np.allclose(batch[0].forces, -raw.astype(float) * Hartree)
    assert batch[0].energy == pytest.approx(energy * Hartree)
    assert batch[0].level == "wb97x/6-31g(d)"


def test_what_the_caller_says_is_taken_and_recorded(data):
    path = data / "ani/gdb11_S01_06r.h5"
    dataset, told = read(path, forces="gradient", force_unit="Ha/Å")
    assert "as given" in dataset.audit.detected["forces"]
    assert told == read(path)[1]
    with pytest.raises(ValueError, match="belong together"):
        open_dataset(path, forces="gradient")
    with pytest.raises(ValueError, match="expected 'force', 'gradient'"):
        open_dataset(path, forces="grad", force_unit="Ha/Å")
    with pytest.raises(ValueError, match="unknown force unit 'Ha/parsec'"):
        open_dataset(path, forces="force", force_unit="Ha/parsec")


def test_what_cannot_be_proved_is_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("set/mol")
        group["species"] = np.array([b"O", b"H", b"H"])
        group["coordinates"] = rng.normal(size=(20, 3, 3))
        group["energies"] = -76.4 + 0.01 * rng.normal(size=20)
        group["forces"] = rng.normal(size=(20, 3, 3))  # nothing to do with the energies
    with pytest.raises(ValueError, match="pass forces='force' or 'gradient' and force_unit="):
        open_dataset(tmp_path / "a.h5")
    assert len(read(tmp_path / "a.h5", forces="force", force_unit="Ha/bohr")[1]) == 20


def test_high_energy_conformers_are_an_option(data):
    path = data / "ani/ani1_hydrocarbons_s02.h5"
    assert len(read(path)[1]) == 7622 + 2880
    _, batch = read(path, high_energy=True)
    assert len(batch) == 7622 + 171 + 2880
    high = np.array(batch.column("high_energy"))
    ethane = batch.n_atoms == 8
    assert high.sum() == 171
    assert batch.array("energy")[high].min() > np.median(batch.array("energy")[ethane & ~high])


def test_graphs_that_a_file_lists_wrongly_are_not_believed(data):
    """This copy of ANI-1's s02 file lists carbon dioxide for ethane and ethyne."""
    dataset = open_dataset(data / "ani/ani1_hydrocarbons_s02.h5")
    batch = dataset.read()
    assert set(batch.column("smiles")) == {"CC", "C#C", None}
    assert any("disagree" in reason for reason in dataset.audit.noted)
    assert batch.column("smiles").count(None) == next(
        t.count for r, t in dataset.audit.noted.items() if "bonds differ" in r
    )


def test_levels_of_ani1x_are_named_by_the_user(data):
    path = data / "ani/ani1x_n5.hdf5"
    with pytest.raises(ValueError, match=r"several levels of theory: 'ccsd\(t\)\*/cbs' \(ccsd\(t\)_cbs\).*pass level"):
        open_dataset(path)
    with pytest.raises(ValueError, match=r"has no level 'wb97x_dzz', did you mean 'wb97x_dz'\?"):
        open_dataset(path, level="wb97x_dzz")
    with h5py.File(path) as file:
        expected = {key: file[f"C1H4N4O4/{key}.energy"][0] for key in ("wb97x_dz", "wb97x_tz")}
    for prefix, level in (("wb97x_dz", "wb97x/6-31g(d)"), ("wb97x_tz", "wb97x/def2-tzvpp")):
        by_prefix, by_name = read(path, level=prefix)[1], read(path, level=level)[1]
        assert by_prefix == by_name
        assert set(by_name.column("level")) == {level}
        assert by_name[0].energy == pytest.approx(expected[prefix] * Hartree)


def test_missing_labels_are_counted(data):
    dataset = open_dataset(data / "ani/ani1x_n5.hdf5", format="ani1ccx")
    batch = dataset.read()
    assert len(batch) == 6
    assert np.isfinite(batch.array("energy")).all()
    (tally,) = dataset.audit.dropped.values()
    assert tally.names == ["C1H6N2O5[1]", "C1H6N2O5[2]"]


def test_a_level_that_contradicts_the_file_is_refused(data):
    with pytest.raises(ValueError, match="asked for, but the file names"):
        open_dataset(data / "ani/gdb11_S01_06r.h5", level="b3lyp/6-31g(2df,p)")
    dataset, batch = read(data / "ani/ani_gdb_s01.h5")
    assert "pass level" in dataset.audit.remarks[0]
    assert batch[0].level is None
    assert read(data / "ani/ani_gdb_s01.h5", level="wb97x/6-31g(d)")[1][0].level == "wb97x/6-31g(d)"


def test_mixed_levels_in_one_file_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, level in (("a", b"pbe"), ("b", b"b3lyp")):
            group = file.create_group(name)
            group["species"], group["coordinates"] = np.array([b"H"]), np.zeros((1, 1, 3))
            group["energies"], group["lot"] = np.array([-0.5]), np.array([level])
    with pytest.raises(ValueError, match="mixes levels of theory: b3lyp, pbe"):
        open_dataset(tmp_path / "a.h5")


def test_energies_that_are_not_hartree_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("a")
        group["species"], group["coordinates"] = np.array([b"O", b"H", b"H"]), np.zeros((1, 3, 3))
        group["energies"] = np.array([-76.4 * Hartree])
    with pytest.raises(ValueError, match="of the size of eV"):
        open_dataset(tmp_path / "a.h5")


def test_energy_units_differ_by_their_size():
    z = [6, 1, 1, 1, 1]
    assert detect_energy_unit([(z, -40.5)]) == "Ha"
    assert detect_energy_unit([(z, -40.5 * Hartree)]) == "eV"
    assert detect_energy_unit([(z, -40.5 * 627.5)]) == "kcal/mol"
    assert detect_energy_unit([(z, -40.5 * 2625.5)]) == "kJ/mol"
    assert detect_energy_unit([(z, -0.6)]) is None
    assert detect_energy_unit([([92], -28000.0)]) is None


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("unit", ["Ha/Å", "Ha/bohr", "eV/Å", "eV/bohr", "kcal/mol/Å", "kJ/mol/Å"])
def test_forces_of_a_spring_are_recognised_in_any_frame_and_unit(sign, unit):
    """Four atoms on springs, each conformer turned at random."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(3)
    rest = np.array([[0, 0, 0], [1.2, 0, 0], [0, 1.3, 0], [0.2, 0.3, 1.4]])
    i, j = np.triu_indices(4, 1)
    length = np.linalg.norm(rest[i] - rest[j], axis=1)
    positions, energies, forces = [], [], []
    for _ in range(200):
        x = rest + 0.05 * rng.normal(size=rest.shape)
        d = x[i] - x[j]
        r = np.linalg.norm(d, axis=1)
        f = np.zeros_like(x)
        pull = (-30 * (r - length) / r)[:, None] * d
        np.add.at(f, i, pull)
        np.add.at(f, j, -pull)
        turn = Rotation.random(rng=rng)
        positions.append(turn.apply(x))
        energies.append(float((15 * (r - length) ** 2).sum()))
        forces.append(turn.apply(f))
    raw = sign * np.array(forces) / force_factor(unit)
    found = detect_forces([(np.array(positions), np.array(energies), raw)])
    assert found is not None
    assert (found.sign, found.unit) == (sign, unit)
    assert np.allclose(raw * found.factor, forces)


def test_force_units():
    assert force_factor("Ha/bohr") == pytest.approx(Hartree / Bohr)
    assert force_factor("eV/A") == force_factor("eV/Å") == 1.0

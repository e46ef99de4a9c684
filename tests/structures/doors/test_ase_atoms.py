"""ase.Atoms in and out: nothing is lost, labels are found where the field puts them."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.collections import g2
from hypothesis import given
from hypothesis import strategies as st

from molaug.structures import Structures
from molaug.structures.doors.ase_atoms import from_ase, to_ase


@st.composite
def labelled(draw: st.DrawFn) -> Structures:
    n = draw(st.integers(1, 4))
    frames = [g2[draw(st.sampled_from(g2.names))] for _ in range(n)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return Structures.from_arrays(
        [frame.numbers for frame in frames],
        [frame.positions + rng.normal(size=frame.positions.shape) for frame in frames],
        charge=[0] * n,
        smiles=[draw(st.sampled_from([None, "F", r"C/C=C\C", "[H][H]"])) for _ in range(n)],
        origin=draw(st.sampled_from([None, "demo"])),
        parent=["12345678901234567890123456789012"] * n,
        seed=rng.integers(0, 2**62, n).tolist(),
        energy=rng.normal(size=n) * 1e4,
        forces=[rng.normal(size=frame.positions.shape) for frame in frames],
        level="wb97x/6-31g(d)",
        extra={"score": rng.normal(size=n), "dipole": rng.normal(size=(n, 3)).tolist(), "tag": ["a b"] * n},
    )


@given(labelled())
def test_the_round_trip_loses_nothing(batch):
    again = from_ase(to_ase(batch))
    assert again.table.select(batch.table.column_names).to_pylist() == batch.table.to_pylist()


@given(labelled())
def test_labels_survive_a_copy(batch):
    frame = to_ase(batch)[0].copy()
    assert from_ase(frame)[0].energy == batch[0].energy
    assert np.array_equal(from_ase(frame)[0].forces, batch[0].forces)


@pytest.mark.parametrize("key", ["REF_energy", "energy"])
def test_energies_are_found_under_the_usual_keys(key):
    water = molecule("H2O")
    water.info[key] = -1.5
    assert from_ase(water, level="x")[0].energy == -1.5
    assert from_ase(water, level="x")[0].level == "x"


def test_results_of_a_calculator_are_labels():
    water = molecule("H2O")
    water.calc = SinglePointCalculator(water, energy=-2.0, forces=np.ones((3, 3)))
    row = from_ase(water)[0]
    assert row.energy == -2.0
    assert (row.forces == 1).all()


def test_a_key_that_is_absent_is_an_error_that_lists_those_there_are():
    water = molecule("H2O")
    water.info["dft_energy"] = -1.0
    with pytest.raises(KeyError, match="no energy 'DFT_energy'; info holds dft_energy"):
        from_ase(water, energy_key="DFT_energy")
    with pytest.raises(KeyError, match="no forces 'dft_forces'; arrays holds numbers, positions"):
        from_ase(water, forces_key="dft_forces")


def test_spin_follows_from_info_then_moments_then_electrons():
    hydroxyl, oxygen = molecule("OH"), molecule("O2")
    assert [from_ase(a)[0].multiplicity for a in (hydroxyl, oxygen)] == [2, 3]
    oxygen.info["multiplicity"] = 1
    assert from_ase(oxygen)[0].multiplicity == 1
    hydroxyl.info["charge"] = -1
    assert from_ase(hydroxyl)[0].multiplicity == 1


def test_smiles_of_hydrogen_fluoride_is_not_false():
    fluoride = molecule("HF")
    fluoride.info["smiles"] = False  # what ASE reads from smiles=F
    assert from_ase(fluoride)[0].smiles == "F"


def test_periodic_structures_are_refused():
    with pytest.raises(ValueError, match="structure 0 is periodic"):
        from_ase(Atoms("H", cell=[1, 1, 1], pbc=True))


def test_bare_graphs_have_no_atoms_object():
    with pytest.raises(ValueError, match="row 0 \\(O\\) has no positions; embed it first"):
        to_ase(Structures.from_arrays([[8, 1, 1]], None, smiles=["O"]))

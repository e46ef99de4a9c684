"""Labels, charge and spin of frames are their own, whatever else hangs on them."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from molaug.structures import Structures
from molaug.structures.datasets import open_dataset


def chain(*lengths: float) -> list[Atoms]:
    return [Atoms("Ar2", [[0, 0, 0], [0, 0, d]]) for d in lengths]


def test_a_calculator_shared_by_frames_labels_the_one_that_it_computed_last() -> None:
    frames, calculator = chain(1.0, 1.1, 1.2), LennardJones()
    energies = []
    for frame in frames:
        frame.calc = calculator
        energies.append(frame.get_potential_energy())
    dataset = open_dataset(frames)
    rows = dataset.read()
    assert rows.column("energy") == [None, None, energies[-1]]
    [(remark, tally)] = dataset.audit.noted.items()
    assert remark == "results of its calculator are left out: they are of other atoms"
    assert tally.names == ["frame 0", "frame 1"]


def test_without_an_audit_it_is_a_warning() -> None:
    frames, calculator = chain(1.0, 1.2), LennardJones()
    for frame in frames:
        frame.calc = calculator
        frame.get_potential_energy()
    with pytest.warns(UserWarning, match="1 of 2 frames: results of its calculator are left out"):
        Structures.from_ase(frames)


def test_a_frame_that_moved_after_it_was_computed_has_no_label() -> None:
    live, read = chain(1.0, 1.0)
    live.calc = LennardJones()
    live.get_potential_energy()
    read.calc = SinglePointCalculator(read, energy=-1.0)
    for frame in (live, read):
        frame.positions[1, 2] += 0.1
    dataset = open_dataset([live, read])
    assert dataset.read().column("energy") == [None, None]
    assert sum(tally.count for tally in dataset.audit.noted.values()) == 2


def test_a_shift_in_space_or_a_box_moves_nothing() -> None:
    frame = molecule("H2O")
    frame.calc = SinglePointCalculator(frame, energy=-2.0, forces=np.ones((3, 3)))
    frame.center(vacuum=3.0)
    row = Structures.from_ase(frame)[0]
    assert row.energy == -2.0
    assert row.forces is not None


def test_calculators_of_their_own_label_every_frame() -> None:
    frames = chain(1.0, 1.1)
    energies = []
    for frame in frames:
        frame.calc = LennardJones()
        energies.append(frame.get_potential_energy())
    assert Structures.from_ase(frames).column("energy") == energies


@pytest.mark.parametrize(
    ("charges", "info", "charge", "remark"),
    [
        ([-1, 0], {}, -1, None),
        ([-0.71, -0.285], {}, -1, None),  # populations, rounded
        ([-0.4, 0.4], {}, 0, None),
        ([0, 0], {"charge": 1}, 1, None),
        ([-0.7, 0.2], {}, 0, "initial charges whose sum is no charge"),
        ([float("nan"), 0], {}, 0, "initial charges whose sum is no charge"),
        ([1e9, 0], {}, 0, "initial charges whose sum is no charge"),
        ([-1, 0], {"charge": -1}, -1, None),
        ([-1, 0], {"charge": 1}, 1, "the charge in info is taken; the initial charges have another sum"),
    ],
)
def test_initial_charges_tell_the_charge_where_info_does_not(
    charges: list[float], info: dict[str, int], charge: int, remark: str | None
) -> None:
    frame = Atoms("OH", [[0, 0, 0], [0, 0, 0.97]], charges=charges)
    frame.info.update(info)
    dataset = open_dataset([frame])
    assert dataset.read()[0].charge == charge
    assert [text[: len(remark or "")] for text in dataset.audit.noted] == ([] if remark is None else [remark])


@pytest.mark.parametrize(
    ("name", "info", "multiplicity", "noted"),
    [
        ("O2", {"spin": 3}, 3, False),  # 2S+1: fairchem, Orb, MACE
        ("O2", {"spin": 1}, 1, False),
        ("O2", {"total_spin": 3}, 3, False),
        ("O2", {"spin": 2}, 3, True),  # 2S, since 2S+1 = 2 is impossible with 16 electrons
        ("OH", {"spin": 1}, 2, True),
        ("OH", {"spin": 2}, 2, False),
        ("OH", {"spin": 0.5}, 2, True),
        ("H2O", {"spin": 0}, 1, False),
        ("OH", {"spin": 0}, 2, False),
        ("O2", {"multiplicity": 1, "spin": 3}, 1, True),
        ("O2", {"multiplicity": 3, "spin": 3}, 3, False),
        ("H2O", {"spin": "low"}, 1, True),
        ("H2O", {"spin": -2}, 1, True),
        ("H2O", {"spin": 1e9}, 1, True),
        ("H2O", {"spin": float("nan")}, 1, True),
        ("H2O", {"mult": 3}, 3, False),
    ],
)
def test_spin_is_a_multiplicity_unless_electrons_forbid_it(
    name: str, info: dict[str, float | str], multiplicity: int, noted: bool
) -> None:
    frame = molecule(name)
    frame.set_initial_magnetic_moments(None)
    frame.info.update(info)
    dataset = open_dataset([frame])
    assert dataset.read()[0].multiplicity == multiplicity
    assert bool(dataset.audit.noted) == noted


@pytest.mark.parametrize("moment", [1.0, 4.0, float("nan")])
def test_moments_that_contradict_the_electrons_are_named(moment: float) -> None:
    frame = Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], magmoms=[moment, 0])
    dataset = open_dataset([frame])
    assert dataset.read()[0].multiplicity == 1
    assert list(dataset.audit.noted) == ["magnetic moments that contradict the number of electrons are left out"]

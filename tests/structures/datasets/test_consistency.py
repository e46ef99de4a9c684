"""Forces that are not those of the energies beside them are found by neighbouring geometries, without a calculation."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.units import Bohr, Hartree, kcal, mol
from numpy.typing import NDArray

from molaug.structures import Structures
from molaug.structures.calculators import calculator_for
from molaug.structures.datasets import open_dataset
from molaug.structures.datasets.consistency import (
    MAX_ROWS,
    contradiction_of,
    force_convention_of,
    size_of_energies,
    watched,
)

Change = Callable[[NDArray[np.float64]], NDArray[np.float64]]

WRONG = [
    (-1.0, "gradients, the negative of forces, in eV/Å"),
    (Bohr / Hartree, "forces in Ha/bohr"),
    (-Bohr / Hartree, "gradients, the negative of forces, in Ha/bohr"),
    (1 / Hartree, "forces in Ha/Å"),
    (mol / kcal, "forces in kcal/mol/Å"),
    (Bohr, "forces in eV/bohr"),
]


@pytest.fixture(scope="module")
def frames() -> Structures:
    """Ethanol and formaldehyde, shaken by some hundredths of an ångström, with the labels of GFN2-xTB."""
    rng = np.random.default_rng(0)
    made = []
    for name in ("CH3CH2OH", "H2CO"):
        for _ in range(30):
            atoms = molecule(name)
            atoms.positions += 0.02 * rng.normal(size=atoms.positions.shape)
            atoms.calc = calculator_for("gfn2-xtb", {})
            atoms.get_forces()
            made.append(atoms)
    return Structures.from_ase(made, level="gfn2-xtb", origin="shaken")


def times(rows: Structures, factor: float) -> Structures:
    return rows.with_columns({"forces": [None if row.forces is None else factor * row.forces for row in rows]})


def test_forces_of_the_energies_are_recognised(frames: Structures) -> None:
    found = force_convention_of(frames)
    assert found is not None
    assert (found.sign, found.unit) == (1, "eV/Å")
    assert contradiction_of(frames) is None


@pytest.mark.parametrize(("factor", "looks"), WRONG)
def test_wrong_signs_and_units_are_named(factor: float, looks: str, frames: Structures) -> None:
    found = contradiction_of(times(frames, factor))
    assert found is not None
    assert f"looks like {looks}" in found


def test_energies_in_another_unit_contradict_the_forces_too(frames: Structures) -> None:
    assert contradiction_of(frames.with_columns({"energy": frames.array("energy") / Hartree})) is not None


def test_one_wrong_dataset_among_right_ones_is_found(frames: Structures) -> None:
    wrong = times(frames, -1.0).with_columns({"origin": "another file"})
    found = contradiction_of(Structures.concat([frames, wrong]))
    assert found is not None
    assert "gradients" in found


@pytest.mark.parametrize(
    "rows",
    [
        Structures.empty(),
        Structures.from_ase([molecule("H2O")]),
        Structures.from_arrays([[1, 1]] * 8, np.zeros((8, 2, 3)), energy=np.zeros(8), forces=np.zeros((8, 2, 3))),
    ],
)
def test_nothing_is_proved_without_neighbours(rows: Structures) -> None:
    assert force_convention_of(rows) is None
    assert contradiction_of(rows) is None


def test_molecules_without_a_second_geometry_prove_nothing(frames: Structures) -> None:
    assert contradiction_of(times(frames.take([0, 30]), -1.0)) is None


def test_the_order_of_rows_and_rows_without_labels_make_no_difference(frames: Structures) -> None:
    bare = frames.with_columns({"energy": None, "forces": None})
    mixed = Structures.concat([bare, times(frames, -1.0)])
    shuffled = mixed.take(np.random.default_rng(1).permutation(len(mixed)))
    found = contradiction_of(shuffled)
    assert found is not None
    assert "gradients" in found


def test_the_audit_of_a_watched_dataset_says_it(frames: Structures) -> None:
    right, wrong = (watched(open_dataset(times(frames, factor))) for factor in (1.0, -1.0))
    assert right.read() == frames
    assert right.audit.detected["forces against energies"].startswith("agree (")
    assert not right.audit.remarks
    wrong.read()
    assert "gradients" in wrong.audit.remarks[0]


def test_total_energies_of_another_size_than_electronvolts_are_a_remark(data: Path) -> None:
    rows = open_dataset(data / "ani" / "gdb11_S01_06r.h5", graphs=False).read().slice(0, 50)
    assert size_of_energies(rows) is None
    wrong = watched(open_dataset(rows.with_columns({"energy": rows.array("energy") / Hartree, "forces": None})))
    wrong.read()
    assert wrong.audit.remarks == [
        "the energies have the size of total energies in Ha, not in eV; if that is so, say energy_unit"
    ]


def test_the_cost_is_bounded(frames: Structures) -> None:
    many = Structures.concat([frames] * (4 * MAX_ROWS // len(frames)))
    start = time.perf_counter()
    contradiction_of(many)
    assert time.perf_counter() - start < 10  # a second on an idle machine


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("multifidelity/C2H6_DFT+Force_NMS.h5", {"graphs": False}),
        ("ani/gdb11_S01_06r.h5", {"graphs": False}),
        ("ani/ani2x_diatomics.hdf5", {"graphs": False}),
        ("ani/comp6_s66x8_wb97x6-31gd.h5", {"graphs": False}),
        ("multifidelity/ethanol_ccsd_t-train.npz", {"graphs": False}),
    ],
)
def test_public_files_as_they_are_read_agree_and_each_wrong_unit_is_found(
    path: str, options: dict[str, bool], data: Path
) -> None:
    rows = open_dataset(data / path, **options).read().slice(0, MAX_ROWS)
    assert contradiction_of(rows) is None
    for factor, looks in WRONG:
        found = contradiction_of(times(rows, factor))
        assert found is not None
        assert f"looks like {looks}" in found

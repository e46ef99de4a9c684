"""Labels that claim one level of theory reproduce each other, or the difference is told in numbers."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from molaug.labels import Labeller, LevelError, check_level, label
from molaug.labels.levels import TOLERANCE, canonical_level
from molaug.structures import Structures
from molaug.structures.chemistry import with_smiles


@pytest.fixture(scope="module")
def base() -> Structures:
    names = ("CH3CH2OH", "H2O", "CH4", "NH3", "HCN")
    return label(with_smiles(Structures.from_ase([molecule(name) for name in names]))[0])


def test_labels_of_the_same_code_agree_to_the_last_digit(base: Structures) -> None:
    check = check_level(base, Labeller())
    assert check.level == "gfn2-xtb"
    assert check.differences == (0.0, 0.0, 0.0)
    assert check.largest == 0


def test_the_smallest_molecules_are_recomputed(base: Structures) -> None:
    check = check_level(base, Labeller(), n=2)
    assert check.ids == (base.ids[1], base.ids[4])


def test_names_are_compared_without_case_and_blanks(base: Structures) -> None:
    assert canonical_level(" B3LYP / 6-31G(2df,p)") == "b3lyp/6-31g(2df,p)"
    assert check_level(base.with_columns({"level": "GFN2-xTB"}), Labeller()).largest == 0


def test_other_names_are_refused(base: Structures) -> None:
    with pytest.raises(LevelError) as error:
        check_level(base.with_columns({"level": "wb97x/6-31g(d)"}), Labeller())
    assert "the base holds labels at wb97x/6-31g(d), new ones would be at gfn2-xtb" in str(error.value)
    assert "base_labels: relabel" in str(error.value)
    assert "base_labels: mixed" in str(error.value)


def test_two_levels_in_one_base_are_refused(base: Structures) -> None:
    levels = ["gfn2-xtb"] * 4 + ["gfn1-xtb"]
    with pytest.raises(LevelError, match="holds labels at gfn1-xtb, gfn2-xtb"):
        check_level(base.with_columns({"level": levels}), Labeller())


@pytest.mark.parametrize("factor", [1 / 27.2114, 23.06])
def test_other_units_are_told_in_numbers(factor: float, base: Structures) -> None:
    wrong = base.with_columns({"energy": base.array("energy") * factor})
    with pytest.raises(LevelError, match=r"recomputing \S+ gives -\d+\.\d{6} eV instead of -[\d.]+ eV") as error:
        check_level(wrong, Labeller())
    assert "in other units" in str(error.value)


def test_the_tolerance_decides(base: Structures) -> None:
    shifted = base.with_columns({"energy": base.array("energy") + 0.9 * TOLERANCE})
    assert check_level(shifted, Labeller()).largest == pytest.approx(0.9 * TOLERANCE)
    shifted = base.with_columns({"energy": base.array("energy") + 1.1 * TOLERANCE})
    with pytest.raises(LevelError, match=r"expected agreement within 0\.0027 eV"):
        check_level(shifted, Labeller())


def test_a_base_that_cannot_be_recomputed_is_refused(base: Structures) -> None:
    squeezed = Structures.from_arrays(
        [base[1].numbers],
        [0.5 * np.asarray(base[1].positions)],
        energy=[-137.0],
        level="gfn2-xtb",
    )
    with pytest.raises(LevelError, match=r"could not be recomputed at gfn2-xtb: label: largest force"):
        check_level(squeezed, Labeller())


def test_without_labels_nothing_is_compared() -> None:
    check = check_level(Structures.from_ase(molecule("H2O")), Labeller())
    assert check.ids == ()
    assert check.largest == 0

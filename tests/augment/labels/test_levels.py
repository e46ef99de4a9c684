"""Labels that claim one level of theory reproduce each other, or the difference is told in numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.units import Bohr, Hartree, kcal, kJ, mol
from numpy.typing import NDArray

from molaug.labels import Labeller, LevelError, Relaxation, check_level, label, relax
from molaug.labels.levels import TOLERANCE, canonical_level
from molaug.structures import Structures
from molaug.structures.calculators import calculator_for
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


@pytest.mark.parametrize(("factor", "unit"), [(1 / Hartree, "Ha"), (mol / kcal, "kcal/mol"), (mol / kJ, "kJ/mol")])
def test_other_units_are_told_in_numbers_and_by_name(factor: float, unit: str, base: Structures) -> None:
    wrong = base.with_columns({"energy": base.array("energy") * factor})
    with pytest.raises(LevelError, match=r"recomputing \S+ gives -\d+\.\d{6} eV instead of -[\d.]+ eV") as error:
        check_level(wrong, Labeller())
    assert f"The energies look like {unit}." in str(error.value)
    assert "energy_unit" in str(error.value)


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


def with_forces(base: Structures, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Structures:
    return base.with_columns({"forces": [None if row.forces is None else change(np.array(row.forces)) for row in base]})


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda f: -f, "The forces look like gradients (the opposite sign)."),
        (lambda f: f * Bohr / Hartree, "The forces look like Ha/bohr."),
        (lambda f: -f * Bohr / Hartree, "The forces look like gradients (the opposite sign) in Ha/bohr."),
        (lambda f: f / Hartree, "The forces look like Ha/Å."),
        (lambda f: f * mol / kcal, "The forces look like kcal/mol/Å."),
        (lambda f: f * mol / kcal * Bohr, "The forces look like kcal/mol/bohr."),
        (lambda f: f * mol / kJ, "The forces look like kJ/mol/Å."),
        (lambda f: f * Bohr, "The forces look like eV/bohr."),
        (lambda f: 2 * f, "The forces are 2 times what they should be."),
        (lambda f: f[:, [1, 2, 0]], "those of a molecule in another orientation."),
        (lambda f: 0 * f, "All forces are 0"),
    ],
)
def test_forces_are_compared_too_and_the_likely_cause_is_named(
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]], cause: str, base: Structures
) -> None:
    with pytest.raises(LevelError, match="eV/Å off the recomputed one") as error:
        check_level(with_forces(base, change), Labeller())
    assert cause in str(error.value)


def test_energies_and_forces_in_one_other_unit_are_told_at_once(base: Structures) -> None:
    wrong = with_forces(base, lambda f: f * Bohr / Hartree).with_columns({"energy": base.array("energy") / Hartree})
    with pytest.raises(LevelError) as error:
        check_level(wrong, Labeller())
    assert "The energies look like Ha. And a force" in str(error.value)
    assert "The forces look like Ha/bohr." in str(error.value)


def test_forces_of_the_base_are_compared_even_where_new_labels_have_none(base: Structures) -> None:
    check = check_level(base, Labeller(forces=False))
    assert check.force_differences == pytest.approx((0, 0, 0), abs=1e-9)
    with pytest.raises(LevelError, match="gradients"):
        check_level(with_forces(base, np.negative), Labeller(forces=False))


def test_a_calculator_without_forces_leaves_them_uncompared_and_says_so(base: Structures) -> None:
    labeller = Labeller(calculator=f"{__name__}:EnergyOnly", forces=False, level="gfn2-xtb")
    check = check_level(base, labeller)
    assert check.largest == pytest.approx(0, abs=1e-9)
    assert np.isnan(check.force_differences).all()
    assert "the forces of the base were not compared: the calculator gives none" in check.remarks


class EnergyOnly(Calculator):
    """GFN2-xTB that keeps its forces to itself."""

    implemented_properties: ClassVar[list[str]] = ["energy"]

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        whole = self.atoms.copy()
        whole.calc = calculator_for("gfn2-xtb", {})
        self.results = {"energy": whole.get_potential_energy()}


def test_a_molecule_with_forces_is_sought_where_the_smallest_have_none(base: Structures) -> None:
    """The three smallest have energies only; gradients of a larger one are found all the same."""
    forces = [row.forces if len(row.numbers) > 5 else None for row in base]
    partial = base.with_columns({"forces": forces})
    check = check_level(partial, Labeller())
    assert base.ids[0] in check.ids
    assert "4 of 5 labelled rows of the base have no forces" in check.remarks
    with pytest.raises(LevelError, match="gradients"):
        check_level(with_forces(partial, np.negative), Labeller())


def test_forces_without_energies_are_compared(base: Structures) -> None:
    bare = base.with_columns({"energy": None})
    check = check_level(bare, Labeller())
    assert np.isnan(check.differences).all()
    assert "5 of 5 labelled rows of the base have forces and no energy" in check.remarks
    with pytest.raises(LevelError, match="gradients"):
        check_level(with_forces(bare, np.negative), Labeller())


def test_forces_at_a_minimum_tell_no_sign_and_that_is_said() -> None:
    relaxed = label(relax(Structures.from_ase([molecule("H2O")]), Relaxation(fmax=0.005)))
    check = check_level(with_forces(relaxed, np.negative), Labeller())
    assert "the forces of the base that were compared are too small to tell their sign and unit" in check.remarks


def test_energies_decide_about_a_base_that_names_no_level(base: Structures) -> None:
    check = check_level(base.with_columns({"level": None}), Labeller())
    assert check.unnamed == 5
    assert check.evidence.startswith("3 structures of the base were recomputed at gfn2-xtb: 3 energies agree within")
    with pytest.raises(LevelError, match="the base does not name the level of its labels"):
        check_level(base.with_columns({"level": None}), Labeller(calculator="gfn1-xtb"))


def test_rows_without_a_level_are_judged_beside_those_that_name_it(base: Structures) -> None:
    levels = ["gfn2-xtb", "gfn2-xtb", None, "gfn2-xtb", "gfn2-xtb"]
    energies = base.array("energy") + np.array(
        [0, 0, 5.0, 0, 0]
    )  # only the row of methane, which says nothing, is wrong
    with pytest.raises(LevelError):
        check_level(base.with_columns({"level": levels, "energy": energies}), Labeller())


def test_atomisation_energies_are_recognised(base: Structures) -> None:
    free = {1: -10.7, 6: -48.9, 7: -71.0, 8: -102.6}
    energies = [row.energy - sum(free[int(z)] for z in row.numbers) for row in base]
    with pytest.raises(LevelError, match="look like atomisation or relative energies, not like total ones"):
        check_level(base.with_columns({"energy": energies}), Labeller())


def test_two_methods_of_one_class_are_not_one_level() -> None:
    lj = [Labeller(calculator="ase.calculators.lj:LennardJones", options={"sigma": s}) for s in (1.0, 1.1)]
    argon = label(Structures.from_arrays([[18, 18]], [[[0, 0, 0], [0, 0, 1.2]]]), lj[0])
    assert argon[0].level == "ase.calculators.lj:LennardJones(sigma=1)"
    check_level(argon, lj[0])
    with pytest.raises(LevelError, match=r"LennardJones\(sigma=1\), new ones would be at .*\(sigma=1.1\)"):
        check_level(argon, lj[1])

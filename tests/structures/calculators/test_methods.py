"""Calculators by name have the energies of their programs, know charge and spin, and say what they lack."""

from __future__ import annotations

import sys

import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.lj import LennardJones
from ase.units import Hartree

from molaug.structures.calculators import CALCULATORS, calculator_for

# tblite 0.8.0, its own Python interface (tblite.interface.Calculator, singlepoint), for the geometry of H2O in the G2
# set of ASE, in Ha
WATER = {"gfn2-xtb": -5.07022229}


def energy(name: str, atoms: Atoms, **state: int) -> float:
    atoms = atoms.copy()
    atoms.calc = calculator_for(name, {}, **state)
    return float(atoms.get_potential_energy())


def test_water_has_the_energy_of_tblite() -> None:
    assert energy("gfn2-xtb", molecule("H2O")) == pytest.approx(WATER["gfn2-xtb"] * Hartree, abs=1e-6)


def test_the_two_parametrisations_are_two_levels() -> None:
    assert abs(energy("gfn1-xtb", molecule("H2O")) - energy("gfn2-xtb", molecule("H2O"))) > 1


def test_charge_and_multiplicity_reach_the_program() -> None:
    hydroxyl = molecule("OH")
    radical = energy("gfn2-xtb", hydroxyl, charge=0, multiplicity=2)
    anion = energy("gfn2-xtb", hydroxyl, charge=-1, multiplicity=1)
    assert anion < radical - 1  # the electron affinity of OH is 1.83 eV
    triplet, singlet = (energy("gfn2-xtb", molecule("O2"), multiplicity=m) for m in (3, 1))
    assert abs(triplet - singlet) > 0.01  # their order is wrong: GFN2-xTB has no spin polarisation


def test_a_calculator_of_ase_goes_by_its_place() -> None:
    calculator = calculator_for("ase.calculators.lj:LennardJones", {"sigma": 3.0})
    assert isinstance(calculator, LennardJones)
    assert calculator.parameters["sigma"] == 3.0


def test_a_calculator_of_ones_own_is_told_charge_and_spin_where_it_says_how() -> None:
    made = calculator_for(f"{__name__}:Recorder", {"x": 1}, charge=-1, multiplicity=3, charge_key="q")
    assert made.given == {"x": 1, "q": -1}
    made = calculator_for(
        f"{__name__}:Recorder", {}, charge=-1, multiplicity=3, charge_key="q", multiplicity_key="spin"
    )
    assert made.given == {"q": -1, "spin": 3}


class Recorder:
    def __init__(self, **given: object) -> None:
        self.given = given


def test_an_object_is_copied_so_that_it_keeps_no_memory() -> None:
    given = LennardJones(sigma=3.0)
    made = calculator_for(given, {})
    assert made is not given
    assert made.parameters == given.parameters


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gfn2xtb", "unknown calculator 'gfn2xtb'; did you mean 'gfn2-xtb'? Known: gfn2-xtb, gfn1-xtb"),
        ("ccsd(t)", "or any ASE calculator as 'package.module:Class'"),
        ("ase.calculators.lj:Jones", "cannot be imported"),
    ],
)
def test_what_is_not_known_is_answered(name: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        calculator_for(name, {})
    assert message in str(error.value)


def test_arguments_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"does not take \['nonsense'\]"):
        calculator_for(f"{__name__}:Strict", {"nonsense": 1})


class Strict:
    def __init__(self, *, sense: int = 0) -> None:
        self.sense = sense


@pytest.mark.parametrize("name", ["gfn2-xtb", "gfn1-xtb"])
def test_a_missing_package_comes_with_the_command_that_installs_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(ImportError, match=r'needs tblite: pip install "molaug\[xtb\]"'):
        calculator_for(name, {})


def test_names_are_levels_of_theory() -> None:
    assert list(CALCULATORS) == ["gfn2-xtb", "gfn1-xtb", "b3lyp/6-31g(2df,p)", "wb97x/6-31g(d)"]

"""A calculator computes the state of the structure, or refuses the structure: never another state."""

from __future__ import annotations

from contextlib import chdir
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from rdkit import Chem
from tblite.ase import TBLite

from molaug.generators.dynamics import Dynamics
from molaug.generators.normal_modes import NormalModes
from molaug.generators.perturb import Perturb
from molaug.generators.torsions import Torsions
from molaug.labels import Labeller, label
from molaug.registry import ConfigurationError
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.calculators.dft import PySCFCalculator
from tests.structures.calculators.file_calculators import PairFiles, pair_energy

AMMONIUM = 0.6 * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
STATES = Structures.from_arrays(
    [[8, 1], [7, 1, 1, 1, 1], [8, 8], [8, 1]],
    [[[0, 0, 0], [0, 0, 0.97]], AMMONIUM, [[0, 0, 0], [0, 0, 1.21]], [[0, 0, 0], [0, 0, 0.97]]],
    charge=[-1, 1, 0, 0],
    multiplicity=[1, 1, 3, 2],
)
WATER = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]])


class Sums(Calculator):
    """Reads what ASE's calculators read: initial charges and moments, or names in ``info``."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        charge, unpaired = int(atoms.get_initial_charges().sum()), int(atoms.get_initial_magnetic_moments().sum())
        named = 10 * atoms.info.get("total_charge", 0) + 1000 * atoms.info.get("mult", 0)
        self.results = {"energy": charge + 100 * unpaired + named, "forces": np.zeros((len(atoms), 3))}


class Electronic:
    """Takes its state by attributes, as calculators do that are none of ASE's classes."""

    charge = 0
    multiplicity = 1

    def get_potential_energy(self, atoms: Any = None, force_consistent: bool = False) -> float:
        return float(self.charge + 100 * self.multiplicity)


def test_tblite_in_all_its_forms_computes_the_state_of_the_row() -> None:
    named = label(STATES, Labeller(forces=False)).array("energy")
    options = {"method": "GFN2-xTB", "verbosity": 0}
    for calculator, given in ((TBLite(**options), {}), ("tblite.ase:TBLite", options)):
        labeller = Labeller(calculator=calculator, options=given, level="x", forces=False)
        assert label(STATES, labeller).array("energy") == pytest.approx(named, abs=1e-6)
    neutral = TBLite(**options)
    atoms = Method().atoms_of(STATES[0])
    atoms.info.clear()
    atoms.calc = neutral
    assert abs(atoms.get_potential_energy() - named[0]) > 5.0  # what was returned before for hydroxide


def test_a_used_object_is_told_anew() -> None:
    used = PairFiles(charge=1)
    atoms = Method().atoms_of(STATES[1])
    atoms.calc = used
    with TemporaryDirectory() as folder, chdir(folder):
        atoms.get_potential_energy()
    method = Method(calculator=used, charge_key="charge", multiplicity_key="info")
    found = [float(method.atoms_of(row).get_potential_energy()) for row in STATES]
    assert found == pytest.approx([pair_energy(row.positions, row.charge)[0] for row in STATES])


def test_an_object_that_cannot_be_copied_stops_at_once() -> None:
    used = TBLite(method="GFN2-xTB", verbosity=0)
    atoms = Method().atoms_of(WATER[0])
    atoms.calc = used
    atoms.get_potential_energy()
    with pytest.raises(ConfigurationError, match=r"TBLite cannot be copied.*not used before, or 'tblite.ase:TBLite'"):
        Labeller(calculator=used, level="x").check()


@pytest.mark.parametrize(
    "calculator",
    [EMT(), LennardJones(), "ase.calculators.emt:EMT", "ase.calculators.lj:LennardJones", Sums(), Electronic()],
    ids=["EMT", "LJ", "EMT by place", "LJ by place", "own", "no class of ASE"],
)
def test_what_was_not_told_how_refuses_charges_and_open_shells_and_nothing_else(calculator: Any) -> None:
    labelled = label(Structures.concat([STATES, WATER]), Labeller(calculator=calculator, level="x", forces=False))
    name = Method(calculator=calculator).name
    for reason, what in zip(labelled.column("reason"), 2 * ["a charge"] + 2 * ["an open shell"], strict=False):
        assert reason.startswith(f"label: calculator {name} was not told how to take {what}")
        assert ("charge_key" if what == "a charge" else "multiplicity_key") in reason
    assert not np.isfinite(labelled.array("energy")[:4]).any()
    assert np.isfinite(labelled.array("energy")[4])


def test_a_charge_alone_may_be_told() -> None:
    labelled = label(STATES, Labeller(calculator=Sums(), level="x", charge_key="initial_charges"))
    assert labelled.column("energy") == [-1.0, 1.0, None, None]


@pytest.mark.parametrize(
    ("charge_key", "multiplicity_key", "expected"),
    [
        ("initial_charges", "initial_magmoms", [-1, 1, 200, 100]),
        ("info:total_charge", "info:mult", [990, 1010, 3000, 2000]),
    ],
)
def test_atoms_are_told_as_ase_and_machine_learned_potentials_look_for_it(
    charge_key: str, multiplicity_key: str, expected: list[float]
) -> None:
    method = Method(calculator=Sums(), charge_key=charge_key, multiplicity_key=multiplicity_key)
    assert [float(method.atoms_of(row).get_potential_energy()) for row in STATES] == expected
    atoms = Method(calculator=Sums(), charge_key="info", multiplicity_key="info").atoms_of(STATES[2])
    assert (atoms.info["charge"], atoms.info["spin"]) == (0, 3)


def test_attributes_are_set_where_there_are_no_parameters() -> None:
    method = Method(calculator=Electronic(), charge_key="charge", multiplicity_key="multiplicity")
    assert [method.atoms_of(row).get_potential_energy() for row in STATES] == [99, 101, 300, 200]


@pytest.mark.parametrize("calculator", [EMT(), LennardJones(), "ase.calculators.emt:EMT", Electronic()])
def test_a_key_that_a_calculator_does_not_have_stops_at_once(calculator: Any) -> None:
    with pytest.raises(ValueError, match=r"no parameter or attribute 'net_charge'|does not take"):
        Method(calculator=calculator, charge_key="net_charge").check()


@pytest.mark.parametrize(("charge_key", "multiplicity_key"), [("initial_magmoms", None), ("", None), ("q", "q")])
def test_a_key_that_means_something_else_stops_at_once(charge_key: str, multiplicity_key: str | None) -> None:
    with pytest.raises(ValueError, match="charge_key"):
        Method(calculator=Sums(), charge_key=charge_key, multiplicity_key=multiplicity_key).check()


def test_a_charge_that_is_fixed_by_an_option_holds_for_rows_of_this_charge_alone() -> None:
    labeller = Labeller(calculator=Sums(charge=-1), level="x")
    reasons = label(Structures.concat([STATES, WATER]), labeller).column("reason")
    assert reasons[0] is None
    assert "fixed to -1" in str(reasons[1])
    assert "this one is neutral" in str(reasons[4])


@pytest.mark.parametrize("generator", [NormalModes, Dynamics, Torsions, Perturb])
def test_a_sampler_refuses_a_charged_parent_by_the_same_rule(generator: Any) -> None:
    ion = Structures.from_rdkit(Chem.AddHs(Chem.MolFromSmiles("CC[NH2+]C")))
    rows = Structures.concat(generator(calculator=EMT()).propose(ion, 2, seed=0))
    reasons = set(rows.column("reason"))
    assert len(rows)
    assert all("was not told how to take a charge" in str(reason) for reason in reasons), reasons


def test_density_functional_calculators_take_both_however_they_are_given() -> None:
    pytest.importorskip("pyscf")
    by_object = Method(calculator=PySCFCalculator(functional="b3lyp", basis="6-31g(d)"))
    assert by_object.keys() == ("charge", "multiplicity")
    by_object.calculator_of(STATES[2])

"""Labels of one structure: forces are derivatives, and what cannot be believed is said."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones

from molaug.labels import LabelError, Labeller
from molaug.structures import Structure, Structures
from molaug.testing import check_labeller


class Spring(Calculator):
    """Harmonic springs between all pairs of atoms, and on demand a fault."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, fault: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.fault = fault

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        x, z = self.atoms.get_positions(), self.atoms.get_atomic_numbers()
        weights = np.sqrt(np.outer(z, z))
        apart = x[:, None] - x[None]  # (n_atoms, n_atoms, 3)
        energy = 0.25 * float((weights * (apart**2).sum(-1)).sum())
        forces = -(weights[..., None] * apart).sum(1)
        energy += {
            "random": float(np.random.default_rng().normal()),
            "place": float(x.sum()),
            "order": float(x[0] @ x[1]) if len(x) > 1 else 0.0,
            "nan": float("nan"),
        }.get(self.fault or "", 0.0)
        if self.fault == "sign":
            forces = -forces
        if self.fault == "not turned":
            forces = forces + np.array([0.01, 0, 0])
        if self.fault == "nan force":
            forces[0, 0] = np.nan
        if self.fault == "raises":
            raise RuntimeError("did not converge")
        self.results = {"energy": energy, "forces": forces}


def spring(**options: Any) -> Labeller:
    return Labeller(calculator=f"{__name__}:Spring", level="springs", max_force=None, options=options)


@pytest.fixture
def water() -> Structure:
    return Structures.from_ase(molecule("H2O"))[0]


@pytest.fixture
def rows() -> Structures:
    return Structures.from_ase([molecule(name) for name in ("H2CO", "NH3")])


def test_gfn2_keeps_the_contract() -> None:
    """Forces are finite differences, turn with the molecule; charged and open-shell molecules too."""
    rows = Structures.from_ase([molecule(name) for name in ("CH3OH", "HCN", "OH")])
    ion = Structures.from_arrays([rows[2].numbers], [rows[2].positions], charge=[-1])
    check_labeller(Labeller(), Structures.concat([rows, ion]))


def test_gfn2_forces_are_finite_differences_of_every_coordinate(water: Structure) -> None:
    labeller, h = Labeller(), 1e-3
    _, forces = labeller.label(water)
    assert forces is not None
    for atom in range(3):
        for axis in range(3):
            energies = []
            for sign in (1, -1):
                assert water.positions is not None
                x = water.positions.copy()
                x[atom, axis] += sign * h
                energies.append(labeller.label(Structures.from_arrays([water.numbers], [x])[0])[0])
            assert -(energies[0] - energies[1]) / (2 * h) == pytest.approx(forces[atom, axis], abs=1e-4)


def test_a_calculator_of_ones_own_keeps_the_contract(rows: Structures) -> None:
    check_labeller(spring(), rows)


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        ("random", "determinism"),
        ("place", "invariance to motion"),
        ("order", "invariance to permutation|invariance to motion"),
        ("not turned", "invariance to motion"),
        ("sign", "forces: row 0: they are off the finite difference"),
        ("nan", "labels: row 0 was rejected: label: energy nan"),
        ("nan force", "labels: row 0 was rejected: label: energy .* or a force is not finite"),
        ("raises", "labels: row 0 was rejected: label: RuntimeError: did not converge"),
    ],
)
def test_the_contract_catches(fault: str, clause: str, rows: Structures) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_labeller(spring(fault=fault), rows)


def test_the_contract_asks_for_forces_and_for_geometry(rows: Structures) -> None:
    with pytest.raises(AssertionError, match="labels: row 0 has no forces"):
        check_labeller(Labeller(calculator=f"{__name__}:Spring", level="springs", forces=False), rows)
    with pytest.raises(ValueError, match="expected rows with geometry"):
        check_labeller(spring(), Structures.empty())


def test_charge_and_multiplicity_of_the_row_are_used() -> None:
    x = molecule("OH").positions
    rows = Structures.from_arrays([[8, 1]] * 2, [x, x], charge=[0, -1], multiplicity=[2, 1])
    radical, anion = (Labeller().label(row)[0] for row in rows)
    assert anion < radical - 1


@pytest.mark.parametrize("fault", ["nan", "nan force"])
def test_numbers_that_are_none_are_refused(fault: str, water: Structure) -> None:
    with pytest.raises(LabelError, match="is not finite"):
        spring(fault=fault).label(water)


def test_a_bare_graph_cannot_be_computed() -> None:
    graph = Structures.from_arrays([[2]], None, smiles=["[He]"])[0]
    with pytest.raises(LabelError, match="a bare graph has no geometry to compute"):
        Labeller().label(graph)


def test_forces_beyond_belief_are_refused_unless_they_are_asked_for() -> None:
    squeezed = Structures.from_arrays([[8, 1, 1]], [0.6 * molecule("H2O").positions])[0]
    with pytest.raises(LabelError, match=r"largest force [\d.]+ eV/Å is above 50"):
        Labeller().label(squeezed)
    _, forces = Labeller(max_force=None).label(squeezed)
    assert forces is not None
    assert np.linalg.norm(forces, axis=1).max() > 50


def test_forces_may_be_left_out(water: Structure) -> None:
    energy, forces = Labeller(forces=False).label(water)
    assert forces is None
    assert energy == pytest.approx(Labeller().label(water)[0], abs=1e-9)


def test_the_level_is_the_name_of_the_calculator_unless_it_is_given() -> None:
    assert Labeller().level == "gfn2-xtb"
    assert Labeller(level="GFN2-xTB (tight)").level == "GFN2-xTB (tight)"
    assert Labeller(calculator=LennardJones(), level="lj").level == "lj"


def test_an_object_has_no_level_by_itself() -> None:
    with pytest.raises(ValueError, match=r"LennardJones is an object; expected level='...'"):
        Labeller(calculator=LennardJones())


def test_no_result_depends_on_what_was_computed_before(water: Structure) -> None:
    labeller = Labeller()
    first = labeller.label(water)[0]
    labeller.label(Structures.from_ase(molecule("CH4"))[0])
    assert labeller.label(water)[0] == pytest.approx(first, abs=1e-9)

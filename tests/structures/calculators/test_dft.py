"""Density-functional labels are those of QM9 and ANI-1, and their forces are the derivatives of their energies."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import InputError, SCFError
from ase.units import Hartree
from scipy.spatial.transform import Rotation

pyscf = pytest.importorskip("pyscf", reason='needs PySCF: pip install "molaug[dft]"')

from molaug.structures.calculators.basis import BASES, orthonormal, pure_momenta, shells, transformation  # noqa: E402
from molaug.structures.calculators.dft import PySCFCalculator, b3lyp_6_31g_2df_p, wb97x_6_31g_d  # noqa: E402

MILLIHARTREE = 1e-3 * Hartree

# QM9 (doi:10.1038/sdata.2014.22), molecules 1 to 3 as published: geometry, U0 and ZPVE in Ha.
METHANE = Atoms(
    "CH4",
    [
        [-0.0126981359, 1.0858041578, 0.0080009958],
        [0.002150416, -0.0060313176, 0.0019761204],
        [1.0117308433, 1.4637511618, 0.0002765748],
        [-0.540815069, 1.4475266138, -0.8766437152],
        [-0.5238136345, 1.4379326443, 0.9063972942],
    ],
)
AMMONIA = Atoms(
    "NH3",
    [
        [-0.0404260543, 1.0241077531, 0.0625637998],
        [0.0172574639, 0.0125452063, -0.0273771593],
        [0.9157893661, 1.3587451948, -0.0287577581],
        [-0.5202777357, 1.3435321258, -0.7755426124],
    ],
)
WATER = Atoms(
    "OH2",
    [
        [-0.0343604951, 0.9775395708, 0.0076015923],
        [0.0647664923, 0.0205721989, 0.0015346341],
        [0.8717903737, 1.3007924048, 0.0006931336],
    ],
)
BENT_WATER = Atoms("OH2", [[0, 0, 0.01], [0.02, 0.76, 0.59], [0, -0.8, 0.55]])
AMIDOGEN = Atoms("NH2", [[0, 0, 0.01], [0.02, 0.8, 0.63], [0, -0.82, 0.6]], info={"multiplicity": 2})
LEVELS = [b3lyp_6_31g_2df_p, wb97x_6_31g_d]


def energy(atoms: Atoms, calculator: PySCFCalculator) -> float:
    """Energy in eV."""
    atoms = atoms.copy()
    atoms.calc = calculator
    return atoms.get_potential_energy()


@pytest.mark.parametrize(
    ("atoms", "u0", "zpve"),
    [
        pytest.param(METHANE, -40.47893, 0.044749, id="methane"),
        pytest.param(AMMONIA, -56.525887, 0.034358, id="ammonia"),
        pytest.param(WATER, -76.404702, 0.021375, id="water"),
    ],
)
def test_qm9_energies_are_reproduced(atoms: Atoms, u0: float, zpve: float) -> None:
    # U0 and ZPVE are printed to 1e-6 Ha, and so is known their difference.
    assert energy(atoms, b3lyp_6_31g_2df_p()) == pytest.approx((u0 - zpve) * Hartree, abs=0.003 * MILLIHARTREE)


@pytest.mark.parametrize(
    ("symbol", "multiplicity", "expected"),
    [("H", 2, -0.500273), ("O", 3, -75.064579), ("F", 2, -99.718730)],
)
def test_qm9_free_atoms_are_reproduced(symbol: str, multiplicity: int, expected: float) -> None:
    # The reference energies that come with QM9. Fluorine pins its d (1.6, 0.4) and f (1.85) exponents.
    atom = Atoms(symbol, info={"multiplicity": multiplicity})
    assert energy(atom, b3lyp_6_31g_2df_p()) == pytest.approx(expected * Hartree, abs=0.003 * MILLIHARTREE)


@pytest.mark.parametrize("molecule", [pytest.param(0, id="methane"), pytest.param(2, id="water")])
def test_ani1_energies_and_forces_are_reproduced(data: Path, molecule: int) -> None:
    with h5py.File(data / "ani/gdb11_S01_06r.h5") as file:
        record = file[f"gdb11_s01/mol{molecule:07d}"]
        atoms = Atoms([s.decode() for s in record["species"][()]], record["coordinates"][7].astype(float))
        expected = record["energies"][7] * Hartree
        forces = -record["forces"][7] * Hartree  # the file holds gradients in Ha/Å
    atoms.calc = wb97x_6_31g_d()
    assert atoms.get_potential_energy() == pytest.approx(expected, abs=0.02 * MILLIHARTREE)
    assert atoms.get_forces() == pytest.approx(forces, abs=0.01)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("atoms", [BENT_WATER, AMIDOGEN], ids=["restricted", "unrestricted"])
def test_forces_are_the_derivative_of_the_energy(atoms: Atoms, level: type[PySCFCalculator]) -> None:
    # On a coarse grid, so that the grid's own response is seen to be there.
    calculator = level(grid_level=0)
    atoms = atoms.copy()
    atoms.calc = calculator
    forces = atoms.get_forces()
    direction = np.random.default_rng(0).normal(size=forces.shape)
    direction /= np.linalg.norm(direction)

    def along(step: float) -> float:
        moved = atoms.copy()
        moved.positions += step * direction
        return energy(moved, calculator)

    h = 2e-3
    slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    assert (forces * direction).sum() == pytest.approx(-slope, abs=1e-4)
    assert forces.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("atoms", [BENT_WATER, AMIDOGEN], ids=["restricted", "unrestricted"])
def test_every_force_component_with_a_fitted_density(atoms: Atoms, level: type[PySCFCalculator]) -> None:
    calculator = level(density_fit=True, grid_level=1)
    atoms = atoms.copy()
    atoms.calc = calculator
    forces = atoms.get_forces()
    h = 1e-3
    for atom, axis in np.ndindex(forces.shape):
        ends = []
        for step in (h, -h):
            moved = atoms.copy()
            moved.positions[atom, axis] += step
            ends.append(energy(moved, calculator))
        assert forces[atom, axis] == pytest.approx(-(ends[0] - ends[1]) / (2 * h), abs=1e-4)


def test_energy_and_forces_turn_with_the_molecule() -> None:
    # The integration grid does not turn, so this holds to the grid's accuracy only.
    rotation = Rotation.from_euler("zyx", [0.3, 1.1, -0.7])
    turned = Atoms(BENT_WATER.symbols, rotation.apply(BENT_WATER.positions))
    first, second = BENT_WATER.copy(), turned
    first.calc, second.calc = b3lyp_6_31g_2df_p(grid_level=1), b3lyp_6_31g_2df_p(grid_level=1)
    assert second.get_potential_energy() == pytest.approx(first.get_potential_energy(), abs=0.1 * MILLIHARTREE)
    assert second.get_forces() == pytest.approx(rotation.apply(first.get_forces()), abs=0.02)


@pytest.mark.parametrize("level", LEVELS)
def test_a_fitted_density_costs_a_hundredth_of_a_millihartree(level: type[PySCFCalculator]) -> None:
    exact, fitted = (energy(WATER, level(density_fit=fit, grid_level=1)) for fit in (False, True))
    assert 0 < abs(fitted - exact) < 0.01 * MILLIHARTREE


def test_a_field_that_does_not_converge_says_so() -> None:
    with pytest.raises(SCFError, match=r"did not converge to 1e-10 Ha within 2 iterations"):
        energy(WATER, wb97x_6_31g_d(max_cycle=2, grid_level=0))


def test_open_shells_are_told_by_the_molecule_the_calculator_or_the_electrons() -> None:
    hydroxyl = Atoms("OH", [[0, 0, 0], [0, 0, 0.97]])
    named = hydroxyl.copy()
    named.info["multiplicity"] = 2
    options = {"grid_level": 0}
    by_molecule = energy(named, wb97x_6_31g_d(multiplicity=4, **options))
    assert by_molecule == pytest.approx(energy(hydroxyl, wb97x_6_31g_d(multiplicity=2, **options)), abs=1e-6)
    assert by_molecule == pytest.approx(energy(hydroxyl, wb97x_6_31g_d(**options)), abs=1e-6)
    assert by_molecule < energy(hydroxyl, wb97x_6_31g_d(multiplicity=4, **options)) - 3


def test_charge_changes_the_answer_even_where_the_atoms_stay() -> None:
    atoms = WATER.copy()
    atoms.calc = wb97x_6_31g_d(grid_level=0)
    neutral = atoms.get_potential_energy()
    atoms.info["charge"] = 1
    ion = atoms.get_potential_energy()
    assert 11 < ion - neutral < 14  # water ionises at 12.6 eV
    atoms.info["charge"] = 0
    assert atoms.get_potential_energy() == pytest.approx(neutral, abs=1e-6)


def test_a_changed_parameter_forgets_the_results() -> None:
    atoms = WATER.copy()
    atoms.calc = wb97x_6_31g_d(grid_level=0)
    before = atoms.get_potential_energy()
    atoms.calc.set(functional="b3lyp")
    assert atoms.calc.level == "b3lyp/6-31g(d)"
    assert abs(atoms.get_potential_energy() - before) > 0.1


def test_a_used_calculator_can_be_sent_to_another_process() -> None:
    calculator = wb97x_6_31g_d(grid_level=0)
    expected = energy(WATER, calculator)
    for twin in (pickle.loads(pickle.dumps(calculator)), copy.deepcopy(calculator)):
        assert energy(WATER, twin) == pytest.approx(expected, abs=1e-8)
        assert twin.get_forces(WATER).shape == (3, 3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"functional": "b4lyp"}, "functional='b4lyp' is not known"),
        ({"functions": "6D8F"}, "functions='6D8F' is not one of 5D7F"),
        ({"grid_level": 12}, "levels are 0 to 9"),
        ({"conv_tol": 0}, "conv_tol=0 was given; it must be positive"),
        ({"multiplicity": 0}, "at least 1"),
    ],
)
def test_bad_parameters_stop_at_once(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        PySCFCalculator(**({"functional": "b3lyp", "basis": "6-31g(d)"} | options))


def test_an_unknown_parameter_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown parameter 'grid'; known are functional, basis"):
        wb97x_6_31g_d().set(grid=3)


@pytest.mark.parametrize(
    ("atoms", "basis", "expected"),
    [
        (Atoms("BrH", [[0, 0, 0], [0, 0, 1.4]]), "6-31g(2df,p)", "no functions for Br"),
        (Atoms("H2", [[0, 0, 0], [0, 0, 0.7]]), "6-32g", "no basis set '6-32g'"),
        (Atoms("H2", [[0, 0, 0], [0, 0, 0.7]], cell=[9, 9, 9], pbc=True), "6-31g(d)", "periodic boundaries"),
        (Atoms("H2", [[0, 0, 0], [0, 0, 0.7]], info={"multiplicity": 2}), "6-31g(d)", "cannot have the multiplicity 2"),
        (Atoms("H", info={"charge": 1, "multiplicity": 2}), "6-31g(d)", "0 electrons"),
    ],
)
def test_a_molecule_that_does_not_fit_the_level_is_refused(atoms: Atoms, basis: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        energy(atoms, PySCFCalculator(functional="b3lyp", basis=basis))


def test_missing_pyscf_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyscf"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyscf", None)
    with pytest.raises(ImportError, match=r'pip install "molaug\[dft\]"'):
        wb97x_6_31g_d()


@pytest.mark.parametrize(("functions", "per_shell"), [("5D7F", 12), ("6D7F", 13), ("5D10F", 15), ("6D10F", 16)])
def test_functions_are_counted_as_their_name_says(functions: str, per_shell: int) -> None:
    molecule = pyscf.gto.M(atom="C 0 0 0", basis={"C": [[2, [0.8, 1.0]], [3, [0.8, 1.0]]]}, cart=True, verbose=0)
    matrix = transformation(molecule, pure_momenta(functions))
    assert matrix.shape == (16, per_shell)
    overlap = molecule.intor("int1e_ovlp")
    vectors = orthonormal(matrix, overlap)
    assert vectors.T @ overlap @ vectors == pytest.approx(np.eye(per_shell), abs=1e-12)


def test_pure_functions_of_the_mixed_basis_are_pyscfs_own() -> None:
    water = "O 0 0 0; H 0 0.76 0.59; H 0 -0.76 0.59"
    functions = shells("6-31g(2df,p)", ["O", "H"])
    cartesian, pure = (pyscf.gto.M(atom=water, basis=functions, cart=cart, verbose=0) for cart in (True, False))
    matrix = transformation(cartesian, pure_momenta("5D7F"))
    for integral in ("int1e_ovlp", "int1e_kin"):
        assert matrix.T @ cartesian.intor(integral) @ matrix == pytest.approx(pure.intor(integral), abs=1e-10)


def test_gaussians_two_d_sets_split_the_single_exponent_by_two() -> None:
    for symbol in ("C", "N", "O", "F"):
        single = [e for momentum, e in BASES["6-31g(d)"].polarization[symbol] if momentum == 2]
        double = [e for momentum, e in BASES["6-31g(2df,p)"].polarization[symbol] if momentum == 2]
        assert double == [2 * single[0], single[0] / 2]


def test_the_6_31g_d_set_is_pyscfs_own() -> None:
    for symbol in ("H", "C", "N", "O", "F", "S", "Cl"):
        assert shells("6-31g(d)", [symbol])[symbol] == pyscf.gto.basis.load("6-31g*", symbol)

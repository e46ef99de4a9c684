"""Hessians: analytic cases, independent finite differences, workers, and what is kept of them."""

from __future__ import annotations

import time
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.vibrations import Vibrations
from rdkit import Chem

from molaug.generators.normal_modes import cache, equilibrium_of, hessian, modes_of
from molaug.generators.start import Start, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structures
from molaug.structures.calculators import Method

MMFF, GFN2 = Method(calculator="mmff94s"), Method()


class Quadratic(Calculator):
    """E = ½ x·H·x."""

    implemented_properties = ("energy", "forces")

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__()
        self.matrix = matrix

    def calculate(self, atoms=None, properties=None, system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        x = self.atoms.positions.ravel()
        force = -self.matrix @ x
        self.results = {"energy": -0.5 * x @ force, "forces": force.reshape(-1, 3)}


def started(smiles: str) -> Start:
    return start_of(Structures.from_rdkit(Chem.AddHs(Chem.MolFromSmiles(smiles)))[0], seed=0)


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cache.FOLDER, raising=False)
    cache.forget()


# ---------------------------------------------------------------------- second derivatives


def test_a_quadratic_energy_gives_its_matrix() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(12, 12))
    matrix = root @ root.T
    row = Structures.from_arrays([[6, 1, 8, 1]], [rng.normal(size=(4, 3))])[0]
    found = hessian(Method(calculator=Quadratic(matrix)), row, row.positions, step=0.01)
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-9)
    assert found.asymmetry < 1e-9


@pytest.mark.parametrize("r", [1.0, 2 ** (1 / 6), 1.5])
def test_a_lennard_jones_pair_has_its_analytic_second_derivatives(r: float) -> None:
    first = 4 * (-12 * r**-13 + 6 * r**-7)
    second = 4 * (156 * r**-14 - 42 * r**-8)
    row = Structures.from_arrays([[18, 18]], [[[0, 0, 0], [0, 0, r]]])[0]
    method = Method(calculator="ase.calculators.lj:LennardJones", options={"rc": 100.0})
    found = hessian(method, row, row.positions, step=1e-4).matrix
    block = np.diag([first / r, first / r, second])  # across the axis, and along it
    np.testing.assert_allclose(found, np.block([[block, -block], [-block, block]]), rtol=1e-4, atol=1e-4)


def test_any_ase_calculator_will_do() -> None:
    row = Structures.from_arrays([[29, 29]], [[[0, 0, 0], [0, 0, 2.3]]])[0]
    found = hessian(Method(calculator=EMT()), row, row.positions)
    np.testing.assert_allclose(found.matrix.sum(axis=0), 0, atol=1e-6)  # moving both costs nothing


def test_mmff_agrees_with_second_differences_of_the_energy() -> None:
    start = started("CC(O)C=O")
    found = hessian(MMFF, start.structure, start.positions, step=1e-3)
    assert found.asymmetry < 1e-3
    rng, h = np.random.default_rng(0), 1e-3
    with Surface(MMFF, start.structure) as surface:
        for _ in range(10):  # curvature along random directions
            v = rng.normal(size=start.positions.shape)
            v /= np.linalg.norm(v)
            up, here, down = (surface(start.positions + k * h * v)[0] for k in (1, 0, -1))
            assert (up - 2 * here + down) / h**2 == pytest.approx(v.ravel() @ found.matrix @ v.ravel(), abs=1e-2)


def test_gfn2_frequencies_of_water_are_those_of_ase(tmp_path: Path) -> None:
    rest = equilibrium_of(started("O"), GFN2, fmax=1e-3)
    with Surface(GFN2, started("O").structure) as surface:
        atoms = surface.atoms
        atoms.positions = rest.minimum.positions
        vibrations = Vibrations(atoms, name=str(tmp_path / "vib"), delta=0.005)
        vibrations.run()
    expected = vibrations.get_frequencies()[-3:].real
    np.testing.assert_allclose(rest.modes.frequencies, expected, atol=1.0)
    assert rest.asymmetry < 0.05


def test_the_step_hardly_matters() -> None:
    start = started("CO")
    rest = equilibrium_of(start, GFN2)
    other = hessian(GFN2, start.structure, rest.minimum.positions, step=0.01)
    frequencies = modes_of(start.structure.numbers, rest.minimum.positions, other.matrix).frequencies
    np.testing.assert_allclose(frequencies, rest.modes.frequencies, atol=5.0)


def test_wrong_input_is_told() -> None:
    start = started("O")
    with pytest.raises(ValueError, match="expected more than 0"):
        hessian(MMFF, start.structure, start.positions, step=0.0)
    with pytest.raises(ValueError, match=r"expected \(3, 3\)"):
        hessian(MMFF, start.structure, np.zeros((2, 3)))
    with pytest.raises(SamplingError, match=r"failed|finite"):
        hessian(GFN2, start.structure, np.zeros((3, 3)))


# ---------------------------------------------------------------------- workers


def test_workers_do_not_change_a_bit() -> None:
    start = started("CCO")
    serial = hessian(GFN2, start.structure, start.positions)
    with ProcessPoolExecutor(2) as pool:
        parallel = hessian(GFN2, start.structure, start.positions, executor=pool)
    assert serial.matrix.tobytes() == parallel.matrix.tobytes()
    assert serial.asymmetry == parallel.asymmetry


# ---------------------------------------------------------------------- what is kept


class Counting(Executor):
    """Runs at once, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn, /, *args, **kwargs):
        from concurrent.futures import Future

        self.calls += 1
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_a_molecule_is_computed_once() -> None:
    start, counting = started("CO"), Counting()
    first = equilibrium_of(start, GFN2, executor=counting)
    computed = counting.calls
    again = equilibrium_of(start, GFN2, executor=counting)
    assert counting.calls == computed > 0
    assert again.hessian.tobytes() == first.hessian.tobytes()
    equilibrium_of(start, GFN2, step=0.01, executor=counting)
    assert counting.calls > computed


def test_memory_disk_and_computation_give_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = started("CO")
    plain = equilibrium_of(start, GFN2)
    cache.forget()
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "new" / "folder"))
    written = equilibrium_of(start, GFN2)
    cache.forget()
    counting = Counting()
    read = equilibrium_of(start, GFN2, executor=counting)
    assert counting.calls == 0
    for found in (written, read):
        for name in ("positions", "eigenvalues", "cartesian"):
            assert getattr(found.modes, name).tobytes() == getattr(plain.modes, name).tobytes()
        assert found.minimum.energy == plain.minimum.energy
    (file,) = (tmp_path / "new" / "folder").iterdir()
    with np.load(file) as arrays:  # a plain .npz
        assert arrays["hessian"].tobytes() == plain.hessian.tobytes()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_made_again(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.FOLDER, str(tmp_path))
    start = started("O")
    first = equilibrium_of(start, MMFF)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    file.write_bytes({"cut": content[:-100], "flipped": bytes(flipped), "empty": b""}[damage])
    cache.forget()
    again = equilibrium_of(start, MMFF)
    assert again.hessian.tobytes() == first.hessian.tobytes()
    assert file.read_bytes() == content


def write_for_ever() -> None:
    for k in range(10**9):
        cache.cached(f"{k:032x}", lambda: {"hessian": np.full((300, 300), 1.0)})


def test_a_process_killed_while_writing_leaves_no_half_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.FOLDER, str(tmp_path))
    written = 0
    for delay in (0.05, 0.1, 0.13, 0.17, 0.2):
        child = get_context("fork").Process(target=write_for_ever)
        child.start()
        time.sleep(delay)
        child.kill()
        child.join()
        for file in tmp_path.glob("[!.]*.npz"):
            with np.load(file) as arrays:
                assert (arrays["hessian"] == 1.0).all()
            file.unlink()
            written += 1
    assert written > 0


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "file"))
    assert len(equilibrium_of(started("O"), MMFF).modes) == 3


def test_the_key_tells_methods_and_molecules_apart() -> None:
    water, other = started("O").structure, started("CO").structure
    methods = [
        MMFF,
        GFN2,
        Method(options={"accuracy": 0.1}),
        Method(calculator=Quadratic(np.eye(9))),
        Method(calculator=Quadratic(2 * np.eye(9))),
    ]
    keys = [cache.key_of(method, row, step=0.005) for method in methods for row in (water, other)]
    keys.append(cache.key_of(GFN2, water, step=0.01))
    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert cache.key_of(Method(), water, step=0.005) == cache.key_of(GFN2, started("O").structure, step=0.005)
    unpicklable = Method(calculator=Quadratic(np.eye(9)))
    unpicklable.calculator.hook = lambda: None
    assert cache.key_of(unpicklable, water) is None


# ---------------------------------------------------------------------- minima


def test_a_saddle_is_left() -> None:
    flat = [[0, 0, 0], [1.01, 0, 0], [-0.505, 0.8747, 0], [-0.505, -0.8747, 0]]  # ammonia on its way through
    start = start_of(Structures.from_arrays([[7, 1, 1, 1]], [flat])[0], seed=0)
    rest = equilibrium_of(start, GFN2)
    assert rest.modes.frequencies[0] > 500
    assert abs(np.linalg.det(rest.minimum.positions[1:] - rest.minimum.positions[0])) > 0.1
    kept = equilibrium_of(start, GFN2, relax=False)
    assert kept.modes.frequencies[0] < -500
    assert kept.minimum.max_force < 1.0


def test_what_does_not_relax_is_told() -> None:
    with pytest.raises(SamplingError, match="not relaxed to 1e-05 eV/Å in 1 steps"):
        equilibrium_of(started("CO"), GFN2, fmax=1e-5, steps=1)


def test_energies_rise_as_the_modes_say() -> None:
    """The energy of the calculator at ± a small step along each mode is ½ ω² q²."""
    start = started("C=O")
    rest = equilibrium_of(start, MMFF, fmax=1e-5, step=1e-3)
    q = 0.02
    with Surface(MMFF, start.structure) as surface:
        for k, eigenvalue in enumerate(rest.modes.eigenvalues):
            step = q * np.eye(1, len(rest.modes), k)
            both = [surface(rest.modes.displaced(sign * step)[0])[0] - rest.minimum.energy for sign in (1, -1)]
            assert np.mean(both) == pytest.approx(0.5 * eigenvalue * q**2, rel=0.02, abs=1e-7 * units.kB)

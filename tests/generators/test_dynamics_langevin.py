"""Langevin dynamics: the Boltzmann distribution to the error bar, at the timestep that is the default."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses
from ase.md.langevin import Langevin as AseLangevin
from numpy.typing import NDArray
from rdkit import Chem

from molaug.generators.dynamics import Dynamics, Langevin
from molaug.generators.dynamics.langevin import still
from molaug.generators.start import minimum_of, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structures
from molaug.structures.calculators import Method

KT = units.kB * 500.0

#: Angular frequency, in ASE's units, of a wavenumber in 1/cm.
WAVE = 2 * np.pi * units._c * 100 / units.s


def standard_error(series: NDArray[np.float64]) -> float:
    """Flyvbjerg and Petersen's blocking: the greatest over all block lengths that leave 16 blocks or more."""
    errors = []
    while len(series) >= 16:
        errors.append(series.std(ddof=1) / np.sqrt(len(series)))
        series = series[: len(series) // 2 * 2].reshape(-1, 2).mean(axis=1)
    return float(max(errors))


def agrees(series: NDArray[np.float64], expected: float) -> None:
    """Within 2%, and within 3 standard errors that are small enough to tell."""
    ratio, error = series.mean() / expected, standard_error(series) / expected
    assert error < 0.01
    assert abs(ratio - 1) < 0.02
    assert abs(ratio - 1) < 3 * error, (ratio, error)


class Springs:
    """Atoms that hang on springs of their own: 3N oscillators of given wavenumbers."""

    def __init__(self, masses: NDArray[np.float64], waves: NDArray[np.float64]) -> None:
        self.k = masses[:, None] * (WAVE * waves) ** 2  # (n_atoms, 3)

    def __call__(self, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        return 0.5 * float((self.k * x * x).sum()), -self.k * x


class Network:
    """Coupled oscillators with a dense random Hessian, wavenumbers between 100 and 3,600 1/cm."""

    def __init__(self, masses: NDArray[np.float64]) -> None:
        rng = np.random.default_rng(0)
        n = 3 * len(masses)
        modes = np.linalg.qr(rng.normal(size=(n, n)))[0]
        root = np.sqrt(np.repeat(masses, 3))
        self.hessian = root[:, None] * ((modes * (WAVE * np.linspace(100, 3600, n)) ** 2) @ modes.T) * root

    def __call__(self, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        forces = -self.hessian @ x.ravel()
        return -0.5 * float(forces @ x.ravel()), forces.reshape(x.shape)


def test_coupled_oscillators_share_the_energy() -> None:
    masses = np.tile([1.008, 12.011, 1.008, 15.999], 5)
    dynamics = Langevin(
        Network(masses), masses, np.zeros((20, 3)), temperature=500, timestep=Dynamics.timestep, friction=50,
        rng=np.random.default_rng(1), heat=2,
    )  # fmt: skip
    dynamics.run(500)
    segment = dynamics.run(50_000)
    agrees(segment.kinetic, 60 * KT / 2)
    agrees(segment.potential, 60 * KT / 2)


@pytest.mark.parametrize("wave", [200, 1000, 3000, 3700])
def test_every_mode_has_its_share_whatever_the_timestep(wave: float) -> None:
    masses = np.full(1000, 1.008)
    springs = Springs(masses, np.full((1000, 3), wave))
    for timestep in (0.5, 1.0, 2.0):
        dynamics = Langevin(
            springs, masses, np.zeros((1000, 3)), temperature=500, timestep=timestep, friction=50,
            rng=np.random.default_rng(2), heat=2,
        )  # fmt: skip
        dynamics.run(int(300 / timestep))
        segment = dynamics.run(1000)
        agrees(segment.kinetic, 3000 * KT / 2)
        agrees(segment.potential, 3000 * KT / 2)


class SpringsOfAse(Calculator):  # type: ignore[misc]
    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, springs: Springs) -> None:
        super().__init__()
        self.springs = springs

    def calculate(self, atoms: Atoms = None, properties: object = None, system_changes: object = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        energy, forces = self.springs(atoms.positions)
        self.results = {"energy": energy, "forces": forces}


def of_ase(springs: Springs, timestep: float, steps: int) -> NDArray[np.float64]:
    """Potential and kinetic energy, each in units of its share, by the integrator of ASE."""
    n = len(springs.k)
    atoms = Atoms("H" * n, positions=np.zeros((n, 3)), calculator=SpringsOfAse(springs))
    atoms.set_momenta(np.sqrt(2 * KT * 1.008) * np.random.default_rng(3).normal(size=(n, 3)))
    dynamics = AseLangevin(
        atoms, timestep * units.fs, temperature_K=500, friction=0.05 / units.fs, fixcm=False,
        rng=np.random.default_rng(4),
    )  # fmt: skip
    dynamics.run(int(300 / timestep))
    energies = []
    for _ in range(steps):
        dynamics.run(1)
        energies.append((atoms.get_potential_energy(), atoms.get_kinetic_energy()))
    return np.mean(energies, axis=0) / (3 * n * KT / 2)


def test_it_agrees_with_ase_where_ase_is_right_and_is_better_at_a_longer_timestep() -> None:
    springs = Springs(np.full(2000, 1.008), np.full((2000, 3), 3000.0))
    np.testing.assert_allclose(of_ase(springs, 0.2, 800), 1, atol=0.02)
    # at the timestep that is the default here, carbon-hydrogen stretches are off by more than 2% there; here they
    # are not (see the test before)
    potential, kinetic = of_ase(springs, 1.0, 300)
    assert potential > 1.02
    assert kinetic < 0.97


def test_a_bond_has_the_lengths_that_quadrature_gives() -> None:
    depth, width, length, n = 4.0, 1.9, 1.1, 300

    def morse(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        d = x[n:] - x[:n]  # (n, 3)
        r = np.linalg.norm(d, axis=1)
        decay = np.exp(-width * (r - length))
        pull = (2 * depth * width * decay * (1 - decay) / r)[:, None] * d
        return float((depth * (1 - decay) ** 2).sum()), np.concatenate([pull, -pull])

    masses = np.repeat([12.011, 1.008], n)
    rng = np.random.default_rng(5)
    first = rng.normal(scale=30, size=(n, 3))
    x = np.concatenate([first, first + np.array([length, 0, 0])])
    temperature = 2000.0
    dynamics = Langevin(morse, masses, x, temperature=temperature, timestep=1.0, friction=20, rng=rng, heat=2)
    dynamics.run(500)
    frames = dynamics.run(3000).positions[::10]
    r = np.linalg.norm(frames[:, n:] - frames[:, :n], axis=2)  # (n_frames, n)
    grid = np.linspace(0.6, 2.5, 20001)
    # free rotation weighs a length by the sphere that the atom can reach
    weight = grid**2 * np.exp(-depth * (1 - np.exp(-width * (grid - length))) ** 2 / (units.kB * temperature))
    weight /= weight.sum()
    mean = float((weight * grid).sum())
    spread = float(np.sqrt((weight * (grid - mean) ** 2).sum()))
    assert r.mean() == pytest.approx(mean, abs=3 * standard_error(r.mean(axis=1)) + 1e-3 * spread)
    assert r.std() == pytest.approx(spread, rel=0.02)
    edges = np.interp(np.linspace(0, 1, 11), np.cumsum(weight), grid)
    shares = np.histogram(r, np.concatenate([[0], edges[1:-1], [9]]))[0] / r.size
    np.testing.assert_allclose(shares, 0.1, atol=0.005)


def test_a_real_molecule_is_as_warm_as_its_bath() -> None:
    start = start_of(Structures.from_rdkit(Chem.MolFromSmiles("CCO"))[0], 0)
    with Surface(Method.of("mmff94s"), start.structure) as surface:
        minimum = minimum_of(start, surface, fmax=0.01, steps=500)
        dynamics = Langevin(
            surface, atomic_masses[start.structure.numbers], minimum.positions, temperature=500, timestep=1.0,
            friction=50, rng=np.random.default_rng(6), heat=2,
        )  # fmt: skip
        dynamics.run(500)
        segment = dynamics.run(40_000)
    agrees(segment.kinetic, 27 * KT / 2)
    # not harmonic, so not exactly, and without the six motions of the whole
    assert (segment.potential - minimum.energy).mean() == pytest.approx(21 * KT / 2, rel=0.1)


def test_velocities_begin_without_momentum_or_angular_momentum() -> None:
    rng = np.random.default_rng(7)
    masses = rng.uniform(1, 16, size=(5, 1))
    for x in (rng.normal(size=(5, 3)), rng.normal(size=(5, 1)) * [1.0, 2.0, 3.0], rng.normal(size=(5, 3)) + 100):
        v = still(x, masses, rng.normal(size=(5, 3)))
        np.testing.assert_allclose((masses * v).sum(axis=0), 0, atol=1e-10)
        np.testing.assert_allclose((masses * np.cross(x, v)).sum(axis=0), 0, atol=1e-8)
        np.testing.assert_allclose(still(x, masses, v), v, atol=1e-10)


def test_a_trajectory_goes_on_where_it_stopped() -> None:
    masses = np.array([1.0, 16.0, 1.0])

    def dynamics() -> Langevin:
        return Langevin(
            Springs(masses, np.full((3, 3), 1000.0)), masses, np.eye(3), temperature=300, timestep=1, friction=10,
            rng=np.random.default_rng(8),
        )  # fmt: skip

    whole, parts = dynamics().run(50), dynamics()
    pieces = [parts.run(20), parts.run(0), parts.run(30)]
    np.testing.assert_array_equal(np.concatenate([p.positions for p in pieces]), whole.positions)
    np.testing.assert_array_equal(np.concatenate([p.kinetic for p in pieces]), whole.kinetic)


def test_it_ends_where_the_calculator_fails() -> None:
    calls = iter(range(1000))

    def fragile(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        if next(calls) == 13:
            raise SamplingError("no convergence")
        return 0.0, -0.01 * x

    dynamics = Langevin(
        fragile, np.ones(2), np.eye(3)[:2], temperature=300, timestep=1, friction=10, rng=np.random.default_rng(9)
    )
    segment = dynamics.run(50)
    assert (len(segment.positions), len(segment.potential), len(segment.kinetic)) == (12, 12, 12)
    assert segment.reason == "no convergence"


def test_it_ends_where_the_temperature_runs_away() -> None:
    dynamics = Langevin(
        lambda x: (0.0, 0.5 * x), np.ones(2), np.eye(3)[:2], temperature=300, timestep=1, friction=10,
        rng=np.random.default_rng(10),
    )  # fmt: skip
    segment = dynamics.run(500)
    assert 0 < len(segment.positions) < 500
    assert segment.reason is not None
    assert "ran away to" in segment.reason
    assert np.isfinite(segment.positions).all()

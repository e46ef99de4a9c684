"""Amplitudes: classical and quantum variances, the formula of ANI-1, on harmonic systems and in rows of molecules."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from rdkit import Chem
from scipy.stats import binomtest, chi2, kstest, norm

from molaug.generators.normal_modes import ANI_TEMPERATURES, Equilibrium, NormalModes, ani_temperature, equilibrium_of
from molaug.generators.normal_modes.distributions import ani_amplitudes, thermal_amplitudes, variances
from molaug.generators.normal_modes.modes import HBAR
from molaug.generators.start import start_of
from molaug.structures import Structures
from molaug.structures.calculators import Method

FREQUENCIES = np.array([50.0, 200.0, 500.0, 1000.0, 1700.0, 3000.0])  # cm^-1
EIGENVALUES = (FREQUENCIES * units.invcm / HBAR) ** 2


def limit(n_modes: int) -> float:
    """Three standard errors for all modes together (Bonferroni)."""
    return float(norm.isf(norm.sf(3.0) / n_modes))


def amplitudes(smiles: str, generator: NormalModes, n: int) -> tuple[Structures, Equilibrium, np.ndarray]:
    """Return rows, and the mass-weighted amplitudes read from their positions."""
    parents = Structures.from_rdkit(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    rows = Structures.concat(generator.propose(parents, n, seed=3))
    rest = equilibrium_of(start_of(parents[0], 3), Method.of(generator.calculator))
    x = rows.positions.reshape(n, -1)
    c = rest.modes.cartesian.reshape(len(rest.modes), -1)
    q, *_ = np.linalg.lstsq(c.T, (x - rest.modes.positions.ravel()).T, rcond=None)
    return rows, rest, q.T


# ---------------------------------------------------------------------- harmonic systems


def test_classical_variances_are_kt_over_k() -> None:
    n, temperature = 50_000, 700.0
    v = variances(EIGENVALUES, np.full(n, temperature), "boltzmann")
    q = thermal_amplitudes(np.random.default_rng(0), v)
    ratio = np.square(q).mean(axis=0) * EIGENVALUES / (units.kB * temperature)
    assert np.abs(ratio - 1).max() < limit(6) * np.sqrt(2 / n)
    for k in range(6):
        assert kstest(q[:, k] / np.sqrt(v[0, k]), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(q.T) - np.eye(6)).max() < 5 / np.sqrt(n)


def test_quantum_variances_are_those_of_a_sum_over_states() -> None:
    """<q²> = Σ_v p_v (v + 1/2) ħ/ω."""
    temperature, v = 400.0, np.arange(2000)[:, None]
    w = np.sqrt(EIGENVALUES)
    weights = np.exp(-v * HBAR * w / (units.kB * temperature))
    expected = ((v + 0.5) * weights).sum(axis=0) / weights.sum(axis=0) * HBAR / w
    found = variances(EIGENVALUES, np.array([temperature]), "quantum")[0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_quantum_limits() -> None:
    cold, ground, hot = variances(EIGENVALUES, np.array([1e-3, 0.0, 1e7]), "quantum")
    zero_point = HBAR / (2 * np.sqrt(EIGENVALUES))
    np.testing.assert_allclose(cold, zero_point, rtol=1e-12)
    np.testing.assert_allclose(ground, zero_point, rtol=1e-12)
    np.testing.assert_allclose(hot, units.kB * 1e7 / EIGENVALUES, rtol=1e-6)
    t = np.array([300.0])
    assert (variances(EIGENVALUES, t, "quantum") > variances(EIGENVALUES, t, "boltzmann")).all()


@pytest.mark.parametrize("n_modes", [1, 3, 48])
def test_ani_energies_are_bounded_and_half_of_the_bound_on_average(n_modes: int) -> None:
    n, n_atoms, temperature = 40_000, 18, 450.0
    eigenvalues = np.linspace(1.0, 30.0, n_modes)
    q = ani_amplitudes(np.random.default_rng(0), eigenvalues, np.full(n, temperature), n_atoms)
    energy = 0.5 * (np.square(q) * eigenvalues).sum(axis=1)
    bound = 1.5 * n_atoms * units.kB * temperature
    assert (energy <= bound * (1 + 1e-12)).all()
    assert energy.mean() == pytest.approx(0.75 * n_atoms * units.kB * temperature, rel=0.01)
    assert kstest(energy / bound, "uniform").pvalue > 1e-3  # the total of all c is uniform
    share = 0.5 * np.square(q) * eigenvalues / bound
    np.testing.assert_allclose(share.mean(axis=0), 0.5 / n_modes, rtol=0.06)  # no mode is preferred


def test_ani_signs_are_fair() -> None:
    q = ani_amplitudes(np.random.default_rng(1), EIGENVALUES, np.full(20_000, 600.0), 5)
    for k in range(len(EIGENVALUES)):
        assert binomtest(int((q[:, k] > 0).sum()), len(q)).pvalue > 1e-3
    assert np.abs(np.corrcoef(np.sign(q).T) - np.eye(6)).max() < 5 / np.sqrt(len(q))


def test_ani_temperatures() -> None:
    assert ANI_TEMPERATURES == (2000, 1500, 1000, 600, 600, 600, 600, 450)
    for heavy, expected in enumerate((2000, 2000, 1500, 1000, 600, 600, 600, 600, 450, 450, 450)):
        assert ani_temperature([6] * heavy + [1] * 4) == expected


# ---------------------------------------------------------------------- molecules


@pytest.mark.parametrize(
    ("calculator", "smiles"), [("mmff94s", "CC(O)C1CCC1=O"), ("mmff94s", "C#N"), ("gfn2-xtb", "CCO")]
)
@pytest.mark.parametrize("distribution", ["boltzmann", "quantum"])
def test_every_mode_of_a_molecule_has_its_variance(calculator: str, smiles: str, distribution: str) -> None:
    n, temperature = 5000, 250.0
    generator = NormalModes(calculator=calculator, distribution=distribution, temperature=temperature)
    rows, rest, q = amplitudes(smiles, generator, n)
    firm = rest.modes.force_constants >= generator.force_constant_floor
    assert firm.sum() == len(firm) - rows.column("floored_modes")[0] >= 0.8 * len(firm)
    expected = variances(rest.modes.eigenvalues[firm], np.array([temperature]), distribution)[0]
    ratio = np.square(q[:, firm]).mean(axis=0) / expected
    assert np.abs(ratio - 1).max() < limit(int(firm.sum())) * np.sqrt(2 / n)
    # modes under the floor move as if they had its force constant
    soft = variances(
        generator.force_constant_floor / rest.modes.reduced_masses[~firm], np.array([temperature]), distribution
    )[0]
    assert (np.abs(np.square(q[:, ~firm]).mean(axis=0) / soft - 1) < limit(len(firm)) * np.sqrt(2 / n)).all()


def test_classical_energies_are_half_kt_for_each_mode() -> None:
    n, temperature = 5000, 300.0
    rows, rest, _ = amplitudes("CCO", NormalModes(calculator="mmff94s", temperature=temperature), n)
    twice = 2 * rows.array("sampling_energy") / (units.kB * temperature)  # chi square, a degree of freedom a mode
    assert kstest(twice, chi2(len(rest.modes)).cdf).pvalue > 1e-3


def test_rows_in_the_manner_of_ani_keep_to_its_energies() -> None:
    n, n_atoms = 5000, 9
    rows, _, q = amplitudes("CCO", NormalModes(calculator="mmff94s", distribution="ani"), n)
    assert set(rows.column("temperature")) == {1000.0}
    energies, bound = rows.array("sampling_energy"), 1.5 * n_atoms * units.kB * 1000.0
    assert energies.max() <= bound * (1 + 1e-12)
    assert energies.mean() == pytest.approx(0.5 * bound, abs=3 * bound / np.sqrt(12 * n))
    assert np.abs((q > 0).mean(axis=0) - 0.5).max() < limit(q.shape[1]) * 0.5 / np.sqrt(n)


def test_energies_of_the_calculator_approach_the_harmonic_ones_in_the_cold() -> None:
    cold = {"calculator": "mmff94s", "temperature": 1.0, "fmax": 1e-4, "force_constant_floor": 1e-3}
    harmonic, _, _ = amplitudes("CCO", NormalModes(**cold), 50)
    true, _, _ = amplitudes("CCO", NormalModes(**cold, energies="calculator"), 50)
    assert harmonic.column("positions") == true.column("positions")
    np.testing.assert_allclose(true.array("sampling_energy"), harmonic.array("sampling_energy"), atol=2e-4)

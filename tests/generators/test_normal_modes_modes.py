"""Normal modes: counts, Eckart conditions, invariances, and the frequencies of DFT."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from ase import units
from ase.build import molecule as ase_molecule
from ase.data import atomic_masses, atomic_masses_common
from rdkit import Chem
from scipy.spatial.transform import Rotation
from scipy.stats import norm

from molaug.generators.normal_modes import equilibrium_of, modes_of
from molaug.generators.normal_modes.distributions import thermal_amplitudes, variances
from molaug.generators.normal_modes.modes import WAVENUMBER
from molaug.generators.start import start_of
from molaug.structures import Structures
from molaug.structures.calculators import Method

MDYN_PER_A = 100 * units.kg / units.s**2  # in eV/Å²


def random_hessian(n_atoms: int, seed: int = 0) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(3 * n_atoms, 3 * n_atoms))
    return root @ root.T


def momenta(numbers: np.ndarray, reference: np.ndarray, moved: np.ndarray) -> tuple[float, float]:
    """Return the largest violations of the two conditions of Eckart, in amu Å and amu Å²."""
    m = atomic_masses[numbers][:, None]
    d = moved - reference
    r = reference - (m * reference).sum(axis=0) / m.sum()
    return float(np.abs((m * d).sum(axis=1)).max()), float(np.abs(np.cross(r, m * d).sum(axis=1)).max())


# ---------------------------------------------------------------------- closed forms


@pytest.mark.parametrize(
    ("name", "n_modes"),
    [("H", 0), ("H2", 1), ("CO2", 4), ("HCN", 4), ("C2H2", 7), ("H2O", 3), ("CH4", 9), ("C6H6", 30)],
)
def test_translations_and_rotations_are_left_out(name: str, n_modes: int) -> None:
    atoms = ase_molecule(name)
    modes = modes_of(atoms.numbers, atoms.positions, random_hessian(len(atoms)))
    assert len(modes) == n_modes
    assert (modes.frequencies > 0).all()


@pytest.mark.parametrize("name", ["H2", "CO2", "C2H2", "H2O", "C6H6", "CH3CH2OH", "isobutane"])
def test_eckart_conditions_hold_for_any_amplitudes(name: str) -> None:
    atoms = ase_molecule(name)
    turn = Rotation.random(random_state=1).as_matrix()
    x = atoms.positions @ turn.T + [5.0, -3.0, 8.0]
    modes = modes_of(atoms.numbers, x, random_hessian(len(atoms)))
    moved = modes.displaced(np.random.default_rng(0).normal(size=(50, len(modes))))
    shift, spin = momenta(atoms.numbers, modes.positions, moved)
    assert shift < 1e-8
    assert spin < 1e-8


def test_modes_are_orthonormal_in_mass_weighting_and_diagonalise_the_hessian() -> None:
    atoms, h = ase_molecule("CH3OH"), random_hessian(6)
    modes = modes_of(atoms.numbers, atoms.positions, h)
    c = modes.cartesian.reshape(len(modes), -1)
    m = np.repeat(atomic_masses[atoms.numbers], 3)
    np.testing.assert_allclose(c @ (m[:, None] * c.T), np.eye(12), atol=1e-10)
    np.testing.assert_allclose(c @ h @ c.T, np.diag(modes.eigenvalues), atol=1e-8)
    np.testing.assert_allclose(modes.force_constants, modes.eigenvalues * modes.reduced_masses)


def test_a_diatomic_has_the_frequency_of_its_reduced_mass() -> None:
    k = 35.0  # eV/Å²
    h = np.zeros((6, 6))
    h[np.ix_([2, 5], [2, 5])] = [[k, -k], [-k, k]]
    modes = modes_of([1, 17], [[0, 0, 0], [0, 0, 1.27]], h)
    m = atomic_masses[[1, 17]]
    omega = np.sqrt(k * m.sum() / m.prod())
    assert modes.frequencies == pytest.approx(omega * units._hbar * units.J * units.s / units.invcm)
    assert pytest.approx(521.47, abs=0.01) == WAVENUMBER  # cm^-1 of √(eV/amu)/Å


def test_what_moves_or_turns_the_whole_does_not_matter() -> None:
    """The Hessian of a geometry off its minimum has curvature along rotations; it is projected out."""
    atoms, h = ase_molecule("H2O"), random_hessian(3)
    expected = modes_of(atoms.numbers, atoms.positions, h).frequencies
    m = np.repeat(atomic_masses[atoms.numbers], 3)
    r = atoms.positions - atoms.get_center_of_mass()
    for motion in (np.tile([1.0, 2.0, 3.0], 3), np.cross([0.3, -0.2, 1.0], r).ravel()):
        along = m * motion
        np.testing.assert_allclose(
            modes_of(atoms.numbers, atoms.positions, h + 7 * np.outer(along, along)).frequencies, expected
        )


def test_frequencies_do_not_depend_on_the_frame() -> None:
    atoms, h = ase_molecule("CH3CHO"), random_hessian(7)
    turn = Rotation.random(random_state=0).as_matrix()
    whole = np.kron(np.eye(7), turn)
    a = modes_of(atoms.numbers, atoms.positions, h)
    b = modes_of(atoms.numbers, atoms.positions @ turn.T - 4.0, whole @ h @ whole.T)
    np.testing.assert_allclose(a.frequencies, b.frequencies)
    turned = a.cartesian @ turn.T
    overlap = np.einsum("kai,kai->k", turned, b.cartesian) * a.reduced_masses
    np.testing.assert_allclose(np.abs(overlap), 1.0)  # the same modes, up to the sign


def test_the_same_input_gives_the_same_signs() -> None:
    atoms, h = ase_molecule("CH4"), random_hessian(5)
    a, b = (modes_of(atoms.numbers, atoms.positions, matrix) for matrix in (h, h + 1e-10))
    np.testing.assert_allclose(a.cartesian, b.cartesian, atol=1e-6)
    largest = np.abs(a.cartesian).max(axis=(1, 2))
    np.testing.assert_allclose(a.cartesian.max(axis=(1, 2)), largest, atol=1e-6)


def test_a_nearly_linear_molecule_is_laid_on_its_axis() -> None:
    atoms = ase_molecule("CO2")
    bent = atoms.positions + np.array([[0.001, 0, 0], [0, 0.0005, 0], [0, 0, 0]])
    modes = modes_of(atoms.numbers, bent, random_hessian(3))
    assert len(modes) == 4
    assert np.linalg.svd(modes.positions - modes.positions.mean(axis=0))[1][1] < 1e-12
    assert np.abs(modes.positions - bent).max() < 1e-3
    assert len(modes_of(atoms.numbers, atoms.positions + np.diag([0.1, 0, 0]), random_hessian(3))) == 3


def test_shapes_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(2, 3\), \(6, 6\) and \(2,\)"):
        modes_of([1, 1], np.zeros((2, 3)), np.eye(9))


# ---------------------------------------------------------------------- linear molecules on real surfaces


@pytest.mark.parametrize(("smiles", "bends"), [("O=C=O", 2), ("C#N", 2), ("C#C", 4)])
def test_bends_of_linear_molecules_come_in_pairs(smiles: str, bends: int) -> None:
    start = start_of(Structures.from_rdkit(Chem.AddHs(Chem.MolFromSmiles(smiles)))[0], seed=0)
    rest = equilibrium_of(start, Method())
    frequencies, n_atoms = rest.modes.frequencies, len(start.structure.numbers)
    assert len(frequencies) == 3 * n_atoms - 5
    assert frequencies[0] > 400
    np.testing.assert_allclose(frequencies[:bends:2], frequencies[1:bends:2], atol=8.0)
    moved = rest.modes.displaced(np.random.default_rng(0).normal(size=(20, len(frequencies))) * 0.1)
    assert max(momenta(start.structure.numbers, rest.modes.positions, moved)) < 1e-8


# ---------------------------------------------------------------------- DFT


class Reference(NamedTuple):
    smiles: str
    numbers: np.ndarray
    positions: np.ndarray  # Å, (n_atoms, 3)
    frequencies: np.ndarray  # cm^-1, (n_modes,)
    force_constants: np.ndarray  # eV/Å², (n_modes,)
    reduced_masses: np.ndarray  # amu, (n_modes,)
    modes: np.ndarray  # normalised Cartesian displacements, two decimals, (n_modes, 3 n_atoms)

    @property
    def masses(self) -> np.ndarray:
        return atomic_masses_common[self.numbers]  # of the commonest isotopes, as DFT programs have them

    @property
    def one_frame(self) -> bool:
        """Whether geometry and modes are given in the same frame: the modes then do not turn the molecule."""
        d = self.modes.reshape(len(self.modes), -1, 3)
        m = self.masses[:, None]
        r = self.positions - (m * self.positions).sum(axis=0) / m.sum()
        inertia = (m * r**2).sum()
        spin = np.linalg.norm(np.cross(r, m * d).sum(axis=1), axis=1)
        return bool((spin < 0.05 * np.sqrt(inertia * self.reduced_masses)).all())

    def hessian(self) -> np.ndarray:
        """Put the Hessian together from frequencies and modes, these made orthonormal again."""
        root = np.sqrt(np.repeat(self.masses, 3))
        weighted = self.modes * root
        u, _, v = np.linalg.svd(weighted / np.linalg.norm(weighted, axis=1, keepdims=True), full_matrices=False)
        vectors = u @ v  # the nearest orthonormal ones
        eigenvalues = np.sign(self.frequencies) * (self.frequencies / WAVENUMBER) ** 2
        return root[:, None] * (vectors.T * eigenvalues) @ vectors * root


@pytest.fixture(scope="module")
def references(data: Path) -> list[Reference]:
    file = np.load(data / "amons/agz7_modes.npz")
    content = {name: file[name] for name in file.files}
    found = []
    for k in range(len(content["smiles"])):
        atoms = slice(*content["offsets"][k : k + 2])
        modes = slice(*content["mode_offsets"][k : k + 2])
        flat = content["modes"][slice(*content["modes_offsets"][k : k + 2])]
        z = content["z"][atoms]
        found.append(
            Reference(
                content["smiles"][k].decode(),
                z,
                content["pos"][atoms].astype(float),
                content["frequency"][modes].astype(float),
                content["force_constant"][modes] * MDYN_PER_A,
                content["reduced_mass"][modes].astype(float),
                flat.reshape(-1, 3 * len(z)).astype(float),
            )
        )
    return found


def test_the_modes_of_dft_have_the_frequencies_of_dft(references: list[Reference]) -> None:
    """Units, masses, projection and counts of linear molecules are those of the program."""
    errors, masses = [], []
    chosen = [reference for reference in references if reference.one_frame]  # of others the modes are turned
    assert len(chosen) > 400
    for reference in chosen[::2]:
        modes = modes_of(reference.numbers, reference.positions, reference.hessian(), masses=reference.masses)
        assert len(modes) == len(reference.frequencies), reference.smiles
        order = np.argsort(reference.frequencies)
        errors.append(modes.frequencies - reference.frequencies[order])
        masses.append(modes.reduced_masses / reference.reduced_masses[order] - 1)
    assert np.median(np.abs(np.concatenate(errors))) < 0.3  # cm^-1; displacements are given to two decimals
    assert np.percentile(np.abs(np.concatenate(errors)), 99) < 2
    assert np.median(np.abs(np.concatenate(masses))) < 0.01


def test_the_force_constants_of_dft_are_ours(references: list[Reference]) -> None:
    for reference in references:
        ours = (reference.frequencies / WAVENUMBER) ** 2 * reference.reduced_masses
        np.testing.assert_allclose(ours, reference.force_constants, rtol=2e-3, atol=1e-4 * MDYN_PER_A)


def test_displacements_along_modes_of_dft_have_variance_kt_over_k(references: list[Reference]) -> None:
    n, temperature = 20_000, 300.0
    chosen = [r for r in references if r.one_frame and r.frequencies.min() > 0][::20]
    ratios = []
    for k, reference in enumerate(chosen):
        modes = modes_of(reference.numbers, reference.positions, reference.hessian(), masses=reference.masses)
        rng = np.random.default_rng(k)
        q = thermal_amplitudes(rng, variances(modes.eigenvalues, np.full(n, temperature), "boltzmann"))
        d = (modes.displaced(q) - modes.positions).reshape(n, -1)
        weighted = modes.cartesian.reshape(len(modes), -1) * np.repeat(reference.masses, 3)
        along = (d @ weighted.T) / np.sqrt(modes.reduced_masses)  # normalised Cartesian amplitudes, Å
        ratios.append(np.square(along).mean(axis=0) / (units.kB * temperature / modes.force_constants))
    ratio = np.concatenate(ratios)
    limit = norm.isf(norm.sf(3.0) / len(ratio))  # three standard errors for all modes together
    assert np.abs(ratio - 1).max() < limit * np.sqrt(2 / n)
    assert abs(ratio.mean() - 1) < 3 * np.sqrt(2 / n / len(ratio))


def test_gfn2_frequencies_go_with_those_of_dft(references: list[Reference]) -> None:
    small = [reference for reference in references if len(reference.numbers) <= 8][::4][:15]
    ours, theirs = [], []
    for reference in small:
        start = start_of(Structures.from_arrays([reference.numbers], [reference.positions])[0], seed=0)
        ours.append(equilibrium_of(start, Method()).modes.frequencies)
        theirs.append(np.sort(reference.frequencies))
    x, y = np.concatenate(theirs), np.concatenate(ours)
    slope = (x @ y) / (x @ x)
    print(f"{len(small)} molecules, {len(x)} modes: slope {slope:.3f}, MAE {np.abs(x - y).mean():.0f} cm^-1")
    assert 0.93 < slope < 1.03
    assert np.abs(x - y).mean() < 80
    assert np.corrcoef(x, y)[0, 1] > 0.99

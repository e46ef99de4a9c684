"""Surroundings of atoms: what must not change them, and that they are the kernel that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from scipy.spatial.transform import Rotation
from scipy.special import eval_legendre

from molaug.filters import environments
from molaug.filters.environments import Environments, harmonics, power_spectra
from molaug.structures import Structures


@pytest.fixture(scope="module")
def frames() -> list:
    return [molecule(name) for name in ("CH3CH2OH", "CH3OCH3", "C6H6", "CH3NO2", "CH3Cl")]


def seen(frames: list, **options: float) -> np.ndarray:
    rows = Structures.from_arrays([frame.numbers for frame in frames], [frame.positions for frame in frames])
    return Environments(**options)(rows)[0]


def test_harmonics_obey_the_addition_theorem() -> None:
    u = np.random.default_rng(0).normal(size=(40, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    found = harmonics(u)
    for degree in range(4):
        part = found[:, degree**2 : (degree + 1) ** 2]
        np.testing.assert_allclose(part @ part.T, eval_legendre(degree, u @ u.T), atol=1e-6)


def test_the_power_spectrum_is_a_sum_over_pairs_of_neighbours() -> None:
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(1, 5, 3)).astype(np.float32) * 1.5, np.array([[6, 1, 8, 1, 7]])
    (spectrum,) = power_spectra(z, x, 4.0)
    codes, centres, width = environments._codes(), environments._CENTRES, environments._WIDTH
    off = x[0, 1:] - x[0, 0]  # from the first atom
    r = np.linalg.norm(off, axis=1)
    radial = (
        np.exp(-0.5 * ((r[:, None] - centres) / width) ** 2)
        * np.where(r < 4, 0.5 + 0.5 * np.cos(np.pi * r / 4), 0)[:, None]
    )
    channel = (radial[:, :, None] * codes[z[0, 1:]][:, None]).reshape(4, -1)
    cosines = (off / r[:, None]) @ (off / r[:, None]).T
    whole = [np.einsum("ja,kb,jk->ab", channel, channel, eval_legendre(degree, cosines)) for degree in range(4)]
    a, b = np.triu_indices(channel.shape[1])
    plain = np.concatenate([part[a, b] * np.where(a == b, 1, np.sqrt(2)) for part in whole])
    np.testing.assert_allclose(spectrum[0], plain / np.linalg.norm(plain), atol=1e-5)
    assert np.linalg.norm(spectrum, axis=1) == pytest.approx(np.ones(5), abs=1e-5)


def test_moving_turning_mirroring_and_renaming_atoms_change_nothing(frames: list) -> None:
    rng, moved = np.random.default_rng(2), []
    for frame in frames:
        order = rng.permutation(len(frame))
        other = frame[order]
        other.positions = -(Rotation.random(random_state=3).apply(other.positions) + 5.0)
        moved.append(other)
    np.testing.assert_allclose(seen(moved), seen(frames), atol=2e-5)


def test_isomers_and_displaced_geometries_differ(frames: list) -> None:
    ethanol, ether, *_ = seen(frames)
    displaced = frames[0].copy()
    displaced.rattle(0.05, seed=0)
    (near,) = seen([displaced])
    assert 0 < np.linalg.norm(near - ethanol) < 0.3 * np.linalg.norm(ether - ethanol)


def test_a_structure_twice_as_large_of_the_same_surroundings_has_the_same_features(frames: list) -> None:
    far = frames[0].copy()
    far.translate((50, 0, 0))
    np.testing.assert_allclose(seen([frames[0] + far]), seen(frames[:1]), atol=1e-6)


def test_sums_are_averages_times_the_number_of_atoms(frames: list) -> None:
    sizes = np.array([[len(frame)] for frame in frames])
    np.testing.assert_allclose(seen(frames, average=False), seen(frames) * sizes, rtol=1e-4, atol=1e-5)


def test_products_of_features_are_a_kernel_between_surroundings_of_one_element(frames: list) -> None:
    """A carbon of methane and one of benzene, alone: features of single atoms approach the Gaussian kernel."""
    size, length = 4096, 0.8
    weights, phases = environments._random_features(size)
    rng = np.random.default_rng(4)
    p, q = np.abs(rng.normal(size=(2, len(weights))))
    p, q = p / np.linalg.norm(p), q / np.linalg.norm(q)

    def waves(spectrum: np.ndarray, z: int) -> np.ndarray:
        return np.sqrt(2 / size) * np.cos(spectrum @ weights / length + phases[z])

    expected = np.exp(-np.square(p - q).sum() / (2 * length**2))
    assert waves(p, 6) @ waves(q, 6) == pytest.approx(expected, abs=0.05)
    assert waves(p, 6) @ waves(p, 7) == pytest.approx(0.0, abs=0.05)


def test_features_do_not_jump_at_the_cutoff() -> None:
    def pair(r: float) -> Structures:
        return Structures.from_arrays([[6, 8, 1]], [[[0, 0, 0], [0, 0, 1.2], [0, r, 0]]])

    inside, outside = (Environments()(pair(r))[0] for r in (3.9999, 4.0001))
    assert np.abs(inside - outside).max() < 1e-3


def test_elements_beyond_the_common_ones_are_told_apart(frames: list) -> None:
    fluorine, chlorine, bromine = (frames[4].copy() for _ in range(3))
    for frame, z in ((fluorine, 9), (chlorine, 17), (bromine, 35)):
        frame.numbers[frame.numbers == 17] = z
    found = seen([fluorine, chlorine, bromine])
    assert min(np.linalg.norm(found[a] - found[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > 0.1


def test_company_and_order_change_nothing(frames: list, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = seen(frames)
    monkeypatch.setattr(environments, "_PAIRS", 1)
    np.testing.assert_allclose(seen(frames[::-1])[::-1], whole, atol=1e-6)


def test_no_digit_depends_on_the_rows_beside() -> None:
    lengths = np.random.default_rng(0).uniform(0.7, 5.0, 40)
    rows = Structures.from_arrays([[1, 6]] * 40, [[[0, 0, 0], [0, 0, d]] for d in lengths])
    whole = Environments()(rows)[0]
    for size in (1, 3, 7):
        assert np.array_equal(np.concatenate([Environments()(part)[0] for part in rows.batches(size)]), whole)


def test_rows_without_a_geometry_have_no_features() -> None:
    rows = Structures.from_arrays([[6, 1, 1, 1, 1], [2]], [None, [[0, 0, 0]]], smiles=["C", "[He]"])
    vectors, there = Environments()(rows)
    assert there.tolist() == [False, True]
    assert vectors.any(1).tolist() == [False, True]


def test_fewer_features_are_the_first_of_many_but_for_their_scale(frames: list) -> None:
    np.testing.assert_allclose(seen(frames, size=32), seen(frames, size=64)[:, :32] * np.sqrt(2), atol=1e-5)


@pytest.mark.parametrize("options", [{"size": 0}, {"cutoff": 0.0}, {"length": -1.0}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        Environments(**options)

"""Uncertainties of forces: those of the derivatives of the features, which finite differences give too."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from ase.build import molecule  # noqa: E402

from molaug.filters.information import Information  # noqa: E402
from molaug.filters.uncertainty import Rigidity  # noqa: E402
from molaug.potentials import Potential, UncertainPotential, predict  # noqa: E402
from molaug.potentials.derivatives import feature_derivatives, force_uncertainty  # noqa: E402
from molaug.potentials.prediction import parts_of  # noqa: E402
from molaug.structures import Structures  # noqa: E402

NAMES = ("H2O", "CH3OH", "H2CO", "NH3")
REFERENCES = {1: -13.0, 6: -1030.0, 8: -2040.0}


def potential(network: str) -> Potential:
    options = {"width": 16, "layers": 2, "heads": 4} if network == "painn" else {"width": 32, "layers": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Potential(network, options, references=REFERENCES, scale=0.3).eval()


@pytest.fixture(scope="module")
def rows() -> Structures:
    rng, frames = np.random.default_rng(0), [molecule(name) for name in NAMES]
    for frame in frames:  # no coordinate is left without effect by symmetry
        frame.positions += rng.normal(0, 0.1, frame.positions.shape)
    return Structures.from_ase(frames)


@pytest.fixture(scope="module")
def rigidity() -> Rigidity:
    rng = np.random.default_rng(0)
    return Rigidity(information=Information.of(rng.normal(size=(300, 17)), ridge=0.1), alpha=0.5)


@pytest.mark.parametrize("network", ["painn", "schnet"])
def test_derivatives_are_those_of_finite_differences(network: str, rows: Structures) -> None:
    model = potential(network).double()
    (part,) = parts_of(model, rows.numbers, rows.positions, rows.offsets)
    slopes = feature_derivatives(model, part).numpy()  # (n_atoms, 3, n_features)
    step = 1e-5
    for atom, axis in ((0, 0), (4, 2), (len(part.atoms) - 1, 1)):
        sums = []
        for sign in (1, -1):
            x = part.positions.clone()
            x[atom, axis] += sign * step
            features = model(part.numbers, x, part.batch).features.detach()
            sums.append(features[part.batch == part.batch[atom]].sum(0).numpy())
        np.testing.assert_allclose(slopes[atom, axis], (sums[0] - sums[1]) / (2 * step), atol=1e-5)


def test_uncertainties_of_forces_follow_the_formula(rows: Structures, rigidity: Rigidity) -> None:
    """σ² = α² (∂f)ᵀM⁻¹(∂f) for every coordinate of every structure; nothing where nothing is known."""
    model = potential("painn")
    found = UncertainPotential(potential=model, rigidity=rigidity).predict(rows, force_sigma=True)
    assert found.forces is not None
    assert found.predicted.forces is not None
    ammonia = slice(rows.offsets[3], rows.offsets[4])
    assert np.isnan(found.forces[ammonia]).all()
    assert np.isfinite(found.forces[: rows.offsets[3]]).all()
    inverse = np.linalg.inv(rigidity.information.gram + 0.1 * np.eye(17))
    step = 1e-2
    for atom, axis in ((0, 1), (5, 0)):
        sums = []
        for sign in (1, -1):
            frames = rows.positions.copy()
            frames[atom, axis] += sign * step
            moved = Structures.from_arrays([row.numbers for row in rows], np.split(frames, rows.offsets[1:-1]))
            sums.append(predict(model, moved).features[np.searchsorted(rows.offsets, atom, "right") - 1])
        slope = (sums[0] - sums[1]) / (2 * step)
        assert found.forces[atom, axis] == pytest.approx(0.5 * np.sqrt(slope @ inverse @ slope), rel=0.02)


def test_last_layers_that_are_drawn_scatter_by_the_uncertainties(rows: Structures, rigidity: Rigidity) -> None:
    model = potential("painn")
    arrays = (rows.numbers, rows.positions.astype(np.float32), rows.offsets)
    exact = force_uncertainty(model, rigidity, *arrays)
    drawn = force_uncertainty(model, rigidity, *arrays, draws=400, seed=1)
    there = np.isfinite(exact) & (exact > 1e-6)
    assert np.isnan(drawn).tolist() == np.isnan(exact).tolist()
    assert np.median(np.abs(drawn[there] / exact[there] - 1)) < 2 / np.sqrt(2 * 400)


def test_uncertainties_turn_with_the_structure(rows: Structures, rigidity: Rigidity) -> None:
    """The sum over the axes is that of a trace, which no rotation changes."""
    model, (turn, _) = potential("painn"), np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    x = rows.positions
    before, after = (
        force_uncertainty(model, rigidity, rows.numbers, y.astype(np.float32), rows.offsets) for y in (x, x @ turn)
    )
    np.testing.assert_allclose((before**2).sum(1), (after**2).sum(1), rtol=1e-2)

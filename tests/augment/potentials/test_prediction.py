"""Predictions for many structures are those for each, and what cannot be predicted is not a number."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from ase.build import molecule  # noqa: E402

from molaug.filters.information import Information  # noqa: E402
from molaug.potentials import Potential, UncertainPotential, predict  # noqa: E402
from molaug.structures import Structures  # noqa: E402

NAMES = ("CH3CH2OH", "H2O", "CH4", "H2CO", "C6H6", "CH3OH")


@pytest.fixture(scope="module")
def potential() -> Potential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        references = {1: -13.0, 6: -1030.0, 8: -2040.0}
        return Potential("painn", {"width": 16, "layers": 2, "heads": 4}, references=references, scale=0.3).eval()


def structures(*names: str) -> Structures:
    return Structures.from_ase([molecule(name) for name in names])


def test_a_prediction_is_that_of_each_structure_by_itself(
    potential: Potential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molaug.potentials.prediction.ATOMS_AT_ONCE", 20)  # several batches
    rows = structures(*NAMES * 3)
    found = predict(potential, rows, forces=True, atoms=True)
    assert found.forces is not None
    assert found.atoms is not None
    for k, row in enumerate(rows):
        z, x = torch.tensor(np.array(row.numbers)).long(), torch.tensor(np.array(row.positions)).float()
        alone = potential(z, x, torch.zeros(len(z), dtype=torch.long), forces=True)
        atoms = slice(rows.offsets[k], rows.offsets[k + 1])
        assert found.energy[k] == pytest.approx(alone.energy.item(), abs=1e-4)
        np.testing.assert_allclose(found.forces[atoms], alone.forces.detach(), atol=1e-5)
        np.testing.assert_allclose(found.atoms[atoms, :-1], alone.features.detach(), atol=1e-5)
        np.testing.assert_allclose(found.features[k], found.atoms[atoms].sum(0), atol=1e-4)
        assert found.features[k, -1] == len(z)


def test_energies_are_linear_in_the_features(potential: Potential) -> None:
    rows = structures(*NAMES)
    found = predict(potential, rows)
    weights = 0.3 * np.append(potential.last.weight.detach().numpy().ravel(), potential.last.bias.item())
    free = np.array([sum(float(potential.references[z]) for z in row.numbers) for row in rows])
    np.testing.assert_allclose(found.features @ weights + free, found.energy, atol=1e-4)


def test_what_cannot_be_predicted_is_not_a_number_and_disturbs_nothing(potential: Potential) -> None:
    sound = structures("CH4", "H2O")
    bare = Structures.from_arrays([[6]], None, smiles=["C"])
    rows = Structures.concat([sound.slice(0, 1), bare, structures("NH3"), sound.slice(1, 2)])
    found = predict(potential, rows, forces=True, atoms=True)
    assert np.isnan(found.energy).tolist() == [False, True, True, False]
    np.testing.assert_allclose(found.energy[[0, 3]], predict(potential, sound).energy, atol=1e-4)
    assert np.isnan(found.features[1:3]).all()
    assert found.forces is not None
    assert np.isnan(found.forces[rows.offsets[2] : rows.offsets[3]]).all()
    assert predict(potential, Structures.empty()).energy.shape == (0,)


def test_uncertainties_follow_the_rigidity_of_the_training_set(potential: Potential) -> None:
    rng = np.random.default_rng(0)
    frames = [molecule(name) for name in NAMES * 40]
    for frame in frames:
        frame.positions += rng.normal(0, 0.05, frame.positions.shape)
    found = predict(potential, Structures.from_ase(frames))
    train, held = found.features[:160], found.features[160:]
    errors = rng.normal(0, 0.1, len(held))
    uncertain = UncertainPotential.fitted(potential, train, held, errors)
    rigidity = uncertain.rigidity
    np.testing.assert_allclose(
        uncertain.predict(Structures.from_ase(frames[160:])).sigma,
        rigidity.alpha * np.sqrt(rigidity.information.leverage(held)),
        rtol=1e-3,
    )
    assert isinstance(rigidity.information, Information)
    unknown = uncertain.predict(structures("NH3", "CH4"))
    assert np.isnan(unknown.sigma).tolist() == [True, False]


def test_states_that_a_potential_is_not_told_give_nothing_instead_of_another_state() -> None:
    potential = Potential("painn", {"width": 16, "layers": 1, "heads": 4}, references={1: -13.6, 8: -2041.0}).eval()
    bond = [[0, 0, 0], [0, 0, 0.97]]
    rows = Structures.from_arrays(
        [[8, 1], [8, 1], [8, 8], [1, 1], [8, 1]],
        [bond] * 5,
        charge=[-1, 0, 0, 0, 1],
        multiplicity=[1, 2, 3, 1, 1],
    )
    found = predict(potential, rows, forces=True, atoms=True)
    assert np.isfinite(found.energy).tolist() == [False, False, False, True, False]
    assert np.isfinite(found.features).all(1).tolist() == [False, False, False, True, False]
    assert np.isfinite(found.forces).all(1).reshape(5, 2).all(1).tolist() == [False, False, False, True, False]

"""Modules from outside: what their last layer sees gives the same uncertainties as the formula on it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from ase.build import molecule  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from molaug.filters.features import Features  # noqa: E402
from molaug.filters.information import Information  # noqa: E402
from molaug.filters.uncertainty import Rigidity  # noqa: E402
from molaug.filters.uncertainty.model import UncertainModel  # noqa: E402
from molaug.potentials import UncertainPotential, predict  # noqa: E402
from molaug.potentials.batches import radius_edges  # noqa: E402
from molaug.potentials.outside import OutsideFeatures, OutsidePotential  # noqa: E402
from molaug.structures import Structures  # noqa: E402

NAMES = ("CH3CH2OH", "H2O", "CH4", "H2CO", "C6H6", "CH3OH")


@pytest.fixture(scope="module")
def rows() -> Structures:
    rng = np.random.default_rng(0)
    frames = [molecule(NAMES[k % len(NAMES)]) for k in range(120)]
    for frame in frames:
        frame.positions += rng.normal(0, 0.05, frame.positions.shape)
    return Structures.from_ase(frames)


def edges(positions: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    pairs = radius_edges(positions, batch, 5.0)
    return pairs, (positions[pairs[0]] - positions[pairs[1]]).norm(dim=-1)


@pytest.fixture(scope="module")
def schnet() -> nn.Module:
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore", DeprecationWarning)
        from torch_geometric.nn.models import SchNet

        torch.manual_seed(0)
        return SchNet(hidden_channels=16, num_filters=16, num_interactions=2, cutoff=5.0, interaction_graph=edges)


class Histogram(nn.Module):
    """A perceptron on the composition: its last layer sees whole structures."""

    def __init__(self) -> None:
        super().__init__()
        self.readout = nn.Sequential(nn.Linear(9, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, composition: Tensor) -> dict[str, Tensor]:
        return {"energy": self.readout(composition)}


def composition(numbers: Tensor, positions: Tensor, batch: Tensor) -> Tensor:
    n = int(batch[-1]) + 1
    return torch.zeros(n, 9).index_put((batch, numbers), torch.ones(len(batch)), accumulate=True)


def test_energies_are_those_of_the_module_and_linear_in_the_features(schnet: nn.Module, rows: Structures) -> None:
    model = OutsidePotential(schnet, "lin2", lambda z, x, batch: (z, x, batch))
    found = predict(model, rows, forces=True, atoms=True)
    weights = np.append(schnet.lin2.weight.detach().numpy().ravel(), schnet.lin2.bias.item())
    np.testing.assert_allclose(found.features @ weights, found.energy, atol=1e-4)
    row = rows[0]
    z, x = torch.tensor(np.array(row.numbers)).long(), torch.tensor(np.array(row.positions)).float().requires_grad_()
    energy = schnet(z, x, torch.zeros(len(z), dtype=torch.long))
    assert found.energy[0] == pytest.approx(energy.item(), abs=1e-5)
    assert found.forces is not None
    np.testing.assert_allclose(found.forces[: len(z)], -torch.autograd.grad(energy, x)[0], atol=1e-5)
    assert found.atoms is not None
    np.testing.assert_allclose(found.atoms[: len(z)].sum(0), found.features[0], atol=1e-4)


def test_uncertainties_are_those_of_the_formula(schnet: nn.Module, rows: Structures) -> None:
    """σ² = α² fᵀ(FᵀF + ς²)⁻¹f, with f summed from what a hook of our own sees."""
    model = OutsidePotential(schnet, "lin2", lambda z, x, batch: {"z": z, "pos": x, "batch": batch})
    known = Information.of(predict(model, rows.slice(0, 80)).features, ridge=1e-3)
    uncertain = UncertainPotential(potential=model, rigidity=Rigidity(information=known, alpha=0.7))
    assert isinstance(uncertain, UncertainModel)
    features = []
    hook = schnet.lin2.register_forward_hook(lambda layer, given, out: features.append(given[0].detach().double()))
    for row in rows:
        z, x = torch.tensor(np.array(row.numbers)).long(), torch.tensor(np.array(row.positions)).float()
        schnet(z, x, torch.zeros(len(z), dtype=torch.long))
    hook.remove()
    f = np.stack([np.append(told.sum(0).numpy(), len(told)) for told in features])
    inverse = np.linalg.inv(f[:80].T @ f[:80] + 1e-3 * np.eye(f.shape[1]))
    _, sigma = uncertain(rows.slice(80, None))
    np.testing.assert_allclose(sigma, 0.7 * np.sqrt(np.einsum("nd,de,ne->n", f[80:], inverse, f[80:])), rtol=1e-3)
    with pytest.raises(TypeError, match="OutsidePotential has no format here; save it as its own package does"):
        uncertain.save_pretrained("anywhere")


def test_a_last_layer_may_see_whole_structures(rows: Structures) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Histogram()
    model = OutsidePotential(module, "readout.2", composition, energy=lambda out: out["energy"], elements=(1, 6, 8))
    found = predict(model, rows, atoms=True)
    last = module.readout[2]
    weights = np.append(last.weight.detach().numpy().ravel(), last.bias.item())
    np.testing.assert_allclose(found.features @ weights, found.energy, atol=1e-5)
    assert (found.features[:, -1] == 1).all()
    assert found.atoms is not None
    assert np.isnan(found.atoms[:, :-1]).all()
    assert np.isnan(predict(model, Structures.from_ase(molecule("NH3"))).energy).all()


def test_features_for_selectors(schnet: nn.Module, rows: Structures) -> None:
    model = OutsidePotential(schnet, "lin2", lambda z, x, batch: (z, x, batch))
    features = OutsideFeatures(model=model)
    assert isinstance(features, Features)
    vectors, there = features(rows)
    sums = predict(model, rows).features
    assert there.all()
    np.testing.assert_allclose(vectors, sums / sums[:, -1:], rtol=1e-5)


def test_what_does_not_fit_is_told_with_what_would(schnet: nn.Module, rows: Structures) -> None:
    def given(z: Tensor, x: Tensor, batch: Tensor) -> tuple[Tensor, ...]:
        return z, x, batch

    with pytest.raises(ValueError, match=r"SchNet has no linear layer 'readout'; .* lin1 \(16\), lin2 \(8\)"):
        OutsidePotential(schnet, "readout", given)
    with pytest.raises(ValueError, match="gave dict for 120 structures; expected energies of shape"):
        predict(OutsidePotential(Histogram(), "readout.2", composition), rows)
    with pytest.raises(ValueError, match=r"'interactions.0.conv.nn.0'|sees \(\d+, 50\)|expected one row"):
        predict(OutsidePotential(schnet, "interactions.0.mlp.0", given), rows)

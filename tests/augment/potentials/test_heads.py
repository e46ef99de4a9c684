"""Heads: what they say follows from the members or the distribution, and derivatives go where they should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from molaug.generators.learned.checkpoints import seal_checkpoint  # noqa: E402
from molaug.potentials import Potential  # noqa: E402
from molaug.potentials.heads import Head, normal_nll  # noqa: E402

Z, BATCH = torch.tensor([8, 1, 1, 6, 1, 1, 1, 1]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
X = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
REFERENCES = {1: -13.6, 6: -1029.9, 8: -2042.6}
HEADS = [Head(), Head(kind="ensemble", members=7), Head(kind="evidential", atoms=4.0)]


def potential(head: Head) -> Potential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Potential(
            "painn", {"width": 16, "layers": 1, "heads": 4}, references=REFERENCES, scale=0.2, head=head
        ).eval()


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_forces_are_the_slope_of_the_energy(head: Head) -> None:
    model = potential(head)
    forces = model(Z, X, BATCH, forces=True).forces
    step = 1e-2
    for atom, axis in ((0, 0), (4, 2)):
        shift = torch.zeros_like(X)
        shift[atom, axis] = step
        up, down = (model(Z, X + sign * shift, BATCH).energy.sum() for sign in (1, -1))
        assert forces[atom, axis].item() == pytest.approx(-(up - down).item() / (2 * step), abs=2e-3)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_energies_go_with_the_mean_weights(head: Head) -> None:
    model = potential(head)
    found = model(Z, X, BATCH)
    features = torch.cat([found.features, torch.ones(8, 1)], 1).double()
    sums = torch.zeros(2, 17, dtype=torch.float64).index_add(0, BATCH, features)
    free = torch.tensor([-2042.6 - 2 * 13.6, -1029.9 - 4 * 13.6], dtype=torch.float64)
    torch.testing.assert_close(sums @ model.weights + free, found.energy, atol=1e-4, rtol=0)


def test_an_ensemble_is_the_mean_and_scatter_of_its_members() -> None:
    found = potential(HEADS[1])(Z, X, BATCH)
    assert found.members.shape == (2, 7)
    torch.testing.assert_close(found.members.mean(1), found.energy, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.members.var(1).float(), found.variance, atol=1e-5, rtol=1e-4)
    assert found.members.std(1).min() > 1e-3  # members begin apart
    with pytest.raises(ValueError, match="1 members of the head 'ensemble'; expected at least 2"):
        Head(kind="ensemble")


def test_the_loss_of_an_ensemble_is_the_likelihood_of_normal_errors() -> None:
    sums, target = torch.randn(9, 5), torch.randn(9)
    head = Head(kind="ensemble", members=5)
    expected = -stats.norm.logpdf(target, sums.mean(1), sums.var(1).sqrt()).mean()
    found = head.loss(sums, target, 0.0).item() + 0.5 * np.log(2 * np.pi)
    assert found == pytest.approx(expected, rel=1e-3)
    assert normal_nll(target - sums.mean(1), sums.var(1)).item() == pytest.approx(expected, rel=1e-5)


def test_evidence_is_read_from_sums_over_atoms() -> None:
    head = HEADS[2]
    sums = torch.tensor([[2.0, 4.0, -8.0, 1.2]])
    evidence = head.evidence(sums)
    nu, alpha, beta = (np.log1p(np.exp(x / 4.0)) for x in (4.0, -8.0, 1.2))
    assert evidence.gamma.item() == 2.0
    assert head.variance(sums).item() == pytest.approx(beta / alpha * (1 + 1 / nu), rel=1e-4)
    found = potential(head)(Z, X, BATCH)
    assert found.members is None
    assert found.variance.min() > 0


@pytest.mark.parametrize("head", HEADS[1:], ids=lambda head: head.kind)
def test_anchored_outputs_are_the_same_and_leave_energies_alone(head: Head) -> None:
    sums = torch.randn(6, head.outputs, requires_grad=True)
    anchored = head.anchored(sums)
    torch.testing.assert_close(anchored, sums)
    (slope,) = torch.autograd.grad(head.loss(anchored, torch.randn(6), 0.1), sums, retain_graph=True)
    assert slope.abs().max() > 0
    torch.testing.assert_close(head.mean(slope), torch.zeros(6), atol=1e-6, rtol=0)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_a_checkpoint_keeps_its_head(head: Head, tmp_path: Path) -> None:
    model = potential(head)
    model.save_pretrained(tmp_path)
    again = Potential.from_pretrained(tmp_path)
    assert again.head == head
    before, after = model(Z, X, BATCH), again(Z, X, BATCH)
    torch.testing.assert_close(after.energy, before.energy, atol=1e-3, rtol=0)
    if head.kind != "plain":
        torch.testing.assert_close(after.variance, before.variance, atol=1e-3, rtol=0.05)


def test_checkpoints_without_a_head_are_plain(tmp_path: Path) -> None:
    """As those written before heads there were."""
    model = potential(Head())
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["head"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    seal_checkpoint(tmp_path)
    again = Potential.from_pretrained(tmp_path)
    assert again.head.kind == "plain"
    assert set(again.state_dict()) >= {"last.weight", "last.bias", "network.embedding.weight"}
    assert again.last.weight.shape == (1, 16)
    assert again(Z, X, BATCH).variance is None


def test_unknown_heads_are_told() -> None:
    with pytest.raises(ValueError, match="head 'evidentiel'; expected 'plain', 'ensemble', 'evidential'"):
        Head(kind="evidentiel")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a plain head has no likelihood"):
        Head().loss(torch.zeros(1, 1), torch.zeros(1), 0.0)

"""The flow: what is noise, what is kept, and that each way to step has the marginals that were trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from molaug.generators.graph.scheduler import GraphFlowOutput, GraphFlowScheduler, drawn

ATOMS, BONDS = (0.6, 0.3, 0.1), (0.7, 0.2, 0.08, 0.02)
N = 40_000


def scheduler(**options: object) -> GraphFlowScheduler:
    return GraphFlowScheduler(**{"atom_prior": ATOMS, "bond_prior": BONDS} | options)


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def agrees(values: torch.Tensor, expected: list[float]) -> None:
    """Check frequencies to within five standard errors."""
    n = values.numel()
    found = np.bincount(values.flatten().numpy(), minlength=len(expected)) / n
    error = np.sqrt(np.array(expected) * (1 - np.array(expected)) / n)
    assert (np.abs(found - expected) <= 5 * error + 1e-12).all(), (found, expected)


def mixture(t: float, final: int, prior: tuple[float, ...]) -> list[float]:
    return [t * (k == final) + (1 - t) * p for k, p in enumerate(prior)]


def test_the_prior_has_the_frequencies_of_the_data() -> None:
    state = scheduler().prior(uniform(N, 2), uniform(N, 3, seed=1))
    agrees(state.atoms, list(ATOMS))
    agrees(state.pairs, list(BONDS))


@pytest.mark.parametrize("t", [0.0, 0.3, 0.85, 1.0])
def test_noise_keeps_a_share_t_of_the_molecule(t: float) -> None:
    final = GraphFlowOutput(atoms=torch.full((N, 1), 2), pairs=torch.full((N, 1), 1))
    noisy = scheduler().add_noise(
        final.atoms, final.pairs, torch.full((N,), t), uniform(2, N, 1), uniform(2, N, 1, seed=1)
    )
    agrees(noisy.atoms, mixture(t, 2, ATOMS))
    agrees(noisy.pairs, mixture(t, 1, BONDS))


@pytest.mark.parametrize("kernel", ["renoise", "jump"])
def test_a_step_leads_from_the_marginals_at_one_time_to_those_at_the_next(kernel: str) -> None:
    flow = scheduler(kernel=kernel)
    flow.set_timesteps(5)
    final = GraphFlowOutput(atoms=torch.full((N, 1), 1), pairs=torch.full((N, 1), 2))
    state = flow.prior(uniform(N, 1), uniform(N, 1, seed=1))
    for k in range(5):
        state = flow.step(k, state, final, uniform(2, N, 1, seed=2 + k), uniform(2, N, 1, seed=12 + k))
        agrees(state.atoms, mixture(flow.next_time(k), 1, ATOMS))
        agrees(state.pairs, mixture(flow.next_time(k), 2, BONDS))
    assert torch.equal(state.atoms, final.atoms)
    assert torch.equal(state.pairs, final.pairs)


def test_a_jump_leaves_what_is_final() -> None:
    flow = scheduler(kernel="jump")
    flow.set_timesteps(4)
    final = GraphFlowOutput(atoms=torch.full((100, 3), 1), pairs=torch.full((100, 3), 2))
    state = flow.step(1, final, final, uniform(2, 100, 3), uniform(2, 100, 3))
    assert torch.equal(state.atoms, final.atoms)
    assert torch.equal(state.pairs, final.pairs)


@pytest.mark.parametrize("distortion", [0.5, 1.0, 2.0, 3.0])
def test_times_rise_from_0_and_end_at_1(distortion: float) -> None:
    flow = scheduler(distortion=distortion)
    for steps in (1, 2, 7):
        flow.set_timesteps(steps)
        times = [*flow.timesteps.tolist(), flow.next_time(steps - 1)]
        np.testing.assert_allclose(times, 1 - (1 - np.arange(steps + 1) / steps) ** distortion, atol=1e-6)
        assert [flow.next_time(k) for k in range(steps)] == times[1:]


def test_no_class_of_probability_0_is_drawn() -> None:
    largest = torch.tensor([np.nextafter(np.float32(1), np.float32(0))])
    probabilities = torch.tensor([[0.7, 0.1, 0.2 - 1e-7, 0.0]])
    assert drawn(probabilities, largest).item() == 2
    assert drawn(torch.tensor([[0.0, 1.0]]), torch.zeros(1)).item() == 1


def test_it_is_kept_as_configuration(tmp_path: Path) -> None:
    flow = scheduler(kernel="jump", distortion=1.5)
    assert GraphFlowScheduler.from_config(flow.config).config == flow.config
    flow.save_pretrained(tmp_path)
    again = GraphFlowScheduler.from_pretrained(tmp_path)
    assert again.config.kernel == "jump"
    assert tuple(again.config.atom_prior) == ATOMS
    assert torch.equal(again.prior(uniform(9, 2), uniform(9, 3)).pairs, flow.prior(uniform(9, 2), uniform(9, 3)).pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "leap"}, "kernel is 'leap'"),
        ({"atom_prior": (0.5, 0.6)}, "atom_prior is .* add up to 1"),
        ({"atom_prior": ()}, "atom_prior is .* add up to 1"),
        ({"atom_prior": (float("nan"), 1.0)}, "atom_prior is .* add up to 1"),
        ({"bond_prior": (1.5, -0.5, 0.0, 0.0)}, "bond_prior is .* add up to 1"),
        ({"bond_prior": (0.5, 0.5)}, "bond_prior has 2 entries; expected 4"),
        ({"distortion": 0.0}, "distortion is 0.0; expected more than 0"),
    ],
)
def test_wrong_settings_are_told(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scheduler(**options)


def test_there_is_one_step_at_least() -> None:
    with pytest.raises(ValueError, match="0 steps; expected at least 1"):
        scheduler().set_timesteps(0)

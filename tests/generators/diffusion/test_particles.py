"""Steering by a score: unbiased resampling, the closed form with many particles, lineages, and scores that are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.generators.diffusion import MoleculePipeline
from molaug.generators.diffusion.particles import Particles, _systematic
from molaug.generators.diffusion.request import Request
from molaug.generators.diffusion.sampling import Block, sample_block
from molaug.generators.diffusion.steering import Given
from molaug.generators.graph.scheduler import GraphFlowScheduler
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures import Structures

TYPES = AtomTypes(numbers=(1, 6, 8), charges=(0, 0, 0), valences=(1, 4, 2))


class Fixed:
    """Gives the number that it is told."""

    def __init__(self, u: float) -> None:
        self.u = u

    def random(self) -> float:
        return self.u


@given(st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=8), st.integers(1, 8))
@settings(max_examples=20, deadline=None)
def test_resampling_is_unbiased_and_as_even_as_may_be(weights: list[float], n: int) -> None:
    shares = n * np.array(weights) / sum(weights)
    grid = (np.arange(500) + 0.5) / 500  # every uniform number
    counts = np.array([np.bincount(_systematic(np.array(weights), n, Fixed(u)), minlength=len(weights)) for u in grid])
    assert (counts.sum(1) == n).all()
    np.testing.assert_allclose(counts.mean(0), shares, atol=5e-3 * n)
    assert (np.abs(counts - shares) < 1 + 1e-9).all()


def test_equal_weights_leave_every_particle() -> None:
    for u in (0.01, 0.5, 0.99):
        assert _systematic(np.full(5, 0.2), 5, Fixed(u)).tolist() == [0, 1, 2, 3, 4]


class Still:
    """Stands for a network that leaves coordinates where they are, and draws carbon and no bonds."""

    device, config = torch.device("cpu"), SimpleNamespace(scale=1.0, n_max=9)

    def graph(self, atoms: torch.Tensor, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        n, n_max = atoms.shape
        kinds, orders = torch.tensor([0.0, 50.0, 0.0]), torch.tensor([50.0, 0.0, 0.0, 0.0])
        return kinds.expand(n, n_max, 3), orders.expand(n, n_max * (n_max - 1) // 2, 4)

    def coordinates(self, atoms: torch.Tensor, bonds: torch.Tensor, x: torch.Tensor, *_: Any) -> torch.Tensor:
        return x


def still(score: Any, number: int, n_atoms: int, block: int = 0, fragment: str | None = None, **options: Any) -> Block:
    weights = np.zeros(9)
    weights[n_atoms] = 1.0
    request = Request(
        seed=0,
        steps=(1, 10),
        distortion=1.5,
        temperature=1.0,
        noise=0.0,
        spread=0.0,
        guidance=0.0,
        condition=None,
        weights=weights,
        hydrogens=np.zeros((3, 5), dtype=int),  # none
        hydrogen=0,
        given=None if fragment is None else Given.fragment(fragment, TYPES, 8),
        particles=Particles(number=number, score=score, types=TYPES, scale=1.0),
    )
    flow = GraphFlowScheduler(atom_prior=(0.0, 0.8, 0.2), bond_prior=(0.7, 0.2, 0.06, 0.04))

    class Unmoved:
        """A scheduler whose steps lead nowhere."""

        config = SimpleNamespace(num_train_timesteps=1000)

        def set_timesteps(self, n: int, device: object = None) -> None: ...

        def set_begin_index(self, k: int) -> None: ...

        def step(self, velocity: object, time: object, x: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
            return (x,)

    return sample_block(Still(), flow, Unmoved(), request, block, **options)


def squares(structures: Structures) -> np.ndarray:
    """Squared distance of the first two atoms."""
    first = structures.offsets[:-1]
    return ((structures.positions[first + 1] - structures.positions[first]) ** 2).sum(1)


def test_with_many_particles_rows_are_drawn_in_proportion_to_their_weights() -> None:
    """Two atoms at a normal distance r of variance 2: weighted by exp(-r²/2) its variance is 1 / (1/2 + 1)."""
    blocks = [still(lambda s: np.exp(-0.5 * squares(s)), 64, 2, block) for block in range(60)]
    r = np.concatenate([b.state[2][:, 1] - b.state[2][:, 0] for b in blocks])  # (60, 3)
    expected, n = 1 / 1.5, r.size
    assert abs((r**2).mean() / expected - 1) < 3 * (2 / n) ** 0.5 + 0.02
    free = np.concatenate([still(lambda s: np.ones(len(s)), 2, 2, block).state[2] for block in range(6)])
    r = free[:, 1] - free[:, 0]
    assert abs((r**2).mean() / 2 - 1) < 3 * (2 / r.size) ** 0.5  # a constant score changes nothing


def test_a_score_of_nought_is_never_drawn_where_another_is_at_hand() -> None:
    found = still(lambda s: (squares(s) > 1.0).astype(float), 8, 2).state[2]
    assert ((found[:, 1] - found[:, 0]) ** 2).sum(1).min() > 1.0
    assert len(still(lambda s: np.zeros(len(s)), 4, 2).state[3]) == 16  # all alike then


def test_a_fragment_lies_with_a_molecule_as_in_the_particle_that_it_came_from() -> None:
    """With coordinates that stay, each molecule that is left is one of those of the beginning, fragment and all."""
    beginning: list[np.ndarray] = []

    def score(structures: Structures) -> np.ndarray:
        if not beginning:
            beginning.extend(s.positions for s in structures)
        return np.exp(-squares(structures) - structures.positions[structures.offsets[:-1] + 5, 0])

    found = still(score, 8, 6, fragment="CCO").state[2]
    assert len(np.unique(found.round(4), axis=0)) == 8
    for k, x in enumerate(found):
        particles = np.array(beginning[8 * k : 8 * k + 8])
        assert np.abs(particles - x).max(axis=(1, 2)).min() < 1e-5


def test_rows_do_not_depend_on_the_others() -> None:
    first = still(lambda s: np.exp(-squares(s)), 4, 3)
    again = still(lambda s: np.exp(-squares(s)) * 1.0, 4, 3)
    assert first.state[2].tobytes() == again.state[2].tobytes()
    # the score of one row changes that row alone
    shifted = still(lambda s: np.exp(-squares(s) * np.where(np.arange(len(s)) < 4, -1, 1)), 4, 3)
    assert shifted.state[2][1:].tobytes() == first.state[2][1:].tobytes()
    assert shifted.state[2][0].tobytes() != first.state[2][0].tobytes()


def nitrogens(structures: Structures) -> np.ndarray:
    return np.array([float((s.numbers == 7).sum()) for s in structures])


def extent(structures: Structures) -> np.ndarray:
    """Root mean square distance from the centroid in Å."""
    return np.array([float(((s.positions - s.positions.mean(0)) ** 2).sum(1).mean() ** 0.5) for s in structures])


@pytest.mark.parametrize("measure", [nitrogens, extent])
def test_the_mean_of_what_a_score_prefers_rises(untrained: MoleculePipeline, measure: Any) -> None:
    n, plain = 32, {"num_inference_steps": 16, "n_atoms": 6}
    free = measure(untrained(n, **plain).structures())
    constant = measure(untrained(n, score_fn=lambda s: np.ones(len(s)), **plain).structures())
    strength = 3.0 if measure is nitrogens else 12.0
    steered = measure(untrained(n, score_fn=lambda s: np.exp(strength * measure(s)), **plain).structures())
    error = (free.var() / n + steered.var() / n) ** 0.5
    assert steered.mean() - free.mean() > 3 * error
    assert abs(constant.mean() - free.mean()) < 3 * ((free.var() + constant.var()) / n) ** 0.5


def test_a_row_is_the_same_for_any_number_and_start(untrained: MoleculePipeline) -> None:
    options = {"num_inference_steps": 5, "score_fn": lambda s: 1 + nitrogens(s), "particles": 3}
    whole = untrained(24, **options)
    part = untrained(4, start=19, **options)
    assert len(whole) == 24
    assert part.coordinates.tobytes() == whole.coordinates[19:23].tobytes()
    assert part.atoms.tobytes() == whole.atoms[19:23].tobytes()


def test_a_score_sees_all_particles_of_a_block_as_structures(untrained: MoleculePipeline) -> None:
    seen: list[Structures] = []

    def score(structures: Structures) -> np.ndarray:
        seen.append(structures)
        return np.ones(len(structures))

    samples = untrained(2, num_inference_steps=40, score_fn=score, particles=4)
    assert [len(s) for s in seen] == [64] * 5  # four times on the way, and at the end
    assert all(np.isfinite(s.positions).all() for s in seen)
    for k, drawn in enumerate(samples.structures()):  # of the four particles of its row one was drawn
        particles = [seen[-1][4 * k + particle] for particle in range(4)]
        assert any(
            p.numbers.tolist() == drawn.numbers.tolist() and np.allclose(p.positions, drawn.positions, atol=1e-5)
            for p in particles
        )


@pytest.mark.parametrize(
    "score",
    [
        lambda s: np.ones(len(s) + 1),
        lambda s: -np.ones(len(s)),
        lambda s: np.full(len(s), np.nan),
        lambda s: np.full(len(s), np.inf),
        lambda s: 1.0,
        lambda s: np.ones((len(s), 1)),
    ],
)
def test_scores_that_are_no_weights_are_told(untrained: MoleculePipeline, score: Any) -> None:
    with pytest.raises(ValueError, match=r"the score gave .* expected a number of at least 0 for each"):
        untrained(2, num_inference_steps=2, score_fn=score)


@pytest.mark.parametrize("particles", [1, 0, -3])
def test_one_particle_cannot_be_chosen_from(untrained: MoleculePipeline, particles: int) -> None:
    with pytest.raises(ValueError, match=f"{particles} particles; expected at least 2"):
        untrained(2, score_fn=nitrogens, particles=particles)

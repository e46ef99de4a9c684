"""The loop of the sampler, with networks that know what they draw: what a perfect one says is what comes out."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor
from torch.nn.functional import one_hot

from molaug.generators.diffusion.alignment import centred
from molaug.generators.diffusion.request import BLOCK, Request
from molaug.generators.diffusion.sampling import Block, sample_block
from molaug.generators.graph.scheduler import GraphFlowScheduler
from molaug.generators.learned.pairs import of_pairs

SCALE, N_MAX = 1.5, 6
#: Methanimine, H2C=NH, and water, with types H, C, N and O.
ATOMS = torch.tensor([[1, 2, 0, 0, 0], [3, 0, 0, 0, 0]])
BONDS = torch.zeros(2, 5, 5, dtype=torch.long)
for row, i, j, order in ((0, 0, 1, 2), (0, 0, 2, 1), (0, 0, 3, 1), (0, 1, 4, 1), (1, 0, 1, 1), (1, 0, 2, 1)):
    BONDS[row, i, j] = BONDS[row, j, i] = order
SIZES = torch.tensor([5, 3])
MASK = torch.arange(5) < SIZES[:, None]
PLACES = torch.tensor(
    [
        [[0.06, 0.59, 0.0], [0.06, -0.68, 0.0], [-0.86, 1.16, 0.0], [0.96, 1.21, 0.1], [-0.9, -1.05, 0.3]],
        [[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    ]
)
PLACES = centred(PLACES, MASK) / SCALE
EULER = FlowMatchEulerDiscreteScheduler()
SOLVER = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
# diffusers reads tensors by numpy in a way that numpy 2 will not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SCHEDULERS = [EULER, FlowMatchEulerDiscreteScheduler(shift=3.0), SOLVER]
IDS = ["Euler", "shifted", "DPM-Solver++"]


#: Hydrogens that H, C, N and O bear by the sum of their other bonds.
HYDROGENS = np.array([[0, 0, 0, 0, 0], [4, 3, 2, 1, 0], [3, 2, 1, 0, 0], [2, 1, 0, 0, 0]])


class Network:
    """Stands for the network: two functions of what it is asked."""

    device, config = torch.device("cpu"), SimpleNamespace(scale=SCALE, n_max=8)

    def __init__(self, graph: Callable[..., tuple[Tensor, Tensor]], coordinates: Callable[..., Tensor]) -> None:
        self._graph, self._coordinates = graph, coordinates
        self.graphs: list[tuple[Tensor, ...]] = []
        self.asked: list[tuple[Tensor, ...]] = []

    def graph(self, *state: Any) -> tuple[Tensor, Tensor]:
        self.graphs.append(state)
        return self._graph(*state)

    def coordinates(self, *state: Any) -> Tensor:
        self.asked.append(state)
        return self._coordinates(*state)


def perfect() -> Network:
    """Knows that two heavy atoms are methanimine and one is water."""

    def graph(atoms: Tensor, bonds: Tensor, mask: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        which, n_max = (mask.sum(1) == 1).long(), atoms.shape[1]
        return (
            50.0 * one_hot(ATOMS[which, :n_max], 4),
            of_pairs(50.0 * one_hot(BONDS[which, :n_max, :n_max], 4)),
        )

    def coordinates(atoms: Tensor, bonds: Tensor, x: Tensor, mask: Tensor, *_: Any) -> Tensor:
        return PLACES[(mask.sum(1) == 3).long(), : atoms.shape[1]]

    return Network(graph, coordinates)


def drawn(network: Network, scheduler: Any = EULER, block: int = 0, trajectory: bool = False, **options: Any) -> Block:
    given = {"seed": 0, "steps": (2, 4), "distortion": 1.5, "temperature": 1.0, "noise": 0.0, "spread": 0.0}
    given |= {"guidance": 2.0, "condition": None, "weights": np.array([0.0, 0.5, 0.5]), "given": None}
    request = Request(**given | {"hydrogens": HYDROGENS, "hydrogen": 0} | options)
    graph_scheduler = GraphFlowScheduler(atom_prior=(0.0, 0.6, 0.2, 0.2), bond_prior=(0.7, 0.2, 0.06, 0.04))
    return sample_block(network, graph_scheduler, scheduler, request, block, trajectory=trajectory)


def kind(block: Block) -> np.ndarray:
    """0 for methanimine, 1 for water."""
    return (block.state[3] == 3).astype(int)


def deviations(block: Block) -> np.ndarray:
    """From the known molecules, in units of the scale, padding included."""
    return block.state[2] - PLACES.numpy()[kind(block)]


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=IDS)
def test_what_a_perfect_network_knows_comes_out_exactly(scheduler: Any, steps: int, noise: float) -> None:
    block = drawn(perfect(), scheduler, steps=(steps, steps), noise=noise)
    which = kind(block)
    assert 0 < which.sum() < BLOCK
    np.testing.assert_array_equal(block.state[0], (ATOMS * MASK).numpy()[which])
    np.testing.assert_array_equal(block.state[1], BONDS.numpy()[which])
    assert np.abs(deviations(block)).max() < 1e-6


@pytest.mark.parametrize(("steps", "distortion"), [(6, 1.5), (1, 1.0), (9, 3.0)])
@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=IDS)
def test_the_disorder_that_is_asked_for_is_what_is_left(
    scheduler: Any, noise: float, steps: int, distortion: float
) -> None:
    """Normal, of equal variance in each direction that does not move the centroid; to within 3 standard errors."""
    spread = 0.13
    options = {"steps": (1, steps), "noise": noise, "spread": spread, "distortion": distortion}
    found = [drawn(perfect(), scheduler, block, **options) for block in range(8)]
    scores = []
    for block in found:
        off = deviations(block) / spread
        assert np.abs(off.sum(1)).max() < 1e-4
        for x, n in zip(off, block.state[3], strict=True):
            basis = np.linalg.qr(np.c_[np.ones(n), np.eye(n)[:, : n - 1]])[0][:, 1:]  # without the centroid
            scores.append((basis.T @ x[:n]).ravel())
    z = np.concatenate(scores)
    assert abs(z.mean()) < 3 / len(z) ** 0.5
    assert abs((z**2).mean() - 1) < 3 * (2 / len(z)) ** 0.5
    assert abs((z**4).mean() - 3) < 3 * (96 / len(z)) ** 0.5
    first = z.reshape(-1, 3)
    assert abs((first[:, 0] * first[:, 1]).mean()) < 3 / len(first) ** 0.5


def test_rows_of_noise_are_laid_on_their_way_as_the_times_say() -> None:
    """Before each step the state is (1 - t) noise + t molecule: what the network was trained on."""
    network = perfect()
    drawn(network, steps=(1, 8))
    for part in (network.asked[0::2], network.asked[1::2]):  # smaller and larger molecules by turns
        first = part[0][2]
        for _, _, x, mask, time, *_ in part:
            t = float(time[0])
            places = PLACES[(mask.sum(1) == 3).long(), : x.shape[1]]
            torch.testing.assert_close(x, (1 - t) * first + t * places, atol=1e-6, rtol=1e-5)


def test_the_network_is_asked_once_a_step_at_times_that_rise_from_0() -> None:
    for steps in (1, 5, 12):
        network = perfect()
        drawn(network, steps=(steps, steps + 1), distortion=1.5)
        for asked, place, n, d in ((network.graphs, 3, steps, 2.0), (network.asked, 4, steps + 1, 1.5)):
            times = torch.cat([state[place] for state in asked]).reshape(n, -1)  # (n_steps, n_rows)
            assert (times == times[:, :1]).all()
            np.testing.assert_allclose(times[:, 0], 1 - (1 - np.arange(n) / n) ** d, atol=1e-6)


def test_molecules_of_like_size_are_asked_together_without_room_that_none_needs() -> None:
    network = perfect()
    drawn(network, steps=(1, 2))
    for step in (network.asked[:2], network.asked[2:]):
        sizes = [mask.sum(1) for _, _, _, mask, *_ in step]
        assert [int(of_one.max()) for of_one in sizes] == [mask.shape[1] for _, _, _, mask, *_ in step]
        assert int(sizes[0].max()) <= int(sizes[1].min())


def test_every_state_is_centred_and_nothing_beyond_its_size() -> None:
    generator = torch.Generator().manual_seed(0)

    def graph(atoms: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        n, n_max = atoms.shape
        pairs = torch.randn(n, n_max * (n_max - 1) // 2, 4, generator=generator)
        return torch.randn(n, n_max, 4, generator=generator), pairs

    network = Network(graph, lambda a, b, x, *_: torch.randn(x.shape, generator=generator) + 7.0)
    block = drawn(network, steps=(3, 6), noise=0.5, trajectory=True, weights=np.array([0.0, 0.3, 0.3, 0.4]))
    assert len(block.states) == 9
    assert not any(x.any() for _, _, x, _ in block.states[:3])  # heavy atoms alone have no places yet
    for atoms, bonds, x, sizes in [*block.states, block.state]:
        n = atoms.shape[1]
        outside = np.arange(n) >= sizes[:, None]
        assert np.abs(x.sum(1)).max() < 1e-4
        assert not x[outside].any()
        assert not atoms[outside].any()
        assert not bonds[outside].any()
        np.testing.assert_array_equal(bonds, bonds.transpose(0, 2, 1))
        assert not bonds[:, range(n), range(n)].any()
    for atoms, bonds, x, mask, *_ in network.asked:
        assert float(x.sum(1).abs().max()) < 1e-4
        assert not x[~mask].any()
        assert not atoms[~mask].any()
        assert not bonds[~mask].any()
    for atoms, bonds, mask, *_ in network.graphs:
        assert (atoms[mask] > 0).all()  # no hydrogens among heavy atoms
        assert not bonds[~mask].any()


def test_the_same_bytes_every_time_and_others_for_other_seeds_and_blocks() -> None:
    def told(**options: Any) -> bytes:
        return drawn(perfect(), noise=0.2, spread=0.1, **options).state[2].tobytes()

    assert told() == told()
    assert len({told(), told(seed=1), told(block=1)}) == 3


def guided(w: float) -> Block:
    free, told = torch.tensor([1e-9, 0.6, 0.3, 0.1]).log(), torch.tensor([1e-9, 0.5, 0.4, 0.1]).log()

    def graph(atoms: Tensor, bonds: Tensor, mask: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        n, n_max = atoms.shape
        logits = (free if rest[-1] is None else told).expand(n, n_max, 4)
        return logits, torch.zeros(n, n_max * (n_max - 1) // 2, 4)

    def coordinates(atoms: Tensor, bonds: Tensor, x: Tensor, mask: Tensor, *rest: Any) -> Tensor:
        shift = centred(torch.eye(x.shape[1], 3).expand(x.shape), mask)
        return shift * (1.0 if rest[-1] is None else 2.0)

    return drawn(Network(graph, coordinates), steps=(3, 3), guidance=w, condition=torch.ones(1, 2))


@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 1.4, 1.6, 3.0])
def test_guidance_goes_from_the_free_molecule_through_that_of_the_condition_and_on(w: float) -> None:
    """pᵤ (p_c / pᵤ)ʷ: the second type is the likeliest where 1.6ʷ > 2; coordinates go on along a line."""
    atoms, _, x, sizes = guided(w).state
    assert (atoms[:, 0] == (2 if 1.6**w > 2 else 1)).all()
    for row, n in zip(x, sizes.tolist(), strict=True):
        corners = np.eye(len(row), 3)[:n]
        np.testing.assert_allclose(row[:n], (1 + w) * (corners - corners.mean(0)), atol=1e-5)


def test_sizes_follow_their_weights() -> None:
    sizes = np.concatenate([drawn(perfect(), block=k, steps=(1, 1)).state[3] for k in range(10)])
    assert set(sizes.tolist()) == {3, 5}
    assert (sizes == 3).mean() == pytest.approx(0.5, abs=3 * 0.5 / len(sizes) ** 0.5)


def test_the_colder_the_less_chance() -> None:
    logits = torch.tensor([9.0, 0.3, 0.0, 0.2])  # whatever is said of hydrogen, heavy atoms are none

    def graph(atoms: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        n, n_max = atoms.shape
        return logits.expand(n, n_max, 4), torch.zeros(n, n_max * (n_max - 1) // 2, 4)

    def share(temperature: float) -> float:
        network = Network(graph, lambda a, b, x, *_: x)
        drawn(network, steps=(30, 1), temperature=temperature)
        atoms, mask = network.graphs[-1][0], network.graphs[-1][2]
        return float((atoms[mask] == 1).float().mean())

    assert share(1e-6) > 0.95 > 0.7 > share(1.0) > 0.25
    assert share(1e6) < 0.7

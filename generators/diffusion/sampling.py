"""The loop of the sampler: blocks of rows from noise to molecules as the network draws them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molaug.generators.diffusion.alignment import centred, random_rotations
from molaug.generators.diffusion.clock import Clock
from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.diffusion.particles import Particles
from molaug.generators.diffusion.steering import Given
from molaug.generators.graph.scheduler import GraphFlowOutput, GraphFlowScheduler, drawn
from molaug.generators.learned.atom_types import BOND_ORDERS
from molaug.generators.learned.pairs import in_square, of_pairs
from molaug.structures.hashing import stream

#: Molecules are made in blocks of this size, each at its own place: a row's arithmetic is then the same whichever rows
#: are asked for.
BLOCK = 64

#: Beyond this time of the coordinates no noise is put in any more.
_CALM = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What rows depend on, besides their numbers.

    Parameters
    ----------
    seed
        The one seed.
    steps
        Calls of the network.
    clock
        Times of graph and coordinates.
    temperature
        Divides the logits of types and bonds.
    noise
        Share of the variance of the coordinates' noise that is drawn anew in each step.
    spread
        Disorder that is left in the coordinates, in units of the network's scale.
    guidance
        0: the condition is not looked at; 1: it is; beyond: it counts for more.
    condition
        Standardised values, and 1 where each is given, shape (1, 2 n_conditions); None if none is given.
    weights
        Probability of each number of atoms, shape (n_max + 1,).
    given
        A fragment, a whole graph, or None.
    particles
        How molecules are steered by a score; None if they are not.
    """

    seed: int
    steps: int
    clock: Clock
    temperature: float
    noise: float
    spread: float
    guidance: float
    condition: Tensor | None
    weights: NDArray[np.float64]
    given: Given | None
    particles: Particles | None = None

    @property
    def rows(self) -> int:
        """Rows of a block."""
        return BLOCK if self.particles is None else max(BLOCK // self.particles.number, 1)

    @property
    def times(self) -> tuple[list[float], list[float]]:
        """Times of graph and coordinates before each step and after the last, of which the last are 1."""
        progress = torch.arange(self.steps + 1, dtype=torch.float64) / self.steps
        graph, coordinates = self.clock.times(progress)
        if self.given is not None and self.given.coordinates is None:
            graph, coordinates = torch.ones_like(progress), self.clock.coordinates(progress)
        last = 1.0 / (1.0 + self.spread)
        return graph.tolist(), coordinates.clamp(max=last).tolist()


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """What the network drew.

    Parameters
    ----------
    atoms
        Types, shape (n, n_max).
    bonds
        Orders, shape (n, n_max, n_max).
    coordinates
        In units of the network's scale, shape (n, n_max, 3).
    sizes
        Atoms of each row, shape (n,).
    numbering
        Of the atoms of a given graph the numbers that they have in it, shape (n, n_given); empty otherwise.
    states
        Atoms, bonds and expected coordinates after each step; empty unless asked for.
    """

    atoms: NDArray[np.uint8]
    bonds: NDArray[np.uint8]
    coordinates: NDArray[np.float32]
    sizes: NDArray[np.intp]
    numbering: NDArray[np.intp]
    states: tuple[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]], ...]


def sample_block(
    network: MoleculeDenoiser,
    graph_scheduler: GraphFlowScheduler,
    scheduler: Any,
    request: Request,
    block: int,
    *,
    trajectory: bool = False,
) -> Block:
    """Draw the rows ``request.rows * block`` to ``request.rows * (block + 1) - 1``.

    Parameters
    ----------
    network
        In its mode of evaluation.
    graph_scheduler
        Of types and bonds.
    scheduler
        Of the coordinates: one of diffusers for flows, of which each step asks the network once.
    request
        What is asked for.
    block
        Number of the block.
    trajectory
        Keep every state.

    Returns
    -------
    Block
        In it each row depends on the request and its own number alone.
    """
    device = network.device
    graph_times, times = request.times
    rows = _Rows(request, block, device)
    sizes = rows.sizes()  # (n,)
    n_max = int(sizes.max())
    n_pairs = n_max * (n_max - 1) // 2
    frame = _Frame.of(request.given, sizes, rows, n_max, network.config.scale, device)
    graph_scheduler.set_timesteps(timesteps=graph_times[:-1])
    u_atoms, u_pairs = rows.uniform(1, n_max, n_pairs)
    state = frame.laid(graph_scheduler.prior(u_atoms[0], u_pairs[0]))
    x = frame.placed(rows.normal(n_max))
    moving = [k for k in range(request.steps) if times[k + 1] > times[k]]
    _set_sigmas(scheduler, [1.0 - times[k] for k in [*moving, request.steps]], device)
    last = len(moving) - 1
    states, predicted = [], x
    for k in range(request.steps):
        atom_logits, pair_logits, predicted = _asked(network, state, x, frame, graph_times[k], times[k], request)
        if graph_times[k] < 1.0:
            atom_p, pair_p = atom_logits.softmax(-1), pair_logits.softmax(-1)
            if graph_times[k + 1] < 1.0:
                u_atoms, u_pairs = rows.uniform(3, n_max, n_pairs)
                found = GraphFlowOutput(atoms=drawn(atom_p, u_atoms[0]), pairs=drawn(pair_p, u_pairs[0]))
                state = frame.laid(graph_scheduler.step(k, state, frame.laid(found), u_atoms[1:], u_pairs[1:]))
            else:
                state = frame.laid(GraphFlowOutput(atoms=atom_p.argmax(-1), pairs=pair_p.argmax(-1)))
        if times[k + 1] > times[k]:
            step = moving.index(k)
            velocity = (x - predicted) / (1.0 - times[k])  # diffusers': from data to noise
            x = scheduler.step(velocity, scheduler.timesteps[step], x, return_dict=False)[0]
            t = times[k + 1]
            if request.noise and t < _CALM and step < last:
                x = _refreshed(x, predicted, t, request.noise, rows.normal(n_max))
            x = frame.placed(x)
        if request.particles is not None and k + 1 < request.steps:
            parents = request.particles.resampled(k / request.steps, state, predicted, sizes, rows)
            if parents is not None:
                state = GraphFlowOutput(atoms=state.atoms[parents], pairs=state.pairs[parents])
                x, predicted = x[parents], predicted[parents]
                frame = replace(frame, coordinates=frame.coordinates[parents])  # a fragment lies as in the parent
                states = [(a[parents], b[parents], c[parents]) for a, b, c in states]
        if trajectory:
            states.append(_arrays(state, predicted))
    atoms, bonds, coordinates = _arrays(state, frame.placed(x / times[-1]))
    numbering = frame.numbering
    if request.particles is not None:
        chosen = request.particles.chosen(state, x / times[-1], sizes, rows)
        atoms, bonds, coordinates, sizes = atoms[chosen], bonds[chosen], coordinates[chosen], sizes[chosen]
        numbering = numbering[chosen]
        states = [(a[chosen], b[chosen], c[chosen]) for a, b, c in states]
    return Block(
        atoms=atoms, bonds=bonds, coordinates=coordinates, sizes=sizes, numbering=numbering, states=tuple(states)
    )


class _Rows:
    """The random streams of the rows of a block; particles of a row have streams of their own."""

    def __init__(self, request: Request, block: int, device: torch.device) -> None:
        number = 1 if request.particles is None else request.particles.number
        self._request, self._device = request, device
        first = block * request.rows
        self.groups = [stream(request.seed, "molaug.diffusion", first + k) for k in range(request.rows)]
        self._streams = [
            self.groups[k] if number == 1 else stream(request.seed, "molaug.diffusion", first + k, particle)
            for k in range(request.rows)
            for particle in range(number)
        ]
        self._number = number

    def sizes(self) -> NDArray[np.intp]:
        """Return the number of atoms of every particle, the same within a row."""
        weights = self._request.weights
        sizes = np.array([rng.choice(len(weights), p=weights) for rng in self.groups], dtype=np.intp)
        return np.repeat(sizes, self._number)

    def choices(self, end: int) -> NDArray[np.intp]:
        """Return a number below ``end`` for every particle, the same within a row."""
        return np.repeat(np.array([rng.integers(end) for rng in self.groups], dtype=np.intp), self._number)

    def uniform(self, n: int, n_max: int, n_pairs: int) -> tuple[Tensor, Tensor]:
        """Return numbers in [0, 1) for atoms and pairs, shapes (n, rows, n_max) and (n, rows, n_pairs)."""
        numbers = np.stack([rng.random((n, n_max + n_pairs), dtype=np.float32) for rng in self._streams], 1)
        u = torch.from_numpy(numbers).to(self._device)
        return u[..., :n_max], u[..., n_max:]

    def normal(self, n_max: int, width: int = 3) -> Tensor:
        """Return normal numbers, shape (rows, n_max, width)."""
        numbers = np.stack([rng.standard_normal((n_max, width), dtype=np.float32) for rng in self._streams])
        return torch.from_numpy(numbers).to(self._device)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    """What of a block is not the network's to draw: padding, what is given, and the middle of each molecule."""

    mask: Tensor  # (n, n_max): where there is an atom
    there: Tensor  # (n, n_pairs): where both atoms are
    atoms: Tensor  # (n, n_max): given types
    pairs: Tensor  # (n, n_pairs): given bonds
    known: Tensor  # (n, n_max): atoms whose types are given
    held: Tensor  # (n, n_pairs): where both are
    fixed: Tensor  # (n, n_max): atoms whose coordinates are given
    coordinates: Tensor  # (n, n_max, 3)
    shut: Tensor  # (n, n_pairs): pairs of a closed atom and one that is drawn
    numbering: NDArray[np.intp]  # (n, n_given)

    @classmethod
    def of(
        cls,
        given: Given | None,
        sizes: NDArray[np.intp],
        rows: _Rows,
        n_max: int,
        scale: float,
        device: torch.device,
    ) -> _Frame:
        n = len(sizes)
        atoms, bonds = np.zeros((n, n_max), dtype=np.int64), np.zeros((n, n_max, n_max), dtype=np.int64)
        known, closed, fixed = (np.zeros((n, n_max), dtype=bool) for _ in range(3))
        coordinates = torch.zeros(n, n_max, 3, device=device)
        numbering = np.empty((n, 0), dtype=np.intp)
        if given is not None:
            order, size = rows.choices(len(given.atoms)), len(given)
            atoms[:, :size], bonds[:, :size, :size] = given.atoms[order], given.bonds[order]
            known[:, :size], closed[:, :size] = True, given.closed[order]
            numbering = given.numbering[order]
            if given.coordinates is not None:
                fixed[:, :size] = True
                x = torch.from_numpy(given.coordinates[order] / scale).to(device)
                coordinates[:, :size] = x @ random_rotations(rows.normal(1, 4)[:, 0])
        mask = np.arange(n_max) < sizes[:, None]
        m, a, b, k, c, f = (torch.from_numpy(array).to(device) for array in (mask, atoms, bonds, known, closed, fixed))
        held = of_pairs(k[:, :, None] & k[:, None])
        return cls(
            mask=m,
            there=of_pairs(m[:, :, None] & m[:, None]),
            atoms=a,
            pairs=of_pairs(b),
            known=k,
            held=held,
            fixed=f,
            coordinates=coordinates,
            shut=of_pairs(c[:, :, None] | c[:, None]) & ~held,
            numbering=numbering,
        )

    def laid(self, state: GraphFlowOutput) -> GraphFlowOutput:
        """Return types and bonds with what is given in its place."""
        return GraphFlowOutput(
            atoms=torch.where(self.known, self.atoms, state.atoms) * self.mask,
            pairs=torch.where(self.held, self.pairs, state.pairs) * self.there,
        )

    def placed(self, x: Tensor) -> Tensor:
        """Return coordinates with what is given in its place, or about their centroid where nothing is."""
        if self.fixed.any():
            return torch.where(self.fixed[..., None], self.coordinates, x) * self.mask[..., None]
        return centred(x, self.mask)


def _asked(
    network: MoleculeDenoiser,
    state: GraphFlowOutput,
    x: Tensor,
    frame: _Frame,
    graph_time: float,
    time: float,
    request: Request,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the steered logits of x₁ and its expected coordinates."""
    n, n_max = frame.mask.shape
    bonds = in_square(state.pairs, n_max)
    times = [torch.full((n,), t, device=x.device) for t in (graph_time, time)]

    def ask(condition: Tensor | None) -> list[Tensor]:
        found = network(state.atoms, bonds, x, frame.mask, *times, fixed=frame.fixed, condition=condition)
        return [part.float() for part in found]

    w = request.guidance
    if request.condition is not None and w != 0.0:
        atoms, pairs, predicted = ask(request.condition.expand(n, -1))
        if w != 1.0:
            free = ask(None)
            # probabilities pᵤ (p_c / pᵤ)ʷ, and coordinates beyond those of the condition
            atoms, pairs = (
                u.log_softmax(-1).lerp(c.log_softmax(-1), w) for u, c in zip(free[:2], (atoms, pairs), strict=True)
            )
            predicted = free[2].lerp(predicted, w)
    else:
        atoms, pairs, predicted = ask(None)
    if frame.shut.any():
        # a closed atom bonds to hydrogens alone: to nothing that is more probably something else
        heavy = atoms.argmax(-1) != _hydrogen(network)
        heavy = torch.where(frame.known, frame.atoms != _hydrogen(network), heavy)
        both = of_pairs(heavy[:, :, None] & heavy[:, None]) & frame.shut
        bonded = torch.arange(BOND_ORDERS, device=pairs.device) > 0
        pairs = pairs.masked_fill(both[..., None] & bonded, -torch.inf)
    logits = [(part - part.amax(-1, keepdim=True)) / request.temperature for part in (atoms, pairs)]
    return logits[0], logits[1], frame.placed(predicted)


def _hydrogen(network: MoleculeDenoiser) -> int:
    numbers = list(network.config.numbers)
    return numbers.index(1) if 1 in numbers else -1


def _refreshed(x: Tensor, predicted: Tensor, t: float, share: float, normal: Tensor) -> Tensor:
    """Return a state of the same time, with a share of the variance of its noise drawn anew."""
    noise = (x - t * predicted) / (1.0 - t)
    return t * predicted + (1.0 - t) * ((1.0 - share) ** 0.5 * noise + share**0.5 * normal)


def _set_sigmas(scheduler: Any, sigmas: list[float], device: torch.device) -> None:
    """Lay down the shares of noise before each step and after the last."""
    scheduler.set_timesteps(len(sigmas) - 1, device=device)
    # not as an argument: some schedulers take none, some shift them, and all would end at 0
    scheduler.sigmas = torch.tensor(sigmas)
    scheduler.timesteps = (scheduler.sigmas[:-1] * scheduler.config.num_train_timesteps).to(device)
    scheduler.set_begin_index(0)


def _arrays(state: GraphFlowOutput, x: Tensor) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    n_max = state.atoms.shape[1]
    return (
        state.atoms.cpu().numpy().astype(np.uint8),
        in_square(state.pairs, n_max).cpu().numpy().astype(np.uint8),
        x.float().cpu().numpy(),
    )

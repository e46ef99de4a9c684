"""The loop of the sampler: blocks of rows from the prior to graphs as the network draws them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molaug.generators.graph.kekule import KekuleGraphs
from molaug.generators.graph.network import GraphDenoiser
from molaug.generators.graph.scheduler import GraphFlowOutput, GraphFlowScheduler, drawn
from molaug.generators.graph.steering import Counts, Fragment, Steering
from molaug.generators.learned.atom_types import BOND_ORDERS
from molaug.generators.learned.pairs import in_square, of_pairs
from molaug.structures.hashing import stream

#: Rows are made in blocks of this size, each at its own place: a row's arithmetic is then the same whichever rows are
#: asked for.
BLOCK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What rows depend on, besides their numbers.

    Parameters
    ----------
    seed
        The one seed.
    temperature
        Divides the logits.
    guidance
        0: the condition is not looked at; 1: it is; beyond: it counts for more.
    condition
        Standardised values, and 1 where each is given, shape (1, 2 n_conditions); None if none is given.
    steering
        Sizes, fragment and composition.
    """

    seed: int
    temperature: float
    guidance: float
    condition: Tensor | None
    steering: Steering


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """What the network drew.

    Parameters
    ----------
    raw
        The graphs, one for each row.
    atom_probabilities
        Of the types at the end, shape (BLOCK, n_max, n_types).
    bond_probabilities
        Of the orders at the end, shape (BLOCK, n_max, n_max, 4).
    closed
        Atoms that take no further bond, shape (BLOCK, n_max).
    states
        The state after each step, the prior first; empty unless asked for.
    """

    raw: KekuleGraphs
    atom_probabilities: NDArray[np.float32]
    bond_probabilities: NDArray[np.float32]
    closed: NDArray[np.bool_]
    states: tuple[KekuleGraphs, ...]


def sample_block(
    network: GraphDenoiser, scheduler: GraphFlowScheduler, request: Request, block: int, *, trajectory: bool = False
) -> Block:
    """Draw the rows ``BLOCK * block`` to ``BLOCK * (block + 1) - 1``.

    Parameters
    ----------
    network
        In its mode of evaluation.
    scheduler
        With its times set.
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
    device, n_max, n_types = network.device, network.config.n_max, network.config.n_types
    n_pairs, last = n_max * (n_max - 1) // 2, len(scheduler.timesteps) - 1
    steering = request.steering
    rows = _Rows(request.seed, block, device)
    sizes = rows.choices(steering.weights)  # (BLOCK,)
    clamp = _Clamp.of(steering.fragment, sizes, rows.integers(1 << 30), n_max, device)
    u_atoms, u_pairs = rows.uniform(1, n_max, n_pairs)
    state = clamp.laid(scheduler.prior(u_atoms[0], u_pairs[0]))
    states = [state]
    for k in range(last + 1):
        atom_logits, pair_logits = _logits(network, state, clamp, scheduler.timesteps[k], request)
        atom_p, pair_p = atom_logits.softmax(-1), pair_logits.softmax(-1)
        if k == last:
            predicted = GraphFlowOutput(atoms=atom_p.argmax(-1), pairs=pair_p.argmax(-1))
        else:
            u_atoms, u_pairs = rows.uniform(3, n_max, n_pairs)
            predicted = GraphFlowOutput(atoms=drawn(atom_p, u_atoms[0]), pairs=drawn(pair_p, u_pairs[0]))
        if steering.counts is not None:
            noise = rows.gumbel(n_max, n_types) if k < last else np.zeros((BLOCK, n_max, n_types))
            predicted.atoms = _within(steering.counts, atom_logits, noise, sizes, clamp)
        following = predicted if k == last else scheduler.step(k, state, predicted, u_atoms[1:], u_pairs[1:])
        state = clamp.laid(following)
        if trajectory:
            states.append(state)
    return Block(
        raw=_graphs(state, sizes, n_max),
        atom_probabilities=atom_p.cpu().numpy(),
        bond_probabilities=in_square(pair_p, n_max).cpu().numpy(),
        closed=clamp.closed.cpu().numpy(),
        states=tuple(_graphs(s, sizes, n_max) for s in states) if trajectory else (),
    )


class _Rows:
    """The random streams of the rows of a block."""

    def __init__(self, seed: int, block: int, device: torch.device) -> None:
        self._streams = [stream(seed, "molaug.graph", block * BLOCK + k) for k in range(BLOCK)]
        self._device = device

    def choices(self, weights: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.array([rng.choice(len(weights), p=weights) for rng in self._streams], dtype=np.intp)  # (BLOCK,)

    def integers(self, end: int) -> NDArray[np.int64]:
        return np.array([rng.integers(end) for rng in self._streams])  # (BLOCK,)

    def uniform(self, n: int, n_max: int, n_pairs: int) -> tuple[Tensor, Tensor]:
        """Return numbers in [0, 1) for atoms and pairs, shapes (n, BLOCK, n_max) and (n, BLOCK, n_pairs)."""
        numbers = np.stack([rng.random((n, n_max + n_pairs), dtype=np.float32) for rng in self._streams], 1)
        u = torch.from_numpy(numbers).to(self._device)
        return u[..., :n_max], u[..., n_max:]

    def gumbel(self, *shape: int) -> NDArray[np.float64]:
        return np.stack([rng.gumbel(size=shape) for rng in self._streams])  # (BLOCK, *shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Clamp:
    """What of a block is not the network's to draw: padding, and a fragment on the first atoms of every row."""

    mask: Tensor  # (BLOCK, n_max): where there is an atom
    there: Tensor  # (BLOCK, n_pairs): where both atoms are
    atoms: Tensor  # (BLOCK, n_max): the fragment
    pairs: Tensor  # (BLOCK, n_pairs)
    fixed: Tensor  # (BLOCK, n_max): where it is
    held: Tensor  # (BLOCK, n_pairs): where both atoms are its own
    closed: Tensor  # (BLOCK, n_max): its atoms that take no further bond
    shut: Tensor  # (BLOCK, n_pairs): where no bond may be made

    @classmethod
    def of(
        cls,
        fragment: Fragment | None,
        sizes: NDArray[np.intp],
        choice: NDArray[np.int64],
        n_max: int,
        device: torch.device,
    ) -> _Clamp:
        n = len(sizes)
        atoms, bonds = np.zeros((n, n_max), dtype=np.int64), np.zeros((n, n_max, n_max), dtype=np.int64)
        fixed, closed = np.zeros((n, n_max), dtype=bool), np.zeros((n, n_max), dtype=bool)
        if fragment is not None:
            order = choice % len(fragment.graphs)
            atoms[:], bonds[:] = fragment.graphs.atoms[order], fragment.graphs.bonds[order]
            fixed[:, : len(fragment)] = True
            closed[:, : len(fragment)] = fragment.closed[order]
        mask = np.arange(n_max) < sizes[:, None]
        m, a, b, f, c = (torch.from_numpy(array).to(device) for array in (mask, atoms, bonds, fixed, closed))
        held = of_pairs(f[:, :, None] & f[:, None])
        return cls(
            mask=m,
            there=of_pairs(m[:, :, None] & m[:, None]),
            atoms=a,
            pairs=of_pairs(b),
            fixed=f,
            held=held,
            closed=c,
            shut=of_pairs(c[:, :, None] | c[:, None]) & ~held,
        )

    def laid(self, state: GraphFlowOutput) -> GraphFlowOutput:
        return GraphFlowOutput(
            atoms=torch.where(self.fixed, self.atoms, state.atoms) * self.mask,
            pairs=torch.where(self.held, self.pairs, state.pairs) * self.there,
        )


def _logits(
    network: GraphDenoiser, state: GraphFlowOutput, clamp: _Clamp, time: Tensor, request: Request
) -> tuple[Tensor, Tensor]:
    """Return the steered logits of x₁, shapes (BLOCK, n_max, n_types) and (BLOCK, n_pairs, 4)."""
    times = time.to(clamp.mask.device).expand(len(clamp.mask))
    bonds = in_square(state.pairs, clamp.mask.shape[1])

    def ask(condition: Tensor | None) -> list[Tensor]:
        found = network(state.atoms, bonds, clamp.mask, times, fixed=clamp.fixed, condition=condition)
        return [logits.float() for logits in found]

    w, given = request.guidance, request.condition is not None
    if given and w != 0.0:
        atoms, pairs = ask(request.condition.expand(len(times), -1) if request.condition is not None else None)
        if w != 1.0:
            free = ask(None)
            # probabilities pᵤ (p_c / pᵤ)ʷ
            atoms, pairs = (
                u.log_softmax(-1).lerp(c.log_softmax(-1), w) for u, c in zip(free, (atoms, pairs), strict=True)
            )
    else:
        atoms, pairs = ask(None)
    bonded = torch.arange(BOND_ORDERS, device=pairs.device) > 0
    pairs = pairs.masked_fill(clamp.shut[..., None] & bonded, -torch.inf)
    # of the best class 0, so that no temperature is too low
    return tuple((x - x.amax(-1, keepdim=True)) / request.temperature for x in (atoms, pairs))


def _within(
    counts: Counts, logits: Tensor, noise: NDArray[np.float64], sizes: NDArray[np.intp], clamp: _Clamp
) -> Tensor:
    """Return types within the limits: a draw, or where the noise is zero the most probable, shape (BLOCK, n_max)."""
    scores = logits.log_softmax(-1).cpu().numpy() + noise  # (BLOCK, n_max, n_types)
    first = int(clamp.fixed[0].sum())
    chosen = np.zeros(scores.shape[:2], dtype=np.int64)
    for row, size in enumerate(sizes.tolist()):
        chosen[row, first:size] = counts.assign(scores[row, first:size])
    return torch.from_numpy(chosen).to(logits.device)


def _graphs(state: GraphFlowOutput, sizes: NDArray[np.intp], n_max: int) -> KekuleGraphs:
    return KekuleGraphs(
        atoms=state.atoms.cpu().numpy().astype(np.uint8),
        bonds=in_square(state.pairs, n_max).cpu().numpy().astype(np.uint8),
        sizes=sizes.astype(np.uint8),
    )

"""The first part of a sample: the graph of its heavy atoms, and the hydrogens that its valences leave open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.diffusion.request import Request, Rows
from molaug.generators.diffusion.steering import Given
from molaug.generators.graph.scheduler import GraphFlowOutput, GraphFlowScheduler, drawn
from molaug.generators.learned.atom_types import BOND_ORDERS
from molaug.generators.learned.pairs import in_square, of_pairs

#: Atoms, shape (n, n_max), bonds, shape (n, n_max, n_max), and sizes, shape (n,).
Graphs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]


def draw_graphs(
    network: MoleculeDenoiser,
    scheduler: GraphFlowScheduler,
    request: Request,
    rows: Rows,
    order: NDArray[np.intp],
    fixed: Tensor | None = None,
) -> list[Graphs]:
    """Draw graphs of heavy atoms.

    Parameters
    ----------
    network
        In its mode of evaluation.
    scheduler
        Of types and bonds.
    request
        What is asked for.
    rows
        Random streams.
    order
        Which order of a given fragment each row has, shape (n,).
    fixed
        Coordinates of a given fragment as it lies in each row, shape (n, n_given, 3).

    Returns
    -------
    list of Graphs
        After each step; the last is final.
    """
    sizes = rows.sizes()
    n_max = int(sizes.max())
    n_pairs = n_max * (n_max - 1) // 2
    clamp = _Clamp.of(request.given, order, sizes, fixed, n_max, network.device)
    scheduler.set_timesteps(request.steps[0])
    u_atoms, u_pairs = rows.uniform(1, n_max, n_pairs)
    state = clamp.laid(scheduler.prior(u_atoms[0], u_pairs[0]))
    states, last = [], request.steps[0] - 1
    for k in range(last + 1):
        atom_logits, pair_logits = _asked(network, state, clamp, float(scheduler.timesteps[k]), request)
        if k == last:
            state = clamp.laid(GraphFlowOutput(atoms=atom_logits.argmax(-1), pairs=pair_logits.argmax(-1)))
        else:
            u_atoms, u_pairs = rows.uniform(3, n_max, n_pairs)
            found = GraphFlowOutput(
                atoms=drawn(atom_logits.softmax(-1), u_atoms[0]), pairs=drawn(pair_logits.softmax(-1), u_pairs[0])
            )
            state = clamp.laid(scheduler.step(k, state, found, u_atoms[1:], u_pairs[1:]))
        states.append((state.atoms.cpu().numpy(), in_square(state.pairs, n_max).cpu().numpy(), sizes))
    return states


@dataclass(frozen=True, kw_only=True, eq=False)
class _Clamp:
    """What of a block is not the network's to draw: padding, and a fragment on the first atoms of every row."""

    mask: Tensor  # (n, n_max): where there is an atom
    there: Tensor  # (n, n_pairs): where both atoms are
    atoms: Tensor  # (n, n_max): the fragment
    pairs: Tensor  # (n, n_pairs)
    coordinates: Tensor  # (n, n_max, 3)
    fixed: Tensor  # (n, n_max): where it is
    held: Tensor  # (n, n_pairs): where both atoms are its own
    shut: Tensor  # (n, n_pairs): where no bond may be made

    @classmethod
    def of(
        cls,
        given: Given | None,
        order: NDArray[np.intp],
        sizes: NDArray[np.intp],
        fixed: Tensor | None,
        n_max: int,
        device: torch.device,
    ) -> _Clamp:
        n = len(sizes)
        atoms, bonds = np.zeros((n, n_max), dtype=np.int64), np.zeros((n, n_max, n_max), dtype=np.int64)
        known, closed = np.zeros((n, n_max), dtype=bool), np.zeros((n, n_max), dtype=bool)
        coordinates = torch.zeros(n, n_max, 3, device=device)
        if given is not None and fixed is not None:
            size = len(given)
            atoms[:, :size], bonds[:, :size, :size] = given.atoms[order], given.bonds[order]
            known[:, :size], closed[:, :size] = True, given.closed[order]
            coordinates[:, :size] = fixed
        mask = np.arange(n_max) < sizes[:, None]
        m, a, b, k, c = (torch.from_numpy(array).to(device) for array in (mask, atoms, bonds, known, closed))
        held = of_pairs(k[:, :, None] & k[:, None])
        return cls(
            mask=m,
            there=of_pairs(m[:, :, None] & m[:, None]),
            atoms=a,
            pairs=of_pairs(b),
            coordinates=coordinates,
            fixed=k,
            held=held,
            shut=of_pairs(c[:, :, None] | c[:, None]) & ~held,
        )

    def laid(self, state: GraphFlowOutput) -> GraphFlowOutput:
        return GraphFlowOutput(
            atoms=torch.where(self.fixed, self.atoms, state.atoms) * self.mask,
            pairs=torch.where(self.held, self.pairs, state.pairs) * self.there,
        )


def _asked(
    network: MoleculeDenoiser, state: GraphFlowOutput, clamp: _Clamp, time: float, request: Request
) -> tuple[Tensor, Tensor]:
    """Return the steered logits of x₁, shapes (n, n_max, n_types) and (n, n_pairs, 4)."""
    n, n_max = clamp.mask.shape
    bonds = in_square(state.pairs, n_max)
    times = torch.full((n,), time, device=clamp.mask.device)

    def ask(condition: Tensor | None) -> list[Tensor]:
        found = network.graph(
            state.atoms,
            bonds,
            clamp.mask,
            times,
            clamp.fixed,
            clamp.coordinates,
            condition,
        )
        return [logits.float() for logits in found]

    if request.condition is not None and request.guidance != 0.0:
        logits = ask(request.condition.expand(n, -1))
        if request.guidance != 1.0:
            # probabilities pᵤ (p_c / pᵤ)ʷ
            logits = [
                u.log_softmax(-1).lerp(c.log_softmax(-1), request.guidance)
                for u, c in zip(ask(None), logits, strict=True)
            ]
    else:
        logits = ask(None)
    atoms, pairs = logits
    # hydrogens come later, and to closed atoms nothing is bonded
    if request.hydrogen is not None:
        atoms = atoms.index_fill(-1, torch.tensor([request.hydrogen], device=atoms.device), -torch.inf)
    bonded = torch.arange(BOND_ORDERS, device=pairs.device) > 0
    pairs = pairs.masked_fill(clamp.shut[..., None] & bonded, -torch.inf)
    # of the best class 0, so that no temperature is too low
    scaled = [(x - x.amax(-1, keepdim=True)) / request.temperature for x in (atoms, pairs)]
    return scaled[0], scaled[1]

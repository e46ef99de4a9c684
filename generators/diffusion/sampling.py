"""The sampler: blocks of rows from noise to molecules as the network draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from molaug.generators.diffusion.alignment import random_rotations
from molaug.generators.diffusion.graphs import Graphs, draw_graphs
from molaug.generators.diffusion.hydrogens import completed
from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.diffusion.placing import Placed, place
from molaug.generators.diffusion.request import Request, Rows
from molaug.generators.graph.scheduler import GraphFlowScheduler

#: Types, shape (n, n_max); bond orders, shape (n, n_max, n_max); coordinates in units of the network's scale, shape
#: (n, n_max, 3); and atoms of each row, shape (n,).
State = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], NDArray[np.intp]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """What the network drew.

    Parameters
    ----------
    state
        The molecules.
    numbering
        Of the atoms of a given graph or fragment the numbers that they have in it, shape (n, n_given); empty otherwise.
    states
        The molecules after each step, with expected coordinates; those before hydrogens are there are graphs of heavy
        atoms alone, with coordinates of 0. Empty unless asked for.
    """

    state: State
    numbering: NDArray[np.intp]
    states: tuple[State, ...]


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
        Of the coordinates: one of diffusers for flows, with explicit sigmas.
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
    rows, given = Rows(request, block, network.device), request.given
    order = rows.choices(1 if given is None else len(given.atoms))  # (n,)
    numbering = np.empty((len(order), 0), dtype=np.intp) if given is None else given.numbering[order]
    fixed = None
    states: list[State] = []
    if given is not None and given.coordinates is None:
        graphs: Graphs = (given.atoms[order], given.bonds[order], np.full(len(order), len(given), dtype=np.intp))
    else:
        if given is not None and given.coordinates is not None:
            x = torch.from_numpy(given.coordinates[order] / np.float32(network.config.scale)).to(network.device)
            fixed = x @ random_rotations(rows.normal(1, 4)[:, 0])
        steps = draw_graphs(network, graph_scheduler, request, rows, order, fixed)
        states = [_bare(graph) for graph in steps] if trajectory else []
        graphs = completed(*steps[-1], request.hydrogens, request.hydrogen or 0, network.config.n_max)
    for state in place(network, scheduler, request, rows, graphs, fixed):
        if trajectory:
            states.append(_arrays(state, expected=True))
    if request.particles is not None:
        chosen = request.particles.chosen(state, rows)
        state, numbering = state.take(chosen), numbering[chosen]
    return Block(state=_arrays(state), numbering=numbering, states=tuple(states))


def _bare(graphs: Graphs) -> State:
    atoms, bonds, sizes = graphs
    return atoms.astype(np.uint8), bonds.astype(np.uint8), np.zeros((*atoms.shape, 3), dtype=np.float32), sizes


def _arrays(state: Placed, *, expected: bool = False) -> State:
    x = state.expected if expected else state.coordinates
    atoms, bonds = (tensor.cpu().numpy().astype(np.uint8) for tensor in (state.atoms, state.bonds))
    return atoms, bonds, x.float().cpu().numpy(), state.sizes

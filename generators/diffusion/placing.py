"""The second part of a sample: coordinates of all atoms of a graph, from noise along the flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molaug.generators.diffusion.alignment import centred
from molaug.generators.diffusion.graphs import Graphs
from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.diffusion.request import Request, Rows

#: Beyond this time no noise is put in any more.
_CALM = 0.95

#: Molecules for which a CPU is asked at a time: of like size, so that little is padding.
_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """Molecules of a block on their way.

    Parameters
    ----------
    atoms
        Types, shape (n, n_max).
    bonds
        Orders, shape (n, n_max, n_max).
    mask
        Where there is an atom, shape (n, n_max).
    fixed
        Atoms that stand where they are, shape (n, n_max).
    anchors
        Their coordinates, shape (n, n_max, 3).
    coordinates
        As they are now, shape (n, n_max, 3).
    expected
        What the network expects them to become.
    """

    atoms: Tensor
    bonds: Tensor
    mask: Tensor
    fixed: Tensor
    anchors: Tensor
    coordinates: Tensor
    expected: Tensor

    @classmethod
    def of(cls, graphs: Graphs, fixed: Tensor | None, noise: Tensor) -> Placed:
        """Lay graphs into noise.

        Parameters
        ----------
        graphs
            All their atoms.
        fixed
            Coordinates of the first atoms, shape (n, n_fixed, 3), if they are given.
        noise
            Shape (n, n_max, 3).

        Returns
        -------
        Placed
            At time 0.
        """
        atoms, bonds = (torch.from_numpy(array).to(noise.device) for array in graphs[:2])
        sizes = torch.from_numpy(graphs[2]).to(noise.device)
        mask = torch.arange(atoms.shape[1], device=noise.device) < sizes[:, None]
        held, anchors = torch.zeros_like(mask), torch.zeros_like(noise)
        if fixed is not None:
            held[:, : fixed.shape[1]], anchors[:, : fixed.shape[1]] = True, fixed
        start = cls(atoms=atoms, bonds=bonds, mask=mask, fixed=held, anchors=anchors, coordinates=noise, expected=noise)
        return replace(start, coordinates=start.settled(noise))

    def settled(self, x: Tensor) -> Tensor:
        """Return coordinates with what is fixed in its place, or about their centroid where nothing is.

        Parameters
        ----------
        x
            Shape (n, n_max, 3).

        Returns
        -------
        Tensor
            Shape (n, n_max, 3), 0 in the padding.
        """
        if self.fixed.any():
            return torch.where(self.fixed[..., None], self.anchors, x) * self.mask[..., None]
        return centred(x, self.mask)

    def take(self, rows: NDArray[np.intp]) -> Placed:
        """Return some of the molecules.

        Parameters
        ----------
        rows
            Which.

        Returns
        -------
        Placed
            In the order of ``rows``.
        """
        return Placed(**{name: value[rows] for name, value in vars(self).items()})

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Atoms of each molecule, shape (n,)."""
        sizes: NDArray[np.intp] = self.mask.sum(1).cpu().numpy().astype(np.intp)
        return sizes


def place(
    network: MoleculeDenoiser, scheduler: Any, request: Request, rows: Rows, graphs: Graphs, fixed: Tensor | None
) -> Iterator[Placed]:
    """Draw coordinates.

    Parameters
    ----------
    network
        In its mode of evaluation.
    scheduler
        One of diffusers for flows, of which each step asks the network once.
    request
        What is asked for.
    rows
        Random streams.
    graphs
        All atoms, hydrogens included.
    fixed
        Coordinates of the first atoms, shape (n, n_fixed, 3), if they are given.

    Yields
    ------
    Placed
        After each step; the last is final.
    """
    n_max = graphs[0].shape[1]
    state = Placed.of(graphs, fixed, rows.normal(n_max))
    times = request.times
    moving = [k for k in range(len(times) - 1) if times[k + 1] > times[k]]
    _set_sigmas(scheduler, [1.0 - times[k] for k in [*moving, -1]], network.device)
    for step, k in enumerate(moving):
        t, s, is_last = times[k], times[k + 1], step + 1 == len(moving)
        expected = _expected(network, state, t, request)
        if is_last:
            x = expected + (1.0 - s) / (1.0 - t) * (state.coordinates - expected)  # the flow's own last step, to s
            x = x / s
        else:
            velocity = (state.coordinates - expected) / (1.0 - t)  # as diffusers have it: from data to noise
            x = scheduler.step(velocity, scheduler.timesteps[step], state.coordinates, return_dict=False)[0]
            if request.noise and s < _CALM:
                noise = (x - s * expected) / (1.0 - s)
                fresh = rows.normal(n_max)
                x = s * expected + (1.0 - s) * ((1.0 - request.noise) ** 0.5 * noise + request.noise**0.5 * fresh)
        state = replace(state, coordinates=state.settled(x), expected=expected)
        if request.particles is not None and not is_last:
            parents = request.particles.resampled(step / len(moving), state, rows)
            state = state if parents is None else state.take(parents)
        yield state


def _set_sigmas(scheduler: Any, sigmas: list[float], device: torch.device) -> None:
    """Lay down the shares of noise before each step and after the last."""
    scheduler.set_timesteps(len(sigmas) - 1, device=device)
    # not as an argument: some schedulers take none, some shift them, and all would end at 0
    scheduler.sigmas = torch.tensor(sigmas)
    scheduler.timesteps = (scheduler.sigmas[:-1] * scheduler.config.num_train_timesteps).to(device)
    scheduler.set_begin_index(0)


def _expected(network: MoleculeDenoiser, state: Placed, t: float, request: Request) -> Tensor:
    """Return what coordinates the network expects in the end, steered by the conditions."""
    n = len(state.mask)
    times = torch.full((n,), t, device=state.mask.device)

    def ask(condition: Tensor | None) -> Tensor:
        x = torch.zeros_like(state.coordinates)
        for rows, size in _like_sizes(state):
            x[rows, :size] = network.coordinates(
                state.atoms[rows, :size],
                state.bonds[rows, :size, :size],
                state.coordinates[rows, :size],
                state.mask[rows, :size],
                times[rows],
                state.fixed[rows, :size],
                None if condition is None else condition[rows],
            ).float()
        return x

    if request.condition is not None and request.guidance != 0.0:
        x = ask(request.condition.expand(n, -1))
        if request.guidance != 1.0:
            x = ask(None).lerp(x, request.guidance)
    else:
        x = ask(None)
    return state.settled(x)


def _like_sizes(state: Placed) -> list[tuple[Tensor, int]]:
    """Cut a block into molecules of like size, with the size of the largest; an accelerator takes it as a whole."""
    sizes = state.mask.sum(1)  # (n,)
    order = sizes.argsort(stable=True)
    parts = [order] if sizes.device.type != "cpu" else order.split(_AT_ONCE)
    return [(rows, int(sizes[rows].max())) for rows in parts]

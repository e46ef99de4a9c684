"""What is asked of the sampler of the 3D generator, and the random numbers of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molaug.generators.diffusion.particles import Particles
from molaug.generators.diffusion.steering import Given
from molaug.structures.hashing import stream

#: Molecules are made in blocks of this size, each at its own place: a row's arithmetic is then the same whichever rows
#: are asked for.
BLOCK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What rows depend on, besides their numbers.

    Parameters
    ----------
    seed
        The one seed.
    steps
        Calls of the network for graph and for coordinates.
    distortion
        The times of the coordinates are 1 - (1 - k/K)ᵈ.
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
        Probability of each number of heavy atoms, shape (n_heavy + 1,).
    hydrogens
        Hydrogens by type and sum of bond orders, shape (n_types, n_orders).
    hydrogen
        Type of hydrogen, if there is one.
    given
        A fragment, a whole graph, or None.
    particles
        How molecules are steered by a score; None if they are not.
    """

    seed: int
    steps: tuple[int, int]
    distortion: float
    temperature: float
    noise: float
    spread: float
    guidance: float
    condition: Tensor | None
    weights: NDArray[np.float64]
    hydrogens: NDArray[np.int64]
    hydrogen: int | None
    given: Given | None
    particles: Particles | None = None

    @property
    def rows(self) -> int:
        """Rows of a block."""
        return BLOCK if self.particles is None else max(BLOCK // self.particles.number, 1)

    @property
    def times(self) -> list[float]:
        """Times of the coordinates before each step and after the last, which is 1 unless disorder is left."""
        share = np.arange(self.steps[1] + 1) / self.steps[1]
        times: list[float] = np.minimum(1.0 - (1.0 - share) ** self.distortion, 1.0 / (1.0 + self.spread)).tolist()
        return times


class Rows:
    """The random streams of the rows of a block; particles of a row have streams of their own.

    Parameters
    ----------
    request
        What is asked for.
    block
        Number of the block.
    device
        Where numbers are wanted.
    """

    def __init__(self, request: Request, block: int, device: torch.device) -> None:
        number = 1 if request.particles is None else request.particles.number
        first = block * request.rows
        self._weights, self._device, self._number = request.weights, device, number
        #: One stream for each row.
        self.groups = [stream(request.seed, "molaug.diffusion", first + k) for k in range(request.rows)]
        self._streams = [
            self.groups[k] if number == 1 else stream(request.seed, "molaug.diffusion", first + k, particle)
            for k in range(request.rows)
            for particle in range(number)
        ]

    def __len__(self) -> int:
        """Return how many molecules are drawn together, particles counted."""
        return len(self._streams)

    def sizes(self) -> NDArray[np.intp]:
        """Draw the number of heavy atoms, the same for the particles of a row.

        Returns
        -------
        NDArray[np.intp]
            Shape (n,).
        """
        sizes = [rng.choice(len(self._weights), p=self._weights) for rng in self.groups]
        return np.repeat(np.array(sizes, dtype=np.intp), self._number)

    def choices(self, end: int) -> NDArray[np.intp]:
        """Draw numbers below an end, the same for the particles of a row.

        Parameters
        ----------
        end
            At least 1.

        Returns
        -------
        NDArray[np.intp]
            Shape (n,).
        """
        return np.repeat(np.array([rng.integers(end) for rng in self.groups], dtype=np.intp), self._number)

    def uniform(self, n: int, n_max: int, n_pairs: int) -> tuple[Tensor, Tensor]:
        """Draw numbers in [0, 1) for atoms and pairs.

        Parameters
        ----------
        n
            Of each.
        n_max
            Atoms.
        n_pairs
            Pairs.

        Returns
        -------
        atoms : Tensor
            Shape (n, n_rows, n_max).
        pairs : Tensor
            Shape (n, n_rows, n_pairs).
        """
        numbers = np.stack([rng.random((n, n_max + n_pairs), dtype=np.float32) for rng in self._streams], 1)
        u = torch.from_numpy(numbers).to(self._device)
        return u[..., :n_max], u[..., n_max:]

    def normal(self, n_max: int, width: int = 3) -> Tensor:
        """Draw normal numbers.

        Parameters
        ----------
        n_max
            Atoms.
        width
            Numbers of each.

        Returns
        -------
        Tensor
            Shape (n_rows, n_max, width).
        """
        numbers = np.stack([rng.standard_normal((n_max, width), dtype=np.float32) for rng in self._streams])
        return torch.from_numpy(numbers).to(self._device)

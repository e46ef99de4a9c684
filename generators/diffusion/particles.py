"""Steering by a score: several particles for each molecule, of which those that score high go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures import Structures

#: From structures to weights, each at least 0: molecules are drawn in proportion to them.
Score = Callable[[Structures], ArrayLike]


@dataclass(kw_only=True, eq=False)
class Particles:
    """Particles of the molecules of one block.

    While molecules take shape, each row has several particles. Every so often the molecules that the network expects
    them to become are scored, and the particles of a row are drawn anew in proportion to the growth of their weights;
    in the end one particle of each row is drawn. With many particles the rows are draws from the generator's
    distribution times the weights.

    Parameters
    ----------
    number
        Particles of a row.
    score
        Called with the structures of all particles, expected coordinates in Å.
    types
        Atom types of the network.
    scale
        Å of a unit of its coordinates.
    times
        Progress at which particles are drawn anew.

    Raises
    ------
    ValueError
        If there are less than two particles.

    References
    ----------
    R. Singhal et al., arXiv:2501.06848 (Feynman-Kac steering).
    """

    number: int
    score: Score
    types: AtomTypes
    scale: float
    times: Sequence[float] = (0.5, 0.625, 0.75, 0.875)
    _waiting: list[float] = field(init=False)
    _weights: NDArray[np.float64] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.number < 2:
            raise ValueError(f"{self.number} particles; expected at least 2, of which the better go on")
        self._waiting = sorted(self.times)

    def begin(self) -> None:
        """Forget the last block."""
        self._waiting, self._weights = sorted(self.times), None

    def resampled(
        self, progress: float, state: Any, x: Tensor, sizes: NDArray[np.intp], rows: Any
    ) -> NDArray[np.intp] | None:
        """Return the particles that go on, or None where it is not time to choose.

        Parameters
        ----------
        progress
            Of the sampling, in [0, 1].
        state
            Types and bonds.
        x
            Expected coordinates, shape (n, n_max, 3).
        sizes
            Atoms of each particle, shape (n,).
        rows
            Random streams of the rows.

        Returns
        -------
        NDArray[np.intp] or None
            Shape (n,).
        """
        if not self._waiting or progress < self._waiting[0]:
            return None
        while self._waiting and progress >= self._waiting[0]:
            self._waiting.pop(0)
        weights = self._scored(state, x, sizes)
        growth = weights if self._weights is None else weights / self._weights
        parents = np.concatenate(
            [
                k * self.number + _systematic(growth[k * self.number : (k + 1) * self.number], self.number, rng)
                for k, rng in enumerate(rows.groups)
            ]
        )
        self._weights = weights[parents]
        return parents

    def chosen(self, state: Any, x: Tensor, sizes: NDArray[np.intp], rows: Any) -> NDArray[np.intp]:
        """Return one particle of each row.

        Parameters
        ----------
        state
            Types and bonds.
        x
            Coordinates, shape (n, n_max, 3).
        sizes
            Atoms of each particle, shape (n,).
        rows
            Random streams of the rows.

        Returns
        -------
        NDArray[np.intp]
            Shape (n_rows,).
        """
        weights = self._scored(state, x, sizes)
        growth = weights if self._weights is None else weights / self._weights
        return np.array(
            [
                k * self.number + int(_systematic(growth[k * self.number : (k + 1) * self.number], 1, rng)[0])
                for k, rng in enumerate(rows.groups)
            ]
        )

    def _scored(self, state: Any, x: Tensor, sizes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the weights, none of them nought."""
        numbers = np.array(self.types.numbers, dtype=np.uint8)[state.atoms.cpu().numpy()]
        charges = np.array(self.types.charges)[state.atoms.cpu().numpy()]
        positions = x.double().cpu().numpy() * self.scale
        there = np.arange(x.shape[1]) < sizes[:, None]
        structures = Structures.from_arrays(
            [z[:n] for z, n in zip(numbers, sizes, strict=True)],
            [r[:n] for r, n in zip(positions, sizes, strict=True)],
            charge=(charges * there).sum(1),
            origin="diffusion",
        )
        weights = np.asarray(self.score(structures), dtype=np.float64)
        if weights.shape != (len(sizes),) or not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError(
                f"the score gave {weights.shape} weights for {len(sizes)} structures, or some that are negative or not "
                "finite; expected a number of at least 0 for each"
            )
        return np.maximum(weights, 1e-12)


def _systematic(weights: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw n of some particles in proportion to their weights, as evenly as may be."""
    bounds = np.cumsum(weights) / weights.sum()
    found = np.searchsorted(bounds, (np.arange(n) + rng.random()) / n, side="right")
    return np.minimum(found, len(weights) - 1)

"""Steering by a score: several particles for each molecule, of which those that score high go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures import Structures

if TYPE_CHECKING:
    from torch import Tensor

    from molaug.generators.diffusion.placing import Placed
    from molaug.generators.diffusion.request import Rows

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
    times: Sequence[float] = (0.3, 0.5, 0.7, 0.9)
    _waiting: list[float] = field(init=False)
    _weights: NDArray[np.float64] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.number < 2:
            raise ValueError(f"{self.number} particles; expected at least 2, of which the better go on")
        self._waiting = sorted(self.times)

    def begin(self) -> None:
        """Forget the last block."""
        self._waiting, self._weights = sorted(self.times), None

    def resampled(self, progress: float, state: Placed, rows: Rows) -> NDArray[np.intp] | None:
        """Return the particles that go on, or None where it is not time to choose.

        Parameters
        ----------
        progress
            Of the coordinates, in [0, 1].
        state
            All particles.
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
        weights = self._scored(state, state.expected)
        parents = self._drawn(weights, self.number, rows)
        self._weights = weights[parents]
        return parents

    def chosen(self, state: Placed, rows: Rows) -> NDArray[np.intp]:
        """Return one particle of each row.

        Parameters
        ----------
        state
            All particles, final.
        rows
            Random streams of the rows.

        Returns
        -------
        NDArray[np.intp]
            Shape (n_rows,).
        """
        return self._drawn(self._scored(state, state.coordinates), 1, rows)

    def _drawn(self, weights: NDArray[np.float64], n: int, rows: Rows) -> NDArray[np.intp]:
        """Draw n particles of each row in proportion to the growth of their weights."""
        growth = (weights if self._weights is None else weights / self._weights).reshape(-1, self.number)
        chosen = [_systematic(found, n, rng) for found, rng in zip(growth, rows.groups, strict=True)]
        return (np.array(chosen) + self.number * np.arange(len(chosen))[:, None]).ravel()

    def _scored(self, state: Placed, x: Tensor) -> NDArray[np.float64]:
        """Return the weights, none of them nought."""
        kinds, sizes = state.atoms.cpu().numpy(), state.sizes
        positions = x.double().cpu().numpy() * self.scale
        there = np.arange(kinds.shape[1]) < sizes[:, None]
        structures = Structures.from_arrays(
            [z[:n] for z, n in zip(np.array(self.types.numbers, dtype=np.uint8)[kinds], sizes, strict=True)],
            [r[:n] for r, n in zip(positions, sizes, strict=True)],
            charge=(np.array(self.types.charges)[kinds] * there).sum(1),
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

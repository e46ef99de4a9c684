"""What a trained potential sees in a structure, as features for selectors and filters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from molaug.potentials.checkpoint import installed, look_for, placed
from molaug.structures import Structures

if TYPE_CHECKING:
    from molaug.potentials.potential import Potential


@dataclass(frozen=True, kw_only=True, slots=True)
class PotentialFeatures:
    """Inputs of the last layer of a potential: its energy is linear in their sums over the atoms.

    They tell structures apart by what matters for the energy, as far as the potential has learned. The last feature
    goes with the bias: the number of atoms among sums, 1 among averages. Rows without a geometry or with elements
    that the potential does not know have none. The checkpoint is loaded with the first rows.

    Parameters
    ----------
    checkpoint
        A shipped checkpoint, one in ``$MOLAUG_CHECKPOINTS``, or a folder that ``molaug fit potential`` wrote; its
        path becomes absolute.
    average
        Averages over the atoms, which do not grow with the molecule; otherwise sums.

    Examples
    --------
    >>> PotentialFeatures(average=False).name
    'potential'
    """

    checkpoint: str = "potential-qm9"
    average: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "checkpoint", placed(self.checkpoint))

    @property
    def name(self) -> str:
        """Name under which they are registered."""
        return "potential"

    def sums(self) -> PotentialFeatures | None:
        """Return the sums of these averages: see :class:`~molaug.filters.features.Summed`."""
        return replace(self, average=False) if self.average else None

    def check(self) -> None:
        """Look for the checkpoint, without loading it.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        look_for(self.checkpoint)

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        vectors : NDArray[np.float32]
            Shape (n, d); zero where there is none.
        there : NDArray[np.bool_]
            Whether there is one, shape (n,).

        Raises
        ------
        FileNotFoundError
            If there is no such checkpoint.
        ImportError
            If a package is missing.
        """
        with installed():
            from molaug.potentials.prediction import predict

            potential = _loaded(str(look_for(self.checkpoint)))
        found = predict(potential, rows).features
        there = np.asarray(np.isfinite(found).all(1))
        vectors = np.where(there[:, None], found, 0.0)
        if self.average:
            vectors /= np.maximum(vectors[:, -1:], 1.0)
        return vectors.astype(np.float32), there


@lru_cache(maxsize=2)
def _loaded(folder: str) -> Potential:
    from molaug.potentials.potential import Potential

    return Potential.from_pretrained(folder)

"""What filters and selectors ask of a model that knows how uncertain it is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from molaug.structures import Structures


@runtime_checkable
class UncertainModel(Protocol):
    """Energies with their uncertainties.

    A model is a frozen, keyword-only dataclass whose fields are its configuration; it loads weights when it is first
    called.
    """

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        ...

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict, each row by itself.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        energy : NDArray[np.float64]
            In eV, shape (n,); NaN where it cannot tell.
        sigma : NDArray[np.float64]
            Standard deviation of the energy in eV, shape (n,); NaN where it cannot tell.
        """
        ...

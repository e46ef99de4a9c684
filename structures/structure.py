"""One row of the record, with its arrays in shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Structure:
    """One row of :class:`molaug.Structures`, with its arrays in shape.

    Attributes mirror the columns; ``positions`` has shape (n_atoms, 3) in Å or is None for a bare graph,
    ``forces`` has shape (n_atoms, 3) in eV/Å or is None, ``extra`` holds the further columns.
    """

    id: str
    numbers: NDArray[np.uint8]
    positions: NDArray[np.float64] | None
    charge: int
    multiplicity: int
    smiles: str | None
    origin: str | None
    parent: str | None
    seed: int | None
    energy: float | None
    forces: NDArray[np.float64] | None
    level: str | None
    reason: str | None
    extra: Mapping[str, Any]

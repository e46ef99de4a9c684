"""Known geometries of one molecule, and under which key they are found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from molaug.filters.redundancy.geometry import Conformers, Shape

#: A molecule by its key and its composition: rows whose SMILES belies their atoms are never laid over each other. Then
#: how its geometries are compared: with a displaced one, or not.
Place = tuple[int, bytes, bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shapes:
    """Known geometries of one molecule and the rows they are of."""

    conformers: Conformers
    ids: list[str] = field(default_factory=list)

    def add(self, name: str, shape: Shape) -> None:
        """Take a geometry in.

        Parameters
        ----------
        name
            Id of the row.
        shape
            The geometry.
        """
        self.conformers.add(shape)
        self.ids.append(name)


def place_of(key: int, numbers: NDArray[np.uint8], displaced: bool) -> Place:
    """Return where the geometries of a molecule are found.

    Parameters
    ----------
    key
        Of the molecule.
    numbers
        Its atoms in any order.
    displaced
        Whether displaced geometries are compared.

    Returns
    -------
    tuple
        Equal for rows whose geometries can be laid over each other.
    """
    return key, np.sort(numbers).tobytes(), displaced

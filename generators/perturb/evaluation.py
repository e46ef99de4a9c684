"""Energies and forces of many walkers: each has a calculator of its own, so that none knows of the others."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from molaug.generators.perturb.robbins_monro import Evaluated
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structure
from molaug.structures.calculators import Method
from molaug.structures.calculators.methods import FORCE_FIELDS


class Surfaces:
    """Surfaces of one molecule by walker.

    A self-consistent field starts from the last one of its calculator, and the last digits show it. With one for each
    walker they do not depend on which other walkers there are. Force fields have no memory: one serves all.

    Parameters
    ----------
    method
        Where energies and forces come from.
    structure
        The molecule, with a geometry.
    count
        Walkers.

    Raises
    ------
    SamplingError
        If a force field cannot describe the molecule.
    """

    def __init__(self, method: Method, structure: Structure, count: int) -> None:
        self._shared = isinstance(method.calculator, str) and method.calculator in FORCE_FIELDS
        self._distinct = [Surface(method, structure) for _ in range(1 if self._shared else count)]
        self._surfaces = self._distinct * count if self._shared else self._distinct

    def __enter__(self) -> Self:
        if not self._shared:  # one holds the numerical libraries to one thread for all; force fields use none
            self._distinct[0].__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._shared:
            self._distinct[0].__exit__(kind, error, trace)

    def __call__(self, walkers: NDArray[np.intp], positions: NDArray[np.float64]) -> Evaluated:
        """Compute a geometry for each of some walkers.

        Parameters
        ----------
        walkers
            Their numbers, shape (m,).
        positions
            In Å, shape (m, n_atoms, 3).

        Returns
        -------
        Evaluated
            A geometry that fails has a reason, and no numbers.
        """
        energies, forces = np.full(len(walkers), np.nan), np.full(positions.shape, np.nan)
        reasons: list[str | None] = [None] * len(walkers)
        for k, walker in enumerate(walkers.tolist()):
            try:
                energies[k], forces[k] = self._surfaces[walker](positions[k])
            except SamplingError as error:
                reasons[k] = str(error)
        return Evaluated(energies=energies, forces=forces, reasons=reasons)

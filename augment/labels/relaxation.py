"""Relaxation before labelling; a structure is kept only if its bond graph survives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from molaug.labels.labeller import LabelError, Labeller
from molaug.structures import Structure
from molaug.structures.chemistry import lay_graph, same_bonds


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """Local minimisation with the labeller's calculator.

    Parameters
    ----------
    fmax
        Largest force on an atom at the end, in eV/Å.
    steps
        Most steps.
    optimizer
        ASE's BFGS or FIRE.
    unconverged
        Whether a structure that is not converged after all steps is kept as it is.
    """

    fmax: float = 0.05
    steps: int = 200
    optimizer: Literal["bfgs", "fire"] = "bfgs"
    unconverged: bool = False

    @property
    def name(self) -> str:
        """Author of the reasons."""
        return "relax"

    def relax(self, structure: Structure, labeller: Labeller) -> Structure:
        """Return the structure at its local minimum.

        Parameters
        ----------
        structure
            With positions.
        labeller
            Whose calculator gives the forces.

        Returns
        -------
        Structure
            The same row with other positions; the column ``relaxed_from`` holds the id before.

        Raises
        ------
        LabelError
            If it does not converge, or bonds break or form on the way.
        """
        from ase.optimize import BFGS, FIRE  # with half of scipy behind it, and only needed here

        optimizer = {"bfgs": BFGS, "fire": FIRE}[self.optimizer]
        with labeller.attached(structure) as atoms:
            converged = optimizer(atoms, logfile=None).run(fmax=self.fmax, steps=self.steps)
            if not converged and not self.unconverged:
                raise LabelError(f"not converged to {self.fmax:g} eV/Å in {self.steps} steps")
            after = np.array(atoms.positions, dtype=np.float64)
            before = structure.positions
            if structure.smiles is not None:
                laid = lay_graph(structure.smiles, structure.numbers, after)
                if laid.reason is not None:
                    raise LabelError(f"the molecule changed: {laid.reason}")
            elif before is not None and not same_bonds(structure.numbers, before, after):
                raise LabelError("bonds broke or formed")
        return replace(structure, positions=after, extra={**structure.extra, "relaxed_from": structure.id})

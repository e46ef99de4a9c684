"""The conformers of one molecule while they are made: relaxed, checked against its graph, compared, pruned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolAlign
from rdkit.rdBase import BlockLogs

from molaug.generators.force_field import relax
from molaug.structures.calculators.force_fields import ForceField
from molaug.structures.chemistry.integrity import Integrity

#: Ways to lay equivalent heavy atoms over each other that are tried for one RMSD; more only matter beyond drugs.
MAX_MATCHES = 10_000


class Ensemble:
    """Conformers by number, each with the first reason against it.

    Parameters
    ----------
    mol
        Holds the conformers under their numbers; it is changed in place.
    count
        How many numbers there are, those without a conformer included.
    missing
        The reason against a number without a conformer.
    """

    def __init__(self, mol: Chem.Mol, count: int, missing: str) -> None:
        self.mol = mol
        self.force_field: ForceField | None = None
        self.energies: list[float | None] = [None] * count
        self._there = {conformer.GetId() for conformer in mol.GetConformers()}
        self.reasons: list[str | None] = [None if k in self._there else missing for k in range(count)]

    @property
    def alive(self) -> list[int]:
        """Numbers of the conformers that nothing speaks against."""
        return [k for k, reason in enumerate(self.reasons) if reason is None]

    def positions(self, k: int) -> NDArray[np.float64] | None:
        """Return one geometry.

        Parameters
        ----------
        k
            Number of the conformer.

        Returns
        -------
        NDArray[np.float64] or None
            Shape (n_atoms, 3), in Å; None where there is no conformer.
        """
        if k not in self._there:
            return None
        x: NDArray[np.float64] = self.mol.GetConformer(k).GetPositions()
        return x  # (n_atoms, 3)

    def relax(self, force_field: ForceField, max_iterations: int) -> None:
        """Relax all conformers; those that do not converge are rejected, all of them where parameters lack.

        Parameters
        ----------
        force_field
            The one that is wanted.
        max_iterations
            Steps at most.
        """
        if not self._there:
            return
        relaxed = relax(self.mol, force_field, max_iterations)
        self.force_field = relaxed.force_field
        for k, energy, converged in zip(sorted(self._there), relaxed.energies, relaxed.converged, strict=True):
            if self.force_field is None:
                self.reasons[k] = "neither MMFF94s nor UFF has parameters for its atoms, so it cannot be relaxed"
                continue
            self.energies[k] = float(energy)
            if not converged:
                self.reasons[k] = f"not converged in {max_iterations} iterations"

    def check_graph(self, parent: Chem.Mol) -> None:
        """Reject conformers with other bonds or another configuration than the parent.

        Parameters
        ----------
        parent
            The molecule with its stereo marked; what is not marked is free.
        """
        alive = self.alive
        if alive:
            geometries = [self.mol.GetConformer(k).GetPositions() for k in alive]
            for k, reason in zip(alive, Integrity(parent).reasons(geometries), strict=True):
                self.reasons[k] = reason

    def check_window(self, window: float, lowest: float) -> float:
        """Reject conformers too high above the lowest.

        Parameters
        ----------
        window
            In eV.
        lowest
            Lowest energy of the conformers before these, in eV.

        Returns
        -------
        float
            Lowest energy up to here, in eV.
        """
        found = {k: energy for k in self.alive if (energy := self.energies[k]) is not None}
        lowest = min([lowest, *found.values()])
        for k, energy in found.items():
            if energy > lowest + window:
                self.reasons[k] = f"{energy - lowest:.3f} eV above the lowest; the window is {window:g} eV"
        return lowest

    def prune(self, threshold: float, earlier: Chem.Mol | None) -> Chem.Mol:
        """Reject copies of conformers that are kept.

        Parameters
        ----------
        threshold
            Least RMSD in Å between two that are kept, over heavy atoms, equivalent ones exchanged at will.
        earlier
            Kept conformers before these, as this method returned them.

        Returns
        -------
        rdkit.Chem.Mol
            Heavy atoms of all kept conformers up to here.
        """
        alive = self.alive
        with BlockLogs():
            heavy = Chem.RemoveHs(self.mol)
        kept = _without_conformers(heavy) if earlier is None else Chem.Mol(earlier)
        together = Chem.Mol(kept)
        for k in alive:
            together.AddConformer(heavy.GetConformer(k), assignId=True)
        rmsd = _rmsd(together)  # (n_kept + n_alive, n_kept + n_alive)
        compared = list(range(kept.GetNumConformers()))
        for i, k in enumerate(alive, start=len(compared)):
            nearest = float(rmsd[i, compared].min(initial=np.inf))
            if nearest < threshold:
                self.reasons[k] = f"{nearest:.3f} Å from an earlier conformer; {threshold:g} Å are asked for"
            else:
                compared.append(i)
                kept.AddConformer(heavy.GetConformer(k), assignId=True)
        return kept


def _without_conformers(mol: Chem.Mol) -> Chem.Mol:
    copy = Chem.Mol(mol)
    copy.RemoveAllConformers()
    return copy


def _rmsd(mol: Chem.Mol) -> NDArray[np.float64]:
    n = mol.GetNumConformers()
    rmsd = np.zeros((n, n))
    if n > 1:
        rmsd[np.tril_indices(n, -1)] = rdMolAlign.GetAllConformerBestRMS(mol, maxMatches=MAX_MATCHES)
    return rmsd + rmsd.T  # (n, n)

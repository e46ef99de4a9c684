"""Relaxation with the force fields MMFF94s and UFF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

from molaug.structures.calculators.force_fields import ForceField


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxed:
    """What became of the conformers of a molecule, in their order.

    ``force_field`` is the one that was used, None where neither has parameters; ``energies`` has shape (n,) in eV,
    ``converged`` has shape (n,).
    """

    force_field: ForceField | None
    energies: NDArray[np.float64]
    converged: NDArray[np.bool_]


def relax(mol: Chem.Mol, force_field: ForceField, max_iterations: int) -> Relaxed:
    """Relax all conformers of a molecule in place.

    MMFF94s (doi:10.1002/(SICI)1096-987X(199905)20:7<720::AID-JCC7>3.0.CO;2-X) knows organic elements and common
    ions; for other molecules UFF (doi:10.1021/ja00051a040) is taken in its place.

    Parameters
    ----------
    mol
        With all hydrogens and any number of conformers.
    force_field
        The one that is wanted.
    max_iterations
        Steps of the optimizer (BFGS) at most.

    Returns
    -------
    Relaxed
        Energies and convergence.

    Examples
    --------
    >>> from molaug.generators.embedding import embed
    >>> ethane = embed(Chem.AddHs(Chem.MolFromSmiles("CC")), 7, 2, attempts=30, timeout=10)
    >>> relax(ethane, "mmff94s", 1000).converged.tolist()
    [True, True]
    """
    with BlockLogs():
        used = _available(mol, force_field)
        if used == "mmff94s":
            results = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(
                mol, numThreads=1, maxIters=max_iterations, mmffVariant="MMFF94s", ignoreInterfragInteractions=False
            )
        elif used == "uff":
            results = rdForceFieldHelpers.UFFOptimizeMoleculeConfs(
                mol, numThreads=1, maxIters=max_iterations, ignoreInterfragInteractions=False
            )
        else:
            results = [(1, np.nan)] * mol.GetNumConformers()
    status = np.array([status for status, _ in results], dtype=int)
    energies = np.array([energy for _, energy in results], dtype=np.float64) * units.kcal / units.mol
    return Relaxed(force_field=used, energies=energies, converged=status == 0)


def _available(mol: Chem.Mol, force_field: ForceField) -> ForceField | None:
    if force_field == "mmff94s" and rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        return "mmff94s"
    return "uff" if rdForceFieldHelpers.UFFHasAllMoleculeParams(mol) else None

"""Geometries brought a little down the slope of a force field: bonds stay, lengths and angles settle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase import units
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

from molaug.structures.superposition import kabsch_rmsd

#: Steps after which a polish ends at the latest.
STEPS = 200

#: Gradient in kcal/mol/Å and relative change of the energy at which a geometry counts as settled, as RDKit has them.
_FORCE, _ENERGY = 1e-4, 1e-6

_KCAL_PER_MOL: float = units.kcal / units.mol  # in eV


@dataclass(frozen=True, kw_only=True, slots=True)
class Polished:
    """A geometry after some steps in a force field, or the reason why there is none.

    Parameters
    ----------
    mol
        With the same atoms and bonds and one conformer; None where a reason is given.
    rmsd
        How far atoms moved in Å, root mean square after the best superposition.
    energy_drop
        Energy of the force field before less that after, in eV.
    converged
        The minimum was reached within the steps.
    force_field
        ``mmff94``, or ``uff`` where MMFF94 has no type for an atom.
    reason
        Why there is no polished geometry.
    """

    mol: Chem.Mol | None = None
    rmsd: float | None = None
    energy_drop: float | None = None
    converged: bool = False
    force_field: Literal["mmff94", "uff"] | None = None
    reason: str | None = None


def polish(mol: Chem.Mol, steps: int = STEPS) -> Polished:
    """Let a geometry settle in MMFF94, or in UFF where MMFF94 does not know an atom.

    Bonds are taken as they are, and no atom is added or left out: a geometry whose bond lengths are off by some
    hundredths of an Å becomes a sound one, a wrong molecule stays wrong. The minimiser is RDKit's (BFGS).

    Parameters
    ----------
    mol
        With all hydrogens and a conformer, of one or several fragments; it is left as it is.
    steps
        Steps of the minimiser at most.

    Returns
    -------
    Polished
        The molecule, or a reason.

    Raises
    ------
    ValueError
        If the number of steps is below 1.

    References
    ----------
    MMFF94: T. A. Halgren, doi:10.1002/(SICI)1096-987X(199604)17:5/6<490::AID-JCC1>3.0.CO;2-P. UFF: A. K. Rappé et al.,
    doi:10.1021/ja00051a040. Implementation: P. Tosco et al., doi:10.1186/s13321-014-0037-3.

    Examples
    --------
    >>> from molaug.structures.chemistry import perceive
    >>> water = perceive([8, 1, 1], [[0, 0, 0.12], [0, 0.80, -0.50], [0, -0.74, -0.45]]).mol
    >>> found = polish(water)
    >>> found.converged, found.force_field, found.rmsd < 0.1
    (True, 'mmff94', True)
    """
    if steps < 1:
        raise ValueError(f"steps={steps}; expected at least 1")
    if not mol.GetNumConformers():
        return Polished(reason="no geometry")
    before = mol.GetConformer().GetPositions()
    if not np.isfinite(before).all():
        return Polished(reason="positions are not finite")
    copy = Chem.Mol(mol)
    with BlockLogs():
        if Chem.SanitizeMol(copy, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
            return Polished(reason="the molecule cannot be sanitised")
        if any(copy.GetAtomWithIdx(k).GetTotalNumHs() for k in range(copy.GetNumAtoms())):
            return Polished(reason="hydrogens are implied; they have no positions")
        if copy.GetNumAtoms() == 1:
            return Polished(mol=copy, rmsd=0.0, energy_drop=0.0, converged=True, force_field="mmff94")
        field, name = _field(copy)
        if field is None:
            return Polished(reason="neither MMFF94 nor UFF has parameters for the molecule")
        start = field.CalcEnergy()
        try:
            unfinished = field.Minimize(maxIts=steps, forceTol=_FORCE, energyTol=_ENERGY)
        except RuntimeError as error:
            return Polished(reason=f"the minimiser failed: {' '.join(str(error).split())[:200]}")
        drop = float((start - field.CalcEnergy()) * _KCAL_PER_MOL)
    after = copy.GetConformer().GetPositions()
    if not (np.isfinite(after).all() and np.isfinite(drop)):
        return Polished(reason="the minimiser left finite numbers")
    return Polished(
        mol=copy,
        rmsd=float(kabsch_rmsd(_centred(before), _centred(after))),
        energy_drop=drop,
        converged=unfinished == 0,
        force_field=name,
    )


def _field(mol: Chem.Mol) -> tuple[Any, Literal["mmff94", "uff"]]:
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant="MMFF94")
    # atoms of another fragment repel too: fragments that lie in one another come apart
    if properties is not None:
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties, ignoreInterfragInteractions=False)
        if field is not None:
            field.Initialize()
            return field, "mmff94"
    field = None
    if rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        field = rdForceFieldHelpers.UFFGetMoleculeForceField(mol, ignoreInterfragInteractions=False)
        field.Initialize()
    return field, "uff"


def _centred(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = positions - positions.mean(axis=0)
    return centred

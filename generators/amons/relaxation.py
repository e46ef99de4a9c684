"""Relaxation of cut fragments that leaves their shape as it was in the parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers, rdMolTransforms

ForceField = Literal["mmff94", "uff"]

_PLANAR_WITHIN = 6.0  # degrees from 0 or 180 at which a dihedral is held exactly
_LEEWAY = 2.0  # degrees by which other dihedrals may turn
#: Bonds that something can turn about: no end atoms, no triple bonds.
_AXIS = Chem.MolFromSmarts("[!$(*#*)&!D1]~[!$(*#*)&!D1]")
_AXIS_HYBRIDISATION = (Chem.HybridizationType.SP2, Chem.HybridizationType.SP3)


@dataclass(frozen=True, kw_only=True)
class Restraints:
    """How firmly and how long a fragment is held while it relaxes.

    Attributes
    ----------
    stiffness : float
        Force constant of all restraints, kcal/mol per Å² or per degree².
    max_iterations : int
        Most iterations of each of the two steps.
    relative : bool
        Whether dihedrals are bounded by RDKit's relative bounds instead of bounds about their angles in the parent.
    """

    stiffness: float
    max_iterations: int
    relative: bool


#: Soft enough to converge, so that the result hardly depends on how the parent lies in space, and stiff enough for
#: dihedrals to stay within 2 degrees. (Relative bounds of this stiffness let them turn by up to 19 degrees.)
CONVERGED = Restraints(stiffness=100.0, max_iterations=1000, relative=False)
#: The authors' choice. So stiff a problem is far from converged when it stops: every fourth fragment comes out
#: different if the parent is rotated.
AS_PUBLISHED = Restraints(stiffness=9999.0, max_iterations=60, relative=True)


def relax_keeping_shape(mol: Chem.Mol, restraints: Restraints = CONVERGED) -> ForceField | None:
    """Relax a molecule in place: hydrogens first, then everything but the dihedrals of heavy atoms.

    Parameters
    ----------
    mol
        Sanitised molecule with explicit hydrogens and one conformer, which is changed.
    restraints
        How to hold what is held.

    Returns
    -------
    "mmff94", "uff" or None
        The force field: UFF where MMFF94 lacks parameters, None (nothing done) where both do.
    """
    name: ForceField
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        name = "mmff94"
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        name = "uff"
    else:
        return None
    bounds = [(torsion, *_bounds(mol, torsion, restraints.relative)) for torsion in heavy_torsions(mol)]
    field = _force_field(mol, name)
    add = field.MMFFAddPositionConstraint if name == "mmff94" else field.UFFAddPositionConstraint
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() > 1:
            add(atom.GetIdx(), 0.0, restraints.stiffness)
    field.Minimize(maxIts=restraints.max_iterations)
    field = _force_field(mol, name)
    add = field.MMFFAddTorsionConstraint if name == "mmff94" else field.UFFAddTorsionConstraint
    for torsion, lower, upper in bounds:
        add(*torsion, restraints.relative, lower, upper, restraints.stiffness)
    field.Minimize(maxIts=restraints.max_iterations)
    return name


def heavy_torsions(mol: Chem.Mol) -> list[tuple[int, int, int, int]]:
    """List the dihedrals of four heavy atoms about bonds between sp2 and sp3 atoms.

    Parameters
    ----------
    mol
        Sanitised molecule with explicit hydrogens.

    Returns
    -------
    list of (int, int, int, int)
        Atoms of each dihedral.
    """
    torsions = []
    for j, k in mol.GetSubstructMatches(_AXIS):
        axis = mol.GetAtomWithIdx(j), mol.GetAtomWithIdx(k)
        if any(atom.GetHybridization() not in _AXIS_HYBRIDISATION for atom in axis):
            continue
        first, last = (
            [a.GetIdx() for a in atom.GetNeighbors() if a.GetAtomicNum() > 1 and a.GetIdx() not in (j, k)]
            for atom in axis
        )
        torsions += [(i, j, k, m) for i in first for m in last if i != m]
    return torsions


def _bounds(mol: Chem.Mol, torsion: tuple[int, int, int, int], relative: bool) -> tuple[float, float]:
    angle = rdMolTransforms.GetDihedralDeg(mol.GetConformer(), *torsion)
    planar = abs(angle) <= _PLANAR_WITHIN or abs(angle) >= 180.0 - _PLANAR_WITHIN
    leeway = 0.0 if planar else _LEEWAY
    about = 0.0 if relative else angle
    return about - leeway, about + leeway


def _force_field(mol: Chem.Mol, name: ForceField) -> Any:
    if name == "uff":
        return rdForceFieldHelpers.UFFGetMoleculeForceField(mol, ignoreInterfragInteractions=False)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
    return rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties, ignoreInterfragInteractions=False)


def shape_descriptor(positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Describe a geometry by how crowded its atoms are, to tell conformers apart.

    Parameters
    ----------
    positions
        Coordinates, Å. (n_atoms, 3)

    Returns
    -------
    NDArray[np.float64]
        Sums of inverse distances of each atom to all others, sorted, 1/Å. (n_atoms,)
    """
    distance = np.linalg.norm(positions[:, None] - positions, axis=-1)  # (n_atoms, n_atoms)
    np.fill_diagonal(distance, np.inf)
    return np.sort((1.0 / distance).sum(axis=1))

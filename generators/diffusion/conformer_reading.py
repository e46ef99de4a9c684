"""What becomes of a geometry that was drawn of a given molecule: the order of its atoms, its stereo, its polish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.diffusion.reading import NOT_FINITE, Polish, Settled, sanitised, settle
from molaug.structures.chemistry.integrity import BROKEN_BONDS, OTHER_STEREO, Integrity
from molaug.structures.chemistry.polish import STEPS


@dataclass(frozen=True, kw_only=True, slots=True)
class ConformerReading:
    """A drawn conformer, before and after.

    Parameters
    ----------
    settled
        The geometry that is handed on, atoms in the order of the molecule that was asked for.
    mirrored
        It is the mirror image of what was drawn.
    raw_valid
        Whether the geometry as drawn has the bonds and the stereo of the molecule, mirrored or not.
    reason
        Why it is no conformer of the molecule.
    """

    settled: Settled
    mirrored: bool = False
    raw_valid: bool
    reason: str | None = None


def read_conformer(
    drawn: Chem.Mol,
    molecule: Chem.Mol,
    *,
    multiplicity: int = 1,
    polish: Polish = "mmff94",
    steps: int = STEPS,
    displaced: bool = False,
) -> ConformerReading:
    """Read a geometry that was drawn of a given molecule.

    The network knows no stereo. A geometry whose mirror image has the stereo of the molecule is mirrored, which no
    energy notices; one that is another diastereomer is refused.

    Parameters
    ----------
    drawn
        The same graph with a conformer, its atoms in any order, not sanitised.
    molecule
        With all hydrogens and its stereo marked; what is not marked is free.
    multiplicity
        2S+1, for GFN2-xTB.
    polish
        What the geometry settles in.
    steps
        Of the minimiser at most.
    displaced
        The geometry is off equilibrium on purpose; ``polish`` is not looked at.

    Returns
    -------
    ConformerReading
        With a reason where it is no conformer of the molecule.
    """
    mol = sanitised(drawn)
    integrity = Integrity(molecule)
    x, mirrored, reason = _laid(mol, molecule, integrity)
    raw_valid = reason is None
    settled = Settled(positions=x)
    if polish == "none" or displaced or not np.isfinite(x).all():
        return ConformerReading(settled=settled, mirrored=mirrored, raw_valid=raw_valid, reason=reason)
    settled = settle(mol, polish, steps, multiplicity)
    mol.GetConformer().SetPositions(settled.positions)
    x, mirrored, reason = _laid(mol, molecule, integrity)
    settled = Settled(positions=x, by=settled.by, rmsd=settled.rmsd, energy_drop=settled.energy_drop)
    return ConformerReading(settled=settled, mirrored=mirrored, raw_valid=raw_valid, reason=settled.reason or reason)


def _laid(mol: Chem.Mol, molecule: Chem.Mol, integrity: Integrity) -> tuple[NDArray[np.float64], bool, str | None]:
    """Return positions in the order of another molecule, whether mirrored, and why they are none of its conformers."""
    x: NDArray[np.float64] = mol.GetConformer().GetPositions()
    if not np.isfinite(x).all():
        return x, False, NOT_FINITE
    reason: str | None = OTHER_STEREO
    for mirrored in (False, True):
        image = x * [-1.0, 1.0, 1.0] if mirrored else x
        copy = Chem.Mol(mol)
        copy.GetConformer().SetPositions(image)
        with BlockLogs():
            Chem.AssignStereochemistryFrom3D(copy, replaceExistingTags=True)
        order = _order(copy, molecule)
        if order is None:
            continue
        (reason,) = integrity.reasons(image[order][None])
        if reason != OTHER_STEREO:
            return image[order], mirrored, reason
    order = _order(mol, molecule, chirality=False)
    if order is None:
        return x, False, reason
    (broken,) = integrity.reasons(x[order][None])  # stereo of what is torn means nothing
    return x[order], False, broken if broken == BROKEN_BONDS else reason


def _order(mol: Chem.Mol, molecule: Chem.Mol, *, chirality: bool = True) -> NDArray[np.intp] | None:
    """Return for each atom of a molecule the number of its like in another order, None where the stereo differs."""
    skeleton, hydrogens = _skeleton(mol)
    wanted, its_hydrogens = _skeleton(molecule)
    match = skeleton.GetSubstructMatch(wanted, useChirality=chirality)
    if len(match) != wanted.GetNumAtoms():
        return None
    order = np.empty(molecule.GetNumAtoms(), dtype=np.intp)
    for atom, k in zip(wanted.GetAtoms(), match, strict=True):
        there, here = atom.GetIntProp("_number"), skeleton.GetAtomWithIdx(k).GetIntProp("_number")
        order[there] = here
        order[its_hydrogens[there]] = hydrogens[here]  # those of one atom can change places
    return order


def _skeleton(mol: Chem.Mol) -> tuple[Chem.Mol, dict[int, list[int]]]:
    """Return a molecule without the hydrogens that can be implied, and the numbers of these by what they sit on."""
    copy = Chem.Mol(mol)
    for atom in copy.GetAtoms():
        atom.SetIntProp("_number", atom.GetIdx())
    with BlockLogs():
        bare = Chem.RemoveHs(copy)
    kept = {atom.GetIntProp("_number") for atom in bare.GetAtoms()}
    return bare, {
        k: sorted(n.GetIdx() for n in mol.GetAtomWithIdx(k).GetNeighbors() if n.GetIdx() not in kept)
        for k in sorted(kept)
    }

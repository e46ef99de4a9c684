"""Whether the coordinates of a molecule are a geometry, or a drawing on paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry.connectivity import reach

#: How much shorter than the sum of the covalent radii bonds of an order are.
_OF_ORDER = {Chem.BondType.DOUBLE: 0.88, Chem.BondType.TRIPLE: 0.8, Chem.BondType.AROMATIC: 0.93}

#: Lengths that bonds of a flat geometry may have, as fractions of what their elements and orders let expect; a C-H
#: bond drawn as long as a C-C bond has 1.4.
_SHORTEST, _LONGEST = 0.75, 1.25

#: Atoms without a bond are at least this far apart, as a multiple of the sum of their covalent radii.
_APART = 1.15

#: Bond lengths of drawings by RDKit, of unit length and by MDL, in Å.
_DRAWN = (1.5, 1.0, 0.825)

#: Elements whose atoms with four neighbours are never flat: square planar are XeF4, ICl4- and metals.
_NEVER_SQUARE = (5, 6, 7, 13, 14, 15, 16)


def has_geometry(mol: Chem.Mol) -> bool:
    """Tell whether a molecule has coordinates that can be used as its geometry.

    Planar molecules have z = 0 throughout, and many programs then leave out the code ``3D`` of a record. Drawings lack
    hydrogens, or their bonds have the length of no bond.

    Parameters
    ----------
    mol
        As read, sanitized or not; it is not changed.

    Returns
    -------
    bool
        True where the first conformer is marked as 3D, or is flat with all hydrogens as atoms, bonds as long as bonds
        are and all other atoms farther apart.

    Examples
    --------
    >>> water = Chem.AddHs(Chem.MolFromSmiles("O"))
    >>> flat = Chem.Conformer(3)
    >>> for k, (x, y) in enumerate([(0, 0.12), (0.76, -0.48), (-0.76, -0.48)]):
    ...     flat.SetAtomPosition(k, (x, y, 0.0))
    >>> flat.Set3D(False)
    >>> _ = water.AddConformer(flat)
    >>> has_geometry(water), has_geometry(Chem.MolFromSmiles("O"))
    (True, False)
    """
    if not mol.GetNumConformers():
        return False
    if mol.GetConformer().Is3D():
        return True
    copy = Chem.Mol(mol)
    with BlockLogs():
        copy.UpdatePropertyCache(strict=False)
    atoms = list(copy.GetAtoms())
    if any(atom.GetTotalNumHs() for atom in atoms):
        return False
    if any(atom.GetDegree() > 3 and atom.GetAtomicNum() in _NEVER_SQUARE for atom in atoms):
        return False
    z = np.array([atom.GetAtomicNum() for atom in atoms], dtype=np.intp)
    return _bonds_are_real(copy, z) if len(z) > 1 else True


def _bonds_are_real(mol: Chem.Mol, z: NDArray[np.intp]) -> bool:
    x = mol.GetConformer().GetPositions()  # (n_atoms, 3)
    if not np.isfinite(x).all():
        return False
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)  # (n_atoms, n_atoms)
    usual = reach(z[:, None], z[None])  # (n_atoms, n_atoms)
    bonded = np.zeros(distance.shape, dtype=bool)
    scale = np.ones(distance.shape)
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        bonded[i, j] = True
        scale[i, j] = _OF_ORDER.get(bond.GetBondType(), 1.0)
    lengths, ratio = distance[bonded], (distance / (usual * scale))[bonded]
    if ((ratio < _SHORTEST) | (ratio > _LONGEST)).any():
        return False
    if not (z == 1).any() and any(np.allclose(lengths, drawn, rtol=0, atol=2e-3) for drawn in _DRAWN):
        return not len(lengths)
    others = np.triu(~(bonded | bonded.T), 1)
    return bool((distance[others] > _APART * usual[others]).all())

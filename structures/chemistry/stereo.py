"""Stereo marks read from a geometry: the same for any order of atoms, and for all centres that a SMILES can mark."""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem
from rdkit.Chem import rdqueries
from rdkit.rdBase import BlockLogs

#: Atoms with a mark of handedness.
_MARKED = rdqueries.HasChiralTagQueryAtom()

#: Three-armed atoms that do not invert at room temperature and that RDKit does not mark from coordinates.
_PYRAMIDAL = Chem.MolFromSmarts("[#15X3v3,#33X3v3,#51X3v3]")

#: Normalised volume of three arms below which a centre counts as flat.
_FLAT = 0.05

_TETRAHEDRAL = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)

_Vector = Sequence[float]


def mark_stereo(mol: Chem.Mol) -> None:
    """Mark centres and double bonds as the conformer has them; earlier marks are gone.

    What RDKit does is mended in two places. Where the four neighbours of a centre lie on one side of it, as at bridgeheads of
    small cages, the sign that three of them span with the centre depends on which three are taken; here the tetrahedron of all four
    decides. Trivalent phosphorus, arsenic and antimony are marked too.

    Parameters
    ----------
    mol
        With all atoms and a conformer; it is changed.

    Examples
    --------
    >>> from rdkit.Chem.rdDistGeom import EmbedMolecule
    >>> phosphine = Chem.AddHs(Chem.MolFromSmiles("CC[P@](C)c1ccccc1"))
    >>> EmbedMolecule(phosphine, randomSeed=1)
    0
    >>> mark_stereo(phosphine)
    >>> Chem.MolToSmiles(Chem.RemoveHs(phosphine))
    'CC[P@](C)c1ccccc1'
    """
    with BlockLogs():
        Chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
    changed = False
    marked = mol.GetAtomsMatchingQuery(_MARKED)
    pyramidal = mol.GetSubstructMatches(_PYRAMIDAL)
    if not len(marked) and not pyramidal:
        return
    conformer = mol.GetConformer()
    for atom in marked:
        arms = [other.GetIdx() for other in atom.GetNeighbors()]
        if atom.GetChiralTag() not in _TETRAHEDRAL:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)  # which arrangement it is depends on the order of the arms
            changed = True
        elif len(arms) == 4:
            x = [conformer.GetAtomPosition(k) for k in (*arms, atom.GetIdx())]
            seen = _volume(x[0] - x[4], x[1] - x[4], x[2] - x[4])  # what RDKit went by
            whole = -_volume(x[1] - x[0], x[2] - x[0], x[3] - x[0])
            if seen * whole < 0:
                atom.InvertChirality()
                changed = True
    for (k,) in pyramidal:
        atom = mol.GetAtomWithIdx(k)
        centre = conformer.GetAtomPosition(k)
        a, b, c = (conformer.GetAtomPosition(other.GetIdx()) - centre for other in atom.GetNeighbors())
        volume = _volume(a, b, c)
        if abs(volume) > _FLAT * a.Length() * b.Length() * c.Length():
            # seen from outside, the arms of a positive volume run counterclockwise in the order of the bonds
            atom.SetChiralTag(
                Chem.ChiralType.CHI_TETRAHEDRAL_CCW if volume > 0 else Chem.ChiralType.CHI_TETRAHEDRAL_CW
            )
            changed = True
    if changed:
        with BlockLogs():
            Chem.AssignStereochemistry(mol, cleanIt=True, force=True)


def has_given_stereo(mol: Chem.Mol, claimed: Chem.Mol) -> bool:
    """Tell whether a molecule has the stereo that a claim gives; what the claim leaves open is free.

    Parameters
    ----------
    mol
        With all its stereo marked.
    claimed
        The same molecule, atoms in any order, with none, some or all of its stereo marked.

    Returns
    -------
    bool
        True where the atoms can be matched so that each given mark agrees.

    Examples
    --------
    >>> whole = Chem.MolFromSmiles("C[C@H](F)[C@H](C)Cl")
    >>> [has_given_stereo(whole, Chem.MolFromSmiles(s)) for s in ("CC(F)[C@H](C)Cl", "CC(F)[C@@H](C)Cl")]
    [True, False]
    """
    with BlockLogs():
        found, wanted = (Chem.RemoveHs(m, sanitize=False) for m in (mol, claimed))
    return bool(found.HasSubstructMatch(wanted, useChirality=True))


def _volume(a: _Vector, b: _Vector, c: _Vector) -> float:
    return float(
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    )

"""Stereo marks read from a geometry: the same for any order of atoms, and for all centres that a SMILES can mark."""

from __future__ import annotations

from collections.abc import Sequence
from math import dist

from rdkit import Chem
from rdkit.rdBase import BlockLogs

#: With three arms these do not invert at room temperature; RDKit does not mark them from coordinates.
_PNICTOGENS = (15, 33, 51)

_NITROGEN = 7

#: Normalised volume of three arms below which a centre counts as flat.
_FLAT = 0.05

#: Seen along the first arm the others run clockwise, a negative volume of the first three; or counterclockwise.
_HANDED = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
_UNMARKED = Chem.ChiralType.CHI_UNSPECIFIED

_Vector = Sequence[float]


def mark_stereo(mol: Chem.Mol) -> None:
    """Mark centres and double bonds as the conformer has them; earlier marks are gone.

    What RDKit does is mended in two places. Where the four neighbours of a centre lie on one side of it, as at
    bridgeheads of small cages, the sign that three of them span with the centre depends on which three are taken; here
    the tetrahedron of all four decides. Trivalent phosphorus, arsenic and antimony are marked too.

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
    x: list[list[float]] = []
    changed = False
    for k in range(mol.GetNumAtoms()):  # by index: iterating over a query costs more
        atom = mol.GetAtomWithIdx(k)
        tag = atom.GetChiralTag()
        if tag == _UNMARKED and (atom.GetAtomicNum() not in _PNICTOGENS or atom.GetTotalValence() != 3):
            continue
        x = x or mol.GetConformer().GetPositions().tolist()
        right = _mark(x[k], [x[bond.GetOtherAtomIdx(k)] for bond in atom.GetBonds()])
        if right != tag:
            atom.SetChiralTag(right)
            changed = True
    if changed:
        reassign_stereo(mol)


def reassign_stereo(mol: Chem.Mol) -> None:
    """Take away marks where there is no stereo; those of double bonds and true centres stay.

    Parameters
    ----------
    mol
        Sanitised, with marks; it is changed.
    """
    with BlockLogs():
        Chem.SetDoubleBondNeighborDirections(mol)  # or double bonds would lose theirs
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)


def with_all_marks(mol: Chem.Mol) -> Chem.Mol:
    """Mark every atom with four arms as the conformer has it, also those that are no stereocentres.

    Parameters
    ----------
    mol
        With all atoms, a conformer and its stereo marked.

    Returns
    -------
    rdkit.Chem.Mol
        A copy.
    """
    marked = Chem.Mol(mol)
    x = mol.GetConformer().GetPositions().tolist()
    for k in range(marked.GetNumAtoms()):
        atom = marked.GetAtomWithIdx(k)
        arms = [bond.GetOtherAtomIdx(k) for bond in atom.GetBonds()]
        hydrogens = sum(marked.GetAtomWithIdx(other).GetAtomicNum() == 1 for other in arms)
        if len(arms) == 4 and hydrogens < 2:
            atom.SetChiralTag(_mark(x[k], [x[other] for other in arms]))
    return marked


def is_marked_amine(atom: Chem.Atom) -> bool:
    """Tell whether an atom is trivalent nitrogen with a mark, as in small rings.

    Parameters
    ----------
    atom
        Of any molecule.

    Returns
    -------
    bool
        Names of geometries bear no such marks.
    """
    marked = atom.GetChiralTag() != _UNMARKED
    return bool(marked and atom.GetAtomicNum() == _NITROGEN and atom.GetTotalValence() == 3)


def with_hands_of_amines(mol: Chem.Mol) -> Chem.Mol:
    """Mark every nitrogen with three arms as the conformer has it.

    Parameters
    ----------
    mol
        With all atoms and a conformer.

    Returns
    -------
    rdkit.Chem.Mol
        A copy.
    """
    marked = Chem.Mol(mol)
    x = mol.GetConformer().GetPositions().tolist()
    for atom in marked.GetAtoms():
        if atom.GetAtomicNum() == _NITROGEN and atom.GetDegree() == 3:
            atom.SetChiralTag(_mark(x[atom.GetIdx()], [x[other.GetIdx()] for other in atom.GetNeighbors()]))
    return marked


def has_given_stereo(mol: Chem.Mol, claimed: Chem.Mol) -> bool:
    """Tell whether a molecule has the stereo that a claim gives; what the claim leaves open is free.

    Parameters
    ----------
    mol
        With all atoms, its stereo marked; with a conformer if the claim marks nitrogen.
    claimed
        The same molecule, atoms in any order, with none, some or all of its stereo marked. Nitrogen in small rings has
        a hand if the claim gives it one; names do not tell its hands apart otherwise.

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
    if mol.GetNumConformers() and any(is_marked_amine(atom) for atom in claimed.GetAtoms()):
        mol = with_hands_of_amines(mol)
    with BlockLogs():
        found, wanted = (Chem.RemoveHs(m, sanitize=False) for m in (mol, claimed))
    return bool(found.HasSubstructMatch(wanted, useChirality=True))


def _mark(centre: _Vector, arms: Sequence[_Vector]) -> Chem.ChiralType:
    if len(arms) == 4:
        # its sign is that of the first three and the centre wherever the centre lies inside
        return _HANDED[_volume(*arms) < 0]
    if len(arms) != 3:
        return _UNMARKED  # with five arms or more the kind of mark would depend on their order
    volume = _volume(centre, *arms)
    flat = abs(volume) < _FLAT * dist(centre, arms[0]) * dist(centre, arms[1]) * dist(centre, arms[2])
    return _UNMARKED if flat else _HANDED[volume > 0]


def _volume(origin: _Vector, a: _Vector, b: _Vector, c: _Vector) -> float:
    """Return the signed volume that three points span with a fourth."""
    ox, oy, oz = origin
    ax, ay, az = a[0] - ox, a[1] - oy, a[2] - oz
    bx, by, bz = b[0] - ox, b[1] - oy, b[2] - oz
    cx, cy, cz = c[0] - ox, c[1] - oy, c[2] - oz
    return ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx)

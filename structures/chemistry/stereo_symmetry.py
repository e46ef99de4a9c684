"""One way to write stereocentres that a symmetry of the molecule exchanges.

Where equal parts of a molecule differ in their marks alone, as across a bridged ring, several sets of marks mean the
same, and RDKit writes one or another with the order of atoms. Here the order is settled first: of all orders that the
bare graph does not tell apart, the one whose marks come first.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem
from rdkit.rdBase import BlockLogs

#: Symmetries of the bare graph that are looked at.
_MOST_SYMMETRIES = 2000

_CW, _CCW = Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW
_CIS = (Chem.BondStereo.STEREOZ, Chem.BondStereo.STEREOCIS)
_TRANS = (Chem.BondStereo.STEREOE, Chem.BondStereo.STEREOTRANS)


def exchangeable(mol: Chem.Mol) -> bool:
    """Tell whether marks of a molecule may stand for each other.

    Parameters
    ----------
    mol
        With its stereo marked.

    Returns
    -------
    bool
        True where two marked centres are equal but for their marks, or one has two arms that are.

    Examples
    --------
    >>> [exchangeable(Chem.MolFromSmiles(s)) for s in ("C[C@H](F)Cl", "C[C@H]1CC[C@H](F)CC1")]
    [False, True]
    """
    marked = [
        atom
        for k in range(mol.GetNumAtoms())
        if (atom := mol.GetAtomWithIdx(k)).GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED
    ]
    if len(marked) < 2:
        return False
    with BlockLogs():
        classes = list(Chem.CanonicalRankAtoms(mol, breakTies=False, includeChirality=False))
    own = [classes[atom.GetIdx()] for atom in marked]
    if len(set(own)) < len(own):
        return True
    for atom in marked:
        arms = [classes[bond.GetOtherAtomIdx(atom.GetIdx())] for bond in atom.GetBonds()]
        if len(set(arms)) < len(arms):
            return True
    return False


def settled_order(mol: Chem.Mol) -> Chem.Mol:
    """Return the molecule with its atoms and bonds in an order that depends on nothing but the molecule.

    Parameters
    ----------
    mol
        Without explicit hydrogens, its stereo marked, also such marks as symmetry may take away.

    Returns
    -------
    rdkit.Chem.Mol
        Sanitised, with the stereo that is left.
    """
    with BlockLogs():
        ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=True, includeChirality=False))
        symmetries = mol.GetSubstructMatches(mol, uniquify=False, useChirality=False, maxMatches=_MOST_SYMMETRIES)
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    arms = [[bond.GetOtherAtomIdx(k) for bond in mol.GetAtomWithIdx(k).GetBonds()] for k in range(len(ranks))]
    tags = [mol.GetAtomWithIdx(k).GetChiralTag() for k in range(len(ranks))]
    double = [bond for bond in mol.GetBonds() if bond.GetStereo() in (*_CIS, *_TRANS)]
    best: tuple[tuple[object, ...], list[int]] | None = None
    for symmetry in symmetries:
        candidate = [symmetry[k] for k in order]
        place = [0] * len(candidate)
        for position, k in enumerate(candidate):
            place[k] = position
        marks = tuple(_mark(tags[k], [place[other] for other in arms[k]]) for k in candidate)
        bonds = tuple(sorted(_double(bond, arms, place) for bond in double))
        if best is None or (marks, bonds) < best[0]:
            best = (marks, bonds), candidate
    return mol if best is None else _in_order(mol, best[1])


def _mark(tag: Chem.ChiralType, arms: Sequence[int]) -> int:
    """Return 0 without a mark, else 1 or 2: how the arms turn in the order of their places."""
    if tag not in (_CW, _CCW):
        return 0
    turned = sum(a > b for n, a in enumerate(arms) for b in arms[n + 1 :]) % 2
    return 1 + (turned ^ int(tag == _CCW))


def _double(bond: Chem.Bond, arms: Sequence[Sequence[int]], place: Sequence[int]) -> tuple[int, int, int]:
    """Return the places of the ends of a marked double bond, and whether the first arms of both are on one side."""
    ends = sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()), key=place.__getitem__)
    same = bond.GetStereo() in _CIS
    given = set(bond.GetStereoAtoms())
    for end, other in (ends, ends[::-1]):
        first = min((k for k in arms[end] if k != other), key=place.__getitem__)
        same ^= first not in given
    return place[ends[0]], place[ends[1]], int(same)


def _in_order(mol: Chem.Mol, order: Sequence[int]) -> Chem.Mol:
    place = {k: position for position, k in enumerate(order)}
    arms = [[bond.GetOtherAtomIdx(k) for bond in mol.GetAtomWithIdx(k).GetBonds()] for k in range(mol.GetNumAtoms())]
    made = Chem.RWMol()
    for k in order:
        atom = Chem.Atom(mol.GetAtomWithIdx(k).GetAtomicNum())
        old = mol.GetAtomWithIdx(k)
        atom.SetFormalCharge(old.GetFormalCharge())
        atom.SetIsotope(old.GetIsotope())
        atom.SetNumRadicalElectrons(old.GetNumRadicalElectrons())
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(old.GetTotalNumHs())
        atom.SetIsAromatic(old.GetIsAromatic())
        mark = _mark(old.GetChiralTag(), [place[other] for other in arms[k]])
        atom.SetChiralTag((Chem.ChiralType.CHI_UNSPECIFIED, _CW, _CCW)[mark])
        made.AddAtom(atom)
    bonds = sorted(
        (*sorted((place[bond.GetBeginAtomIdx()], place[bond.GetEndAtomIdx()])), bond.GetIdx())
        for bond in mol.GetBonds()
    )
    for i, j, index in bonds:  # so that the arms of each atom come in the order of their places
        old_bond = mol.GetBondWithIdx(index)
        made.AddBond(i, j, old_bond.GetBondType())
        made.GetBondBetweenAtoms(i, j).SetIsAromatic(old_bond.GetIsAromatic())
    with BlockLogs():
        Chem.SanitizeMol(made)
        Chem.AssignStereochemistry(made, cleanIt=True, force=True)
    for _, _, index in bonds:
        old_bond = mol.GetBondWithIdx(index)
        if old_bond.GetStereo() in (*_CIS, *_TRANS):
            i, j, same = _double(old_bond, arms, [place[k] for k in range(len(order))])
            bond = made.GetBondBetweenAtoms(i, j)
            begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            sides = [
                min(other.GetIdx() for other in made.GetAtomWithIdx(a).GetNeighbors() if other.GetIdx() != b)
                for a, b in ((begin, end), (end, begin))
            ]
            bond.SetStereoAtoms(*sides)
            bond.SetStereo(Chem.BondStereo.STEREOCIS if same else Chem.BondStereo.STEREOTRANS)
    return made.GetMol()

"""One form for all mesomeric forms: a molecule is its skeleton, its charge and its unpaired electrons.

Dimethyl sulfoxide is drawn with a double bond or with two charges, an amidinium ion with its charge on either
nitrogen. The form by which a molecule goes here is the best of its Lewis structures
(:mod:`molaug.structures.chemistry.lewis`); of equally good ones that with the most aromatic atoms, then that of the
first SMILES in alphabetical order. Hydrogens stay where they are: tautomers are different molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import rdqueries
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry.lewis import Lewis, lewis_structures
from molaug.structures.chemistry.stereo import reassign_stereo

_ORDERS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}

_FLAGS = Chem.SanitizeFlags
# without the clean-ups, which rewrite forms by rules of their own
_SANITIZE = _FLAGS.SANITIZE_ALL ^ _FLAGS.SANITIZE_CLEANUP ^ _FLAGS.SANITIZE_CLEANUP_ORGANOMETALLICS

#: Atoms that carry a charge or unpaired electrons.
_ODD = rdqueries.FormalChargeGreaterQueryAtom(0)
_ODD.ExpandQuery(rdqueries.FormalChargeLessQueryAtom(0), Chem.CompositeQueryType.COMPOSITE_OR)
_ODD.ExpandQuery(rdqueries.NumRadicalElectronsGreaterQueryAtom(0), Chem.CompositeQueryType.COMPOSITE_OR)

#: Atoms with more bonds than the octet has room for.
_EXPANDED = Chem.MolFromSmarts("[$([#15,#33,#51;v4,v5,v6]),$([#16,#34,#52;v3,v4,v5,v6]),$([#17,#35,#53;v2,v3,v4,v5])]")

#: Double bonds that may alternate around a ring although it is not aromatic.
_ALTERNATING = Chem.MolFromSmarts("*=;@*-;@*=,:;@*")

_CARBON_GROUP = (6, 14, 32, 50)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mesomers:
    """The form by which a molecule goes, and what is the same in all its best forms.

    ``mol`` has its atoms and bonds in the order of the molecule it was made from. Only the bonds of ``always_double``
    (by index) hold their neighbours in place: they are double in all forms, and neither end has an expanded octet.
    ``alike`` are the drawn forms that look like ``mol``. Where there are ``several`` forms, ``equal`` has one number
    for all atoms that the skeleton does not tell apart.
    """

    mol: Chem.Mol
    alike: tuple[Chem.Mol, ...]
    several: bool
    always_double: frozenset[int]
    equal: tuple[int, ...]

    def without_false_stereo(self, mol: Chem.Mol) -> Chem.Mol:
        """Take away marks that only one of the forms gives reason for.

        Bonds that are not double in every form turn, and so do those of an expanded octet. A centre two of whose arms
        are alike in the skeleton but drawn differently, as the oxygens of a phosphate are, is none.

        Parameters
        ----------
        mol
            A molecule like ``mol``, with its stereo marked; it is changed.

        Returns
        -------
        rdkit.Chem.Mol
            The same object.
        """
        for bond in mol.GetBonds():
            if bond.GetStereo() != Chem.BondStereo.STEREONONE and bond.GetIdx() not in self.always_double:
                bond.SetStereo(Chem.BondStereo.STEREONONE)
        if not self.several:
            return mol
        marked = [atom for atom in mol.GetAtoms() if atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED]
        if marked:
            with BlockLogs():
                drawn = list(Chem.CanonicalRankAtoms(mol, breakTies=False, includeChirality=False))
        for atom in marked:
            arms = [other.GetIdx() for other in atom.GetNeighbors()]
            told_apart = {(self.equal[arm], drawn[arm]) for arm in arms}
            if len({equal for equal, _ in told_apart}) < len(told_apart):
                atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
        return mol


def mesomers(mol: Chem.Mol, charge: int, unpaired: int, *, every: bool = False) -> Mesomers | None:
    """Return the form by which a molecule goes.

    Parameters
    ----------
    mol
        Any form of it, or its bare skeleton, sanitised or not. Hydrogens may be atoms or counts of their heavy atoms.
    charge
        Total charge in e.
    unpaired
        Number of unpaired electrons.
    every
        Draw also the forms that differ from others by a symmetry of the skeleton alone.

    Returns
    -------
    Mesomers or None
        None where the skeleton has no Lewis structure, or holds an element whose structures are not known.
    """
    atoms = [mol.GetAtomWithIdx(k) for k in range(mol.GetNumAtoms())]
    hydrogens = [_is_terminal_hydrogen(atom) for atom in atoms]
    heavy = [k for k, terminal in enumerate(hydrogens) if not terminal]
    inner = [
        bond.GetIdx()
        for bond in mol.GetBonds()
        if not hydrogens[bond.GetBeginAtomIdx()] and not hydrogens[bond.GetEndAtomIdx()]
    ]
    classes, order = _ranked(mol, heavy, inner)
    place = {heavy[k]: n for n, k in enumerate(order)}  # where an atom of the molecule stands in the canonical order
    ordered = [heavy[k] for k in order]
    ends = {}
    for index in inner:
        bond = mol.GetBondWithIdx(index)
        i, j = sorted((place[bond.GetBeginAtomIdx()], place[bond.GetEndAtomIdx()]))
        ends[i, j] = index
    pairs = tuple(sorted(ends))
    numbers = tuple(atoms[k].GetAtomicNum() for k in ordered)
    degrees = tuple(atoms[k].GetDegree() + atoms[k].GetTotalNumHs() for k in ordered)
    forms = lewis_structures(numbers, degrees, pairs, charge, unpaired)
    rank = [classes[k] for k in order]
    made = [
        built
        for form in (forms if every else _different(forms, rank, pairs))
        if (built := _drawn(mol, form, ordered, [ends[pair] for pair in pairs])) is not None
    ]
    if not made:
        return None
    worth = [(-_aromatic(form), _flat(form)) for form in made] if len(made) > 1 else [(0, "")]
    alike = tuple(form for form, key in zip(made, worth, strict=True) if key == min(worth))
    best = alike[0]
    expanded = {k for (k,) in best.GetSubstructMatches(_EXPANDED)}
    always = [
        ends[pair]
        for k, pair in enumerate(pairs)
        if all(form.orders[k] == 2 for form in forms) and expanded.isdisjoint(ordered[a] for a in pair)
    ]
    equal = [-1] * len(atoms)
    for k, number in zip(ordered, rank, strict=True):
        equal[k] = number
    return Mesomers(mol=best, alike=alike, several=len(forms) > 1, always_double=frozenset(always), equal=tuple(equal))


def settled(mol: Chem.Mol) -> Chem.Mol:
    """Return a molecule in the form by which it goes.

    Parameters
    ----------
    mol
        Sanitised, with its stereo.

    Returns
    -------
    rdkit.Chem.Mol
        The molecule itself where no other form can be meant, or none is known.

    Examples
    --------
    >>> Chem.MolToSmiles(settled(Chem.MolFromSmiles("C[S+](C)[O-]")))
    'CS(C)=O'
    """
    if is_plain(mol):
        return mol
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    found = mesomers(mol, Chem.GetFormalCharge(mol), unpaired)
    if found is None:
        return mol
    reassign_stereo(found.without_false_stereo(found.mol))
    return found.mol


def alike_forms(mol: Chem.Mol) -> list[Chem.Mol]:
    """Return all forms of a molecule that look like the one by which it goes, but for the places of its marks.

    Parameters
    ----------
    mol
        Sanitised, with its stereo.

    Returns
    -------
    list of rdkit.Chem.Mol
        At least one.
    """
    if is_plain(mol):
        return [mol]
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    found = mesomers(mol, Chem.GetFormalCharge(mol), unpaired, every=True)
    if found is None:
        return [mol]
    for form in found.alike:
        reassign_stereo(found.without_false_stereo(form))
    return list(found.alike)


def is_plain(mol: Chem.Mol) -> bool:
    """Tell whether a molecule has no other form than the one in which it stands, as nearly all neutral ones.

    Parameters
    ----------
    mol
        Sanitised.

    Returns
    -------
    bool
        True where there is no charge, no unpaired electron, no expanded octet, and no ring with double bonds that
        alternate and are not aromatic.
    """
    if len(mol.GetAtomsMatchingQuery(_ODD)) or mol.HasSubstructMatch(_EXPANDED):
        return False
    return not (mol.HasSubstructMatch(_ALTERNATING) and _alternates(mol))


def is_torn(mol: Chem.Mol) -> bool:
    """Tell whether a carbocation stands beside a negative charge: a bond that broke, and no molecule.

    Parameters
    ----------
    mol
        In the form by which it goes.

    Returns
    -------
    bool
        True where an atom of the carbon group lacks an electron pair while another atom has one too many.

    Examples
    --------
    >>> [is_torn(Chem.MolFromSmiles(s)) for s in ("[CH3+].[CH3-]", "C[CH2+]", "[NH3+]CC(=O)[O-]")]
    [True, False, False]
    """
    charged = [(atom, charge) for atom in mol.GetAtomsMatchingQuery(_ODD) if (charge := atom.GetFormalCharge())]
    lacking = any(
        charge > 0 and atom.GetAtomicNum() in _CARBON_GROUP and atom.GetTotalValence() + charge < 5
        for atom, charge in charged
    )
    return lacking and any(charge < 0 for _, charge in charged)


def _alternates(mol: Chem.Mol) -> bool:
    """Tell whether all atoms of some ring that is not aromatic have a double bond within their ring system."""
    info = mol.GetRingInfo()
    unsaturated = set()
    for bond in mol.GetBonds():
        if bond.GetBondTypeAsDouble() > 1 and info.NumBondRings(bond.GetIdx()):
            unsaturated |= {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()}
    for ring in info.AtomRings():
        if unsaturated.issuperset(ring) and not all(mol.GetAtomWithIdx(k).GetIsAromatic() for k in ring):
            return True
    return False


def _is_terminal_hydrogen(atom: Chem.Atom) -> bool:
    return bool(
        atom.GetAtomicNum() == 1
        and atom.GetDegree() == 1
        and not atom.GetIsotope()
        and atom.GetNeighbors()[0].GetAtomicNum() > 1
    )


def _ranked(mol: Chem.Mol, heavy: Sequence[int], inner: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the classes of equal atoms of the bare skeleton, and its atoms in an order of the skeleton's own."""
    bare = Chem.RWMol()
    index = {}
    for k in heavy:
        atom = mol.GetAtomWithIdx(k)
        new = Chem.Atom(atom.GetAtomicNum())
        new.SetNoImplicit(True)
        new.SetIsotope(atom.GetIsotope())
        new.SetNumExplicitHs(atom.GetTotalNumHs(includeNeighbors=True) if atom.GetAtomicNum() > 1 else 0)
        index[k] = bare.AddAtom(new)
    for b in inner:
        bond = mol.GetBondWithIdx(b)
        bare.AddBond(index[bond.GetBeginAtomIdx()], index[bond.GetEndAtomIdx()], Chem.BondType.SINGLE)
    with BlockLogs():
        bare.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(bare)
        classes = list(Chem.CanonicalRankAtoms(bare, breakTies=False, includeChirality=False))
        total = list(Chem.CanonicalRankAtoms(bare, breakTies=True, includeChirality=False))
    return classes, sorted(range(len(heavy)), key=total.__getitem__)


def _different(forms: Sequence[Lewis], rank: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[Lewis]:
    """Return the first of the forms that look alike where equal atoms are not told apart."""
    if len(forms) < 2:
        return list(forms)
    seen: dict[object, Lewis] = {}
    ends = [tuple(sorted((rank[i], rank[j]))) for i, j in pairs]
    for form in forms:
        atoms = sorted(zip(rank, form.charges, form.unpaired, strict=True))
        seen.setdefault((tuple(atoms), tuple(sorted(zip(ends, form.orders, strict=True)))), form)
    return list(seen.values())


def _drawn(mol: Chem.Mol, form: Lewis, atoms: Sequence[int], bonds: Sequence[int]) -> Chem.Mol | None:
    """Return the molecule in a form, or None where RDKit does not take it."""
    drawn = Chem.RWMol(mol)
    for k in range(drawn.GetNumAtoms()):
        atom = drawn.GetAtomWithIdx(k)
        hydrogens = atom.GetTotalNumHs()
        atom.SetIsAromatic(False)
        atom.SetFormalCharge(0)
        atom.SetNumRadicalElectrons(0)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(hydrogens)
    for k, charge, unpaired in zip(atoms, form.charges, form.unpaired, strict=True):
        atom = drawn.GetAtomWithIdx(k)
        atom.SetFormalCharge(charge)
        atom.SetNumRadicalElectrons(unpaired)
    for k in range(drawn.GetNumBonds()):
        bond = drawn.GetBondWithIdx(k)
        bond.SetIsAromatic(False)
        bond.SetBondDir(Chem.BondDir.NONE)
    for k, order in zip(bonds, form.orders, strict=True):
        bond = drawn.GetBondWithIdx(k)
        bond.SetBondType(_ORDERS[order])
        if order != 2:
            bond.SetStereo(Chem.BondStereo.STEREONONE)
    with BlockLogs():
        failed = Chem.SanitizeMol(drawn, sanitizeOps=_SANITIZE, catchErrors=True)
    return None if failed != _FLAGS.SANITIZE_NONE else drawn.GetMol()


def _aromatic(mol: Chem.Mol) -> int:
    return sum(mol.GetAtomWithIdx(k).GetIsAromatic() for k in range(mol.GetNumAtoms()))


def _flat(mol: Chem.Mol) -> str:
    with BlockLogs():
        text: str = Chem.MolToSmiles(Chem.RemoveHs(mol, sanitize=False), isomericSmiles=False)
    return text

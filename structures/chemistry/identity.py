"""When two molecules are the same: canonical SMILES and InChIKey, with or without stereo."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry.mesomerism import alike_forms, settled
from molaug.structures.chemistry.stereo_symmetry import exchangeable, settled_order

#: A SMILES is parsed and written at most this often before it counts as canonical.
_ROUNDS = 8

#: What a SMILES holds if the molecule may have several mesomeric forms: an unusual bracket (a charge, an unpaired
#: electron), or an element that may expand its octet.
_MAY_HAVE_FORMS = re.compile(r"\[(?!(?:[CN]@@?H?|nH)\])|[SPIXs]|Cl|p|Br")

#: Double bonds that may be parts of a ring: all but those of a carbonyl group.
_DOUBLE = re.compile(r"(?<!^O)(?<!\.O)=(?!O(?:$|[).]))")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The names under which one molecule is known.

    ``smiles`` is isomeric and canonical, ``flat`` has no stereo, ``inchikey`` is the standard InChIKey (it merges
    mobile hydrogens) and its first 14 characters leave out stereo. Where InChI fails ``inchikey`` is empty.
    """

    smiles: str
    flat: str
    inchikey: str


def parse(smiles: str) -> Chem.Mol | None:
    """Parse a SMILES quietly, whichever of its mesomeric forms it shows.

    Parameters
    ----------
    smiles
        Any text. Atom map numbers are passed over: they are no chemistry.

    Returns
    -------
    rdkit.Chem.Mol or None
        In the form by which the molecule goes (:mod:`molaug.structures.chemistry.mesomerism`); None where RDKit
        cannot read it.

    Examples
    --------
    >>> Chem.MolToSmiles(parse("[CH3:1][S+](C)[O-]"))
    'CS(C)=O'
    """
    with BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None or not mol.GetNumAtoms():
            return None
        if ":" in smiles:
            mol = _unmapped(mol)
    return settled(mol) if may_have_forms(smiles) else mol


def may_have_forms(smiles: str) -> bool:
    """Tell from its SMILES whether a molecule may have several mesomeric forms; that of most shows that it has none.

    Parameters
    ----------
    smiles
        Any SMILES.

    Returns
    -------
    bool
        False where :func:`molaug.structures.chemistry.mesomerism.is_plain` is true for certain.

    Examples
    --------
    >>> [may_have_forms(smiles) for smiles in ("O=C1CC[C@H]1F", "CS(C)=O", "C1=CC=C1")]
    [False, True, True]
    """
    if _MAY_HAVE_FORMS.search(smiles):
        return True
    if "=" not in smiles:
        return False
    double = len(_DOUBLE.findall(smiles))
    # an alternating ring that is not aromatic has two of them, or one beside an aromatic ring
    return double > 1 or (double == 1 and "c" in smiles)


def canonical(mol: Chem.Mol, *, isomeric: bool = True) -> str:
    """Return the canonical SMILES of a molecule, hydrogens implicit.

    It is parsed and written again until it stays the same, so that a molecule built from coordinates and one read
    from its SMILES have one name.

    Parameters
    ----------
    mol
        With or without explicit hydrogens.
    isomeric
        Keep stereo.

    Returns
    -------
    str
        Such that ``canonical(parse(s)) == s``.

    Raises
    ------
    ValueError
        If RDKit cannot read what it wrote.

    Examples
    --------
    >>> canonical(parse("OCC"))
    'CCO'
    """
    return canonical_of_exchangeable(mol, isomeric=isomeric)[0]


def canonical_of_exchangeable(mol: Chem.Mol, *, isomeric: bool = True) -> tuple[str, bool]:
    """Return the canonical SMILES, and whether marks of stereo may stand for each other.

    Parameters
    ----------
    mol
        With or without explicit hydrogens.
    isomeric
        Keep stereo.

    Returns
    -------
    smiles : str
        As :func:`canonical` gives it.
    exchangeable : bool
        See :func:`molaug.structures.chemistry.stereo_symmetry.exchangeable`.

    Raises
    ------
    ValueError
        If RDKit cannot read what it wrote.
    """
    with BlockLogs():
        # what sanitisation would do, reading the text back does
        smiles = Chem.MolToSmiles(Chem.RemoveHs(mol, sanitize=False), isomericSmiles=isomeric)
    return _fixed(smiles, isomeric)


def canonical_text(smiles: str) -> str:
    """Return the canonical SMILES of a SMILES.

    Parameters
    ----------
    smiles
        One that RDKit can read.

    Returns
    -------
    str
        As :func:`canonical` gives it.

    Raises
    ------
    ValueError
        If RDKit cannot read it.

    Examples
    --------
    >>> canonical_text("C[S+]([O-])C")
    'CS(C)=O'
    """
    return _fixed(smiles, isomeric=True)[0]


@lru_cache(maxsize=65536)
def _fixed(smiles: str, isomeric: bool) -> tuple[str, bool]:
    seen = [smiles]
    several = False
    for _ in range(_ROUNDS):
        mol = parse(smiles)
        if mol is None:
            raise ValueError(f"RDKit cannot read back {smiles!r}")
        if isomeric and smiles.count("[C@") > 1:
            forms = alike_forms(mol) if may_have_forms(smiles) else [mol]
            several = exchangeable(mol)
            # marks may change places with the form, or with equal parts of the molecule
            smiles = min(Chem.MolToSmiles(settled_order(form) if exchangeable(form) else form) for form in forms)
        else:
            smiles = Chem.MolToSmiles(mol, isomericSmiles=isomeric)
        if smiles in seen:
            break
        seen.append(smiles)
    # usually the last of them; where RDKit goes round in a circle, always the same one of it
    return min(seen[seen.index(smiles) :]) if smiles in seen else smiles, several


def _unmapped(mol: Chem.Mol) -> Chem.Mol:
    mapped = [atom for atom in mol.GetAtoms() if atom.GetAtomMapNum()]
    for atom in mapped:
        atom.SetAtomMapNum(0)
    return Chem.RemoveHs(mol) if mapped else mol


@lru_cache(maxsize=65536)
def flat_smiles(smiles: str) -> str:
    """Return the canonical SMILES without stereo.

    Parameters
    ----------
    smiles
        A canonical isomeric SMILES.

    Returns
    -------
    str
        The same molecule; a text without stereo marks is returned as it is.

    Raises
    ------
    ValueError
        If RDKit cannot read it.
    """
    if not any(mark in smiles for mark in "@/\\"):
        return smiles
    mol = parse(smiles)
    if mol is None:
        raise ValueError(f"RDKit cannot read {smiles!r}")
    return canonical(mol, isomeric=False)


def identify(smiles: str) -> Identity:
    """Return all names of the molecule that a SMILES stands for.

    Parameters
    ----------
    smiles
        Any SMILES.

    Returns
    -------
    Identity
        Canonical names.

    Raises
    ------
    ValueError
        If RDKit cannot read it.

    Examples
    --------
    >>> identify("C[C@H](F)O").flat
    'CC(O)F'
    """
    mol = parse(smiles)
    if mol is None:
        raise ValueError(f"RDKit cannot read {smiles!r}")
    with BlockLogs():
        key: str = Chem.MolToInchiKey(mol)
    return Identity(smiles=canonical(mol), flat=canonical(mol, isomeric=False), inchikey=key)

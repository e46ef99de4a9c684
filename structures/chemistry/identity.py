"""When two molecules are the same: canonical SMILES and InChIKey, with or without stereo."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem
from rdkit.rdBase import BlockLogs

#: A SMILES is parsed and written at most this often before it counts as canonical.
_ROUNDS = 4


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
    """Parse a SMILES quietly.

    Parameters
    ----------
    smiles
        Any text.

    Returns
    -------
    rdkit.Chem.Mol or None
        None where RDKit cannot read it.
    """
    with BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
    return mol if mol is not None and mol.GetNumAtoms() else None


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
    with BlockLogs():
        smiles = Chem.MolToSmiles(Chem.RemoveHs(mol), isomericSmiles=isomeric)
    return _settled(smiles, isomeric)


@lru_cache(maxsize=65536)
def _settled(smiles: str, isomeric: bool) -> str:
    for _ in range(_ROUNDS):
        mol = parse(smiles)
        if mol is None:
            raise ValueError(f"RDKit cannot read back {smiles!r}")
        again: str = Chem.MolToSmiles(mol, isomericSmiles=isomeric)
        if again == smiles:
            break
        smiles = again
    return smiles


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

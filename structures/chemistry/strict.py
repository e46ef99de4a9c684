"""Strict validity: whether a molecule is sound exactly as it was drawn.

Evaluators of generated molecules commonly keep the largest fragment, add charges where a valence is exceeded or let a
pentavalent nitrogen pass. Here nothing is repaired: heavy atoms, bond orders and formal charges stand as they are, and
only the hydrogens that free valences imply are filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rdkit import Chem
from rdkit.rdBase import BlockLogs

#: The kinds of reasons, in the order in which they are looked for; a reason is its kind, or ``kind: detail``.
STRICT_KINDS: Final = (
    "unreadable",
    "empty",
    "no element",
    "valence",
    "sanitization",
    "fragments",
    "charge",
    "radicals",
)

_FLAGS = Chem.SanitizeFlags
# without the clean-ups, which rewrite what was drawn: a neutral nitrogen with five bonds into a charge pair, say
_AS_DRAWN = _FLAGS.SANITIZE_ALL ^ _FLAGS.SANITIZE_CLEANUP ^ _FLAGS.SANITIZE_CLEANUP_ORGANOMETALLICS

_PARSING: Any = Chem.SmilesParserParams()
_PARSING.sanitize = False
_PARSING.removeHs = False
_PARSING.allowCXSMILES = False
_PARSING.parseName = False


def strict_reason(mol: Chem.Mol) -> str | None:
    """Tell why a molecule is not valid as it is drawn.

    Valid is a molecule of at least one atom, of elements only, whose valences (exceeded nowhere) and aromatic rings
    RDKit accepts without a repair, in one fragment, of net charge zero (a zwitterion is valid) and without
    unpaired electrons.

    Parameters
    ----------
    mol
        Atoms, bonds and formal charges, sanitised or not; it is left as it is. Hydrogens are implied by the valence
        of atoms that may take them (``noImplicit`` unset), and may be explicit.

    Returns
    -------
    str or None
        None where it is valid; otherwise one of :data:`STRICT_KINDS`, with a detail behind a colon where there is one.

    Examples
    --------
    >>> strict_reason(Chem.MolFromSmiles("C[N+](=O)[O-]")) is None
    True
    >>> strict_reason(Chem.MolFromSmiles("CN(=O)=O", sanitize=False))
    'valence: N of index 1 has 5'
    >>> strict_reason(Chem.MolFromSmiles("CC.O"))
    'fragments: 2'
    """
    if not mol.GetNumAtoms():
        return "empty"
    copy = Chem.Mol(mol)
    with BlockLogs():
        failed = Chem.SanitizeMol(copy, sanitizeOps=_AS_DRAWN, catchErrors=True)
    if failed != _FLAGS.SANITIZE_NONE:
        return _problem(mol, failed)
    charge = radicals = 0
    for k in range(copy.GetNumAtoms()):  # by index: RDKit's iterators cost more than sanitisation
        atom = copy.GetAtomWithIdx(k)
        if not atom.GetAtomicNum():
            return f"no element: index {k}"
        charge += atom.GetFormalCharge()
        radicals += atom.GetNumRadicalElectrons()
    fragments = len(Chem.GetMolFrags(copy))
    if fragments > 1:
        return f"fragments: {fragments}"
    if charge:
        return f"charge: {charge:+d}"
    return f"radicals: {radicals}" if radicals else None


def strict_reasons_of_smiles(smiles: Sequence[str]) -> list[str | None]:
    """Tell why each SMILES is not a valid molecule as it is written, by the rule of :func:`strict_reason`.

    Parameters
    ----------
    smiles
        Any texts, one SMILES each, without a name behind it.

    Returns
    -------
    list of (str or None)
        In their order; ``unreadable`` where RDKit finds no molecule in the text.

    Examples
    --------
    >>> strict_reasons_of_smiles(["CCO", "C(", "", "[NH4+]", "C[CH2]"])
    [None, 'unreadable', 'empty', 'charge: +1', 'radicals: 1']
    """
    reasons: list[str | None] = []
    for text in smiles:
        mol = as_drawn(text)
        reasons.append("unreadable" if mol is None else strict_reason(mol))
    return reasons


def as_drawn(smiles: str) -> Chem.Mol | None:
    """Read a SMILES without any sanitisation.

    Parameters
    ----------
    smiles
        Any text.

    Returns
    -------
    rdkit.Chem.Mol or None
        None where the text is no SMILES; a molecule without atoms for an empty text.
    """
    with BlockLogs():
        return Chem.MolFromSmiles(smiles.strip(), _PARSING)


def reason_kind(reason: str) -> str:
    """Return the kind of a reason, without its detail.

    Parameters
    ----------
    reason
        As :func:`strict_reason` gives it.

    Returns
    -------
    str
        One of :data:`STRICT_KINDS`.

    Examples
    --------
    >>> reason_kind("fragments: 2")
    'fragments'
    """
    return reason.partition(":")[0]


def _problem(mol: Chem.Mol, failed: Chem.SanitizeFlags) -> str:
    """Name what sanitisation stumbled over."""
    if failed != _FLAGS.SANITIZE_PROPERTIES:
        return f"sanitization: {failed.name.removeprefix('SANITIZE_').lower()}"
    with BlockLogs():
        problems = Chem.DetectChemistryProblems(mol, sanitizeOps=int(_FLAGS.SANITIZE_PROPERTIES))
    for problem in problems:
        if problem.GetType() == "AtomValenceException":
            atom = mol.GetAtomWithIdx(problem.GetAtomIdx())
            bonds = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds()) + atom.GetNumExplicitHs()
            charge = f"{atom.GetFormalCharge():+d}" if atom.GetFormalCharge() else ""
            return f"valence: {atom.GetSymbol()}{charge} of index {atom.GetIdx()} has {bonds:g}"
    return "valence"

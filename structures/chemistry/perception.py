"""Bonds from coordinates. Every failure is a reason, never an exception in the middle of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rdkit import Chem
from rdkit.Chem import rdDetermineBonds, rdqueries
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry.connectivity import bonds
from molaug.structures.chemistry.elements import formula, spin_reason
from molaug.structures.chemistry.identity import (
    canonical,
    canonical_of_exchangeable,
    canonical_text,
    may_have_forms,
    parse,
)
from molaug.structures.chemistry.lewis import known_elements
from molaug.structures.chemistry.mesomerism import Mesomers, is_plain, is_torn, mesomers
from molaug.structures.chemistry.stereo import has_given_stereo, mark_stereo, reassign_stereo, with_all_marks
from molaug.structures.chemistry.stereo_symmetry import settled_order
from molaug.structures.table import Structures

#: Bond-order assignments that are tried before perception gives up on a molecule.
MAX_ITERATIONS = 5000


_RADICAL = rdqueries.NumRadicalElectronsGreaterQueryAtom(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Perceived:
    """A molecule with bonds and a conformer, atoms in the order given, or the reason why there is none.

    ``smiles`` is canonical and isomeric.
    """

    mol: Chem.Mol | None = None
    smiles: str | None = None
    reason: str | None = None


def perceive(
    numbers: ArrayLike,
    positions: ArrayLike,
    charge: int = 0,
    multiplicity: int = 1,
    *,
    max_iterations: int = MAX_ITERATIONS,
) -> Perceived:
    """Find bonds, bond orders, formal charges and stereo of a geometry.

    Bonds follow from distances (:func:`molaug.structures.chemistry.bonds`), orders from the best Lewis structure of
    the skeleton, that of the fewest formal charges (:mod:`molaug.structures.chemistry.lewis`). Neutral molecules get
    theirs from RDKit's ``rdDetermineBonds`` (the algorithm of xyz2mol, doi:10.1002/bkcs.10334) where it finds one
    without charges. The order of the atoms plays no part.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    charge
        Total charge in e.
    multiplicity
        2S+1: as many unpaired electrons as it says must be left, no more.
    max_iterations
        Assignments that ``rdDetermineBonds`` tries.

    Returns
    -------
    Perceived
        The molecule or a reason.

    Examples
    --------
    >>> perceive([8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]).smiles
    'O'
    """
    z = np.asarray(numbers)
    reason = spin_reason(z, charge, multiplicity)
    if reason:
        return Perceived(reason=reason)
    skeleton = _skeleton(z, np.asarray(positions, dtype=np.float64).reshape(-1, 3))
    if len(z) == 1:
        return _single_atom(skeleton, charge, multiplicity)
    if charge == 0 and multiplicity == 1:
        # the quick way, whose answer is right where it is plain: no other Lewis structure does without charges then
        mol = _bond_orders(skeleton, charge, max_iterations)
        if isinstance(mol, Chem.Mol):
            found = _finished(mol, None)
            if found.smiles is not None and (not may_have_forms(found.smiles) or is_plain(mol)):
                return found
    forms = mesomers(skeleton, charge, multiplicity - 1)
    if forms is not None and not is_torn(forms.mol):
        unpaired = _unpaired(forms.mol)
        if unpaired == multiplicity - 1:
            return _finished(forms.mol, forms)
        # RDKit counts both electrons of a carbene as unpaired
        reason = f"perceived with {unpaired} unpaired electrons; multiplicity {multiplicity} has {multiplicity - 1}"
        return Perceived(reason=reason)
    if known_elements(z.tolist()):
        reason = f"no bond orders fit the geometry at charge {charge:+d} with {multiplicity - 1} unpaired electrons"
        return Perceived(reason=reason)
    return _of_other_elements(skeleton, charge, multiplicity, max_iterations)


def lay_graph(smiles: str, numbers: ArrayLike, positions: ArrayLike) -> Perceived:
    """Lay a known bond graph over a geometry: orders and charges from the graph, stereo from the geometry.

    Parameters
    ----------
    smiles
        The claimed molecule; its stereo, where given, must be that of the geometry.
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).

    Returns
    -------
    Perceived
        The molecule with atoms in the order of the geometry, or the reason why graph and geometry disagree.

    Examples
    --------
    >>> lay_graph("O", [8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]).smiles
    'O'
    >>> lay_graph("N", [8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]).reason
    'geometry is H2O, the graph N has other atoms'
    """
    z = np.asarray(numbers)
    template = _template(smiles)
    if template is None:
        return Perceived(reason=f"RDKit cannot read the graph {smiles!r}")
    if template.elements != sorted(z.tolist()):
        return Perceived(reason=f"geometry is {formula(z)}, the graph {smiles} has other atoms")
    skeleton = _skeleton(z, np.asarray(positions, dtype=np.float64).reshape(-1, 3))
    claimed = template.mol
    if skeleton.GetNumBonds() != claimed.GetNumBonds():
        return Perceived(
            reason=f"geometry has {skeleton.GetNumBonds()} bonds, the graph {smiles} has {claimed.GetNumBonds()}"
        )
    match = skeleton.GetSubstructMatch(template.connectivity)  # atom k of the graph is atom match[k] of the geometry
    if not match:
        return Perceived(reason=f"the bonds of the geometry are not those of the graph {smiles}")
    forms = None if template.plain else mesomers(skeleton, template.charge, template.unpaired)
    if forms is not None:
        mol = forms.mol
    else:
        order = np.empty(len(match), dtype=int)
        order[list(match)] = np.arange(len(match))
        mol = Chem.RenumberAtoms(claimed, order.tolist())
        mol.AddConformer(skeleton.GetConformer(), assignId=True)
    found = _finished(mol, forms)
    if found.smiles is None or template.flat or found.smiles == smiles:
        return found
    agrees = canonical(claimed) == found.smiles or (found.mol is not None and has_given_stereo(found.mol, claimed))
    if not agrees:
        return Perceived(reason=f"the stereo of the geometry is {found.smiles}, that of the graph {smiles}")
    return found


def with_smiles(structures: Structures) -> tuple[Structures, list[str | None]]:
    """Fill the SMILES of rows that have a geometry but no graph.

    Parameters
    ----------
    structures
        Any rows.

    Returns
    -------
    structures : Structures
        The same rows; those that could not be perceived keep a null SMILES.
    reasons : list of (str or None)
        Why, for those.
    """
    smiles: list[str | None] = []
    reasons: list[str | None] = []
    for s in structures:
        if s.smiles is not None or s.positions is None:
            smiles.append(s.smiles)
            reasons.append(None)
        else:
            found = perceive(s.numbers, s.positions, s.charge, s.multiplicity)
            smiles.append(found.smiles)
            reasons.append(found.reason)
    return structures.with_columns({"smiles": smiles}), reasons


def _skeleton(z: NDArray[np.integer[Any]], x: NDArray[np.float64]) -> Chem.Mol:
    """Return atoms, single bonds and a conformer; nothing is sanitised."""
    mol = Chem.RWMol(_atoms(z.astype(np.uint8).tobytes()))
    for i, j in bonds(z, x).tolist():
        mol.AddBond(i, j, Chem.BondType.SINGLE)
    conformer = Chem.Conformer(len(z))
    conformer.SetPositions(np.ascontiguousarray(x))
    mol.AddConformer(conformer, assignId=True)
    return mol.GetMol()


@lru_cache(maxsize=4096)
def _atoms(numbers: bytes) -> Chem.Mol:
    mol = Chem.RWMol()
    for number in numbers:
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    return mol.GetMol()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Template:
    """A claimed graph with its hydrogens, its bare connectivity and elements, and what decides how it is laid."""

    mol: Chem.Mol
    connectivity: Chem.Mol
    elements: list[int]
    charge: int
    unpaired: int
    plain: bool
    flat: bool


@lru_cache(maxsize=4096)
def _template(smiles: str) -> _Template | None:
    mol = parse(smiles)
    if mol is None:
        return None
    claimed = Chem.AddHs(mol)
    # by index: RDKit's iterators over atoms and bonds cost more than the match itself
    numbers = bytes(claimed.GetAtomWithIdx(k).GetAtomicNum() for k in range(claimed.GetNumAtoms()))
    query = Chem.RWMol(_atoms(numbers))
    for k in range(claimed.GetNumBonds()):
        bond = claimed.GetBondWithIdx(k)
        query.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    return _Template(
        mol=claimed,
        connectivity=query.GetMol(),
        elements=sorted(numbers),
        charge=Chem.GetFormalCharge(claimed),
        unpaired=_unpaired(claimed),
        plain=is_plain(claimed),
        flat=not any(mark in smiles for mark in "@/\\"),
    )


def _single_atom(mol: Chem.Mol, charge: int, multiplicity: int) -> Perceived:
    atom = mol.GetAtomWithIdx(0)
    atom.SetFormalCharge(charge)
    atom.SetNumRadicalElectrons(multiplicity - 1)
    return Perceived(mol=mol, smiles=Chem.MolToSmiles(mol))


def _bond_orders(skeleton: Chem.Mol, charge: int, max_iterations: int) -> Chem.Mol | str:
    """Return the molecule that RDKit finds, or why it finds none."""
    mol = Chem.Mol(skeleton)
    try:
        with BlockLogs():
            rdDetermineBonds.DetermineBondOrders(mol, charge=charge, embedChiral=False, maxIterations=max_iterations)
            Chem.SanitizeMol(mol)
    except (ValueError, RuntimeError) as error:
        return f"no bond orders fit the geometry: {_one_line(error)}"
    return mol


def _of_other_elements(skeleton: Chem.Mol, charge: int, multiplicity: int, max_iterations: int) -> Perceived:
    """Leave metals and the like to RDKit, in an order of atoms that is that of the skeleton."""
    with BlockLogs():
        skeleton.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(skeleton)
        ranks = list(Chem.CanonicalRankAtoms(skeleton, breakTies=True))
    order = np.argsort(ranks)
    mol = _bond_orders(Chem.RenumberAtoms(skeleton, order.tolist()), charge, max_iterations)
    if isinstance(mol, str):
        return Perceived(reason=mol)
    unpaired = _unpaired(mol)
    if unpaired != multiplicity - 1:
        reason = f"perceived with {unpaired} unpaired electrons; multiplicity {multiplicity} has {multiplicity - 1}"
        return Perceived(reason=reason)
    return _finished(Chem.RenumberAtoms(mol, [int(rank) for rank in ranks]), None)


def _unpaired(mol: Chem.Mol) -> int:
    return sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtomsMatchingQuery(_RADICAL))


def _finished(mol: Chem.Mol, forms: Mesomers | None) -> Perceived:
    try:
        mark_stereo(mol)
        if forms is not None:
            reassign_stereo(forms.without_false_stereo(mol))
        smiles, exchangeable = canonical_of_exchangeable(mol)
        if exchangeable:
            # whether RDKit keeps all marks of such a molecule depends on the order of its atoms
            bare = Chem.RemoveHs(with_all_marks(mol), sanitize=False)
            bare.UpdatePropertyCache(strict=False)
            smiles = canonical_text(Chem.MolToSmiles(settled_order(bare)))
        return Perceived(mol=mol, smiles=smiles)
    except (ValueError, RuntimeError) as error:
        return Perceived(reason=f"no canonical SMILES: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

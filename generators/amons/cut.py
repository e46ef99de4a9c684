"""AMONs cut out of a molecular geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from ase.data import covalent_radii
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.amons.enumerate import accepted, fragments
from molaug.generators.amons.fragment import Candidate
from molaug.generators.amons.heavy_graph import HeavyGraph
from molaug.generators.amons.parent import Rules, check_charge, check_options, check_parent
from molaug.generators.amons.relaxation import (
    AS_PUBLISHED,
    CONVERGED,
    ForceField,
    Restraints,
    relax_keeping_shape,
    shape_descriptor,
)

#: Length of the bond to the hydrogen that takes the place of a cut neighbour, Å, by element.
HYDROGEN_BOND_LENGTH = {
    5: 1.20,
    6: 1.10,
    7: 1.00,
    8: 0.98,
    9: 0.92,
    14: 1.48,
    15: 1.42,
    16: 1.34,
    17: 1.27,
    35: 1.41,
    53: 1.61,
}
#: Atoms that are not bonded are crowded below this multiple of the sum of their covalent radii.
CROWDED_BELOW = 1.25
#: Bonded atoms have come apart above this multiple.
BROKEN_ABOVE = 1.3


@dataclass(frozen=True, kw_only=True)
class CutAmon:
    """One AMON with the geometry that it has in its parent.

    Attributes
    ----------
    smiles : str
        Canonical SMILES without stereochemistry.
    mol : rdkit.Chem.Mol
        The molecule with all hydrogens and one conformer, relaxed unless asked otherwise; heavy atoms first.
    parent_atoms : tuple of int
        The parent's index of each heavy atom of `mol`, ascending.
    force_field : {"mmff94", "uff"} or None
        What relaxed it; UFF only where MMFF94 lacks parameters, None if nothing did.
    reason : str or None
        Why it is rejected, None if it is not.
    """

    smiles: str
    mol: Chem.Mol
    parent_atoms: tuple[int, ...]
    force_field: ForceField | None
    reason: str | None


def cut_amons(
    mol: Chem.Mol,
    max_heavy: int = 7,
    rules: Rules = "molaug",
    *,
    relax: bool = True,
    threshold: float = 0.01,
) -> list[CutAmon]:
    """Cut the AMONs out of a geometry.

    Heavy atoms and their hydrogens stay where they are in the parent; a hydrogen takes the place of each cut
    neighbour, along the old bond. Fragments in which atoms that are not bonded come closer than 1.25 times the sum
    of their covalent radii (doi:10.1039/b801115j) are crowded: two new hydrogens meet where the parent has one atom
    or a ring. The others are relaxed with MMFF94, hydrogens first, then all atoms with the dihedrals of heavy atoms
    held [1]_. Of the conformers of one AMON those are kept whose sorted sums of inverse distances differ.

    Parameters
    ----------
    mol
        Sanitised molecule with all hydrogens and a conformer, which is not changed.
    max_heavy
        Largest number of heavy atoms of an AMON, 1 to 7.
    rules
        As for `amons`. "reference" also relaxes as the authors do, with restraints so stiff that 60 iterations leave
        the result dependent on how the molecule lies in space; "molaug" relaxes to convergence. The graphs of the
        AMONs that are kept are always among those of `amons`.
    relax
        Whether to relax; otherwise the AMONs are pieces of the parent to the last digit.
    threshold
        City-block distance of descriptors, 1/Å, up to which two conformers are the same. AMONs of one or two
        heavy atoms have one conformer if relaxed.

    Returns
    -------
    list of CutAmon
        Sorted by number of heavy atoms, SMILES and parent atoms. Rejected ones ("crowded", "relaxation ...",
        "no parameters", "same conformer") stand among the others with their reason.

    Raises
    ------
    ValueError
        If the molecule has no 3D conformer or lacks hydrogens, or as for `amons`.

    References
    ----------
    .. [1] B. Huang, O. A. von Lilienfeld, Nat. Chem. 12, 945 (2020), doi:10.1038/s41557-020-0527-z,
       arXiv:1707.04146.

    Examples
    --------
    >>> from rdkit.Chem import AllChem
    >>> ethanol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    >>> AllChem.EmbedMolecule(ethanol, randomSeed=7)
    0
    >>> [(amon.smiles, amon.parent_atoms) for amon in cut_amons(ethanol) if amon.reason is None]
    [('C', (0,)), ('O', (2,)), ('CC', (0, 1)), ('CO', (1, 2)), ('CCO', (0, 1, 2))]
    """
    check_options(max_heavy, rules)
    if threshold < 0:
        raise ValueError(f"threshold={threshold} is negative: expected a distance")
    with BlockLogs():
        name = Chem.MolToSmiles(Chem.RemoveHs(mol))
        heavy = _check_geometry(mol, name)
        graph = HeavyGraph.from_mol(check_parent(mol, name))
        check_charge(graph, rules, name)
        found = fragments([graph], max_heavy, rules)
        rows = zip(found.atoms.tolist(), found.keys, found.mesomeric, found.guarded, found.strained, strict=True)
        pieces = [
            _cut(mol, [heavy[i] for i in atoms[: candidate.heavy]], candidate)
            for atoms, key, mesomeric, guarded, strained in rows
            for candidate in accepted(key, mesomeric, guarded, strained)
        ]
        pieces.sort(key=lambda amon: (len(amon.parent_atoms), amon.smiles, amon.parent_atoms))
        restraints = AS_PUBLISHED if rules == "reference" else CONVERGED
        return _distinct(pieces, restraints if relax else None, threshold)


def _check_geometry(mol: Chem.Mol, name: str) -> list[int]:
    if not mol.GetNumConformers() or not mol.GetConformer().Is3D():
        raise ValueError(f"{name!r} has no 3D conformer: embed it or read it from a file with coordinates")
    if any(atom.GetTotalNumHs() for atom in mol.GetAtoms()):
        raise ValueError(
            f"{name!r} lacks hydrogen atoms: expected all of them, as from Chem.AddHs(mol, addCoords=True)"
        )
    return [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1]


def _cut(mol: Chem.Mol, atoms: list[int], candidate: Candidate) -> CutAmon:
    """Build a fragment at its place in the parent; `atoms` are the parent atoms of the candidate's positions."""
    parent = mol.GetConformer().GetPositions()
    kept = sorted(atoms)
    editable = Chem.RWMol()
    for a in kept:
        atom = Chem.Atom(mol.GetAtomWithIdx(a).GetAtomicNum())
        atom.SetFormalCharge(mol.GetAtomWithIdx(a).GetFormalCharge())
        atom.SetNoImplicit(True)
        editable.AddAtom(atom)
    for i, j, order in candidate.bonds:
        editable.AddBond(kept.index(atoms[i]), kept.index(atoms[j]), Chem.BondType.values[order])
    positions = [parent[a] for a in kept]
    for new, a in enumerate(kept):
        for neighbour in mol.GetAtomWithIdx(a).GetNeighbors():
            b = neighbour.GetIdx()
            if b in atoms:
                continue
            place = parent[b]
            if neighbour.GetAtomicNum() > 1:
                along = (parent[b] - parent[a]) / np.linalg.norm(parent[b] - parent[a])
                place = parent[a] + _hydrogen_bond_length(mol.GetAtomWithIdx(a).GetAtomicNum()) * along
            editable.AddBond(new, editable.AddAtom(Chem.Atom(1)), Chem.BondType.SINGLE)
            positions.append(place)
    cut = editable.GetMol()
    Chem.SanitizeMol(cut)
    conformer = Chem.Conformer(len(positions))
    conformer.SetPositions(np.array(positions))
    cut.AddConformer(conformer, assignId=True)
    return CutAmon(smiles=candidate.smiles, mol=cut, parent_atoms=tuple(kept), force_field=None, reason=_crowded(cut))


def _hydrogen_bond_length(z: int) -> float:
    return HYDROGEN_BOND_LENGTH.get(z, float(covalent_radii[z] + covalent_radii[1]))


def _ratios(mol: Chem.Mol) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Distances over sums of covalent radii, (n, n), infinite on the diagonal, and which atoms are bonded, (n, n)."""
    positions = mol.GetConformer().GetPositions()
    radius = covalent_radii[[atom.GetAtomicNum() for atom in mol.GetAtoms()]]
    distance = np.linalg.norm(positions[:, None] - positions, axis=-1)
    np.fill_diagonal(distance, np.inf)
    return distance / (radius[:, None] + radius), Chem.GetAdjacencyMatrix(mol).astype(bool)


def _crowded(mol: Chem.Mol) -> str | None:
    ratio, bonded = _ratios(mol)
    ratio = np.where(bonded, np.inf, ratio)
    if ratio.min() >= CROWDED_BELOW:
        return None
    i, j = (mol.GetAtomWithIdx(int(a)).GetSymbol() for a in np.unravel_index(ratio.argmin(), ratio.shape))
    return (
        f"crowded: {i} and {j} are not bonded but at {ratio.min():.2f} times the sum of their covalent radii"
        f" (least {CROWDED_BELOW})"
    )


def _relaxed(amon: CutAmon, restraints: Restraints) -> CutAmon:
    mol = Chem.Mol(amon.mol)
    force_field = relax_keeping_shape(mol, restraints)
    if force_field is None:
        return replace(amon, reason="no parameters: neither MMFF94 nor UFF knows all of its atoms")
    ratio, bonded = _ratios(mol)
    reason = None
    if crowded := _crowded(mol):
        reason = f"relaxation broke it, {crowded}"
    elif bonded.any() and ratio[bonded].max() > BROKEN_ABOVE:
        reason = f"relaxation broke it: a bond is {ratio[bonded].max():.2f} times as long as its covalent radii"
    return replace(amon, mol=mol, force_field=force_field, reason=reason)


def _distinct(pieces: list[CutAmon], restraints: Restraints | None, threshold: float) -> list[CutAmon]:
    """Relax the fragments and mark repeated conformers."""
    kept: dict[str, list[tuple[CutAmon, npt.NDArray[np.float64]]]] = {}
    out = []
    for piece in pieces:
        amon = piece
        same = kept.setdefault(amon.smiles, [])
        if amon.reason is None:
            twin = None
            if restraints and same and len(amon.parent_atoms) <= 2:  # nothing to turn about: relaxes to the same
                twin = same[0][0]
            else:
                if restraints:
                    amon = _relaxed(amon, restraints)
                descriptor = shape_descriptor(amon.mol.GetConformer().GetPositions())
                twin = next((a for a, d in same if np.abs(d - descriptor).sum() <= threshold), None)
            if twin is not None:
                amon = replace(amon, reason=f"same conformer: as that of parent atoms {list(twin.parent_atoms)}")
            elif amon.reason is None:
                same.append((amon, descriptor))
        out.append(amon)
    return out

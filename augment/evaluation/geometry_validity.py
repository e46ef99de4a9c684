"""Which geometries are molecules: bonds from the coordinates alone, nothing repaired, nothing filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.distributions.layouts import Layout
from molaug.evaluation.edm import TableBonds, table_bonds, table_molecule
from molaug.evaluation.geometries import Geometries, nearness
from molaug.evaluation.protocol import BOND_RANGE, CLASH, CONTACT
from molaug.structures.chemistry import canonical, perceive, reason_kind, strict_reason
from molaug.structures.chemistry.connectivity import reach

#: Reasons that say that a geometry is coarse; the molecule is sound and may be polished.
COARSE = ("bond length", "contact")


@dataclass(frozen=True, kw_only=True, eq=False)
class GeometryJudgement:
    """What is said of each geometry; all of length n.

    Parameters
    ----------
    mols
        As perceived, sanitised and with its conformer; None where there is no molecule that RDKit takes.
    reasons
        Why it is not strictly valid, None where it is: ``no geometry``, ``not finite``, ``clash``, ``unperceived``, a
        kind of :data:`molaug.structures.chemistry.STRICT_KINDS`, ``bond length`` or ``contact``, with a detail.
    names
        Canonical SMILES without stereo of the molecules.
    bonds
        By the table of EDM.
    nearest
        Nearest atoms, as a multiple of the sum of their covalent radii.
    connected
        Held together by distances.
    """

    mols: tuple[Chem.Mol | None, ...]
    reasons: tuple[str | None, ...]
    names: tuple[str | None, ...]
    bonds: TableBonds
    nearest: NDArray[np.float64]
    connected: NDArray[np.bool_]

    @property
    def strict(self) -> NDArray[np.bool_]:
        """Where a geometry is strictly valid, shape (n,)."""
        return np.array([reason is None for reason in self.reasons], dtype=bool)

    @property
    def sound(self) -> NDArray[np.bool_]:
        """Where the molecule is valid, however coarse its geometry may be, shape (n,)."""
        return np.array([reason is None or reason_kind(reason) in COARSE for reason in self.reasons], dtype=bool)


def judge_geometries(
    geometries: Geometries, perceived: Mapping[int, Chem.Mol | None] | None = None
) -> GeometryJudgement:
    """Judge geometries strictly.

    Bonds are those of the table of EDM where they satisfy the valence of every atom (on real molecules they are then
    nearly always the right ones), otherwise those that RDKit perceives for net charge zero without unpaired
    electrons. The molecule must be strictly valid by :func:`molaug.structures.chemistry.strict_reason`, no hydrogen
    being implied; no two atoms may lie on one another, each bond must have a length of its kind, and atoms that are
    neither bonded nor share a neighbour must be farther apart than a bond.

    Parameters
    ----------
    geometries
        Those without atoms are no geometries.
    perceived
        What :func:`molaug.structures.chemistry.perceive` found for net charge zero, by place, where that is known.

    Returns
    -------
    GeometryJudgement
        In their order.

    Examples
    --------
    >>> from ase.build import molecule
    >>> whole = molecule("CH3OH")
    >>> lacking = whole[:-1]
    >>> far = whole.copy()
    >>> far.positions[-1] += [5, 0, 0]
    >>> found = judge_geometries(Geometries.of([(a.numbers, a.positions) for a in (whole, lacking, far)]))
    >>> [reason and reason.split(":")[0] for reason in found.reasons]
    [None, 'radicals', 'unperceived']
    """
    known = {} if perceived is None else perceived
    bonds = table_bonds(geometries)
    nearest, connected = nearness(geometries)
    mols: list[Chem.Mol | None] = []
    reasons: list[str | None] = []
    names: list[str | None] = []
    for k in range(len(geometries)):
        found = _bonded(geometries, bonds, float(nearest[k]), k, known)
        reason = found if isinstance(found, str) else strict_reason(found)
        mol = None if isinstance(found, str) else _sanitised(found)
        name = None if mol is None else _name(mol)
        if reason is None:
            reason = "sanitization: no canonical SMILES" if mol is None or name is None else _coarse(mol)
        mols.append(mol)
        reasons.append(reason)
        names.append(name)
    return GeometryJudgement(
        mols=tuple(mols),
        reasons=tuple(reasons),
        names=tuple(names),
        bonds=bonds,
        nearest=nearest,
        connected=connected,
    )


def _bonded(
    geometries: Geometries, bonds: TableBonds, nearest: float, k: int, known: Mapping[int, Chem.Mol | None]
) -> Chem.Mol | str:
    numbers, positions = geometries[k]
    if not len(numbers):
        return "no geometry"
    if not np.isfinite(positions).all():
        return "not finite"
    if nearest < CLASH:
        return f"clash: {nearest:.2f} of the sum of the covalent radii"
    if bonds.stable[k]:
        mol = table_molecule(geometries, bonds, k)
        for index in range(mol.GetNumAtoms()):
            mol.GetAtomWithIdx(index).SetNoImplicit(True)
        conformer = Chem.Conformer(len(numbers))
        conformer.SetPositions(np.ascontiguousarray(positions))
        mol.AddConformer(conformer, assignId=True)
        return mol
    if int(numbers.sum(dtype=np.int64)) % 2:
        return "radicals: an odd number of electrons"
    perceived = known[k] if k in known else perceive(numbers, positions).mol
    return "unperceived" if perceived is None else perceived


def _coarse(mol: Chem.Mol) -> str | None:
    """Tell which distance of a sound molecule is none of a molecule."""
    layout = Layout.of_mol(mol)
    z = np.array(layout.numbers)
    x = mol.GetConformer().GetPositions()
    bonded = _ratios(z, x, layout.pairs)
    shortest, longest = BOND_RANGE
    wrong = np.flatnonzero((bonded < shortest) | (bonded > longest))
    if len(wrong):
        i, j = layout.pairs[wrong[0]].tolist()
        return f"bond length: {bonded[wrong[0]]:.2f} of the sum of the covalent radii between atoms {i} and {j}"
    apart = _ratios(z, x, layout.apart)
    near = np.flatnonzero(apart < CONTACT)
    if len(near):
        i, j = layout.apart[near[0]].tolist()
        return f"contact: {apart[near[0]]:.2f} of the sum of the covalent radii between atoms {i} and {j}"
    return None


def _ratios(z: NDArray[np.intp], x: NDArray[np.float64], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    i, j = pairs[:, 0], pairs[:, 1]
    ratios: NDArray[np.float64] = np.linalg.norm(x[i] - x[j], axis=1) / reach(z[i], z[j])
    return ratios


def _sanitised(mol: Chem.Mol) -> Chem.Mol | None:
    with BlockLogs():
        failed = Chem.SanitizeMol(mol, catchErrors=True)
    return mol if failed == Chem.SanitizeFlags.SANITIZE_NONE else None


def _name(mol: Chem.Mol) -> str | None:
    try:
        return canonical(mol, isomeric=False)
    except (ValueError, RuntimeError):
        return None

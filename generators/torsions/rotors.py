"""Rotors: the bonds of a molecule about which its groups turn, and how often they look the same in a full turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molaug.generators.torsions.dihedrals import defined, dihedrals, rotation

#: How far in Å atoms may be from the places of their like after a turn that counts as a symmetry. Methyl groups of
#: real molecules are off by up to 0.1 Å, other atoms at a wrong place by 1 Å.
_SAME_PLACE = 0.3

#: How far in Å two like rotors may differ in any distance to count as one.
_SAME_DISTANCE = 0.05

#: Orders of rotation that are looked for, highest first.
_ORDERS = (6, 5, 4, 3, 2)


@dataclass(frozen=True, kw_only=True)
class Rotor:
    """A bond about which a molecule turns.

    Parameters
    ----------
    quad
        Atoms a, b, c, d of the dihedral angle that measures the turn; b-c is the bond.
    top
        The atoms beyond c, which turn; the smaller side.
    symmetry
        Rotational symmetry number of the bond: 3 for a methyl group, the least common multiple of both sides.
    """

    quad: tuple[int, int, int, int]
    top: tuple[int, ...]
    symmetry: int

    @property
    def period(self) -> float:
        """Angle in radians after which the molecule looks the same."""
        return 2 * np.pi / self.symmetry

    def angle(self, positions: NDArray[np.float64]) -> float:
        """Return the dihedral angle.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).

        Returns
        -------
        float
            In radians, in (-π, π].
        """
        return float(dihedrals(positions, [self.quad])[0])

    def matrix(self, positions: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
        """Return the rotation that increases the dihedral angle when the top makes it.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).
        angle
            By how much, in radians.

        Returns
        -------
        NDArray[np.float64]
            Shape (3, 3).
        """
        return rotation(positions[self.quad[2]] - positions[self.quad[1]], angle)

    def turned(self, positions: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
        """Turn the top rigidly; all other dihedral angles that are not about this bond stay as they are.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).
        angle
            By how much, in radians.

        Returns
        -------
        NDArray[np.float64]
            In Å, shape (n_atoms, 3).
        """
        top, pivot = list(self.top), positions[self.quad[2]]
        x = positions.copy()
        x[top] = (x[top] - pivot) @ self.matrix(positions, angle).T + pivot
        return x


def rotatable(mol: Chem.Mol, *, terminal: bool = True, conjugated: bool = True) -> list[tuple[int, int]]:
    """Return the bonds about which a molecule turns.

    These are the single bonds outside rings both ends of which have further neighbours. Ends in line with what
    follows (nitriles, alkynes, cumulenes) have no dihedral angle and are left out.

    Parameters
    ----------
    mol
        With all hydrogens.
    terminal
        Keep bonds to groups that carry nothing but hydrogen: methyl, hydroxyl, amino, thiol.
    conjugated
        Keep bonds between conjugated atoms: amides, esters, biaryls, dienes.

    Returns
    -------
    list of (int, int)
        Atoms, the lower index first, sorted.

    Examples
    --------
    >>> ethyl_cyanide = Chem.AddHs(Chem.MolFromSmiles("CCC#N"))
    >>> rotatable(ethyl_cyanide), rotatable(ethyl_cyanide, terminal=False)
    ([(0, 1)], [])
    """
    found: list[tuple[int, int]] = []
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        single = bond.GetBondType() == Chem.BondType.SINGLE and not bond.IsInRing()
        if not single or any(end.GetDegree() < 2 or _straight(end) for end in ends):
            continue
        if not conjugated and bond.GetIsConjugated():
            continue
        if not terminal and any(_bears_hydrogen_only(end, bond.GetOtherAtom(end)) for end in ends):
            continue
        found.append((min(ends[0].GetIdx(), ends[1].GetIdx()), max(ends[0].GetIdx(), ends[1].GetIdx())))
    return sorted(found)


def rotors_of(mol: Chem.Mol, positions: NDArray[np.float64], bonds: Sequence[tuple[int, int]]) -> list[Rotor]:
    """Return the rotors of a molecule in a given geometry, each kind once.

    The dihedral angle of a bond goes to the neighbours of highest atomic number, then canonical rank, then nearest
    to trans; so it does not depend on the order of the atoms, but where the molecule is symmetric and all choices are
    alike. Bonds that are alike by graph and geometry, such as the methyl groups of propane, count once. So do turns:
    the symmetry number is that of the geometry, where atoms of equal canonical rank come to lie on each other.

    Parameters
    ----------
    mol
        With all hydrogens and stereo.
    positions
        In Å, shape (n_atoms, 3).
    bonds
        See :func:`rotatable`.

    Returns
    -------
    list of Rotor
        Those that turn heavier groups first.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from molaug.structures.chemistry import perceive
    >>> propane = molecule("C3H8")
    >>> mol = perceive(propane.numbers, propane.positions, 0, 1).mol
    >>> [rotor.symmetry for rotor in rotors_of(mol, propane.positions, rotatable(mol))]
    [3]
    """
    ranks = _ranks(mol)
    found: list[tuple[tuple[int, ...], NDArray[np.float64], Rotor]] = []
    for bond in bonds:
        rotor = _rotor(mol, positions, ranks, bond)
        if rotor is None:
            continue
        _, b, c, _ = rotor.quad
        key = tuple(sorted((int(ranks[b]), int(ranks[c])), reverse=True))
        view = _view(positions, ranks, b, c)
        same = (np.allclose(view, other, atol=_SAME_DISTANCE) for known, other, _ in found if known == key)
        if not any(same):
            found.append((key, view, rotor))
    # like bonds in unlike surroundings are put in order by what surrounds them
    found.sort(key=lambda item: (tuple(-rank for rank in item[0]), item[1].round(1).tolist()))
    return [rotor for _, _, rotor in found]


def _ranks(mol: Chem.Mol) -> NDArray[np.intp]:
    """Return canonical ranks, equal for like atoms; resonance does not tell the oxygens of a nitro group apart."""
    skeleton = Chem.Mol(mol)
    for atom in skeleton.GetAtoms():
        atom.SetFormalCharge(0)
        atom.SetIsAromatic(False)
        atom.SetNoImplicit(True)
    for bond in skeleton.GetBonds():
        bond.SetBondType(Chem.BondType.SINGLE)
        bond.SetIsAromatic(False)
    skeleton.UpdatePropertyCache(strict=False)
    return np.array(Chem.CanonicalRankAtoms(skeleton, breakTies=False), dtype=np.intp)


def _rotor(mol: Chem.Mol, x: NDArray[np.float64], ranks: NDArray[np.intp], bond: tuple[int, int]) -> Rotor | None:
    b, c = bond
    tops = _side(mol, b, c), _side(mol, c, b)  # beyond c, beyond b
    if (len(tops[1]), -ranks[b], b) < (len(tops[0]), -ranks[c], c):
        (b, c), tops = (c, b), (tops[1], tops[0])
    quads = [(a, b, c, d) for a in _next(mol, b, c) for d in _next(mol, c, b)]
    quads = [quad for quad, fine in zip(quads, defined(x, quads), strict=True) if fine]
    if not quads:
        return None
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    degrees = dict(zip(quads, np.degrees(dihedrals(x, quads)).tolist(), strict=True))

    def choice(quad: tuple[int, int, int, int]) -> tuple[float, ...]:
        a, _, _, d = quad
        # to a degree, so that noise decides nothing
        angle = round(degrees[quad])
        return (-numbers[a], -ranks[a], -numbers[d], -ranks[d], -abs(angle), -angle, a, d)

    quad = min(quads, key=choice)
    folds = [_folds(x, ranks, b, c, tops[0]), _folds(x, ranks, b, c, tops[1])]
    return Rotor(quad=quad, top=tuple(tops[0]), symmetry=lcm(*folds))


def _folds(x: NDArray[np.float64], ranks: NDArray[np.intp], b: int, c: int, side: list[int]) -> int:
    """Return the highest order of rotation about b-c that brings like atoms of one side onto each other."""
    kinds = ranks[side]
    for order in _ORDERS:
        turned = (x[side] - x[c]) @ rotation(x[c] - x[b], 2 * np.pi / order).T + x[c]
        distance = np.linalg.norm(turned[:, None] - x[side][None], axis=2)  # (n_side, n_side)
        distance[kinds[:, None] != kinds[None]] = np.inf
        if (distance.min(axis=1) < _SAME_PLACE).all():
            return order
    return 1


def _view(x: NDArray[np.float64], ranks: NDArray[np.intp], b: int, c: int) -> NDArray[np.float64]:
    """Return the distances of all atoms from the ends of a bond, those of like atoms sorted, shape (2·n_atoms,)."""
    views = []
    for end in (b, c):
        distance = np.linalg.norm(x - x[end], axis=1)
        views.append(distance[np.lexsort((distance, ranks))])
    if ranks[b] == ranks[c]:
        views.sort(key=lambda view: view.round(1).tolist())
    elif ranks[b] < ranks[c]:
        views.reverse()
    return np.concatenate(views)


def _side(mol: Chem.Mol, origin: int, end: int) -> list[int]:
    """Return the atoms beyond the end of a bond that is in no ring, without the end."""
    seen, queue = {origin, end}, [end]
    while queue:
        for neighbour in mol.GetAtomWithIdx(queue.pop()).GetNeighbors():
            if neighbour.GetIdx() not in seen:
                seen.add(neighbour.GetIdx())
                queue.append(neighbour.GetIdx())
    return sorted(seen - {origin, end})


def _next(mol: Chem.Mol, end: int, other: int) -> list[int]:
    return sorted(n.GetIdx() for n in mol.GetAtomWithIdx(end).GetNeighbors() if n.GetIdx() != other)


def _straight(atom: Chem.Atom) -> bool:
    return bool(atom.GetDegree() == 2 and atom.GetHybridization() == Chem.HybridizationType.SP)


def _bears_hydrogen_only(end: Chem.Atom, other: Chem.Atom) -> bool:
    return all(n.GetAtomicNum() == 1 for n in end.GetNeighbors() if n.GetIdx() != other.GetIdx())

"""The heavy-atom graph of a molecule, and the invariants that its AMONs must keep."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_PLANAR = (Chem.HybridizationType.SP, Chem.HybridizationType.SP2)

#: Sum of bond orders of a neutral atom that counts as normal; anything above is hypervalent.
_NORMAL_VALENCE = np.full(128, 99)
_NORMAL_VALENCE[[15, 16, 17, 33, 34, 35, 51, 52, 53]] = [3, 2, 1, 3, 2, 1, 3, 2, 1]
#: Coordination number at which N, O and S have a lone pair to share.
_LONE_PAIR_DONOR = np.full(128, -1)
_LONE_PAIR_DONOR[[7, 8, 16]] = [3, 2, 2]


@dataclass(frozen=True, kw_only=True, eq=False)
class HeavyGraph:
    """Heavy atoms of one or more molecules in a Kekulé form, with the hydrogens counted in.

    The coordination number and the total valence together fix the hybridisation of an atom; an AMON keeps
    both for each of its atoms. Leading axes (...) number the molecules; see `stack`.

    Attributes
    ----------
    z, charge : IntArray
        Atomic numbers and formal charges. (..., n)
    coordination : IntArray
        Number of bonded atoms, hydrogens included. (..., n)
    order : IntArray
        Kekulé bond orders, zero where there is no bond. (..., n, n)
    valence : IntArray
        Sum of the Kekulé bond orders, hydrogens included. (..., n)
    planar : BoolArray
        Whether RDKit takes the atom for sp or sp2. (..., n)
    aromatic : BoolArray
        Whether RDKit takes the atom for aromatic. (..., n)
    """

    z: IntArray
    charge: IntArray
    coordination: IntArray
    valence: IntArray
    order: IntArray
    planar: BoolArray
    aromatic: BoolArray

    @classmethod
    def from_mol(cls, mol: Chem.Mol) -> HeavyGraph:
        """Read the graph of a sanitised molecule without explicit hydrogen atoms.

        Parameters
        ----------
        mol
            Sanitised molecule; hydrogens are attributes of their heavy atoms.

        Returns
        -------
        HeavyGraph
            The graph, its atoms in the order of `mol`.
        """
        # Atoms by index: RDKit's atom sequence checks the molecule anew at every step.
        atoms = [mol.GetAtomWithIdx(i) for i in range(mol.GetNumAtoms())]
        z, charge, hydrogens, planar, aromatic = np.array(
            [
                (
                    a.GetAtomicNum(),
                    a.GetFormalCharge(),
                    a.GetTotalNumHs(),
                    a.GetHybridization() in _PLANAR,
                    a.GetIsAromatic(),
                )
                for a in atoms
            ],
            dtype=np.int64,
        ).T
        if aromatic.any():
            mol = Chem.Mol(mol)
            Chem.Kekulize(mol)
        order = Chem.GetAdjacencyMatrix(mol, useBO=True, force=True).astype(np.int64)
        return cls(
            z=z,
            charge=charge,
            coordination=np.count_nonzero(order, axis=1) + hydrogens,
            valence=order.sum(axis=1) + hydrogens,
            order=order,
            planar=planar.astype(bool),
            aromatic=aromatic.astype(bool),
        )

    @classmethod
    def stack(cls, graphs: list[HeavyGraph]) -> HeavyGraph:
        """Put molecules side by side, so that one array operation serves all of them.

        Parameters
        ----------
        graphs
            Graphs of one molecule each.

        Returns
        -------
        HeavyGraph
            Padded with zeros to one atom more than the largest has: the last atom is always none. (p, n + 1)
        """
        p, n = len(graphs), max(len(g.z) for g in graphs) + 1

        def padded(name: str) -> npt.NDArray[Any]:
            parts = [getattr(g, name) for g in graphs]
            out = np.zeros((p,) + (n,) * parts[0].ndim, dtype=parts[0].dtype)
            for i, part in enumerate(parts):
                out[i][tuple(slice(s) for s in part.shape)] = part
            return out

        return cls(**{field.name: padded(field.name) for field in fields(cls)})

    @cached_property
    def adjacency(self) -> BoolArray:
        """Whether two atoms are bonded. (..., n, n)."""
        return self.order > 0

    @cached_property
    def free_valence(self) -> IntArray:
        """Valence beyond one bond to each neighbour: 0 for sp3, 1 for sp2, 2 for sp. (..., n)."""
        return self.valence - self.coordination

    @cached_property
    def hypervalent(self) -> BoolArray:
        """Whether an atom has more than its normal valence, as S(IV), S(VI) and P(V) do. (..., n)."""
        hypervalent: BoolArray = (self.valence - np.abs(self.charge)) > _NORMAL_VALENCE[self.z]
        return hypervalent

    @cached_property
    def kept_order(self) -> IntArray:
        """Bond orders that a fragment must copy; the rest count 1 and are paired anew. (..., n, n).

        Multiple bonds of an atom with two or more free valences (sp, azide N, S(VI)) have one placement only.
        """
        several = self.free_valence > 1
        return np.where(several[..., :, None] | several[..., None, :], self.order, self.adjacency)

    @cached_property
    def unpaired(self) -> BoolArray:
        """Whether an atom has one free valence left once the copied bond orders are in place. (..., n)."""
        unpaired: BoolArray = (self.free_valence - (self.kept_order - self.adjacency).sum(axis=-1)) == 1
        return unpaired

    @cached_property
    def carbonyl(self) -> BoolArray:
        """Whether two atoms are C and O of a C=O with three-coordinate carbon. (..., n, n)."""
        carbon, oxygen = (self.z == 6) & (self.coordination == 3), self.z == 8
        bond = (self.order == 2) & carbon[..., :, None] & oxygen[..., None, :]
        carbonyl: BoolArray = bond | bond.swapaxes(-1, -2)
        return carbonyl

    @cached_property
    def conjugation(self) -> IntArray:
        """How an atom takes part in conjugation. (..., n).

        1 for sp and sp2 atoms, 2 for N, O or S lending a lone pair to one of these, 3 for a carbon bonded to one
        of these, 0 otherwise.
        """
        # RDKit makes every nitrogen beside a double bond planar; of those with three neighbours only the
        # amide-like, aromatic and nitro-like ones count.
        carbonyl_carbon = (self.z == 6) & ((self.order == 2) & (self.z == 8)[..., None, :]).any(axis=-1)
        amide_like = (self.adjacency & carbonyl_carbon[..., None, :]).any(axis=-1)
        three_coordinate = (self.z == 7) & (self.coordination == 3)
        flat = self.planar & ~(three_coordinate & ~(amide_like | self.aromatic | (self.valence > 3)))
        beside = (self.adjacency & flat[..., None, :]).any(axis=-1) & ~flat
        donor = _LONE_PAIR_DONOR[self.z] == self.coordination
        conjugation: IntArray = flat + 2 * (beside & donor) + 3 * (beside & (self.z == 6))
        return conjugation

    def units(self) -> list[BoolArray]:
        """Find the groups of one molecule that are kept whole or left out whole.

        These are charge-separated and hypervalent groups. A group of bonded charged atoms without net charge is a
        unit together with the oxygen, sulfur or nitrogen atoms at its rim (nitro, nitrate, N-oxide, azide,
        isocyanide); all other charged atoms of the molecule (the two ends of a zwitterion) form one unit. A
        hypervalent atom forms one with the atoms multiply bonded to it (the SO2 of a sulfone or sulfonamide, the
        P=O of a phosphate), or with all of its neighbours if there are none (SF6).

        Returns
        -------
        list of BoolArray
            Membership of each unit. Overlapping units are merged. Each (n,).
        """
        charged = self.charge != 0
        units: list[BoolArray] = []
        apart = np.zeros_like(charged)
        for group in components(self.adjacency, charged):
            if self.charge[group].sum() == 0:
                terminal = (self.adjacency.sum(axis=1) == 1) & np.isin(self.z, (7, 8, 16))
                rim = terminal & (self.order[group] > 1).any(axis=0)
                units.append(group | rim)
            else:
                apart |= group
        if apart.any():
            units.append(apart)
        for centre in np.flatnonzero(self.hypervalent):
            multiply_bonded = self.order[centre] > 1
            unit = multiply_bonded if multiply_bonded.any() else self.adjacency[centre].copy()
            unit[centre] = True
            units.append(unit)
        merged: list[BoolArray] = []
        for unit in units:
            overlapping = [m for m in merged if (m & unit).any()]
            merged = [m for m in merged if not (m & unit).any()]
            merged.append(np.logical_or.reduce([unit, *overlapping]))
        return merged


def components(adjacency: BoolArray, members: BoolArray) -> list[BoolArray]:
    """Split the subgraph on `members` into connected components.

    Parameters
    ----------
    adjacency
        Bonds of the graph. (n, n)
    members
        Atoms of the subgraph. (n,)

    Returns
    -------
    list of BoolArray
        Membership of each component, by lowest atom. Each (n,).
    """
    found: list[BoolArray] = []
    left = members.copy()
    while left.any():
        group = np.zeros_like(left)
        group[np.argmax(left)] = True
        while True:
            larger = (group | adjacency[group].any(axis=0)) & left
            if (larger == group).all():
                break
            group = larger
        found.append(group)
        left &= ~group
    return found

"""Which subgraphs of a molecule are fragments, before their double bonds are placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from molaug.generators.amons.fragment import Candidate, atom_labels, candidates, encode, ring_masks
from molaug.generators.amons.heavy_graph import BoolArray, HeavyGraph, IntArray
from molaug.generators.amons.parent import Rules
from molaug.generators.amons.rings import MAX_RING, Rings, Subgraphs, connected_subgraphs, mesomeric_atoms, rings

_HALOGEN = np.zeros(128, dtype=bool)
_HALOGEN[[9, 17, 35, 53]] = True
_LOSES_AT_MOST_TWO = np.zeros(128, dtype=bool)
_LOSES_AT_MOST_TWO[[15, 16]] = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Fragments:
    """Subgraphs that pass every rule that does not need their double bonds, written as keys.

    Attributes
    ----------
    parent : IntArray
        Molecule of each fragment, ascending. (f,)
    keys : list of bytes
        The fragments, see `encode`.
    atoms : IntArray
        Parent atom at each position, the number of atoms or more where there is none. (f, k)
    mesomeric : list of int
        Bit mask of the positions that are mesomeric in the parent.
    guarded : list of int
        Bit mask of the positions that must keep their strain.
    strained : list of int
        Bit mask of the positions that are strained in the parent.
    """

    parent: IntArray
    keys: list[bytes]
    atoms: IntArray
    mesomeric: list[int]
    guarded: list[int]
    strained: list[int]

    def distinct(self) -> set[tuple[int, bytes, int, int, int]]:
        """List the fragments without those that occur again in the same parent.

        Returns
        -------
        set of (parent, key, mesomeric, guarded, strained)
            What tells fragments apart.
        """
        return set(zip(self.parent.tolist(), self.keys, self.mesomeric, self.guarded, self.strained, strict=True))


def accepted(key: bytes, mesomeric: int, guarded: int, strained: int) -> tuple[Candidate, ...]:
    """List the molecules of a fragment that suit its parent.

    Parameters
    ----------
    key
        The fragment.
    mesomeric
        Bit mask of the positions that are mesomeric in the parent.
    guarded
        Bit mask of the positions that must keep their strain.
    strained
        Bit mask of the positions that are strained in the parent.

    Returns
    -------
    tuple of Candidate
        One for each Kekulé structure in which no mesomeric atom of the parent sits beside a conjugated
        five-membered ring and no guarded atom loses or gains strain.
    """
    found = candidates(key)
    if not (mesomeric or guarded):
        return found
    chosen = []
    for candidate in found:
        beside_five_ring, strained_here = ring_masks(key, candidate)
        if not (beside_five_ring & mesomeric) and not ((strained_here ^ strained) & guarded):
            chosen.append(candidate)
    return tuple(chosen)


def fragments(graphs: list[HeavyGraph], max_heavy: int, rules: Rules) -> Fragments:
    """Enumerate the fragments of molecules.

    Parameters
    ----------
    graphs
        At least one molecule.
    max_heavy
        Largest number of atoms of a fragment.
    rules
        The rules.

    Returns
    -------
    Fragments
        Of all molecules, in their order.
    """
    graph = HeavyGraph.stack(graphs)
    p, n = graph.z.shape
    cyclic = any(np.count_nonzero(g.order) >= 2 * len(g.z) for g in graphs)
    subgraphs = connected_subgraphs(graph, max(max_heavy, MAX_RING) if cyclic else max_heavy)
    ring = rings(subgraphs, graph) if cyclic else None
    subgraphs = subgraphs[subgraphs.size <= max_heavy]
    subgraphs = subgraphs[_whole_and_even(graph, subgraphs)]
    subgraphs = subgraphs[np.argsort(subgraphs.parent, kind="stable")]
    atoms = subgraphs.atoms[:, :max_heavy]  # (f, k)
    orders = graph.kept_order[subgraphs.parent[:, None, None], atoms[:, :, None], atoms[:, None, :]]  # (f, k, k)
    passed = _pairable(graph, subgraphs, orders)
    if rules == "molaug":
        passed &= _units_whole(graphs, graph, subgraphs)
    guarded = np.zeros_like(subgraphs.members)
    strained = mesomeric = np.zeros((p, n), dtype=bool)
    if ring is not None and len(ring.parent):
        cut_short, guarded = _ring_shares(ring, subgraphs)
        passed &= ~cut_short
        strained = ring.atoms_in(ring.strained, p)
        mesomeric = _mesomeric(graph, ring)
    parent, atoms, orders = subgraphs.parent[passed], atoms[passed], orders[passed]
    keys, positions = encode(atom_labels(graph)[parent[:, None], atoms], orders.astype(np.uint64))
    atoms = np.take_along_axis(atoms, positions, axis=1)
    bit = 1 << np.arange(max_heavy)
    return Fragments(
        parent=parent,
        keys=keys,
        atoms=atoms,
        mesomeric=(mesomeric[parent[:, None], atoms] @ bit).tolist(),
        guarded=(np.take_along_axis(guarded[passed], atoms, axis=1) @ bit).tolist(),
        strained=(strained[parent[:, None], atoms] @ bit).tolist(),
    )


def _whole_and_even(graph: HeavyGraph, subgraphs: Subgraphs) -> BoolArray:
    """Apply the rules on charge, electrons, carbonyl groups, P, S and single atoms. (f,)."""
    parent = subgraphs.parent[:, None]
    members, atoms = subgraphs.members, subgraphs.atoms
    degree = np.take_along_axis(subgraphs.neighbours, atoms, axis=1)  # (f, k)
    # Cut bonds become bonds to hydrogen: electrons are those of the heavy atoms and one per hydrogen.
    electrons: IntArray = (graph.z + graph.coordination)[parent, atoms].sum(axis=1) - degree.sum(axis=1)
    passed: BoolArray = electrons % 2 == 0
    if graph.charge.any():
        passed &= graph.charge[parent, atoms].sum(axis=1) == 0
    partner = np.where(graph.carbonyl.any(axis=2), graph.carbonyl.argmax(axis=2), np.arange(graph.z.shape[1]))
    passed &= (np.take_along_axis(members, partner[subgraphs.parent], axis=1) | ~members).all(axis=1)
    passed &= (subgraphs.size > 1) | ~_HALOGEN[graph.z[subgraphs.parent, atoms[:, 0]]]
    if (central := _LOSES_AT_MOST_TWO[graph.z]).any():
        lost = np.count_nonzero(graph.order, axis=2)[parent, atoms] - degree
        passed &= (subgraphs.size == 1) | ~(central[parent, atoms] & (lost >= 3)).any(axis=1)
    return passed


def _pairable(graph: HeavyGraph, subgraphs: Subgraphs, orders: npt.NDArray[np.int64]) -> BoolArray:
    """Check that free valences are zero or one, and that each of the latter has a partner in reach. (f,)."""
    atoms = subgraphs.atoms[:, : orders.shape[1]]
    free = graph.free_valence[subgraphs.parent[:, None], atoms]  # (f, k)
    bonded = orders > 0
    left = free - (orders - bonded).sum(axis=2)  # (f, k)
    unpaired = left == 1
    partner = (bonded & unpaired[:, None, :]).any(axis=2)
    # An atom with several free valences must get back all of its multiple bonds.
    passed: BoolArray = (((left == 0) | (unpaired & partner)) & ((free <= 1) | (left == 0))).all(axis=1)
    return passed


def _units_whole(graphs: list[HeavyGraph], graph: HeavyGraph, subgraphs: Subgraphs) -> BoolArray:
    """Check that charge-separated and hypervalent groups are whole or absent. (f,)."""
    passed = np.ones(len(subgraphs.parent), dtype=bool)
    for i in np.flatnonzero((graph.charge != 0).any(axis=1) | graph.hypervalent.any(axis=1)):
        own = slice(*np.searchsorted(subgraphs.parent, [i, i + 1]))
        for unit in graphs[i].units():
            inside = subgraphs.members[own, : len(unit)][:, unit].sum(axis=1)
            passed[own] &= (inside == 0) | (inside == unit.sum())
    return passed


def _ring_shares(ring: Rings, subgraphs: Subgraphs) -> tuple[BoolArray, BoolArray]:
    """Find the fragments that cut a conjugated ring short, (f,), and the atoms that must keep strain, (f, n)."""
    relevant = np.flatnonzero(ring.conjugated | ring.guarded)
    first, end = np.searchsorted(subgraphs.parent, [ring.parent[relevant], ring.parent[relevant] + 1])
    count = end - first
    which = np.repeat(relevant, count)  # ring of each (ring, fragment) pair
    fragment = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - first, count)
    shared = ring.members[which] & subgraphs.members[fragment]  # (pairs, n)
    held = shared.sum(axis=1)
    short = (held > ring.share[which]) & (held < ring.size[which]) & (subgraphs.size[fragment] > 1)
    cut_short = np.zeros(len(subgraphs.parent), dtype=bool)
    cut_short[fragment[short & ring.conjugated[which]]] = True
    guarded = np.zeros_like(subgraphs.members)
    lost = short & ring.guarded[which]
    np.logical_or.at(guarded, fragment[lost], shared[lost])
    return cut_short, guarded


def _mesomeric(graph: HeavyGraph, ring: Rings) -> BoolArray:
    """Mark the mesomeric atoms of the parents for which the five-ring rule can matter. (p, n)."""
    mask = np.zeros(graph.z.shape, dtype=bool)
    bonds = graph.adjacency & graph.unpaired[:, :, None] & graph.unpaired[:, None, :]
    # Two ways to place double bonds differ by a ring of at least four bonds.
    enough = np.count_nonzero(bonds, axis=(1, 2)) >= 2 * 4
    for i in np.unique(ring.parent[(ring.size == 5) & enough[ring.parent]]).tolist():
        atoms = np.flatnonzero(graph.unpaired[i]).tolist()
        mask[i, list(mesomeric_atoms({a: set(np.flatnonzero(bonds[i, a]).tolist()) for a in atoms}))] = True
    return mask

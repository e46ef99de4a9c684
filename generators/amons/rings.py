"""Connected subgraphs, the rings among them, and which rings are conjugated or strained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from molaug.generators.amons.heavy_graph import BoolArray, HeavyGraph, IntArray

MAX_RING = 7
#: Most atoms of a conjugated (or other) ring that a fragment may hold, unless it holds all, by ring size.
_SHARE_CONJUGATED = np.array([0, 0, 0, 1, 1, 4, 4, 4])
_SHARE_OTHER = np.array([0, 0, 0, 1, 2, 3, 3, 3])


@dataclass(frozen=True, kw_only=True, eq=False)
class Subgraphs:
    """Connected induced subgraphs of one or more graphs.

    Attributes
    ----------
    parent : IntArray
        Graph that each was found in. (f,)
    members : BoolArray
        Whether an atom belongs to it. (f, n)
    neighbours : IntArray
        Number of members bonded to each atom. (f, n)
    atoms : IntArray
        The members by index; n - 1, the atom that is none, where it has fewer. (f, k)
    size : IntArray
        Number of members. (f,)
    """

    parent: IntArray
    members: BoolArray
    neighbours: IntArray
    atoms: IntArray
    size: IntArray

    def __getitem__(self, rows: BoolArray | IntArray) -> Subgraphs:
        return Subgraphs(
            parent=self.parent[rows],
            members=self.members[rows],
            neighbours=self.neighbours[rows],
            atoms=self.atoms[rows],
            size=self.size[rows],
        )


def connected_subgraphs(graph: HeavyGraph, max_size: int) -> Subgraphs:
    """Enumerate the connected induced subgraphs, each exactly once.

    A subgraph grows by one neighbour at a time; a neighbour that was passed over stays forbidden for what grows
    from there, so that no subgraph is met twice.

    Parameters
    ----------
    graph
        Stacked molecules. (p, n)
    max_size
        Most atoms of a subgraph.

    Returns
    -------
    Subgraphs
        Smaller ones first.
    """
    adjacency = graph.adjacency
    n = graph.z.shape[1]
    column = np.arange(n)
    parent, root = np.nonzero(graph.z)
    atoms = root[:, None]  # (f, size)
    members = column == atoms  # (f, n)
    forbidden = column <= atoms  # (f, n)
    neighbours = adjacency[parent, root].astype(np.int8)  # (f, n)
    levels = [(parent, members, neighbours, atoms)]
    for _ in range(max_size - 1):
        border = (neighbours > 0) & ~forbidden
        row, added = np.nonzero(border)
        if not len(row):
            break
        parent = parent[row]
        members = members[row]
        members[np.arange(len(row)), added] = True
        # a border atom passed over, or just added, is not offered again
        forbidden = forbidden[row] | (border[row] & (column <= added[:, None]))
        neighbours = neighbours[row] + adjacency[parent, added]
        atoms = np.concatenate([atoms[row], added[:, None]], axis=1)
        levels.append((parent, members, neighbours, atoms))
    size = np.repeat(np.arange(1, len(levels) + 1), [len(level[0]) for level in levels])
    padded = np.full((len(size), max_size), n - 1)
    for k, (*_, atoms) in enumerate(levels, start=1):
        padded[size == k, :k] = atoms
    return Subgraphs(
        parent=np.concatenate([level[0] for level in levels]),
        members=np.concatenate([level[1] for level in levels]),
        neighbours=np.concatenate([level[2] for level in levels]),
        atoms=padded,
        size=size,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Rings:
    """Rings without a chord, of 3 to 7 atoms.

    Attributes
    ----------
    parent : IntArray
        Graph of each ring. (r,)
    members : BoolArray
        Its atoms. (r, n)
    size : IntArray
        Their number. (r,)
    conjugated : BoolArray
        Whether all of them are sp or sp2: such a ring is not cut short by one or two atoms. (r,)
    strained : BoolArray
        Whether it is strained. (r,)
    guarded : BoolArray
        Whether its atoms may not lose their strain: it is strained and not conjugated all round. (r,)
    """

    parent: IntArray
    members: BoolArray
    size: IntArray
    conjugated: BoolArray
    strained: BoolArray
    guarded: BoolArray

    @property
    def share(self) -> IntArray:
        """Most atoms of a ring that an incomplete copy may hold. (r,)."""
        return np.where(self.conjugated, _SHARE_CONJUGATED[self.size], _SHARE_OTHER[self.size])

    def atoms_in(self, kind: BoolArray, p: int) -> BoolArray:
        """Mark the atoms that belong to a ring of some kind.

        Parameters
        ----------
        kind
            Which rings. (r,)
        p
            Number of graphs.

        Returns
        -------
        BoolArray
            Whether an atom belongs to one. (p, n)
        """
        mask = np.zeros((p, self.members.shape[1]), dtype=bool)
        np.logical_or.at(mask, self.parent[kind], self.members[kind])
        return mask


def rings(subgraphs: Subgraphs, graph: HeavyGraph) -> Rings:
    """Pick the rings out of the connected subgraphs and classify them.

    A connected induced subgraph in which every atom has two neighbours is a ring without a chord.
    Rings of 3 or 4 atoms are strained, and so are wholly conjugated ones of 5 or 7, except where all their atoms
    belong to smaller rings.

    Parameters
    ----------
    subgraphs
        All of at least 7 atoms or fewer.
    graph
        Stacked molecules that they were found in.

    Returns
    -------
    Rings
        The rings.
    """
    size = subgraphs.size
    found = np.flatnonzero((size >= 3) & (size <= MAX_RING))
    found = found[((subgraphs.neighbours[found] == 2) | ~subgraphs.members[found]).all(axis=1)]
    parent, members, size = subgraphs.parent[found], subgraphs.members[found], size[found]
    conjugation = graph.conjugation[parent]
    all_flat = ((conjugation == 1) | ~members).all(axis=1)
    all_conjugated = ((conjugation > 0) | ~members).all(axis=1)
    smaller = (parent[:, None] == parent) & (size[:, None] > size)  # (r, r)
    covered = smaller.astype(np.float32) @ members.astype(np.float32) > 0  # (r, n)
    small = (size == 3) | (size == 4) | (((size == 5) | (size == 7)) & all_conjugated)
    strained = small & (members & ~covered).any(axis=1)
    return Rings(
        parent=parent,
        members=members,
        size=size,
        conjugated=all_flat,
        strained=strained,
        guarded=strained & ~all_conjugated,
    )


def perfect_matchings(neighbours: dict[int, set[int]]) -> Iterator[list[tuple[int, int]]]:
    """Enumerate the ways to pair all vertices along edges.

    Parameters
    ----------
    neighbours
        Adjacent vertices of each vertex.

    Yields
    ------
    list of pairs
        One perfect matching. Every matching comes exactly once.
    """
    if not neighbours:
        yield []
        return
    # The vertex with fewest choices first: forced pairs are found without search.
    first = min(neighbours, key=lambda v: (len(neighbours[v]), v))
    for second in sorted(neighbours[first]):
        left = {v: n - {first, second} for v, n in neighbours.items() if v not in (first, second)}
        for rest in perfect_matchings(left):
            yield [(min(first, second), max(first, second)), *rest]


def mesomeric_atoms(neighbours: dict[int, set[int]]) -> set[int]:
    """Find the atoms whose double bond moves between Kekulé structures.

    Parameters
    ----------
    neighbours
        Graph of the atoms that have one double bond to place.

    Returns
    -------
    set of int
        Atoms with two or more possible partners.
    """
    core = {v: set(n) for v, n in neighbours.items()}
    while ends := [v for v, n in core.items() if len(n) == 1]:  # an end has one partner: no choice
        for v in ends:
            if core.get(v):
                for gone in (v, *core[v]):
                    for other in core.pop(gone):
                        if other in core:
                            core[other].discard(gone)
    choices = dict.fromkeys(core, 0)
    for v, n in core.items():
        for w in n:
            left = {u: m - {v, w} for u, m in core.items() if u not in (v, w)}
            choices[v] += next(perfect_matchings(left), None) is not None
    return {v for v, count in choices.items() if count > 1}

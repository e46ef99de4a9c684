"""From a labelled fragment graph to the closed-shell molecules that it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from molaug.generators.amons.heavy_graph import HeavyGraph, IntArray
from molaug.generators.amons.rings import connected_subgraphs, perfect_matchings, rings

#: Distinct fragment graphs remembered by a process; QM9 has about forty thousand up to seven atoms.
CACHE_SIZE = 2**17

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One Kekulé structure of a fragment.

    Attributes
    ----------
    smiles : str
        Canonical SMILES without stereochemistry.
    heavy : int
        Number of heavy atoms.
    bonds : tuple of (int, int, int)
        Two positions in the fragment and the bond order, for each bond.
    """

    smiles: str
    heavy: int
    bonds: tuple[tuple[int, int, int], ...]


def atom_labels(graph: HeavyGraph) -> npt.NDArray[np.uint64]:
    """Pack what identifies an atom into one integer below 2**19.

    Parameters
    ----------
    graph
        A molecule.

    Returns
    -------
    array of uint64
        Element, formal charge, coordination number and valence of each atom, exactly; zero for the atom that is
        none. (..., n)
    """
    label = graph.z | (graph.charge + 8) << 7 | graph.coordination << 11 | graph.valence << 15
    return np.where(graph.z > 0, label, 0).astype(np.uint64)


def encode(labels: npt.NDArray[np.uint64], orders: npt.NDArray[np.uint64]) -> tuple[list[bytes], npt.NDArray[np.int64]]:
    """Write fragments as byte strings, with their atoms in a nearly canonical order.

    The order comes from three rounds of neighbourhood refinement (as in the Morgan and Weisfeiler-Lehman
    algorithms); ties are left as they are. Equal bytes thus mean equal fragments, always, and equal fragments
    have equal bytes nearly always.

    Parameters
    ----------
    labels
        Labels of the atoms, zero where a fragment has fewer. (f, k)
    orders
        Bond orders to copy, zero where there is no bond. (f, k, k)

    Returns
    -------
    keys : list of bytes
        One per fragment.
    positions : IntArray
        For each position of the written fragment the atom that went there. (f, k)
    """
    f, k = labels.shape
    absent = labels == 0
    invariant = labels * _MULTIPLIER  # (f, k)
    for _ in range(3):
        message = invariant ^ (invariant >> np.uint64(29))
        invariant = (invariant + (orders @ message[:, :, None])[:, :, 0]) * _MULTIPLIER
    invariant >>= np.uint64(1)
    invariant[absent] = np.iinfo(np.uint64).max
    positions = np.argsort(invariant, axis=1, kind="stable")  # (f, k)
    row = np.arange(f)[:, None]
    sorted_labels = labels[row, positions].astype("<u4")  # (f, k)
    upper, lower = _upper(k)
    sorted_orders = orders[row, positions[:, upper], positions[:, lower]].astype(np.uint8)  # (f, k (k - 1) / 2)
    rows = np.concatenate([sorted_labels.view(np.uint8), sorted_orders], axis=1)
    width = rows.shape[1]
    data = rows.tobytes()
    return [data[i : i + width] for i in range(0, f * width, width)], positions


@lru_cache(maxsize=CACHE_SIZE)
def candidates(key: bytes) -> tuple[Candidate, ...]:
    """Find the molecules of a fragment: every pairing of its free valences to double bonds.

    Results are remembered, as the same few thousand fragments make up a whole database.

    Parameters
    ----------
    key
        A fragment as written by `encode`; it holds the fragment exactly, so that nothing is confused.

    Returns
    -------
    tuple of Candidate
        Empty if the fragment is no closed-shell molecule.
    """
    z, charge, hydrogens, valence, kept = _decode(key)
    free = np.flatnonzero(valence - hydrogens - kept.sum(axis=1) == 1).tolist()
    fixed = [(i, j, order) for i, row in enumerate(kept.tolist()) for j, order in enumerate(row) if j > i and order]
    found = []
    for pairs in perfect_matchings({i: {j for j in free if kept[i, j]} for i in free}):
        bonds = tuple((i, j, order + ((i, j) in pairs)) for i, j, order in fixed)
        mol = build(z, charge, hydrogens, bonds)
        if mol is not None:
            smiles = Chem.MolToSmiles(mol, isomericSmiles=False)
            found.append(Candidate(smiles=smiles, heavy=len(z), bonds=bonds))
    return tuple(found)


@lru_cache(maxsize=CACHE_SIZE)
def ring_masks(key: bytes, candidate: Candidate) -> tuple[int, int]:
    """Describe the rings of a candidate, as far as the parent may object to them.

    Parameters
    ----------
    key
        A fragment.
    candidate
        One of its `candidates`.

    Returns
    -------
    beside_five_ring : int
        Bit mask of the positions bonded to, but not in, the conjugated part of a five-membered ring.
    strained : int
        Bit mask of the positions in a strained ring.

    Raises
    ------
    ValueError
        If the candidate does not belong to the fragment.
    """
    n = candidate.heavy
    if len(candidate.bonds) < n:  # no ring
        return 0, 0
    z, charge, hydrogens, _, _ = _decode(key)
    mol = build(z, charge, hydrogens, candidate.bonds)
    if mol is None:
        raise ValueError(f"{candidate.smiles!r} is no candidate of this fragment")
    graph = HeavyGraph.stack([HeavyGraph.from_mol(mol)])
    ring = rings(connected_subgraphs(graph, n), graph)
    conjugation = graph.conjugation[0]
    five = ring.atoms_in(ring.size == 5, 1)[0] & ((conjugation == 1) | (conjugation == 2))
    beside = graph.adjacency[0, five].any(axis=0) & ~five
    bit = 1 << np.arange(n + 1)
    return int(bit[beside].sum()), int(bit[ring.atoms_in(ring.strained, 1)[0]].sum())


@lru_cache
def _upper(k: int) -> tuple[IntArray, IntArray]:
    upper, lower = np.triu_indices(k, 1)
    return upper, lower


def _decode(key: bytes) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    # k labels of four bytes and k (k - 1) / 2 bond orders of one byte
    k = round((np.sqrt(49 + 8 * len(key)) - 7) / 2)
    label = np.frombuffer(key[: 4 * k], dtype="<u4").astype(np.int64)
    n = int(np.count_nonzero(label))
    label = label[:n]
    kept = np.zeros((k, k), dtype=np.int64)
    kept[_upper(k)] = np.frombuffer(key[4 * k :], dtype=np.uint8)
    kept = (kept + kept.T)[:n, :n]
    hydrogens = ((label >> 11) & 15) - np.count_nonzero(kept, axis=1)
    return label & 127, ((label >> 7) & 15) - 8, hydrogens, label >> 15, kept


def build(z: IntArray, charge: IntArray, hydrogens: IntArray, bonds: Iterable[tuple[int, int, int]]) -> Chem.Mol | None:
    """Make an RDKit molecule of a Kekulé graph.

    Parameters
    ----------
    z
        Atomic number of each heavy atom. (n,)
    charge
        Its formal charge. (n,)
    hydrogens
        Its number of hydrogens. (n,)
    bonds
        Two atoms and the bond order.

    Returns
    -------
    rdkit.Chem.Mol or None
        Sanitised molecule, or None if RDKit refuses its valences or finds a radical.
    """
    editable = Chem.RWMol()
    for element, q, h in zip(z.tolist(), charge.tolist(), hydrogens.tolist(), strict=True):
        atom = Chem.Atom(element)
        atom.SetFormalCharge(q)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(h)
        editable.AddAtom(atom)
    for i, j, bond in bonds:
        editable.AddBond(i, j, Chem.BondType.values[bond])
    mol = editable.GetMol()
    if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return None
    if any(mol.GetAtomWithIdx(i).GetNumRadicalElectrons() for i in range(len(z))):
        return None
    return mol

"""Whether a geometry of a molecule is one that is known: exact RMSD behind an exact pre-screen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs
from scipy.sparse.csgraph import shortest_path

from molaug.structures.chemistry import bonds
from molaug.structures.superposition import kabsch_rmsd

#: Mappings of equivalent atoms that are tried at most; beyond it the RMSD is an upper bound.
MAX_MAPPINGS = 10_000

#: Molecules with at most this many heavy atoms have no shape without their hydrogens.
_SMALL = 2

#: Superpositions computed at once: bounds the memory, and the work done beyond the first geometry that is the same.
_TOGETHER = 512

#: Rounding of float64 distances, in Å.
_EPSILON = 1e-9


def sorted_distances(numbers: NDArray[np.integer], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all interatomic distances, sorted within each pair of elements.

    They do not change under rotation, reflection, translation or permutation of atoms.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (..., n_atoms, 3).

    Returns
    -------
    NDArray[np.float64]
        Shape (..., n_atoms * (n_atoms - 1) / 2), in Å.

    Examples
    --------
    >>> sorted_distances(np.array([8, 1, 8]), np.array([[0.0, 0, 0], [3, 0, 0], [3, 4, 0]])).tolist()
    [3.0, 4.0, 5.0]
    """
    i, j, kind = _pairs(np.asarray(numbers, dtype=np.uint8).tobytes())
    difference = positions[..., i, :] - positions[..., j, :]  # (..., n_pairs, 3)
    distance = np.sqrt(np.einsum("...k,...k->...", difference, difference))  # (..., n_pairs)
    return np.take_along_axis(distance, np.lexsort((distance, np.broadcast_to(kind, distance.shape))), axis=-1)


@lru_cache(maxsize=1024)
def _pairs(numbers: bytes) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int64]]:
    """Return the pairs of atoms and what the elements of each are."""
    z = np.frombuffer(numbers, dtype=np.uint8).astype(np.int64)
    i, j = np.triu_indices(len(z), 1)
    return i, j, np.minimum(z[i], z[j]) * 256 + np.maximum(z[i], z[j])


def least_rmsd(first: NDArray[np.float64], second: NDArray[np.float64], n_atoms: int) -> NDArray[np.float64]:
    """Return a lower bound of the RMSD of two geometries from their sorted distances.

    Let eᵢ = xᵢ - R y_π(i) be what is left of the best superposition, both centred, so that Σeᵢ = 0 and
    Σ|eᵢ|² = n RMSD². Every distance differs by |‖xᵢ - xⱼ‖ - ‖y_π(i) - y_π(j)‖| ≤ |eᵢ - eⱼ|, and
    Σᵢ<ⱼ|eᵢ - eⱼ|² = n Σ|eᵢ|² - |Σeᵢ|² = n² RMSD². A mapping keeps elements, and of all ways to pair the distances of
    two elements the sorted one has the least sum of squares, so the n(n-1)/2 sorted distances differ by
    Σ(d - d')² ≤ n² RMSD², or RMS(d - d') ≤ RMSD √(2n/(n-1)) ≤ 2 RMSD.

    Parameters
    ----------
    first
        From :func:`sorted_distances`, shape (..., n_pairs).
    second
        Of the same molecule, shape (..., n_pairs).
    n_atoms
        Atoms that the distances are of.

    Returns
    -------
    NDArray[np.float64]
        In Å, shape (...).

    Examples
    --------
    >>> float(least_rmsd(np.array([1.0]), np.array([1.2]), 2).round(3))
    0.1
    """
    bound: NDArray[np.float64] = np.sqrt(((first - second) ** 2).sum(axis=-1)) / max(1, n_atoms)
    return bound


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Skeleton:
    """The atoms of a geometry that are compared, centred, and what each of them is.

    ``labels`` tell atoms apart that no mapping may exchange: element and number of hydrogens; ``edges`` are the
    bonds among the atoms compared.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    labels: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]


def skeleton(numbers: NDArray[np.integer], positions: NDArray[np.float64], *, hydrogens: bool = False) -> Skeleton:
    """Return what is compared of a geometry.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    hydrogens
        Compare them too; they always are where there are at most two heavy atoms.

    Returns
    -------
    Skeleton
        Its heavy atoms in the order given, or all atoms.
    """
    z = np.asarray(numbers, dtype=np.int64)
    bonded = bonds(z, positions)
    chosen = np.arange(len(z)) if _with_hydrogens(z, hydrogens) else np.flatnonzero(z > 1)
    place = np.full(len(z), -1)
    place[chosen] = np.arange(len(chosen))
    attached = np.zeros(len(z), dtype=np.int64)
    for a, b in ((0, 1), (1, 0)):
        np.add.at(attached, bonded[:, a], z[bonded[:, b]] == 1)
    edges = place[bonded]
    x = np.asarray(positions, dtype=np.float64)[chosen]
    return Skeleton(
        numbers=z[chosen],
        positions=x - x.mean(axis=0) if len(x) else x,
        labels=tuple((z[chosen] * 16 + attached[chosen]).tolist()),
        edges=tuple(map(tuple, edges[(edges >= 0).all(axis=1)].tolist())),
    )


def _with_hydrogens(numbers: NDArray[np.integer], wanted: bool) -> bool:
    return wanted or bool((numbers > 1).sum() <= _SMALL)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """A geometry as it is compared: what that takes is computed when first asked for, and once.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    hydrogens
        Compare hydrogens too.
    """

    numbers: NDArray[np.integer]
    positions: NDArray[np.float64]
    hydrogens: bool = False

    @cached_property
    def skeleton(self) -> Skeleton:
        """The atoms that are compared and their bonds."""
        return skeleton(self.numbers, self.positions, hydrogens=self.hydrogens)

    @cached_property
    def compared(self) -> NDArray[np.int64]:
        """Atomic numbers of the atoms that are compared, shape (n_compared,)."""
        z = np.asarray(self.numbers, dtype=np.int64)
        return z if _with_hydrogens(z, self.hydrogens) else z[z > 1]

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Sorted distances of the atoms that are compared, in Å."""
        z = np.asarray(self.numbers)
        x = self.positions if _with_hydrogens(z, self.hydrogens) else self.positions[z > 1]
        return sorted_distances(self.compared, x)


@dataclass(frozen=True, kw_only=True, slots=True)
class Nearest:
    """The geometry found: its number, and the RMSD to it in Å (exact at or below the threshold, else a lower bound)."""

    index: int
    rmsd: float


class Conformers:
    """All known geometries of one molecule, held as arrays in one order of atoms.

    Parameters
    ----------
    threshold
        RMSD in Å at or below which two geometries are the same.
    exact
        Decide by RMSD; otherwise by the lower bound from sorted distances alone.
    mirror
        Count mirror images as the same geometry.
    hydrogens
        Compare hydrogens too.
    """

    def __init__(self, *, threshold: float, exact: bool = True, mirror: bool = False, hydrogens: bool = False) -> None:
        self._threshold = threshold
        self._exact = exact
        self._mirror = mirror
        self._hydrogens = hydrogens
        self._shapes: list[Shape] = []
        self._distances = np.zeros((0, 0))  # with room to grow
        self._measured = 0
        self._aligned: dict[int, NDArray[np.float64] | None] = {}
        self._finer = np.zeros((0, 0))  # with room to grow, NaN where it was not asked for

    def __len__(self) -> int:
        return len(self._shapes)

    def shape(self, numbers: NDArray[np.integer], positions: NDArray[np.float64]) -> Shape:
        """Return a geometry as it is compared here.

        Parameters
        ----------
        numbers
            Atomic numbers, shape (n_atoms,).
        positions
            In Å, shape (n_atoms, 3).

        Returns
        -------
        Shape
            For :meth:`add` and :meth:`nearest`, of any object with the same choice of atoms.
        """
        return Shape(numbers=numbers, positions=positions, hydrogens=self._hydrogens)

    def add(self, shape: Shape) -> None:
        """Take a geometry in.

        Parameters
        ----------
        shape
            Of the molecule.
        """
        self._shapes.append(shape)  # most molecules are never asked for again

    def nearest(self, new: Shape) -> Nearest | None:
        """Return a geometry within the threshold where there is one, else the nearest by the lower bound.

        Parameters
        ----------
        new
            Of the molecule.

        Returns
        -------
        Nearest or None
            None where nothing is known yet.
        """
        if not self._shapes:
            return None
        self._measure()
        rmsd = least_rmsd(self._distances[: self._measured], new.distances, len(new.compared))
        close = np.flatnonzero(rmsd <= self._threshold + _EPSILON)
        aligned = self._in_order(new) if self._exact and len(close) else None
        if aligned is not None:
            # without a mapping (a bond more or less) only the distances can tell
            mapped = [k for k in close.tolist() if self._known(k) is not None]
            rmsd[mapped] = least_rmsd(self._finer_of(mapped), self._finer_distances(aligned), len(aligned))
            mapped = [k for k in mapped if rmsd[k] <= self._threshold + _EPSILON]
            order = sorted(mapped, key=lambda k: rmsd[k])
            step = max(1, _TOGETHER // len(self._mappings))
            for group in (order[start : start + step] for start in range(0, len(order), step)):
                known = np.stack([x for k in group if (x := self._known(k)) is not None])  # (n_known, n_atoms, 3)
                rmsd[group] = self._rmsd(aligned, known)
                same = [k for k in group if rmsd[k] <= self._threshold]
                if same:
                    return Nearest(index=same[0], rmsd=float(rmsd[same[0]]))
        best = int(rmsd.argmin())
        return Nearest(index=best, rmsd=float(rmsd[best]))

    @cached_property
    def _mappings(self) -> NDArray[np.intp]:
        """The symmetries of the molecule, shape (n_mappings, n_atoms)."""
        template = self._shapes[0].skeleton
        return mappings(template, template)

    @cached_property
    def _pair_classes(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int64]]:
        """Pairs of atoms, and for each a number that no symmetry changes: what they are, and bonds between them."""
        template = self._shapes[0].skeleton
        n = len(template.numbers)
        first = np.arange(n)
        while True:  # the first of the atoms that each can be exchanged with
            least = np.minimum(first, first[self._mappings].min(axis=0))
            if np.array_equal(least, first):
                break
            first = least
        bonded = np.zeros((n, n))
        if template.edges:
            a, b = np.array(template.edges).T
            bonded[a, b] = 1
        between = np.nan_to_num(shortest_path(bonded, directed=False, unweighted=True), posinf=n)  # (n, n)
        i, j = np.triu_indices(n, 1)
        low, high = np.minimum(first[i], first[j]), np.maximum(first[i], first[j])
        return i, j, (low * n + high) * (n + 1) + between[i, j].astype(np.int64)

    def _finer_distances(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all distances, sorted within each class of pairs: they tell more apart than those by elements do."""
        i, j, kind = self._pair_classes
        distance = np.linalg.norm(x[i] - x[j], axis=1)  # (n_pairs,)
        ordered: NDArray[np.float64] = distance[np.lexsort((distance, kind))]
        return ordered

    def _finer_of(self, chosen: list[int]) -> NDArray[np.float64]:
        """Return them for known geometries that can be mapped, shape (n, n_pairs)."""
        if len(self._finer) < len(self._shapes):
            width = len(self._pair_classes[0])
            room = np.full((2 * len(self._shapes), width), np.nan)
            room[: len(self._finer)] = self._finer.reshape(len(self._finer), width)
            self._finer = room
        for k in chosen:
            known = self._known(k)
            if known is not None and (not self._finer.shape[1] or np.isnan(self._finer[k, 0])):
                self._finer[k] = self._finer_distances(known)
        return self._finer[chosen]

    def _measure(self) -> None:
        """Take the distances of what was added since the last look."""
        new = self._shapes[self._measured :]
        if not new:
            return
        width = len(new[0].distances)
        if len(self._shapes) > len(self._distances):
            room = np.empty((max(4, 2 * len(self._shapes)), width))
            room[: self._measured] = self._distances[: self._measured].reshape(self._measured, width)
            self._distances = room
        for k, shape in enumerate(new, self._measured):
            self._distances[k] = shape.distances
        self._measured = len(self._shapes)

    def _known(self, k: int) -> NDArray[np.float64] | None:
        if k not in self._aligned:
            self._aligned[k] = self._in_order(self._shapes[k])
        return self._aligned[k]

    def _rmsd(self, x: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the RMSD of one geometry to each of some, over all mappings."""
        every = kabsch_rmsd(x[self._mappings][None], known[:, None], mirror=self._mirror)  # (n_known, n_mappings)
        least: NDArray[np.float64] = every.min(axis=1)
        return least

    def _in_order(self, shape: Shape) -> NDArray[np.float64] | None:
        """Return positions in the order of the first geometry, None where the bonds are others."""
        template, new = self._shapes[0].skeleton, shape.skeleton
        if template.labels == new.labels and template.edges == new.edges:
            return new.positions
        found = mappings(template, new, most=1)
        if len(found):
            aligned: NDArray[np.float64] = new.positions[found[0]]
            return aligned
        # a stretched bond: rows made from one parent share its order of atoms
        return new.positions if np.array_equal(template.numbers, new.numbers) else None


def mappings(template: Skeleton, other: Skeleton, *, most: int = MAX_MAPPINGS) -> NDArray[np.intp]:
    """Return the ways to lay a skeleton over another one, bond on bond.

    Parameters
    ----------
    template
        Gives the order of atoms.
    other
        The other skeleton; the same one for the symmetries of a molecule.
    most
        Stop after so many.

    Returns
    -------
    NDArray[np.intp]
        Atom k of the template is atom ``[:, k]`` of the other; shape (n_mappings, n_atoms), empty where the graphs
        differ. The search is exhaustive below ``most``.
    """
    n = len(template.labels)
    if sorted(template.labels) != sorted(other.labels) or len(template.edges) != len(other.edges):
        return np.zeros((0, n), dtype=np.intp)
    with BlockLogs():
        found = _graph(other.labels, other.edges).GetSubstructMatches(
            _graph(template.labels, template.edges), uniquify=False, maxMatches=most
        )
    return np.array(found, dtype=np.intp).reshape(-1, n)


@lru_cache(maxsize=4096)
def _graph(labels: tuple[int, ...], edges: tuple[tuple[int, int], ...]) -> Chem.Mol:
    mol = Chem.RWMol()
    for label in labels:
        # the isotope carries the number of hydrogens: a query atom matches equal element and isotope only
        atom = Chem.Atom(label // 16)
        atom.SetIsotope(label % 16 + 1)
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for i, j in edges:
        mol.AddBond(i, j, Chem.BondType.SINGLE)
    return mol.GetMol()

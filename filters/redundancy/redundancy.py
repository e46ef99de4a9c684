"""The filter of what is known already: by molecule, by geometry, by descriptor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from molaug.filters.distances import finite
from molaug.filters.filter import Verdicts
from molaug.filters.redundancy.descriptor import Descriptor, Neighbours, Search, describe
from molaug.filters.redundancy.geometry import Conformers
from molaug.filters.redundancy.identity import Ledger, identities
from molaug.filters.redundancy.index import MoleculeIndex, load_index
from molaug.filters.redundancy.keys import Kind
from molaug.filters.redundancy.review import CHUNK, Review
from molaug.filters.redundancy.shapes import Place, Shapes, place_of
from molaug.structures import Structures

_KINDS: dict[tuple[str, bool], Kind] = {
    ("smiles", False): "flat",
    ("smiles", True): "isomeric",
    ("inchikey", False): "skeleton",
    ("inchikey", True): "inchikey",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Redundancy:
    """Rejects molecules and geometries that are known.

    A molecule that is in the base or in a reference index is known, unless the row was made as another geometry of that
    very molecule: its ``parent`` is a row of the base, or an accepted one, and the same molecule. Then, and for
    molecules that are new, the geometry decides against all known geometries of the molecule. The first of equal rows
    in a batch wins. Bare graphs are compared by molecule alone: a second one is redundant. Rows without a SMILES are
    perceived; where that fails they are compared by geometry with other such rows of the same formula.

    A row that was displaced from equilibrium on purpose (column ``displaced``) is never a known molecule: its geometry
    decides, by the RMSD of all atoms and the tighter threshold ``displaced_rmsd``.

    The score is the RMSD to the nearest known geometry in Å: exact where the row is rejected for it, else at least so
    much. It is 0 for known molecules and NaN where there was nothing to compare with.

    Parameters
    ----------
    molecule_by
        ``smiles`` tells tautomers apart, ``inchikey`` merges most of them.
    stereo
        Tell stereoisomers apart as molecules.
    against
        Names or paths of reference indices, for instance ``("qm9-keys",)``.
    known_molecules
        ``new geometries`` of base molecules may stay, or ``reject`` them.
    rmsd
        Heavy-atom RMSD in Å at or below which two geometries are the same, over all mappings of equivalent atoms.
        Molecules with at most two heavy atoms are compared with their hydrogens.
    displaced_rmsd
        RMSD in Å of all atoms at or below which a displaced geometry is the same as a known one.
    geometry
        ``rmsd`` is exact; ``distances`` takes its lower bound from sorted interatomic distances, which is faster and
        cannot tell mirror images and a few other shapes apart.
    mirror
        Count mirror images as the same geometry.
    hydrogens
        Compare hydrogens in all molecules.
    max_per_molecule
        Most rows of one molecule that may be added; None for no limit.
    descriptor
        Euclidean distance of descriptors (unit vectors: 0 to √2) at or below which a row is redundant, whatever its
        molecule; None to leave it out.
    descriptor_kind
        ``distances`` for geometries, ``morgan`` for graphs.
    search
        ``exact``, or ``faiss`` where it is installed.

    Raises
    ------
    ValueError
        If an option is unknown or a threshold is negative.
    TypeError
        If ``against`` is one text rather than several.

    Examples
    --------
    >>> base = Structures.from_arrays([[8, 1, 1]], None, smiles=["O"])
    >>> rows = Structures.from_arrays([[8, 1, 1], [7, 1, 1, 1], [7, 1, 1, 1]], None, smiles=["O", "N", "N"])
    >>> Redundancy().bound([base]).judge(rows).reason
    ['known molecule (base)', None, 'second occurrence of N']
    """

    molecule_by: Literal["smiles", "inchikey"] = "smiles"
    stereo: bool = False
    against: tuple[str, ...] = ()
    known_molecules: Literal["new geometries", "reject"] = "new geometries"
    rmsd: float = 0.125
    displaced_rmsd: float = 0.02
    geometry: Literal["rmsd", "distances"] = "rmsd"
    mirror: bool = False
    hydrogens: bool = False
    max_per_molecule: int | None = None
    descriptor: float | None = None
    descriptor_kind: Descriptor = "distances"
    search: Search = "exact"

    def __post_init__(self) -> None:
        for title, value, allowed in (
            ("molecule_by", self.molecule_by, ("smiles", "inchikey")),
            ("known_molecules", self.known_molecules, ("new geometries", "reject")),
            ("geometry", self.geometry, ("rmsd", "distances")),
            ("descriptor_kind", self.descriptor_kind, get_args(Descriptor)),
            ("search", self.search, get_args(Search)),
        ):
            if value not in allowed:
                raise ValueError(f"{title} {value!r}; expected {' or '.join(map(repr, allowed))}")
        given: object = self.against
        if isinstance(given, str):
            raise TypeError(f"against {given!r}; expected a sequence of names, such as ({given!r},)")
        for title in ("rmsd", "displaced_rmsd", "descriptor"):
            threshold = getattr(self, title)
            if threshold is not None and not threshold >= 0:
                raise ValueError(f"{title} is {threshold}; expected at least 0")
        if self.max_per_molecule is not None and self.max_per_molecule < 1:
            raise ValueError(f"max_per_molecule {self.max_per_molecule}; expected at least 1, or None")

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "redundancy"

    @property
    def stateless(self) -> bool:
        """Verdicts depend on the base and on the rows accepted before."""
        return False

    @property
    def kind(self) -> Kind:
        """The name that tells molecules apart."""
        return _KINDS[self.molecule_by, self.stereo]

    def bound(self, base: Iterable[Structures]) -> BoundRedundancy:
        """Return the judge for a base, which is read once.

        An index that does not exist, or lacks the names that are compared, is an error here.

        Parameters
        ----------
        base
            Batches. Their geometries are kept in memory, unless ``known_molecules`` is ``reject``.

        Returns
        -------
        BoundRedundancy
            Knows the molecules of the base and of the indices.
        """
        return BoundRedundancy(self, base)


class BoundRedundancy:
    """Judges rows by a :class:`Redundancy` against a base and what was accepted since.

    Parameters
    ----------
    limits
        The configuration.
    base
        Batches, read once.
    """

    def __init__(self, limits: Redundancy, base: Iterable[Structures]) -> None:
        self._limits = limits
        self._references: dict[str, MoleculeIndex] = {name: load_index(name) for name in limits.against}
        for index in self._references.values():
            index.contains(np.zeros(0, dtype=np.uint64), kind=limits.kind)
        self._ledger = Ledger(limits.kind, geometries=limits.known_molecules != "reject")
        self._shapes: dict[Place, Shapes] = {}
        self._neighbours = Neighbours(limits.search)
        self._described: list[str] = []
        for batch in base:
            self._ledger.read(batch)
            self._remember(batch)
        self._ledger.close()

    def judge(self, candidates: Structures) -> Verdicts:
        """Judge a batch; the first of equal rows is kept.

        Parameters
        ----------
        candidates
            Any rows.

        Returns
        -------
        Verdicts
            The score is the distance to the nearest known geometry, see :class:`Redundancy`.
        """
        review = Review(self, candidates)
        for start in range(0, len(candidates), CHUNK):
            review.run(start, min(start + CHUNK, len(candidates)))
        keep = np.array([reason is None for reason in review.reasons], dtype=bool)
        return Verdicts(score=review.score, keep=keep, reason=review.reasons)

    def accept(self, candidates: Structures) -> None:
        """Take rows in.

        Parameters
        ----------
        candidates
            Rows that were kept.
        """
        keys, _ = identities(candidates, self._limits.kind)
        self._ledger.add(candidates, keys)
        self._remember(candidates)
        offsets, numbers, positions = candidates.offsets, candidates.numbers, candidates.positions
        geometry = finite(candidates)
        for row, (key, name) in enumerate(zip(keys.tolist(), candidates.ids, strict=True)):
            atoms = slice(offsets[row], offsets[row + 1])
            for displaced in (False, True):
                known = self._shapes.get(place_of(key, numbers[atoms], displaced))
                if known is not None and geometry[row]:
                    known.add(name, known.conformers.shape(numbers[atoms], positions[atoms]))

    def shapes(self, key: int, numbers: NDArray[np.uint8], displaced: bool) -> Shapes:
        """Return the known geometries of a molecule, gathered when first asked for.

        Parameters
        ----------
        key
            The molecule.
        numbers
            Its atoms in any order.
        displaced
            Whether a displaced geometry is to be compared with them.

        Returns
        -------
        Shapes
            To be looked at; may be empty.
        """
        place = place_of(key, numbers, displaced)
        if place not in self._shapes:
            shapes = self.no_shapes(displaced)
            for name, z, x in self._ledger.geometries(key):
                if place_of(key, z, displaced) == place:
                    shapes.add(name, shapes.conformers.shape(z, x))
            if not shapes.ids:
                return shapes  # nothing worth remembering
            self._shapes[place] = shapes
        return self._shapes[place]

    def no_shapes(self, displaced: bool) -> Shapes:
        """Return a place for geometries of one molecule.

        Parameters
        ----------
        displaced
            Whether a displaced geometry is to be compared with them.

        Returns
        -------
        Shapes
            Empty.
        """
        limits = self._limits
        return Shapes(
            conformers=Conformers(
                threshold=limits.displaced_rmsd if displaced else limits.rmsd,
                exact=limits.geometry == "rmsd",
                mirror=limits.mirror,
                hydrogens=limits.hydrogens or displaced,
            )
        )

    def known(self, keys: NDArray[np.uint64], named: NDArray[np.bool_]) -> list[str | None]:
        """Return where each molecule is known: ``base``, the name of an index, or None.

        Parameters
        ----------
        keys
            Shape (n,).
        named
            Whether the key stands for a molecule, shape (n,).

        Returns
        -------
        list of (str or None)
            One for each.
        """
        where: NDArray[np.object_] = np.full(len(keys), None, dtype=object)
        for name, index in reversed(self._references.items()):
            where[index.contains(keys, kind=self._limits.kind) & named] = name
        where[self._ledger.in_base(keys) & named] = "base"
        found: list[str | None] = where.tolist()
        return found

    @property
    def limits(self) -> Redundancy:
        """The configuration."""
        return self._limits

    @property
    def ledger(self) -> Ledger:
        """The molecules known."""
        return self._ledger

    def nearest(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], list[str | None]]:
        """Return the descriptor distance to the nearest known row, and its id.

        Parameters
        ----------
        vectors
            Shape (n, d).

        Returns
        -------
        distance : NDArray[np.float64]
            Shape (n,), infinite where nothing is known.
        ids : list of (str or None)
            One for each.
        """
        distance, index = self._neighbours.nearest(vectors)
        return distance, [None if k < 0 else self._described[k] for k in index.tolist()]

    def _remember(self, batch: Structures) -> None:
        if self._limits.descriptor is not None:
            vectors, there = describe(batch, self._limits.descriptor_kind)
            self._neighbours.add(vectors[there])
            self._described.extend(name for name, held in zip(batch.ids, there.tolist(), strict=True) if held)

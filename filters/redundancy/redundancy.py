"""The filter of what is known already: by molecule, by geometry, by descriptor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from molaug.filters.distances import finite
from molaug.filters.filter import Verdicts
from molaug.filters.redundancy.descriptor import Descriptor, Neighbours, Search, describe
from molaug.filters.redundancy.geometry import Conformers, Nearest, Shape
from molaug.filters.redundancy.identity import Ledger, identities
from molaug.filters.redundancy.index import MoleculeIndex, load_index
from molaug.filters.redundancy.keys import Kind
from molaug.structures import Structures

_KINDS: dict[tuple[str, bool], Kind] = {
    ("smiles", False): "flat",
    ("smiles", True): "isomeric",
    ("inchikey", False): "skeleton",
    ("inchikey", True): "inchikey",
}

#: Candidates compared with each other at once by descriptor: bounds the memory.
_CHUNK = 1024


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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shapes:
    """Known geometries of one molecule and the rows they are of."""

    conformers: Conformers
    ids: list[str] = field(default_factory=list)

    def add(self, name: str, shape: Shape) -> None:
        self.conformers.add(shape)
        self.ids.append(name)


#: A molecule by its key and its composition: rows whose SMILES belies their atoms are never laid over each other. Then
#: how its geometries are compared: with a displaced one, or not.
_Place = tuple[int, bytes, bool]


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
        self._shapes: dict[_Place, _Shapes] = {}
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
        review = _Review(self, candidates)
        for start in range(0, len(candidates), _CHUNK):
            review.run(start, min(start + _CHUNK, len(candidates)))
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
                known = self._shapes.get(_place(key, numbers[atoms], displaced))
                if known is not None and geometry[row]:
                    known.add(name, known.conformers.shape(numbers[atoms], positions[atoms]))

    def shapes(self, key: int, numbers: NDArray[np.uint8], displaced: bool) -> _Shapes:
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
        _Shapes
            To be looked at; may be empty.
        """
        place = _place(key, numbers, displaced)
        if place not in self._shapes:
            shapes = self.no_shapes(displaced)
            for name, z, x in self._ledger.geometries(key):
                if _place(key, z, displaced) == place:
                    shapes.add(name, shapes.conformers.shape(z, x))
            if not shapes.ids:
                return shapes  # nothing worth remembering
            self._shapes[place] = shapes
        return self._shapes[place]

    def no_shapes(self, displaced: bool) -> _Shapes:
        """Return a place for geometries of one molecule.

        Parameters
        ----------
        displaced
            Whether a displaced geometry is to be compared with them.

        Returns
        -------
        _Shapes
            Empty.
        """
        limits = self._limits
        return _Shapes(
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


class _Review:
    """One pass over a batch: what is kept so far counts as known, but is forgotten afterwards."""

    def __init__(self, judge: BoundRedundancy, batch: Structures) -> None:
        self._judge = judge
        self._batch = batch
        self._limits = judge.limits
        self._keys, self._named = identities(batch, judge.limits.kind)
        self._where = judge.known(self._keys, self._named)
        self._in_base = judge.ledger.in_base(self._keys).tolist()
        self._ids = batch.ids
        self._parents: list[str | None] = batch.column("parent")
        self._parent_keys = judge.ledger.molecules_of(self._parents)
        self._offsets, self._numbers, self._positions = batch.offsets, batch.numbers, batch.positions
        self._geometry = batch.has_geometry.tolist()
        self._broken = (batch.has_geometry & ~finite(batch)).tolist()
        self._smiles = batch.column("smiles")
        extra = batch.column("displaced") if "displaced" in batch.extra_columns else [None] * len(batch)
        self._displaced = [bool(mark) for mark in extra]
        self._shapes: dict[_Place, _Shapes] = {}
        self._kept: dict[int, int] = {}
        self._kept_ids: dict[str, int] = {}
        self._compared: dict[tuple[int, bool], Shape] = {}
        self._kept_shapes: dict[tuple[int, bytes], list[int]] = {}
        self._described = Neighbours(judge.limits.search)
        self._described_ids: list[str] = []
        self.score = np.full(len(batch), np.nan)
        self.reasons: list[str | None] = []

    def run(self, start: int, stop: int) -> None:
        close, vectors, there = self._describe(start, stop)
        taken: list[int] = []  # rows of this chunk that are kept and described
        keys = self._keys[start:stop].tolist()
        for row, key in enumerate(keys, start):
            k = row - start
            reason = "positions are not finite" if self._broken[row] else None
            reason = reason or self._molecule(row, key) or self._shape(row, key)
            if reason is None and close is not None and there[k]:
                reason = close[k] or self._close_to_taken(vectors, k, taken, start)
            self.reasons.append(reason)
            if reason is None:
                self._keep(row, key)
                if close is not None and there[k]:
                    taken.append(k)
        if taken:
            self._described.add(vectors[taken])
            self._described_ids.extend(self._ids[start + k] for k in taken)

    def _molecule(self, row: int, key: int) -> str | None:
        limits, where = self._limits, self._where[row]
        if where is not None:
            parent = self._parent_keys[row]
            if parent is None:
                parent = self._kept_ids.get(self._parents[row] or "")
            relative = self._geometry[row] and (parent == key or self._displaced[row])
            if not relative or limits.known_molecules == "reject":
                self.score[row] = 0.0
                return f"known molecule ({where})"
        count = self._judge.ledger.accepted(key) + self._kept.get(key, 0)
        if not self._geometry[row]:
            if self._named[row] and count:
                self.score[row] = 0.0
                return f"second occurrence of {self._smiles[row]}"
            return None
        if limits.max_per_molecule is not None and self._named[row] and count >= limits.max_per_molecule:
            return f"{count} rows of this molecule were added already; at most {limits.max_per_molecule}"
        return None

    def _shape(self, row: int, key: int) -> str | None:
        if not self._geometry[row]:
            return None
        z, _ = self._atoms(row)
        displaced = self._displaced[row]
        shape = self._shape_of(row, displaced)
        found: tuple[Nearest, str] | None = None
        held = self._in_base[row] or self._judge.ledger.accepted(key)  # most molecules are new: ask no further
        known = self._judge.shapes(key, z, displaced) if held else None
        for shapes in (known, self._own_shapes(key, z, displaced) if key in self._kept else None):
            nearest = None if shapes is None or not shapes.ids else shapes.conformers.nearest(shape)
            if shapes is not None and nearest is not None and (found is None or nearest.rmsd < found[0].rmsd):
                found = nearest, shapes.ids[nearest.index]
        if found is None:
            return None
        self.score[row] = found[0].rmsd
        threshold = self._limits.displaced_rmsd if displaced else self._limits.rmsd
        if found[0].rmsd > threshold:
            return None
        return f"geometry within {found[0].rmsd:.3f} Å RMSD of {found[1]}; known up to {threshold}"

    def _own_shapes(self, key: int, numbers: NDArray[np.uint8], displaced: bool) -> _Shapes:
        """Return the geometries of a molecule that this batch has kept so far."""
        place = _place(key, numbers, displaced)
        if place not in self._shapes:
            self._shapes[place] = self._judge.no_shapes(displaced)
        shapes = self._shapes[place]
        for row in self._kept_shapes.get(place[:2], [])[len(shapes.ids) :]:
            shapes.add(self._ids[row], self._shape_of(row, displaced))
        return shapes

    def _shape_of(self, row: int, displaced: bool) -> Shape:
        """Return a geometry as it is compared, the same object for all comparisons of a row."""
        if (row, displaced) not in self._compared:
            z, x = self._atoms(row)
            self._compared[row, displaced] = self._judge.no_shapes(displaced).conformers.shape(z, x)
        return self._compared[row, displaced]

    def _keep(self, row: int, key: int) -> None:
        self._kept[key] = self._kept.get(key, 0) + 1
        self._kept_ids[self._ids[row]] = key
        if self._geometry[row]:
            z, _ = self._atoms(row)
            self._kept_shapes.setdefault(_place(key, z, False)[:2], []).append(row)

    def _atoms(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        atoms = slice(self._offsets[row], self._offsets[row + 1])
        return self._numbers[atoms], self._positions[atoms]

    def _describe(
        self, start: int, stop: int
    ) -> tuple[list[str | None] | None, NDArray[np.float32], NDArray[np.bool_]]:
        """Return what is too close to rows known before this chunk, None where descriptors are not compared."""
        limit = self._limits.descriptor
        if limit is None:
            return None, np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=bool)
        vectors, there = describe(self._batch.slice(start, stop), self._limits.descriptor_kind)
        distance, ids = self._judge.nearest(vectors)
        own, index = self._described.nearest(vectors)
        close: list[str | None] = []
        for d, name, d_own, k in zip(distance.tolist(), ids, own.tolist(), index.tolist(), strict=True):
            least, of = (d_own, self._described_ids[k]) if d_own < d else (d, name)
            close.append(_close(least, of, limit) if least <= limit else None)
        return close, vectors, there

    def _close_to_taken(self, vectors: NDArray[np.float32], k: int, taken: list[int], start: int) -> str | None:
        limit = self._limits.descriptor
        if limit is None or not taken:
            return None
        distance = np.linalg.norm(vectors[taken].astype(np.float64) - vectors[k], axis=1)
        best = int(distance.argmin())
        return _close(float(distance[best]), self._ids[start + taken[best]], limit) if distance[best] <= limit else None


def _close(distance: float, name: str | None, limit: float) -> str:
    return f"descriptor at {distance:.4f} from that of {name}; known up to {limit}"


def _place(key: int, numbers: NDArray[np.uint8], displaced: bool) -> _Place:
    return key, np.sort(numbers).tobytes(), displaced

"""One batch of candidates judged row by row against what is known, and against the rows kept before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from molaug.filters.distances import finite
from molaug.filters.redundancy.descriptor import Neighbours, describe
from molaug.filters.redundancy.geometry import Nearest, Shape
from molaug.filters.redundancy.identity import identities
from molaug.filters.redundancy.keys import WITHOUT_INCHIKEY, name
from molaug.filters.redundancy.shapes import Place, Shapes, place_of
from molaug.structures import Structures

if TYPE_CHECKING:
    from molaug.filters.redundancy.redundancy import BoundRedundancy

#: Candidates compared with each other at once by descriptor: bounds the memory.
CHUNK = 1024


class Review:
    """One pass over a batch: what is kept so far counts as known, but is forgotten afterwards.

    Its ``score`` has shape (n,), its ``reasons`` grow by a row at a time.

    Parameters
    ----------
    judge
        What is known.
    batch
        The candidates.
    """

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
        self._shapes: dict[Place, Shapes] = {}
        self._kept: dict[int, int] = {}
        self._kept_ids: dict[str, int] = {}
        self._compared: dict[tuple[int, bool], Shape] = {}
        self._kept_shapes: dict[tuple[int, bytes], list[int]] = {}
        self._described = Neighbours(judge.limits.search)
        self._described_ids: list[str] = []
        self.score = np.full(len(batch), np.nan)
        self.reasons: list[str | None] = []

    def run(self, start: int, stop: int) -> None:
        """Judge the next rows.

        Parameters
        ----------
        start
            First row, one past the last of the run before.
        stop
            One past the last.
        """
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
                return f"known molecule ({where}{self._by(row)})"
        count = self._judge.ledger.accepted(key) + self._kept.get(key, 0)
        if not self._geometry[row]:
            if self._named[row] and count:
                self.score[row] = 0.0
                return f"second occurrence of {self._smiles[row]}{self._by(row)}"
            return None
        if limits.max_per_molecule is not None and self._named[row] and count >= limits.max_per_molecule:
            return f"{count} rows of this molecule were added already; at most {limits.max_per_molecule}"
        return None

    def _by(self, row: int) -> str:
        """Say by which name a row was known where it is not the one that is asked for."""
        text = self._smiles[row]
        if self._limits.kind not in ("inchikey", "skeleton") or text is None:
            return ""
        found = name(text, self._limits.kind)
        return "; by SMILES, as it has no InChIKey" if found is None or found.startswith(WITHOUT_INCHIKEY) else ""

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

    def _own_shapes(self, key: int, numbers: NDArray[np.uint8], displaced: bool) -> Shapes:
        """Return the geometries of a molecule that this batch has kept so far."""
        place = place_of(key, numbers, displaced)
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
            self._kept_shapes.setdefault(place_of(key, z, False)[:2], []).append(row)

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
        for d, known, d_own, k in zip(distance.tolist(), ids, own.tolist(), index.tolist(), strict=True):
            least, of = (d_own, self._described_ids[k]) if d_own < d else (d, known)
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

"""Where generated molecules are found: in the parts of a reference, elsewhere among known molecules, or nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from molaug.evaluation.coordinates import ReferenceCoordinates
from molaug.evaluation.distribution import Distribution, distributions
from molaug.evaluation.geometries import Geometries
from molaug.evaluation.protocol import REFERENCE_GEOMETRIES, REFERENCE_SIZE
from molaug.evaluation.samples import smiles_of_file
from molaug.filters import MoleculeIndex
from molaug.filters.redundancy.keys import name as canonical_name
from molaug.structures import Structures
from molaug.structures.chemistry import with_smiles
from molaug.structures.datasets import Dataset, open_dataset
from molaug.structures.datasets.locate import suffix_of
from molaug.structures.split import parts_of_keys, split_keys

#: The parts of a reference that a generator shall not have seen.
HELD_OUT: Final = ("validation", "test")
#: Where a molecule is found, asked in this order; ``elsewhere`` is in the index of known molecules only.
PLACES: Final = ("train", "validation", "test", "elsewhere", "new")

_LISTS = (".smi", ".can", ".smiles", ".txt", ".csv")


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The molecules that a generator is held against, split by :func:`molaug.structures.split.split_of`.

    Parameters
    ----------
    name
        Of the files or datasets.
    keys
        Sorted distinct keys, shape (n_molecules,).
    parts
        ``train``, ``validation`` or ``test`` of each.
    unread
        Entries that are no molecule.
    distributions
        Of the parts ``train`` and ``held-out``, at most :data:`REFERENCE_SIZE` molecules each.
    compared
        How many molecules those are.
    geometries
        Of at most :data:`REFERENCE_GEOMETRIES` held-out molecules, one each, in the order of their keys; none where
        the sources have none.
    """

    name: str
    keys: NDArray[np.uint64]
    parts: NDArray[Any]
    unread: int
    distributions: dict[str, dict[str, Distribution]]
    compared: dict[str, int]
    geometries: Geometries

    @classmethod
    def build(cls, sources: Sequence[str | Path | Dataset], *, name: str | None = None) -> Reference:
        """Read and split a reference.

        Parameters
        ----------
        sources
            Lists of SMILES, known names or paths of datasets; their union is taken.
        name
            What it is called; by default after the sources.

        Returns
        -------
        Reference
            With its distributions.

        Raises
        ------
        FileNotFoundError
            If a source is missing.
        ValueError
            If there is no molecule in them.
        """
        held = _HeldOut()
        found: list[str | None] = []
        for source in sources:
            for texts, rows in _batches(source):
                names = [None if text is None else canonical_name(text) for text in texts]
                found += names
                if rows is not None:
                    held.add(names, rows)
        molecules = [text for text in found if text is not None]
        title = name or " + ".join(one.card.name if isinstance(one, Dataset) else str(one) for one in sources)
        if not molecules:
            raise ValueError(f"the reference {title} holds no molecule that RDKit can read")
        keys, first = np.unique(split_keys(molecules, canonical=True), return_index=True)
        parts = parts_of_keys(keys)
        held_out = np.isin(parts, HELD_OUT)
        chosen = {
            part: first[where][:REFERENCE_SIZE] for part, where in (("train", ~held_out), ("held-out", held_out))
        }  # the lowest keys
        return cls(
            name=title,
            keys=keys,
            parts=parts,
            unread=len(found) - len(molecules),
            distributions={part: distributions([molecules[k] for k in rows]) for part, rows in chosen.items()},
            compared={part: len(rows) for part, rows in chosen.items()},
            geometries=held.geometries(),
        )

    @cached_property
    def coordinates(self) -> ReferenceCoordinates:
        """Lengths, angles and torsions of the geometries, measured when they are first asked for."""
        return ReferenceCoordinates.measure(self.geometries)

    def count(self, *parts: str) -> int:
        """Return how many molecules some parts hold.

        Parameters
        ----------
        *parts
            Of ``train``, ``validation`` and ``test``.

        Returns
        -------
        int
            Distinct molecules.
        """
        return int(np.isin(self.parts, parts).sum())

    def places(self, smiles: Sequence[str]) -> NDArray[np.str_]:
        """Return the part in which each molecule is found.

        Parameters
        ----------
        smiles
            Canonical, without stereo.

        Returns
        -------
        NDArray of str
            ``train``, ``validation``, ``test`` or ``new``, shape (n,).
        """
        asked = split_keys(smiles, canonical=True)
        place = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return np.where(self.keys[place] == asked, self.parts[place], "new")


def partition(smiles: Sequence[str], reference: Reference | None, known: MoleculeIndex | None) -> dict[str, int]:
    """Count distinct molecules by the first place where each is found.

    Parameters
    ----------
    smiles
        Distinct molecules, canonical and without stereo.
    reference
        Asked first, if there is one.
    known
        Asked for the rest, if there is one.

    Returns
    -------
    dict
        Counts by :data:`PLACES`; without a reference or an index their places are left out.
    """
    places = np.full(len(smiles), "new", dtype="<U10")
    if reference is not None and len(smiles):
        places[:] = reference.places(smiles)
    if known is not None:
        rest = np.flatnonzero(places == "new")
        places[rest[known.knows([smiles[k] for k in rest.tolist()])]] = "elsewhere"
    asked = [*(PLACES[:3] if reference is not None else ()), *(PLACES[3:4] if known is not None else ()), "new"]
    return {place: int((places == place).sum()) for place in asked}


class _HeldOut:
    """The geometries of the held-out molecules of the lowest keys, the first of each molecule, as rows stream by."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[NDArray[np.uint8], NDArray[np.float64]]] = {}

    def add(self, names: Sequence[str | None], rows: Structures) -> None:
        sizes, finite = rows.n_atoms, np.isfinite(rows.positions).all(axis=1)
        broken = np.add.reduceat(~np.append(finite, True), rows.offsets[:-1]) if len(rows) else np.zeros(0)
        usable = [k for k, name in enumerate(names) if name is not None and sizes[k] and not broken[k]]
        keys = split_keys([names[k] or "" for k in usable], canonical=True)
        for k, key, part in zip(usable, keys.tolist(), parts_of_keys(keys).tolist(), strict=True):
            if part in HELD_OUT and key not in self._kept:
                atoms = slice(rows.offsets[k], rows.offsets[k + 1])
                self._kept[key] = rows.numbers[atoms].copy(), rows.positions[atoms].copy()
        if len(self._kept) > 2 * REFERENCE_GEOMETRIES:
            self._kept = dict(self._lowest())

    def geometries(self) -> Geometries:
        return Geometries.of([molecule for _, molecule in self._lowest()])

    def _lowest(self) -> list[tuple[int, tuple[NDArray[np.uint8], NDArray[np.float64]]]]:
        return sorted(self._kept.items(), key=lambda item: item[0])[:REFERENCE_GEOMETRIES]


def _batches(source: str | Path | Dataset) -> Iterator[tuple[Sequence[str | None], Structures | None]]:
    if not isinstance(source, Dataset):
        path = Path(source).expanduser()
        if path.is_file() and suffix_of(path) in _LISTS:
            yield smiles_of_file(path), None
            return
        source = open_dataset(source)
    for batch in source.batches():
        yield with_smiles(batch)[0].column("smiles"), batch

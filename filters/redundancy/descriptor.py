"""Molecules as vectors of unit length, and the nearest of many."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdFingerprintGenerator

from molaug.filters.distances import finite, pairs_within
from molaug.structures import Structures
from molaug.structures.chemistry import parse

#: ``distances``: smeared interatomic distances by pair of elements; ``morgan``: counts of circular substructures.
Descriptor = Literal["distances", "morgan"]

#: How neighbours are found: exactly by matrix products, or by faiss (exact too, several threads).
Search = Literal["exact", "faiss"]

#: Elements told apart; all others share one more class.
_ELEMENTS = (1, 6, 7, 8, 9)
_CLASS = np.full(256, len(_ELEMENTS))
_CLASS[list(_ELEMENTS)] = np.arange(len(_ELEMENTS))
_N_CLASSES = len(_ELEMENTS) + 1
_PAIR = np.zeros((_N_CLASSES, _N_CLASSES), dtype=np.int64)
_PAIR[np.triu_indices(_N_CLASSES)] = np.arange(_N_CLASSES * (_N_CLASSES + 1) // 2)
_PAIR = np.maximum(_PAIR, _PAIR.T)
_N_PAIRS = _N_CLASSES * (_N_CLASSES + 1) // 2

_CUTOFF = 6.0  # Å
_CENTRES = np.linspace(0.8, 5.8, 11)  # Å
_WIDTH = 0.5  # Å: as far apart as the centres, so that a distance never falls between them

_MORGAN_BITS = 1024
_MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=_MORGAN_BITS)

_BLOCK = 8192


def describe(batch: Structures, descriptor: Descriptor) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return one vector for each row.

    Parameters
    ----------
    batch
        Any rows.
    descriptor
        Which vectors.

    Returns
    -------
    vectors : NDArray[np.float32]
        Of unit length, shape (n, d); zero where there is none.
    there : NDArray[np.bool_]
        Whether there is one: ``distances`` need a geometry, ``morgan`` needs a SMILES. Shape (n,).
    """
    if descriptor == "distances":
        return distance_histograms(batch), finite(batch)
    vectors = np.zeros((len(batch), _MORGAN_BITS), dtype=np.float32)
    there = np.zeros(len(batch), dtype=bool)
    for row, smiles in enumerate(batch.column("smiles")):
        counts = None if smiles is None else _morgan(smiles)
        if counts is not None:
            vectors[row], there[row] = counts, True
    return vectors, there


def distance_histograms(batch: Structures) -> NDArray[np.float32]:
    """Return smeared histograms of interatomic distances by pair of elements, and the composition.

    Every pair of atoms adds exp(-(r - rₖ)²/2σ²) · ½(1 + cos(πr/r_c)) to the bins of its elements (H, C, N, O, F, or any
    other); every atom adds one to its element. The vector is scaled to unit length: it does not change under rotation,
    reflection and permutation, and changes smoothly with the positions.

    Parameters
    ----------
    batch
        Rows; bare graphs give zeros.

    Returns
    -------
    NDArray[np.float32]
        Shape (n, 237).

    Examples
    --------
    >>> water = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]])
    >>> distance_histograms(water).shape
    (1, 237)
    """
    there = finite(batch)
    n, bins = len(batch), len(_CENTRES)
    classes = _CLASS[batch.numbers]
    histogram = np.zeros(n * _N_PAIRS * bins)
    for pairs in pairs_within(batch.offsets, batch.positions, np.flatnonzero(there)):
        near = pairs.distance < _CUTOFF
        r = pairs.distance[near]
        place = (pairs.row[near] * _N_PAIRS + _PAIR[classes[pairs.i[near]], classes[pairs.j[near]]]) * bins
        fade = 0.5 * (1 + np.cos(np.pi * r / _CUTOFF))
        for k, centre in enumerate(_CENTRES.tolist()):
            weight = fade * np.exp(-0.5 * ((r - centre) / _WIDTH) ** 2)
            histogram += np.bincount(place + k, weights=weight, minlength=len(histogram))
    row = np.repeat(np.arange(n), batch.n_atoms)
    composition = np.bincount(row * _N_CLASSES + classes, minlength=n * _N_CLASSES).reshape(n, _N_CLASSES)
    vectors = np.concatenate([histogram.reshape(n, _N_PAIRS * bins), composition], axis=1)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    vectors[~there] = 0
    single: NDArray[np.float32] = vectors.astype(np.float32)
    return single


class Neighbours:
    """The nearest of a growing set of vectors, exactly.

    Parameters
    ----------
    search
        ``exact`` multiplies matrices block by block; ``faiss`` asks ``faiss.IndexFlatL2``.

    Raises
    ------
    ImportError
        If faiss is asked for and not installed.

    Examples
    --------
    >>> known = Neighbours()
    >>> known.add(np.eye(3, dtype=np.float32))
    >>> distance, index = known.nearest(np.array([[0.0, 2, 0]], dtype=np.float32))
    >>> distance.tolist(), index.tolist()
    ([1.0], [1])
    """

    def __init__(self, search: Search = "exact") -> None:
        self._blocks: list[NDArray[np.float32]] = []
        self._starts = [0]
        self._faiss: Any = None
        self._flat: Any = None
        if search == "faiss":
            try:
                import faiss
            except ImportError as error:
                raise ImportError("search 'faiss' needs faiss; install molaug[faiss] or use 'exact'") from error
            self._faiss = faiss

    def __len__(self) -> int:
        return self._starts[-1]

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Take vectors in.

        Parameters
        ----------
        vectors
            Shape (n, d).
        """
        if not len(vectors):
            return
        # small blocks are joined, so that many single rows do not make many small products
        if self._blocks and len(self._blocks[-1]) + len(vectors) <= _BLOCK:
            self._blocks[-1] = np.concatenate([self._blocks[-1], vectors])
            self._starts[-1] += len(vectors)
        else:
            self._blocks.append(vectors)
            self._starts.append(self._starts[-1] + len(vectors))
        if self._faiss is not None:
            self._flat = self._flat or self._faiss.IndexFlatL2(vectors.shape[1])
            self._flat.add(np.ascontiguousarray(vectors))

    def nearest(self, queries: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the nearest vector of each query.

        Parameters
        ----------
        queries
            Shape (m, d).

        Returns
        -------
        distance : NDArray[np.float64]
            Euclidean, shape (m,); infinite where nothing is known yet. The search is in single precision, the
            distance of what it found in double.
        index : NDArray[np.int64]
            In the order of adding, shape (m,); -1 where nothing is known yet.
        """
        m = len(queries)
        best, index = np.full(m, np.inf, dtype=np.float32), np.full(m, -1, dtype=np.int64)
        if self._flat is not None and m:
            index = self._flat.search(np.ascontiguousarray(queries), 1)[1][:, 0].astype(np.int64)
        else:
            for start, block in zip(self._starts, self._blocks, strict=False):
                half = 0.5 * np.einsum("ij,ij->i", block, block)
                for part in range(0, len(block), _BLOCK):
                    rows = slice(part, part + _BLOCK)
                    score = half[rows] - queries @ block[rows].T  # (m, n): half the squared distance less |q|²/2
                    place = score.argmin(axis=1)
                    found = score[np.arange(m), place]
                    better = found < best
                    best[better], index[better] = found[better], start + part + place[better]
        distance = np.full(m, np.inf)
        for k in np.flatnonzero(index >= 0).tolist():
            held = int(np.searchsorted(self._starts, index[k], "right")) - 1
            other = self._blocks[held][index[k] - self._starts[held]]
            distance[k] = np.linalg.norm(queries[k].astype(np.float64) - other)
        return distance, index


@lru_cache(maxsize=16384)
def _morgan(smiles: str) -> NDArray[np.float32] | None:
    mol = parse(smiles)
    if mol is None:
        return None
    counts: NDArray[np.float32] = _MORGAN.GetCountFingerprintAsNumPy(mol).astype(np.float32)
    return counts / max(float(np.linalg.norm(counts)), 1e-12)

"""Surroundings of atoms as vectors, averaged or summed over each structure: for selectors and leverages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from molaug.filters.distances import by_size, finite
from molaug.structures import Structures
from molaug.structures.hashing import stream

#: Radial functions: Gaussians of this width about these distances, in Å.
_CENTRES, _WIDTH = np.linspace(0.9, 3.3, 4, dtype=np.float32), np.float32(0.6)

#: Elements with a channel of their own; all others are spread over these and one more by random codes.
_COMMON = (1, 6, 7, 8, 9)

#: Degrees of the spherical harmonics.
_DEGREES = (0, 1, 2, 3)

#: Atomic numbers that codes and phases are drawn for.
_ELEMENTS = 120

#: Pairs of atoms that are worked on together.
_PAIRS = 20000


@dataclass(frozen=True, kw_only=True, slots=True)
class Environments:
    """Random Fourier features of the power spectra of all atoms' surroundings, averaged or summed over the atoms.

    The density of neighbours about an atom is expanded in radial functions and real spherical harmonics of degree 0 to
    3, by element; its power spectrum, of unit length, does not change under rotation, reflection and permutation. Of
    it ``size`` random features cos(Wp + b) are taken, whose phases b are those of the atom's element: their products
    are a Gaussian kernel between surroundings of atoms of one element, and nought, up to noise, between those of two.
    Averages of such features tell apart distributions of surroundings, not only their means, and do not grow with the
    structure.

    Parameters
    ----------
    size
        Random features.
    cutoff
        Å beyond which an atom has no neighbours.
    length
        Length scale of the kernel, between power spectra of unit length.
    average
        Averages over the atoms, which tell what a structure is made of; sums otherwise, in which energies are linear.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    A. P. Bartók, R. Kondor and G. Csányi, doi:10.1103/PhysRevB.87.184115 (power spectrum); A. Rahimi and B. Recht,
    Random features for large-scale kernel machines, NIPS 2007.

    Examples
    --------
    >>> water = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]])
    >>> vectors, there = Environments()(water)
    >>> vectors.shape, there.tolist()
    ((1, 256), [True])
    """

    size: int = 256
    cutoff: float = 4.0
    length: float = 0.8
    average: bool = True

    def __post_init__(self) -> None:
        if self.size < 1 or not self.cutoff > 0 or not self.length > 0:
            raise ValueError(
                f"size={self.size}, cutoff={self.cutoff}, length={self.length}; expected at least 1, and more than 0"
            )

    @property
    def name(self) -> str:
        """Name under which they are registered."""
        return "environments"

    def sums(self) -> Environments | None:
        """Return the sums of these averages: see :class:`~molaug.filters.features.Summed`."""
        return replace(self, average=False) if self.average else None

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors.

        Parameters
        ----------
        rows
            Those without a geometry have none.

        Returns
        -------
        vectors : NDArray[np.float32]
            Shape (n, size).
        there : NDArray[np.bool_]
            Shape (n,).
        """
        vectors, there = np.zeros((len(rows), self.size), dtype=np.float32), finite(rows) & (rows.n_atoms > 0)
        weights, phases = _random_features(self.size)
        positions = rows.positions.astype(np.float32)
        for which, z, x in _alike(np.flatnonzero(there), rows.offsets, rows.numbers, positions):
            spectra = power_spectra(z, x, self.cutoff)  # (m, n_atoms, d)
            # in double precision: the digits that are kept must not depend on the rows beside
            angles = spectra.reshape(-1, spectra.shape[-1]).astype(np.float64) @ weights / self.length
            waves = np.cos(angles.astype(np.float32).reshape(*z.shape, self.size) + phases[z])  # (m, n_atoms, size)
            vectors[which] = np.sqrt(2.0 / self.size) * (waves.mean(1) if self.average else waves.sum(1))
        return vectors, there


def power_spectra(numbers: NDArray[np.integer], positions: NDArray[np.float32], cutoff: float) -> NDArray[np.float32]:
    """Return the power spectrum of the surroundings of each atom, of unit length.

    Parameters
    ----------
    numbers
        Atomic numbers of structures of equal size, shape (m, n_atoms).
    positions
        In Å, shape (m, n_atoms, 3).
    cutoff
        In Å.

    Returns
    -------
    NDArray[np.float32]
        Shape (m, n_atoms, d); zero for atoms without neighbours.
    """
    m, n = numbers.shape
    off = positions[:, None] - positions[:, :, None]  # (m, n, n, 3), from the centre i to j
    r = np.sqrt(np.einsum("mijx,mijx->mij", off, off))
    seen = (r < cutoff) & ~np.eye(n, dtype=bool)
    fade = np.where(seen, 0.5 + 0.5 * np.cos(np.float32(np.pi / cutoff) * r), np.float32(0.0))
    radial = np.exp(-0.5 * np.square((r[..., None] - _CENTRES) / _WIDTH)) * fade[..., None]  # (m, n, n, n_radial)
    unit = off / np.maximum(r, np.float32(1e-6))[..., None]
    codes = _codes()[numbers]  # (m, n, n_codes)
    of_neighbours = (radial[..., None] * codes[:, None, :, None, :]).reshape(m, n, n, -1)  # (m, i, j, channel)
    density = of_neighbours.swapaxes(2, 3) @ harmonics(unit)  # (m, n, channel, lm)
    channels = density.shape[2]
    a, b = np.triu_indices(channels)
    twice = np.tile(np.where(a == b, 1.0, np.sqrt(2.0)), len(_DEGREES)).astype(np.float32)
    spectra = np.empty((m * n, len(_DEGREES), len(a)), dtype=np.float32)
    for degree in _DEGREES:
        of_degree = density[..., degree**2 : (degree + 1) ** 2].reshape(m * n, channels, -1)
        products = (of_degree @ of_degree.swapaxes(1, 2)).reshape(m * n, -1)
        np.take(products, a * channels + b, axis=1, out=spectra[:, degree], mode="clip")
    flat = spectra.reshape(m * n, -1)
    flat *= twice  # so that products of spectra are those of the whole symmetric matrices
    size = np.sqrt(np.einsum("nd,nd->n", flat, flat))
    flat /= np.where(size > 0, size, np.float32(1.0))[:, None]
    return flat.reshape(m, n, -1)


def harmonics(u: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return real spherical harmonics of degree 0 to 3, so scaled that Σₘ Yₗₘ(u) Yₗₘ(v) = Pₗ(u · v).

    Parameters
    ----------
    u
        Unit vectors, shape (..., 3).

    Returns
    -------
    NDArray[np.float32]
        Shape (..., 16), by degree.

    Examples
    --------
    >>> harmonics(np.array([0.0, 0.0, 1.0], dtype=np.float32)).nonzero()[0].tolist()  # one of each degree
    [0, 2, 6, 12]
    """
    x, y, z = u[..., 0], u[..., 1], u[..., 2]
    xx, yy, zz = x * x, y * y, z * z
    s3, s15, s58, s38 = (np.float32(np.sqrt(k)) for k in (3.0, 15.0, 5.0 / 8.0, 3.0 / 8.0))
    half = np.float32(0.5)
    return np.stack(
        [
            np.ones_like(x),
            *(y, z, x),
            *(s3 * x * y, s3 * y * z, half * (2 * zz - xx - yy), s3 * x * z, half * s3 * (xx - yy)),
            s58 * y * (3 * xx - yy),
            s15 * x * y * z,
            s38 * y * (4 * zz - xx - yy),
            half * z * (2 * zz - 3 * xx - 3 * yy),
            s38 * x * (4 * zz - xx - yy),
            half * s15 * z * (xx - yy),
            s58 * x * (xx - 3 * yy),
        ],
        -1,
    )


def _alike(
    rows: NDArray[np.intp], offsets: NDArray[np.int64], numbers: NDArray[np.uint8], positions: NDArray[np.float32]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint8], NDArray[np.float32]]]:
    """Yield structures of equal size side by side."""
    sizes = np.diff(offsets)[rows]
    for group in by_size(sizes, pairs=_PAIRS):
        which = rows[group]
        atoms = offsets[which][:, None] + np.arange(sizes[group[0]])  # (m, n_atoms)
        yield which, numbers[atoms], positions[atoms]


@lru_cache(maxsize=1)
def _codes() -> NDArray[np.float32]:
    """Return a unit vector for each element: one axis for each common one, any direction for the others."""
    codes = stream(0, "molaug.environments.codes").normal(size=(_ELEMENTS, len(_COMMON) + 1))
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    codes[list(_COMMON)] = np.eye(len(_COMMON), len(_COMMON) + 1)
    single: NDArray[np.float32] = codes.astype(np.float32)
    return single


@lru_cache(maxsize=4)
def _random_features(size: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    channels = len(_CENTRES) * (len(_COMMON) + 1)
    d = len(_DEGREES) * channels * (channels + 1) // 2
    weights = stream(0, "molaug.environments.weights").normal(size=(size, d)).T  # the first of many are those of few
    phases = stream(0, "molaug.environments.phases").uniform(0.0, 2 * np.pi, (size, _ELEMENTS)).T
    return np.ascontiguousarray(weights), np.ascontiguousarray(phases, dtype=np.float32)

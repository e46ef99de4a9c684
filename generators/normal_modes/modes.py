"""Normal modes: eigenvectors of the mass-weighted Hessian, free of translation and rotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import units
from ase.data import atomic_masses
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

#: ħω in eV of an angular frequency in √(eV/amu)/Å.
HBAR: float = units._hbar * units.J * units.s  # noqa: SLF001 - ASE's names of the constants of nature

#: Wavenumber in cm^-1 of an angular frequency in √(eV/amu)/Å.
WAVENUMBER: float = HBAR / units.invcm

#: Least moment of inertia in amu Å² of a molecule that is not linear. An oxygen-bound hydrogen 0.03 Å off the axis has
#: a thousandth; any bent molecule has some tenths.
_LINEAR = 1e-3


@dataclass(frozen=True, kw_only=True)
class Modes:
    """Normal modes of a molecule at a geometry, from the lowest frequency to the highest.

    Displacing the molecule by q_k along the modes, ``positions + q @ cartesian``, costs the energy ½ Σ ω_k² q_k² and
    neither moves nor turns it: Σ m_a d_a = 0 and Σ m_a r_a × d_a = 0 (the conditions of Eckart) hold exactly.

    Parameters
    ----------
    positions
        The geometry r in Å, shape (n_atoms, 3). A linear molecule is laid exactly on its axis.
    eigenvalues
        Squared angular frequencies ω² in eV/(amu Å²), negative where the mode is imaginary, shape (n_modes,).
    cartesian
        Displacements in Å for q = 1 √amu Å, M^(-1/2) L, shape (n_modes, n_atoms, 3). Of each the largest component is
        positive.

    Examples
    --------
    >>> hydrogen = np.zeros((6, 6))
    >>> hydrogen[[2, 5, 2, 5], [2, 5, 5, 2]] = 35.0, 35.0, -35.0, -35.0
    >>> modes = modes_of([1, 1], [[0, 0, 0], [0, 0, 0.74]], hydrogen)
    >>> modes.frequencies.round(), modes.force_constants.round(1)
    (array([4346.]), array([70.]))
    """

    positions: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    cartesian: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.eigenvalues)

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Wavenumbers in cm^-1, negative where the mode is imaginary, shape (n_modes,)."""
        return np.asarray(np.sign(self.eigenvalues) * np.sqrt(np.abs(self.eigenvalues)) * WAVENUMBER)

    @property
    def reduced_masses(self) -> NDArray[np.float64]:
        """Masses μ in amu of the modes as normalised Cartesian displacements, shape (n_modes,)."""
        return np.asarray(1.0 / np.einsum("kai,kai->k", self.cartesian, self.cartesian))

    @property
    def force_constants(self) -> NDArray[np.float64]:
        """Force constants K = μ ω² in eV/Å² along normalised Cartesian displacements, shape (n_modes,)."""
        return self.eigenvalues * self.reduced_masses

    def displaced(self, q: ArrayLike) -> NDArray[np.float64]:
        """Return displaced geometries.

        Parameters
        ----------
        q
            Mass-weighted amplitudes in √amu Å, shape (n, n_modes).

        Returns
        -------
        NDArray[np.float64]
            In Å, shape (n, n_atoms, 3).
        """
        # einsum, not a matrix product: that takes other paths, and rounds otherwise, for other n and numbers of threads
        d = np.einsum("nk,kx->nx", np.asarray(q, dtype=np.float64), self.cartesian.reshape(len(self), -1))
        moved: NDArray[np.float64] = self.positions + d.reshape(-1, *self.positions.shape)
        return moved


def modes_of(numbers: ArrayLike, positions: ArrayLike, hessian: ArrayLike, *, masses: ArrayLike | None = None) -> Modes:
    r"""Return the normal modes of a molecule.

    With Q an orthonormal basis of what is left of mass-weighted space without translations and rotations, the modes
    are :math:`L = Q V`, where V are the eigenvectors of :math:`Q^\top M^{-1/2} H M^{-1/2} Q`. A molecule has 3N - 6 of
    them, a linear one 3N - 5, an atom none.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    hessian
        In eV/Å², shape (3 n_atoms, 3 n_atoms).
    masses
        In amu, shape (n_atoms,); the standard atomic weights by default.

    Returns
    -------
    Modes
        From the lowest frequency to the highest.

    Raises
    ------
    ValueError
        If the shapes contradict each other.

    References
    ----------
    E. B. Wilson, J. C. Decius, P. C. Cross, *Molecular Vibrations* (1955); C. Eckart, Phys. Rev. 47, 552 (1935),
    doi:10.1103/PhysRev.47.552.
    """
    z = np.asarray(numbers, dtype=np.intp)
    x, h = np.array(positions, dtype=np.float64), np.asarray(hessian, dtype=np.float64)
    m = np.asarray(atomic_masses[z] if masses is None else masses, dtype=np.float64)  # (n_atoms,)
    if x.shape != (len(z), 3) or h.shape != (3 * len(z), 3 * len(z)) or m.shape != (len(z),):
        raise ValueError(
            f"{len(z)} atoms, positions of shape {x.shape}, a Hessian of shape {h.shape} and {m.shape} masses; "
            f"expected ({len(z)}, 3), ({3 * len(z)}, {3 * len(z)}) and ({len(z)},)"
        )
    with threadpool_limits(1):  # more threads round otherwise
        x, rigid = _rigid_motions(x, m)  # (3 n_atoms, 6, 5 or 3)
        internal = np.linalg.qr(rigid, mode="complete")[0][:, rigid.shape[1] :]  # (3 n_atoms, n_modes)
        weights = 1.0 / np.sqrt(np.repeat(m, 3))  # (3 n_atoms,)
        eigenvalues, vectors = np.linalg.eigh(internal.T @ (weights[:, None] * h * weights) @ internal)
        cartesian = ((internal @ vectors) * weights[:, None]).T  # (n_modes, 3 n_atoms)
    largest = np.argmax(np.abs(cartesian).round(6), axis=1, keepdims=True)  # the first of equal ones
    cartesian = cartesian * np.sign(np.take_along_axis(cartesian, largest, axis=1))
    return Modes(positions=x, eigenvalues=eigenvalues, cartesian=cartesian.reshape(-1, len(z), 3))


def _rigid_motions(x: NDArray[np.float64], m: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions, on the axis if they are linear, and an orthonormal basis of mass-weighted rigid motions."""
    root = np.sqrt(m)[:, None]  # (n_atoms, 1)
    centre = np.average(x, axis=0, weights=m) if len(x) else np.zeros(3)
    r = x - centre
    spread, axes = np.linalg.eigh((root * r).T @ (root * r))  # second moments in amu Å², ascending
    if spread[0] + spread[1] < _LINEAR:  # the moment of inertia about the last axis
        r = np.outer(r @ axes[:, 2], axes[:, 2])
        spread = np.array([0.0, 0.0, spread[2] if spread[2] > _LINEAR else 0.0])
    columns = [root * axis for axis in axes.T]
    columns += [root * np.cross(axes[:, k], r) for k in range(3) if spread.sum() - spread[k] > 0]
    motions = np.array([column.ravel() for column in columns]).T  # (3 n_atoms, 6, 5 or 3), orthogonal
    return r + centre, motions / np.linalg.norm(motions, axis=0)

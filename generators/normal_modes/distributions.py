"""Distributions of normal-mode amplitudes: classical, quantum, and that of ANI-1."""

from __future__ import annotations

from typing import Literal

import numpy as np
from ase import units
from numpy.typing import ArrayLike, NDArray

from molaug.generators.normal_modes.modes import HBAR

#: How amplitudes are drawn.
Distribution = Literal["boltzmann", "quantum", "ani"]

#: Temperatures in K at which ANI-1 sampled molecules of 1 to 8 heavy atoms, and those of this sampler with more.
ANI_TEMPERATURES = (2000.0, 1500.0, 1000.0, 600.0, 600.0, 600.0, 600.0, 450.0)


def ani_temperature(numbers: ArrayLike) -> float:
    """Return the temperature at which ANI-1 sampled molecules of a size.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).

    Returns
    -------
    float
        In K, by the number of atoms that are not hydrogen. Molecules of none count as of one, those of more than
        eight, which ANI-1 has not, as of eight.

    References
    ----------
    J. S. Smith, O. Isayev, A. E. Roitberg, Sci. Data 4, 170193 (2017), doi:10.1038/sdata.2017.193.

    Examples
    --------
    >>> ani_temperature([6, 8, 1, 1, 1, 1])
    1500.0
    """
    heavy = int((np.asarray(numbers) > 1).sum())
    return ANI_TEMPERATURES[min(max(heavy, 1), len(ANI_TEMPERATURES)) - 1]


def variances(
    eigenvalues: NDArray[np.float64], temperature: NDArray[np.float64], distribution: Literal["boltzmann", "quantum"]
) -> NDArray[np.float64]:
    r"""Return the variances of the mass-weighted amplitudes of harmonic modes.

    Classical: :math:`kT/\omega^2`; quantum: :math:`\frac{\hbar}{2\omega} \coth\frac{\hbar\omega}{2kT}`, which is the
    former where kT is far above ħω and the zero-point motion where it is far below.

    Parameters
    ----------
    eigenvalues
        ω² in eV/(amu Å²), positive, shape (n_modes,).
    temperature
        In K, shape (n,).
    distribution
        Which.

    Returns
    -------
    NDArray[np.float64]
        In amu Å², shape (n, n_modes).

    Examples
    --------
    >>> w2 = np.array([(0.2 / HBAR) ** 2])  # a quantum of 0.2 eV
    >>> kinds = ("boltzmann", "quantum")
    >>> [round(float(variances(w2, np.array([300.0]), kind)[0, 0] * w2[0]), 4) for kind in kinds]
    [0.0259, 0.1001]
    """
    kT = units.kB * np.asarray(temperature, dtype=np.float64)[:, None]  # (n, 1)
    if distribution == "boltzmann":
        return np.asarray(kT / eigenvalues)
    w = np.sqrt(eigenvalues)
    with np.errstate(divide="ignore"):  # 0 K: the argument is infinite, its hyperbolic tangent 1
        return np.asarray(0.5 * HBAR / (w * np.tanh(0.5 * HBAR * w / kT)))


def thermal_amplitudes(rng: np.random.Generator, variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw amplitudes from normal distributions.

    Parameters
    ----------
    rng
        Random stream.
    variances
        In amu Å², shape (n, n_modes).

    Returns
    -------
    NDArray[np.float64]
        Mass-weighted, in √amu Å, shape (n, n_modes).
    """
    return rng.standard_normal(variances.shape) * np.sqrt(variances)


def ani_amplitudes(
    rng: np.random.Generator, eigenvalues: NDArray[np.float64], temperature: NDArray[np.float64], n_atoms: int
) -> NDArray[np.float64]:
    r"""Draw amplitudes as ANI-1 did.

    Along normalised Cartesian modes of force constant :math:`K_i` the displacements are

    .. math:: R_i = \pm\sqrt{3 c_i N_a k T / K_i}

    with either sign equally likely. The :math:`c_i` share a total that is uniform between 0 and 1, evenly (uniformly
    on the simplex). The harmonic energy, :math:`\frac32 N_a k T \sum c_i`, is therefore never above
    :math:`\frac32 N_a k T`, and half of that on average. In mass-weighted amplitudes :math:`\omega_i^2` stands for
    :math:`K_i`.

    Parameters
    ----------
    rng
        Random stream.
    eigenvalues
        ω² in eV/(amu Å²), positive, shape (n_modes,).
    temperature
        In K, shape (n,).
    n_atoms
        All atoms of the molecule, N_a.

    Returns
    -------
    NDArray[np.float64]
        Mass-weighted, in √amu Å, shape (n, n_modes).

    References
    ----------
    J. S. Smith, O. Isayev, A. E. Roitberg, Sci. Data 4, 170193 (2017), doi:10.1038/sdata.2017.193.
    """
    n, n_modes = len(temperature), len(eigenvalues)
    shares = rng.standard_exponential((n, n_modes))
    c = shares * (rng.random((n, 1)) / shares.sum(axis=1, keepdims=True))  # (n, n_modes)
    signs = np.where(rng.random((n, n_modes)) < 0.5, -1.0, 1.0)
    kT = units.kB * np.asarray(temperature, dtype=np.float64)[:, None]  # (n, 1)
    return np.asarray(signs * np.sqrt(3.0 * c * n_atoms * kT / eigenvalues))

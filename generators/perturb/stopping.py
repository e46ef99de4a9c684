"""When a relaxation has come down far enough: the energies that a molecule has at a temperature."""

from __future__ import annotations

import numpy as np
from ase.units import kB
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc

#: Highest probability to stop at a step, so that even the best geometries are often relaxed a little further.
MOST_OFTEN = 0.25

#: Second singular value of a linear molecule, relative to the first.
_LINEAR = 1e-3


def vibrations(positions: NDArray[np.float64]) -> int:
    """Return the number of vibrations of a molecule, 3 n_atoms - 6, or - 5 if it is linear.

    Parameters
    ----------
    positions
        In Å, shape (n_atoms, 3).

    Returns
    -------
    int
        At least 1 for two atoms or more.

    Examples
    --------
    >>> vibrations(np.array([[0.0, 0, 0], [0, 0, 1.2]]))
    1
    """
    extent = np.linalg.svd(positions - positions.mean(axis=0), compute_uv=False)
    linear = len(positions) < 3 or extent[1] < _LINEAR * extent[0]
    return 3 * len(positions) - (5 if linear else 6)


def stop_probability(energies: ArrayLike, temperature: float, modes: int) -> NDArray[np.float64]:
    """Return the probability to stop a relaxation at an energy.

    It is min(0.25, Q(f/2, ΔE/kT)), where Q, the regularised upper incomplete gamma function, is the probability that
    a classical molecule with f harmonic vibrations at this temperature has at least the potential energy ΔE. For two
    vibrations Q is the Boltzmann factor exp(-ΔE/kT). For more of them the Boltzmann factor of the whole energy is the
    wrong measure: the mean of ΔE is f kT/2, so molecules of 18 atoms would stop at their thermal energies once in
    e²⁴ steps, and energies would not depend on the temperature. With Q they stop where molecules of any size are at
    this temperature.

    Parameters
    ----------
    energies
        ΔE above the minimum in eV, shape (n,). Below it, energies count as 0.
    temperature
        In K.
    modes
        Number f of vibrations.

    Returns
    -------
    NDArray[np.float64]
        Shape (n,).

    Examples
    --------
    >>> from math import exp
    >>> bool(np.isclose(stop_probability(3 * kB * 300, 300, 2), exp(-3)))
    True
    """
    x = np.maximum(np.asarray(energies, dtype=np.float64), 0.0) / (kB * temperature)
    probability: NDArray[np.float64] = np.minimum(MOST_OFTEN, gammaincc(0.5 * modes, x))
    return probability

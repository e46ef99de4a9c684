"""Which atoms are bonded, from distances alone: fast, and the same for every method that made the geometry."""

from __future__ import annotations

import numpy as np
from ase.data import covalent_radii
from numpy.typing import ArrayLike, NDArray

#: Atoms are bonded when nearer than this times the sum of their covalent radii (Cordero 2008, doi:10.1039/b801115j).
BOND_FACTOR = 1.3

#: Pairs within this factor are bonds wherever the hard limit of neighbours allows; longer ones need a free valence.
_CERTAIN = 1.15

#: Most neighbours of an atom by atomic number, as the neutral valence has it, and the hard limit. In strained cages the
#: opposite corners come as near as a long bond (1.87 Å in bicyclo[1.1.1]pentane); the free valence tells them apart.
TYPICAL_NEIGHBOURS = np.full(119, 8)
_HARD = np.full(119, 8)
for _z, _usual, _most in [
    (1, 1, 1), (5, 3, 4), (6, 4, 4), (7, 3, 4), (8, 2, 3), (9, 1, 1), (14, 4, 6), (15, 3, 6), (16, 2, 6), (17, 1, 4),
    (32, 4, 6), (33, 3, 6), (34, 2, 6), (35, 1, 4), (50, 4, 6), (51, 3, 6), (52, 2, 6), (53, 1, 7),
]:  # fmt: skip
    TYPICAL_NEIGHBOURS[_z], _HARD[_z] = _usual, _most


#: The radius of hydrogen, 0.31 Å, is that of its bonds with other elements: in H2, 0.74 Å, it is larger.
_H2_REACH = 0.77


def reach(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return how long bonds between elements are: the sum of their covalent radii.

    Parameters
    ----------
    first
        Atomic numbers, of any shape.
    second
        Atomic numbers, broadcast against them.

    Returns
    -------
    NDArray[np.float64]
        In Å.

    Examples
    --------
    >>> reach([6, 1], [1, 1]).tolist()
    [1.07, 0.77]
    """
    a, b = np.asarray(first), np.asarray(second)
    return np.where((a == 1) & (b == 1), _H2_REACH, covalent_radii[a] + covalent_radii[b])


#: The same for all pairs of elements.
_REACH = reach(np.arange(119)[:, None], np.arange(119))


def bonds(numbers: ArrayLike, positions: ArrayLike, factor: float = BOND_FACTOR) -> NDArray[np.intp]:
    """Return the bonded pairs of a geometry.

    Pairs are taken from the shortest up (relative to the sum of the covalent radii) while both atoms have room.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    factor
        Longest bond as a multiple of the sum of the covalent radii.

    Returns
    -------
    NDArray[np.intp]
        Pairs i < j in lexical order, shape (n_bonds, 2).

    Examples
    --------
    >>> bonds([8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]).tolist()
    [[0, 1], [0, 2]]
    """
    z = np.asarray(numbers, dtype=np.intp)
    x = np.asarray(positions, dtype=np.float64)
    difference = x[:, None] - x  # (n_atoms, n_atoms, 3)
    squared = np.einsum("ijk,ijk->ij", difference, difference)
    within = squared < (factor * _REACH[z[:, None], z]) ** 2
    np.fill_diagonal(within, False)
    i, j = within.nonzero()
    pairs = i < j
    i, j = i[pairs], j[pairs]
    if (within.sum(axis=1) <= TYPICAL_NEIGHBOURS[z]).all():
        return np.stack([i, j], axis=1)  # nothing to decide, as for nearly all molecules
    near = np.sqrt(squared[i, j]) / _REACH[z[i], z[j]]
    free_hard, free_typical = _HARD[z].tolist(), TYPICAL_NEIGHBOURS[z].tolist()
    kept = []
    for k in np.argsort(near, kind="stable").tolist():
        a, b = int(i[k]), int(j[k])
        free = free_hard if near[k] < _CERTAIN else free_typical
        if free[a] > 0 and free[b] > 0:
            kept.append((a, b))
            for atom in (a, b):
                free_hard[atom] -= 1
                free_typical[atom] -= 1
    return np.array(sorted(kept), dtype=np.intp).reshape(-1, 2)


def same_bonds(
    numbers: ArrayLike, before: ArrayLike, after: ArrayLike, factor: float = BOND_FACTOR, slack: float = 0.1
) -> bool:
    """Tell whether a motion kept every bond and made no new one.

    Bonds near the limit flicker; a pair only counts as changed when its ratio crosses the limit by more than a slack.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    before
        Positions in Å, shape (n_atoms, 3).
    after
        Positions in Å of the same atoms in the same order.
    factor
        Longest bond as a multiple of the sum of the covalent radii.
    slack
        Width of the band around ``factor`` within which a pair may move freely.

    Returns
    -------
    bool
        False where a pair crossed the band.
    """
    z = np.asarray(numbers, dtype=np.intp)
    r0 = _ratios(z, np.asarray(before, dtype=np.float64))
    r1 = _ratios(z, np.asarray(after, dtype=np.float64))
    broken = (r0 < factor) & (r1 > factor + slack)
    made = (r0 > factor) & (r1 < factor - slack)
    return not bool((broken | made).any())


def _ratios(z: NDArray[np.intp], x: NDArray[np.float64]) -> NDArray[np.float64]:
    difference = x[:, None] - x[None]  # (n_atoms, n_atoms, 3)
    distance = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference))  # (n_atoms, n_atoms)
    ratio: NDArray[np.float64] = distance / reach(z[:, None], z[None])
    np.fill_diagonal(ratio, np.inf)
    return ratio

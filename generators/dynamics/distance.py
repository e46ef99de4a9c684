"""How far geometries are apart: the best rotation, and hydrogens that are equal exchanged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rdkit import Chem

from molaug.structures.superposition import superposed

#: Rounds of turning and exchanging.
_ROUNDS = 2

#: Hydrogens on one atom; more are no molecule of today, and have too many orders.
_MOST = 4


def hydrogen_groups(mol: Chem.Mol) -> list[list[int]]:
    """Return the hydrogens that share an atom, which a trajectory exchanges freely.

    Parameters
    ----------
    mol
        With all hydrogens.

    Returns
    -------
    list of list of int
        Indices, two to four in each.

    Examples
    --------
    >>> hydrogen_groups(Chem.AddHs(Chem.MolFromSmiles("CO")))
    [[2, 3, 4]]
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 1 and atom.GetDegree() == 1:
            groups[atom.GetNeighbors()[0].GetIdx()].append(atom.GetIdx())
    return [sorted(group) for _, group in sorted(groups.items()) if 1 < len(group) <= _MOST]


def rmsd(positions: ArrayLike, onto: ArrayLike, groups: Sequence[Sequence[int]] = ()) -> NDArray[np.float64]:
    """Return how far geometries are from one, after superposition and exchange of equal hydrogens.

    Parameters
    ----------
    positions
        In Å, shape (n, n_atoms, 3).
    onto
        In Å, shape (n_atoms, 3).
    groups
        Atoms that may be exchanged with each other, see :func:`hydrogen_groups`. Turning and exchanging are repeated
        twice; the least value over all exchanges can only be missed where geometries are far apart.

    Returns
    -------
    NDArray[np.float64]
        In Å, over all atoms, shape (n,).

    Examples
    --------
    >>> x = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> turned = x[[0, 2, 1]] @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    >>> rmsd([x, turned], x, [[1, 2]]).round(9).tolist()
    [0.0, 0.0]
    """
    y = np.asarray(onto, dtype=np.float64)
    x = superposed(positions, y)
    for _ in range(_ROUNDS if groups else 0):
        for group in groups:
            orders = np.array([*permutations(range(len(group)))])  # (n_orders, n_group)
            choices = x[:, group][:, orders]  # (n, n_orders, n_group, 3)
            best = ((choices - y[list(group)]) ** 2).sum(axis=(2, 3)).argmin(axis=1)  # (n,)
            x[:, group] = choices[np.arange(len(x)), best]
        x = superposed(x, y)
    distance: NDArray[np.float64] = np.sqrt(((x - y) ** 2).sum(axis=2).mean(axis=1))
    return distance

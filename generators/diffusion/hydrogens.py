"""Hydrogens that valences leave open: how many each atom bears, and molecules completed by them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def hydrogen_table(
    kinds: NDArray[np.integer[Any]], orders: NDArray[np.integer[Any]], hydrogens: NDArray[np.integer[Any]], n_types: int
) -> NDArray[np.int64]:
    """Learn how many hydrogens an atom bears from its type and its bonds to heavy atoms.

    An atom is filled up to the lowest valence that its type shows and that its bonds do not exceed: carbon to 4, sulfur
    to 2, 4 or 6.

    Parameters
    ----------
    kinds
        Types of heavy atoms, shape (n_atoms,).
    orders
        Sum of the orders of their bonds to heavy atoms, shape (n_atoms,).
    hydrogens
        Hydrogens that they bear, shape (n_atoms,).
    n_types
        How many types there are.

    Returns
    -------
    NDArray[np.int64]
        Hydrogens by type and sum of orders, shape (n_types, highest valence + 1); 0 beyond the highest valence.

    Examples
    --------
    >>> sulfur = hydrogen_table(np.zeros(3, dtype=int), np.array([1, 2, 6]), np.array([1, 0, 0]), 1)
    >>> sulfur.tolist()
    [[2, 1, 0, 3, 2, 1, 0]]
    """
    valences = orders.astype(np.int64) + hydrogens
    most = int(valences.max(initial=0))
    shown = np.zeros((n_types, most + 1), dtype=bool)
    shown[kinds, valences] = True
    table = np.zeros((n_types, most + 1), dtype=np.int64)
    nearest = np.full(n_types, -1)
    for order in range(most, -1, -1):
        nearest = np.where(shown[:, order], order, nearest)
        table[:, order] = np.where(nearest >= 0, nearest - order, 0)
    return table


def completed(
    atoms: NDArray[np.integer[Any]],
    bonds: NDArray[np.integer[Any]],
    sizes: NDArray[np.integer[Any]],
    table: NDArray[np.int64],
    hydrogen: int,
    n_max: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
    """Give graphs of heavy atoms the hydrogens that their valences leave open.

    Nothing is repaired: an atom of too many bonds keeps them, and of a graph with more hydrogens than there is room
    for the last are lacking; both are unsound, and remain so.

    Parameters
    ----------
    atoms
        Types, shape (n, n_heavy).
    bonds
        Orders, shape (n, n_heavy, n_heavy).
    sizes
        Heavy atoms of each graph, shape (n,).
    table
        Of :func:`hydrogen_table`.
    hydrogen
        Type of hydrogen.
    n_max
        Atoms of a molecule at most.

    Returns
    -------
    atoms : NDArray[np.int64]
        Heavy atoms, behind them the hydrogens in the order of the atoms that bear them, shape (n, n_most).
    bonds : NDArray[np.int64]
        Shape (n, n_most, n_most).
    sizes : NDArray[np.intp]
        All atoms of each molecule, shape (n,).

    Examples
    --------
    >>> methanol = np.array([[1, 2]]), np.array([[[0, 1], [1, 0]]]), np.array([2])
    >>> table = np.array([[0, 0, 0, 0, 0], [4, 3, 2, 1, 0], [2, 1, 0, 0, 0]])
    >>> atoms, bonds, sizes = completed(*methanol, table, 0, 29)
    >>> atoms.tolist(), bonds[0, 1].tolist(), sizes.tolist()
    ([[1, 2, 0, 0, 0, 0]], [1, 0, 0, 0, 0, 1], [6])
    """
    n, n_heavy = atoms.shape
    there = np.arange(n_heavy) < sizes[:, None]
    order = np.minimum(bonds.sum(2), table.shape[1] - 1)  # (n, n_heavy)
    borne = np.where(there & (bonds.sum(2) < table.shape[1]), table[atoms, order], 0)
    room = n_max - sizes.astype(np.intp)  # (n,)
    end = np.minimum(np.cumsum(borne, axis=1), room[:, None])
    borne = np.diff(end, axis=1, prepend=0)
    total = sizes.astype(np.intp) + borne.sum(1)
    most = max(int(total.max(initial=0)), n_heavy)
    all_atoms, all_bonds = np.zeros((n, most), dtype=np.int64), np.zeros((n, most, most), dtype=np.int64)
    all_atoms[:, :n_heavy], all_bonds[:, :n_heavy, :n_heavy] = np.where(there, atoms, 0), bonds
    row = np.repeat(np.arange(n), borne.sum(1))
    parent = np.repeat(np.tile(np.arange(n_heavy), n), borne.ravel())
    first = np.cumsum(borne.sum(1)) - borne.sum(1)
    place = sizes.astype(np.intp)[row] + np.arange(len(row)) - first[row]
    all_atoms[row, place] = hydrogen
    all_bonds[row, parent, place] = all_bonds[row, place, parent] = 1
    return all_atoms, all_bonds, total

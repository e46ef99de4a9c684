"""The last step of the sampler: bonds that respect valences and join all atoms, as close as can be to what was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.generators.graph.kekule import AtomTypes


@dataclass(frozen=True, kw_only=True, eq=False)
class Projected:
    """One graph made sound.

    ``atoms`` has shape (n_atoms,), ``bonds`` (n_atoms, n_atoms).
    """

    atoms: NDArray[np.uint8]
    bonds: NDArray[np.uint8]


def projected(
    atoms: NDArray[np.integer],
    bonds: NDArray[np.integer],
    atom_probabilities: NDArray[np.floating],
    bond_probabilities: NDArray[np.floating],
    types: AtomTypes,
    *,
    n_fixed: int = 0,
    closed: NDArray[np.bool_] | None = None,
) -> Projected | None:
    """Return the sound graph next to one that is not.

    Sound is a graph that is connected, exceeds no valence and has no net charge. Charged atoms turn neutral where the
    charges do not cancel. Then atoms are joined, the most probable bonds first, each as a single bond, to a tree;
    then the bonds that were drawn are laid on it up to their order, again the most probable first, as far as the
    valences allow.

    Parameters
    ----------
    atoms
        Types as drawn, shape (n_atoms,).
    bonds
        Orders as drawn, shape (n_atoms, n_atoms).
    atom_probabilities
        Of the types, shape (n_atoms, n_types).
    bond_probabilities
        Of the orders, shape (n_atoms, n_atoms, 4).
    types
        The types, with their valences.
    n_fixed
        So many atoms, the first ones, and the bonds among them stay as they are.
    closed
        Atoms that take no further bond, shape (n_atoms,).

    Returns
    -------
    Projected or None
        None where the valences are too few to join all atoms.
    """
    n = len(atoms)
    kinds = _neutral(np.array(atoms), atom_probabilities, types, n_fixed)
    if kinds is None:
        return None
    result = np.zeros((n, n), dtype=np.int64)
    result[:n_fixed, :n_fixed] = bonds[:n_fixed, :n_fixed]
    free = np.array(types.valences)[kinds] - result.sum(1)  # (n_atoms,)
    if closed is not None:
        free[closed] = 0
    i, j = np.triu_indices(n, 1)
    movable = j >= n_fixed
    i, j = i[movable], j[movable]
    if not _join(result, free, i, j, 1.0 - bond_probabilities[i, j, 0], n_fixed):
        return None
    drawn = np.asarray(bonds)[i, j]
    confidence = np.take_along_axis(bond_probabilities[i, j], drawn[:, None].astype(np.intp), 1)[:, 0]
    for k in np.argsort(-confidence, kind="stable"):
        a, b = i[k], j[k]
        more = min(int(drawn[k]) - int(result[a, b]), int(free[a]), int(free[b]))
        if more > 0:
            result[a, b] = result[b, a] = result[a, b] + more
            free[a] -= more
            free[b] -= more
    return Projected(atoms=kinds.astype(np.uint8), bonds=result.astype(np.uint8))


def _neutral(
    kinds: NDArray[np.integer], probabilities: NDArray[np.floating], types: AtomTypes, n_fixed: int
) -> NDArray[np.integer] | None:
    charges = np.array(types.charges)
    if charges[kinds].sum() == 0:
        return kinds
    neutral = np.flatnonzero(charges == 0)
    turned = np.flatnonzero(charges[kinds] != 0)
    turned = turned[turned >= n_fixed]
    if not len(neutral):
        return None
    kinds[turned] = neutral[probabilities[turned][:, neutral].argmax(1)]
    return kinds if charges[kinds].sum() == 0 else None


def _join(
    result: NDArray[np.int64],
    free: NDArray[np.int64],
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    probability: NDArray[np.floating],
    n_fixed: int,
) -> bool:
    """Lay single bonds until all atoms are joined; whether that is possible."""
    n = len(free)
    # what is fixed is one piece already
    piece = np.concatenate([np.zeros(n_fixed, dtype=np.intp), np.arange(n_fixed, n)])
    pieces = n - max(n_fixed - 1, 0)
    order = np.argsort(-probability, kind="stable")
    while pieces > 1:
        room = np.bincount(piece, weights=free, minlength=n)  # (n_atoms,)
        for k in order:
            a, b = i[k], j[k]
            p, q = piece[a], piece[b]
            # a piece without a free valence could never be joined to the rest
            if p != q and free[a] > 0 and free[b] > 0 and (pieces == 2 or room[p] + room[q] > 2):
                result[a, b] = result[b, a] = 1
                free[a] -= 1
                free[b] -= 1
                piece[piece == q] = p
                pieces -= 1
                break
        else:
            return False
    return True

"""The last step of the sampler: the sound graph next to what was drawn, connected, neutral and within its valences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.generators.learned.atom_types import AtomTypes

#: Probabilities count as at least this: single precision makes unlikely ones zero.
_SMALLEST = 1e-30


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
    keep_elements: bool = False,
) -> Projected | None:
    """Return the sound graph next to one that need not be; the graph itself if it is sound.

    Sound is a graph that is connected, exceeds no valence and has no net charge.

    1. Where the charges do not cancel, or the valences are too few to join all atoms, the types become the most
       probable ones of which neither is true.
    2. Atoms are joined to a tree of single bonds: bonds that were drawn come first, then others, the more probable
       ones before the less.
    3. The bonds that were drawn are laid on it up to their order, those of the highest probability first, as far as
       the valences allow.

    Parameters
    ----------
    atoms
        Types as drawn, shape (n_atoms,).
    bonds
        Orders as drawn, symmetric, shape (n_atoms, n_atoms).
    atom_probabilities
        Of the types, shape (n_atoms, n_types).
    bond_probabilities
        Of the orders, symmetric, shape (n_atoms, n_atoms, 4).
    types
        The types, with their valences.
    n_fixed
        So many atoms, the first ones, and the bonds among them, which join them, stay as they are.
    closed
        Atoms among the fixed ones that take no further bond, shape (n_atoms,).
    keep_elements
        Change charges only, no elements.

    Returns
    -------
    Projected or None
        None where no types, or none of the same elements, can be joined without a net charge.
    """
    n = len(atoms)
    shut = np.zeros(n, dtype=bool) if closed is None else closed
    result = np.zeros((n, n), dtype=np.int64)
    result[:n_fixed, :n_fixed] = bonds[:n_fixed, :n_fixed]
    # a fragment may exceed what the data showed of its atoms: it then takes no further bond there
    spare = np.maximum(np.array(types.valences)[atoms[:n_fixed]] - result[:n_fixed, :n_fixed].sum(1), 0)
    spare[shut[:n_fixed]] = 0
    kinds = _joinable(np.asarray(atoms), atom_probabilities, types, spare, keep_elements)
    if kinds is None:
        return None
    free = np.concatenate([spare, np.array(types.valences)[kinds[n_fixed:]]])  # (n_atoms,)
    i, j = np.triu_indices(n, 1)
    i, j = i[j >= n_fixed], j[j >= n_fixed]
    drawn = np.asarray(bonds)[i, j]
    _join(result, free, i, j, np.lexsort((bond_probabilities[i, j, 0], drawn == 0)), n_fixed)
    confidence = np.take_along_axis(bond_probabilities[i, j], drawn[:, None].astype(np.intp), 1)[:, 0]
    for k in np.argsort(-confidence, kind="stable"):
        a, b = i[k], j[k]
        more = min(int(drawn[k]) - int(result[a, b]), int(free[a]), int(free[b]))
        if more > 0:
            _bond(result, free, a, b, more)
    return Projected(atoms=kinds.astype(np.uint8), bonds=result.astype(np.uint8))


def _joinable(
    kinds: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    types: AtomTypes,
    spare: NDArray[np.integer],
    keep_elements: bool,
) -> NDArray[np.integer] | None:
    """Return types of no net charge that can be joined; those given, if they are such."""
    n_fixed, numbers = len(spare), np.array(types.numbers)
    charges, valences = np.array(types.charges), np.array(types.valences)
    # pieces become one tree if each has a free valence and all have two for every bond of the tree
    pieces = len(kinds) - max(n_fixed - 1, 0)
    needed = 2 * (pieces - 1)
    start = (int(charges[kinds[:n_fixed]].sum()), min(int(spare.sum()), needed))
    if needed and n_fixed and not start[1]:
        return None
    possible = (valences > 0) | (needed == 0)  # (n_types,)
    free = kinds[n_fixed:]
    if start[0] + charges[free].sum() == 0 and start[1] + valences[free].sum() >= needed and possible[free].all():
        return kinds
    allowed = np.broadcast_to(possible, (len(free), len(types))).copy()
    if keep_elements:
        allowed &= numbers[free][:, None] == numbers
    scores = np.log(np.maximum(probabilities[n_fixed:], _SMALLEST))  # (n_free, n_types)
    # (charge, free valences, those needed at most) of the atoms so far, and the most probable types with these
    best: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {start: (0.0, ())}
    for atom in range(len(free)):
        longer: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {}
        for (charge, room), (score, chosen) in best.items():
            for kind in np.flatnonzero(allowed[atom]).tolist():
                state = (charge + types.charges[kind], min(room + types.valences[kind], needed))
                total = score + float(scores[atom, kind])
                if state not in longer or total > longer[state][0]:
                    longer[state] = (total, (*chosen, kind))
        best = longer
    if (0, needed) not in best:
        return None
    return np.concatenate([kinds[:n_fixed], np.array(best[0, needed][1], dtype=kinds.dtype)])


def _join(
    result: NDArray[np.int64],
    free: NDArray[np.int64],
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    order: NDArray[np.intp],
    n_fixed: int,
) -> None:
    """Lay single bonds, the first possible ones in ``order``, until all atoms are joined."""
    n = len(free)
    piece = np.concatenate([np.zeros(n_fixed, dtype=np.intp), np.arange(n_fixed, n)])  # the fixed atoms are one already
    pieces = n - max(n_fixed - 1, 0)
    while pieces > 1:
        room = np.bincount(piece, weights=free, minlength=n)  # (n_atoms,)
        for k in order:
            a, b = i[k], j[k]
            p, q = piece[a], piece[b]
            # a piece without a free valence could never be joined to the rest
            if p != q and free[a] > 0 and free[b] > 0 and (pieces == 2 or room[p] + room[q] > 2):
                _bond(result, free, a, b, 1)
                piece[piece == q] = p
                pieces -= 1
                break


def _bond(result: NDArray[np.int64], free: NDArray[np.int64], a: np.intp, b: np.intp, order: int) -> None:
    result[a, b] += order
    result[b, a] += order
    free[a] -= order
    free[b] -= order

"""Selection from more candidates than fit into memory: features in one pass, the chosen rows in a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from molaug.filters.design.choice import Described, FeatureSelector, chosen_of
from molaug.filters.selection import check_budget, ranking
from molaug.structures import Structures


def select_streamed(
    selector: FeatureSelector,
    candidates: Callable[[], Iterable[Structures]],
    budget: int,
    *,
    base: Iterable[Structures] = (),
    seed: int,
) -> Structures:
    """Choose among candidates that are read twice.

    In memory are the ids and, in single precision, the features of all candidates and of the base: 512 MB for each
    million rows of 128 features, and as much again while they are put in order; what the selector needs comes on top
    (``d-optimal`` and ``target`` hold features in double precision). The rows are those that
    ``selector.select`` gives from candidates in memory, in the same order; where the last digits of features depend
    on the other rows of a batch, as those of a network may, candidates that are as good as equal can change places.

    Parameters
    ----------
    selector
        Who chooses, such as ``FarthestPoint()``.
    candidates
        Gives the same batches in the same order each time it is called, such as shards of a folder.
    budget
        Rows wanted.
    base
        What is known already, in batches.
    seed
        The one seed of the run; breaks ties.

    Returns
    -------
    Structures
        The rows chosen, in order of rank.

    Raises
    ------
    ValueError
        If the budget is negative, or the second pass gives other rows than the first.
    TypeError
        If the selector looks at more than features.

    Examples
    --------
    >>> from molaug.filters import FarthestPoint
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> chosen = select_streamed(FarthestPoint(), lambda: rows.batches(2), 1, base=[rows.slice(0, 1)], seed=0)
    >>> chosen.ids == rows.ids[2:]
    True
    """
    check_budget(budget)
    if not isinstance(selector, FeatureSelector):
        raise TypeError(f"selector {selector!r} looks at whole rows; expected one on features, such as FarthestPoint()")
    found = Described.of(candidates(), selector.features)
    known = Described.of(base, selector.features)
    order = ranking(found.ids, seed, selector.name)
    ordered = Described(
        ids=tuple(found.ids[k] for k in order.tolist()), vectors=found.vectors[order], there=found.there[order]
    )
    chosen = order[chosen_of(selector, ordered, known.vectors[known.there], budget, seed)]
    rows = _taken(candidates(), np.sort(chosen))
    if rows.ids != [found.ids[k] for k in np.sort(chosen).tolist()]:
        raise ValueError("the second pass over the candidates gave other rows; expected the same batches each time")
    return rows.take(np.argsort(np.argsort(chosen)))


def _taken(batches: Iterable[Structures], wanted: NDArray[np.int64]) -> Structures:
    """Take rows by their numbers, in ascending order, from a stream."""
    parts, start = [Structures.empty()], 0
    for batch in batches:
        stop = start + len(batch)
        here = wanted[(wanted >= start) & (wanted < stop)] - start
        if len(here):
            parts.append(batch.take(here))
        start = stop
    return Structures.concat(parts)

"""Selection from more candidates than fit into memory: features in one pass, the chosen rows in another."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from molaug.filters.filter import Selector
from molaug.filters.pool import Pool, taken
from molaug.filters.ranking import check_budget
from molaug.structures import Structures


def select_streamed(
    selector: Selector,
    candidates: Callable[[], Iterable[Structures]],
    budget: int,
    *,
    base: Callable[[], Iterable[Structures]] = tuple,
    seed: int,
) -> Structures:
    """Choose among candidates that are read once for each kind of features that the selector looks at, and once more.

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
        Gives what is known already, in the same way.
    seed
        The one seed of the run; breaks ties.

    Returns
    -------
    Structures
        The rows chosen, in order of rank.

    Raises
    ------
    ValueError
        If the budget is negative, or a later pass gives other rows than the first.

    Examples
    --------
    >>> from molaug.filters import FarthestPoint
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> known = rows.slice(0, 1)
    >>> chosen = select_streamed(FarthestPoint(), lambda: rows.batches(2), 1, base=lambda: [known], seed=0)
    >>> chosen.ids == rows.ids[2:]
    True
    """
    check_budget(budget)
    pool = Pool(read=candidates)
    chosen = selector.select(pool, budget, base=Pool(read=base), seed=seed)
    rows = taken(candidates(), np.asarray(chosen))
    if rows.ids != [pool.ids[k] for k in chosen.tolist()]:
        raise ValueError("a later pass over the candidates gave other rows; expected the same batches each time")
    return rows

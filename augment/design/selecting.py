"""Rows of a dataset in the order in which a selector would have them labelled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from molaug.filters.design.streaming import select_streamed
from molaug.filters.filter import Selector
from molaug.registry import SELECTORS, Spec, build, check
from molaug.structures import Structures
from molaug.structures.datasets import open_dataset


def select(
    source: Any,
    budget: int,
    *,
    selector: Selector | Spec = "stratified",
    base: Any = None,
    seed: int = 0,
    streamed: bool = False,
) -> Structures:
    """Select rows of a dataset.

    Parameters
    ----------
    source
        A dataset by name or path, a :class:`~molaug.structures.datasets.Dataset`, or ``molaug.Structures``; rejected
        rows are passed over.
    budget
        Rows wanted.
    selector
        By name or as a mapping of the name to options (:data:`molaug.registry.SELECTORS`), or the object.
    base
        What is known already, in the same forms; nothing by default.
    seed
        Of everything random.
    streamed
        Read the source once for each kind of features that the selector looks at and once more, and hold its ids and
        features only, for more candidates than fit into memory. The rows are the same.

    Returns
    -------
    Structures
        At most as many rows as wanted, in the order of choice, with the column ``rank`` from 1.

    Raises
    ------
    ValueError
        If the budget is negative.

    Examples
    --------
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> found = select(rows, 1, selector="farthest-point", base=rows.slice(0, 1))
    >>> found.positions[1].tolist(), found.column("rank")
    ([0.0, 0.0, 3.0], [1])
    """
    if budget < 0:
        raise ValueError(f"budget {budget}; expected at least 0")
    chooser = build(SELECTORS, selector, "selector")
    check(chooser, "selector")
    known = Structures.empty() if base is None else base
    if streamed:
        picked = select_streamed(chooser, partial(_alive, source), budget, base=partial(_alive, known), seed=seed)
    else:
        candidates = Structures.concat(_alive(source))
        chosen = chooser.select(candidates, budget, base=Structures.concat(_alive(known)), seed=seed)
        picked = candidates.take(chosen)
    return picked.with_columns({"rank": np.arange(1, len(picked) + 1)})


def _alive(source: Any) -> Iterator[Structures]:
    for batch in open_dataset(source).batches():
        yield batch.filter(batch.alive)

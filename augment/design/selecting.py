"""Rows of a dataset in the order in which a selector would have them labelled."""

from __future__ import annotations

from typing import Any

import numpy as np

from molaug.filters.filter import Selector
from molaug.registry import SELECTORS, Spec, build
from molaug.structures import Structures
from molaug.structures.datasets import open_dataset


def select(
    source: Any, budget: int, *, selector: Selector | Spec = "stratified", base: Any = None, seed: int = 0
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
    chooser: Selector = build(SELECTORS, selector, "selector")
    known = Structures.empty() if base is None else open_dataset(base).read()
    rows = open_dataset(source).read()
    candidates = rows.filter(rows.alive)
    picked = candidates.take(chooser.select(candidates, budget, base=known.filter(known.alive), seed=seed))
    return picked.with_columns({"rank": np.arange(1, len(picked) + 1)})

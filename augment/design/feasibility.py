"""Whether a model can be trained on a dataset, for the predictions that are wanted of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from molaug.design.known import known_information
from molaug.filters.design.feasibility import Feasibility, feasibility
from molaug.filters.features import Features
from molaug.registry import FEATURES, Spec, build, check
from molaug.structures.datasets import open_dataset


def judge_feasibility(
    source: Any, *, target: Any = None, features: Features | Spec = "distances", ridge: float = 1e-4
) -> Feasibility:
    """Judge a dataset as a training set, by features alone.

    Parameters
    ----------
    source
        A dataset by name or path, a :class:`~molaug.structures.datasets.Dataset`, or ``molaug.Structures``.
    target
        The structures of which predictions are wanted, in the same forms.
    features
        By name or as a mapping of the name to options (:data:`molaug.registry.FEATURES`), or the object.
    ridge
        As a share of the mean eigenvalue of FᵀF.

    Returns
    -------
    Feasibility
        Figures and words.

    Examples
    --------
    >>> from molaug import Structures
    >>> rows = Structures.from_arrays([[1, 1]] * 3, [[[0, 0, 0], [0, 0, d]] for d in (0.7, 0.72, 3.0)])
    >>> judge_feasibility(rows).rank
    3
    """
    describe: Features = build(FEATURES, features, "features")
    check(describe, "features")
    known = known_information(_opened(source).batches(), describe, ridge)
    if target is None:
        return feasibility(known)
    shares, n = [], 0
    farthest = 0.0
    for batch in _opened(target).batches():
        vectors, there = describe(batch)
        of_batch = vectors[there & batch.alive]
        if len(of_batch):
            found = feasibility(known, of_batch)
            shares.append(found.coverage * len(of_batch))
            farthest, n = max(farthest, found.farthest), n + len(of_batch)
    if not n:
        raise ValueError(f"no row of the target has the features {describe.name!r}; expected at least one")
    return replace(feasibility(known), coverage=float(np.sum(shares)) / n, farthest=farthest)


def _opened(source: str | Path | Any) -> Any:
    return open_dataset(source)

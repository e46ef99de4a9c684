"""What a dataset tells a linear model, in a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from molaug.filters.design.selectors import check_ridge
from molaug.filters.features import Features
from molaug.filters.information import Information
from molaug.structures import Structures


def known_information(batches: Iterable[Structures], features: Features, ridge: float = 1e-4) -> Information:
    """Sum up the information of all rows that have features and were not rejected.

    Parameters
    ----------
    batches
        Of the dataset.
    features
        Of its rows.
    ridge
        As a share of the mean eigenvalue of FᵀF.

    Returns
    -------
    Information
        M = FᵀF + ς²I.

    Raises
    ------
    ValueError
        If the ridge is out of its range, or no row has features.

    Examples
    --------
    >>> from molaug.filters.features import Distances
    >>> rows = Structures.from_arrays([[1, 1]], [[[0, 0, 0], [0, 0, 0.74]]])
    >>> known_information([rows], Distances()).n
    1
    """
    check_ridge(ridge)
    seen = _vectors(batches, features)
    known = Information.of(seen)
    if not known.n:
        raise ValueError(
            f"no row has the features {features.name!r}; expected geometries, or SMILES for graphs, and features that "
            "know their elements"
        )
    return known.regularised(ridge)


def _vectors(batches: Iterable[Structures], features: Features) -> Iterator[NDArray[np.float32]]:
    for batch in batches:
        vectors, there = features(batch)
        yield vectors[there & batch.alive]

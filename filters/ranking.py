"""The order at random that all selectors start from, and what a budget may be."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from molaug.structures.hashing import stream


def ranking(ids: Sequence[str], seed: int, name: str) -> NDArray[np.int64]:
    """Return rows in a random order that does not depend on the order in which they come.

    Parameters
    ----------
    ids
        Of the rows.
    seed
        The one seed of the run.
    name
        Whose order it is.

    Returns
    -------
    NDArray[np.int64]
        Row numbers, shape (n,), by a hash of the ids.

    Examples
    --------
    >>> [["a", "b"][k] for k in ranking(["a", "b"], 0, "x")] == [["b", "a"][k] for k in ranking(["b", "a"], 0, "x")]
    True
    """
    key = stream(seed, name).bytes(16)
    hashes = [blake2b(row_id.encode(), digest_size=16, key=key).digest() for row_id in ids]
    return np.array(sorted(range(len(ids)), key=hashes.__getitem__), dtype=np.int64)


def check_budget(budget: int) -> None:
    """Refuse a negative budget.

    Parameters
    ----------
    budget
        Rows wanted.

    Raises
    ------
    ValueError
        If it is negative.
    """
    if budget < 0:
        raise ValueError(f"budget {budget}; expected at least 0")

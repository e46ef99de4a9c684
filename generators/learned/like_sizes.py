"""Batches of molecules of like size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

#: Batches that are cut from one heap of molecules, sorted by size.
_HEAP = 32


class LikeSizes(Sampler[list[int]]):  # type: ignore[misc]
    """Batches of molecules of like size, so that little of a batch is padding; in a new random order each epoch.

    Parameters
    ----------
    sizes
        Atoms of each molecule, shape (n,).
    batch_size
        Molecules of a batch; what is left over at the end of an epoch is left out, at random.

    Examples
    --------
    >>> sorted(len(rows) for rows in LikeSizes(np.array([3, 9, 3, 9, 4]), 2))
    [2, 2]
    """

    def __init__(self, sizes: NDArray[np.integer[Any]], batch_size: int) -> None:
        self._sizes, self._batch_size = sizes, batch_size

    def __len__(self) -> int:
        return max(len(self._sizes) // self._batch_size, 1)

    def __iter__(self) -> Iterator[list[int]]:
        # what is left over at the end is left out at random, not by size
        order = torch.randperm(len(self._sizes)).numpy()[: max(len(self) * self._batch_size, 1)]
        heap = _HEAP * self._batch_size
        batches = []
        for start in range(0, len(order), heap):
            rows = order[start : start + heap]
            rows = rows[np.argsort(self._sizes[rows], kind="stable")]
            batches += [rows[k : k + self._batch_size] for k in range(0, len(rows), self._batch_size)]
        for k in torch.randperm(len(batches)).tolist():
            yield batches[k].tolist()

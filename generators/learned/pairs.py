"""Pairs of atoms i < j as a list, and as the two triangles of a square."""

from __future__ import annotations

import torch
from torch import Tensor


def of_pairs(square: Tensor) -> Tensor:
    """Return the entries above the diagonal.

    Parameters
    ----------
    square
        Shape (n, n_max, n_max) or (n, n_max, n_max, d).

    Returns
    -------
    Tensor
        Shape (n, n_pairs) or (n, n_pairs, d), row by row.

    Examples
    --------
    >>> of_pairs(torch.arange(9).reshape(1, 3, 3)).tolist()
    [[1, 2, 5]]
    """
    i, j = torch.triu_indices(square.shape[1], square.shape[1], 1, device=square.device)
    return square[:, i, j]


def in_square(pairs: Tensor, n_max: int) -> Tensor:
    """Lay pairs into both triangles; the diagonal is zero.

    Parameters
    ----------
    pairs
        Shape (n, n_pairs) or (n, n_pairs, d).
    n_max
        Atoms.

    Returns
    -------
    Tensor
        Shape (n, n_max, n_max) or (n, n_max, n_max, d), symmetric.

    Examples
    --------
    >>> in_square(torch.tensor([[1, 2, 3]]), 3).tolist()
    [[[0, 1, 2], [1, 0, 3], [2, 3, 0]]]
    """
    i, j = torch.triu_indices(n_max, n_max, 1, device=pairs.device)
    square = pairs.new_zeros(len(pairs), n_max, n_max, *pairs.shape[2:])
    square[:, i, j] = pairs
    square[:, j, i] = pairs
    return square

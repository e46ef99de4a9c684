"""Structures of a batch side by side: dense arrays with padding, and lists of edges."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense:
    """Where each atom of a batch has its place in arrays of shape (n, n_max, …).

    Parameters
    ----------
    row
        Structure of each atom, shape (n_atoms,).
    column
        Its place there, shape (n_atoms,).
    mask
        Where there is an atom, shape (n, n_max).

    Examples
    --------
    >>> dense = Dense.of(torch.tensor([0, 0, 1]))
    >>> dense.laid(torch.tensor([8, 1, 2])).tolist()
    [[8, 1], [2, 0]]
    >>> dense.flat(dense.laid(torch.tensor([8, 1, 2]))).tolist()
    [8, 1, 2]
    """

    row: Tensor
    column: Tensor
    mask: Tensor

    @classmethod
    def of(cls, batch: Tensor) -> Dense:
        """Lay out a batch.

        Parameters
        ----------
        batch
            Structure of each atom, ascending from 0, shape (n_atoms,).

        Returns
        -------
        Dense
            With as many columns as the largest structure has atoms.
        """
        sizes = torch.bincount(batch)
        first = sizes.cumsum(0) - sizes
        column = torch.arange(len(batch), device=batch.device) - first[batch]
        n_max = int(sizes.max()) if len(sizes) else 0
        mask = torch.arange(n_max, device=batch.device) < sizes[:, None]
        return cls(row=batch, column=column, mask=mask)

    def laid(self, values: Tensor) -> Tensor:
        """Return values of atoms as a dense array.

        Parameters
        ----------
        values
            Shape (n_atoms, …).

        Returns
        -------
        Tensor
            Shape (n, n_max, …), 0 in the padding.
        """
        dense = values.new_zeros(*self.mask.shape, *values.shape[1:])
        return dense.index_put((self.row, self.column), values)

    def flat(self, dense: Tensor) -> Tensor:
        """Return values of atoms from a dense array.

        Parameters
        ----------
        dense
            Shape (n, n_max, …).

        Returns
        -------
        Tensor
            Shape (n_atoms, …).
        """
        return dense[self.row, self.column]


def radius_edges(positions: Tensor, batch: Tensor, cutoff: float) -> Tensor:
    """Return the pairs of atoms of the same structure that are nearer than a cutoff, in both directions.

    Written for molecules: it looks at all pairs of each structure. torch_geometric's own needs a library that no
    package index has.

    Parameters
    ----------
    positions
        In Å, shape (n_atoms, 3).
    batch
        Structure of each atom, ascending, shape (n_atoms,).
    cutoff
        In Å.

    Returns
    -------
    Tensor
        Sources and targets, shape (2, n_edges), by target.

    Examples
    --------
    >>> radius_edges(torch.tensor([[0.0, 0, 0], [1, 0, 0], [9, 0, 0]]), torch.zeros(3, dtype=torch.long), 2.0).tolist()
    [[1, 0], [0, 1]]
    """
    dense = Dense.of(batch)
    x = dense.laid(positions.detach())
    squares = (x[:, :, None] - x[:, None]).square().sum(-1)  # (n, n_max, n_max)
    near = (squares < cutoff**2) & dense.mask[:, :, None] & dense.mask[:, None]
    near &= ~torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
    sizes = dense.mask.sum(1)
    first = sizes.cumsum(0) - sizes
    structure, target, source = near.nonzero(as_tuple=True)
    return torch.stack([first[structure] + source, first[structure] + target])

"""SchNet of torch_geometric, up to what its last layer sees."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from molaug.potentials.batches import radius_edges


class SchNet(nn.Module):  # type: ignore[misc]
    """Features of atoms by continuous filters of distances: torch_geometric's SchNet with edges of our own.

    Parameters
    ----------
    width
        Channels of an atom.
    layers
        Interactions.
    cutoff
        Å beyond which atoms do not see each other.
    radial
        Gaussians of the distance.

    References
    ----------
    K. T. Schütt et al., arXiv:1706.08566.

    Examples
    --------
    >>> net = SchNet(width=16, layers=1)
    >>> net(torch.tensor([8, 1, 1]), torch.randn(3, 3), torch.zeros(3, dtype=torch.long)).shape
    torch.Size([3, 8])
    """

    def __init__(self, width: int = 128, layers: int = 6, cutoff: float = 5.0, radial: int = 50) -> None:
        super().__init__()
        with warnings.catch_warnings():  # of what torch deprecates in it
            warnings.simplefilter("ignore", DeprecationWarning)
            from torch_geometric.nn.models import SchNet as Reference

        self.options = {"width": width, "layers": layers, "cutoff": cutoff, "radial": radial}
        self.n_features = width // 2
        self.cutoff = cutoff
        self.body = Reference(
            hidden_channels=width,
            num_filters=width,
            num_interactions=layers,
            num_gaussians=radial,
            cutoff=cutoff,
            interaction_graph=self._edges,
        )
        self.body.lin2 = nn.Identity()  # the last layer is the potential's

    def forward(self, numbers: Tensor, positions: Tensor, batch: Tensor) -> Tensor:
        """Return the features of atoms that the last layer sees.

        Parameters
        ----------
        numbers
            Atomic numbers, shape (n_atoms,).
        positions
            In Å, shape (n_atoms, 3).
        batch
            Structure of each atom, ascending, shape (n_atoms,).

        Returns
        -------
        Tensor
            Shape (n_atoms, n_features).
        """
        body = self.body
        h = body.embedding(numbers)
        edges, lengths = self._edges(positions, batch)
        gaussians = body.distance_expansion(lengths)
        for interaction in body.interactions:
            h = h + interaction(h, edges, lengths, gaussians)
        features: Tensor = body.act(body.lin1(h))
        return features

    def _edges(self, positions: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        edges = radius_edges(positions, batch, self.cutoff)
        off = positions[edges[0]] - positions[edges[1]]
        return edges, torch.linalg.vector_norm(off, dim=-1)

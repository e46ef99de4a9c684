"""The network of the graph generator: from a noisy graph to the probabilities of every atom type and bond order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn.functional import one_hot, silu

from molaug.generators.learned.atom_types import BOND_ORDERS
from molaug.generators.learned.random_walk import random_walk
from molaug.generators.learned.transformer import OUTSIDE, PairHead, TransformerBlock


class GraphDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """A transformer over atoms. Bonds and random walks bias its attention; so do places where atoms are ordered.

    The pairs have a narrow stream of features of their own, which every layer may update from the atoms
    (``pair_updates``) or leave as it is.

    Parameters
    ----------
    n_types
        Atom types.
    n_max
        Atoms of a molecule at most.
    width
        Features of an atom.
    layers
        Of the transformer.
    heads
        Of its attention; they share the width.
    pair_width
        Features of a pair.
    pair_updates
        Update the features of pairs in every layer.
    walk_steps
        Longest random walk of the structural features.
    ordered
        The places of the atoms have a meaning; without, the network is equivariant to permutations.
    conditions
        Names of the scalar conditions.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        n_types: int = 4,
        n_max: int = 9,
        width: int = 128,
        layers: int = 6,
        heads: int = 8,
        pair_width: int = 32,
        pair_updates: bool = False,
        walk_steps: int = 6,
        ordered: bool = True,
        conditions: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} and {heads} heads; expected a multiple")
        self.atom = nn.Embedding(n_types, width)
        self.row = nn.Linear(BOND_ORDERS * (n_max + 1 if ordered else 1), width)
        self.walk_self = nn.Linear(walk_steps, width)
        self.fixed = nn.Embedding(2, width)
        self.bond = nn.Embedding(BOND_ORDERS, pair_width)
        self.walk_pair = nn.Linear(walk_steps, pair_width)
        self.place = nn.Embedding(n_max, width) if ordered else None
        self.offset = nn.Embedding(2 * n_max - 1, pair_width) if ordered else None
        self.pair_norm = nn.LayerNorm(pair_width)
        self.size = nn.Embedding(n_max + 1, width)
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.condition = nn.Linear(2 * len(conditions), width) if conditions else None
        self.modulation = nn.Linear(width, 4 * width)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, pair_width, pair_updates) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.atom_head = nn.Linear(width, n_types)
        self.pair_head = PairHead(width, pair_width, BOND_ORDERS)
        self.register_buffer("frequencies", torch.exp(torch.linspace(0.0, 6.0, 32)), persistent=False)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self,
        atoms: Tensor,
        bonds: Tensor,
        mask: Tensor,
        time: Tensor,
        fixed: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of x₁ given xₜ.

        Parameters
        ----------
        atoms
            Types, shape (n, n_max), 0 in the padding.
        bonds
            Orders, shape (n, n_max, n_max), symmetric, 0 in the padding.
        mask
            Where there is an atom, shape (n, n_max).
        time
            Shape (n,), from 0 (noise) to 1.
        fixed
            Atoms whose types, and among each other whose bonds, are final, shape (n, n_max).
        condition
            Standardised values, and 1 where each is given, shape (n, 2 n_conditions).

        Returns
        -------
        atom_logits : Tensor
            Shape (n, n_max, n_types).
        pair_logits : Tensor
            Shape (n, n_pairs, 4), for the pairs i < j.
        """
        n_max = atoms.shape[1]
        walk = random_walk(bonds, self.config.walk_steps)  # (n, n_max, n_max, walk_steps)
        h = self.atom(atoms) + self.row(self._rows(bonds, mask))  # (n, n_max, width)
        h = h + self.walk_self(walk.diagonal(dim1=1, dim2=2).transpose(1, 2))
        pair = self.bond(bonds) + self.walk_pair(walk)  # (n, n_max, n_max, pair_width)
        if self.place is not None and self.offset is not None:
            places = torch.arange(n_max, device=atoms.device)
            h = h + self.place(places)
            pair = pair + self.offset(places[:, None] - places[None, :] + self.config.n_max - 1)
        if fixed is not None:
            h = h + self.fixed(fixed.long())
        pair = self.pair_norm(pair)
        c = self._context(time, mask, condition)  # (n, width)
        h = h + c[:, None]
        modulation = self.modulation(silu(c))[:, None].chunk(4, -1)  # 4 of (n, 1, width)
        outside = torch.zeros_like(mask, dtype=h.dtype).masked_fill(~mask, OUTSIDE)[:, None, None]  # (n, 1, 1, n_max)
        for block in self.blocks:
            h, pair = block(h, pair, outside, modulation)
        h = self.norm(h)
        return self.atom_head(h), self.pair_head(h, pair)

    def _rows(self, bonds: Tensor, mask: Tensor) -> Tensor:
        """Return how many bonds of each order an atom has and, where places mean something, to which places."""
        onehot = one_hot(bonds, BOND_ORDERS).to(self.row.weight.dtype) * mask[:, None, :, None]  # (n, n_max, n_max, 4)
        counts = onehot.sum(2)  # (n, n_max, 4)
        if self.place is None:
            return counts
        room = onehot.new_zeros(*onehot.shape[:2], self.config.n_max, BOND_ORDERS)
        room[:, :, : bonds.shape[1]] = onehot
        return torch.cat([counts, room.flatten(2)], -1)  # (n, n_max, 4 + 4 n_max)

    def _context(self, time: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
        phases = time[:, None] * self.frequencies  # (n, 32)
        c = self.time(torch.cat([phases.sin(), phases.cos()], -1)) + self.size(mask.sum(1))  # (n, width)
        if self.condition is None:
            return c
        if condition is None:
            condition = c.new_zeros(len(c), self.condition.in_features)
        return c + self.condition(condition)

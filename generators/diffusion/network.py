"""The network of the 3D generator: from a noisy graph to its atoms and bonds, from noisy coordinates to geometries."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn.functional import one_hot, silu

from molaug.generators.diffusion.features import RadialBasis, distances
from molaug.generators.learned.atom_types import BOND_ORDERS
from molaug.generators.learned.random_walk import random_walk
from molaug.generators.learned.transformer import OUTSIDE, PairHead, TransformerBlock

#: Features of distances.
_RADIAL = 24

#: Springs are as strong at all times but the last 1/30.
_SPRING = 30.0


class MoleculeDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """A transformer over atoms; bonds, walks along them and distances bias its attention.

    One network has both parts of a molecule: of its heavy atoms types and bonds, :meth:`graph`, and of all its atoms
    coordinates, given the graph, :meth:`coordinates`. Coordinates enter in two ways. As plain features of the atoms,
    with which it learns what rotations do from rotated data (``absolute``); and as distances, from which some of its
    layers move each atom towards or away from the others (``moves``), the same however the molecule lies.

    Parameters
    ----------
    valences
        Highest valence of each atom type, hydrogens counted.
    n_max
        Atoms of a molecule at most, hydrogens counted.
    scale
        Å of a unit of the coordinates.
    width
        Features of an atom.
    layers
        Of the transformer.
    heads
        Of its attention; they share the width.
    pair_width
        Features of a pair.
    move_width
        Features of a pair in the layers that move atoms.
    moves
        Layers that move atoms, spread over the transformer; all of them by default.
    absolute
        Whether coordinates are features of the atoms as they are.
    walk_steps
        Longest random walk of the structural features.
    conditions
        Names of the scalar conditions.

    References
    ----------
    V. G. Satorras et al., arXiv:2102.09844 (moves along distance vectors); C. K. Joshi et al., arXiv:2503.03965 (plain
    transformers on coordinates).
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        valences: Sequence[int] = (1, 4, 3, 2),
        n_max: int = 29,
        scale: float = 1.4,
        width: int = 128,
        layers: int = 6,
        heads: int = 8,
        pair_width: int = 32,
        move_width: int = 48,
        moves: int | None = None,
        absolute: bool = True,
        walk_steps: int = 6,
        conditions: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} and {heads} heads; expected a multiple")
        moves = layers if moves is None else moves
        if not 0 <= moves <= layers:
            raise ValueError(f"{moves} layers that move atoms of {layers}; expected no more of them")
        if not (moves or absolute):
            raise ValueError("moves=0 and absolute=False; the network would not see how to place atoms: expected one")
        n_types = len(valences)
        self.atom = nn.Embedding(n_types, width)
        self.row = nn.Linear(BOND_ORDERS * (n_max + 1), width)
        self.place = nn.Embedding(n_max, width)
        self.fixed = nn.Embedding(2, width)
        self.part = nn.Embedding(2, width)
        self.room = nn.Linear(1 + walk_steps, width)
        self.coordinate = nn.Linear(3, width) if absolute else None
        self.radial = RadialBasis(_RADIAL)
        self.pair = nn.Linear(BOND_ORDERS + walk_steps + _RADIAL, pair_width)
        self.offset = nn.Embedding(2 * n_max - 1, pair_width)
        self.pair_norm = nn.LayerNorm(pair_width)
        self.size = nn.Embedding(n_max + 1, width)
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.condition = nn.Linear(2 * len(conditions), width) if conditions else None
        self.modulation = nn.Linear(width, 4 * width)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, pair_width, False) for _ in range(layers))
        self.movers = nn.ModuleDict(
            {str((k + 1) * layers // moves - 1): _Move(width, pair_width, move_width) for k in range(moves)}
        )
        self.norm = nn.LayerNorm(width)
        self.atom_head = nn.Linear(width, n_types)
        self.pair_head = PairHead(width, pair_width, BOND_ORDERS)
        self.coordinate_head = nn.Linear(width, 3) if absolute else None
        self.register_buffer("frequencies", torch.exp(torch.linspace(0.0, 6.0, 32)), persistent=False)
        self.register_buffer("type_valences", torch.tensor(valences, dtype=torch.float32), persistent=False)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, part: str, *arguments: Tensor, **options: Tensor | None) -> tuple[Tensor, Tensor] | Tensor:
        """Call :meth:`graph` or :meth:`coordinates`.

        Parameters
        ----------
        part
            ``"graph"`` or ``"coordinates"``.
        *arguments
            Of the method.
        **options
            Of the method.

        Returns
        -------
        tuple of Tensor, or Tensor
            What the method returns.
        """
        return self.graph(*arguments, **options) if part == "graph" else self.coordinates(*arguments, **options)

    def graph(
        self,
        atoms: Tensor,
        bonds: Tensor,
        mask: Tensor,
        time: Tensor,
        fixed: Tensor | None = None,
        coordinates: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of the graph of heavy atoms given a noisy one.

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
            Atoms whose types, coordinates, and among each other bonds, are final, shape (n, n_max).
        coordinates
            Of those atoms, shape (n, n_max, 3); of the others they are not looked at.
        condition
            Standardised values, and 1 where each is given, shape (n, 2 n_conditions).

        Returns
        -------
        atom_logits : Tensor
            Shape (n, n_max, n_types).
        pair_logits : Tensor
            Shape (n, n_pairs, 4), for the pairs i < j.
        """
        fixed = torch.zeros_like(mask) if fixed is None else fixed
        x = time.new_zeros(*mask.shape, 3) if coordinates is None else coordinates * fixed[..., None]
        h, pair, _ = self._trunk(0, atoms, bonds, x, mask, time, fixed, fixed, condition)
        return self.atom_head(h), self.pair_head(h, pair)

    def coordinates(
        self,
        atoms: Tensor,
        bonds: Tensor,
        coordinates: Tensor,
        mask: Tensor,
        time: Tensor,
        fixed: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Return what the coordinates are expected to be in the end.

        Parameters
        ----------
        atoms
            Types, shape (n, n_max), 0 in the padding.
        bonds
            Orders, shape (n, n_max, n_max), symmetric, 0 in the padding.
        coordinates
            In units of ``scale``, shape (n, n_max, 3), 0 in the padding.
        mask
            Where there is an atom, shape (n, n_max).
        time
            Shape (n,), from 0 (noise) to 1.
        fixed
            Atoms whose coordinates are final, shape (n, n_max).
        condition
            Standardised values, and 1 where each is given, shape (n, 2 n_conditions).

        Returns
        -------
        Tensor
            Shape (n, n_max, 3).
        """
        fixed = torch.zeros_like(mask) if fixed is None else fixed
        _, _, x = self._trunk(1, atoms, bonds, coordinates, mask, time, fixed, mask, condition)
        return x * mask[..., None]

    def _trunk(
        self,
        part: int,
        atoms: Tensor,
        bonds: Tensor,
        x: Tensor,
        mask: Tensor,
        time: Tensor,
        fixed: Tensor,
        placed: Tensor,
        condition: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return features of atoms and pairs, and coordinates; those of atoms that are not placed mean nothing."""
        n_max = atoms.shape[1]
        walk = random_walk(bonds, self.config.walk_steps)  # (n, n_max, n_max, walk_steps)
        onehot = one_hot(bonds, BOND_ORDERS).to(walk.dtype) * mask[:, None, :, None]  # (n, n_max, n_max, 4)
        places = torch.arange(n_max, device=atoms.device)
        room = (self.type_valences[atoms] - bonds.sum(-1))[..., None] / 4.0  # (n, n_max, 1)
        h = self.atom(atoms) + self.place(places) + self.row(self._rows(onehot))  # (n, n_max, width)
        h = h + self.room(torch.cat([room, walk.diagonal(dim1=1, dim2=2).transpose(1, 2)], -1))
        h = h + self.fixed(fixed.long()) + self.part.weight[part]
        if self.coordinate is not None:
            h = h + self.coordinate(x)
        both = (placed[:, :, None] & placed[:, None]).to(h.dtype)  # (n, n_max, n_max)
        distance = distances(x)  # (n, n_max, n_max)
        radial = self.radial(distance * self.config.scale) * both[..., None]  # (n, n_max, n_max, n_radial)
        pair = self.pair(torch.cat([onehot, walk, radial], -1))  # (n, n_max, n_max, pair_width)
        pair = self.pair_norm(pair + self.offset(places[:, None] - places[None, :] + self.config.n_max - 1))
        c = self._context(time, mask, condition)  # (n, width)
        h = h + c[:, None]
        modulation = self.modulation(silu(c))[:, None].chunk(4, -1)  # 4 of (n, 1, width)
        outside = torch.zeros_like(mask, dtype=h.dtype).masked_fill(~mask, OUTSIDE)[:, None, None]  # (n, 1, 1, n_max)
        left = (1.0 - time)[:, None, None]  # what is left to go, (n, 1, 1)
        for k, block in enumerate(self.blocks):
            h, pair = block(h, pair, outside, modulation)
            if str(k) in self.movers:
                message, step = self.movers[str(k)](h, pair, radial, x, distance, both, left)
                h, x = h + message, x + step
                if k + 1 < len(self.blocks):
                    distance = distances(x)
                    radial = self.radial(distance * self.config.scale) * both[..., None]
        h = self.norm(h)
        if self.coordinate_head is not None:
            x = x + left * self.coordinate_head(h)
        return h, pair, x

    def _rows(self, onehot: Tensor) -> Tensor:
        """Return how many bonds of each order an atom has, and to which places."""
        room = onehot.new_zeros(*onehot.shape[:2], self.config.n_max, BOND_ORDERS)
        room[:, :, : onehot.shape[1]] = onehot
        return torch.cat([onehot.sum(2), room.flatten(2)], -1)  # (n, n_max, 4 + 4 n_max)

    def _context(self, time: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
        phases = time[:, None] * self.frequencies  # (n, 32)
        c = self.time(torch.cat([phases.sin(), phases.cos()], -1)) + self.size(mask.sum(1))  # (n, width)
        if self.condition is None:
            return c
        if condition is None:
            condition = c.new_zeros(len(c), self.condition.in_features)
        return c + self.condition(condition)


class _Move(nn.Module):  # type: ignore[misc]
    """Moves each atom along its distances to the others, and tells it of them."""

    def __init__(self, width: int, pair_width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.left, self.right = nn.Linear(width, inner), nn.Linear(width, inner, bias=False)
        self.pair = nn.Linear(pair_width + _RADIAL, inner, bias=False)
        self.inner = nn.Linear(inner, inner)
        self.weight = nn.Linear(inner, 2)
        self.message = nn.Linear(inner, width)
        nn.init.normal_(self.weight.weight, std=1e-3)
        nn.init.zeros_(self.weight.bias)

    def forward(
        self, h: Tensor, pair: Tensor, radial: Tensor, x: Tensor, distance: Tensor, both: Tensor, left: Tensor
    ) -> tuple[Tensor, Tensor]:
        n, n_max, _ = h.shape
        z, inner = self.norm(h), self.inner.in_features
        m = (self.left(z)[:, :, None] + self.right(z)[:, None]).view(-1, inner)  # (n n_max n_max, inner)
        # products added to what is there: on a CPU the passes over all pairs cost more than the sums in them
        of_pair, of_radial = self.pair.weight.t().split([pair.shape[-1], _RADIAL])
        m = torch.addmm(torch.addmm(m, pair.flatten(0, 2), of_pair), radial.flatten(0, 2), of_radial).relu_()
        m = self.inner(m).relu_()
        # what is far from its place goes a share of its way; what is near springs back by as much as it is off
        far, near = self.weight(m).view(n, n_max, n_max, 2).unbind(-1)  # (n, n_max, n_max) each
        weight = (left * far + (_SPRING * left).clamp(max=1.0) * near) * both / (1.0 + distance)
        step = weight @ x - weight.sum(-1, keepdim=True) * x  # weights times distance vectors, (n, n_max, 3)
        message = both.view(n * n_max, 1, n_max) @ m.view(n * n_max, n_max, inner)  # (n n_max, 1, inner)
        return self.message(message.view(n, n_max, inner) / 4.0), step

"""PaiNN with filters shared by heads of channels: scalars and vectors of atoms, equivariant under rotations."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from molaug.potentials.batches import Dense

#: Elements up to this one have an embedding.
ELEMENTS = 100


class PaiNN(nn.Module):  # type: ignore[misc]
    """Features of atoms by messages of scalars and vectors.

    In PaiNN each channel has its own filter of the distance. Here channels are dealt out to heads and those of a head
    share one: messages are then products of small matrices, with nothing stored for each pair and channel, and cheaper
    at equal width. ``heads=width`` is the published network.

    Parameters
    ----------
    width
        Channels of an atom, scalars and vectors each.
    layers
        Rounds of messages.
    heads
        Filters of each kind; a divisor of the width.
    cutoff
        Å beyond which atoms do not see each other.
    radial
        Functions of the distance that filters are made of.
    out
        Features of an atom that the last layer sees.

    Raises
    ------
    ValueError
        If the heads do not divide the width, or a number is too small.

    References
    ----------
    K. T. Schütt, O. T. Unke and M. Gastegger, arXiv:2102.03150.

    Examples
    --------
    >>> net = PaiNN(width=16, layers=1, heads=4)
    >>> net(torch.tensor([8, 1, 1]), torch.randn(3, 3), torch.zeros(3, dtype=torch.long)).shape
    torch.Size([3, 16])
    """

    def __init__(
        self,
        width: int = 128,
        layers: int = 3,
        heads: int = 16,
        cutoff: float = 5.0,
        radial: int = 20,
        out: int | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or width < 1 or width % heads:
            raise ValueError(f"{heads} heads and width {width}; expected a divisor")
        if layers < 1 or radial < 1 or not cutoff > 0:
            raise ValueError(
                f"layers={layers}, radial={radial}, cutoff={cutoff}; expected at least 1, 1 and more than 0"
            )
        self.options = {
            "width": width,
            "layers": layers,
            "heads": heads,
            "cutoff": cutoff,
            "radial": radial,
            "out": out or width,
        }
        self.n_features: int = out or width
        self.cutoff = cutoff
        self.embedding = nn.Embedding(ELEMENTS, width)
        self.messages = nn.ModuleList(_Message(width, heads, radial) for _ in range(layers))
        self.updates = nn.ModuleList(_Update(width) for _ in range(layers))
        self.out = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, self.n_features), nn.SiLU())
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.register_buffer("frequencies", math.pi / cutoff * torch.arange(1, radial + 1), persistent=False)

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
        dense = Dense.of(batch)
        z, x, there = dense.laid(numbers), dense.laid(positions), dense.mask  # (n, n_max), (n, n_max, 3), (n, n_max)
        off = x[:, :, None] - x[:, None]  # (n, n_max, n_max, 3)
        distance = (off.square().sum(-1) + 1e-12).sqrt()  # (n, n_max, n_max)
        seen = there[:, :, None] & there[:, None] & (distance < self.cutoff)
        seen = seen & ~torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        envelope = 0.5 * (torch.cos(distance * (math.pi / self.cutoff)) + 1.0) * seen  # (n, n_max, n_max)
        inverse = torch.where(seen, distance, 1.0).reciprocal()
        waves = torch.sin(distance[..., None] * self.frequencies) * (envelope * inverse)[..., None]  # (…, n_radial)
        basis = torch.cat([waves, envelope[..., None]], -1)  # the last one carries the filters' bias
        s = self.embedding(z) * there[..., None]  # (n, n_max, width)
        v = s.new_zeros(*s.shape[:2], 3, s.shape[2])  # (n, n_max, 3, width)
        for message, update in zip(self.messages, self.updates, strict=True):
            s, v = message(s, v, basis, inverse, x)
            s, v = update(s, v)
        return dense.flat(self.out(s))


class _Message(nn.Module):  # type: ignore[misc]
    """What atoms tell each other."""

    def __init__(self, width: int, heads: int, radial: int) -> None:
        super().__init__()
        self.heads = heads
        self.sent = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 3 * width))
        self.filters = nn.Linear(radial + 1, 3 * heads, bias=False)

    def forward(self, s: Tensor, v: Tensor, basis: Tensor, inverse: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        n, n_max, width = s.shape
        heads, each = self.heads, width // self.heads
        filters = self.filters(basis).permute(0, 3, 1, 2)  # (n, 3 heads, n_max, n_max)
        of_s, of_v, of_x = filters.split(heads, 1)
        sent, kept, pushed = (
            self.sent(s).view(n, n_max, 3, heads, each).permute(2, 0, 3, 1, 4)
        )  # (n, heads, n_max, each)
        ds = of_s @ sent  # (n, heads, n_max, each)
        carried = v.view(n, n_max, 3, heads, each).permute(0, 3, 1, 2, 4) * kept[:, :, :, None]
        dv = (of_v @ carried.reshape(n, heads, n_max, 3 * each)).view(n, heads, n_max, 3, each)
        # Σⱼ w(dᵢⱼ) rᵢⱼ / dᵢⱼ as xᵢ Σⱼ w / d - Σⱼ w / d xⱼ: no array of pairs, channels and directions
        along = of_x * inverse[:, None]  # (n, heads, n_max, n_max)
        there = x[:, None, :, :, None]  # (n, 1, n_max, 3, 1)
        told = torch.cat([pushed, (pushed[:, :, :, None] * there).reshape(n, heads, n_max, 3 * each)], -1)
        total, weighted = (along @ told).split([each, 3 * each], -1)
        dv = dv + there * total[:, :, :, None] - weighted.view(n, heads, n_max, 3, each)
        s = s + ds.transpose(1, 2).reshape(n, n_max, width)
        return s, v + dv.permute(0, 2, 3, 1, 4).reshape(n, n_max, 3, width)


class _Update(nn.Module):  # type: ignore[misc]
    """What atoms make of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mixed = nn.Linear(width, 2 * width, bias=False)
        self.gates = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, 3 * width))

    def forward(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.mixed(v).chunk(2, -1)  # (n, n_max, 3, width) each
        length = (b.square().sum(2) + 1e-8).sqrt()  # (n, n_max, width)
        of_v, of_both, of_s = self.gates(torch.cat([s, length], -1)).chunk(3, -1)  # (n, n_max, width) each
        return s + of_s + of_both * (a * b).sum(2), v + of_v[:, :, None] * a

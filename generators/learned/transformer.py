"""The parts of which the networks of learned generators are made: attention that features of pairs bias, and heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from molaug.generators.learned.pairs import of_pairs

#: Width of the inner layer of the pair head.
_PAIR_HEAD = 64

#: Added to the scores of attention to padding.
OUTSIDE = -1e4


class TransformerBlock(nn.Module):  # type: ignore[misc]
    """Attention biased by the features of pairs, and a perceptron; both modulated by time and conditions.

    Parameters
    ----------
    width
        Features of an atom.
    heads
        Of the attention; they share the width.
    pair_width
        Features of a pair.
    pair_updates
        Update the features of pairs from the atoms.
    """

    def __init__(self, width: int, heads: int, pair_width: int, pair_updates: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.bias = nn.Linear(pair_width, heads)
        self.out = nn.Linear(width, width)
        self.mlp = perceptron(width, 4 * width, width)
        self.to_pair = nn.Linear(width, 2 * pair_width) if pair_updates else None
        self.pair_mlp = (
            nn.Sequential(nn.LayerNorm(pair_width), perceptron(pair_width, 2 * pair_width, pair_width))
            if pair_updates
            else None
        )

    def forward(
        self, h: Tensor, pair: Tensor, outside: Tensor, modulation: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Return the features of atoms and pairs after the block.

        Parameters
        ----------
        h
            Features of atoms, shape (n, n_max, width).
        pair
            Features of pairs, shape (n, n_max, n_max, pair_width).
        outside
            Added to the scores: 0, and :data:`OUTSIDE` for padding, shape (n, 1, 1, n_max).
        modulation
            Scale and shift before the attention, and before the perceptron, each of shape (n, 1, width).

        Returns
        -------
        h : Tensor
            Of the same shape.
        pair : Tensor
            Of the same shape.
        """
        n, n_max, width = h.shape
        scale1, shift1, scale2, shift2 = modulation
        x = self.norm1(h) * (1 + scale1) + shift1
        q, k, v = self.qkv(x).view(n, n_max, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (n, heads, n_max, d) each
        # plain products: scaled_dot_product_attention is slow on CPUs in bfloat16, and for a bias with gradients
        scores = (q @ k.transpose(-1, -2)) * (width // self.heads) ** -0.5
        scores = scores.float() + self.bias(pair).permute(0, 3, 1, 2) + outside  # (n, heads, n_max, n_max)
        # the softmax written out: torch's own takes thrice as long over so few atoms on a CPU
        weights = (scores - scores.amax(-1, keepdim=True)).exp()
        x = (weights.to(v.dtype) @ v) / weights.sum(-1, keepdim=True).to(v.dtype)  # (n, heads, n_max, d)
        x = x.transpose(1, 2).reshape(n, n_max, width)
        h = h + self.out(x)
        h = h + self.mlp(self.norm2(h) * (1 + scale2) + shift2)
        if self.to_pair is not None and self.pair_mlp is not None:
            a, b = self.to_pair(h).chunk(2, -1)  # (n, n_max, pair_width) each
            pair = pair + a[:, :, None] * b[:, None] + a[:, None] * b[:, :, None]
            pair = pair + self.pair_mlp(pair)
        return h, pair


class PairHead(nn.Module):  # type: ignore[misc]
    """Classes of the pairs i < j, the same if i and j are exchanged.

    Parameters
    ----------
    width
        Features of an atom.
    pair_width
        Features of a pair.
    classes
        Such as bond orders.
    """

    def __init__(self, width: int, pair_width: int, classes: int) -> None:
        super().__init__()
        self.left, self.right, self.both = (nn.Linear(width, _PAIR_HEAD) for _ in range(3))
        self.pair = nn.Linear(pair_width, _PAIR_HEAD)
        self.out = nn.Sequential(nn.LayerNorm(_PAIR_HEAD), perceptron(_PAIR_HEAD, _PAIR_HEAD, classes))

    def forward(self, h: Tensor, pair: Tensor) -> Tensor:
        """Return the logits of every pair.

        Parameters
        ----------
        h
            Features of atoms, shape (n, n_max, width).
        pair
            Features of pairs, shape (n, n_max, n_max, pair_width).

        Returns
        -------
        Tensor
            Shape (n, n_pairs, classes).
        """
        left, right, both = self.left(h), self.right(h), self.both(h)  # (n, n_max, 64) each
        i, j = torch.triu_indices(h.shape[1], h.shape[1], 1, device=h.device)
        x = left[:, i] * right[:, j] + left[:, j] * right[:, i] + both[:, i] + both[:, j]
        x = x + self.pair(of_pairs(pair + pair.transpose(1, 2)))
        return self.out(x)  # (n, n_pairs, classes)


def perceptron(width: int, inner: int, out: int) -> nn.Sequential:
    """Return a perceptron of one inner layer.

    Parameters
    ----------
    width
        Of its input.
    inner
        Of its inner layer.
    out
        Of its output.

    Returns
    -------
    torch.nn.Sequential
        With GELU between.
    """
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(approximate="tanh"), nn.Linear(inner, out))

"""The parts of the networks: attention against torch's own, blind to padding, and heads of pairs without direction."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from molaug.generators.learned.pairs import in_square
from molaug.generators.learned.transformer import OUTSIDE, PairHead, TransformerBlock, perceptron

N, N_MAX, WIDTH, HEADS, PAIR = 3, 6, 16, 4, 5


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def inputs(n_max: int = N_MAX) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    h, pair = torch.randn(N, n_max, WIDTH), torch.randn(N, n_max, n_max, PAIR)
    return h, pair, torch.zeros(N, 1, 1, n_max), tuple(0.3 * torch.randn(N, 1, WIDTH) for _ in range(4))


def test_a_block_is_biased_attention_and_a_perceptron() -> None:
    """Against torch's own attention, in its formula: softmax(q kᵀ / √d + b) v."""
    block = TransformerBlock(WIDTH, HEADS, PAIR, pair_updates=False)
    h, pair, outside, (scale1, shift1, scale2, shift2) = inputs()
    found, same = block(h, pair, outside, (scale1, shift1, scale2, shift2))
    assert same is pair
    q, k, v = (
        part.unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for part in block.qkv(block.norm1(h) * (1 + scale1) + shift1).chunk(3, -1)
    )
    attended = scaled_dot_product_attention(q, k, v, attn_mask=block.bias(pair).permute(0, 3, 1, 2))
    expected = h + block.out(attended.transpose(1, 2).flatten(2))
    expected = expected + block.mlp(block.norm2(expected) * (1 + scale2) + shift2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("updates", [False, True])
def test_what_is_outside_is_not_attended_to(updates: bool) -> None:
    block = TransformerBlock(WIDTH, HEADS, PAIR, pair_updates=updates)
    h, pair, outside, modulation = inputs()
    outside[..., 4:] = OUTSIDE
    found, pairs = block(h, pair, outside, modulation)
    alone, pairs_alone = block(h[:, :4], pair[:, :4, :4], outside[..., :4], modulation)
    torch.testing.assert_close(found[:, :4], alone)
    torch.testing.assert_close(pairs[:, :4, :4], pairs_alone)


@pytest.mark.parametrize("updates", [False, True])
def test_atoms_may_be_exchanged(updates: bool) -> None:
    block = TransformerBlock(WIDTH, HEADS, PAIR, pair_updates=updates)
    h, pair, outside, modulation = inputs()
    p = torch.randperm(N_MAX)
    found, pairs = block(h, pair, outside, modulation)
    again, pairs_again = block(h[:, p], pair[:, p][:, :, p], outside, modulation)
    torch.testing.assert_close(again, found[:, p], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pairs_again, pairs[:, p][:, :, p], atol=1e-5, rtol=1e-5)


def test_features_of_pairs_stay_symmetric_where_they_were() -> None:
    block = TransformerBlock(WIDTH, HEADS, PAIR, pair_updates=True)
    h, pair, outside, modulation = inputs()
    _, pairs = block(h, pair + pair.transpose(1, 2), outside, modulation)
    torch.testing.assert_close(pairs, pairs.transpose(1, 2))


def test_large_scores_do_not_overflow() -> None:
    block = TransformerBlock(WIDTH, HEADS, PAIR, pair_updates=False)
    with torch.no_grad():
        block.bias.weight.mul_(1e4)
    h, pair, outside, modulation = inputs()
    found, _ = block(h, pair, outside, modulation)
    assert found.isfinite().all()
    found.sum().backward()
    assert all(w.grad.isfinite().all() for w in block.parameters())


def test_what_is_said_of_a_pair_is_said_of_it_in_either_direction() -> None:
    head = PairHead(WIDTH, PAIR, 4)
    h, pair, _, _ = inputs()
    p = torch.randperm(N_MAX)
    found, again = head(h, pair), head(h[:, p], pair[:, p][:, :, p])
    assert found.shape == (N, N_MAX * (N_MAX - 1) // 2, 4)
    square, exchanged = in_square(found, N_MAX), in_square(again, N_MAX)
    torch.testing.assert_close(exchanged, square[:, p][:, :, p], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(head(h, pair.transpose(1, 2)), found, atol=1e-5, rtol=1e-5)


def test_a_single_atom_has_no_pairs() -> None:
    h, pair, _, _ = inputs(1)
    assert PairHead(WIDTH, PAIR, 4)(h, pair).shape == (N, 0, 4)


def test_perceptrons_have_one_inner_layer() -> None:
    net = perceptron(3, 7, 2)
    assert [tuple(w.shape) for w in net.parameters()] == [(7, 3), (7,), (2, 7), (2,)]
    assert net(torch.randn(5, 3)).shape == (5, 2)

"""Pairs as a list and as a square."""

from __future__ import annotations

import torch

from molaug.generators.learned.pairs import in_square, of_pairs


def test_a_list_laid_into_a_square_is_read_back() -> None:
    for n_max in (1, 2, 5):
        n_pairs = n_max * (n_max - 1) // 2
        for shape in ((3, n_pairs), (3, n_pairs, 4)):
            pairs = torch.rand(shape)
            square = in_square(pairs, n_max)
            assert square.shape == (3, n_max, n_max, *shape[2:])
            assert torch.equal(square, square.transpose(1, 2))
            assert not square.diagonal(dim1=1, dim2=2).any()
            assert torch.equal(of_pairs(square), pairs)


def test_pairs_come_row_by_row() -> None:
    i = torch.arange(4)[None, :, None].expand(1, 4, 4)
    assert of_pairs(10 * i + i.transpose(1, 2)).tolist() == [[1, 2, 3, 12, 13, 23]]

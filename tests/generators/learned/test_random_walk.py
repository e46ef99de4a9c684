"""Random walks on graphs whose walks are known in closed form."""

from __future__ import annotations

import numpy as np
import torch

from molaug.generators.learned.random_walk import random_walk


def complete(n: int) -> torch.Tensor:
    return (torch.ones(n, n) - torch.eye(n)).long()


def ring(n: int) -> torch.Tensor:
    return torch.roll(torch.eye(n), 1, 0).long() + torch.roll(torch.eye(n), -1, 0).long()


def test_on_a_complete_graph_a_walk_returns_by_the_known_law() -> None:
    n, steps = 6, 8
    walk = random_walk(complete(n)[None], steps)[0]
    for k in range(1, steps + 1):
        returned = 1 / n + (n - 1) / n * (-1 / (n - 1)) ** k
        torch.testing.assert_close(walk[:, :, k - 1].diagonal(), torch.full((n,), returned))


def test_on_a_ring_a_walk_is_a_sum_of_cosines() -> None:
    n, steps = 7, 5
    walk = random_walk(ring(n)[None], steps)[0]
    phases = 2 * np.pi * np.arange(n) / n
    for k in range(1, steps + 1):
        exact = [(np.cos(phases) ** k * np.cos(phases * distance)).mean() for distance in range(n)]
        torch.testing.assert_close(walk[0, :, k - 1], torch.tensor(exact, dtype=torch.float32))


def test_on_a_path_a_walk_leaves_the_end_to_its_neighbour() -> None:
    path = torch.diag(torch.ones(3), 1).long() + torch.diag(torch.ones(3), -1).long()
    walk = random_walk(path[None], 3)[0]
    torch.testing.assert_close(walk[0], torch.tensor([[0, 0.5, 0], [1, 0, 0.75], [0, 0.5, 0], [0, 0, 0.25]]))


def test_probabilities_add_up_to_one_and_no_walk_begins_or_ends_at_an_isolated_atom() -> None:
    torch.manual_seed(0)
    bonds = torch.triu(torch.randint(0, 4, (20, 9, 9)) * (torch.rand(20, 9, 9) < 0.2), 1)
    bonds = bonds + bonds.transpose(1, 2)
    walk = random_walk(bonds, 6)
    isolated = ~(bonds > 0).any(2)
    torch.testing.assert_close(walk.sum(2), (~isolated).float()[..., None].expand(-1, -1, 6))
    assert not walk[isolated].any()
    assert not walk.transpose(1, 2)[isolated].any()


def test_orders_of_bonds_do_not_matter() -> None:
    assert torch.equal(random_walk(3 * ring(5)[None], 4), random_walk(ring(5)[None], 4))

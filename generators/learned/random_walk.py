"""Random-walk features of graphs: how probable a walk of k steps leads from one atom to another."""

from __future__ import annotations

import torch
from torch import Tensor


def random_walk(bonds: Tensor, steps: int) -> Tensor:
    """Return the relative random-walk probabilities of the bond graphs.

    Parameters
    ----------
    bonds
        Shape (n, n_max, n_max), bond orders; any order above 0 is a bond.
    steps
        Longest walk.

    Returns
    -------
    Tensor
        Shape (n, n_max, n_max, steps); entry k holds (D⁻¹A)ᵏ⁺¹ of the adjacency A with degrees D.

    References
    ----------
    L. Ma et al., Graph Inductive Biases in Transformers without Message Passing (ICML 2023), arXiv:2305.17589.

    Examples
    --------
    >>> walk = random_walk(torch.tensor([[[0, 1, 0], [1, 0, 2], [0, 2, 0]]]), 2)
    >>> walk[0, 0].tolist()  # from the first atom of a chain of three: one step, two steps
    [[0.0, 0.5], [1.0, 0.0], [0.0, 0.5]]
    """
    adjacency = (bonds > 0).float()
    walk = adjacency / adjacency.sum(-1, keepdim=True).clamp(min=1.0)  # (n, n_max, n_max)
    powers = [walk]
    for _ in range(steps - 1):
        powers.append(powers[-1] @ walk)
    return torch.stack(powers, dim=-1)  # (n, n_max, n_max, steps)

"""Rotations that lay noise and molecule over one another, on batches of tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def centred(x: Tensor, mask: Tensor) -> Tensor:
    """Return coordinates about the centroid of their atoms.

    Parameters
    ----------
    x
        Shape (n, n_max, 3).
    mask
        Where there is an atom, shape (n, n_max).

    Returns
    -------
    Tensor
        Shape (n, n_max, 3), 0 in the padding.
    """
    there = mask[..., None].to(x.dtype)
    return (x - (x * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp(min=1.0)) * there


def aligned(x: Tensor, onto: Tensor) -> Tensor:
    """Return coordinates turned, never mirrored, to lie best over others.

    Parameters
    ----------
    x
        Centred, 0 in the padding, shape (n, n_max, 3).
    onto
        The same of the target.

    Returns
    -------
    Tensor
        Shape (n, n_max, 3).

    References
    ----------
    W. Kabsch, doi:10.1107/S0567739476001873.

    Examples
    --------
    >>> x = torch.tensor([[[0.0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0]]])
    >>> bool(torch.allclose(aligned(x[..., [1, 2, 0]], x), x, atol=1e-6))
    True
    """
    u, _, vt = torch.linalg.svd(x.transpose(1, 2) @ onto)  # (n, 3, 3) each
    sign = torch.ones_like(u[:, 0])  # (n, 3)
    sign[:, 2] = torch.linalg.det(u @ vt).sign()  # the least axis turns round where it would be a mirror
    return x @ ((u * sign[:, None]) @ vt)


def random_rotations(normal: Tensor) -> Tensor:
    """Return rotations, all equally likely.

    Parameters
    ----------
    normal
        Normal random numbers, shape (n, 4).

    Returns
    -------
    Tensor
        To be multiplied from the right, shape (n, 3, 3).

    References
    ----------
    K. Shoemake, Uniform random rotations, in Graphics Gems III (1992): normal quaternions.

    Examples
    --------
    >>> turn = random_rotations(torch.randn(2, 4))
    >>> bool(torch.allclose(turn @ turn.transpose(1, 2), torch.eye(3).expand(2, 3, 3), atol=1e-5))
    True
    """
    w, x, y, z = (normal / normal.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], 1)

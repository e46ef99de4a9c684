"""Features of distances for the network."""

from __future__ import annotations

import torch
from torch import Tensor

#: Exponent below which a radial feature is nought.
_LEAST = -20.0


class RadialBasis(torch.nn.Module):  # type: ignore[misc]
    """Smooth features of distances, finest where bonds are.

    Parameters
    ----------
    n
        Features.
    reach
        Distance in Å at which they level off.

    References
    ----------
    O. T. Unke and M. Meuwly, J. Chem. Theory Comput. 15, 3678 (2019), doi:10.1021/acs.jctc.9b00181.

    Examples
    --------
    >>> RadialBasis(8)(torch.tensor([1.0, 1.5])).shape
    torch.Size([2, 8])
    """

    def __init__(self, n: int, reach: float = 8.0) -> None:
        super().__init__()
        last = torch.exp(torch.tensor(-0.5 * reach))
        self.register_buffer("centers", torch.linspace(float(last), 1.0, n), persistent=False)
        self.width = float((2.0 / n * (1.0 - last)) ** -2)

    def forward(self, distance: Tensor) -> Tensor:
        """Return features of distances.

        Parameters
        ----------
        distance
            In Å, any shape.

        Returns
        -------
        Tensor
            One more axis.
        """
        exponent = -self.width * (torch.exp(-0.5 * distance)[..., None] - self.centers).square()
        # bounded: smaller numbers are denormal in products, with which a CPU takes ten times as long
        return torch.exp(exponent.clamp(min=_LEAST))


def distances(x: Tensor) -> Tensor:
    """Return the distances of all pairs, with a gradient on the diagonal too.

    Parameters
    ----------
    x
        Shape (n, n_max, 3).

    Returns
    -------
    Tensor
        Shape (n, n_max, n_max).

    Examples
    --------
    >>> distances(torch.tensor([[[0.0, 0, 0], [3, 4, 0]]]))[0, 0, 1].item()
    5.0
    """
    return ((x[:, :, None] - x[:, None]).square().sum(-1) + 1e-8).sqrt()

"""Features of a noisy molecule for the network: distances, walks along bonds, and where valences ask for hydrogens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenValences:
    """What the valences of a molecule as it stands leave open, and which hydrogens would fill them.

    Parameters
    ----------
    atom
        For each atom: open valence towards hydrogens, valence exceeded by its bonds, and rank among the hydrogens,
        scaled; shape (n, n_max, 3).
    pair
        1 where a hydrogen and a heavy atom would be bonded if hydrogens filled the open valences one after the other,
        symmetric, shape (n, n_max, n_max).
    balance
        Open valences less the hydrogens that there are, scaled, shape (n, 1).
    """

    atom: Tensor
    pair: Tensor
    balance: Tensor


def open_valences(atoms: Tensor, bonds: Tensor, mask: Tensor, valences: Tensor, hydrogen: Tensor) -> OpenValences:
    """Return what valences leave open.

    Heavy atoms stand before hydrogens, and those in the order of their heavy atoms: so the graph of the heavy atoms
    says which hydrogen belongs to which.

    Parameters
    ----------
    atoms
        Types, shape (n, n_max).
    bonds
        Orders, shape (n, n_max, n_max), symmetric.
    mask
        Where there is an atom, shape (n, n_max).
    valences
        Of each type, shape (n_types,).
    hydrogen
        1 where a type is hydrogen, shape (n_types,).

    Returns
    -------
    OpenValences
        Features.

    Examples
    --------
    >>> water, none = torch.tensor([[1, 0, 0]]), torch.zeros(1, 3, 3, dtype=torch.long)
    >>> mask, valences, hydrogen = water > -1, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])
    >>> open_valences(water, none, mask, valences, hydrogen).pair[0].tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    light = (hydrogen[atoms] > 0) & mask  # (n, n_max)
    heavy = mask & ~light
    valence = valences[atoms] * mask  # (n, n_max)
    orders = bonds.to(valence.dtype)  # (n, n_max, n_max)
    skeleton = (orders * heavy[:, None]).sum(-1)  # bonds to heavy atoms, (n, n_max)
    vacant = (valence - skeleton).clamp(min=0.0) * heavy  # (n, n_max)
    end = vacant.cumsum(1)
    begin = end - vacant
    rank = light.to(valence.dtype).cumsum(1) - 1.0  # (n, n_max)
    filled = (begin[:, :, None] <= rank[:, None]) & (rank[:, None] < end[:, :, None])  # (n, heavy, hydrogen)
    filled = filled & heavy[:, :, None] & light[:, None]
    pair = (filled | filled.transpose(1, 2)).to(valence.dtype)
    excess = (orders.sum(-1) - valence) * mask
    atom = torch.stack([vacant, excess, rank * light / 4.0], -1) / 4.0  # (n, n_max, 3)
    balance = (vacant.sum(1) - light.sum(1)).clamp(-16.0, 16.0)[:, None] / 8.0
    return OpenValences(atom=atom, pair=pair, balance=balance)


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

"""The networks that give features of atoms, by name."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from molaug.potentials.painn import PaiNN
from molaug.potentials.schnet import SchNet


class AtomicFeatures(Protocol):
    """What a network must be to serve a potential: a ``torch.nn.Module`` with this and ``forward``."""

    @property
    def n_features(self) -> int:
        """Features of an atom."""
        ...

    def __call__(self, numbers: Tensor, positions: Tensor, batch: Tensor) -> Tensor:
        """Return features of atoms.

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
            Shape (n_atoms, n_features); they do not change when a structure is moved, turned, or its atoms exchanged
            (but with them).
        """
        ...


#: Networks by name.
NETWORKS: dict[str, type[nn.Module]] = {"painn": PaiNN, "schnet": SchNet}


def network(name: str, **options: object) -> nn.Module:
    """Build a network.

    Parameters
    ----------
    name
        One of :data:`NETWORKS`.
    **options
        Of its class.

    Returns
    -------
    torch.nn.Module
        Not trained.

    Raises
    ------
    ValueError
        If there is no such network.

    Examples
    --------
    >>> network("painn", width=16, heads=4).n_features
    16
    """
    if name not in NETWORKS:
        raise ValueError(f"network {name!r}; expected one of: {', '.join(NETWORKS)}")
    return NETWORKS[name](**options)

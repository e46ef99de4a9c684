"""What the last layer gives: one energy; those of several members; or a distribution of energies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from molaug.filters.uncertainty.evidential import Evidence

#: ``plain``: an energy; ``ensemble``: one of each member; ``evidential``: a normal-inverse-gamma distribution.
Kind = Literal["plain", "ensemble", "evidential"]

#: Variances are at least this, in squared units of the scale: a fraction of a meV for organic molecules.
_LEAST = 1e-6


@dataclass(frozen=True, kw_only=True)
class Head:
    """How the sums over atoms of the last layer's outputs are read, in units of the scale of a potential.

    Parameters
    ----------
    kind
        ``plain``, ``ensemble`` or ``evidential``.
    members
        Last layers of an ensemble, at least 2; 1 otherwise.
    atoms
        By which the sums of the three outputs that are not energies are divided before an ``evidential`` head reads
        them: about as many as a structure has, so that they do not start far out where softplus is 0 or a line.

    Raises
    ------
    ValueError
        If the kind is unknown, the members do not go with it, or ``atoms`` is not more than 0.

    References
    ----------
    M. Kellner and M. Ceriotti, arXiv:2402.16621 (ensembles of last layers); L. I. Vazquez-Salazar et al.,
    doi:10.1039/d2sc04056e (evidential).

    Examples
    --------
    >>> head = Head(kind="ensemble", members=2)
    >>> head.mean(torch.tensor([[1.0, 3.0]])).item(), round(head.variance(torch.tensor([[1.0, 3.0]])).item(), 3)
    (2.0, 2.0)
    """

    kind: Kind = "plain"
    members: int = 1
    atoms: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"head {self.kind!r}; expected {', '.join(map(repr, get_args(Kind)))}")
        if (self.members < 2) if self.kind == "ensemble" else (self.members != 1):
            expected = "at least 2" if self.kind == "ensemble" else "1"
            raise ValueError(f"{self.members} members of the head {self.kind!r}; expected {expected}")
        if not self.atoms > 0:
            raise ValueError(f"atoms is {self.atoms}; expected more than 0")

    @property
    def outputs(self) -> int:
        """Numbers that the last layer gives for an atom."""
        return 4 if self.kind == "evidential" else self.members

    def mean(self, sums: Tensor) -> Tensor:
        """Return the energies.

        Parameters
        ----------
        sums
            Of the outputs over the atoms of each structure, shape (n, outputs).

        Returns
        -------
        Tensor
            Shape (n,).
        """
        return sums.mean(1) if self.kind == "ensemble" else sums[:, 0]

    def variance(self, sums: Tensor) -> Tensor | None:
        """Return the variances of the energies.

        Parameters
        ----------
        sums
            Shape (n, outputs).

        Returns
        -------
        Tensor or None
            Shape (n,): that of the members (with n - 1), or of a label, the aleatoric and the epistemic together; None
            of a plain head.
        """
        if self.kind == "plain":
            return None
        return (sums.var(1) if self.kind == "ensemble" else self.evidence(sums).variance) + _LEAST

    def evidence(self, sums: Tensor) -> Evidence:
        """Return what an ``evidential`` head says.

        Parameters
        ----------
        sums
            Shape (n, 4).

        Returns
        -------
        Evidence
            In units of the scale.
        """
        return Evidence.of(torch.cat([sums[:, :1], sums[:, 1:] / self.atoms], 1))

    def loss(self, sums: Tensor, target: Tensor, weight: float) -> Tensor:
        """Return the negative log-likelihood of labels, without constants that no weight changes.

        Parameters
        ----------
        sums
            Shape (n, outputs).
        target
            Energies less those of free atoms, in units of the scale, shape (n,).
        weight
            λ of the regulariser of an ``evidential`` head.

        Returns
        -------
        Tensor
            Mean, a scalar: of normal distributions, or that of :meth:`molaug.filters.uncertainty.evidential.Evidence`.

        Raises
        ------
        ValueError
            If the head is plain, which has no variance.
        """
        if self.kind == "evidential":
            return self.evidence(sums).loss(target, weight)
        variance = self.variance(sums)
        if variance is None:
            raise ValueError("a plain head has no likelihood; train it on Huber's loss, or choose another head")
        return 0.5 * (variance.log() + (target - self.mean(sums)).square() / variance).mean()

    def anchored(self, sums: Tensor) -> Tensor:
        """Return the same numbers, through which no derivative reaches the energies.

        Parameters
        ----------
        sums
            Shape (n, outputs).

        Returns
        -------
        Tensor
            Of the same shape.
        """
        if self.kind == "ensemble":
            mean = sums.mean(1, keepdim=True)
            return sums - mean + mean.detach()
        return torch.cat([sums[:, :1].detach(), sums[:, 1:]], 1)


def normal_nll(errors: Tensor, variance: Tensor) -> Tensor:
    """Return the negative log-likelihood of errors under normal distributions.

    Parameters
    ----------
    errors
        Shape (n,).
    variance
        Shape (n,).

    Returns
    -------
    Tensor
        Mean, a scalar.

    Examples
    --------
    >>> round(normal_nll(torch.zeros(1), torch.ones(1)).item(), 4)
    0.9189
    """
    return 0.5 * (math.log(2.0 * math.pi) + variance.log() + errors.square() / variance).mean()

"""Deep evidential regression: a network that gives, with each prediction, how sure it is and how noisy the data are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

#: Added to the parameters, so that none is at the end of its range.
_LEAST = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """A normal-inverse-gamma distribution of mean and variance of a label.

    Parameters
    ----------
    gamma
        γ, the prediction.
    nu
        ν > 0, as many labels the mean is worth.
    alpha
        α > 1, half as many labels the variance is worth.
    beta
        β > 0.

    References
    ----------
    A. Amini et al., arXiv:1910.02600; L. I. Vazquez-Salazar et al., doi:10.1039/d2sc04056e (of energies).

    Examples
    --------
    >>> found = Evidence.of(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    >>> bool(found.gamma[0] == 1.0) and bool(found.epistemic[0] == found.aleatoric[0] / found.nu[0])
    True
    """

    gamma: Tensor
    nu: Tensor
    alpha: Tensor
    beta: Tensor

    @classmethod
    def of(cls, outputs: Tensor) -> Evidence:
        """Read the four outputs of a network, sums over the atoms.

        Parameters
        ----------
        outputs
            Shape (n, 4).

        Returns
        -------
        Evidence
            Of shape (n,).
        """
        gamma, nu, alpha, beta = outputs.unbind(-1)
        return cls(
            gamma=gamma, nu=softplus(nu) + _LEAST, alpha=softplus(alpha) + 1.0 + _LEAST, beta=softplus(beta) + _LEAST
        )

    @property
    def aleatoric(self) -> Tensor:
        """Expected variance of the labels, β / (α - 1)."""
        return self.beta / (self.alpha - 1.0)

    @property
    def epistemic(self) -> Tensor:
        """Variance of the mean, β / (ν (α - 1)): the former over ν."""
        return self.aleatoric / self.nu

    @property
    def variance(self) -> Tensor:
        """Variance of a label: both together."""
        return self.aleatoric + self.epistemic

    def nll(self, target: Tensor) -> Tensor:
        """Return the negative log-likelihood: of Student's t, 2α degrees of freedom, width² β (1 + ν) / (ν α).

        Parameters
        ----------
        target
            Labels, shape (n,).

        Returns
        -------
        Tensor
            Shape (n,).
        """
        omega = 2.0 * self.beta * (1.0 + self.nu)
        return (
            0.5 * torch.log(math.pi / self.nu)
            - self.alpha * torch.log(omega)
            + (self.alpha + 0.5) * torch.log(self.nu * (target - self.gamma).square() + omega)
            + torch.lgamma(self.alpha)
            - torch.lgamma(self.alpha + 0.5)
        )

    def loss(self, target: Tensor, weight: float = 0.2) -> Tensor:
        """Return the loss: the former, and evidence where the error is large.

        Parameters
        ----------
        target
            Labels, shape (n,).
        weight
            λ of the regulariser ``|y - γ| (2ν + α)``.

        Returns
        -------
        Tensor
            Mean, a scalar.
        """
        regulariser = (target - self.gamma).abs() * (2.0 * self.nu + self.alpha)
        return (self.nll(target) + weight * regulariser).mean()

"""What the Lightning modules of all flows share: the sum of losses, logs, and conditions left out at random."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from molaug.generators.learned.scheduled import Scheduled


class Flow(Scheduled):
    """A flow in training; its hyperparameters are those that :meth:`training_step` and the others name.

    A subclass sets :attr:`network` and :attr:`weights`, and gives :meth:`losses`.
    """

    #: Weight of each loss in their sum.
    weights: Mapping[str, float]
    #: Arguments of ``torch.compile``.
    compilation: ClassVar[Mapping[str, Any]] = {}

    @abstractmethod
    def losses(self, batch: dict[str, Tensor], generator: torch.Generator | None) -> dict[str, Tensor]:
        """Return the losses of a batch.

        Parameters
        ----------
        batch
            Tensors, each with the molecules along its first axis.
        generator
            Of the noise.

        Returns
        -------
        dict
            Scalars by name.
        """

    def ask(self, *arguments: Any, **options: Any) -> Any:
        """Call the network, compiled where that was asked for.

        Parameters
        ----------
        *arguments
            Of its ``forward``.
        **options
            Of its ``forward``.

        Returns
        -------
        Any
            What it returns.
        """
        compiled: Callable[..., Any] | None = getattr(self, "_compiled", None)
        return (compiled if self.training and compiled is not None else self.network)(*arguments, **options)

    def on_train_start(self) -> None:
        """Compile the network, where that is asked for; the averaged copy of it has been made by now."""
        if self.hparams["compiled"]:
            self._compiled = torch.compile(self.network.forward, **self.compilation)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        batch
            Of the data module.
        batch_idx
            Not looked at.

        Returns
        -------
        Tensor
            A scalar.
        """
        self.set_learning_rate()
        losses = self.losses(batch, None)
        loss = self._total(losses)
        self.log("train_loss", loss.detach())
        for name, value in losses.items():
            self.log(f"train_{name}", value.detach())
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log the losses of a batch, with the same noise at every validation.

        Parameters
        ----------
        batch
            Of the data module.
        batch_idx
            Seeds the noise.
        """
        losses = self.losses(batch, torch.Generator(self.device).manual_seed(batch_idx))
        n = len(next(iter(batch.values())))
        for name, value in {**losses, "loss": self._total(losses)}.items():
            self.log(f"val_{name}", value, batch_size=n, sync_dist=True)

    def given(self, condition: Tensor, uniform: Callable[..., Tensor]) -> Tensor | None:
        """Return conditions and whether each is given; in training some are left out.

        All of a molecule's with ``unconditional_share``, of the others each with ``condition_dropout``.

        Parameters
        ----------
        condition
            Standardised values, NaN where unknown, shape (n, n_conditions).
        uniform
            Draws uniform random numbers of a shape.

        Returns
        -------
        Tensor or None
            Shape (n, 2 n_conditions); None if there are no conditions.

        References
        ----------
        J. Ho and T. Salimans, arXiv:2207.12598 (classifier-free guidance).
        """
        if not condition.shape[1]:
            return None
        given = condition.isfinite()
        if self.training:
            given = given & (uniform(*condition.shape) >= self.hparams["condition_dropout"])
            given = given & (uniform(len(condition), 1) >= self.hparams["unconditional_share"])
        return torch.cat([torch.where(given, condition, 0.0), given.float()], 1)

    def _total(self, losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()


def check_shares(**shares: float) -> None:
    """Refuse what is no share.

    Parameters
    ----------
    **shares
        By name.

    Raises
    ------
    ValueError
        If one is not from 0 to 1.
    """
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; expected a share from 0 to 1")

"""The moving average of weights that a trained network keeps."""

from __future__ import annotations

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


def decay_at(n: int, decay: float) -> float:
    """Return the share of the old average after n updates: small at first, so that short trainings forget their start.

    Parameters
    ----------
    n
        Updates so far.
    decay
        Its limit.

    Returns
    -------
    float
        min(decay, (1 + n) / (10 + n)).

    Examples
    --------
    >>> [round(decay_at(n, 0.999), 3) for n in (0, 100, 100_000)]
    [0.1, 0.918, 0.999]
    """
    return min(decay, (1.0 + n) / (10.0 + n))


class Averaging(WeightAveraging):
    """Exponential moving average of the weights, by which validation and every saved state go.

    Parameters
    ----------
    decay
        Share of the old average in the new one, after a start in which it is smaller (:func:`decay_at`).

    Raises
    ------
    ValueError
        If the decay is not in [0, 1).

    References
    ----------
    B. T. Polyak and A. B. Juditsky, SIAM J. Control Optim. 30, 838 (1992), doi:10.1137/0330046.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}; expected at least 0 and less than 1")

        def averaged(old: list[Tensor], new: list[Tensor], n: Tensor | int) -> None:
            torch._foreach_lerp_(old, new, 1.0 - decay_at(int(n), decay))

        super().__init__(multi_avg_fn=averaged)
        self._swapped = False

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the averages in.

        Parameters
        ----------
        trainer
            Lightning's.
        pl_module
            What is trained.
        """
        super().on_validation_epoch_start(trainer, pl_module)
        self._swapped = True

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the weights back.

        Parameters
        ----------
        trainer
            Lightning's.
        pl_module
            What is trained.
        """
        super().on_validation_epoch_end(trainer, pl_module)
        self._swapped = False

    def settle(self, pl_module: LightningModule) -> None:
        """Give the averages to what was trained; a training that goes on at its very end does not do so itself.

        Parameters
        ----------
        pl_module
            What was trained.
        """
        if self._average_model is not None:
            self._copy_average_to_current(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Put the weights back if a validation was broken off: the state that is saved next must not exchange the two.

        Parameters
        ----------
        trainer
            Lightning's.
        pl_module
            What is trained.
        exception
            Any.
        """
        if self._swapped:
            self.on_validation_epoch_end(trainer, pl_module)

"""Optimiser and learning rate of every training."""

from __future__ import annotations

import torch
from pytorch_lightning import LightningModule
from torch import nn

from molaug.generators.learned.progress import fraction_done, warmup_cosine


class Scheduled(LightningModule):
    """A network in training by AdamW, whose learning rate rises for ``warmup`` steps and then falls along a cosine.

    Its hyperparameters have ``learning_rate``, ``warmup`` and ``weight_decay``; a subclass sets :attr:`network`, whose
    weights are averaged.
    """

    network: nn.Module

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW; its learning rate is set before every step.

        Returns
        -------
        torch.optim.Optimizer
            AdamW.
        """
        return torch.optim.AdamW(
            self.network.parameters(),
            fused=not self.trainer.precision.endswith("mixed"),  # Lightning could not clip its gradients there
            lr=self.hparams["learning_rate"],
            betas=(0.9, 0.99),
            weight_decay=self.hparams["weight_decay"],
        )

    def set_learning_rate(self) -> None:
        """Set the learning rate of the next step, by how much of the training is behind, and log it."""
        share = warmup_cosine(self.global_step, fraction_done(self.trainer), self.hparams["warmup"])
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.hparams["learning_rate"] * share
        self.log("learning_rate", self.hparams["learning_rate"] * share)

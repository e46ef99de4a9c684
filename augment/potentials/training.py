"""Training of potentials with Lightning: energies for each atom and forces, averaged weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from molaug.generators.learned.scheduled import Scheduled
from molaug.potentials.data import Batch
from molaug.potentials.potential import Potential

#: Errors above so many scales count linearly instead of squared.
_HUBER = 1.0


class PotentialTraining(Scheduled):
    """A potential in training.

    The loss is Huber's of the energy for each atom and of the forces, both in units of the energy that an atom leaves
    to be explained. The learning rate rises and then falls along a cosine; weights are averaged.

    Parameters
    ----------
    domain
        What the data are like: :attr:`molaug.potentials.LabelledData.domain`.
    network
        ``painn`` or ``schnet``.
    options
        Of the network, such as ``{width: 64, layers: 3}``; its own by default.
    learning_rate
        At its peak, of AdamW.
    warmup
        Steps until there.
    weight_decay
        Of AdamW.
    force_weight
        Weight of the forces in the loss (Å); 0 trains on energies alone. Data without forces do so in any case.

    Raises
    ------
    ValueError
        If a weight is negative.
    """

    def __init__(
        self,
        domain: Mapping[str, Any],
        network: str = "painn",
        options: dict[str, Any] | None = None,
        learning_rate: float = 1e-3,
        warmup: int = 500,
        weight_decay: float = 1e-3,
        force_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if force_weight < 0 or weight_decay < 0:
            raise ValueError(f"force_weight={force_weight}, weight_decay={weight_decay}; expected at least 0")
        self.save_hyperparameters()
        # called network as in every training: its weights are those that are averaged
        self.network = Potential(
            network, options, references=domain["references"], scale=domain["scale"], level=domain["level"]
        )
        self.forced = bool(domain["forces"]) and force_weight > 0

    def potential(self) -> Potential:
        """Return the potential as it is.

        Returns
        -------
        Potential
            It shares the weights.
        """
        potential: Potential = self.network
        return potential

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        batch
            Of :class:`~molaug.potentials.LabelledData`.
        batch_idx
            Not looked at.

        Returns
        -------
        Tensor
            A scalar.
        """
        self.set_learning_rate()
        errors = self._errors(batch)
        scale = self.network.config["scale"]
        loss = _huber(errors["energy_per_atom"] / scale)
        if "forces" in errors:
            loss = loss + self.hparams["force_weight"] * _huber(errors["forces"] / scale)
        self.log("train_loss", loss.detach())
        for name, error in errors.items():
            self.log(f"train_{name}_mae", error.detach().abs().mean())
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log mean absolute errors, in eV and eV/Å.

        Parameters
        ----------
        batch
            Of the data module.
        batch_idx
            Not looked at.
        """
        for name, error in self._errors(batch).items():
            self.log(f"val_{name}_mae", error.abs().mean(), batch_size=len(batch["energy"]), sync_dist=True)

    def _errors(self, batch: Batch) -> dict[str, Tensor]:
        found = self.network(batch["numbers"], batch["positions"], batch["batch"], forces=self.forced)
        energy = (found.energy - batch["energy"]).float()  # the difference of large numbers, taken in double
        atoms = torch.bincount(batch["batch"], minlength=len(energy))
        errors = {"energy": energy, "energy_per_atom": energy / atoms}
        if self.forced:
            errors["forces"] = found.forces - batch["forces"]
        return errors


def _huber(errors: Tensor) -> Tensor:
    size = errors.abs()
    return torch.where(size < _HUBER, 0.5 * size.square(), _HUBER * (size - 0.5 * _HUBER)).mean()

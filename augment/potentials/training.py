"""Training of potentials with Lightning: energies for each atom and forces, averaged weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from molaug.generators.learned.progress import fraction_done
from molaug.generators.learned.scheduled import Scheduled
from molaug.potentials.data import Batch
from molaug.potentials.heads import Head, Kind, normal_nll
from molaug.potentials.potential import Potential, Prediction
from molaug.potentials.transfer import begun_from, start_of

#: Errors above so many scales count linearly instead of squared.
_HUBER = 1.0

#: Squared errors of forces, in units of the scale, below which getting better no longer counts.
_LEAST = 1e-6


class PotentialTraining(Scheduled):
    """A potential in training.

    The loss is Huber's of the energy for each atom and of the forces, both in units of the energy that an atom leaves
    to be explained. The learning rate rises and then falls along a cosine; weights are averaged.

    Heads that give uncertainties are trained by the likelihood of the energy of a structure. It is not stable from the
    start, and would have the network learn how to be uncertain before it can predict. Until ``likelihood_from``
    energies are therefore learned as always, and the likelihood trains nothing but what the last layer says of the
    uncertainty; from then on it trains everything, and forces count by the logarithm of their mean squared error, the
    likelihood with one variance for all.

    Parameters
    ----------
    domain
        What the data are like: :attr:`molaug.potentials.LabelledData.domain`.
    network
        ``painn``, by default, or ``schnet``.
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
    head
        ``plain``; ``ensemble`` of last layers, whose scatter is the uncertainty; or ``evidential``.
    members
        Last layers of an ensemble.
    evidence_weight
        λ of evidential regression: how much evidence is punished where errors are large, in units of the scale. That
        is 0.07 eV on QM9, where the 0.4 per eV of PhysNet-DER are 0.03.
    likelihood_from
        Share of the training after which the likelihood trains the energies too; 1 is never.
    start
        A checkpoint from whose weights it begins: see :func:`~molaug.potentials.transfer.begun_from`. The network and
        its options are then those of the checkpoint; a learning rate below that of a new network loses less of it.

    Raises
    ------
    ValueError
        If a weight is negative, the share is not between 0 and 1, the head is unknown, or the network or its options
        are not those of the checkpoint.

    References
    ----------
    M. Kellner and M. Ceriotti, arXiv:2402.16621; L. I. Vazquez-Salazar et al., doi:10.1039/d2sc04056e.
    """

    #: The metric of the validation that early stopping looks at.
    monitored = "val_energy_mae"

    def __init__(
        self,
        domain: Mapping[str, Any],
        network: str | None = None,
        options: dict[str, Any] | None = None,
        learning_rate: float = 1e-3,
        warmup: int = 500,
        weight_decay: float = 1e-3,
        force_weight: float = 1.0,
        head: Kind = "plain",
        members: int = 16,
        evidence_weight: float = 0.1,
        likelihood_from: float = 0.5,
        start: str | None = None,
    ) -> None:
        super().__init__()
        if force_weight < 0 or weight_decay < 0 or evidence_weight < 0:
            raise ValueError(
                f"force_weight={force_weight}, weight_decay={weight_decay}, evidence_weight={evidence_weight}; "
                "expected at least 0"
            )
        if not 0 <= likelihood_from <= 1:
            raise ValueError(f"likelihood_from is {likelihood_from}; expected a share between 0 and 1")
        self.save_hyperparameters()
        told = Head(
            kind=head,
            members=members if head == "ensemble" else 1,
            atoms=domain["atoms"] if head == "evidential" else 1.0,
        )
        references, level = domain["references"], domain["level"]
        # called network as in every training: its weights are those that are averaged
        if start is None:
            self.network = Potential(
                network or "painn", options, references=references, scale=domain["scale"], level=level, head=told
            )
        else:
            begun = start_of(start, network=network, options=options)
            self.network = begun_from(begun, head=told, references=references, level=level)
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
        found, errors = self._errors(batch)
        likely = self.network.head.kind != "plain" and fraction_done(self.trainer) >= self.hparams["likelihood_from"]
        loss = self._likelihood(found, errors) if likely else self._huber(found, errors, batch)
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
        found, errors = self._errors(batch)
        size = len(batch["energy"])
        for name, error in errors.items():
            self.log(f"val_{name}_mae", error.abs().mean(), batch_size=size, sync_dist=True)
        if found.variance is not None:
            self.log("val_nll", normal_nll(errors["energy"], found.variance), batch_size=size, sync_dist=True)

    def _errors(self, batch: Batch) -> tuple[Prediction, dict[str, Tensor]]:
        found = self.network(batch["numbers"], batch["positions"], batch["batch"], forces=self.forced)
        energy = (found.energy - batch["energy"]).float()  # the difference of large numbers, taken in double
        atoms = torch.bincount(batch["batch"], minlength=len(energy))
        errors = {"energy": energy, "energy_per_atom": energy / atoms}
        if self.forced:
            errors["forces"] = found.forces - batch["forces"]
        return found, errors

    def _huber(self, found: Prediction, errors: dict[str, Tensor], batch: Batch) -> Tensor:
        scale = self.network.config["scale"]
        loss = _huber(errors["energy_per_atom"] / scale)
        if "forces" in errors:
            loss = loss + self.hparams["force_weight"] * _huber(errors["forces"] / scale)
        if self.network.head.kind == "plain":
            return loss
        apart = self.network.last(found.features.detach())  # (n_atoms, n_outputs)
        sums = torch.zeros_like(found.outputs).index_add(0, batch["batch"], apart)
        return loss + self._head_loss(self.network.head.anchored(sums), found, errors)

    def _likelihood(self, found: Prediction, errors: dict[str, Tensor]) -> Tensor:
        loss = self._head_loss(found.outputs, found, errors)
        if "forces" in errors:
            square = (errors["forces"] / self.network.config["scale"]).square().mean()
            loss = loss + 0.5 * self.hparams["force_weight"] * (square + _LEAST).log()
        return loss

    def _head_loss(self, sums: Tensor, found: Prediction, errors: dict[str, Tensor]) -> Tensor:
        head = self.network.head
        target = (head.mean(found.outputs) - errors["energy"] / self.network.config["scale"]).detach()
        loss: Tensor = head.loss(sums, target, self.hparams["evidence_weight"])
        return loss


def _huber(errors: Tensor) -> Tensor:
    size = errors.abs()
    return torch.where(size < _HUBER, 0.5 * size.square(), _HUBER * (size - 0.5 * _HUBER)).mean()

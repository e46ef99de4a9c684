"""Training of the graph generator with Lightning: the loss of the flow, growing from fragments, and validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from molaug.generators.graph.data import Batch
from molaug.generators.graph.network import GraphDenoiser
from molaug.generators.graph.pipeline import GraphPipeline
from molaug.generators.graph.scheduler import GraphFlowScheduler
from molaug.generators.learned.flow import Flow, check_shares
from molaug.generators.learned.pairs import in_square, of_pairs


class GraphFlow(Flow):
    """The discrete flow of graphs, trained to predict the molecule x₁ from its noisy state xₜ.

    The loss is the cross-entropy of the atom types plus ``bond_weight`` times that of the bond orders, at times of
    which more lie near 1. Atoms come in the order of a SMILES from a random root, or, in the permutation-invariant
    mode, in any order without the network knowing places. In a share of the molecules a connected fragment stands
    fixed from the beginning, its atoms first, so that the network learns to grow fragments. Conditions are left out at
    random, so that it learns to do without (classifier-free guidance).

    Parameters
    ----------
    domain
        What the data are like: :attr:`molaug.generators.graph.data.GraphData.domain`.
    ordered
        SMILES order, which converges far faster; False for the permutation-invariant mode.
    width
        Features of an atom in the network (:class:`~molaug.generators.graph.network.GraphDenoiser`).
    layers
        Layers of the network.
    heads
        Heads of its attention.
    pair_width
        Features of a pair of atoms.
    pair_updates
        Update the features of pairs in every layer.
    walk_steps
        Longest random walk of the structural features.
    learning_rate
        At its peak, of AdamW.
    warmup
        Steps until there.
    weight_decay
        Of AdamW.
    bond_weight
        Weight of the bonds in the loss.
    distortion
        Times are 1 - (1 - u)ᵈ of a uniform u.
    fragment_share
        Share of molecules in which a fragment is fixed.
    unconditional_share
        Share of molecules whose conditions are all left out; of the others each is left out with
        ``condition_dropout``.
    condition_dropout
        See above.
    validation_samples
        Molecules sampled and scored at the end of each validation.
    validation_steps
        Steps of those samples.
    compiled
        Train the network compiled by ``torch.compile``: a third faster on a CPU, after two minutes of compilation; a
        C++ compiler must be there.

    References
    ----------
    C. Vignac et al., arXiv:2209.14734 (DiGress); Y. Qin et al., arXiv:2410.04263 (DeFoG);
    J. Ho and T. Salimans, arXiv:2207.12598 (classifier-free guidance).
    """

    def __init__(
        self,
        domain: Mapping[str, Any],
        ordered: bool = True,
        width: int = 128,
        layers: int = 6,
        heads: int = 8,
        pair_width: int = 32,
        pair_updates: bool = False,
        walk_steps: int = 6,
        learning_rate: float = 1e-3,
        warmup: int = 500,
        weight_decay: float = 0.01,
        bond_weight: float = 5.0,
        distortion: float = 2.0,
        fragment_share: float = 0.1,
        unconditional_share: float = 0.5,
        condition_dropout: float = 0.3,
        validation_samples: int = 256,
        validation_steps: int = 50,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        check_shares(
            fragment_share=fragment_share,
            unconditional_share=unconditional_share,
            condition_dropout=condition_dropout,
        )
        self.save_hyperparameters()
        self.network = GraphDenoiser(
            n_types=len(domain["types"]["numbers"]),
            n_max=domain["n_max"],
            width=width,
            layers=layers,
            heads=heads,
            pair_width=pair_width,
            pair_updates=pair_updates,
            walk_steps=walk_steps,
            ordered=ordered,
            conditions=tuple(domain["conditions"]),
        )
        self.scheduler = GraphFlowScheduler(
            atom_prior=tuple(domain["atom_prior"]), bond_prior=tuple(domain["bond_prior"]), distortion=distortion
        )
        self.weights = {"atoms": 1.0, "bonds": bond_weight}

    def on_validation_epoch_start(self) -> None:
        """Sample molecules with the averaged weights and log how good they are; one of several devices does."""
        if self.trainer.sanity_checking or not self.hparams["validation_samples"] or not self.trainer.is_global_zero:
            return
        samples = self.pipeline()(
            self.hparams["validation_samples"], num_inference_steps=self.hparams["validation_steps"], seed=0
        )
        sound = {name for name, valid in zip(samples.smiles, samples.raw_valid, strict=True) if name and valid}
        self.log("sampled_valid", float(samples.raw_valid.mean()), rank_zero_only=True)
        self.log("sampled_unique", len(sound) / max(int(samples.raw_valid.sum()), 1), rank_zero_only=True)
        self.log("sampled_unknown", self._unknown(sound), rank_zero_only=True)

    def pipeline(self) -> GraphPipeline:
        """Return the pipeline of the network as it is, on its device.

        Returns
        -------
        GraphPipeline
            It shares the weights.
        """
        return GraphPipeline(self.network, self.scheduler, domain=dict(self.hparams["domain"]))

    def _unknown(self, smiles: set[str]) -> float:
        """Return the share of molecules that are not in the training part."""
        molecules = getattr(getattr(self.trainer, "datamodule", None), "molecules", None)
        if molecules is None or not smiles:
            return float("nan")
        known = {name for name, part in zip(molecules.smiles, molecules.parts, strict=True) if part == "train"}
        return len(smiles - known) / len(smiles)

    def losses(self, batch: Batch, generator: torch.Generator | None) -> dict[str, Tensor]:
        """Return the cross-entropies of a batch.

        Parameters
        ----------
        batch
            Of :class:`~molaug.generators.graph.data.GraphData`.
        generator
            Of the noise.

        Returns
        -------
        dict
            ``atoms`` and ``bonds``, scalars.
        """

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=self.device)

        atoms, bonds, sizes = batch["atoms"].long(), batch["bonds"].long(), batch["sizes"].long()
        n, n_max = atoms.shape
        mask = torch.arange(n_max, device=self.device) < sizes[:, None]  # (n, n_max)
        order = self._order(batch["orders"].long(), mask, uniform)
        fixed = self._fragments(bonds, mask, uniform)
        rank = torch.argsort(order, dim=1) + torch.where(fixed, 0, n_max)  # fragments first, each part in its order
        order = rank.argsort(dim=1)  # (n, n_max)
        atoms, fixed = atoms.gather(1, order), fixed.gather(1, order)
        bonds = bonds.gather(1, order[:, :, None].expand_as(bonds)).gather(2, order[:, None].expand_as(bonds))
        pairs, there = of_pairs(bonds), of_pairs(mask[:, :, None] & mask[:, None])  # (n, n_pairs)
        held = of_pairs(fixed[:, :, None] & fixed[:, None])
        time = self.scheduler.distorted(uniform(n))
        noisy = self.scheduler.add_noise(atoms, pairs, time, uniform(2, n, n_max), uniform(2, *pairs.shape))
        noisy_atoms = torch.where(fixed, atoms, noisy.atoms) * mask
        noisy_bonds = in_square(torch.where(held, pairs, noisy.pairs) * there, n_max)
        condition = self.given(batch["condition"], uniform)
        atom_logits, pair_logits = self.ask(noisy_atoms, noisy_bonds, mask, time, fixed=fixed, condition=condition)
        free, open_ = mask & ~fixed, there & ~held
        return {
            "atoms": _mean(cross_entropy(atom_logits.float().movedim(-1, 1), atoms, reduction="none"), free),
            "bonds": _mean(cross_entropy(pair_logits.float().movedim(-1, 1), pairs, reduction="none"), open_),
        }

    def _order(self, orders: Tensor, mask: Tensor, uniform: Any) -> Tensor:
        """Draw an order of the atoms of each molecule, padding behind."""
        if self.hparams["ordered"]:
            chosen = (uniform(len(orders)) * orders.shape[1]).long()  # (n,)
            return orders[torch.arange(len(orders), device=self.device), chosen]  # (n, n_max)
        return torch.where(mask, uniform(*mask.shape), 2.0 + torch.arange(mask.shape[1], device=self.device)).argsort(1)

    def _fragments(self, bonds: Tensor, mask: Tensor, uniform: Any) -> Tensor:
        """Draw a connected fragment of some of the molecules, nothing of the others."""
        n, n_max = mask.shape
        fixed = torch.zeros_like(mask)
        chosen = (uniform(n) < self.hparams["fragment_share"]).nonzero()[:, 0]
        if not len(chosen):
            return fixed
        bonded, there = bonds[chosen] > 0, mask[chosen]
        wanted = 1 + (uniform(len(chosen)) * (there.sum(1) - 1)).long()  # 1 to n_atoms - 1
        rows = torch.arange(len(chosen), device=self.device)
        inside = torch.zeros_like(there)
        inside[rows, torch.where(there, uniform(len(chosen), n_max), -1.0).argmax(1)] = True
        for size in range(1, n_max - 1):
            border = (bonded & inside[:, None]).any(2) & ~inside  # (n_chosen, n_max)
            grown = torch.where(border, uniform(len(chosen), n_max), -1.0).argmax(1)
            inside[rows, grown] |= size < wanted
        fixed[chosen] = inside & (there.sum(1) > 1)[:, None]
        return fixed


def _mean(losses: Tensor, where: Tensor) -> Tensor:
    return (losses * where).sum() / where.sum().clamp(min=1)

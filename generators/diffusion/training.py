"""Training of the 3D generator with Lightning: the loss of the flow, and growing from fragments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor
from torch.nn.functional import cross_entropy

from molaug.generators.diffusion.alignment import aligned, centred, random_rotations
from molaug.generators.diffusion.data import Batch
from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.graph.scheduler import GraphFlowScheduler
from molaug.generators.learned.flow import Flow, check_shares
from molaug.generators.learned.pairs import in_square, of_pairs

if TYPE_CHECKING:
    from molaug.generators.diffusion.pipeline import MoleculePipeline


class MoleculeFlow(Flow):
    """The flow of whole molecules, trained to predict the molecule x₁ from its noisy state xₜ.

    A molecule is a graph of heavy atoms, hydrogens as valences imply them, and coordinates of all atoms given the
    graph; one network learns both parts at every step. Types and bonds follow a discrete flow from draws of their
    frequencies, coordinates a straight line from Gaussian noise, onto which the molecule is turned first. The loss is
    the cross-entropy of types and of bonds for each heavy atom, plus ``coordinate_weight`` times the squared error of
    coordinates over (1 - t)², at most 100 times: the last hundredths of an Å need it.

    In a share of the molecules a connected fragment of heavy atoms stands fixed in space from the beginning, so that
    the network learns to grow fragments. Conditions are left out at random, so that it learns to do without
    (classifier-free guidance).

    Parameters
    ----------
    domain
        What the data are like: :attr:`molaug.generators.diffusion.data.GeometryData.domain`.
    width
        Features of an atom in the network (:class:`~molaug.generators.diffusion.network.MoleculeDenoiser`).
    layers
        Layers of the network.
    heads
        Heads of its attention.
    pair_width
        Features of a pair of atoms.
    move_width
        Features of a pair in the layers that move atoms.
    moves
        Layers that move atoms along their distances; all of them by default.
    absolute
        Whether coordinates are features of the atoms as they are.
    walk_steps
        Longest random walk of the structural features.
    learning_rate
        At its peak, of AdamW.
    warmup
        Steps until there.
    weight_decay
        Of AdamW.
    coordinate_weight
        Weight of the coordinates in the loss.
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
        Train the network compiled by ``torch.compile``; a C++ compiler must be there.

    References
    ----------
    Y. Lipman et al., arXiv:2210.02747 (flow matching); A. Campbell et al., arXiv:2402.04997 (discrete flows, joint
    with continuous ones); T. Geffner et al., arXiv:2503.00710 (weights over time); J. Ho and T. Salimans,
    arXiv:2207.12598 (classifier-free guidance).
    """

    compilation: ClassVar[Mapping[str, Any]] = {"dynamic": True}

    def __init__(
        self,
        domain: Mapping[str, Any],
        width: int = 128,
        layers: int = 6,
        heads: int = 8,
        pair_width: int = 32,
        move_width: int = 48,
        moves: int | None = None,
        absolute: bool = True,
        walk_steps: int = 6,
        learning_rate: float = 1e-3,
        warmup: int = 500,
        weight_decay: float = 0.01,
        coordinate_weight: float = 1.0,
        distortion: float = 2.0,
        fragment_share: float = 0.1,
        unconditional_share: float = 0.5,
        condition_dropout: float = 0.3,
        validation_samples: int = 128,
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
        self.network = MoleculeDenoiser(
            valences=tuple(domain["types"]["valences"]),
            n_max=domain["n_max"],
            scale=domain["scale"],
            width=width,
            layers=layers,
            heads=heads,
            pair_width=pair_width,
            move_width=move_width,
            moves=moves,
            absolute=absolute,
            walk_steps=walk_steps,
            conditions=tuple(domain["conditions"]),
        )
        self.graph_scheduler = GraphFlowScheduler(
            atom_prior=tuple(domain["atom_prior"]), bond_prior=tuple(domain["bond_prior"])
        )
        self.weights = {"atoms": 1.0, "bonds": 1.0, "coordinates": coordinate_weight}

    def on_validation_epoch_start(self) -> None:
        """Sample molecules with the averaged weights and log how good they are; one of several devices does."""
        if self.trainer.sanity_checking or not self.hparams["validation_samples"] or not self.trainer.is_global_zero:
            return
        samples = self.pipeline()(
            self.hparams["validation_samples"], num_inference_steps=self.hparams["validation_steps"], seed=0
        )
        self.log("sampled_graph", float(np.mean([r is None for r in samples.graph_reasons()])), rank_zero_only=True)
        self.log("sampled_strict", float(np.mean([r is None for r in samples.reasons()])), rank_zero_only=True)

    def pipeline(self) -> MoleculePipeline:
        """Return the pipeline of the network as it is, on its device.

        Returns
        -------
        MoleculePipeline
            It shares the weights.
        """
        from molaug.generators.diffusion.pipeline import MoleculePipeline  # RDKit, which training can do without

        return MoleculePipeline(
            self.network,
            self.graph_scheduler,
            FlowMatchEulerDiscreteScheduler(),
            domain=dict(self.hparams["domain"]),
        )

    def losses(self, batch: Batch, generator: torch.Generator | None) -> dict[str, Tensor]:
        """Return the losses of a batch.

        Parameters
        ----------
        batch
            Of :class:`~molaug.generators.diffusion.data.GeometryData`.
        generator
            Of the noise.

        Returns
        -------
        dict
            ``atoms``, ``bonds`` and ``coordinates``, scalars.
        """

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=self.device)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=self.device)

        n, n_max = batch["atoms"].shape
        mask = torch.arange(n_max, device=self.device) < batch["sizes"][:, None]  # (n, n_max)
        fixed = self._fragments(batch, uniform)
        order = self._order(batch, mask, fixed, uniform)
        atoms, fixed = batch["atoms"].gather(1, order), fixed.gather(1, order)
        bonds = batch["bonds"].gather(1, order[:, :, None].expand(n, n_max, n_max))
        bonds = bonds.gather(2, order[:, None].expand(n, n_max, n_max))
        x1 = batch["coordinates"].gather(1, order[..., None].expand(n, n_max, 3)) / self.hparams["domain"]["scale"]
        with torch.autocast(self.device.type, enabled=False):  # three digits are too few for places
            x1, x0 = self._placed(x1, mask, fixed, normal)
        condition = self.given(batch["condition"], uniform)
        heavy = int(batch["heavy"].max())
        inner = torch.arange(heavy, device=self.device) < batch["heavy"][:, None]  # (n, heavy)
        graph = self._graph_losses(
            atoms[:, :heavy], bonds[:, :heavy, :heavy], x1[:, :heavy], inner, fixed[:, :heavy], condition, uniform
        )
        time = self.graph_scheduler.distorted(uniform(n), self.hparams["distortion"])
        xt = torch.where(fixed[..., None], x1, x0 + time[:, None, None] * (x1 - x0)) * mask[..., None]
        predicted = self.ask("coordinates", atoms, bonds, xt, mask, time, fixed=fixed, condition=condition)
        free = mask & ~fixed
        weight = (1.0 - time).square().clamp(min=0.01).reciprocal()[:, None]  # (n, 1)
        squares = (predicted.float() - x1).square().mean(-1) * weight  # (n, n_max)
        return {**graph, "coordinates": (squares * free).sum() / free.sum().clamp(min=1)}

    def _graph_losses(
        self,
        atoms: Tensor,
        bonds: Tensor,
        x1: Tensor,
        mask: Tensor,
        fixed: Tensor,
        condition: Tensor | None,
        uniform: Callable[..., Tensor],
    ) -> dict[str, Tensor]:
        """Return the cross-entropies of the graph of heavy atoms, for each atom that is not fixed."""
        n, n_max = atoms.shape
        pairs, there = of_pairs(bonds), of_pairs(mask[:, :, None] & mask[:, None])  # (n, n_pairs)
        held = of_pairs(fixed[:, :, None] & fixed[:, None])
        atoms = atoms * mask
        time = self.graph_scheduler.distorted(uniform(n))
        noisy = self.graph_scheduler.add_noise(atoms, pairs, time, uniform(2, n, n_max), uniform(2, *pairs.shape))
        noisy_atoms = torch.where(fixed, atoms, noisy.atoms) * mask
        noisy_bonds = in_square(torch.where(held, pairs, noisy.pairs) * there, n_max)
        atom_logits, pair_logits = self.ask(
            "graph", noisy_atoms, noisy_bonds, mask, time, fixed=fixed, coordinates=x1, condition=condition
        )
        free = mask & ~fixed
        n_free = free.sum().clamp(min=1)
        atom_loss = cross_entropy(atom_logits.float().movedim(-1, 1), atoms, reduction="none")
        pair_loss = cross_entropy(pair_logits.float().movedim(-1, 1), pairs, reduction="none")
        return {
            "atoms": (atom_loss * free).sum() / n_free,
            "bonds": (pair_loss * (there & ~held)).sum() / n_free,
        }

    def _placed(self, x1: Tensor, mask: Tensor, fixed: Tensor, normal: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
        """Return molecule and noise in one frame: laid over one another, or about a fixed fragment turned at random."""
        n, n_max, _ = x1.shape
        grown = fixed.any(1)  # (n,)
        about = torch.where(grown[:, None], fixed, mask)  # (n, n_max)
        middle = (x1 * about[..., None]).sum(1, keepdim=True) / about.sum(1).clamp(min=1)[:, None, None]
        x1 = (x1 - middle) * mask[..., None]
        x0 = normal(n, n_max, 3) * mask[..., None]
        x0 = torch.where(grown[:, None, None], x0, centred(x0, mask))
        turned = x1 @ random_rotations(normal(n, 4))
        return torch.where(grown[:, None, None], turned, aligned(x1, x0)), x0

    def _order(self, batch: Batch, mask: Tensor, fixed: Tensor, uniform: Callable[..., Tensor]) -> Tensor:
        """Draw an order of the atoms: a SMILES order of the heavy ones, a fragment first, then their hydrogens."""
        n, n_max = mask.shape
        orders, heavy = batch["orders"], batch["heavy"][:, None]
        chosen = (uniform(n) * orders.shape[1]).long()  # (n,)
        places = torch.arange(n_max, device=self.device).expand(n, n_max)
        rank = orders[torch.arange(n, device=self.device), chosen].argsort(1)  # of each atom, (n, n_max)
        rank = torch.where(fixed, rank, rank + n_max)
        rank = torch.where(places < heavy, rank, 3 * n_max)
        settled = rank.argsort(1).argsort(1)  # places of the heavy atoms, (n, n_max)
        hydrogens = n_max * (2 + settled.gather(1, batch["parents"])) + places
        key = torch.where(places < heavy, settled, hydrogens)
        return torch.where(mask, key, (n_max + 3) * n_max + places).argsort(1)

    def _fragments(self, batch: Batch, uniform: Callable[..., Tensor]) -> Tensor:
        """Draw a connected fragment of heavy atoms of some of the molecules, nothing of the others."""
        n, n_max = batch["atoms"].shape
        fixed = torch.zeros(n, n_max, dtype=torch.bool, device=self.device)
        chosen = (uniform(n) < self.hparams["fragment_share"]).nonzero()[:, 0]
        if not len(chosen):
            return fixed
        there = torch.arange(n_max, device=self.device) < batch["heavy"][chosen, None]
        bonded = (batch["bonds"][chosen] > 0) & there[:, None]
        most = (there.sum(1) - 1).clamp(min=1)
        wanted = 1 + (uniform(len(chosen)) * most).long()  # 1 to n_heavy - 1
        rows = torch.arange(len(chosen), device=self.device)
        inside = torch.zeros_like(there)
        inside[rows, torch.where(there, uniform(len(chosen), n_max), -1.0).argmax(1)] = True
        for size in range(1, int(most.max())):
            border = (bonded & inside[:, None]).any(2) & ~inside & there  # (n_chosen, n_max)
            grown = torch.where(border, uniform(len(chosen), n_max), -1.0).argmax(1)
            inside[rows, grown] |= size < wanted
        fixed[chosen] = inside
        return fixed

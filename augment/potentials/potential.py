"""A potential: features of atoms, one last linear layer, energies of free atoms; energies and forces of structures."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from molaug.generators.learned.checkpoints import check_checkpoint, seal_checkpoint
from molaug.potentials.checkpoint import look_for
from molaug.potentials.heads import Head
from molaug.potentials.networks import NETWORKS, network

#: The file by which a potential is known, and that of its weights.
CONFIG, WEIGHTS = "config.json", "model.safetensors"

#: Elements up to this one can have a reference energy.
ELEMENTS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """What a potential says of a batch.

    Parameters
    ----------
    energy
        In eV, shape (n,), float64.
    forces
        In eV/Å, shape (n_atoms, 3); None unless asked for.
    features
        Inputs of the last layer, of each atom, shape (n_atoms, n_features); of each structure, shape (n, n_features),
        where it is ``pooled``.
    outputs
        Sums over the atoms of the outputs of the last layer, in units of the scale, shape (n, n_outputs).
    variance
        Of the energies as the head gives it, not calibrated, in eV², shape (n,); None of a plain head.
    members
        Energies of the members of an ``ensemble`` head in eV, shape (n, n_members), float64; None of others.
    pooled
        Whether the last layer sees structures instead of atoms.
    """

    energy: Tensor
    forces: Tensor | None
    features: Tensor
    outputs: Tensor
    variance: Tensor | None = None
    members: Tensor | None = None
    pooled: bool = False


class Potential(nn.Module):  # type: ignore[misc]
    """Energies as sums over atoms: E = Σᵢ (E₀(zᵢ) + scale · (w · fᵢ + b)).

    Heads that give uncertainties have several w; the energy goes with their mean (``ensemble``) or with the first
    (``evidential``), and so do the forces.

    Parameters
    ----------
    name
        Of the network that gives the features: ``painn`` or ``schnet``.
    options
        Of that network.
    references
        Energies E₀ of free atoms in eV by atomic number, so that what the network learns is small.
    scale
        Energy of an atom that the network has to explain, in eV.
    level
        Level of theory of the labels that it learned.
    head
        What the last layer gives: a :class:`~molaug.potentials.heads.Head` or its fields; plain by default.

    Raises
    ------
    ValueError
        If the network is unknown, or an atomic number or the head is.

    Examples
    --------
    >>> potential = Potential("painn", {"width": 16, "layers": 1, "heads": 4}, references={1: -13.6, 8: -2041.0})
    >>> z, batch = torch.tensor([8, 1, 1]), torch.zeros(3, dtype=torch.long)
    >>> found = potential(z, torch.randn(3, 3), batch, forces=True)
    >>> found.energy.shape, found.forces.shape, found.features.shape
    (torch.Size([1]), torch.Size([3, 3]), torch.Size([3, 16]))
    """

    def __init__(
        self,
        name: str = "painn",
        options: Mapping[str, Any] | None = None,
        *,
        references: Mapping[int, float] | None = None,
        scale: float = 1.0,
        level: str | None = None,
        head: Head | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.head = head if isinstance(head, Head) else Head(**(head or {}))
        self.config: dict[str, Any] = {
            "network": name,
            "options": dict(options or {}),
            "scale": float(scale),
            "level": level,
            "head": asdict(self.head),
        }
        self.network = network(name, **self.config["options"])
        self.last = nn.Linear(self.network.n_features, self.head.outputs)
        table = torch.full((ELEMENTS,), torch.nan, dtype=torch.float64)
        for number, energy in (references or {}).items():
            if not 1 <= number < ELEMENTS:
                raise ValueError(f"a reference energy for atomic number {number}; expected 1 to {ELEMENTS - 1}")
            table[number] = energy
        self.register_buffer("references", table, persistent=False)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that it has learned."""
        return tuple(self.references.isfinite().nonzero()[:, 0].tolist())

    @property
    def level(self) -> str | None:
        """Level of theory of what it learned."""
        level: str | None = self.config["level"]
        return level

    @property
    def n_features(self) -> int:
        """Features of an atom that the last layer sees."""
        return int(self.network.n_features)

    @property
    def weights(self) -> Tensor:
        """Weights in eV by which summed features and the number of atoms give the energy, shape (n_features + 1,)."""
        rows = torch.cat([self.last.weight, self.last.bias[:, None]], 1).detach()  # (n_outputs, n_features + 1)
        return self.head.mean(rows.T).double() * self.config["scale"]

    def forward(self, numbers: Tensor, positions: Tensor, batch: Tensor, *, forces: bool = False) -> Prediction:
        """Predict.

        Parameters
        ----------
        numbers
            Atomic numbers, shape (n_atoms,).
        positions
            In Å, shape (n_atoms, 3).
        batch
            Structure of each atom, ascending from 0, shape (n_atoms,).
        forces
            Return forces too, by automatic differentiation.

        Returns
        -------
        Prediction
            Of all structures.
        """
        graded = forces or torch.is_grad_enabled()  # asked before, as leaving inference mode turns gradients on
        leaving = torch.inference_mode(False) if forces and torch.is_inference_mode_enabled() else nullcontext()
        with leaving, torch.set_grad_enabled(graded):
            if forces:  # what was made in inference mode, as in a validation of Lightning's, knows no derivatives
                numbers, positions, batch = (t.clone() if t.is_inference() else t for t in (numbers, positions, batch))
                if not positions.requires_grad:
                    positions = positions.detach().requires_grad_(True)
            features = self.network(numbers, positions, batch)
            learned = self.last(features)  # (n_atoms, n_outputs)
            n = int(batch[-1]) + 1 if len(batch) else 0
            outputs = learned.new_zeros(n, learned.shape[1]).index_add(0, batch, learned)  # (n, n_outputs)
            total = self.head.mean(outputs) * self.config["scale"]  # (n,)
            slope = None
            if forces:
                (slope,) = torch.autograd.grad(total.sum(), positions, create_graph=self.training)
        free = total.new_zeros(n, dtype=torch.float64).index_add(0, batch, self.references[numbers])
        variance = self.head.variance(outputs)
        return Prediction(
            energy=free + total.double(),
            forces=None if slope is None else -slope,
            features=features,
            outputs=outputs,
            variance=None if variance is None else variance * self.config["scale"] ** 2,
            members=free[:, None] + outputs.double() * self.config["scale"] if self.head.members > 1 else None,
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write it as a checkpoint, with weights of half precision.

        Parameters
        ----------
        folder
            Made if it is not there: ``config.json`` and ``model.safetensors``.
        """
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        references = {str(z): float(self.references[z]) for z in self.elements}
        (path / CONFIG).write_text(
            json.dumps({"molaug": "potential", **self.config, "references": references}, indent=2) + "\n"
        )
        halved = copy.deepcopy(self).cpu().half()
        save_model(halved, str(path / WEIGHTS))
        seal_checkpoint(path)

    @classmethod
    def from_pretrained(cls, name: str | Path, *, device: str | torch.device = "cpu") -> Potential:
        """Load a checkpoint.

        Parameters
        ----------
        name
            A shipped checkpoint, one in ``$MOLAUG_CHECKPOINTS``, or a folder.
        device
            Where it shall run.

        Returns
        -------
        Potential
            In single precision, ready to predict.

        Raises
        ------
        ValueError
            If the folder holds another kind of checkpoint, or a file of it is damaged.
        """
        folder = look_for(name)
        check_checkpoint(folder)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if config.get("molaug") != "potential":
            raise ValueError(f"{folder} holds no potential; expected a folder that molaug fit potential wrote")
        potential = cls(
            config["network"],
            config["options"],
            references={int(z): energy for z, energy in config["references"].items()},
            scale=config["scale"],
            level=config["level"],
            head=config.get("head"),  # older checkpoints are plain
        )
        load_model(potential, folder / WEIGHTS)  # into single precision
        placed: Potential = potential.eval().to(device)
        return placed


__all__ = ["NETWORKS", "Potential", "Prediction"]

"""Models from outside: any torch module whose last layer is linear gets features, uncertainties and selections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from molaug.potentials.potential import Prediction
from molaug.potentials.prediction import predict
from molaug.structures import Structures

#: What makes the arguments of a module from numbers (n_atoms,), positions (n_atoms, 3) in Å and batch (n_atoms,): the
#: argument, several as a tuple, or a mapping of names.
Inputs = Callable[[Tensor, Tensor, Tensor], Any]


class OutsidePotential(nn.Module):  # type: ignore[misc]
    """A module from outside with the face of a :class:`~molaug.potentials.Potential`.

    What enters its last linear layer is caught on the way and summed over the atoms of each structure; of a layer that
    sees whole structures it is taken as it is. :func:`~molaug.potentials.predict` and
    :class:`~molaug.potentials.UncertainPotential` work on it as on a potential of our own.

    Parameters
    ----------
    module
        It must give one energy for each structure. It is put into the mode of evaluation.
    last
        Name of its last linear layer, as in ``module.named_modules()``: ``"lin2"``, ``"readout.2"``.
    inputs
        Makes the arguments of the module, see :data:`Inputs`.
    energy
        Turns what the module returns into energies in eV, shape (n,); by default it is that already, or (n, 1).
    elements
        Atomic numbers that it knows; all by default.

    Raises
    ------
    ValueError
        If there is no linear layer of that name; the message lists those that there are.

    Examples
    --------
    >>> class Counting(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.embedding, self.readout = nn.Embedding(100, 8), nn.Linear(8, 1)
    ...     def forward(self, z, batch):
    ...         return torch.zeros(int(batch[-1]) + 1).index_add(0, batch, self.readout(self.embedding(z))[:, 0])
    >>> model = OutsidePotential(Counting(), "readout", lambda z, x, batch: (z, batch))
    >>> water = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0], [0, 0.8, 0.6], [0, -0.8, 0.6]]])
    >>> predict(model, water).features.shape  # with the number of atoms
    (1, 9)
    """

    def __init__(
        self,
        module: nn.Module,
        last: str,
        inputs: Inputs,
        *,
        energy: Callable[[Any], Tensor] | None = None,
        elements: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        linear = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}
        if last not in linear:
            listed = ", ".join(f"{name} ({layer.in_features})" for name, layer in linear.items()) or "none"
            raise ValueError(
                f"{type(module).__name__} has no linear layer {last!r}; expected one of those that it has, with their "
                f"numbers of inputs: {listed}"
            )
        self.module = module.eval()
        self.elements = tuple(range(1, 119)) if elements is None else tuple(elements)
        self.n_features = int(linear[last].in_features)
        self._last, self._inputs, self._energy = last, inputs, energy
        self._seen: list[Tensor] = []
        linear[last].register_forward_pre_hook(self._catch)

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
            Of all structures, as of a plain head.

        Raises
        ------
        ValueError
            If the module gives something else than an energy for each structure, or what enters its last layer belongs
            neither to atoms nor to structures.
        """
        n = int(batch[-1]) + 1 if len(batch) else 0
        with torch.set_grad_enabled(forces or torch.is_grad_enabled()):
            if forces and not positions.requires_grad:
                positions = positions.detach().requires_grad_(True)
            self._seen.clear()
            energy = self._energies(self._called(numbers, positions, batch), n)
            features = self._features(len(batch), n)
            slope = torch.autograd.grad(energy.sum(), positions)[0] if forces else None
        return Prediction(
            energy=energy.double(),
            forces=None if slope is None else -slope,
            features=features,
            outputs=energy[:, None],
            pooled=len(features) != len(batch),
        )

    def _called(self, numbers: Tensor, positions: Tensor, batch: Tensor) -> Any:
        given = self._inputs(numbers, positions, batch)
        if isinstance(given, Mapping):
            return self.module(**given)
        return self.module(*given) if isinstance(given, tuple) else self.module(given)

    def _energies(self, output: Any, n: int) -> Tensor:
        energy = output if self._energy is None else self._energy(output)
        shape = tuple(energy.shape) if isinstance(energy, Tensor) else type(energy).__name__
        if isinstance(shape, str) or shape not in ((n,), (n, 1)):
            raise ValueError(
                f"{type(self.module).__name__} gave {shape} for {n} structures; expected energies of shape ({n},): "
                "give energy=, a function that takes them from what the module returns"
            )
        return energy.reshape(n)

    def _features(self, n_atoms: int, n: int) -> Tensor:
        if len(self._seen) != 1:
            raise ValueError(
                f"the layer {self._last!r} was called {len(self._seen)} times for one batch; expected once: name the "
                "last linear layer before the energy"
            )
        features = self._seen.pop()
        if features.ndim != 2 or len(features) not in (n_atoms, n):
            raise ValueError(
                f"the layer {self._last!r} sees {tuple(features.shape)} in a batch of {n} structures and {n_atoms} "
                "atoms; expected one row for each structure or each atom"
            )
        return features

    def _catch(self, layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self._seen.append(arguments[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class OutsideFeatures:
    """What the last layer of a model from outside sees, as features for selectors and filters.

    Parameters
    ----------
    model
        The model.
    average
        Averages over the atoms instead of sums; of no effect where the last layer sees whole structures.
    """

    model: OutsidePotential
    average: bool = True

    @property
    def name(self) -> str:
        """What they are called in reports."""
        return type(self.model.module).__name__

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the vectors.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        vectors : NDArray[np.float32]
            Shape (n, n_features + 1), the last of which goes with the bias; zero where there is none.
        there : NDArray[np.bool_]
            Whether there is one, shape (n,).
        """
        found = predict(self.model, rows).features
        there = np.asarray(np.isfinite(found).all(1))
        vectors = np.where(there[:, None], found, 0.0)
        if self.average:
            vectors /= np.maximum(vectors[:, -1:], 1.0)
        return vectors.astype(np.float32), there

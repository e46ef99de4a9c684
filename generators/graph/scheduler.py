"""The discrete flow of graphs: from draws of the marginal prior at time 0 to molecules at time 1, and its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from torch import Tensor

from molaug.generators.learned.atom_types import BOND_ORDERS

#: How the state of the next time is made from the predicted molecule.
Kernel = Literal["renoise", "jump"]


@dataclass
class GraphFlowOutput(BaseOutput):  # type: ignore[misc]
    """The state at the next time.

    ``atoms`` has shape (n, n_max), ``pairs`` (n, n_pairs): types, and bond orders of the pairs i < j.
    """

    atoms: Tensor
    pairs: Tensor


class GraphFlowScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """Times and transitions of the flow.

    Each atom and each pair of atoms has at time t its final value with probability t, and a draw from the prior
    otherwise: xₜ ~ t δ(x₁) + (1 - t) p₀, independently of the others. A step from t to s takes the network's
    probabilities of x₁, draws x₁ from them, and then either

    - ``"renoise"``: draws xₛ anew given x₁, so that no early mistake stays (the default), or
    - ``"jump"``: leaves every atom and pair as it is but for those that jump to x₁, with probability
      (s - t) / (1 - t); this is the Euler step of the Markov chain in continuous time.

    Parameters
    ----------
    atom_prior
        Frequency of each atom type.
    bond_prior
        Frequency of each bond order among the pairs of atoms of a molecule, none included.
    kernel
        See above.
    distortion
        The times are 1 - (1 - k/K)ᵈ, d the distortion: with 2 the steps are short where the molecule takes shape.

    Raises
    ------
    ValueError
        If a prior is no distribution, or the kernel is unknown.

    References
    ----------
    A. Campbell et al., arXiv:2402.04997 (discrete flow models); Y. Qin et al., arXiv:2410.04263 (marginal priors and
    time distortion for graphs); renoising: Y. Boget, arXiv:2503.21592 (simple iterative denoising).

    Examples
    --------
    >>> scheduler = GraphFlowScheduler(atom_prior=(0.7, 0.3), bond_prior=(0.8, 0.2, 0.0, 0.0))
    >>> scheduler.set_timesteps(4)
    >>> scheduler.timesteps.tolist()
    [0.0, 0.4375, 0.75, 0.9375]
    """

    order = 1

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        atom_prior: tuple[float, ...] = (1.0,),
        bond_prior: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0),
        kernel: Kernel = "renoise",
        distortion: float = 2.0,
    ) -> None:
        if kernel not in get_args(Kernel):
            raise ValueError(f"kernel is {kernel!r}; expected one of {get_args(Kernel)}")
        for name, prior in (("atom_prior", atom_prior), ("bond_prior", bond_prior)):
            if not (all(p >= 0 for p in prior) and abs(sum(prior) - 1.0) < 1e-5):
                raise ValueError(f"{name} is {tuple(prior)}; expected probabilities that add up to 1")
        if len(bond_prior) != BOND_ORDERS:
            raise ValueError(
                f"bond_prior has {len(bond_prior)} entries; expected {BOND_ORDERS}: none, single to triple"
            )
        if not distortion > 0:
            raise ValueError(f"distortion is {distortion}; expected more than 0")
        self.timesteps = torch.empty(0)
        self.set_timesteps(50)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        *,
        timesteps: Sequence[float] | None = None,
    ) -> None:
        """Lay down the times at which the network is asked.

        Parameters
        ----------
        num_inference_steps
            How many.
        device
            Where the times are kept.
        timesteps
            The times themselves instead of their number, ascending in [0, 1]; the next after the last is 1.

        Raises
        ------
        ValueError
            If there is not one step at least, or both or neither are given.
        """
        if (num_inference_steps is None) == (timesteps is None):
            raise ValueError("expected either num_inference_steps or timesteps")
        if timesteps is not None:
            self.timesteps = torch.tensor(timesteps, dtype=torch.float32, device=device)
            return
        if num_inference_steps is None or num_inference_steps < 1:
            raise ValueError(f"{num_inference_steps} steps; expected at least 1")
        even = torch.arange(num_inference_steps, dtype=torch.float64) / num_inference_steps
        self.timesteps = self.distorted(even).float().to(device)  # (num_inference_steps,)

    def distorted(self, even: Tensor, distortion: float | None = None) -> Tensor:
        """Map times in [0, 1] so that more of them lie near 1.

        Parameters
        ----------
        even
            Any shape.
        distortion
            Another one than the scheduler's.

        Returns
        -------
        Tensor
            The same shape.
        """
        return 1.0 - (1.0 - even) ** float(self.config.distortion if distortion is None else distortion)

    def next_time(self, k: int) -> float:
        """Return the time after step k.

        Parameters
        ----------
        k
            Number of the step.

        Returns
        -------
        float
            1 after the last.
        """
        return float(self.timesteps[k + 1]) if k + 1 < len(self.timesteps) else 1.0

    def prior(self, uniform_atoms: Tensor, uniform_pairs: Tensor) -> GraphFlowOutput:
        """Draw the state at time 0.

        Parameters
        ----------
        uniform_atoms
            Uniform random numbers in [0, 1), shape (n, n_max).
        uniform_pairs
            The same, shape (n, n_pairs).

        Returns
        -------
        GraphFlowOutput
            One type or order for each of them.
        """
        device = uniform_atoms.device
        atoms = torch.tensor(self.config.atom_prior, device=device).expand(*uniform_atoms.shape, -1)
        pairs = torch.tensor(self.config.bond_prior, device=device).expand(*uniform_pairs.shape, -1)
        return GraphFlowOutput(atoms=drawn(atoms, uniform_atoms), pairs=drawn(pairs, uniform_pairs))

    def add_noise(
        self, atoms: Tensor, pairs: Tensor, time: Tensor, uniform_atoms: Tensor, uniform_pairs: Tensor
    ) -> GraphFlowOutput:
        """Draw xₜ given x₁.

        Parameters
        ----------
        atoms
            Types of x₁, shape (n, n_max).
        pairs
            Bond orders of x₁, shape (n, n_pairs).
        time
            t of each graph, shape (n,).
        uniform_atoms
            Uniform random numbers in [0, 1), shape (2, n, n_max).
        uniform_pairs
            The same, shape (2, n, n_pairs).

        Returns
        -------
        GraphFlowOutput
            xₜ.
        """
        noise = self.prior(uniform_atoms[1], uniform_pairs[1])
        return GraphFlowOutput(
            atoms=torch.where(uniform_atoms[0] < time[:, None], atoms, noise.atoms),
            pairs=torch.where(uniform_pairs[0] < time[:, None], pairs, noise.pairs),
        )

    def step(
        self, k: int, state: GraphFlowOutput, predicted: GraphFlowOutput, uniform_atoms: Tensor, uniform_pairs: Tensor
    ) -> GraphFlowOutput:
        """Go on from the time of step k to the next.

        Parameters
        ----------
        k
            Number of the step.
        state
            xₜ.
        predicted
            A draw of x₁.
        uniform_atoms
            Uniform random numbers in [0, 1), shape (2, n, n_max).
        uniform_pairs
            The same, shape (2, n, n_pairs).

        Returns
        -------
        GraphFlowOutput
            xₛ.
        """
        t, s = float(self.timesteps[k]), self.next_time(k)
        if self.config.kernel == "renoise":
            time = torch.full((len(state.atoms),), s, device=state.atoms.device)
            return self.add_noise(predicted.atoms, predicted.pairs, time, uniform_atoms, uniform_pairs)
        rate = (s - t) / (1.0 - t)
        return GraphFlowOutput(
            atoms=torch.where(uniform_atoms[0] < rate, predicted.atoms, state.atoms),
            pairs=torch.where(uniform_pairs[0] < rate, predicted.pairs, state.pairs),
        )


def drawn(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Draw classes.

    Parameters
    ----------
    probabilities
        Shape (..., n_classes).
    uniform
        Uniform random numbers in [0, 1), shape (...,).

    Returns
    -------
    Tensor
        Shape (...,), integers.

    Examples
    --------
    >>> drawn(torch.tensor([[0.2, 0.3, 0.5]] * 3), torch.tensor([0.1, 0.4, 0.99])).tolist()
    [0, 1, 2]
    """
    bounds = probabilities.cumsum(-1)  # (..., n_classes)
    # as shares of the last, so that no class of probability 0 is drawn for the sake of rounding
    return (uniform[..., None] >= (bounds / bounds[..., -1:])[..., :-1]).sum(-1)

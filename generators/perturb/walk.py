"""One walk: a node of the tree is rattled and relaxed a little, and what comes of it is judged; many side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molaug.generators.perturb.rattle import centred, least_separations, log_uniform, rattled
from molaug.generators.perturb.robbins_monro import Descent, Evaluate, descend
from molaug.generators.perturb.stopping import stop_probability
from molaug.structures.chemistry.integrity import Integrity


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How walks go, and what must hold where they end.

    Parameters
    ----------
    temperature
        In K.
    sigma_min
        Least width of a rattle in Å.
    sigma_max
        Greatest width of a rattle in Å.
    max_steps
        Steps of the relaxation at most.
    max_force
        Largest force on an atom in eV/Å.
    min_separation
        Least distance of two atoms in Å.
    energy_window
        Highest energy above the root in eV for each atom; None for no limit.
    integrity
        Of the molecule; None if it may become another one.
    masses
        Shape (n_atoms,).
    modes
        Vibrations of the molecule.
    """

    temperature: float
    sigma_min: float
    sigma_max: float
    max_steps: int
    max_force: float
    min_separation: float
    energy_window: float | None
    integrity: Integrity | None
    masses: NDArray[np.float64]
    modes: int


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Where a walk ended.

    Parameters
    ----------
    positions
        In Å, shape (n_atoms, 3).
    energy
        In eV above the root.
    max_force
        Largest force on an atom in eV/Å.
    sigma
        Width of the rattle in Å.
    steps
        Of the relaxation.
    calls
        Force calls.
    reason
        Why it is not taken, or None.
    """

    positions: NDArray[np.float64]
    energy: float
    max_force: float
    sigma: float
    steps: int
    calls: int
    reason: str | None


def walk(
    nodes: NDArray[np.float64],
    rngs: Sequence[np.random.Generator],
    rules: Rules,
    evaluate: Evaluate,
    lowest: float,
) -> list[Proposal]:
    """Rattle and relax geometries.

    Parameters
    ----------
    nodes
        Where from, in Å, shape (n, n_atoms, 3).
    rngs
        A stream for each walk; it is read the same number of times whatever happens.
    rules
        How.
    evaluate
        Energies and forces of the walks by their place.
    lowest
        Energy of the root in eV.

    Returns
    -------
    list of Proposal
        One for each walk.
    """
    n, n_atoms = len(nodes), nodes.shape[1]
    sigmas = log_uniform([rng.random() for rng in rngs], rules.sigma_min, rules.sigma_max)
    noise = np.array([rng.normal(size=(n_atoms, 3)) for rng in rngs])  # (n, n_atoms, 3)
    draws = np.array([rng.random(rules.max_steps) for rng in rngs])  # (n, max_steps)
    begin = rattled(nodes, noise, sigmas, rules.masses)
    apart = np.flatnonzero(least_separations(begin) >= rules.min_separation)  # the others cost no force call

    def stop(x: NDArray[np.float64], energies: NDArray[np.float64], forces: NDArray[np.float64]) -> NDArray[np.float64]:
        probability = stop_probability(energies - lowest, rules.temperature, rules.modes)
        allowed = (forces <= rules.max_force) & (least_separations(x) >= rules.min_separation)
        return np.where(allowed, probability, 0.0)

    done = descend(begin[apart], sigmas[apart], draws[apart], lambda k, x: evaluate(apart[k], x), stop)
    ends = centred(done.positions, nodes[apart], rules.masses)
    verdicts = _verdicts(ends, done, done.energies - lowest, rules)
    proposals = [
        Proposal(
            positions=begin[k],
            energy=np.nan,
            max_force=np.nan,
            sigma=float(sigmas[k]),
            steps=0,
            calls=0,
            reason=_near(rules.min_separation),
        )
        for k in range(n)
    ]
    for place, k in enumerate(apart.tolist()):
        proposals[k] = Proposal(
            positions=ends[place],
            energy=float(done.energies[place] - lowest),
            max_force=float(done.max_forces[place]),
            sigma=float(sigmas[k]),
            steps=int(done.steps[place]),
            calls=int(done.steps[place]) + 1,
            reason=verdicts[place],
        )
    return proposals


def _verdicts(x: NDArray[np.float64], done: Descent, above: NDArray[np.float64], rules: Rules) -> list[str | None]:
    changed = [None] * len(x) if rules.integrity is None else rules.integrity.reasons(x)
    near = least_separations(x) < rules.min_separation
    found: list[str | None] = []
    for k, failure in enumerate(done.reasons):
        reason = failure
        if reason is None and near[k]:
            reason = _near(rules.min_separation)
        if reason is None and done.max_forces[k] > rules.max_force:
            reason = f"a force above {rules.max_force:g} eV/Å"
        reason = reason or changed[k]
        if reason is None and rules.energy_window is not None and above[k] / x.shape[1] > rules.energy_window:
            reason = f"more than {rules.energy_window:g} eV per atom above its minimum"
        found.append(reason)
    return found


def _near(separation: float) -> str:
    return f"atoms nearer than {separation:g} Å"

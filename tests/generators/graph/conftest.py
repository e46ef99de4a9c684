"""A graph generator small enough for tests, with weights that nobody trained."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from molaug.generators.graph.network import GraphDenoiser
from molaug.generators.graph.pipeline import GraphPipeline
from molaug.generators.graph.scheduler import GraphFlowScheduler
from molaug.generators.learned.atom_types import AtomTypes

N_MAX = 8


@pytest.fixture(scope="session")
def types() -> AtomTypes:
    """C, N, N+, O-, O and F."""
    return AtomTypes(numbers=(6, 7, 7, 8, 8, 9), charges=(0, 0, 1, -1, 0, 0), valences=(4, 3, 4, 1, 2, 1))


@pytest.fixture(scope="session")
def qm9_smiles(data: Path) -> list[str]:
    """SMILES of some hundred molecules of QM9, spread over all of it."""
    with gzip.open(data / "amons" / "qm9_g9.smi.gz", "rt") as handle:
        lines = [line.split()[0] for line in handle]
    return lines[:: len(lines) // 400]


def tiny_pipeline(types: AtomTypes, width: int = 32) -> GraphPipeline:
    """Return a pipeline with random weights: most of what it draws is not valid."""
    torch.manual_seed(7)
    network = GraphDenoiser(
        n_types=len(types), n_max=N_MAX, width=width, layers=2, heads=4, pair_width=8, walk_steps=3, conditions=("gap",)
    )
    with torch.no_grad():
        for head in (network.atom_head, network.pair_head.out[1][2]):
            head.weight *= 4  # opinions: the probabilities of an untrained network are all alike
        network.pair_head.out[1][2].bias.copy_(torch.tensor([2.0, 1.0, -0.5, -2.0]))
        network.condition.weight *= 8
    scheduler = GraphFlowScheduler(
        atom_prior=(0.7, 0.1, 0.01, 0.01, 0.15, 0.03), bond_prior=(0.7, 0.25, 0.04, 0.01), distortion=2.0
    )
    domain = {
        "types": {"numbers": list(types.numbers), "charges": list(types.charges), "valences": list(types.valences)},
        "n_max": N_MAX,
        "size_histogram": (np.array([0, 1, 1, 2, 3, 5, 8, 10, 10]) / 40).tolist(),
        "atom_prior": list(scheduler.config.atom_prior),
        "bond_prior": list(scheduler.config.bond_prior),
        "conditions": {"gap": [0.25, 0.05]},
    }
    return GraphPipeline(network.eval(), scheduler, domain=domain)


@pytest.fixture(scope="session")
def tiny(types: AtomTypes) -> GraphPipeline:
    """See :func:`tiny_pipeline`."""
    return tiny_pipeline(types)

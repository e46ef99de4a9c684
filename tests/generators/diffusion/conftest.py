"""A 3D generator small enough for tests, and the molecules that it learned from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from molaug.generators.diffusion import MoleculePipeline, load_pipeline
from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.graph.scheduler import GraphFlowScheduler
from molaug.structures import Structures


@pytest.fixture(scope="session")
def structures(small_molecules: Structures) -> Structures:
    """Small molecules of at most 14 atoms with MMFF94s geometries, SMILES and the column ``refractivity``."""
    return small_molecules


@pytest.fixture(scope="session")
def checkpoint(tiny_diffusion: Path) -> Path:
    """The folder of a generator trained for seconds: at most 11 atoms, some sound graphs, blurred geometries."""
    return tiny_diffusion


@pytest.fixture(scope="session")
def pipeline(checkpoint: Path) -> MoleculePipeline:
    """The same, loaded; weights of half precision were read."""
    return load_pipeline(checkpoint)


@pytest.fixture(scope="session")
def untrained() -> MoleculePipeline:
    """A generator with random weights: its molecules are as various as they are wrong. It knows ``gap``."""
    types = {"numbers": [1, 6, 7, 7, 8, 8], "charges": [0, 0, 0, 1, -1, 0], "valences": [1, 4, 3, 4, 1, 2]}
    sizes = {"n_max": 20, "width": 32, "layers": 2, "heads": 4, "pair_width": 8, "move_width": 16, "walk_steps": 3}
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = MoleculeDenoiser(types["valences"], conditions=("gap",), **sizes)
    with torch.no_grad():
        for layer in (network.atom_head, network.pair_head.out[1][2], network.atom, network.place):
            layer.weight *= 4  # opinions: the probabilities of an untrained network are all alike
        network.pair_head.out[1][2].bias.copy_(torch.tensor([2.0, 1.0, -0.5, -2.0]))
        network.condition.weight *= 8
    prior, bonds = [0.0, 0.6, 0.16, 0.02, 0.02, 0.2], [0.6, 0.33, 0.05, 0.02]
    domain = {
        "types": types,
        "n_max": 20,
        "size_histogram": [0.0, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.2],
        "hydrogens": [[max(valence - k, 0) for k in range(5)] for valence in [0, *types["valences"][1:]]],
        "atom_prior": prior,
        "bond_prior": bonds,
        "scale": 1.4,
        "conditions": {"gap": [0.25, 0.05]},
    }
    flow = GraphFlowScheduler(atom_prior=tuple(prior), bond_prior=tuple(bonds))
    return MoleculePipeline(network.eval(), flow, FlowMatchEulerDiscreteScheduler(), domain=domain)

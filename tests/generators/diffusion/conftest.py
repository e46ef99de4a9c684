"""A 3D generator small enough for tests, and the molecules that it learned from."""

from __future__ import annotations

from pathlib import Path

import pytest

from molaug.generators.diffusion import MoleculePipeline, load_pipeline
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

"""Molecules with their geometry, drawn by a flow that learned from a dataset: atoms, charges, bonds and coordinates."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.generators.diffusion.conformers import DiffusionConformers
    from molaug.generators.diffusion.data import GeometryData
    from molaug.generators.diffusion.generator import DiffusionGenerator
    from molaug.generators.diffusion.geometries import Geometries
    from molaug.generators.diffusion.network import MoleculeDenoiser
    from molaug.generators.diffusion.pipeline import MoleculePipeline, load_pipeline
    from molaug.generators.diffusion.samples import MoleculeSamples
    from molaug.generators.diffusion.training import MoleculeFlow

# checkpoints name these classes by the modules in which they are; a module that moves leaves its name behind
_HOMES = {
    "DiffusionConformers": "conformers",
    "DiffusionGenerator": "generator",
    "Geometries": "geometries",
    "GeometryData": "data",
    "MoleculeDenoiser": "network",
    "MoleculeFlow": "training",
    "MoleculePipeline": "pipeline",
    "MoleculeSamples": "samples",
    "load_pipeline": "pipeline",
}

#: What installs everything that learned generators need.
INSTALL = 'pip install "molaug[generate]"'

__all__ = [
    "DiffusionConformers",
    "DiffusionGenerator",
    "Geometries",
    "GeometryData",
    "MoleculeDenoiser",
    "MoleculeFlow",
    "MoleculePipeline",
    "MoleculeSamples",
    "load_pipeline",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        raise ImportError(f"the 3D generator needs {error.name}, which is not installed: {INSTALL}") from error
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""Whatever proposes structures."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.generators.amons import Amons
    from molaug.generators.conformers import Conformers
    from molaug.generators.diffusion import DiffusionConformers, DiffusionGenerator
    from molaug.generators.dynamics import Dynamics
    from molaug.generators.generator import Generator
    from molaug.generators.graph import GraphGenerator
    from molaug.generators.normal_modes import NormalModes
    from molaug.generators.perturb import Perturb
    from molaug.generators.torsions import Torsions

_HOMES = {
    "Amons": "molaug.generators.amons",
    "Conformers": "molaug.generators.conformers",
    "DiffusionConformers": "molaug.generators.diffusion",
    "DiffusionGenerator": "molaug.generators.diffusion",
    "Dynamics": "molaug.generators.dynamics",
    "Generator": "molaug.generators.generator",
    "GraphGenerator": "molaug.generators.graph",
    "NormalModes": "molaug.generators.normal_modes",
    "Perturb": "molaug.generators.perturb",
    "Torsions": "molaug.generators.torsions",
}

__all__ = [
    "Amons",
    "Conformers",
    "DiffusionConformers",
    "DiffusionGenerator",
    "Dynamics",
    "Generator",
    "GraphGenerator",
    "NormalModes",
    "Perturb",
    "Torsions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

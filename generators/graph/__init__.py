"""Molecules as graphs, drawn by a discrete flow that learned from a list of molecules."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.generators.graph.data import GraphData
    from molaug.generators.graph.generator import GraphGenerator
    from molaug.generators.graph.network import GraphDenoiser
    from molaug.generators.graph.pipeline import GraphPipeline, GraphSamples, load_pipeline
    from molaug.generators.graph.scheduler import GraphFlowScheduler
    from molaug.generators.graph.training import GraphFlow

# checkpoints name these classes by the modules in which they are; a module that moves leaves its name behind
_HOMES = {
    "GraphData": "data",
    "GraphDenoiser": "network",
    "GraphFlow": "training",
    "GraphFlowScheduler": "scheduler",
    "GraphGenerator": "generator",
    "GraphPipeline": "pipeline",
    "GraphSamples": "pipeline",
    "load_pipeline": "pipeline",
}

#: What installs everything that learned generators need.
INSTALL = 'pip install "molaug[generate]"'

__all__ = [
    "GraphData",
    "GraphDenoiser",
    "GraphFlow",
    "GraphFlowScheduler",
    "GraphGenerator",
    "GraphPipeline",
    "GraphSamples",
    "load_pipeline",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        raise ImportError(f"the graph generator needs {error.name}, which is not installed: {INSTALL}") from error
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

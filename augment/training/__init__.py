"""Training from the command line: what is common to all that ``molaug fit`` trains, and a module for each."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from molaug.registry import ConfigurationError, nearest

#: What installs everything that training needs.
INSTALL = 'pip install "molaug[generate]"'

#: What can be trained: module and function, and what it is.
FITTED = {
    "diffusion": (
        "molaug.training.diffusion:fit_diffusion",
        "draws molecules in space, all atoms at once; learns from geometries",
    ),
    "graph": ("molaug.training.graph:fit_graph", "draws molecules as graphs; learns from a list of molecules"),
    "potential": (
        "molaug.training.potential:fit_potential",
        "gives energies and forces; learns from labelled structures",
    ),
}


def listing() -> str:
    """Return what can be trained, a line each.

    Returns
    -------
    str
        For the terminal.
    """
    lines = [f"  {name:<10} {text}" for name, (_, text) in FITTED.items()]
    return "\n".join(["what can be trained:", *lines, "options: molaug fit NAME --help"])


def fit(name: str, options: Sequence[str]) -> None:
    """Train by name.

    Parameters
    ----------
    name
        One of :data:`FITTED`.
    options
        As on the command line.

    Raises
    ------
    ConfigurationError
        If there is no such name; the message tells the nearest.
    ImportError
        If a package that training needs is not installed.
    """
    if name not in FITTED:
        raise ConfigurationError(f"nothing called {name!r} can be trained; {nearest(name, list(FITTED))}")
    module, _, function = FITTED[name][0].partition(":")
    try:
        train = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        raise ImportError(f"training needs {error.name}, which is not installed: {INSTALL}") from error
    train(options)

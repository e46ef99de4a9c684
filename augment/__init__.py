"""molaug: data augmentation for atomistic machine learning.

A database and a budget of reference calculations become an augmented dataset: molecules and geometries that the
database lacks are proposed, filtered, labelled at its level of theory and emitted with their provenance.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.augmenter import Augmenter, Result
    from molaug.distributions import compare_distributions
    from molaug.labels import Labeller, Relaxation, label, relax
    from molaug.structures import Structure, Structures
    from molaug.structures.datasets import export, open_dataset, write_dataset

__version__ = "0.1.0"

_HOMES = {
    "Augmenter": "molaug.augmenter",
    "Labeller": "molaug.labels",
    "Relaxation": "molaug.labels",
    "Result": "molaug.augmenter",
    "Structure": "molaug.structures",
    "Structures": "molaug.structures",
    "compare_distributions": "molaug.distributions",
    "export": "molaug.structures.datasets",
    "label": "molaug.labels",
    "open_dataset": "molaug.structures.datasets",
    "relax": "molaug.labels",
    "write_dataset": "molaug.structures.datasets",
}

__all__ = [
    "Augmenter",
    "Labeller",
    "Relaxation",
    "Result",
    "Structure",
    "Structures",
    "compare_distributions",
    "export",
    "label",
    "open_dataset",
    "relax",
    "write_dataset",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)  # names are handed on lazily: importing molaug is instant


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

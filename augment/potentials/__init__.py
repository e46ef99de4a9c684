"""Potentials: networks that give energies and forces, the features of their last layer, and their training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.potentials.data import Labelled, LabelledData
    from molaug.potentials.potential import Potential, Prediction
    from molaug.potentials.training import PotentialTraining

_HOMES = {
    "Labelled": "molaug.potentials.data",
    "LabelledData": "molaug.potentials.data",
    "Potential": "molaug.potentials.potential",
    "PotentialTraining": "molaug.potentials.training",
    "Prediction": "molaug.potentials.potential",
}

__all__ = ["Labelled", "LabelledData", "Potential", "PotentialTraining", "Prediction"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

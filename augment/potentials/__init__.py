"""Potentials: networks that give energies and forces, the features of their last layer, and their training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.potentials.data import Labelled, LabelledData
    from molaug.potentials.potential import Potential, Prediction
    from molaug.potentials.prediction import Predicted, predict
    from molaug.potentials.training import PotentialTraining
    from molaug.potentials.uncertain import Uncertain, UncertainPotential

_HOMES = {
    "Labelled": "molaug.potentials.data",
    "LabelledData": "molaug.potentials.data",
    "Potential": "molaug.potentials.potential",
    "PotentialTraining": "molaug.potentials.training",
    "Predicted": "molaug.potentials.prediction",
    "Prediction": "molaug.potentials.potential",
    "Uncertain": "molaug.potentials.uncertain",
    "UncertainPotential": "molaug.potentials.uncertain",
    "predict": "molaug.potentials.prediction",
}

__all__ = [
    "Labelled",
    "LabelledData",
    "Potential",
    "PotentialTraining",
    "Predicted",
    "Prediction",
    "Uncertain",
    "UncertainPotential",
    "predict",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""Potentials: networks that give energies and forces, the features of their last layer, and their training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.potentials.data import Labelled, LabelledData
    from molaug.potentials.heads import Head
    from molaug.potentials.models import Committee, PotentialModel
    from molaug.potentials.outside import OutsideFeatures, OutsidePotential
    from molaug.potentials.potential import Potential, Prediction
    from molaug.potentials.prediction import Predicted, predict
    from molaug.potentials.regressors import KernelRidge, Regressor, SparseGaussianProcess
    from molaug.potentials.training import PotentialTraining
    from molaug.potentials.transfer import begun_from, references_for
    from molaug.potentials.uncertain import Uncertain, UncertainPotential

_HOMES = {
    "Committee": "molaug.potentials.models",
    "Head": "molaug.potentials.heads",
    "KernelRidge": "molaug.potentials.regressors",
    "Labelled": "molaug.potentials.data",
    "LabelledData": "molaug.potentials.data",
    "OutsideFeatures": "molaug.potentials.outside",
    "OutsidePotential": "molaug.potentials.outside",
    "Potential": "molaug.potentials.potential",
    "PotentialModel": "molaug.potentials.models",
    "PotentialTraining": "molaug.potentials.training",
    "Predicted": "molaug.potentials.prediction",
    "Prediction": "molaug.potentials.potential",
    "Regressor": "molaug.potentials.regressors",
    "SparseGaussianProcess": "molaug.potentials.regressors",
    "Uncertain": "molaug.potentials.uncertain",
    "UncertainPotential": "molaug.potentials.uncertain",
    "begun_from": "molaug.potentials.transfer",
    "predict": "molaug.potentials.prediction",
    "references_for": "molaug.potentials.transfer",
}

__all__ = [
    "Committee",
    "Head",
    "KernelRidge",
    "Labelled",
    "LabelledData",
    "OutsideFeatures",
    "OutsidePotential",
    "Potential",
    "PotentialModel",
    "PotentialTraining",
    "Predicted",
    "Prediction",
    "Regressor",
    "SparseGaussianProcess",
    "Uncertain",
    "UncertainPotential",
    "begun_from",
    "predict",
    "references_for",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

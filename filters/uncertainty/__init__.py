"""How uncertain a model is of a structure, and whether its uncertainties can be believed."""

from molaug.filters.uncertainty.calibration import Conformal, Isotonic, Scale
from molaug.filters.uncertainty.ensemble import ensemble_prediction
from molaug.filters.uncertainty.quadrants import QUADRANTS, Quadrants, quadrants
from molaug.filters.uncertainty.regression import ErrorRegression
from molaug.filters.uncertainty.reliability import Reliability, reliability
from molaug.filters.uncertainty.rigidity import Rigidity, structure_sums

__all__ = [
    "QUADRANTS",
    "Conformal",
    "ErrorRegression",
    "Isotonic",
    "Quadrants",
    "Reliability",
    "Rigidity",
    "Scale",
    "ensemble_prediction",
    "quadrants",
    "reliability",
    "structure_sums",
]

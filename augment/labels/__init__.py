"""Labels: calculators, levels of theory, relaxation."""

from molaug.labels.labeller import LabelError, Labeller
from molaug.labels.labelling import label, relax
from molaug.labels.levels import LevelError, check_level
from molaug.labels.relaxation import Relaxation

__all__ = ["LabelError", "Labeller", "LevelError", "Relaxation", "check_level", "label", "relax"]

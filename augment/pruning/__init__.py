"""Smaller databases: the rows go that tell a linear model least, and what that costs is said beside chance."""

from molaug.pruning.cost import PredictedCost
from molaug.pruning.database import Pruned, prune
from molaug.pruning.measured import Errors, MeasuredCost, measured_cost

__all__ = ["Errors", "MeasuredCost", "PredictedCost", "Pruned", "measured_cost", "prune"]

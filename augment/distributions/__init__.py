"""How what was sampled differs from a base: histograms and distances of energies, bond lengths and other quantities."""

from molaug.distributions.collection import Collector, compare_distributions
from molaug.distributions.comparison import Comparison, Line
from molaug.distributions.quantities import QUANTITIES

__all__ = ["QUANTITIES", "Collector", "Comparison", "Line", "compare_distributions"]

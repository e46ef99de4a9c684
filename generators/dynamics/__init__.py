"""Molecular dynamics: decorrelated snapshots of a molecule in a bath."""

from molaug.generators.dynamics.generator import Dynamics
from molaug.generators.dynamics.langevin import Langevin
from molaug.generators.dynamics.thinning import farthest_first

__all__ = ["Dynamics", "Langevin", "farthest_first"]

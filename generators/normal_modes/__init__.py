"""Sampling along normal modes: Hessians, modes, and distributions of amplitudes."""

from molaug.generators.normal_modes.distributions import ANI_TEMPERATURES, Distribution, ani_temperature
from molaug.generators.normal_modes.equilibrium import Equilibrium, equilibrium_of
from molaug.generators.normal_modes.generator import NormalModes
from molaug.generators.normal_modes.hessian import Hessian, hessian
from molaug.generators.normal_modes.modes import Modes, modes_of

__all__ = [
    "ANI_TEMPERATURES",
    "Distribution",
    "Equilibrium",
    "Hessian",
    "Modes",
    "NormalModes",
    "ani_temperature",
    "equilibrium_of",
    "hessian",
    "modes_of",
]

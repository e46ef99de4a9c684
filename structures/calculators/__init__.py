"""Energies and forces: any ASE calculator, known ones by the name of their level of theory."""

from molaug.structures.calculators.methods import CALCULATORS, FORCE_FIELDS, Method, calculator_for
from molaug.structures.calculators.naming import level_name, unpolarised

__all__ = ["CALCULATORS", "FORCE_FIELDS", "Method", "calculator_for", "level_name", "unpolarised"]

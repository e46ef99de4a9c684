"""Energies and forces: any ASE calculator, known ones by the name of their level of theory."""

from molaug.structures.calculators.methods import CALCULATORS, FORCE_FIELDS, Method, calculator_for

__all__ = ["CALCULATORS", "FORCE_FIELDS", "Method", "calculator_for"]

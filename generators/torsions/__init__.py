"""Scans of rotatable bonds with everything else relaxed."""

from molaug.generators.torsions.generator import Torsions

__all__ = ["Torsions"]

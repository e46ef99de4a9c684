"""Whether a molecule or a geometry is known already."""

from molaug.filters.redundancy.index import MoleculeIndex, load_index
from molaug.filters.redundancy.redundancy import Redundancy

__all__ = ["MoleculeIndex", "Redundancy", "load_index"]

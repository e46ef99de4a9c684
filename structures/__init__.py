"""The record that travels through molaug, chemistry, datasets in and out."""

from molaug.structures.structure import Structure
from molaug.structures.table import Structures

__all__ = ["Structure", "Structures"]

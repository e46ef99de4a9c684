"""The record that travels through molaug, chemistry, datasets in and out."""

from molaug.structures.table import Structure, Structures

__all__ = ["Structure", "Structures"]

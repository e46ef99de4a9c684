"""Datasets out: a dataset folder, or a file in the format of another ecosystem."""

from molaug.structures.datasets.export.folder import write_dataset
from molaug.structures.datasets.export.writing import export

__all__ = ["export", "write_dataset"]

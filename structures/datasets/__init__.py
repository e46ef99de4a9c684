"""Datasets in and out: every format becomes a card, a stream of batches and an audit."""

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card, Counts, Property, Provenance
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.export import export, write_dataset
from molaug.structures.datasets.opening import open_dataset
from molaug.structures.datasets.registry import KnownDataset, known, known_dataset

__all__ = [
    "Audit",
    "Card",
    "Counts",
    "Dataset",
    "KnownDataset",
    "Property",
    "Provenance",
    "export",
    "known",
    "known_dataset",
    "open_dataset",
    "write_dataset",
]

"""A dataset for torch-geometric's loaders, in one file that torch reads without running code."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.export.writing import with_geometry
from molaug.structures.doors.pyg_data import to_pyg
from molaug.structures.table import Structures

with warnings.catch_warnings():  # torch-geometric's own, and where warnings are errors it could not be imported
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
    from torch_geometric.data import Data, InMemoryDataset


class MolaugInMemoryDataset(InMemoryDataset):  # type: ignore[misc]
    """Structures as torch-geometric's ``InMemoryDataset``.

    Each item has ``z``, ``pos`` (Å), ``y`` (energy in eV, float64), ``forces`` (eV/Å), ``charge``, ``multiplicity``,
    ``smiles`` and ``level`` (empty where unknown), ``name`` (the content id) and the numeric further columns.

    Parameters
    ----------
    file
        What ``export(..., format="pyg")`` wrote.
    transform
        Applied to each item when it is taken.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    """

    def __init__(self, file: str | Path, transform: Any = None) -> None:
        super().__init__(root=None, transform=transform)
        path = Path(file)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; export(…, format='pyg') writes one")
        fields, self.slices = torch.load(path, weights_only=True)
        self.data = Data.from_dict(fields)


def write_pyg(
    batches: Iterable[Structures],
    path: Path,
    audit: Audit,
    *,
    energy_key: str = "REF_energy",
    forces_key: str = "REF_forces",
) -> None:
    """Write all rows collated into one file, which holds tensors and texts alone (``weights_only=True`` loads it).

    Parameters
    ----------
    batches
        The rows; those without positions are left out. They are gathered in memory, as the format demands.
    path
        The file.
    audit
        Told.
    energy_key
        Not used: the attribute is ``y``.
    forces_key
        Not used: the attribute is ``forces``.

    Raises
    ------
    ValueError
        If there is no row, or some rows have labels that others lack.
    """
    items: list[Data] = []
    for batch in batches:
        kept = with_geometry(batch, audit)
        for item in to_pyg(kept):
            # an attribute that is None counts as absent when items are collated
            item.smiles, item.level = item.get("smiles") or "", item.get("level") or ""
            items.append(item)
        audit.keep(len(kept))
    if not items:
        raise ValueError(f"{path.name}: no row with positions to write")
    keys = [frozenset(item.keys()) for item in items]
    if len(set(keys)) > 1:
        uneven = sorted(frozenset.union(*keys) - frozenset.intersection(*keys))
        raise ValueError(f"some rows lack {', '.join(uneven)}; torch-geometric collates rows with equal attributes")
    data, slices = InMemoryDataset.collate(items)
    torch.save((data.to_dict(), slices), path)

"""torch-geometric data objects, one for each structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molaug.structures.table import Structures

if TYPE_CHECKING:
    from torch_geometric.data import Data


def to_pyg(structures: Structures, *, dtype: str = "float32") -> list[Data]:
    """Convert to torch-geometric's ``Data``: ``z``, ``pos``, ``y`` (energy), ``forces`` and what else there is.

    Parameters
    ----------
    structures
        Rows with positions.
    dtype
        Floating type of positions and forces; energies are always float64, since total energies of thousands of eV
        leave no chemically useful digit in float32.

    Returns
    -------
    list of torch_geometric.data.Data
        One for each row; labels that a row lacks are left out, numeric further columns become attributes.

    Raises
    ------
    ImportError
        If torch or torch-geometric is not installed.
    ValueError
        If a row has no positions, or the dtype is not a floating type of torch.
    """
    try:
        import torch
        from torch_geometric.data import Data
    except ImportError as error:
        raise ImportError('to_pyg needs torch and torch-geometric: pip install "molaug[graph]"') from error
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise ValueError(f"dtype {dtype!r}; expected a floating type of torch such as 'float32' or 'float64'")
    items: list[Data] = []
    for row, s in enumerate(structures):
        if s.positions is None:
            raise ValueError(f"row {row} ({s.smiles}) has no positions; embed it first (molaug.generators.Conformers)")
        fields: dict[str, Any] = {
            "z": torch.as_tensor(np.array(s.numbers), dtype=torch.long),  # (n_atoms,)
            "pos": torch.as_tensor(np.array(s.positions), dtype=kind),  # (n_atoms, 3)
            "charge": torch.tensor([s.charge]),
            "multiplicity": torch.tensor([s.multiplicity]),
            "name": s.id,
            "smiles": s.smiles,
            "level": s.level,
        }
        if s.energy is not None:
            fields["y"] = torch.tensor([s.energy], dtype=torch.float64)  # (1,)
        if s.forces is not None:
            fields["forces"] = torch.as_tensor(np.array(s.forces), dtype=kind)  # (n_atoms, 3)
        for name, value in s.extra.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                fields[name] = torch.tensor([value], dtype=torch.float64)
        items.append(Data(**fields))
    return items

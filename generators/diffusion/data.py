"""Lightning's data module of the 3D generator: batches of molecules of like size as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from molaug.generators.diffusion.geometries import GRID, N_ORDERS, Geometries, spans
from molaug.generators.learned.atom_types import BOND_ORDERS
from molaug.generators.learned.like_sizes import LikeSizes

#: A batch: ``atoms`` (n, n_max), ``bonds`` (n, n_max, n_max), ``coordinates`` (n, n_max, 3) in Å, ``parents``
#: (n, n_max), ``sizes`` (n,), ``heavy`` (n,), ``orders`` (n, N_ORDERS, n_max) and ``condition`` (n, n_conditions),
#: standardised, NaN where unknown. ``n_max`` is that of the batch.
Batch = dict[str, Tensor]


class GeometryData(LightningDataModule):
    """Molecules in space to train on, split by the hash of their SMILES.

    Parameters
    ----------
    source
        A dataset by name or path, ``molaug.Structures``, ``ase.Atoms``, several of these, or one compact file.
    conditions
        Scalar columns that the generator shall learn to be steered by.
    max_atoms
        Leave out molecules of more atoms.
    batch_size
        Molecules of a step on each device.
    cache
        Folder in which prepared molecules are kept.
    seed
        Of the roots of SMILES orders, and of everything random in a training from the command line.
    workers
        Processes that prepare molecules.

    Raises
    ------
    ValueError
        If a number is out of its range, or a condition is named twice.

    Examples
    --------
    >>> from molaug.structures import Structures
    >>> water = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]])
    >>> data = GeometryData(water)
    >>> data.domain["types"]["numbers"], data.domain["n_max"], data.domain["hydrogens"]
    ([1, 8], 3, [[0, 0, 0], [2, 1, 0]])
    """

    def __init__(
        self,
        source: Any,
        conditions: Sequence[str] = (),
        max_atoms: int | None = None,
        batch_size: int = 128,
        cache: str | None = None,
        seed: int = 0,
        workers: int = 1,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected at least 1")
        if len(set(conditions)) < len(conditions):
            raise ValueError(f"conditions are {list(conditions)}; expected each once")
        self.source, self.conditions, self.max_atoms = source, tuple(conditions), max_atoms
        self.batch_size, self.cache, self.seed, self.workers = batch_size, cache, seed, workers

    @cached_property
    def molecules(self) -> Geometries:
        """The prepared molecules of all parts."""
        return Geometries.read(
            self.source,
            columns=self.conditions,
            max_atoms=self.max_atoms,
            cache=self.cache,
            seed=self.seed,
            workers=self.workers,
        )

    @cached_property
    def domain(self) -> dict[str, Any]:
        """What the network and the sampler must know of the data, as plain values; from the training part alone.

        ``types`` (of :class:`~molaug.generators.learned.atom_types.AtomTypes`), ``n_max`` (atoms, hydrogens counted),
        ``size_histogram`` (index: heavy atoms), ``hydrogens`` (of
        :func:`~molaug.generators.diffusion.hydrogens.hydrogen_table`), ``atom_prior`` and ``bond_prior`` (of heavy
        atoms and of their pairs), ``scale`` (Å, the standard deviation of coordinates) and ``conditions`` (mean and
        standard deviation of each by name).

        Returns
        -------
        dict
            JSON-able.

        Raises
        ------
        ValueError
            If a condition has no value there.
        """
        molecules = self.molecules
        train = molecules.take(self.train_rows)
        heavy = train.heavy.astype(np.int64)
        kinds = np.array(molecules.types.numbers)[train.atoms]
        atoms = np.bincount(train.atoms[kinds > 1], minlength=len(molecules.types)).astype(float)
        inner = train.bonds[:, 1] < np.repeat(train.heavy, train.bond_counts)
        pairs = np.bincount(train.bonds[inner, 2], minlength=BOND_ORDERS).astype(float)
        pairs[0] = (heavy * (heavy - 1) // 2).sum() - pairs.sum()
        histogram = np.bincount(heavy, minlength=int(molecules.heavy.max()) + 1).astype(float)
        for name, column in train.columns.items():
            if not np.isfinite(column).any():
                raise ValueError(f"condition {name!r} has no value in the training part; leave it out")
        return {
            "types": {key: list(value) for key, value in asdict(molecules.types).items()},
            "n_max": molecules.n_max,
            "size_histogram": (histogram / histogram.sum()).tolist(),
            "hydrogens": molecules.hydrogens.tolist(),
            "atom_prior": (atoms / atoms.sum()).tolist(),
            "bond_prior": (pairs / pairs.sum()).tolist() if pairs.sum() else [1.0] + [0.0] * (BOND_ORDERS - 1),
            "scale": round(float(np.sqrt(np.mean(train.coordinates.astype(float) ** 2)) * GRID), 4) or 1.0,
            "conditions": {
                name: [float(np.nanmean(column)), float(np.nanstd(column)) or 1.0]
                for name, column in train.columns.items()
            },
        }

    @cached_property
    def train_rows(self) -> NDArray[np.intp]:
        """Rows to train on; of all parts, where so few molecules are given that the split leaves none.

        Molecules whose hydrogens are other than those that valences imply in the others are left out.
        """
        implied = self.molecules.implied
        rows = self.molecules.part("train")
        rows = rows[implied[rows]]
        return rows if len(rows) else np.flatnonzero(implied)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training part, shuffled anew each epoch.

        Returns
        -------
        DataLoader
            Of dictionaries of tensors.
        """
        rows = self._rows(self.train_rows)
        return DataLoader(rows, batch_sampler=LikeSizes(rows.sizes, self.batch_size), collate_fn=_as_is)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation part; the training part where there is none.

        Returns
        -------
        DataLoader
            Of dictionaries of tensors.
        """
        held = self.molecules.part("validation")
        held = held[self.molecules.implied[held]]
        rows = self._rows(held if len(held) else self.train_rows)
        return DataLoader(rows, batch_size=2 * self.batch_size, collate_fn=_as_is)

    def _rows(self, rows: NDArray[np.intp]) -> _Rows:
        molecules, scales = self.molecules, self.domain["conditions"]
        columns = [(molecules.columns[name][rows] - mean) / sd for name, (mean, sd) in scales.items()]
        condition = np.stack(columns, 1) if columns else np.empty((len(rows), 0))
        return _Rows(molecules, rows, condition)


class _Rows(Dataset[Batch]):  # type: ignore[misc]
    """Arrays that hand out whole batches at once; nothing is collated molecule by molecule."""

    def __init__(self, molecules: Geometries, rows: NDArray[np.intp], condition: NDArray[np.float64]) -> None:
        self._molecules, self._chosen, self._condition = molecules, rows, condition.astype(np.float32)
        self.sizes = molecules.sizes[rows]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, row: int) -> Batch:
        return self.__getitems__([row])

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        chosen = np.asarray(rows, dtype=np.intp)
        return padded(self._molecules, self._chosen[chosen]) | {"condition": torch.from_numpy(self._condition[chosen])}


def padded(molecules: Geometries, rows: NDArray[np.intp]) -> Batch:
    """Lay some molecules into rectangular tensors.

    Parameters
    ----------
    molecules
        Of which some are wanted.
    rows
        Which.

    Returns
    -------
    dict
        A batch without ``condition``.
    """
    sizes, heavy = molecules.sizes[rows].astype(np.intp), molecules.heavy[rows].astype(np.intp)
    n, n_max = len(rows), int(sizes.max())
    row, atom = np.nonzero(np.arange(n_max) < sizes[:, None])
    places = spans(molecules.atom_starts, rows)
    atoms, parents = np.zeros((n, n_max), dtype=np.int64), np.zeros((n, n_max), dtype=np.int64)
    coordinates = np.zeros((n, n_max, 3), dtype=np.float32)
    atoms[row, atom] = molecules.atoms[places]
    parents[row, atom] = molecules.parents[places]
    coordinates[row, atom] = molecules.coordinates[places] * np.float32(GRID)
    bonds = np.zeros((n, n_max, n_max), dtype=np.int64)
    i, j, order = molecules.bonds[spans(molecules.bond_starts, rows)].astype(np.intp).T
    which = np.repeat(np.arange(n), molecules.bond_counts[rows])
    bonds[which, i, j] = bonds[which, j, i] = order
    orders = np.tile(np.arange(n_max), (n, N_ORDERS, 1))
    row, atom = np.nonzero(np.arange(n_max) < heavy[:, None])
    orders[row, :, atom] = molecules.orders[spans(molecules.heavy_starts, rows)]
    arrays = {
        "atoms": atoms,
        "bonds": bonds,
        "coordinates": coordinates,
        "parents": parents,
        "sizes": sizes,
        "heavy": heavy,
        "orders": orders,
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _as_is(batch: Batch) -> Batch:
    return batch

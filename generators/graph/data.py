"""Lightning's data module of the graph generator: batches of molecules as tensors, and what is known of all of them."""

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

from molaug.generators.graph.molecules import Molecules
from molaug.generators.learned.atom_types import BOND_ORDERS

#: A batch: ``atoms`` (n, n_max), ``bonds`` (n, n_max, n_max), ``sizes`` (n,), ``orders`` (n, N_ORDERS, n_max) and
#: ``condition`` (n, n_conditions), standardised, NaN where unknown.
Batch = dict[str, Tensor]


class GraphData(LightningDataModule):
    """Molecules to train on, split by the hash of their SMILES.

    Parameters
    ----------
    source
        A list of SMILES (``.smi``, ``.csv`` with a column ``smiles``, compressed or not), a dataset by name or path,
        ``molaug.Structures``, torch-geometric data with an attribute ``smiles``, or several of these.
    conditions
        Scalar columns that the generator shall learn to be steered by.
    max_heavy
        Leave out molecules of more heavy atoms.
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
    >>> from types import SimpleNamespace as Data
    >>> data = GraphData([Data(smiles="CC"), Data(smiles="CCO")])
    >>> data.domain["types"]["numbers"], data.domain["n_max"]
    ([6, 8], 3)
    """

    def __init__(
        self,
        source: Any,
        conditions: Sequence[str] = (),
        max_heavy: int | None = None,
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
        self.source, self.conditions, self.max_heavy = source, tuple(conditions), max_heavy
        self.batch_size, self.cache, self.seed, self.workers = batch_size, cache, seed, workers

    @cached_property
    def molecules(self) -> Molecules:
        """The prepared molecules of all parts."""
        return Molecules.read(
            self.source,
            columns=self.conditions,
            max_heavy=self.max_heavy,
            cache=self.cache,
            seed=self.seed,
            workers=self.workers,
        )

    @cached_property
    def domain(self) -> dict[str, Any]:
        """What the network and the sampler must know of the data, as plain values; from the training part alone.

        ``types`` (of :class:`~molaug.generators.graph.kekule.AtomTypes`), ``n_max``, ``size_histogram`` (index:
        atoms), ``atom_prior``, ``bond_prior``, ``conditions`` (mean and standard deviation of each by name).

        Returns
        -------
        dict
            JSON-able.

        Raises
        ------
        ValueError
            If a condition has no value there.
        """
        molecules, train = self.molecules, self.train_rows
        graphs = molecules.graphs.take(train)
        i, j = np.triu_indices(graphs.n_max, 1)
        there = graphs.mask[:, i] & graphs.mask[:, j]  # (n, n_pairs)
        atoms = np.bincount(graphs.atoms[graphs.mask], minlength=len(molecules.types)).astype(float)
        pairs = np.bincount(graphs.bonds[:, i, j][there], minlength=BOND_ORDERS).astype(float)
        sizes = np.bincount(graphs.sizes, minlength=graphs.n_max + 1).astype(float)
        values = {name: column[train] for name, column in molecules.columns.items()}
        for name, column in values.items():
            if not np.isfinite(column).any():
                raise ValueError(f"condition {name!r} has no value in the training part; leave it out")
        return {
            "types": {key: list(value) for key, value in asdict(molecules.types).items()},
            "n_max": graphs.n_max,
            "size_histogram": (sizes / sizes.sum()).tolist(),
            "atom_prior": (atoms / atoms.sum()).tolist(),
            "bond_prior": (pairs / pairs.sum()).tolist() if pairs.sum() else [1.0] + [0.0] * (BOND_ORDERS - 1),
            "conditions": {
                name: [float(np.nanmean(column)), float(np.nanstd(column)) or 1.0] for name, column in values.items()
            },
        }

    @cached_property
    def train_rows(self) -> NDArray[np.intp]:
        """Rows to train on; all, where so few molecules are given that the split leaves none."""
        rows = self.molecules.part("train")
        return rows if len(rows) else np.arange(len(self.molecules))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training part, shuffled anew each epoch.

        Returns
        -------
        DataLoader
            Of dictionaries of tensors.
        """
        rows = self._rows(self.train_rows)
        return DataLoader(
            rows, batch_size=self.batch_size, shuffle=True, collate_fn=_as_is, drop_last=len(rows) > self.batch_size
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation part; the training part where there is none.

        Returns
        -------
        DataLoader
            Of dictionaries of tensors.
        """
        held = self.molecules.part("validation")
        rows = self._rows(held if len(held) else self.train_rows)
        return DataLoader(rows, batch_size=4 * self.batch_size, collate_fn=_as_is)

    def _rows(self, rows: NDArray[np.intp]) -> _Rows:
        molecules, scales = self.molecules, self.domain["conditions"]
        columns = [(molecules.columns[name][rows] - mean) / sd for name, (mean, sd) in scales.items()]
        condition = np.stack(columns, 1) if columns else np.empty((len(rows), 0))
        return _Rows(molecules.graphs.take(rows), molecules.orders[rows], condition)


class _Rows(Dataset[Batch]):  # type: ignore[misc]
    """Arrays that hand out whole batches at once; nothing is collated molecule by molecule."""

    def __init__(self, graphs: Any, orders: NDArray[np.uint8], condition: NDArray[np.float64]) -> None:
        self._graphs, self._orders, self._condition = graphs, orders, condition.astype(np.float32)

    def __len__(self) -> int:
        return len(self._graphs)

    def __getitem__(self, row: int) -> Batch:
        return self.__getitems__([row])

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        chosen = np.asarray(rows, dtype=np.intp)
        graphs = self._graphs.take(chosen)
        return {
            "atoms": torch.from_numpy(graphs.atoms),
            "bonds": torch.from_numpy(graphs.bonds),
            "sizes": torch.from_numpy(graphs.sizes),
            "orders": torch.from_numpy(self._orders[chosen]),
            "condition": torch.from_numpy(self._condition[chosen]),
        }


def _as_is(batch: Batch) -> Batch:
    return batch

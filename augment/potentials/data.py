"""Labelled structures for the training of potentials: flat arrays, split by molecule, batches of like size."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from molaug.generators.learned.like_sizes import LikeSizes
from molaug.potentials.keeping import kept_path
from molaug.structures.datasets import open_dataset
from molaug.structures.split import parts_of_keys, split_keys

#: A batch: ``energy`` (n,) in eV, ``numbers`` (n_atoms,), ``positions`` (n_atoms, 3) in Å, ``batch`` (n_atoms,), and,
#: where there are labels for all, ``forces`` (n_atoms, 3) in eV/Å.
Batch = dict[str, Tensor]

#: What is in one part as a whole.
Split = Literal["molecule", "structure"]

_ROWS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Structures with their energies, one behind the other.

    Parameters
    ----------
    numbers
        Atomic numbers of all atoms, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    offsets
        First atom of each structure and the end of the last, shape (n + 1,).
    energy
        In eV, shape (n,).
    forces
        In eV/Å, shape (n_atoms, 3); None unless all structures have them.
    keys
        By which they are split, shape (n,).
    level
        Level of theory of all labels.
    rejected
        Reasons for which rows were left out, counted.
    """

    numbers: NDArray[np.uint8]
    positions: NDArray[np.float32]
    offsets: NDArray[np.int64]
    energy: NDArray[np.float64]
    forces: NDArray[np.float32] | None
    keys: NDArray[np.uint64]
    level: str | None
    rejected: dict[str, int]

    def __len__(self) -> int:
        return len(self.energy)

    @classmethod
    def read(cls, sources: Sequence[Any] | Any, *, level: str | None = None, split: Split = "molecule") -> Labelled:
        """Read datasets.

        Parameters
        ----------
        sources
            A dataset by name or path, ``molaug.Structures``, or several of these.
        level
            Level of theory of the labels that are wanted; by default that of all, which must then be one.
        split
            ``molecule``: all geometries of a molecule are in one part, and all of a formula where molecules are
            unknown; ``structure``: each by itself, for trajectories of few molecules.

        Returns
        -------
        Labelled
            Without rows that are rejected, lack an energy or a geometry, or are charged.

        Raises
        ------
        ValueError
            If labels of several levels are there and none was chosen, nothing is left, or the split is unknown.
        """
        if split not in get_args(Split):
            raise ValueError(f"split is {split!r}; expected {' or '.join(map(repr, get_args(Split)))}")
        several = sources if isinstance(sources, list | tuple) else [sources]
        parts: list[dict[str, Any]] = []
        rejected: Counter[str] = Counter()
        levels: Counter[str | None] = Counter()
        for source in several:
            for whole in open_dataset(source).batches(_ROWS):
                of_rows = np.array(whole.column("level"), dtype=object)
                energy = whole.array("energy")
                reasons = np.full(len(whole), "", dtype=object)
                reasons[~np.isfinite(energy)] = "no energy"
                reasons[~whole.has_geometry] = "no geometry"
                if level is not None:
                    reasons[(reasons == "") & (of_rows != level)] = "another level of theory"
                reasons[(reasons == "") & (whole.array("charge") != 0)] = "a charge, which a potential is not told"
                reasons[~whole.alive] = "rejected"
                rejected.update(str(reason) for reason in reasons if reason)
                rows = whole.filter(reasons == "")
                if not len(rows):
                    continue
                levels.update(rows.column("level"))
                has_forces = np.isfinite(rows.forces).all() if len(rows.forces) == len(rows.positions) else False
                names = rows.ids if split == "structure" else [name or _formula(z) for name, z in _named(rows)]
                parts.append(
                    {
                        "numbers": rows.numbers,
                        "positions": rows.positions.astype(np.float32),
                        "sizes": rows.n_atoms,
                        "energy": rows.array("energy"),
                        "forces": rows.forces.astype(np.float32) if has_forces else None,
                        "keys": _keys(names),
                    }
                )
        if not parts:
            raise ValueError(f"no labelled structures ({dict(rejected)}); expected rows with geometry and energy")
        if len(levels) > 1:
            raise ValueError(
                f"labels of {len(levels)} levels: {', '.join(map(repr, levels))}; choose one by level=, as energies of "
                "different levels cannot be learned as one"
            )

        def joined(name: str) -> Any:
            return np.concatenate([part[name] for part in parts])

        forced = all(part["forces"] is not None for part in parts)
        return cls(
            numbers=joined("numbers"),
            positions=joined("positions"),
            offsets=np.concatenate([[0], np.cumsum(joined("sizes"))]).astype(np.int64),
            energy=joined("energy"),
            forces=joined("forces") if forced else None,
            keys=joined("keys"),
            level=next(iter(levels)),
            rejected=dict(rejected),
        )

    def save(self, path: str | Path) -> None:
        """Write all structures; a file that is half written is never seen.

        Parameters
        ----------
        path
            Ends in ``.npz``; its folder is made if it is not there.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            "numbers": self.numbers,
            "positions": self.positions,
            "offsets": self.offsets,
            "energy": self.energy,
            "keys": self.keys,
            "about": np.array(json.dumps({"level": self.level, "rejected": self.rejected})),
        }
        if self.forces is not None:
            arrays["forces"] = self.forces
        partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
        np.savez(partial, **arrays)  # type: ignore[arg-type]
        partial.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Labelled:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        Labelled
            Equal to what was written.
        """
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            return cls(
                numbers=arrays["numbers"],
                positions=arrays["positions"],
                offsets=arrays["offsets"],
                energy=arrays["energy"],
                forces=arrays["forces"] if "forces" in arrays.files else None,
                keys=arrays["keys"],
                level=about["level"],
                rejected=about["rejected"],
            )

    @cached_property
    def parts(self) -> NDArray[np.str_]:
        """Part of each structure: ``train`` (four fifths), ``validation`` or ``test``."""
        return parts_of_keys(self.keys)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Atoms of each structure."""
        return np.diff(self.offsets)

    def taken(self, rows: NDArray[np.intp]) -> Labelled:
        """Take some structures.

        Parameters
        ----------
        rows
            Which, shape (m,).

        Returns
        -------
        Labelled
            In this order.
        """
        offsets, atoms = self._atoms(rows)
        return Labelled(
            numbers=self.numbers[atoms],
            positions=self.positions[atoms],
            offsets=offsets,
            energy=self.energy[rows],
            forces=None if self.forces is None else self.forces[atoms],
            keys=self.keys[rows],
            level=self.level,
            rejected=self.rejected,
        )

    def part(self, name: str) -> NDArray[np.intp]:
        """Return the rows of a part.

        Parameters
        ----------
        name
            ``train``, ``validation`` or ``test``.

        Returns
        -------
        NDArray[np.intp]
            Ascending.
        """
        return np.flatnonzero(self.parts == name)

    def batch(self, rows: Sequence[int] | NDArray[np.intp]) -> Batch:
        """Return some structures as tensors.

        Parameters
        ----------
        rows
            Which.

        Returns
        -------
        dict
            See :data:`Batch`.
        """
        which = np.asarray(rows, dtype=np.intp)
        offsets, atoms = self._atoms(which)
        found = {
            "energy": torch.from_numpy(self.energy[which]),  # first: by its length structures are counted
            "numbers": torch.from_numpy(self.numbers[atoms].astype(np.int64)),
            "positions": torch.from_numpy(self.positions[atoms]),
            "batch": torch.from_numpy(np.repeat(np.arange(len(which)), np.diff(offsets))),
        }
        if self.forces is not None:
            found["forces"] = torch.from_numpy(self.forces[atoms])
        return found

    def _atoms(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the offsets of some structures among themselves, and where their atoms are among all."""
        sizes = self.sizes[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return offsets, np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], sizes)


def composition(labelled: Labelled) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Count the atoms of each element.

    Parameters
    ----------
    labelled
        Structures.

    Returns
    -------
    elements : NDArray[np.uint8]
        Atomic numbers that occur, ascending, shape (n_elements,).
    counts : NDArray[np.float64]
        Shape (n, n_elements).
    """
    elements = np.unique(labelled.numbers)
    counts = np.zeros((len(labelled), len(elements)))
    rows_of = np.repeat(np.arange(len(labelled)), labelled.sizes)
    np.add.at(counts, (rows_of, np.searchsorted(elements, labelled.numbers)), 1.0)
    return elements, counts


def reference_energies(labelled: Labelled, rows: NDArray[np.intp]) -> tuple[dict[int, float], float]:
    """Fit energies of free atoms, so that their sums are as near to the labels as may be.

    Parameters
    ----------
    labelled
        Structures.
    rows
        Those to be fitted to.

    Returns
    -------
    references : dict
        eV by atomic number; of elements that always come in the same ratios, the smallest that do it.
    scale : float
        Root of the mean squared rest for each atom, in eV; 1 if nothing is left.
    """
    elements, counts = composition(labelled)
    counts = counts[rows]
    found = np.linalg.lstsq(counts, labelled.energy[rows], rcond=None)[0]
    rest = (labelled.energy[rows] - counts @ found) / counts.sum(1)
    scale = float(np.sqrt(np.mean(rest**2)))
    there = np.flatnonzero(counts.sum(0))
    references = {int(elements[k]): float(found[k]) for k in there}
    return references, scale if scale > 1e-6 else 1.0


class LabelledData(LightningDataModule):
    """Labelled structures to train a potential on, split by the hash of the molecule.

    Parameters
    ----------
    source
        A dataset by name or path, ``molaug.Structures``, or several of these.
    level
        Level of theory of the labels; by default that of all, which must then be one.
    split
        ``molecule`` or ``structure``: what is in one part as a whole, see :meth:`Labelled.read`.
    batch_size
        Structures of a step on each device.
    cache
        Folder in which the arrays are kept, where the sources are files, so that they need not be read again.
    seed
        Of everything random in a training from the command line.

    Raises
    ------
    ValueError
        If the batch size is below 1.
    """

    def __init__(
        self,
        source: Any,
        level: str | None = None,
        split: Split = "molecule",
        batch_size: int = 64,
        cache: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected at least 1")
        self.source, self.level, self.split = source, level, split
        self.batch_size, self.cache, self.seed = batch_size, cache, seed

    @cached_property
    def labelled(self) -> Labelled:
        """All structures."""
        path = kept_path(self.source, (self.level, self.split), self.cache)
        if path is not None and path.exists():
            return Labelled.load(path)
        labelled = Labelled.read(self.source, level=self.level, split=self.split)
        if path is not None:
            labelled.save(path)
        return labelled

    @cached_property
    def train_rows(self) -> NDArray[np.intp]:
        """Rows to train on; of all parts, where so few structures are given that the split leaves none."""
        rows = self.labelled.part("train")
        return rows if len(rows) else np.arange(len(self.labelled))

    @cached_property
    def domain(self) -> dict[str, Any]:
        """What the potential must know of its data: ``references``, ``scale``, ``level``, ``forces`` and ``atoms``."""
        references, scale = reference_energies(self.labelled, self.train_rows)
        return {
            "references": references,
            "scale": scale,
            "level": self.labelled.level,
            "forces": self.labelled.forces is not None,
            "atoms": float(self.labelled.sizes[self.train_rows].mean()),
        }

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training part, shuffled anew each epoch.

        Returns
        -------
        DataLoader
            Of dictionaries of tensors.
        """
        rows = _Rows(self.labelled, self.train_rows)
        sampler = LikeSizes(self.labelled.sizes[self.train_rows], self.batch_size)
        return DataLoader(rows, batch_sampler=sampler, collate_fn=_as_is)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation part; the training part where there is none.

        Returns
        -------
        DataLoader
            Of dictionaries of tensors.
        """
        held = self.labelled.part("validation")
        rows = _Rows(self.labelled, held if len(held) else self.train_rows)
        return DataLoader(rows, batch_size=4 * self.batch_size, collate_fn=_as_is)


class _Rows(Dataset[Batch]):  # type: ignore[misc]
    """Structures from which whole batches are taken at once."""

    def __init__(self, labelled: Labelled, rows: NDArray[np.intp]) -> None:
        self._labelled, self._rows = labelled, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> Batch:
        return self._labelled.batch(self._rows[indices])


def _as_is(batch: Batch) -> Batch:
    return batch


def _named(rows: Any) -> Iterator[tuple[str | None, NDArray[np.uint8]]]:
    bounds = rows.offsets
    for k, name in enumerate(rows.column("smiles")):
        yield name, rows.numbers[bounds[k] : bounds[k + 1]]


def _formula(numbers: NDArray[np.uint8]) -> str:
    return f"formula:{np.sort(numbers).tobytes().hex()}"


def _keys(names: Sequence[str]) -> NDArray[np.uint64]:
    """Return the keys of molecules, each computed once."""
    distinct, which = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    keys: NDArray[np.uint64] = split_keys(distinct.tolist(), canonical=True)[which]
    return keys

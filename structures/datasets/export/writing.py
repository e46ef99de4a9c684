"""One door out: rows of any dataset into a file that another ecosystem's own reader takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import UNKNOWN_LEVEL, Card
from molaug.structures.datasets.dataset import CHUNK, Dataset, rebatch
from molaug.structures.datasets.export.atomic import replacing
from molaug.structures.datasets.export.folder import rows_of, without_level, write_dataset
from molaug.structures.datasets.opening import open_dataset
from molaug.structures.table import Structures

#: Writers by format: ``write(batches, path, audit, energy_key=…, forces_key=…)``.
_WRITERS = {
    "ani": "ani_h5:write_ani",
    "db": "ase_db:write_ase_db",
    "extxyz": "extxyz:write_extxyz",
    "parquet": "parquet:write_parquet",
    "pyg": "pyg:write_pyg",
    "sdf": "sdf:write_sdf",
    "smiles": "smiles:write_smiles",
}

_BY_SUFFIX = {
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
    ".db": "db",
    ".h5": "ani",
    ".hdf5": "ani",
    ".sdf": "sdf",
    ".parquet": "parquet",
    ".pt": "pyg",
    ".smi": "smiles",
    "": "folder",
}


def export(
    source: str | Path | Dataset | Structures | Iterable[Structures] | Sequence[Atoms],
    path: str | Path,
    format: str | None = None,  # noqa: A002 -- the name that readers and writers of this field use
    *,
    energy_key: str = "REF_energy",
    forces_key: str = "REF_forces",
    level: str | None = None,
    overwrite: bool = False,
) -> Audit:
    """Write rows in the format of another ecosystem, streaming; the file is whole or absent.

    Rejected rows are left out, as are rows that the format cannot hold; the audit counts them.

    Parameters
    ----------
    source
        Whatever :func:`molaug.structures.datasets.open_dataset` opens, or a stream of batches.
    path
        The file; a path without a suffix is a dataset folder.
    format
        ``extxyz``, ``db`` (ASE), ``ani`` (HDF5), ``sdf``, ``pyg``, ``parquet``, ``smiles`` or ``folder``; by default
        told from the suffix.
    energy_key
        Key of the energy in extxyz and SDF; that of MACE by default.
    forces_key
        Key of the forces in extxyz.
    level
        Where rows are of several levels of theory, the one to write; labels that name none are left out then.
    overwrite
        Replace a file that exists.

    Returns
    -------
    Audit
        Rows read, written and left out by reason.

    Raises
    ------
    FileExistsError
        If the file exists and is not to be replaced.
    ValueError
        If the format is unknown, or rows are of several levels and none is chosen.
    """
    path = Path(path)
    kind = format or _BY_SUFFIX.get(path.suffix.lower())
    if kind is None or kind not in {*_WRITERS, "folder"}:
        near = get_close_matches(str(kind), [*_WRITERS, "folder"], n=1)
        raise ValueError(
            f"{path}: unknown export format {kind or path.suffix!r}"
            + (f", did you mean {near[0]!r}?" if near else "")
            + f"; expected one of {', '.join(sorted([*_WRITERS, 'folder']))}"
        )
    dataset = _opened(source)
    batches = rows_of(source if dataset is None else dataset)  # type: ignore[arg-type]
    audit = Audit(source=f"export to {path.name}")
    living = rebatch(_living(batches, level, audit), CHUNK)
    if kind == "folder":
        card = Card(name=path.name) if dataset is None else dataset.card
        written = write_dataset(living, path, card, overwrite=overwrite)
        audit.keep(written.counts.structures if written.counts else 0)
        return audit
    module, _, function = _WRITERS[kind].partition(":")
    writer: Callable[..., None] = getattr(import_module(f"molaug.structures.datasets.export.{module}"), function)
    with replacing(path, overwrite=overwrite) as temporary:
        writer(living, temporary, audit, energy_key=energy_key, forces_key=forces_key)
    return audit


def with_geometry(batch: Structures, audit: Audit) -> Structures:
    """Leave out rows without positions and tell the audit.

    Parameters
    ----------
    batch
        Any rows.
    audit
        Told.

    Returns
    -------
    Structures
        Those with positions.
    """
    mask = batch.has_geometry
    if mask.all():
        return batch
    for key in batch.filter(~mask).ids:
        audit.drop(key, "no positions: a bare graph")
    return batch.filter(mask)


def name_lost(batch: Structures, audit: Audit, held: Iterable[str], why: str) -> None:
    """Name the columns that a format has no place for, where they hold anything.

    Parameters
    ----------
    batch
        Rows that are written.
    audit
        Told.
    held
        Columns that the format holds.
    why
        The reason.
    """
    held = set(held)
    for name in batch.table.column_names:
        column = batch.table.column(name)
        if name not in held and column.null_count < len(column):
            audit.drop_column(name, why)


def _opened(source: Any) -> Dataset | None:
    if isinstance(source, str | Path | Dataset | Structures):
        return open_dataset(source)
    if isinstance(source, Sequence) and source and isinstance(source[0], Atoms):
        return open_dataset(source)
    return None


def _living(batches: Iterable[Structures], level: str | None, audit: Audit) -> Iterator[Structures]:
    seen: set[str] = set()
    for batch in batches:
        audit.rows_read += len(batch)
        keep = batch.alive
        for key in batch.filter(~keep).ids:
            audit.drop(key, "rejected")
        levels = batch.column("level")
        if level is not None:
            other = np.array([found not in (None, level) for found in levels], dtype=bool) & keep
            for key in batch.filter(other).ids:
                audit.drop(key, f"labelled at another level than {level}")
            unnamed = without_level(batch) & keep
            for key in batch.filter(unnamed).ids:
                audit.drop(key, "labelled at no level of theory that is named")
            keep = keep & ~other & ~unnamed
        kept = batch if keep.all() else batch.filter(keep)
        seen.update(found for found in kept.column("level") if found is not None)
        if without_level(kept).any():
            seen.add(UNKNOWN_LEVEL)
        if len(seen) > 1:
            raise ValueError(
                f"rows are labelled at several levels of theory: {', '.join(sorted(seen))}; one key cannot hold them. "
                "Pass level=… to write one of them"
            )
        yield kept

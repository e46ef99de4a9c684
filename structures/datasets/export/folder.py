"""The dataset folder: ``card.yaml`` and ``shards/part-00000.parquet``, equal rows giving equal bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from molaug.structures.chemistry import symbols
from molaug.structures.datasets.card import UNKNOWN_LEVEL, Card, Counts, Provenance
from molaug.structures.datasets.dataset import Dataset, rebatch
from molaug.structures.datasets.export.atomic import replacing
from molaug.structures.hashing import key64, sha256
from molaug.structures.table import Structures

#: Rows of a shard: some 20 MB of molecules of QM9's size with forces.
SHARD_SIZE = 32_768


@dataclass(kw_only=True, slots=True)
class _Census:
    """What is counted while rows stream by."""

    structures: int = 0
    molecules: set[int] = field(default_factory=set)
    without_smiles: int = 0
    numbers: set[int] = field(default_factory=set)
    levels: set[str] = field(default_factory=set)
    unnamed: bool = False
    origins: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Structures) -> None:
        self.structures += len(batch)
        self.numbers.update(np.unique(batch.numbers).tolist())
        self.levels.update(level for level in batch.column("level") if level is not None)
        self.unnamed |= bool(without_level(batch).any())
        self.origins.update(origin if origin is not None else "unknown" for origin in batch.column("origin"))
        for smiles in batch.column("smiles"):
            if smiles is None:
                self.without_smiles += 1
            else:
                self.molecules.add(key64(smiles))


def write_dataset(
    batches: Dataset | Structures | Iterable[Structures],
    folder: str | Path,
    card: Card,
    *,
    shard_size: int = SHARD_SIZE,
    overwrite: bool = False,
) -> Card:
    """Write a dataset folder, in bounded memory and all or nothing.

    Parameters
    ----------
    batches
        The rows.
    folder
        Where ``card.yaml`` and ``shards/`` are made.
    card
        What the rows are; counts, elements, origins, checksums and, where it names none, the level are filled in,
        and ``unknown`` stands for labels without one.
    shard_size
        Rows a shard.
    overwrite
        Replace a folder that exists.

    Returns
    -------
    Card
        As it was written.

    Raises
    ------
    FileExistsError
        If the folder exists and is not to be replaced.
    ValueError
        If rows are of several levels of theory, or of one that the card does not name.

    Examples
    --------
    >>> import tempfile
    >>> from molaug.structures.datasets import open_dataset
    >>> g2 = open_dataset("g2")
    >>> with tempfile.TemporaryDirectory() as place:
    ...     card = write_dataset(g2, f"{place}/g2", g2.card)
    ...     card.counts.structures, len(open_dataset(f"{place}/g2").read())
    (162, 162)
    """
    census = _Census()
    checksums: dict[str, str] = {}
    with replacing(Path(folder), overwrite=overwrite) as temporary:
        (temporary / "shards").mkdir(parents=True)
        for number, shard in enumerate(rebatch(rows_of(batches), shard_size)):
            census.add(shard)
            _check_levels(census.levels, card)
            name = f"shards/part-{number:05d}.parquet"
            # nothing but the rows decides the bytes: views of a larger table are copied
            checksums[name] = sha256(shard.to_parquet(temporary / name))
        if not checksums:
            name = "shards/part-00000.parquet"
            checksums[name] = sha256(Structures.empty().to_parquet(temporary / name))
        whole = _completed(card, census, checksums)
        (temporary / "card.yaml").write_text(whole.to_yaml(), encoding="utf-8")
    return whole


def without_level(batch: Structures) -> NDArray[np.bool_]:
    """Tell the rows that have labels and name no level of theory.

    Parameters
    ----------
    batch
        Any rows.

    Returns
    -------
    NDArray[np.bool_]
        Shape (n,).
    """
    table = batch.table
    labelled = pc.or_(pc.is_valid(table.column("energy")), pc.is_valid(table.column("forces")))
    return np.asarray(pc.and_(labelled, pc.is_null(table.column("level"))), dtype=bool)


def rows_of(source: Dataset | Structures | Iterable[Structures]) -> Iterable[Structures]:
    """Return the batches of whatever holds rows.

    Parameters
    ----------
    source
        A dataset, a batch or a stream of batches.

    Returns
    -------
    Iterable of Structures
        Its batches.
    """
    if isinstance(source, Dataset):
        return source.batches()
    return [source] if isinstance(source, Structures) else source


def _check_levels(found: set[str], card: Card) -> None:
    if card.levels and not found <= set(card.levels):
        raise ValueError(
            f"rows are labelled at {', '.join(sorted(found - set(card.levels)))}, the card names "
            f"{', '.join(card.levels)}. Relabel them, or name every level in the card"
        )
    if len(found) > 1 and not card.levels:
        raise ValueError(
            f"rows are labelled at several levels of theory: {', '.join(sorted(found))}. "
            "Filter one, or say that they are meant by Card(levels=[…])"
        )


def _completed(card: Card, census: _Census, checksums: dict[str, str]) -> Card:
    provenance = card.provenance or Provenance()
    named = [level for level in card.levels if level != UNKNOWN_LEVEL] or sorted(census.levels)
    molecules = None if census.without_smiles and not census.molecules else len(census.molecules)
    return card.model_copy(
        update={
            "levels": [*named, *([UNKNOWN_LEVEL] if census.unnamed else [])],
            "counts": Counts(structures=census.structures, molecules=molecules),
            "elements": symbols(sorted(census.numbers)) if census.numbers else [],
            "files": checksums,
            "provenance": provenance.model_copy(update={"origins": dict(sorted(census.origins.items()))}),
        }
    )

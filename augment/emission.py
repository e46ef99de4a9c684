"""The last stage: the dataset, the rejected rows with their reasons, the funnel and the exports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from molaug.funnel import Funnel, Tally
from molaug.labels.levels import canonical_level
from molaug.labels.remarks import read_check, remarks_of
from molaug.plan import Plan
from molaug.progress import Progress
from molaug.shards import read_shards, write_checksums, write_shard, write_text
from molaug.structures import Structures
from molaug.structures.datasets import Card, Property, Provenance, export, write_dataset
from molaug.structures.datasets.consistency import contradiction_of, size_of_energies
from molaug.structures.datasets.dataset import rebatch
from molaug.structures.datasets.export.folder import without_level
from molaug.structures.gate import reasons

#: Rows of a rejected shard.
REJECTED_SHARD = 8192

#: Suffix of each further format.
SUFFIXES = {"extxyz": ".extxyz", "db": ".db", "ani": ".h5", "sdf": ".sdf", "pyg": ".pt", "smiles": ".smi"}


@dataclass(frozen=True, kw_only=True)
class Emission:
    """What a run hands out.

    Parameters
    ----------
    plan
        What was to be done.
    folder
        The run's folder.
    base
        The shards of the base as it was read.
    base_labelled
        The shards of the base as it is emitted.
    left
        Folder of the rows that were not selected.
    labelled
        The shards of new rows.
    """

    plan: Plan
    folder: Path
    base: Sequence[Path]
    base_labelled: Sequence[Path]
    left: Path
    labelled: Sequence[Path]

    def write(self, progress: Progress) -> Funnel:
        """Write everything that is not there yet.

        Parameters
        ----------
        progress
            Told how far it is.

        Returns
        -------
        Funnel
            Of the whole run.
        """
        plan = self.plan
        tally = Tally(generator.name for generator, _ in plan.generators)
        with progress.stage("emit", total=3 + len(plan.formats)) as advance:
            for rows in chain(read_shards(sorted(self.left.glob("*.parquet"))), self._new_rows()):
                tally.add(rows)
            lost = self._lost_rows()
            for number, rows in enumerate(rebatch(lost, REJECTED_SHARD)):
                path = self.folder / "rejected" / f"part-{number:05d}.parquet"
                if not path.exists():
                    write_shard(rows, path)
            advance()
            kept = 0 if plan.emit == "new" else sum(int(rows.alive.sum()) for rows in self._base_rows())
            read = sum(len(rows) for rows in read_shards(self.base))
            funnel = tally.funnel(plan.stages, {"read": read, "emitted": kept})
            dataset = self.folder / "dataset"
            if not dataset.exists():
                write_dataset(self._emitted(), dataset, self._card(funnel))
            advance()
            write_text(self.folder / "funnel.json", funnel.to_json())
            advance()
            for name in plan.formats:
                path = self.folder / f"dataset{SUFFIXES[name]}"
                if not path.exists():
                    export(dataset, path, name, level=None if plan.label is None else plan.label.level)
                advance()
        write_checksums(self.folder)
        return funnel

    def _base_rows(self) -> Iterator[Structures]:
        """Return the rows of the base as they are emitted, those that are not with the reason."""
        labels_needed = self.plan.label is not None and self.plan.base_labels != "mixed"
        reason = "emit: a row of the base without a label (base_labels: relabel computes them)"
        for rows in read_shards(self.base_labelled):
            lacking = labels_needed & ~np.isfinite(rows.array("energy"))
            judged = rows.reject([reason if lacks else None for lacks in lacking]).reject(reasons(rows, "emit"))
            judged = self._levelled(judged)
            stale = [name for name in self._stale() if name in judged.table.column_names]
            yield Structures(judged.table.drop_columns(stale))

    def _new_rows(self) -> Iterator[Structures]:
        """Return the new rows as they are emitted; whatever passed the stages, none is impossible."""
        for rows in read_shards(self.labelled):
            yield rows.reject(reasons(rows, "emit"))

    def _levelled(self, rows: Structures) -> Structures:
        """Write the level of the new labels as they do, and where the check has shown it, for labels without one."""
        label = self.plan.label
        if label is None or self.plan.base_labels == "relabel":
            return rows
        unnamed = without_level(rows) & (self.plan.base_labels == "check")  # see the remarks of the card
        known = {name: self._level_of(name) for name in pc.unique(rows.table.column("level")).to_pylist()}
        if not unnamed.any() and all(old == new for old, new in known.items()):
            return rows
        levels = zip(unnamed, rows.column("level"), strict=True)
        return rows.with_columns({"level": [label.level if lacks else known[name] for lacks, name in levels]})

    def _level_of(self, name: str | None) -> str | None:
        """Return how the new labels write a level."""
        level = None if self.plan.label is None else self.plan.label.level
        same = name is not None and level is not None and canonical_level(name) == canonical_level(level)
        return level if same else name

    def _emitted(self) -> Iterator[Structures]:
        kept = (rows.filter(rows.alive) for rows in (() if self.plan.emit == "new" else self._base_rows()))
        new = (rows.filter(rows.alive) for rows in self._new_rows())
        # one schema for all shards: a score of the new rows is null in those of the base
        schemas = [
            pq.read_schema(path) for path in [*(self.base_labelled if self.plan.emit != "new" else ()), *self.labelled]
        ]
        columns = Structures.concat(Structures(schema.empty_table()) for schema in schemas).table
        columns = columns.drop_columns([name for name in self._stale() if name in columns.column_names])
        for batch in chain(kept, new):
            yield Structures.concat([Structures(columns), batch])

    def _stale(self) -> list[str]:
        """Name the measured columns of a base that is computed anew: they are of its old level of theory."""
        if self.plan.label is None or self.plan.base_labels != "relabel":
            return []
        properties = self.plan.base.card.properties
        return [name for name, p in properties.items() if p.unit != "text" and name not in ("energy", "forces")]

    def _base_levels(self) -> set[str]:
        """Return the levels that rows of the base name, whatever its card says."""
        columns = (pq.read_table(path, columns=["level"]).column("level") for path in self.base_labelled)
        names = (self._level_of(name) for column in columns for name in pc.unique(column).to_pylist())
        return {name for name in names if name is not None}

    def _lost_rows(self) -> Iterator[Structures]:
        yield from read_shards(sorted(self.left.glob("*.parquet")))
        for rows in chain(self._new_rows(), () if self.plan.emit == "new" else self._base_rows()):
            lost = rows.filter(~rows.alive)
            if len(lost):
                yield lost

    def _card(self, funnel: Funnel) -> Card:
        plan = self.plan
        source = plan.base.card
        from molaug import __version__

        kept = plan.emit == "base+new"
        properties = {"energy": Property(unit="eV", description="total energy")}
        if plan.label is not None and plan.label.forces:
            properties["forces"] = Property(unit="eV/Å", description="negative gradient of the energy")
        fields: dict[str, Any] = {
            "name": f"{source.name}-augmented" if self.base else source.name,
            "title": f"{source.title or source.name}, augmented by molaug" if self.base else source.title,
            "description": (
                f"{sum(funnel.emitted.values())} new structures by "
                f"{', '.join(generator.name for generator, _ in plan.generators)}"
                + (f" beside {funnel.base['emitted']} of the base {source.name}." if kept and self.base else ".")
            ),
            "licence": source.licence,
            "citation": source.citation,
            "url": source.url,
            "provenance": Provenance(
                origins={}, command="molaug augment --config config.yaml", version=__version__, seed=plan.seed
            ),
        }
        if plan.label is not None:
            mixed = plan.base_labels == "mixed" and kept
            fields["levels"] = sorted({str(plan.label.level), *(self._base_levels() if mixed else ())})
            fields["properties"] = {
                **({name: p for name, p in source.properties.items() if name not in self._stale()} if kept else {}),
                **properties,
            }
            keep = {level: refs for level, refs in source.atomic_references.items() if level in fields["levels"]}
            fields["atomic_references"] = keep
        elif kept:
            fields["levels"] = sorted(self._base_levels())
            fields["properties"], fields["atomic_references"] = source.properties, source.atomic_references
        fields["remarks"] = [*(source.remarks if kept else ()), *self._remarks(kept)]
        return Card.model_validate(fields)

    def _remarks(self, kept: bool) -> list[str]:
        plan = self.plan
        check = read_check(self.folder / "work" / "level_check.json")
        remarks = remarks_of(plan.label, check, self._emitted())
        if kept and (plan.label is None or plan.base_labels == "mixed"):
            sizes = (size_of_energies(rows) for rows in islice(self._base_rows(), 1))
            remarks += [text for text in sizes if text is not None]
        if kept and plan.label is None:  # where rows are labelled such a base is refused
            remarks += [text for text in [contradiction_of(self._base_rows())] if text is not None]
        if kept and plan.label is not None and plan.base_labels == "mixed" and plan.formats:
            others = ", ".join(plan.formats)
            remarks.append(f"the further formats ({others}) hold the labels at {plan.label.level} only")
        return remarks

"""From a database and a budget to an augmented dataset: the stages of a run, each a set of shards."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow.parquet import read_metadata

from molaug.emission import Emission
from molaug.filters.filter import BoundFilter, apply
from molaug.funnel import Funnel
from molaug.isolation import restart
from molaug.labels import LevelError, check_level
from molaug.labels.failures import Attempts, Author, nothing_labelled, stop_if_hopeless
from molaug.labels.labeller import LabelError
from molaug.labels.remarks import plain_check
from molaug.plan import Plan
from molaug.progress import Progress
from molaug.registry import ConfigurationError
from molaug.runs import Unit, make
from molaug.selection import Selection
from molaug.shards import read_record, read_shards, write_record, write_shard
from molaug.structures import Structures
from molaug.structures.datasets.consistency import contradiction_of
from molaug.structures.datasets.dataset import rebatch
from molaug.structures.hashing import keys64
from molaug.units import label_shard, perceive_shard, propose_shard, relax_shard

#: Shards of a sampler are so many times smaller than those of other generators.
_SAMPLING = 16

#: Structures of the base that are looked at for the level check.
_CHECKED = 20_000


#: Folder of the labels of the base, and what they are called.
_BASE_STAGE = (("label-base", "rows of the base"),)


def may_label_otherwise(folder: Path) -> bool:
    """Tell whether a run's labels can be made by another calculator: none of them could be computed so far.

    Parameters
    ----------
    folder
        Of the run.

    Returns
    -------
    bool
        False where a label, a relaxed structure or a checked level is there, or a dataset without labels.
    """
    work = folder / "work"
    stages = [(name, sorted((work / name).glob("*.parquet"))) for name in ("relax", "label", "label-base")]
    tried = [(name, shards) for name, shards in stages if shards]
    if (folder / "dataset").exists() and not tried:
        return False
    return all(nothing_labelled(shards, author=_author(name)) for name, shards in tried)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """One run of a plan in a folder.

    Parameters
    ----------
    plan
        What is to be done.
    folder
        Where; it is locked by the caller.
    executor
        On which shards run; None for this process.
    progress
        Told how far it is.
    """

    plan: Plan
    folder: Path
    executor: Executor | None
    progress: Progress

    @property
    def work(self) -> Path:
        """The folder of the intermediate shards."""
        return self.folder / "work"

    def run(self) -> Funnel:
        """Go through all stages; what is done already is not done again.

        Returns
        -------
        Funnel
            Also in ``funnel.json``.
        """
        self._try_again()
        base = self.read_base()
        self.check_levels(base)
        proposed = self.propose(base)
        compared = self.compare(base, proposed)
        ranked, candidates = self.select(base, compared)
        relaxed = self.relax(base, ranked)
        labelled = self.label(relaxed, "label")
        base_labelled = self.label_base(base)
        emission = Emission(
            plan=self.plan,
            folder=self.folder,
            base=base,
            base_labelled=base_labelled,
            left=candidates,
            labelled=labelled,
        )
        return emission.write(self.progress)

    # ------------------------------------------------------------------ stages

    def read_base(self) -> list[Path]:
        """Stream the base into shards and fill its SMILES.

        Returns
        -------
        list of Path
            The shards, in order.
        """
        raw = self.work / "base" / "raw"
        done = self.work / "base" / "read.json"
        if not done.exists():
            number = 0
            with self.progress.stage("base", total=None) as advance:
                for batch in self.plan.base.batches(size=self.plan.parents_per_shard):
                    rows = batch.with_columns({"origin": _filled(batch, "origin", self.plan.base.card.name)})
                    write_shard(rows, raw / f"part-{number:05d}.parquet")
                    number += 1
                    advance()
            audit = self.plan.base.audit
            if audit.rows_read and not audit.rows_kept:
                raise ValueError(f"base: none of the {audit.rows_read} rows can be used; {audit}")
            lines = [list(line) for line in audit.table()]
            write_record(done, {"shards": number, "rows": audit.rows_kept, "audit": lines})
        count = read_record(done)["shards"]
        units = [
            Unit(
                path=self.work / "base" / f"part-{k:05d}.parquet",
                function=perceive_shard,
                arguments=(raw / f"part-{k:05d}.parquet",),
            )
            for k in range(count)
        ]
        return make(units, self.executor, self.progress, "perceive")

    def check_levels(self, base: Sequence[Path]) -> None:
        """Compare the labels of the base with those that will be made, before anything else is computed.

        Parameters
        ----------
        base
            Its shards.

        Raises
        ------
        ConfigurationError
            If no row of the base has a label at all.
        """
        plan = self.plan
        done = self.work / "level_check.json"
        if not base or plan.label is None or plan.base_labels == "relabel" or plan.emit == "new" or done.exists():
            return
        contradiction = contradiction_of(read_shards(base))
        if contradiction is not None:
            raise LevelError(f"the base: {contradiction}; or relabel the base (base_labels: relabel)")
        if plan.base_labels != "check":
            return
        rows: list[Structures] = []
        for batch in read_shards(base):
            forces = np.asarray(pc.is_valid(batch.table.column("forces")), dtype=bool)
            rows.append(batch.filter(np.isfinite(batch.array("energy")) | forces))
            if sum(map(len, rows)) >= _CHECKED:
                break
        if not any(map(len, rows)) and any(bool(batch.alive.any()) for batch in read_shards(base)):
            raise ConfigurationError(
                f"base_labels is 'check', but no row of the base {plan.base.card.name} has an energy: all of it would "
                "be left out of the dataset. Compute its labels (--relabel-base, base_labels: relabel), hand out new "
                "rows alone (--emit new), or keep it unlabelled beside them (--base-labels mixed)"
            )
        check = check_level(Structures.concat(rows), plan.label, time_limit=plan.label_time_limit)
        write_record(done, plain_check(check))

    def propose(self, base: Sequence[Path]) -> list[list[Path]]:
        """Propose from all parents and judge each row by itself.

        Parameters
        ----------
        base
            Its shards.

        Returns
        -------
        list of list of Path
            For each generator its shards.
        """
        plan = self.plan
        filters = tuple(judge for judge in plan.filters if judge.stateless)
        parents = self._parents(base) if any(generator.needs_parents for generator, _ in plan.generators) else []
        shards = []
        for number, (generator, n) in enumerate(plan.generators):
            folder = self.work / "propose" / f"{number}-{generator.name}"
            size = plan.parents_per_shard
            pieces: list[tuple[Path | None, int, int, tuple[int, int] | None]]
            if not generator.needs_parents:
                pieces = [(None, start, min(size, n - start), None) for start in range(0, n, size)]
            elif hasattr(generator, "calculator"):  # seconds a parent: little must be lost where a run is killed
                size = max(1, size // _SAMPLING)
                pieces = [(shard, 0, n, rows) for shard in parents for rows in _blocks(shard, size)]
            else:
                pieces = [(shard, 0, n, None) for shard in parents]
            embed = plan.label is not None
            limits = [self._limit(shard, count) for shard, _, count, _ in pieces]
            units = [
                Unit(
                    path=folder / f"part-{k:05d}.parquet",
                    function=propose_shard,
                    arguments=(generator, shard, start, count, plan.seed, filters, embed, limit, rows),
                )
                for k, ((shard, start, count, rows), limit) in enumerate(zip(pieces, limits, strict=True))
            ]
            shards.append(make(units, self.executor, self.progress, generator.name))
        return shards

    def compare(self, base: Sequence[Path], proposed: Sequence[Sequence[Path]]) -> list[Path]:
        """Judge all rows against the base and each other, generator by generator, in order.

        Parameters
        ----------
        base
            The shards of the base.
        proposed
            The shards of each generator.

        Returns
        -------
        list of Path
            All shards of all generators.
        """
        names = [generator.name for generator, _ in self.plan.generators]
        shards = [
            (shard, self.work / "compare" / f"{number}-{names[number]}" / shard.name)
            for number, group in enumerate(proposed)
            for shard in group
        ]
        self._compared(base, shards, "compare", "")
        return [target for _, target in shards]

    def select(self, base: Sequence[Path], compared: Sequence[Path]) -> tuple[Path, Path]:
        """Rank the survivors and take what the budget allows.

        Parameters
        ----------
        base
            The shards of the base.
        compared
            Judged shards.

        Returns
        -------
        ranked : Path
            The rows selected, in order of rank.
        candidates : Path
            All rows that are not selected, with their reasons, as a folder of shards.
        """
        stage = Selection(plan=self.plan, folder=self.work / "select", executor=self.executor, progress=self.progress)
        return stage.make(base, compared)

    def relax(self, base: Sequence[Path], ranked: Path) -> Path:
        """Relax the selected rows, and judge again what they became.

        Parameters
        ----------
        base
            The shards of the base.
        ranked
            The rows selected.

        Returns
        -------
        Path
            The rows to be labelled; ``ranked`` itself where nothing is relaxed.
        """
        plan = self.plan
        if plan.relax is None or plan.label is None:
            return ranked
        units = [
            Unit(
                path=self.work / "relax" / f"part-{k:05d}.parquet",
                function=relax_shard,
                arguments=(ranked, start, stop, plan.relax, plan.label, plan.label_time_limit),
            )
            for k, (start, stop) in enumerate(_blocks(ranked, plan.labels_per_shard))
        ]
        shards = self._labelled(units, "relax", "structures to be relaxed", author="relax")
        again = [(shard, self.work / "relaxed" / shard.name) for shard in shards]
        self._compared(base, again, "relaxed", "relaxed: ")
        joined = self.work / "relaxed.parquet"
        if not joined.exists():
            write_shard(Structures.concat(read_shards([target for _, target in again])), joined)
        return joined

    def label(self, rows: Path, stage: str) -> list[Path]:
        """Label rows.

        Parameters
        ----------
        rows
            A file.
        stage
            Name of the folder of shards.

        Returns
        -------
        list of Path
            The labelled shards; the file itself where nothing is labelled.
        """
        plan = self.plan
        if plan.label is None:
            return [rows]
        units = [
            Unit(
                path=self.work / stage / f"part-{k:05d}.parquet",
                function=label_shard,
                arguments=(rows, start, stop, plan.label, plan.label_time_limit),
            )
            for k, (start, stop) in enumerate(_blocks(rows, plan.labels_per_shard))
        ]
        return self._labelled(units, stage, "new structures")

    def label_base(self, base: Sequence[Path]) -> list[Path]:
        """Compute the labels of the base anew, where that is asked for.

        Parameters
        ----------
        base
            Its shards.

        Returns
        -------
        list of Path
            Shards of the base as it is emitted.
        """
        plan = self.plan
        if plan.label is None or plan.base_labels != "relabel" or plan.emit == "new":
            return list(base)
        units = [
            Unit(
                path=self.work / "label-base" / f"{shard.stem}-{start:05d}.parquet",
                function=label_shard,
                arguments=(shard, start, stop, plan.label, plan.label_time_limit),
            )
            for shard in base
            for start, stop in _blocks(shard, plan.labels_per_shard)
        ]
        return self._labelled(units, "label base", "rows of the base")

    def check_labelled(self) -> None:
        """Complain about a run that is done, but in which nothing could be labelled.

        Raises
        ------
        LabelError
            If no new structure, or no row of the base, got the label that it was to get.
        """
        for folder, what in (("relax", "structures to be relaxed"), ("label", "new structures"), *_BASE_STAGE):
            found = Attempts.of(read_shards(sorted((self.work / folder).glob("*.parquet"))), author=_author(folder))
            if found.reasons and not found.labelled:
                raise LabelError(
                    f"{found.told(what)}. All reasons are in {self.folder / 'rejected'}: correct the cause and run the "
                    "same command again (the label options may be changed)"
                )

    # ------------------------------------------------------------------ inside

    def _labelled(self, units: Sequence[Unit], stage: str, what: str, *, author: Author = "label") -> list[Path]:
        """Make shards of labels, and stop where the first ones show that it is of no use."""
        limit = 0 if self.plan.label is None else self.plan.label.fail_fast
        paths, well = [unit.path for unit in units], False

        def watch() -> None:
            nonlocal well
            well = well or stop_if_hopeless(paths, limit, what, author=author)

        made = make(units, self.executor, self.progress, stage, watch=watch)
        watch()
        return made

    def _try_again(self) -> None:
        """Forget what was made of labels that all failed; whatever made them fail may be mended."""
        stages = {
            name: sorted((self.work / name).glob("*.parquet"))
            for name in ("relax", "label", *(folder for folder, _ in _BASE_STAGE))
        }
        failed = [name for name, shards in stages.items() if nothing_labelled(shards, author=_author(name))]
        for name in failed:
            later = ("relaxed", "label") if name == "relax" else ()
            for folder in (name, *later):
                shutil.rmtree(self.work / folder, ignore_errors=True)
        if "relax" in failed:
            (self.work / "relaxed.parquet").unlink(missing_ok=True)
        if failed:
            restart()
            for path in (self.folder / "dataset", self.folder / "rejected"):
                shutil.rmtree(path, ignore_errors=True)
            for path in self.folder.glob("dataset.*"):
                path.unlink()

    def _parents(self, base: Sequence[Path]) -> list[Path]:
        """Return the shards of parents: those of the base, or a sample of its rows in shards of their own."""
        plan = self.plan
        if plan.max_heavy is None and plan.max_parents is None:
            return list(base)
        folder, done = self.work / "parents", self.work / "parents" / "sampled.json"
        if not done.exists():
            keys = [self._lot(rows) for rows in read_shards(base)]
            drawn = np.sort(np.concatenate([np.empty(0), *keys]))[: plan.max_parents]
            last = drawn[-1] if len(drawn) else -np.inf
            sampled = (rows.filter(lots <= min(last, 1.0)) for rows, lots in zip(read_shards(base), keys, strict=True))
            number = 0
            for rows in rebatch(sampled, plan.parents_per_shard):
                write_shard(rows, folder / f"part-{number:05d}.parquet")
                number += 1
            write_record(done, {"shards": number, "parents": int((drawn <= 1.0).sum())})
        count = read_record(done)["shards"]
        return [folder / f"part-{k:05d}.parquet" for k in range(count)]

    def _limit(self, parents: Path | None, count: int) -> float | None:
        """Return the time limit of a unit of proposals: of each parent, or of all rows where there are no parents."""
        limit = self.plan.parent_time_limit
        return limit if limit is None or parents is not None else limit * max(count, 1)

    def _lot(self, rows: Structures) -> NDArray[np.float64]:
        """Draw a lot in [0, 1) for each row by its id, so that neither order nor shards matter; infinity: no parent."""
        limit = self.plan.max_heavy
        lots = keys64([f"{self.plan.seed}:parent:{key}" for key in rows.ids]) / 2.0**64
        for k, row in enumerate(rows):
            if row.reason is not None or (limit is not None and (row.numbers > 1).sum() > limit):
                lots[k] = np.inf
        return lots

    def _compared(self, base: Sequence[Path], shards: Sequence[tuple[Path, Path]], stage: str, prefix: str) -> None:
        # what is relaxed has not been seen by any filter; proposals were judged where they were made
        judges = [judge for judge in self.plan.ordered_filters if prefix or not judge.stateless]
        missing = [target for _, target in shards if not target.exists()]
        with self.progress.stage(stage, total=len(shards), done=len(shards) - len(missing)) as advance:
            if not missing:
                return
            bound: list[tuple[str, BoundFilter]] = [(judge.name, judge.bound(read_shards(base))) for judge in judges]
            for shard, target in shards:
                if target.exists():
                    rows = Structures.from_parquet(target)
                else:
                    rows = Structures.from_parquet(shard)
                    for name, judge in bound:
                        before = rows.column("reason")
                        rows = apply(judge, name, rows)
                        rows = rows.with_columns({"reason": _prefixed(before, rows.column("reason"), prefix)})
                    write_shard(rows, target)
                    advance()
                # shards found done are accepted again, so that later ones are judged as if nothing had stopped
                for _, judge in bound:
                    judge.accept(rows.filter(rows.alive))


def _author(stage: str) -> Author:
    return "relax" if stage == "relax" else "label"


def _blocks(rows: Path, size: int) -> list[tuple[int, int]]:
    n = read_metadata(rows).num_rows
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def _filled(rows: Structures, column: str, value: str) -> list[str]:
    return [value if found is None else found for found in rows.column(column)]


def _prefixed(before: list[str | None], after: list[str | None], prefix: str) -> list[str | None]:
    return [
        f"{prefix}{new}" if prefix and old is None and new is not None else new
        for old, new in zip(before, after, strict=True)
    ]

"""The main job as one object: a base, generators, filters, a selector, a labeller; ``run`` makes the dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from molaug import registry
from molaug.config import Config
from molaug.emission import SUFFIXES
from molaug.funnel import Funnel
from molaug.generators.generator import Generator
from molaug.labels import Labeller, Relaxation
from molaug.pipeline import Pipeline
from molaug.plan import Plan
from molaug.progress import Progress, Silent
from molaug.registry import ConfigurationError
from molaug.runs import executor_for, run_folder
from molaug.shards import write_text
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.datasets import Card, Dataset, open_dataset
from molaug.structures.hashing import key64

#: Rows for each parent where none are asked for: all of a deterministic generator, some of a sampling one.
_ROWS = {"molecules": 1000, "geometries": 10}

#: Parents drawn from a large base, for each label of the budget and at least.
_PARENTS_PER_LABEL, _LEAST_PARENTS = 4, 1000

#: Rows of a generator without parents for each label of the budget.
_ROWS_PER_LABEL = 4


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run made.

    Parameters
    ----------
    folder
        The run's folder.
    funnel
        Counts by generator and stage.
    card
        The card of the dataset.
    """

    folder: Path
    funnel: Funnel
    card: Card

    @property
    def dataset(self) -> Path:
        """The dataset folder."""
        return self.folder / "dataset"

    def structures(self) -> Structures:
        """Return the rows of the dataset.

        Returns
        -------
        Structures
            Base and new, or new only.
        """
        return Structures.from_parquet(self.dataset)

    def rejected(self) -> Structures:
        """Return the rows that are not in the dataset, with their reasons.

        Returns
        -------
        Structures
            Of all generators.
        """
        folder = self.folder / "rejected"
        return Structures.from_parquet(folder) if folder.is_dir() else Structures.empty()


@dataclass(frozen=True, kw_only=True)
class Augmenter:
    """Augments a database.

    Every part may be given as an object, by its registered name, or as a mapping of its name to its options, as in a
    configuration file.

    Parameters
    ----------
    base
        A known name, a path, ``molaug.Structures`` or a sequence of ``ase.Atoms``.
    base_options
        Options of its reader.
    max_heavy
        Only molecules with at most so many heavy atoms become parents.
    max_parents
        Rows of the base drawn by lot to be parents. ``auto`` draws four for each label of the budget and at least
        1000: a small budget has no use for the proposals of a whole large database. ``all`` takes every row.
    generators
        What proposes; ``n`` among the options is the number of rows for each parent (in all where a generator needs
        none).
    filters
        What rejects, in order.
    select
        What ranks the candidates.
    budget
        Structures to label at most; None for all.
    relax
        Whether and how selected structures are relaxed first.
    label
        What labels; None leaves the dataset unlabelled.
    base_labels
        ``check`` that the base is at the level of the new labels, ``relabel`` it, or emit a ``mixed`` dataset.
    emit
        ``base+new`` or ``new``. Rows of the base without a label are left out of a labelled dataset.
    formats
        Further formats to export to.
    seed
        The one seed.
    parents_per_shard
        Parents in one shard of proposals; samplers with a calculator get a sixteenth.
    labels_per_shard
        Structures in one shard of labels.
    parent_time_limit
        Seconds for the proposals of one parent.
    label_time_limit
        Seconds for one label.

    Examples
    --------
    >>> import tempfile
    >>> from ase.build import molecule
    >>> ethanol = Augmenter(base=[molecule("CH3CH2OH")], generators=["amons"], base_labels="relabel")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = ethanol.run(f"{folder}/out")
    ...     sorted(result.structures().column("smiles"))
    ['C', 'CC', 'CCO', 'CO', 'O']
    """

    base: str | Path | Structures | Sequence[Any] | Dataset = "g2"
    base_options: Mapping[str, Any] = field(default_factory=dict)
    max_heavy: int | None = None
    max_parents: int | Literal["auto", "all"] = "auto"
    generators: Sequence[Any] = ("amons", "conformers")
    filters: Sequence[Any] = ("validity", "redundancy")
    select: Any = "stratified"
    budget: int | None = 1000
    relax: bool | Mapping[str, Any] | Relaxation = False
    label: str | Mapping[str, Any] | Labeller | None = "gfn2-xtb"
    base_labels: Literal["check", "relabel", "mixed"] = "check"
    emit: Literal["base+new", "new"] = "base+new"
    formats: Sequence[str] = ()
    seed: int = 0
    parents_per_shard: int = 64
    labels_per_shard: int = 16
    parent_time_limit: float | None = 120.0
    label_time_limit: float | None = 600.0

    @classmethod
    def from_config(cls, config: Config) -> Augmenter:
        """Make an augmenter from a configuration.

        Parameters
        ----------
        config
            Checked by :func:`molaug.config.load_config`.

        Returns
        -------
        Augmenter
            The same values.
        """
        return cls(**{name: getattr(config, name) for name in type(config).model_fields})

    def plan(self) -> Plan:
        """Build all parts and check them; nothing is computed.

        Returns
        -------
        Plan
            Ready to run.

        Raises
        ------
        ConfigurationError
            If anything is unknown or does not fit.
        """
        for name, value, allowed in (
            ("base_labels", self.base_labels, ("check", "relabel", "mixed")),
            ("emit", self.emit, ("base+new", "new")),
            *(("formats", kind, tuple(SUFFIXES)) for kind in self.formats),
        ):
            if value not in allowed:
                close = get_close_matches(str(value), allowed, n=1)
                hint = f", did you mean {close[0]!r}?" if close else ""
                raise ConfigurationError(f"{name} is {value!r}{hint}; expected one of {', '.join(allowed)}")
        _check_numbers(self)
        labeller = self._labeller()
        if labeller is not None:
            labeller.check()
        try:
            base = open_dataset(self.base, **self.base_options)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise ConfigurationError(f"base: {error.args[0] if isinstance(error, KeyError) else error}") from error
        return Plan(
            base=base,
            max_heavy=self.max_heavy,
            max_parents=self._max_parents(),
            generators=tuple(self._generator(spec) for spec in self.generators),
            filters=tuple(registry.build(registry.FILTERS, spec, "filter") for spec in self.filters),
            select=registry.build(registry.SELECTORS, self.select, "selector"),
            budget=self.budget,
            relax=self._relaxation(),
            label=labeller,
            base_labels=self.base_labels,
            emit=self.emit,
            formats=tuple(self.formats),
            seed=self.seed,
            parents_per_shard=self.parents_per_shard,
            labels_per_shard=self.labels_per_shard,
            parent_time_limit=self.parent_time_limit,
            label_time_limit=self.label_time_limit,
        )

    def resolved(self, plan: Plan | None = None) -> dict[str, Any]:
        """Return the complete configuration in plain values, every option of every part spelt out.

        Parameters
        ----------
        plan
            The plan, if it is at hand.

        Returns
        -------
        dict
            What is written to ``config.yaml`` and can be read back.
        """
        plan = plan or self.plan()
        generators = []
        for generator, n in plan.generators:
            [(name, options)] = registry.specification(_with_plain_calculator(generator), registry.GENERATORS).items()
            generators.append({name: {**options, "n": n}})
        return {
            "base": _base_name(self.base),
            "base_options": dict(self.base_options),
            "max_heavy": self.max_heavy,
            "max_parents": self.max_parents,
            "generators": generators,
            "filters": [registry.specification(part, registry.FILTERS) for part in plan.filters],
            "select": registry.specification(plan.select, registry.SELECTORS),
            "budget": self.budget,
            "relax": False if plan.relax is None else _options(plan.relax),
            "label": None if plan.label is None else _options(plan.label),
            "base_labels": self.base_labels,
            "emit": self.emit,
            "formats": list(self.formats),
            "seed": self.seed,
            "parents_per_shard": self.parents_per_shard,
            "labels_per_shard": self.labels_per_shard,
            "parent_time_limit": self.parent_time_limit,
            "label_time_limit": self.label_time_limit,
        }

    def run(
        self,
        out: str | Path,
        *,
        workers: int = 1,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Make the dataset; calling it again with the same folder continues.

        Parameters
        ----------
        out
            The run's folder.
        workers
            Local processes.
        executor
            Any ``concurrent.futures.Executor`` instead, for instance that of a Dask cluster; its workers must see
            the folder.
        progress
            Told how far it is; silent by default.

        Returns
        -------
        Result
            Equal for any number of workers and interruptions.

        Raises
        ------
        ConfigurationError
            If the configuration does not fit, or the folder holds a run of another one.
        """
        plan = self.plan()
        folder = Path(out)
        with run_folder(folder, self.resolved(plan)):
            _check_base(folder, self.base)
            if executor is not None:
                funnel = self._pipeline(plan, folder, executor, progress).run()
            else:
                with executor_for(workers) as local:
                    funnel = self._pipeline(plan, folder, local, progress).run()
            from molaug.report import write_report

            card = Card.from_yaml(folder / "dataset" / "card.yaml")
            write_report(folder, funnel, card)
        return Result(folder=folder, funnel=funnel, card=card)

    def _pipeline(self, plan: Plan, folder: Path, executor: Executor | None, progress: Progress | None) -> Pipeline:
        return Pipeline(plan=plan, folder=folder.resolve(), executor=executor, progress=progress or Silent())

    def _generator(self, spec: Any) -> tuple[Generator, int]:
        n: Any = None
        if isinstance(spec, Mapping) and len(spec) == 1:
            [(name, options)] = spec.items()
            if isinstance(options, Mapping) and "n" in options:
                n = options["n"]
                spec = {name: {key: value for key, value in options.items() if key != "n"}}
        generator: Generator = registry.build(registry.GENERATORS, spec, "generator")
        if n is None:
            n = (
                _ROWS[generator.kind]
                if generator.needs_parents
                else _ROWS_PER_LABEL * (_ROWS["molecules"] if self.budget is None else self.budget)
            )
        if not isinstance(n, int) or isinstance(n, bool) or n < 0:
            raise ConfigurationError(f"generator {generator.name}: n is {n!r}; expected an integer of at least 0")
        if hasattr(generator, "calculator"):  # a sampler: what it lacks stops here, not once for each parent
            try:
                Method.of(generator.calculator).check()
            except ValueError as error:
                raise ConfigurationError(f"generator {generator.name}: {error}") from error
        return generator, n

    def _max_parents(self) -> int | None:
        if self.max_parents == "all" or (self.max_parents == "auto" and self.budget is None):
            return None
        if self.max_parents == "auto":
            return max(_LEAST_PARENTS, _PARENTS_PER_LABEL * (self.budget or 0))
        if not isinstance(self.max_parents, int) or self.max_parents < 0:
            raise ConfigurationError(f"max_parents is {self.max_parents!r}; expected auto, all or a number from 0")
        return self.max_parents

    def _labeller(self) -> Labeller | None:
        if self.label is None or isinstance(self.label, Labeller):
            return self.label
        options = {"calculator": self.label} if isinstance(self.label, str) else self.label
        labeller: Labeller = registry.instantiate(Labeller, options, "label")
        return labeller

    def _relaxation(self) -> Relaxation | None:
        if isinstance(self.relax, Relaxation):
            return self.relax
        if self.relax is False:
            return None
        relaxation: Relaxation = registry.instantiate(Relaxation, {} if self.relax is True else self.relax, "relax")
        return relaxation


def _check_numbers(given: Augmenter) -> None:
    for name, least, may_be_none in (
        ("max_heavy", 0, True),
        ("budget", 0, True),
        ("seed", 0, False),
        ("parents_per_shard", 1, False),
        ("labels_per_shard", 1, False),
    ):
        value = getattr(given, name)
        if not ((may_be_none and value is None) or (type(value) is int and value >= least)):
            raise ConfigurationError(f"{name} is {value!r}; expected an integer of at least {least}")
    for name in ("parent_time_limit", "label_time_limit"):
        value = getattr(given, name)
        if value is not None and not value > 0:
            raise ConfigurationError(f"{name} is {value!r}; expected seconds above 0, or None")


def _base_name(base: Any) -> str:
    if isinstance(base, str | Path):
        return str(base)
    rows = open_dataset(base).read()
    # structures in memory have no name: what they are made of stands for them
    return f"structures:{key64(''.join(rows.ids)):016x}"


def _check_base(folder: Path, base: Any) -> None:
    """Refuse to go on from another base; files are compared by name and size, since hashing a large one takes long."""
    if not isinstance(base, str | Path) or not Path(base).expanduser().exists():
        return
    path = Path(base).expanduser()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    found = {str(file.relative_to(path)): file.stat().st_size for file in files}
    record = folder / "work" / "base" / "files.json"
    if not record.exists():
        write_text(record, json.dumps(found, indent=2))
        return
    known = json.loads(record.read_text(encoding="utf-8"))
    changed = sorted(name for name in {*known, *found} if known.get(name) != found.get(name))
    if changed:
        names = ", ".join("the file" if name == "." else name for name in changed[:3])
        raise ConfigurationError(
            f"base {base} is not what {folder} was begun with: {names} changed in size, came or went. "
            "Choose another folder, or put the base back"
        )


def _with_plain_calculator(part: Any) -> Any:
    """Return a sampler whose calculator can be written to a file."""
    if not is_dataclass(part) or isinstance(part, type) or not hasattr(part, "calculator"):
        return part
    options: dict[str, Any] = {"calculator": Method.of(part.calculator).plain()}
    return replace(part, **options)


def _options(part: Any) -> dict[str, Any]:
    if isinstance(part, Labeller) and not isinstance(part.calculator, str):
        plain = part.method.plain()
        named: dict[str, Any] = {"calculator": plain, "options": {}} if isinstance(plain, str) else plain
        part = replace(part, calculator=named["calculator"], options=named["options"])
    [(_, options)] = registry.specification(part, {}).items()
    return dict(options)

"""What each verb of the command line does: each takes the arguments as parsed and returns the exit code."""

from __future__ import annotations

import csv
import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from molaug import registry
from molaug.arguments import name_of, opened, pair, plain, reader_options, with_options
from molaug.augmenter import Augmenter
from molaug.config import Config, load_config
from molaug.filters import MoleculeIndex, load_index
from molaug.filters.filter import BoundFilter, apply
from molaug.funnel import Tally
from molaug.generators.amons import missing_amons
from molaug.labels.failures import Attempts
from molaug.progress import Bars, Silent
from molaug.registry import ConfigurationError, nearest
from molaug.runs import executor_for
from molaug.shards import read_record
from molaug.structures import Structures
from molaug.structures.chemistry import with_smiles
from molaug.structures.datasets import Audit, Card, Dataset, export, known, known_dataset, open_dataset
from molaug.structures.datasets.consistency import contradiction_of, watched
from molaug.structures.doors.parquet import iter_parquet
from molaug.structures.gate import faults
from molaug.structures.hashing import sha256

#: Missing AMONs shown on the terminal.
_SHOWN = 20

_CONSOLE = Console(highlight=False)
if not _CONSOLE.is_terminal:
    _CONSOLE.width = 160  # a pipe has no width to fit into


def augment(arguments: Namespace) -> int:
    """Run ``molaug augment``."""
    values = _run_values(arguments)
    for name in ("select", "relax", "base_labels", "emit"):
        if getattr(arguments, name) is not None:
            values[name] = getattr(arguments, name)
    if arguments.budget is not None:
        values["budget"] = None if arguments.budget == "all" else plain(arguments.budget)
    if arguments.label is not None:
        values["label"] = None if arguments.label == "none" else arguments.label
    return _run(Augmenter.from_config(_configured(arguments, values)), arguments)


def generate(arguments: Namespace) -> int:
    """Run ``molaug generate``: the same run without budget and labels."""
    values = {"budget": None, "label": None, "emit": "new", **_run_values(arguments)}
    if arguments.filters is None and arguments.config is None:
        values["filters"] = ["validity"]
    config = _configured(arguments, values)
    if "base" not in config.model_fields_set and not any(map(_needs_parents, config.generators)):
        config = config.model_copy(update={"base": None})  # the default would be read for nothing
    return _run(Augmenter.from_config(config), arguments)


def label(arguments: Namespace) -> int:
    """Run ``molaug label``: the same run without proposals."""
    options = dict(map(pair, arguments.set))
    labeller: dict[str, Any] = {"calculator": arguments.calculator, "options": options}
    for name in ("level", "charge_key", "multiplicity_key", "keep_failed", "fail_fast"):
        if getattr(arguments, name) is not None:
            labeller[name] = getattr(arguments, name)
    if arguments.allow_force_field:
        labeller["allow_force_field"] = True
    augmenter = Augmenter(
        base=arguments.source,
        base_options=reader_options(arguments),
        generators=(),
        filters=(),
        budget=0,
        label=labeller,
        base_labels="relabel",
        formats=tuple(arguments.formats or ()),
    )
    return _run(augmenter, arguments)


def filter(arguments: Namespace) -> int:  # noqa: A001 -- the verb
    """Run ``molaug filter``."""
    specs = with_options(arguments.filters, arguments.set, arguments.against)
    filters = [registry.build(registry.FILTERS, spec, "filter") for spec in specs]
    base = open_dataset(arguments.base) if arguments.base else None
    bound: list[tuple[str, BoundFilter]] = [
        (judge.name, judge.bound(() if base is None else base.batches())) for judge in filters
    ]
    candidates = opened(arguments)
    kept: list[Structures] = []
    rejected: list[Structures] = []
    tally = Tally(["candidates"])
    earlier = 0
    for batch in candidates.batches():
        rejected.append(batch.filter(~batch.alive))
        earlier += len(rejected[-1])
        rows, unperceived = with_smiles(batch.filter(batch.alive))
        rows = rows.reject([None if reason is None else f"perception: {reason}" for reason in unperceived])
        for name, judge in bound:
            rows = apply(judge, name, rows)
        for _, judge in bound:
            judge.accept(rows.filter(rows.alive))
        kept.append(rows.filter(rows.alive))
        rejected.append(rows.filter(~rows.alive))
        tally.add(rows.with_columns({"origin": "candidates"}))
    out = Path(arguments.out)
    Structures.concat(kept).to_parquet(out / "kept.parquet")
    Structures.concat(rejected).to_parquet(out / "rejected.parquet")
    funnel = tally.funnel(["perception", *(name for name, _ in bound)], {})
    print(funnel.text())
    if earlier:
        print(f"rejected before, passed on with their reasons: {earlier}")
    print(f"written: {out / 'kept.parquet'}, {out / 'rejected.parquet'}")
    return 0


def fit(arguments: Namespace) -> int:
    """Run ``molaug fit``."""
    from molaug import training

    if arguments.what is None:
        print(training.listing())
    else:
        training.fit(arguments.what, arguments.options)
    return 0


def compare(arguments: Namespace) -> int:
    """Run ``molaug compare``."""
    from molaug.distributions import QUANTITIES, compare_distributions
    from molaug.distributions.collection import MAX_ROWS
    from molaug.shards import write_text

    base, new = (
        open_dataset(source, format=kind)
        for source, kind in ((arguments.base, arguments.base_format), (arguments.new, arguments.new_format))
    )
    found = compare_distributions(
        base,
        new,
        by=None if arguments.by == "none" else arguments.by,
        quantities=arguments.quantities.split(",") if arguments.quantities else tuple(QUANTITIES),
        bins=arguments.bins,
        max_rows=MAX_ROWS if arguments.max_rows is None else arguments.max_rows,
    )
    print(found.text(None if arguments.all else 8))
    if arguments.json:
        write_text(Path(arguments.json), found.to_json())
    if arguments.html:
        found.to_html(arguments.html)
    written = [path for path in (arguments.html, arguments.json) if path]
    if written:
        print(f"written: {', '.join(written)}")
    return 0


def evaluate(arguments: Namespace) -> int:
    """Run ``molaug evaluate``."""
    from molaug.evaluation.command import evaluate_command

    return evaluate_command(arguments)


def prune(arguments: Namespace) -> int:
    """Run ``molaug prune``."""
    from molaug.pruning.command import prune_command

    return prune_command(arguments)


def score(arguments: Namespace) -> int:
    """Run ``molaug score``."""
    from molaug.design.command import score_command

    return score_command(arguments)


def select(arguments: Namespace) -> int:
    """Run ``molaug select``."""
    from molaug.design.command import select_command

    return select_command(arguments)


def feasibility(arguments: Namespace) -> int:
    """Run ``molaug feasibility``."""
    from molaug.design.command import feasibility_command

    return feasibility_command(arguments)


def prepare(arguments: Namespace) -> int:
    """Run ``molaug prepare``."""
    from molaug.training.compact import prepare_command

    return prepare_command(arguments)


def missing(arguments: Namespace) -> int:
    """Run ``molaug missing``."""
    found = missing_amons(_molecules(arguments.targets), _molecules(arguments.base), max_heavy=arguments.max_heavy)
    table = Table("AMON", "heavy atoms", "targets that need it", title=f"{len(found)} AMONs are missing", box=None)
    for amon in found[:_SHOWN]:
        table.add_row(amon.smiles, str(amon.heavy), str(amon.n_targets))
    _CONSOLE.print(table)
    if arguments.out:
        with Path(arguments.out).open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(["smiles", "heavy_atoms", "n_targets"])
            writer.writerows([amon.smiles, amon.heavy, amon.n_targets] for amon in found)
        print(f"written: {arguments.out}")
    return 0


def index(arguments: Namespace) -> int:
    """Run ``molaug index``."""
    if arguments.action == "build":
        kinds = {"kinds": tuple(arguments.kinds)} if arguments.kinds else {}
        with executor_for(arguments.workers) as executor:
            molecules = (rows for source in arguments.source for rows in _perceived(open_dataset(source)))
            built = MoleculeIndex.build(molecules, executor=executor, **kinds).truncated(arguments.bits)
        print(f"{built}; {built.unread} rows without a molecule\nwritten: {built.save(arguments.out)}")
    elif arguments.action == "merge":
        first, *others = [load_index(name) for name in arguments.index]
        merged = first.merge(*others)
        print(f"{merged}\nwritten: {merged.save(arguments.out)}")
    elif arguments.action == "info":
        print(load_index(arguments.index))
    else:
        answers = load_index(arguments.index).knows(arguments.smiles)
        for smiles, answer in zip(arguments.smiles, answers, strict=True):
            print(f"{smiles}\t{'known' if answer else 'new'}")
    return 0


def convert(arguments: Namespace) -> int:
    """Run ``molaug convert``."""
    source = opened(arguments)
    if arguments.max_heavy is not None:
        source = _small(source, arguments.max_heavy)
    source = watched(source)
    audit = export(source, arguments.target, arguments.to, level=arguments.only_level, overwrite=arguments.overwrite)
    print(f"read:    {source.audit}\nwritten: {audit}")
    if source.audit.rows_read and not audit.rows_kept:
        print(f"nothing is written: none of the {source.audit.rows_read} rows of the source", file=sys.stderr)
        return 1
    return 0


def datasets(arguments: Namespace) -> int:
    """Run ``molaug datasets``."""
    if arguments.name:
        entry = known_dataset(arguments.name)
        print(entry.card.to_yaml(), end="")
        return 0
    table = Table("name", "structures", "levels of theory", "licence", "title", box=None)
    for entry in known():
        card = entry.card
        size = f"{card.counts.structures:,}" if card.counts else "?"
        table.add_row(card.name, size, ", ".join(card.levels) or "none", card.licence or "?", card.title)
    _CONSOLE.print(table)
    print("molaug datasets NAME shows citation and where to get it; generators: " + ", ".join(registry.GENERATORS))
    return 0


def validate(arguments: Namespace) -> int:
    """Run ``molaug validate``."""
    path = Path(arguments.path)
    if path.is_dir():
        return _validate_dataset(path)
    augmenter = Augmenter.from_config(load_config(path))
    augmenter.plan()
    print(f"{path}: a valid configuration")
    return 0


def schema(arguments: Namespace) -> int:
    """Run ``molaug schema``."""
    del arguments
    print(json.dumps(Config.model_json_schema(), indent=2))
    return 0


def _run(augmenter: Augmenter, arguments: Namespace) -> int:
    if getattr(arguments, "print_config", False):
        print(yaml.safe_dump(augmenter.resolved(), sort_keys=False, allow_unicode=True), end="")
        return 0
    if getattr(arguments, "dry_run", False):
        return _dry_run(augmenter)
    if not arguments.out:
        raise ConfigurationError("--out is missing; expected the folder of the run")
    progress = Silent() if arguments.quiet else Bars()
    with _cluster(arguments.dask) as executor:
        result = augmenter.run(arguments.out, workers=arguments.workers, executor=executor, progress=progress)
    print(result.funnel.text())
    read, emitted = (result.funnel.base.get(what, 0) for what in ("read", "emitted"))
    failed = Attempts.of([result.rejected()], author="label")
    if failed.reasons:
        labelled = 0 if result.card.counts is None else result.card.counts.structures
        print(replace(failed, labelled=labelled).told("labels"))
    if augmenter.emit == "base+new" and augmenter.base_labels == "check" and emitted < read:
        print(
            f"{read - emitted} of {read} rows of the base have no label and are left out; --relabel-base computes them"
        )
    for line in _not_read(result.folder / "work" / "base" / "read.json"):
        print(f"base:     {line}")
    for remark in result.card.remarks:
        print(f"remark:   {remark}")
    counts = result.card.counts
    print(
        f"dataset:  {result.dataset} ({counts.structures if counts else 0} structures, "
        f"{', '.join(result.card.levels) or 'unlabelled'})\n"
        f"rejected: {result.folder / 'rejected'}\nreport:   {result.folder / 'report.html'}"
    )
    return 0


def _not_read(account: Path) -> list[str]:
    """Return what the reader of the base dropped, rows and columns."""
    if not account.is_file():
        return []
    table = read_record(account)["audit"]
    told = {"dropped": "rows not read", "column": "columns of the source"}
    return [f"{count} {told[kind]}: {reason}" for kind, reason, count in table if kind in told]


def _dry_run(augmenter: Augmenter) -> int:
    plan = augmenter.plan()
    rows = parents = 0
    for batch in plan.base.batches():
        rows += len(batch)
        limit = plan.max_heavy
        parents += len(batch) if limit is None else sum(int((row.numbers > 1).sum()) <= limit for row in batch)
    parents = parents if plan.max_parents is None else min(parents, plan.max_parents)
    print(f"base: {plan.base.card.name}, {rows} structures, {parents} of them parents")
    for generator, n in plan.generators:
        most = parents * n if generator.needs_parents else n
        print(f"{generator.name}: at most {n} rows {'a parent, ' if generator.needs_parents else ''}{most} in all")
    print(f"filters: {', '.join(judge.name for judge in plan.filters) or 'none'}; selection: {plan.select.name}")
    if plan.label is not None:
        relabelled = rows if plan.base_labels == "relabel" and plan.emit != "new" else 0
        budget = "all candidates" if plan.budget is None else f"at most {plan.budget} new"
        print(f"labels at {plan.label.level}: {budget}, {relabelled} of the base")
    return 0


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    if address is None:
        yield None
        return
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise ImportError('--dask needs Dask: pip install "molaug[hpc]"') from error
    with Client(address) as client:
        yield client.get_executor()


def _run_values(arguments: Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ("base", "max_heavy", "formats", "seed"):
        if getattr(arguments, name) is not None:
            values[name] = getattr(arguments, name)
    if arguments.max_parents is not None:
        values["max_parents"] = plain(arguments.max_parents)
    options = reader_options(arguments)
    if options:
        values["base_options"] = options
    return values


def _configured(arguments: Namespace, values: dict[str, Any]) -> Config:
    """Merge file, options and ``--set``; dotted keys reach the parts."""
    config = load_config(arguments.config)
    given = {**config.model_dump(exclude_unset=True), **values}
    for name, known_parts in (("generators", registry.GENERATORS), ("filters", registry.FILTERS)):
        chosen = getattr(arguments, name)
        parts = chosen if chosen is not None else given.get(name, Config.model_fields[name].default)
        dotted = [text for text in arguments.set if "." in text.split("=")[0] and _owner(text) in known_parts]
        given[name] = with_options(parts, dotted, arguments.against if name == "filters" else None)
    if arguments.n is not None:
        given["generators"] = with_options(
            given["generators"], [f"{name_of(spec)}.n={arguments.n}" for spec in given["generators"]], None
        )
    for text in arguments.set:
        key, value = pair(text)
        owner, _, rest = key.partition(".")
        if not rest:
            given[key] = value
        elif owner in ("label", "relax"):
            old = given.get(owner)
            parts = {"calculator": old} if owner == "label" and isinstance(old, str) else old
            given[owner] = {**(parts if isinstance(parts, dict) else {}), rest: value}
        elif owner not in {*registry.GENERATORS, *registry.FILTERS}:
            raise ConfigurationError(
                f"--set {text}: {owner!r} is no part; {nearest(owner, [*registry.GENERATORS, *registry.FILTERS])}"
            )
    return load_config(given)


def _needs_parents(spec: Any) -> bool:
    name = name_of(spec)
    return name not in registry.GENERATORS or bool(registry.locate(registry.GENERATORS[name]).needs_parents)


def _owner(text: str) -> str:
    return text.split(".", 1)[0]


def _small(dataset: Dataset, limit: int) -> Dataset:
    """Leave out the molecules of more heavy atoms than a limit."""

    def stream(audit: Audit) -> Iterator[Structures]:
        for batch in dataset.batches():
            audit.rows_read += len(batch)
            small = np.array([int((row.numbers > 1).sum()) <= limit for row in batch], dtype=bool)
            audit.keep(int(small.sum()))
            for key in batch.filter(~small).ids:
                audit.drop(key, f"more than {limit} heavy atoms")
            yield batch.filter(small)
        audit.rows_read += dataset.audit.n_dropped
        audit.dropped.update(dataset.audit.dropped)
        audit.dropped_columns.update(dataset.audit.dropped_columns)

    return Dataset(card=dataset.card.model_copy(update={"counts": None, "files": {}}), stream=stream)


def _perceived(dataset: Dataset) -> Iterator[Structures]:
    for batch in dataset.batches():
        yield with_smiles(batch)[0]


def _molecules(source: str) -> Iterable[str]:
    for rows in _perceived(open_dataset(source)):
        yield from (smiles for smiles in rows.column("smiles") if smiles is not None)


def _validate_dataset(folder: Path) -> int:
    card = Card.from_yaml(folder / "card.yaml")
    wrong = 0
    for name, checksum in card.files.items():
        path = folder / name
        if not path.is_file():
            print(f"{name}: missing")
        elif sha256(path) != checksum:
            print(f"{name}: its sha256 is not that of the card")
        else:
            continue
        wrong += 1
    if not wrong:
        rows = sum(len(batch) for batch in iter_parquet(folder))
        expected = card.counts.structures if card.counts else rows
        wrong += int(rows != expected)
        found = Counter(
            fault for batch in iter_parquet(folder) for fault in faults(batch.filter(batch.alive)) if fault is not None
        )
        wrong += int(bool(found))
        print(f"{folder}: {rows} rows of {expected}, {found.total() or 'none'} of them impossible")
        for fault, count in found.most_common():
            print(f"{folder}: {count} with {fault}")
        contradiction = contradiction_of(open_dataset(folder).batches())
        if contradiction is not None:
            wrong += 1
            print(f"{folder}: {contradiction}")
    print(f"{folder}: {'a valid dataset' if not wrong else 'damaged'}")
    return 1 if wrong else 0

"""A run is a folder of idempotent shards: whatever is there is whole, and running again goes on from it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from molaug.isolation import process_context, start_worker
from molaug.progress import Progress
from molaug.registry import ConfigurationError
from molaug.shards import check_run, write_shard
from molaug.structures import Structures

#: Units handed to an executor ahead of those that are finished, for each worker.
_AHEAD = 4

#: Seconds that an earlier run's children are given to notice that it has ended.
_LOCK_PATIENCE = 10.0


class Shard(Protocol):
    """What a unit makes: rows, or anything else that can be written."""

    def to_parquet(self, path: Path) -> Path:
        """Write it under a temporary name and rename the file into place.

        Parameters
        ----------
        path
            The file; its folder is made if it is missing.

        Returns
        -------
        Path
            The file.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One shard: a file and the function that makes what is in it.

    Parameters
    ----------
    path
        The Parquet file; a unit whose file exists is done.
    function
        Importable by name, so that it can be sent to another process; it returns what is written.
    arguments
        Its arguments.
    """

    path: Path
    function: Callable[..., Shard]
    arguments: tuple[Any, ...] = ()


def execute(unit: Unit) -> Path:
    """Make one shard, unless it is there.

    Parameters
    ----------
    unit
        What to make.

    Returns
    -------
    Path
        Its file.
    """
    if not unit.path.exists():
        made = unit.function(*unit.arguments)
        if isinstance(made, Structures):
            write_shard(made, unit.path)
        else:
            made.to_parquet(unit.path)
    return unit.path


@contextmanager
def executor_for(workers: int) -> Iterator[Executor | None]:
    """Provide a local pool of processes.

    Parameters
    ----------
    workers
        How many; 1 means that shards are made in this process.

    Yields
    ------
    concurrent.futures.Executor or None
        None for one worker.

    Raises
    ------
    ConfigurationError
        If there is less than one worker.
    """
    if workers < 1:
        raise ConfigurationError(f"workers is {workers}; expected at least 1")
    if workers == 1:
        yield None
        return
    pool = ProcessPoolExecutor(workers, mp_context=process_context(), initializer=start_worker)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    else:
        pool.shutdown()


def make(
    units: Sequence[Unit],
    executor: Executor | None,
    progress: Progress,
    stage: str,
    *,
    watch: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Make all shards that are missing.

    Parameters
    ----------
    units
        The shards, in order.
    executor
        Where; None for this process.
    progress
        Told about every shard.
    stage
        Name of the work.
    watch
        Called after each shard; what it raises stops the work.

    Returns
    -------
    list of Path
        Their files, in order.

    Raises
    ------
    RuntimeError
        If a worker process died; what was finished stays.
    """
    missing = [unit for unit in units if not unit.path.exists()]
    with progress.stage(stage, total=len(units), done=len(units) - len(missing)) as advance:
        if executor is None:
            for unit in missing:
                execute(unit)
                advance()
                watch()
        else:
            _make_on(missing, executor, advance, watch)
    return [unit.path for unit in units]


def _make_on(units: Iterable[Unit], executor: Executor, advance: Callable[[], None], watch: Callable[[], None]) -> None:
    ahead = _AHEAD * max(2, getattr(executor, "_max_workers", 0) or os.cpu_count() or 1)
    pending: set[Future[Path]] = set()
    try:
        for unit in units:
            pending.add(executor.submit(execute, unit))
            if len(pending) >= ahead:
                pending = _collected(pending, advance)
                _watched(pending, watch)
        while pending:
            pending = _collected(pending, advance)
            _watched(pending, watch)
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a worker process died (out of memory?). All finished shards are kept: run the same command again, "
            "with fewer workers if memory was short"
        ) from error
    finally:
        for future in pending:
            future.cancel()


def _watched(pending: set[Future[Path]], watch: Callable[[], None]) -> None:
    try:
        watch()
    except Exception:
        # what is begun must not be written after the run has ended
        wait([future for future in pending if not future.cancel()])
        raise


def _collected(pending: set[Future[Path]], advance: Callable[[], None]) -> set[Future[Path]]:
    done, rest = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
        advance()
    return set(rest)


@contextmanager
def run_folder(
    folder: Path, config: Mapping[str, Any], *, accept: Callable[[Sequence[str]], bool] = lambda _: False
) -> Iterator[Path]:
    """Open a run's folder for this configuration, alone.

    Parameters
    ----------
    folder
        Made if it is missing.
    config
        All that the result depends on, in plain values; it is written to ``config.yaml`` and compared on later runs.
    accept
        Asked about the changes of the configuration, if there are any; true if what is there holds all the same.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    ConfigurationError
        If the folder holds something else, or a run of another configuration; the error says what changed.
    """
    file = folder / "config.yaml"
    if folder.is_dir() and any(folder.iterdir()) and not file.exists() and not (folder / ".lock").exists():
        raise ConfigurationError(
            f"{folder} exists, is not empty and holds no config.yaml; expected a new folder or that of an earlier run"
        )
    lost = [name for name in ("work", "dataset", "rejected") if (folder / name).exists()]
    if lost and not file.exists():
        raise ConfigurationError(
            f"{folder} holds {' and '.join(lost)} of an earlier run, but its config.yaml is missing: what was computed "
            "cannot be told to be of this configuration. Put its config.yaml back, or choose another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        _acquire(lock.fileno(), folder)
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
        changes: list[str] = []
        if file.exists():
            changes = list(_changes(_configuration(file), yaml.safe_load(text)))
            if changes and not accept(changes):
                raise ConfigurationError(
                    f"{folder} was made with another configuration. Changed: {'; '.join(changes)}. "
                    "Choose another folder, or go back to the configuration in its config.yaml"
                )
        if not file.exists() or changes:
            temporary = folder / ".config.yaml.tmp"
            temporary.write_text(text)
            temporary.replace(file)
        _clear(folder)
        check_run(folder)
        try:
            yield folder
        finally:
            # children that live on inherited the descriptor: closing it here alone would leave the folder locked
            fcntl.flock(lock, fcntl.LOCK_UN)


def _configuration(file: Path) -> dict[str, Any]:
    try:
        held = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file}: damaged: {' '.join(str(error).split())[:160]}. Put back what it was"
        ) from error
    if not isinstance(held, dict):
        raise ConfigurationError(
            f"{file}: damaged: found {type(held).__name__}; expected the configuration of the run. Put back what it was"
        )
    return held


def _clear(folder: Path) -> None:
    """Remove what a run that was killed had begun to write: hidden files and folders marked as temporary."""
    for leftover in sorted(folder.rglob(".*.tmp*")):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def _acquire(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"another molaug is running in {folder}; wait for it or choose another folder"
                ) from None
            time.sleep(0.1)


def _changes(old: Any, new: Any, where: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(old.get(key), new.get(key), f"{where}.{key}" if where else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _changes(a, b, f"{where}[{number}]")
    elif old != new:
        yield f"{where} was {old!r}, is {new!r}"

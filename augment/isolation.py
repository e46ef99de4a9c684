"""One molecule that hangs or crashes costs that molecule: each item runs in a child process with a time limit."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

from molaug.structures.calculators import scratch

Item = TypeVar("Item")
Value = TypeVar("Value")

#: Seconds between two looks of a child at whether its parent still lives.
_HEARTBEAT = 1.0

#: One pool for each process that asks (a forked child must not use its parent's).
_POOLS: dict[int, ProcessPool] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome(Generic[Value]):
    """What became of one item: a value, or the reason why there is none."""

    value: Value | None = None
    reason: str | None = None


def isolated(
    function: Callable[[Item], Value], items: Iterable[Item], *, time_limit: float | None
) -> Iterator[Outcome[Value]]:
    """Apply a function to each item in a child process of its own fate.

    Parameters
    ----------
    function
        Importable by name, or a partial of such a function; whatever it raises becomes a reason.
    items
        Sent to the child one by one.
    time_limit
        Seconds for each item, after which the child is killed; None for no limit.

    Yields
    ------
    Outcome
        One for each item, in order.

    Raises
    ------
    RuntimeError
        If this process may not start children.

    Examples
    --------
    >>> [outcome.value for outcome in isolated(abs, [-1, 2], time_limit=10)]
    [1, 2]
    """
    pool = _pool()
    futures: list[Future[Outcome[Value]]] = [
        pool.schedule(_attempt, args=(function, item), timeout=time_limit) for item in items
    ]
    killed = False
    try:
        for future in futures:
            error = future.exception()
            killed = killed or error is not None
            yield future.result() if error is None else Outcome(reason=_reason(error, time_limit))
    finally:
        for future in futures:
            future.cancel()
        if killed:
            scratch.remove_orphans()


def restart() -> None:
    """Let the next item run in a new child, which sees what has changed in the environment since."""
    pool = _POOLS.pop(os.getpid(), None)
    if pool is not None:
        _stop(pool)


def single_threaded() -> None:
    """Hold every numerical library of this process to one thread; processes are what runs in parallel here.

    Two OpenMP threads make GFN2-xTB on small molecules an order of magnitude slower than one.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def die_with_parent() -> None:
    """End this process soon after its parent has ended, however that ended."""
    started_by = multiprocessing.parent_process()
    # asking the system alone would miss a parent that ended before this line
    parent = os.getppid() if started_by is None or started_by.pid is None else started_by.pid

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_HEARTBEAT)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def start_worker() -> None:
    """Prepare a worker process: one thread, gone with its parent."""
    die_with_parent()
    single_threaded()


def process_context() -> Any:
    """Return the way in which processes are started.

    Returns
    -------
    multiprocessing context
        ``fork`` on Linux, so that a script without a ``__main__`` guard works and start-up is instant; else ``spawn``.
    """
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _pool() -> ProcessPool:
    pid = os.getpid()
    pool = _POOLS.get(pid)
    if pool is None or not pool.active:
        if multiprocessing.current_process().daemon:
            raise RuntimeError(
                "this worker is a daemonic process and may not start the child in which a molecule runs; for Dask "
                'set dask.config.set({"distributed.worker.daemon": False}) before the cluster starts'
            )
        pool = ProcessPool(max_workers=1, initializer=start_worker, context=process_context())
        _POOLS[pid] = pool
        # unlike atexit this runs in child processes too, before they wait for children of their own
        Finalize(pool, _stop, args=(pool,), exitpriority=10)
    return pool


def _stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


def _attempt(function: Callable[[Item], Value], item: Item) -> Outcome[Value]:
    """Run in the child, where an exception becomes text: some cannot be sent, or not be put together again."""
    try:
        return Outcome(value=function(item))
    except Exception as error:  # whatever it is, it is this item's
        return Outcome(reason=_told(error))
    finally:
        scratch.clear()  # of calculators that something still holds


def _reason(error: BaseException, time_limit: float | None) -> str:
    if isinstance(error, TimeoutError):
        return f"took longer than {time_limit:g} s"
    if isinstance(error, ProcessExpired):
        return f"crashed its process (exit code {error.exitcode})"
    return _told(error)


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]

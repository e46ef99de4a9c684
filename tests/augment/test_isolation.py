"""An item that raises, hangs or crashes costs itself, and no process outlives the one that started it."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molaug.isolation import isolated, process_context

#: A child looks once a second whether its parent lives; a grandchild waits for it.
_ORPHAN_LIFE = 3.5


class OddError(Exception):
    """Pickles, but cannot be put together again: its arguments are not those that it was made with."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"{number} is too much of {what}")


def act(what: str) -> str:
    """Do what is asked of an item."""
    if what == "raise":
        raise ValueError("a molecule\nof two lines")
    if what == "hang":
        time.sleep(60)
    if what == "spin":
        while True:
            pass
    if what == "exit":
        os._exit(139)
    if what == "segfault":
        faulthandler.disable()
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "time out":
        raise TimeoutError("the server is slow")
    if what == "odd":
        raise OddError(3, "it")
    if what == "no pickle":
        return lambda: None  # type: ignore[return-value]
    if what == "thread":
        return os.environ["OMP_NUM_THREADS"]
    return what.upper()


def shout(what: str) -> list[str | None]:
    """Isolate within a worker."""
    return [outcome.value or outcome.reason for outcome in isolated(act, [what, "raise"], time_limit=10)]


def refuse() -> str:
    try:
        list(isolated(act, ["a"], time_limit=10))
    except RuntimeError as error:
        return str(error)
    return "started"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("raise", "ValueError: a molecule of two lines"),
        ("hang", "took longer than 1 s"),
        ("spin", "took longer than 1 s"),
        ("exit", "crashed its process (exit code 139)"),
        ("segfault", "crashed its process (exit code -11)"),
    ],
)
def test_what_befalls_an_item_costs_that_item_only(what: str, reason: str) -> None:
    outcomes = list(isolated(act, ["a", what, "b", what, "c"], time_limit=1))
    assert [outcome.value for outcome in outcomes] == ["A", None, "B", None, "C"]
    assert [outcome.reason for outcome in outcomes] == [None, reason, None, reason, None]


def test_a_value_that_cannot_be_sent_is_a_reason() -> None:
    first, second = isolated(act, ["no pickle", "b"], time_limit=10)
    assert first.value is None
    assert first.reason is not None
    assert second.value == "B"


def test_an_exception_that_cannot_be_received_is_a_reason() -> None:
    first, second = isolated(act, ["odd", "b"], time_limit=10)
    assert first.reason == "OddError: 3 is too much of it"
    assert second.value == "B"


@pytest.mark.parametrize("limit", [10.0, None])
def test_a_timeout_that_the_function_raises_is_told_from_the_limit(limit: float | None) -> None:
    [outcome] = isolated(act, ["time out"], time_limit=limit)
    assert outcome.reason == "TimeoutError: the server is slow"


def test_without_items_there_is_nothing() -> None:
    assert list(isolated(act, [], time_limit=1)) == []


def test_children_compute_on_one_thread() -> None:
    [outcome] = isolated(act, ["thread"], time_limit=10)
    assert outcome.value == "1"


def test_what_is_no_longer_wanted_does_not_hold_up_what_comes_next() -> None:
    outcomes = isolated(act, ["a", "hang", "hang"], time_limit=60)
    assert next(outcomes).value == "A"
    outcomes.close()  # type: ignore[attr-defined]
    begin = time.perf_counter()
    assert [outcome.value for outcome in isolated(act, ["b"], time_limit=10)] == ["B"]
    assert time.perf_counter() - begin < 10


def test_a_daemonic_process_is_told_what_to_do() -> None:
    context = process_context()
    with context.Pool(1) as pool:  # its workers are daemonic, as those of Dask are
        message = pool.apply(refuse)
    assert 'dask.config.set({"distributed.worker.daemon": False})' in message


_SCRIPT = """
import os, sys, time
sys.path.insert(0, {folder!r})
from concurrent.futures import ProcessPoolExecutor
from test_isolation import act, shout
from molaug.isolation import isolated, process_context, start_worker
"""


def _python(code: str, **options: object) -> subprocess.Popen[str]:
    script = _SCRIPT.format(folder=str(Path(__file__).parent)) + code
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "code",
    [
        "print(*(o.value for o in isolated(act, ['a', 'b'], time_limit=10)))",
        (
            "with ProcessPoolExecutor(2, mp_context=process_context(), initializer=start_worker) as pool:\n"
            "    print(list(pool.map(shout, 'ab'))[1][0])"
        ),
        (
            "pool = ProcessPoolExecutor(2, mp_context=process_context(), initializer=start_worker)\n"
            "print(list(pool.map(shout, 'ab'))[1][0])"
        ),
    ],
    ids=["in process", "in a pool", "in a pool that is left open"],
)
def test_an_interpreter_that_isolated_something_exits_promptly(code: str) -> None:
    process = _python(code + "\nprint(time.time(), flush=True)")
    output, _ = process.communicate(timeout=30)
    *values, ended = output.split()
    assert process.returncode == 0
    assert values[-1] == "B"
    assert time.time() - float(ended) < 5


def test_no_child_outlives_a_killed_parent() -> None:
    process = _python(
        "pool = ProcessPoolExecutor(2, mp_context=process_context(), initializer=start_worker)\n"
        "list(pool.map(shout, 'abcd'))\n"
        "print(os.getpid(), flush=True)\n"
        "futures = [pool.submit(shout, 'hang') for _ in range(2)]\n"
        "list(isolated(act, ['hang'], time_limit=60))",
        start_new_session=True,
    )
    assert process.stdout is not None
    session = int(process.stdout.readline())
    time.sleep(0.5)
    # this one, two workers, and a child of each of the three; the pool may have used one worker alone for all four
    assert len(_members(session)) >= 5
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + _ORPHAN_LIFE
    while _members(session) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _members(session) == []


def _members(session: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, owner = status.read_text().rpartition(") ")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(owner) == session and state != "Z":
            found.append(int(status.parent.name))
    return found


def test_pools_are_not_shared_with_forked_children() -> None:
    assert shout("a")[0] == "A"
    context = multiprocessing.get_context(process_context().get_start_method())
    queue = context.SimpleQueue()
    process = context.Process(target=_send, args=(queue,))
    process.start()
    assert queue.get()[0] == "B"
    process.join(timeout=10)
    assert process.exitcode == 0
    assert shout("c")[0] == "C"


def _send(queue: multiprocessing.SimpleQueue[list[str | None]]) -> None:
    queue.put(shout("b"))

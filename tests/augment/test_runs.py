"""A run is a folder of shards: made once, made whole, and made for one configuration by one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from molaug import runs
from molaug.isolation import isolated, process_context
from molaug.progress import Silent
from molaug.registry import ConfigurationError
from molaug.runs import Unit, execute, executor_for, make, run_folder
from molaug.structures import Structures

CONFIG: dict[str, Any] = {
    "seed": 1,
    "filters": [{"validity": {"neutral": True}}],
    "label": {"options": {"a": 1}},
}


def counted(folder: Path, number: int) -> Structures:
    """Make one row, and leave a trace of each call."""
    (folder / f"call-{number}-{time.time_ns()}").touch()
    return Structures.from_arrays([[2]], [[[float(number), 0, 0]]])


def fatal(folder: Path, number: int) -> Structures:
    if number == 2:
        time.sleep(0.5)
        os._exit(9)
    return counted(folder, number)


def failing(folder: Path, number: int) -> Structures:
    if number == 2:
        raise ArithmeticError("no such number")
    return counted(folder, number)


def units(folder: Path, n: int = 4, function: Any = counted) -> list[Unit]:
    calls = folder / "calls"
    calls.mkdir(exist_ok=True)
    return [
        Unit(path=folder / "shards" / f"part-{k}.parquet", function=function, arguments=(calls, k)) for k in range(n)
    ]


def calls(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in (folder / "calls").iterdir())


def test_a_unit_is_made_once(tmp_path: Path) -> None:
    [unit] = units(tmp_path, 1)
    assert execute(unit) == unit.path
    before = unit.path.read_bytes()
    execute(unit)
    assert calls(tmp_path) == [0]
    assert unit.path.read_bytes() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_only_missing_shards_are_made(workers: int, tmp_path: Path) -> None:
    shards = units(tmp_path)
    execute(shards[1])
    execute(shards[3])
    with executor_for(workers) as executor:
        files = make(shards, executor, Silent(), "stage")
    assert files == [unit.path for unit in shards]
    assert calls(tmp_path) == [0, 1, 2, 3]
    assert [Structures.from_parquet(file)[0].positions[0, 0] for file in files] == [0, 1, 2, 3]  # type: ignore[index]


def test_more_units_than_are_handed_out_ahead_are_all_made(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        files = make(units(tmp_path, 30), executor, Silent(), "stage")
    assert calls(tmp_path) == list(range(30))
    assert all(file.exists() for file in files)


def test_progress_hears_of_every_shard(tmp_path: Path) -> None:
    heard: list[Any] = []

    class Listener:
        @contextmanager
        def stage(self, name: str, *, total: int | None, done: int = 0) -> Any:
            heard.append((name, total, done))
            yield lambda: heard.append("step")

    shards = units(tmp_path)
    execute(shards[0])
    make(shards, None, Listener(), "label")
    assert heard == [("label", 4, 1), "step", "step", "step"]


def test_a_worker_that_dies_is_told_and_what_was_finished_stays(tmp_path: Path) -> None:
    shards = units(tmp_path, 8, fatal)
    with (
        pytest.raises(RuntimeError, match=r"a worker process died \(out of memory\?\).*run the same command again"),
        ProcessPoolExecutor(2, mp_context=process_context()) as executor,
    ):
        make(shards, executor, Silent(), "stage")
    assert shards[0].path.exists()
    assert not shards[2].path.exists()
    make(units(tmp_path, 8), None, Silent(), "stage")
    assert all(unit.path.exists() for unit in shards)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_shard_that_fails_stops_the_run_and_leaves_no_file(workers: int, tmp_path: Path) -> None:
    shards = units(tmp_path, 3, failing)
    with pytest.raises(ArithmeticError, match="no such number"), executor_for(workers) as executor:
        make(shards, executor, Silent(), "stage")
    assert not shards[2].path.exists()


@pytest.mark.parametrize("workers", [0, -3])
def test_less_than_one_worker_is_refused(workers: int) -> None:
    with pytest.raises(ConfigurationError, match=f"workers is {workers}; expected at least 1"), executor_for(workers):
        pass


# ---------------------------------------------------------------------- the folder


def test_a_run_goes_on_with_the_same_configuration(tmp_path: Path) -> None:
    for _ in range(2):
        with run_folder(tmp_path / "new" / "run", CONFIG) as folder:
            assert (folder / "config.yaml").is_file()


def test_a_changed_configuration_is_named(tmp_path: Path) -> None:
    with run_folder(tmp_path, CONFIG):
        pass
    changed = {"seed": 2, "filters": [{"validity": {"neutral": False}}], "label": {"options": {}}, "emit": "new"}
    with pytest.raises(ConfigurationError) as error, run_folder(tmp_path, changed):
        pass
    for change in (
        "seed was 1, is 2",
        "filters[0].validity.neutral was True, is False",
        "label.options.a was 1, is None",
        "emit was None, is 'new'",
        "Choose another folder",
    ):
        assert change in str(error.value)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with (
        pytest.raises(ConfigurationError, match="is not empty and holds no"),
        run_folder(tmp_path, CONFIG),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    with run_folder(tmp_path, CONFIG):
        pass
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".part-00000.parquet.77.tmp").write_text("half")
    (tmp_path / ".dataset.77.tmp.h5").write_text("half an export")
    dataset = tmp_path / ".dataset.77.tmp" / "shards"
    dataset.mkdir(parents=True)
    (dataset / ".part-00000.parquet.77.tmp").write_text("half")
    (dataset / "part-00000.parquet").write_text("of a folder that was not finished")
    with run_folder(tmp_path, CONFIG):
        assert sorted(path.name for path in tmp_path.rglob("*")) == [".lock", "config.yaml", "work"]


def test_one_process_may_run_a_folder_again_while_its_children_live(tmp_path: Path) -> None:
    with run_folder(tmp_path, CONFIG):
        assert [outcome.value for outcome in isolated(abs, [-1], time_limit=10)] == [1]  # starts a child
    begin = time.perf_counter()
    with run_folder(tmp_path, CONFIG):
        assert time.perf_counter() - begin < 1


_HOLD = """
import time
from pathlib import Path
from molaug.runs import run_folder
with run_folder(Path({folder!r}), {config!r}):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_runs_of_one_folder_exclude_each_other_until_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = _HOLD.format(folder=str(tmp_path), config=CONFIG)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with monkeypatch.context() as patch:
            patch.setattr(runs, "_LOCK_PATIENCE", 0.3)
            with (
                pytest.raises(ConfigurationError, match="another molaug is running in"),
                run_folder(tmp_path, CONFIG),
            ):
                pass
        other.send_signal(signal.SIGKILL)
        with run_folder(tmp_path, CONFIG):
            pass

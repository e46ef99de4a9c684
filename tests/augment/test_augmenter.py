"""One object makes the dataset: the same bytes however it ran; a wrong request stops before anything is computed."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ase.calculators.lj import LennardJones

from molaug import Augmenter
from molaug.config import load_config
from molaug.labels import Labeller, Relaxation
from molaug.registry import ConfigurationError
from molaug.structures import Structures
from molaug.structures.datasets import open_dataset

Digest = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="module")
def reference(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in one process, from beginning to end."""
    return Augmenter(**settings).run(tmp_path_factory.mktemp("reference") / "run").folder


def test_the_dataset_holds_base_and_new_rows_with_labels(reference: Path, base: Structures, digest: Digest) -> None:
    rows = Structures.from_parquet(reference / "dataset")
    assert len(rows) == len(base) + 8
    assert rows.ids[: len(base)] == base.ids
    assert set(rows.column("level")) == {"gfn2-xtb"}
    assert set(rows.column("origin")[len(base) :]) == {"amons", "conformers"}
    assert {"dataset/card.yaml", "funnel.json", "rejected/part-00000.parquet"} <= set(digest(reference))
    assert len(open_dataset(reference / "dataset").read()) == len(rows)


def test_running_again_computes_nothing_and_changes_nothing(
    reference: Path, settings: dict[str, Any], digest: Digest
) -> None:
    before = digest(reference)
    times = {path: path.stat().st_mtime_ns for path in (reference / "work").rglob("*.parquet")}
    result = Augmenter(**settings).run(reference)
    assert digest(reference) == before
    assert {path: path.stat().st_mtime_ns for path in (reference / "work").rglob("*.parquet")} == times
    assert result.funnel.emitted == {"amons": 4, "conformers": 4}
    assert len(result.structures()) == 14
    assert len(result.rejected()) == sum(result.funnel.proposed.values()) - 8


def test_two_workers_give_the_same_bytes(
    reference: Path, settings: dict[str, Any], tmp_path: Path, digest: Digest
) -> None:
    Augmenter(**settings).run(tmp_path / "run", workers=2)
    assert digest(tmp_path / "run") == digest(reference)


@pytest.mark.slow
def test_runs_killed_at_any_moment_give_the_same_bytes_in_the_end(
    reference: Path, settings: dict[str, Any], tmp_path: Path, digest: Digest, killed: Callable[..., bool]
) -> None:
    """SIGKILL, of all processes of the run or of the first one alone, at seeded moments over the measured duration."""
    begin = time.perf_counter()
    killed(settings, tmp_path / "measured", None)
    duration = time.perf_counter() - begin
    rng = random.Random(2024)
    kills, half_done = 0, 0
    for number in range(4):
        folder = tmp_path / f"run-{number}"
        moments = [rng.uniform(0, 1) for _ in range(2)]
        for k, moment in enumerate(moments):
            kills += killed(settings, folder, moment * duration, whole_group=k == 0)
            half_done += folder.is_dir() and not (folder / "report.html").exists()
        assert not killed(settings, folder, None)
        assert digest(folder) == digest(reference)
        assert not list(folder.rglob(".*.tmp*"))
    assert kills >= 4
    assert half_done >= 3


@contextmanager
def _cluster(*, daemon: bool) -> Iterator[Any]:
    dask = pytest.importorskip("dask", reason='needs Dask: pip install "molaug[hpc]"')
    distributed = pytest.importorskip("distributed", reason='needs Dask: pip install "molaug[hpc]"')
    with (
        dask.config.set({"distributed.worker.daemon": daemon}),
        distributed.LocalCluster(n_workers=1 if daemon else 2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(
    reference: Path, settings: dict[str, Any], tmp_path: Path, digest: Digest
) -> None:
    with _cluster(daemon=False) as client:
        Augmenter(**settings).run(tmp_path / "run", executor=client.get_executor())
    assert digest(tmp_path / "run") == digest(reference)


@pytest.mark.slow
def test_daemonic_workers_are_told_what_to_do(settings: dict[str, Any], tmp_path: Path) -> None:
    with (
        _cluster(daemon=True) as client,
        pytest.raises(RuntimeError, match=r'dask.config.set\(\{"distributed.worker.daemon": False\}\) before'),
    ):
        Augmenter(**settings).run(tmp_path / "run", executor=client.get_executor())


# ---------------------------------------------------------------------- the configuration


def test_what_is_written_is_what_was_resolved(reference: Path, settings: dict[str, Any]) -> None:
    written = load_config(reference / "config.yaml")
    resolved = Augmenter(**settings).resolved()
    assert Augmenter.from_config(written).resolved() == resolved
    assert yaml.safe_load((reference / "config.yaml").read_text()) == resolved
    assert resolved["generators"][1]["conformers"]["n"] == 3
    assert resolved["label"]["calculator"] == "gfn2-xtb"


def test_the_written_configuration_continues_the_run(reference: Path, digest: Digest) -> None:
    before = digest(reference)
    Augmenter.from_config(load_config(reference / "config.yaml")).run(reference)
    assert digest(reference) == before


def test_a_changed_request_for_the_same_folder_is_named(reference: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Changed: budget was 8, is 9"):
        Augmenter(**{**settings, "budget": 9}).run(reference)
    with pytest.raises(ConfigurationError, match=r"generators\[1\]\.conformers\.n was 3, is 4"):
        Augmenter(**{**settings, "generators": ["amons", {"conformers": {"n": 4}}]}).run(reference)


def test_parts_may_be_objects(settings: dict[str, Any]) -> None:
    from molaug.filters.validity import Validity
    from molaug.generators.amons import Amons

    by_name = Augmenter(**{**settings, "generators": ["amons"], "filters": ["validity"], "relax": True})
    by_object = Augmenter(
        **{**settings, "generators": [Amons()], "filters": [Validity()], "relax": Relaxation(), "label": Labeller()}
    )
    assert by_name.resolved() == by_object.resolved()


def test_a_calculator_object_labels_under_the_level_that_it_is_given(base: Structures, tmp_path: Path) -> None:
    lj = Labeller(calculator=LennardJones(sigma=1.0, rc=8.0), level="lj", max_force=None)
    result = Augmenter(base=base, generators=["amons"], budget=1, label=lj, emit="new").run(tmp_path / "run")
    assert result.structures().column("level") == ["lj"]
    assert result.card.levels == ["lj"]
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["label"]["calculator"] == "ase.calculators.lj:LennardJones"
    assert written["label"]["options"]["sigma"] == 1.0


def test_structures_in_memory_are_told_apart_by_their_content(base: Structures) -> None:
    names = {Augmenter(base=part).resolved()["base"] for part in (base, base.slice(0, 3), base)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": "g3"}, "base: "),
        ({"base": "/nowhere/base.parquet"}, "/nowhere/base.parquet"),
        ({"base": 7}, "base: cannot open int"),
        ({"base_options": {"levle": "x"}}, "takes no option 'levle'"),
        ({"generators": ["amon"]}, "unknown generator 'amon'; did you mean 'amons'?"),
        ({"generators": [{"amons": {"n": -1}}]}, "generator amons: n is -1; expected an integer of at least 0"),
        ({"generators": [{"amons": {"n": "all"}}]}, "generator amons: n is 'all'"),
        ({"generators": [{"amons": {"rule": "x"}}]}, "unknown option 'rule'; did you mean 'rules'?"),
        ({"filters": ["validty"]}, "unknown filter 'validty'; did you mean 'validity'?"),
        ({"select": "farthest"}, "unknown selector 'farthest'; did you mean 'farthest-point'?"),
        ({"label": "gfn3-xtb"}, "unknown calculator 'gfn3-xtb'; did you mean"),
        ({"label": {"calculator": "gfn2-xtb", "max_froce": 3}}, "did you mean 'max_force'?"),
        ({"relax": {"optimizer": "newton"}}, "relax: option 'optimizer' is 'newton'"),
        ({"relax": {"fmx": 1}}, "relax: unknown option 'fmx'; did you mean 'fmax'?"),
        ({"emit": "old"}, "emit is 'old'"),
        ({"base_labels": "relable"}, "base_labels is 'relable', did you mean 'relabel'?"),
        ({"formats": ["xyz"]}, "formats is 'xyz', did you mean 'extxyz'?"),
        ({"budget": -1}, "budget is -1; expected an integer of at least 0"),
        ({"budget": 2.5}, "budget is 2.5"),
        ({"parents_per_shard": 0}, "parents_per_shard is 0; expected an integer of at least 1"),
        ({"label_time_limit": 0}, "label_time_limit is 0; expected seconds above 0, or None"),
    ],
    ids=str,
)
def test_a_wrong_request_stops_before_a_folder_is_made(
    change: dict[str, Any], message: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as error:
        Augmenter(**{**settings, **change}).run(tmp_path / "run")
    assert message in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_missing_package_stops_before_a_folder_is_made(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(ImportError, match="pip install"):
        Augmenter(**settings).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_workers_are_too_few(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="workers is 0"):
        Augmenter(**settings).run(tmp_path / "run", workers=0)


def test_a_plan_computes_nothing(settings: dict[str, Any]) -> None:
    begin = time.perf_counter()
    plan = Augmenter(**settings).plan()
    assert time.perf_counter() - begin < 2
    assert plan.stages == ("generation", "validity", "redundancy", "selection", "label")

"""Runs that draw molecules: without a base and with one, the same bytes however they ran."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from molaug import Augmenter
from molaug.cli import main
from molaug.registry import ConfigurationError
from molaug.structures import Structures
from molaug.structures.chemistry import lay_graph

Digest = Callable[[Path], dict[str, str]]
Killed = Callable[..., bool]


@pytest.fixture(scope="module")
def settings(tiny_graphs: Path) -> dict[str, Any]:
    """A run without a base and labels, several shards in each block of graphs."""
    graph = {"checkpoint": str(tiny_graphs), "steps": 4, "isomers": 2, "n": 48}
    common = {"budget": None, "label": None, "emit": "new", "parents_per_shard": 16}
    return {"base": None, "generators": [{"graph": graph}], **common}


@pytest.fixture(scope="module")
def reference(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in one process, from beginning to end."""
    return Augmenter(**settings).run(tmp_path_factory.mktemp("graphs") / "run").folder


def test_a_run_needs_no_base(reference: Path) -> None:
    rows = Structures.from_parquet(reference / "dataset")
    lost = Structures.from_parquet(reference / "rejected")
    assert len(rows) + len(lost) == 48
    assert len(rows) >= 3
    assert set(rows.column("origin")) == {"graph"}
    assert any("redundancy" in reason for reason in lost.column("reason"))  # what was drawn before
    for row in rows:
        assert lay_graph(str(row.smiles), row.numbers, row.positions).smiles == row.smiles
    card = yaml.safe_load((reference / "dataset" / "card.yaml").read_text())
    assert card["name"] == "generated"
    assert yaml.safe_load((reference / "config.yaml").read_text())["base"] is None


def test_two_workers_give_the_same_bytes(
    reference: Path, settings: dict[str, Any], tmp_path: Path, digest: Digest
) -> None:
    Augmenter(**settings).run(tmp_path / "run", workers=2)
    assert digest(tmp_path / "run") == digest(reference)


@pytest.mark.slow
def test_runs_killed_at_any_moment_give_the_same_bytes_in_the_end(
    reference: Path, settings: dict[str, Any], tmp_path: Path, digest: Digest, killed: Killed
) -> None:
    begin = time.perf_counter()
    killed(settings, tmp_path / "measured", None)
    duration = time.perf_counter() - begin
    rng = random.Random(7)
    folder = tmp_path / "run"
    kills = sum(killed(settings, folder, rng.uniform(0.3, 0.9) * duration, whole_group=k == 0) for k in range(2))
    assert not killed(settings, folder, None)
    assert digest(folder) == digest(reference)
    assert kills >= 1


def test_drawn_molecules_are_labelled_beside_a_base(
    tiny_graphs: Path, base_file: str, base: Structures, tmp_path: Path
) -> None:
    graph = {"checkpoint": str(tiny_graphs), "steps": 4, "n": 16}
    run = Augmenter(base=base_file, generators=[{"graph": graph}], budget=2).run(tmp_path / "run")
    rows = run.structures()
    new = rows.slice(len(base))
    assert len(new) == 2
    assert set(rows.column("level")) == {"gfn2-xtb"}
    assert np.isfinite(new.array("energy")).all()
    assert json.loads((run.folder / "funnel.json").read_text())["proposed"] == {"graph": 16}


def test_the_command_line_draws_without_a_base(
    tiny_graphs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["generate", "--generators", "graph", "-n", "8", "--out", str(tmp_path / "run"), "--quiet"]
    options = [f"graph.checkpoint={tiny_graphs}", "graph.steps=3", "graph.geometry=null"]
    options.append("graph.composition={O: [1, null]}")
    assert main([*command, "--set", *options]) == 0
    assert "base: 0 read, 0 emitted" in capsys.readouterr().out
    smiles = Structures.from_parquet(tmp_path / "run" / "dataset").column("smiles")
    assert all("O" in name for name in smiles)
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["generators"][0]["graph"]["composition"] == {"O": [1, None]}
    assert main([*command, "--set", *options]) == 0  # and goes on from there


@pytest.mark.parametrize(
    ("generators", "message"),
    [
        (["amons"], "there is no base, and amons needs parents; give a base"),
        ([{"graph": {"checkpoint": "graph-none"}}], "generator graph: no checkpoint 'graph-none'"),
        ([{"graph": {"composition": {"C": "many"}}}], "option 'composition"),
        ([{"graph": {"isomers": 0}}], "isomers is 0; expected at least 1"),
    ],
)
def test_what_cannot_be_run_stops_before_anything_is_drawn(generators: list[Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Augmenter(base=None, generators=generators, label=None).plan()

"""Runs that draw molecules and conformers in space: without a base and with one, the same bytes however they ran."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from molaug import Augmenter
from molaug.cli import main
from molaug.registry import ConfigurationError
from molaug.structures import Structures
from molaug.structures.chemistry import perceive

Digest = Callable[[Path], dict[str, str]]
Killed = Callable[..., bool]


@pytest.fixture(scope="module")
def settings(tiny_diffusion: Path) -> dict[str, Any]:
    """A run without a base and labels, several shards in each block of molecules."""
    diffusion = {"checkpoint": str(tiny_diffusion), "steps": 4, "n": 48}
    common = {"budget": None, "label": None, "emit": "new", "parents_per_shard": 16}
    return {"base": None, "generators": [{"diffusion": diffusion}], **common}


@pytest.fixture(scope="module")
def reference(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in one process, from beginning to end."""
    return Augmenter(**settings).run(tmp_path_factory.mktemp("molecules") / "run").folder


def test_a_run_needs_no_base(reference: Path) -> None:
    rows = Structures.from_parquet(reference / "dataset")
    lost = Structures.from_parquet(reference / "rejected")
    assert len(rows) + len(lost) == 48
    assert len(rows) >= 3
    assert set(rows.column("origin")) == {"diffusion"}
    for row in rows:
        assert perceive(row.numbers, row.positions).smiles == row.smiles
    assert yaml.safe_load((reference / "config.yaml").read_text())["base"] is None


def test_two_workers_give_the_same_bytes(
    reference: Path, settings: dict[str, Any], tmp_path: Path, digest: Digest
) -> None:
    Augmenter(**settings).run(tmp_path / "run", workers=2)
    assert digest(tmp_path / "run") == digest(reference)


@pytest.mark.slow
def test_a_run_that_was_killed_gives_the_same_bytes_in_the_end(
    reference: Path, settings: dict[str, Any], tmp_path: Path, digest: Digest, killed: Killed
) -> None:
    begin = time.perf_counter()
    killed(settings, tmp_path / "measured", None)
    assert killed(settings, tmp_path / "run", 0.6 * (time.perf_counter() - begin))
    assert not killed(settings, tmp_path / "run", None)
    assert digest(tmp_path / "run") == digest(reference)


def test_drawn_molecules_are_labelled_beside_a_base(
    tiny_diffusion: Path, base_file: str, base: Structures, tmp_path: Path
) -> None:
    diffusion = {"checkpoint": str(tiny_diffusion), "steps": 4, "n": 16}
    run = Augmenter(base=base_file, generators=[{"diffusion": diffusion}], budget=2).run(tmp_path / "run")
    rows = run.structures()
    assert len(rows) == len(base) + 2
    assert set(rows.column("level")) == {"gfn2-xtb"}
    assert json.loads((run.folder / "funnel.json").read_text())["proposed"] == {"diffusion": 16}


def test_the_command_line_draws_without_a_base(
    tiny_diffusion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["generate", "--generators", "diffusion", "-n", "8", "--out", str(tmp_path / "run"), "--quiet"]
    options = [f"diffusion.checkpoint={tiny_diffusion}", "diffusion.steps=3", "diffusion.n_atoms=[2, 3]"]
    assert main([*command, "--set", *options]) == 0
    assert "base: 0 read, 0 emitted" in capsys.readouterr().out
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["generators"][0]["diffusion"]["n_atoms"] == [2, 3]
    assert main([*command, "--set", *options]) == 0  # and goes on from there


def test_conformers_are_drawn_of_a_base_alone(tiny_diffusion: Path, base_file: str, tmp_path: Path) -> None:
    conformers = {"diffusion-conformers": {"checkpoint": str(tiny_diffusion), "steps": 3, "n": 4}}
    settings: dict[str, Any] = {"generators": [conformers], "label": None, "budget": None, "emit": "new"}
    with pytest.raises(ConfigurationError, match="there is no base, and diffusion-conformers needs parents"):
        Augmenter(base=None, **settings).plan()
    run = Augmenter(base=base_file, **settings).run(tmp_path / "run")
    told = [run.structures(), Structures.from_parquet(run.folder / "rejected")]
    assert {origin for rows in told for origin in rows.column("origin")} == {"diffusion-conformers"}


@pytest.mark.parametrize(
    ("generators", "message"),
    [
        ([{"diffusion": {"checkpoint": "diffusion-none"}}], "generator diffusion: no checkpoint 'diffusion-none'"),
        ([{"diffusion": {"spread": 0.1}}], "set polish to 'none', or spread to 0"),
        ([{"diffusion": {"polish": "amber"}}], "option 'polish"),
    ],
)
def test_what_cannot_be_run_stops_before_anything_is_drawn(generators: list[Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Augmenter(base=None, generators=generators, label=None).plan()

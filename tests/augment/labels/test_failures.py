"""Labels that all fail end loudly and early; what was made stays, and the same folder goes on once it is mended."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.lj import LennardJones

from molaug import Augmenter
from molaug.cli import FAILED, WRONG, main
from molaug.isolation import restart
from molaug.labels import LabelError, Labeller, label
from molaug.labels.failures import Attempts, same_words
from molaug.registry import ConfigurationError
from molaug.structures import Structures
from tests.structures.calculators.file_calculators import pair_energy

FILES = "tests.structures.calculators.file_calculators"


class Broken(LennardJones):  # type: ignore[misc]
    """Fails unless an environment variable says that it was mended."""

    def calculate(self, *args: Any, **kwargs: Any) -> None:
        if not os.environ.get("MENDED"):
            raise FileNotFoundError(f"no program at /opt/{time.time()}/bin, job {os.getpid()}")
        super().calculate(*args, **kwargs)


@pytest.fixture(autouse=True)
def _new_child() -> None:
    """Begin with a child process that knows the environment of this test."""
    restart()


def shaken(n: int) -> Structures:
    methanol, rng = molecule("CH3OH"), np.random.default_rng(0)
    places = [methanol.positions + 0.02 * rng.normal(size=(6, 3)) for _ in range(n)]
    return Structures.from_arrays([methanol.numbers] * n, places)


def relabelling(base: Structures, **label_options: Any) -> Augmenter:
    return Augmenter(
        base=base,
        generators=(),
        filters=(),
        budget=0,
        base_labels="relabel",
        label={"max_force": None, **label_options},
        labels_per_shard=4,
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_stops_after_the_first_failures_and_goes_on_when_mended(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MENDED", raising=False)
    run = relabelling(shaken(40), calculator=f"{__name__}:Broken")
    with pytest.raises(LabelError, match=r"first 8 of 8 rows of the base failed: label: FileNotFoundError: no program"):
        run.run(tmp_path / "run", workers=workers)
    if workers == 1:
        assert len(list((tmp_path / "run" / "work" / "label-base").glob("*.parquet"))) == 2
    assert not (tmp_path / "run" / "dataset").exists()
    monkeypatch.setenv("MENDED", "yes")
    assert len(run.run(tmp_path / "run").structures()) == 40


def test_another_calculator_may_be_taken_until_there_is_a_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MENDED", raising=False)
    with pytest.raises(LabelError):
        relabelling(shaken(10), calculator=f"{__name__}:Broken").run(tmp_path / "run")
    result = relabelling(shaken(10), calculator="gfn2-xtb").run(tmp_path / "run")
    assert result.card.levels == ["gfn2-xtb"]
    with pytest.raises(ConfigurationError, match="another configuration"):
        relabelling(shaken(10), calculator="gfn1-xtb").run(tmp_path / "run")


def test_a_run_that_may_go_on_ends_loudly_with_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MENDED", raising=False)
    run = relabelling(shaken(10), calculator=f"{__name__}:Broken", fail_fast=0)
    with pytest.raises(LabelError, match="10 of 10 rows of the base failed"):
        run.run(tmp_path / "run")
    assert (tmp_path / "run" / "report.html").is_file()
    assert len(Structures.from_parquet(tmp_path / "run" / "rejected")) == 10
    monkeypatch.setenv("MENDED", "yes")
    assert len(run.run(tmp_path / "run").structures()) == 10
    assert not (tmp_path / "run" / "rejected").exists()


def test_rows_that_are_refused_stop_no_run_early(tmp_path: Path) -> None:
    hydroxide = Structures.from_arrays(
        [[8, 1]] * 12, [[[0, 0, 0], [0, 0, 0.9 + 0.01 * k]] for k in range(12)], charge=-1
    )
    rows = Structures.concat([hydroxide, shaken(2)])
    result = relabelling(rows, calculator="ase.calculators.emt:EMT", options={}).run(tmp_path / "run")
    assert len(result.structures()) == 2
    assert len(result.rejected()) == 12


def test_a_base_without_labels_stops_before_anything_is_proposed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no row of the base .* has an energy.*--relabel-base"):
        Augmenter(base=shaken(3), generators=["amons"], budget=5).run(tmp_path / "run")
    assert not (tmp_path / "run" / "work" / "propose").exists()


def test_the_command_line_ends_with_an_exit_code_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MENDED", raising=False)
    shaken(9).to_parquet(tmp_path / "base.parquet")
    command = ["label", str(tmp_path / "base.parquet"), "--calculator", f"{__name__}:Broken", "--quiet", "--out"]
    assert main([*command, str(tmp_path / "run")]) == FAILED
    [line] = capsys.readouterr().err.splitlines()
    assert "8 of 8 rows of the base failed" in line
    assert "run the same command again" in line
    base = str(tmp_path / "base.parquet")
    assert main(["augment", "--base", base, "--generators", "amons", "--out", str(tmp_path / "x"), "--quiet"]) == WRONG
    assert "--relabel-base" in capsys.readouterr().err


def test_labels_that_fail_here_and_there_are_counted_on_the_console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ion = Structures.from_arrays([[8, 1]], [[[0, 0, 0], [0, 0, 0.97]]], charge=-1)
    Structures.concat([shaken(3), ion]).to_parquet(tmp_path / "base.parquet")
    options = ["--calculator", "ase.calculators.emt:EMT", "--out", str(tmp_path / "run"), "--quiet"]
    assert main(["label", str(tmp_path / "base.parquet"), *options]) == 0
    assert "1 of 4 labels failed: label: calculator ase.calculators.emt:EMT was not told" in capsys.readouterr().out


def test_reasons_of_one_cause_have_the_same_words() -> None:
    assert same_words("label: E: /tmp/a1/x failed after 3 s (its files: /k/1)") == same_words(
        "label: E: b/y failed after 4.5 s"
    )
    assert same_words("label: E: a") != same_words("label: E: b")
    assert not Attempts().hopeless


def test_files_of_failures_are_kept_where_they_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = shaken(2)
    labeller = Labeller(calculator=f"{FILES}:Failing", keep_failed="kept")
    for row, reason in zip(rows, label(rows, labeller).column("reason"), strict=True):
        folder = Path(str(reason).partition("(its files: ")[2].rstrip(")"))
        assert folder.parent == tmp_path / "kept"
        assert float((folder / "pair.out").read_text().split()[0]) == pytest.approx(pair_energy(row.positions)[0])
    hanging = Labeller(calculator=f"{FILES}:Hanging", keep_failed=str(tmp_path / "late"))
    [reason] = label(rows.slice(0, 1), hanging, time_limit=3.0).column("reason")
    assert reason.startswith("label: took longer than 3 s (its files: ")
    assert len(list((tmp_path / "late").glob("*/pair.in"))) == 1
    label(rows, Labeller(calculator=f"{FILES}:PairFiles", keep_failed=str(tmp_path / "none")))
    assert not list((tmp_path / "none").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "late", "none"]


def test_file_calculators_of_four_workers_are_right_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = relabelling(shaken(64), calculator=f"{FILES}:PairFiles")
    rows = run.run("run", workers=4).structures()
    assert len(rows) == 64
    assert rows.array("energy") == pytest.approx([pair_energy(row.positions)[0] for row in rows], abs=1e-12)
    assert np.abs(rows.forces - np.concatenate([pair_energy(row.positions)[1] for row in rows])).max() < 1e-12
    assert [path.name for path in tmp_path.iterdir()] == ["run"]

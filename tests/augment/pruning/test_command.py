"""``molaug prune``: what users type and see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from molaug.cli import WRONG, main
from molaug.structures import Structures


def test_prune_writes_rows_and_costs(base_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pruned"
    assert main(["prune", base_file, "--keep", "0.5", "--draws", "3", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "kept 3 rows, removed 3 by their leverage in 'distances'" in text
    assert "at random (3 draws)" in text
    assert f"written: {out / 'kept.parquet'}" in text
    assert len(Structures.from_parquet(out / "kept.parquet")) == 3
    assert all(
        reason.startswith("prune: ") for reason in Structures.from_parquet(out / "removed.parquet").column("reason")
    )
    assert json.loads((out / "report.json").read_text())["keep"] == 0.5


def test_features_have_options(base_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["prune", base_file, "--features", "morgan", "--set", "radius=3", "--out", str(tmp_path / "p")]
    assert main(wrong) == WRONG
    assert "unknown option 'radius'" in capsys.readouterr().err
    assert main(["prune", base_file, "--features", "morgan", "--keep", "0.5", "--out", str(tmp_path / "p")]) == 0


def test_what_cannot_be_is_one_line(base_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", base_file, "--keep", "1.5", "--out", str(tmp_path)]) == WRONG
    assert capsys.readouterr().err == "molaug prune: keep is 1.5; expected a share between 0 and 1\n"

"""``molaug score``, ``molaug select`` and ``molaug feasibility``: what users type and see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from molaug.cli import WRONG, main
from molaug.structures import Structures

MODEL = '''
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Constant:
    """Says the same of every row."""

    sigma: float = 1.0
    name: str = "constant"

    def __call__(self, rows):
        return np.zeros(len(rows)), np.full(len(rows), self.sigma)
'''


def test_score_adds_columns_and_sums_up(
    base_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "constant_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "scored.parquet"
    arguments = ["score", base_file, "--model", "constant_model:Constant", "--features", "distances"]
    assert main([*arguments, "--set", "model.sigma=2.5", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "6 rows" in text
    assert "against 6 labels (gfn2-xtb): MAE" in text
    rows = Structures.from_parquet(out)
    assert rows.array("uncertainty").tolist() == [2.5] * 6
    assert (rows.array("leverage") < 1).all()
    assert rows.ids == Structures.from_parquet(base_file).ids
    first = out.read_bytes()
    assert main([*arguments, "--set", "model.sigma=2.5", "--out", str(out)]) == 0
    assert out.read_bytes() == first


def test_select_writes_ranked_rows(base_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "selected.parquet"
    arguments = ["select", base_file, "--base", "g2", "--budget", "3", "--select", "d-optimal", "--out", str(out)]
    assert main([*arguments, "--set", "features=morgan", "ridge=0.01"]) == 0
    assert "selected 3 rows by d-optimal" in capsys.readouterr().out
    assert Structures.from_parquet(out).column("rank") == [1, 2, 3]
    in_memory = out.read_bytes()
    assert main([*arguments, "--set", "features=morgan", "ridge=0.01", "--stream"]) == 0
    assert out.read_bytes() == in_memory


def test_feasibility_says_it_in_words(base_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "feasibility.json"
    assert main(["feasibility", base_file, "--target", "g2", "--json", str(out)]) == 0
    text = capsys.readouterr().out
    assert "6 structures determine 6 of 237 weights" in text
    assert "of the target lie beyond" in text
    assert json.loads(out.read_text())["rank"] == 6


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["score"], "neither --model nor --features"),
        (["score", "--features", "morgn"], "did you mean 'morgan'"),
        (["score", "--features", "morgan", "--set", "model.by=head"], "known: features"),
        (["score", "--features", "morgan", "--set", "by=head"], "expected PART.KEY=VALUE"),
        (["select", "--budget", "3", "--select", "d-optmal"], "did you mean 'd-optimal'"),
        (["select", "--budget", "-3"], "budget -3"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], expected: str, base_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *options = arguments
    assert main([verb, base_file, "--out", str(tmp_path / "x.parquet"), *options]) == WRONG
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert expected in text
    assert not (tmp_path / "x.parquet").exists()


def test_the_suffix_of_the_target_is_looked_at(base_file: str, tmp_path: Path) -> None:
    assert main(["score", base_file, "--features", "morgan", "--out", str(tmp_path / "x.xyz")]) == WRONG
    assert main(["select", base_file, "--budget", "1", "--out", str(tmp_path / "x")]) == WRONG

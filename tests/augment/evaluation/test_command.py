"""``molaug evaluate samples``: what is typed, what is seen, and the exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from molaug.cli import WRONG, main
from molaug.evaluation import Evaluation


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "samples.smi"
    path.write_text("CCO\nOCC\nC1CC\nCC.O\n", encoding="utf-8")
    return path


def test_figures_are_printed_and_written(samples, tmp_path, capsys):
    target = tmp_path / "folder" / "figures.json"
    (tmp_path / "reference.smi").write_text("CCO\nCCC\n", encoding="utf-8")
    arguments = ["--reference", str(tmp_path / "reference.smi"), "--json", str(target), "--cpu-seconds", "2"]
    assert main(["evaluate", "samples", str(samples), *arguments]) == 0
    text = capsys.readouterr().out
    assert "2 / 4 = 50.00 %" in text
    assert "known elsewhere: qm9-keys" in text
    assert f"written: {target}" in text
    found = Evaluation.load(target)
    assert found.files[0].source == str(samples)
    assert found.files[0].graph.figures["cpu seconds per sample"] == 0.5
    assert found.reference is not None


def test_several_seeds_and_no_index(samples, capsys):
    assert main(["evaluate", "samples", str(samples), str(samples), "--known", "none"]) == 0
    text = capsys.readouterr().out
    assert "mean ± sd of 2" in text
    assert "elsewhere" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.smi"], "none.smi: no such file or folder"),
        (["empty.smi"], "holds no samples"),
        (["samples.doc"], "cannot tell its format"),
        (["samples.smi", "--known", "foo"], "no molecule index 'foo'"),
        (["samples.smi", "--reference", "foo"], "no known dataset 'foo'"),
        (["samples.smi", "--cpu-seconds", "1", "2"], "one positive number for each file"),
        (["samples.smi", "--json", "."], "is a folder"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_one_line(samples, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(samples.parent)
    Path("empty.smi").touch()
    Path("samples.doc").touch()
    assert main(["evaluate", "samples", *arguments]) == WRONG
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("molaug evaluate: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_an_action_is_asked_for(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate"])
    assert "ACTION" in capsys.readouterr().err


def test_help_is_instant():
    code = (
        "import sys, contextlib\nfrom molaug.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['evaluate', 'samples', '--help'])\n"
        "print(sorted({'numpy', 'rdkit', 'rich', 'ase', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--cpu-seconds" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"

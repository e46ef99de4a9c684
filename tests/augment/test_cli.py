"""The command line: what users type, what they see, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from molaug.cli import FAILED, WRONG, main
from molaug.config import load_config
from molaug.structures import Structures
from molaug.structures.datasets import open_dataset

VERBS = ("augment", "generate", "label", "filter", "compare", "missing", "index", "convert")
VERBS += ("datasets", "validate", "schema", "fit", "evaluate", "prune", "score", "select", "feasibility")
SMALL = ["--generators", "amons", "--set", "amons.max_heavy=3", "--quiet"]


@pytest.fixture(scope="module")
def alcohols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small molecules with geometries."""
    from ase.build import molecule

    path = tmp_path_factory.mktemp("base") / "alcohols.parquet"
    return Structures.from_ase([molecule("CH3CH2OH"), molecule("CH3OH")]).to_parquet(path)


@pytest.fixture(scope="module")
def run(alcohols: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, made by the command."""
    out = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["augment", "--base", str(alcohols), "--out", str(out), "--budget", "4", "--relabel-base", *SMALL]
    assert main(arguments) == 0
    return out


def line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error."""
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


def test_help_is_there_for_every_verb_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io\nfrom molaug.cli import main\n"
        f"for verb in {VERBS!r}:\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "        main([verb, '--help'])\n"
        "    assert 'usage: molaug ' + verb in out.getvalue()\n"
        "print(sorted({'numpy', 'rdkit', 'pyarrow', 'rich', 'pydantic', 'ase', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_augment_prints_the_funnel_and_where_things_are(
    run: Path, alcohols: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["augment", "--base", str(alcohols), "--out", str(run), "--budget", "4", "--relabel-base", *SMALL]
    assert main(again) == 0  # goes on from the finished run
    text = capsys.readouterr().out
    assert re.search(r"^amons +\d+ +\d+", text, flags=re.MULTILINE)
    assert f"dataset:  {run / 'dataset'}" in text
    rows = Structures.from_parquet(run / "dataset")
    assert {"alcohols", "amons"} >= set(rows.column("origin"))
    assert set(rows.column("level")) == {"gfn2-xtb"}
    for name in ("config.yaml", "funnel.json", "report.html", "rejected"):
        assert (run / name).exists()


def test_a_quiet_process_writes_nothing_to_standard_error(alcohols: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "molaug.cli",
        "generate",
        "--base",
        str(alcohols),
        "--out",
        str(tmp_path / "g"),
        *SMALL,
    ]
    command.remove("--quiet")  # standard error is no terminal: there are no bars either way
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "unlabelled" in done.stdout


def test_the_printed_configuration_is_complete_and_runs(
    alcohols: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["augment", "--base", str(alcohols), *SMALL, "-n", "7", "--against", "qm9-keys", "--print-config"]) == 0
    text = capsys.readouterr().out
    config = load_config(yaml.safe_load(text))
    assert config.generators[0]["amons"]["max_heavy"] == 3
    assert config.generators[0]["amons"]["n"] == 7
    assert config.filters[1]["redundancy"]["against"] == ["qm9-keys"]
    file = tmp_path / "run.yaml"
    file.write_text(text)
    assert main(["validate", str(file)]) == 0
    capsys.readouterr()
    assert main(["augment", "--config", str(file), "--print-config"]) == 0
    assert capsys.readouterr().out == text


def test_a_dry_run_counts_and_writes_nothing(
    alcohols: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["augment", "--base", str(alcohols), "--budget", "9", "--out", str(out), "-n", "5", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "2 structures, 2 of them parents" in text
    assert "conformers: at most 5 rows a parent, 10 in all" in text
    assert "at most 9 new" in text
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["augment", "--set", "bugdet=3", "--out", "x"], "did you mean 'budget'"),
        (["augment", "--set", "amons.max_hevy=3", "--out", "x"], "did you mean 'max_heavy'"),
        (["augment", "--set", "amon.max_heavy=3", "--out", "x"], "did you mean 'amons'"),
        (["augment", "--generators", "conformer", "--out", "x"], "did you mean 'conformers'"),
        (["augment", "--label", "gfn2xtb", "--out", "x"], "did you mean 'gfn2-xtb'"),
        (["augment", "--budget", "many", "--out", "x"], "budget is 'many'"),
        (["augment", "--base", "nowhere.xyz", "--out", "x"], "nowhere.xyz"),
        (["augment", "--config", "nowhere.yaml", "--out", "x"], "no such configuration file"),
        (["augment"], "--out is missing"),
        (["augment", "--workers", "0", "--out", "x"], "expected at least 1"),
        (["datasets", "qm8"], "qm9"),
        (["index", "info", "qm7-keys"], "known by name are ani1-keys, qm9-keys"),
        (["convert", "g2", "x.foo"], "unknown export format"),
        (["compare", "g2", "g2", "--quantities", "bond"], "did you mean 'bonds'"),
        (["compare", "g2", "g2", "--by", "orign"], "did you mean 'origin'"),
        (["compare", "g2", "g2", "--max-rows", "0"], "expected at least 1"),
        (["label", "g2", "--set", "nonsense", "--out", "x"], "expected KEY=VALUE"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == WRONG
    assert expected in line(capsys)


def test_no_verb_shows_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == WRONG
    assert "augment" in capsys.readouterr().out


def test_another_configuration_in_the_same_folder_is_refused(
    run: Path, alcohols: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["augment", "--base", str(alcohols), "--out", str(run), "--budget", "5", "--relabel-base", *SMALL]
    assert main(arguments) == WRONG
    assert "budget was 4, is 5" in line(capsys)


def test_a_base_that_changed_is_refused(alcohols: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "base.parquet"
    whole = Structures.from_parquet(alcohols)
    whole.to_parquet(base)
    arguments = ["generate", "--base", str(base), "--out", str(tmp_path / "out"), *SMALL]
    assert main(arguments) == 0
    whole.slice(0, 1).to_parquet(base)
    capsys.readouterr()
    assert main(arguments) == WRONG
    assert "not what" in line(capsys)


def test_filter_writes_both_halves(
    run: Path, alcohols: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proposals = run / "work" / "propose" / "0-amons"
    assert main(["filter", str(proposals), "--base", str(alcohols), "--out", str(tmp_path)]) == 0
    halves = [Structures.from_parquet(tmp_path / name) for name in ("kept.parquet", "rejected.parquet")]
    assert sum(map(len, halves)) == len(Structures.from_parquet(proposals))
    assert halves[0].alive.all()
    assert not halves[1].alive.any()
    assert "after redundancy" in capsys.readouterr().out


def test_label_labels_every_row(alcohols: Path, tmp_path: Path) -> None:
    assert main(["label", str(alcohols), "--out", str(tmp_path / "labelled"), "--quiet", "--formats", "extxyz"]) == 0
    rows = Structures.from_parquet(tmp_path / "labelled" / "dataset")
    assert rows.column("level") == ["gfn2-xtb"] * 2
    assert open_dataset(tmp_path / "labelled" / "dataset.extxyz").read().column("energy") == rows.column("energy")


def test_compare_prints_a_table_and_writes_page_and_numbers(
    run: Path, alcohols: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html, numbers = tmp_path / "c.html", tmp_path / "c.json"
    arguments = ["compare", str(alcohols), str(run / "dataset"), "--quantities", "energies,bonds"]
    assert main([*arguments, "--html", str(html), "--json", str(numbers)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^amons +bond length +C-H +Å +8 +\d+", text, flags=re.MULTILINE)
    assert "too few" in text
    assert "angle" not in text.split("Compared:")[0]
    plain = json.loads(numbers.read_text())
    assert plain["base_rows"] == {"read": 2, "drawn": 2}
    assert sum(rows["read"] for rows in plain["rows"].values()) == len(Structures.from_parquet(run / "dataset"))
    assert {line["quantity"] for line in plain["lines"]} >= {"bond length", "energy per atom"}
    page = html.read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert not re.search(r"<script|<link|<img|https?://", page)


def test_compare_takes_all_rows_as_one_group(run: Path, alcohols: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(alcohols), str(run / "dataset"), "--by", "none", "--all"]) == 0
    text = capsys.readouterr().out
    assert not re.search(r"^amons ", text, flags=re.MULTILINE)
    assert "nearest contact" in text


def test_missing_ranks_by_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    targets, base = tmp_path / "targets.smi", tmp_path / "base.smi"
    targets.write_text("CCO\nCCN\n")
    base.write_text("C\nO\n")
    assert main(["missing", "--targets", str(targets), "--base", str(base), "--out", str(tmp_path / "m.csv")]) == 0
    assert (tmp_path / "m.csv").read_text().splitlines() == [
        "smiles,heavy_atoms,n_targets", "CC,2,2", "N,1,1", "CN,2,1", "CO,2,1", "CCN,3,1", "CCO,3,1",
    ]  # fmt: skip
    assert "6 AMONs are missing" in capsys.readouterr().out


def test_an_index_is_built_merged_and_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("a", "CCO\nC\n"), ("b", "OCC\nN\n")):
        (tmp_path / f"{name}.smi").write_text(text)
        assert (
            main(["index", "build", str(tmp_path / f"{name}.smi"), "--out", str(tmp_path / name), "--bits", "44"]) == 0
        )
    assert main(["index", "merge", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "ab")]) == 0
    capsys.readouterr()
    assert main(["index", "ask", str(tmp_path / "ab"), "C(O)C", "N", "O"]) == 0
    assert capsys.readouterr().out.split("\n")[:3] == ["C(O)C\tknown", "N\tknown", "O\tnew"]


def test_convert_says_what_was_dropped(alcohols: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(alcohols), str(tmp_path / "small.extxyz"), "--max-heavy", "2"]) == 0
    assert "more than 2 heavy atoms" in capsys.readouterr().out
    assert len(open_dataset(tmp_path / "small.extxyz").read()) == 1


def test_validate_finds_a_damaged_dataset(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    assert main(["validate", str(run / "dataset")]) == 0
    copy = shutil.copytree(run / "dataset", tmp_path / "copy")
    shard = next((copy / "shards").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    capsys.readouterr()
    assert main(["validate", str(copy)]) == FAILED
    assert "sha256" in capsys.readouterr().out


def test_datasets_are_listed_with_their_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    listed = capsys.readouterr().out
    assert {"g2", "qm9", "ani1"} <= set(listed.split())
    assert main(["datasets", "qm9"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["levels"] == ["b3lyp/6-31g(2df,p)"]


def test_the_schema_describes_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert all(entry.get("description") for entry in schema["properties"].values())

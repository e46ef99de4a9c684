"""Checkpoints are found by path, in further folders and in the package."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from molaug.generators.learned.checkpoints import FOLDERS_VARIABLE, checkpoint_folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with two checkpoints and something else."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text("{}")
    (tmp_path / "other").mkdir()
    return tmp_path


def test_a_path_is_taken_as_it_is(elsewhere: Path) -> None:
    assert checkpoint_folder(elsewhere / "one", "model.json") == elsewhere / "one"
    assert checkpoint_folder(str(elsewhere / "two"), "model.json") == elsewhere / "two"


def test_a_name_is_looked_for_in_further_folders_in_their_order(
    elsewhere: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path_factory.mktemp("first")
    monkeypatch.setenv(FOLDERS_VARIABLE, os.pathsep.join(["", str(first / "missing"), str(first), str(elsewhere)]))
    assert checkpoint_folder("one", "model.json") == elsewhere / "one"
    (first / "one").mkdir()
    (first / "one" / "model.json").write_text("{}")
    assert checkpoint_folder("one", "model.json") == first / "one"


def test_shipped_ones_are_found_by_name() -> None:
    assert (checkpoint_folder("qm9-keys", "keys.npz") / "config.json").is_file()


def test_one_that_is_missing_is_told_with_those_that_are_not(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDERS_VARIABLE, str(elsewhere))
    with pytest.raises(FileNotFoundError, match=r"no checkpoint 'other' .* one of: one, two .*\$MOLAUG_CHECKPOINTS"):
        checkpoint_folder("other", "model.json")
    with pytest.raises(FileNotFoundError, match="one of: none"):
        checkpoint_folder("one", "nothing.json")

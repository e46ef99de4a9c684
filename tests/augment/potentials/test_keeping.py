"""Labelled structures beside a training: read once, as they were, and anew when a file changes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from molaug.potentials import Labelled, LabelledData  # noqa: E402
from molaug.structures import Structures  # noqa: E402


def water(n: int, forces: bool = True) -> Structures:
    x = np.random.default_rng(0).normal(size=(n, 3, 3))
    return Structures.from_arrays(
        [[8, 1, 1]] * n, list(x), energy=[-2000.0 + k for k in range(n)], forces=list(-x) if forces else None, level="x"
    )


def reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Count how often datasets are read."""
    calls: list[object] = []
    plain = Labelled.read

    def counted(*arguments: object, **options: object) -> Labelled:
        calls.append(arguments)
        return plain(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Labelled, "read", counted)
    return calls


@pytest.mark.parametrize("forces", [True, False])
def test_what_was_read_before_is_the_same(forces: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    water(7, forces).to_parquet(tmp_path / "rows.parquet")
    calls = reads(monkeypatch)
    first, again = (
        LabelledData([str(tmp_path / "rows.parquet")], split="structure", cache=str(tmp_path / "kept")).labelled
        for _ in range(2)
    )
    assert len(calls) == 1
    for name in ("numbers", "positions", "offsets", "energy", "forces", "keys"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (again.forces is None) != forces
    assert (again.level, again.rejected) == (first.level, first.rejected)


def test_a_changed_file_and_other_options_are_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    water(5).to_parquet(path)
    calls = reads(monkeypatch)

    def length(**options: str) -> int:
        return len(LabelledData(str(path), cache=str(tmp_path), **options).labelled)

    assert [length(), length(), length(split="structure")] == [5, 5, 5]
    assert len(calls) == 2
    water(6).to_parquet(path)
    os.utime(path, ns=(1, 1))
    assert length() == 6


def test_rows_in_memory_are_not_kept(tmp_path: Path) -> None:
    assert len(LabelledData(water(3), cache=str(tmp_path)).labelled) == 3
    assert not list(tmp_path.iterdir())

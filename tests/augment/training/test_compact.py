"""``molaug prepare``: one compact file, from which the 3D generator is trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from molaug.cli import main
from molaug.generators.diffusion.geometries import GRID, Geometries
from molaug.structures import Structures

WATER = [[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two geometries of water and one whose graph is another's."""
    x = [np.array(WATER), 1.02 * np.array(WATER), np.array(WATER)]
    rows = Structures.from_arrays([[8, 1, 1]] * 3, x, smiles=["O", "O", None], extra={"gap": [1.0, 2.0, 3.0]})
    return rows.to_parquet(tmp_path / "water.parquet")


def test_the_file_holds_geometries_and_columns(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "water.geometries.npz"
    assert main(["prepare", str(source), "--out", str(out), "--columns", "gap"]) == 0
    assert "3 geometries" in capsys.readouterr().out
    found = Geometries.load(out)
    assert found.columns["gap"].tolist() == [1.0, 2.0, 3.0]
    centred = np.array(WATER) - np.mean(WATER, axis=0)
    assert found.coordinates[:3] * GRID == pytest.approx(centred, abs=GRID / 2)


def test_another_name_is_refused_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "nothing", "--out", str(tmp_path / "water.npz")]) == 2
    assert ".geometries.npz" in capsys.readouterr().err


def test_training_from_the_file_needs_no_rdkit(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "water.geometries.npz"
    assert main(["prepare", str(source), "--out", str(out)]) == 0
    script = f"""
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "rdkit":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
from molaug.generators.diffusion.data import GeometryData
from molaug.generators.diffusion.training import MoleculeFlow
data = GeometryData({str(out)!r}, batch_size=3)
model = MoleculeFlow(data.domain, width=16, layers=1, heads=2, moves=1)
loss = model.losses(next(iter(data.train_dataloader())), None)
assert "rdkit" not in sys.modules and float(loss["coordinates"].detach()) > 0
"""
    subprocess.run([sys.executable, "-W", "error::DeprecationWarning:molaug", "-c", script], check=True, cwd=tmp_path)

"""The verbs with a potential: its energies and uncertainties, and its last layer as features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from molaug.cli import WRONG, main  # noqa: E402
from molaug.potentials import Potential, UncertainPotential, predict  # noqa: E402
from molaug.potentials.features import PotentialFeatures  # noqa: E402
from molaug.structures import Structures  # noqa: E402


@pytest.fixture(scope="module")
def rows(base: Structures) -> Structures:
    """The six molecules of the base, twenty times displaced."""
    rng = np.random.default_rng(0)
    many = base.take(np.repeat(np.arange(len(base)), 20))
    return Structures.from_arrays(
        [row.numbers for row in many],
        [row.positions + rng.normal(0, 0.05, row.positions.shape) for row in many],  # type: ignore[operator,union-attr]
        smiles=many.column("smiles"),
        energy=many.array("energy"),
        level="gfn2-xtb",
    )


@pytest.fixture(scope="module")
def files(rows: Structures, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The rows as a file, and the folder of an untrained potential."""
    folder = tmp_path_factory.mktemp("potential")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"width": 16, "layers": 1, "heads": 4}
        references = {1: -13.0, 6: -1030.0, 7: -1480.0, 8: -2040.0}
        potential = Potential("painn", options, references=references, scale=0.3, level="gfn2-xtb").eval()
    seen = predict(potential, rows)
    errors = seen.energy - rows.array("energy")
    fitted = UncertainPotential.fitted(potential, seen.features[::2], seen.features[1::2], errors[1::2])
    fitted.save_pretrained(folder / "mine")
    return str(rows.to_parquet(folder / "rows.parquet")), str(folder / "mine")


def test_scores_are_those_of_the_potential(files: tuple[str, str], rows: Structures, tmp_path: Path) -> None:
    source, mine = files
    out = tmp_path / "scored.parquet"
    arguments = ["score", source, "--model", "potential", "--features", "potential", "--out", str(out)]
    assert main([*arguments, "--set", f"model.checkpoint={mine}", f"features.checkpoint={mine}"]) == 0
    found = Structures.from_parquet(out)
    expected = UncertainPotential.from_pretrained(mine).predict(rows)
    np.testing.assert_allclose(found.array("predicted_energy"), expected.predicted.energy)
    np.testing.assert_allclose(found.array("uncertainty"), expected.sigma)
    assert (found.array("leverage") < 1).all()


def test_pruning_in_what_the_potential_sees(files: tuple[str, str], rows: Structures, tmp_path: Path) -> None:
    source, mine = files
    out = tmp_path / "pruned"
    arguments = ["prune", source, "--features", "potential", "--set", f"checkpoint={mine}", "--out", str(out)]
    assert main([*arguments, "--keep", "0.5"]) == 0
    assert len(Structures.from_parquet(out / "kept.parquet")) == 60
    vectors, there = PotentialFeatures(checkpoint=mine)(rows)
    assert there.all()
    assert vectors.shape[1] == 17  # the width, and the bias


def test_a_checkpoint_that_is_not_there_is_told(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--features", "potential", "--set", "checkpoint=nowhere", "--out", str(tmp_path / "p")]
    assert main(["prune", files[0], *options]) == WRONG
    assert "nowhere" in capsys.readouterr().err

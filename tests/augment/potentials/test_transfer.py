"""A potential that goes on from another one's weights says at first what the other one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")
pytest.importorskip("jsonargparse")

from molaug.cli import main  # noqa: E402
from molaug.potentials import (  # noqa: E402
    Head,
    Labelled,
    Potential,
    PotentialTraining,
    begun_from,
    predict,
    references_for,
)
from molaug.structures import Structures  # noqa: E402

HEADS = [Head(), Head(kind="ensemble", members=5), Head(kind="evidential", atoms=3.0)]
SMALL = {"width": 16, "layers": 2, "heads": 4}
FREE = {1: -13.6, 8: -2041.0}


def water(n: int, seed: int) -> Structures:
    """Water and hydrogen peroxide in turn."""
    rng = np.random.default_rng(seed)
    x = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
    peroxide = np.array([[0.0, 0.73, -0.06], [0.0, -0.73, -0.06], [0.84, 0.88, 0.47], [-0.84, -0.88, 0.47]])
    rows = [([8, 1, 1], x) if k % 2 else ([8, 8, 1, 1], peroxide) for k in range(n)]
    return Structures.from_arrays([z for z, _ in rows], [at + rng.normal(0, 0.1, at.shape) for _, at in rows])


def labelled(rows: Structures, energy: np.ndarray) -> Structures:
    return rows.with_columns({"energy": energy, "level": ["other"] * len(rows)})


@pytest.fixture
def start() -> Potential:
    torch.manual_seed(0)
    return Potential("painn", SMALL, references=FREE, scale=0.1, level="one").eval()


@pytest.mark.parametrize("old", HEADS, ids=lambda head: head.kind)
@pytest.mark.parametrize("new", HEADS, ids=lambda head: head.kind)
def test_the_energies_are_those_of_the_start_whatever_the_heads(old: Head, new: Head) -> None:
    torch.manual_seed(0)
    first = Potential("painn", SMALL, references=FREE, scale=0.1, head=old).eval()
    begun = begun_from(first, head=new, references=FREE, level="two").eval()
    rows = water(4, 0)
    np.testing.assert_allclose(predict(begun, rows).energy, predict(first, rows).energy, atol=1e-5)
    assert (begun.level, begun.head) == ("two", new)


def test_members_of_an_ensemble_differ_and_no_weights_are_shared(start: Potential) -> None:
    begun = begun_from(start, head=Head(kind="ensemble", members=5), references=FREE, level=None).eval()
    assert predict(begun, water(4, 0)).members.std(1).min() > 0
    before = predict(start, water(4, 0)).energy
    with torch.no_grad():
        for weights in begun.parameters():
            weights.zero_()
    assert np.array_equal(predict(start, water(4, 0)).energy, before)


def test_energies_of_free_atoms_take_up_what_levels_differ_by(start: Potential) -> None:
    """An offset for each element, of one that the start does not know among them, leaves nothing to learn."""
    rows = water(20, 1)
    shift = {1: 0.5, 8: -7.0}
    off = np.array([sum(shift[z] for z in row.numbers.tolist()) for row in rows])
    known = Labelled.read(labelled(rows, predict(start, rows).energy + off))
    found = references_for(start, known, np.arange(20))
    assert {z: found[z] - FREE[z] for z in found} == pytest.approx(shift, abs=1e-3)
    helium = Structures.from_arrays([[2]], [[[0.0, 0, 0]]], energy=[-79.0], level="other")
    more = Structures.concat([labelled(rows, predict(start, rows).energy + off), helium])
    found = references_for(start, Labelled.read(more), np.arange(21))
    assert {z: found[z] - FREE[z] for z in (1, 8)} == pytest.approx(shift, abs=1e-3)
    begun = begun_from(start, head=Head(), references=found, level="other").eval()
    assert predict(begun, helium).energy[0] == pytest.approx(-79.0, abs=1e-3)


def test_a_training_that_starts_from_a_checkpoint_is_better_at_once(
    start: Potential, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Labels are those of the start and an offset: after one step that hardly moves, errors are small."""
    start.save_pretrained(tmp_path / "start")
    kept = Potential.from_pretrained(tmp_path / "start")
    rows = water(60, 2)
    labelled(rows, predict(kept, rows).energy + 3.0 * rows.n_atoms).to_parquet(tmp_path / "rows.parquet")
    command = ["fit", "potential", "--data", str(tmp_path / "rows.parquet"), "--split", "structure", "--threads", "1"]
    command += ["--trainer.max_epochs", "1", "--model.learning_rate", "1e-6"]
    begin = ["--model.start", str(tmp_path / "start"), "--model.head", "ensemble", "--model.members", "4"]
    assert main([*command, *begin, "--out", str(tmp_path / "begun")]) == 0
    options = ["--model.options", "{width: 16, layers: 2, heads: 4}"]
    assert main([*command, *options, "--out", str(tmp_path / "new")]) == 0
    label = predict(kept, rows).energy + 3.0 * rows.n_atoms
    begun, new = (Potential.from_pretrained(tmp_path / name) for name in ("begun", "new"))
    errors = [np.abs(predict(potential, rows).energy - label).mean() for potential in (begun, new)]
    assert errors[0] < 0.1 * errors[1]
    assert begun.level == "other"
    assert "begun from the weights of" in (tmp_path / "begun" / "README.md").read_text()
    assert "begun from" not in (tmp_path / "new" / "README.md").read_text()
    capsys.readouterr()


def test_another_network_than_that_of_the_start_is_refused(start: Potential, tmp_path: Path) -> None:
    start.save_pretrained(tmp_path)
    domain = {"references": FREE, "scale": 1.0, "level": None, "forces": False, "atoms": 3.0}
    for given in ({"network": "schnet"}, {"options": {"width": 32}}):
        with pytest.raises(ValueError, match="expected that of"):
            PotentialTraining(domain, start=str(tmp_path), **given)
    assert PotentialTraining(domain, start=str(tmp_path), options=SMALL).potential().config["options"] == SMALL


def test_a_start_that_is_not_there_stops_before_the_data_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["fit", "potential", "--data", str(tmp_path / "none.parquet"), "--out", str(tmp_path / "out")]
    assert main([*command, "--model.start", "nowhere"]) != 0
    assert "no checkpoint 'nowhere'" in capsys.readouterr().err

"""Trainings with heads: uncertainties that go with the noise, early stopping, and going on from older states."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")
pytest.importorskip("jsonargparse")

from ase.build import molecule  # noqa: E402
from pytorch_lightning import Callback  # noqa: E402

from molaug.cli import main  # noqa: E402
from molaug.potentials import Labelled, UncertainPotential  # noqa: E402
from molaug.structures import Structures  # noqa: E402
from molaug.training import fitting  # noqa: E402
from molaug.training.graph import fit_graph  # noqa: E402
from molaug.training.potential import fit_potential  # noqa: E402

SMALL = ["--model.options", "{width: 16, layers: 1, heads: 4}", "--batch_size", "16", "--split", "structure"]
SMALL += ["--model.warmup", "20", "--model.learning_rate", "1e-2", "--threads", "1"]


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        yield


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rattled water with labels that are exact, and methane with labels of much noise."""
    rng = np.random.default_rng(0)
    frames, energies = [], []
    for k in range(300):
        noisy = k % 2
        frame = molecule("CH4" if noisy else "H2O")
        shift = rng.normal(0, 0.03, frame.positions.shape)
        frame.positions += shift
        frames.append(frame)
        energies.append(-1000.0 * len(frame) + 10.0 * (shift**2).sum() + noisy * rng.normal(0, 1.0))
    path = tmp_path_factory.mktemp("labelled") / "rows.parquet"
    Structures.from_ase(frames).with_columns({"energy": energies}).to_parquet(path)
    return path


def fit(labelled: Path, out: Path, *options: str) -> Path:
    return fit_potential(["--data", str(labelled), "--out", str(out), *SMALL, *options])


@pytest.mark.parametrize("head", ["ensemble", "evidential"])
def test_a_head_learns_where_labels_scatter_and_is_calibrated(head: str, labelled: Path, tmp_path: Path) -> None:
    epochs = ["--trainer.max_epochs", "16", "--trainer.check_val_every_n_epoch", "16"]
    out = fit(labelled, tmp_path / head, "--model.head", head, "--model.members", "8", *epochs)
    uncertain, known = UncertainPotential.from_pretrained(out), Labelled.read(labelled, split="structure")
    assert uncertain.head is not None
    energy, sigma = uncertain(Structures.from_parquet(labelled))
    held = known.part("validation")
    z = (energy - known.energy)[held] / sigma[held]
    assert np.mean(z**2) == pytest.approx(1, rel=1e-3)
    methane = known.sizes == 5
    assert np.median(sigma[methane]) > 2 * np.median(sigma[~methane])
    card = (out / "README.md").read_text()
    assert "`val_nll`" in card
    assert "`test_sigma_auroc`" in card
    assert json.loads((out / "config.json").read_text())["head"]["kind"] == head


def test_a_training_stops_when_it_no_longer_gets_better(labelled: Path, tmp_path: Path) -> None:
    """Nothing changes at all where the learning rate is 0: the third validation is the second in vain."""
    options = ["--early_stopping", "2", "--trainer.max_epochs", "20", "--model.learning_rate", "0"]
    out = fit(labelled, tmp_path / "early", *options)
    assert json.loads((out / "training" / "result.json").read_text())["epochs"] == 3


class Interruption(Callback):
    """Ctrl-C at a step."""

    def on_train_batch_end(self, trainer: object, *_: object) -> None:
        if trainer.global_step == 20:
            raise KeyboardInterrupt


def interrupted(labelled: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Path:
    trainer = fitting.Trainer
    with monkeypatch.context() as patch:
        patch.setattr(
            fitting, "Trainer", lambda *, callbacks, **rest: trainer(callbacks=[*callbacks, Interruption()], **rest)
        )
        with pytest.raises(KeyboardInterrupt):
            fit(labelled, out, *options)
    return out / "training"


def test_patience_and_head_survive_an_interruption(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--early_stopping", "2", "--trainer.max_epochs", "20", "--model.learning_rate", "0"]
    options += ["--model.head", "ensemble", "--model.members", "4"]
    state = interrupted(labelled, tmp_path / "mine", monkeypatch, *options)  # in the second epoch
    fit(labelled, tmp_path / "mine", *options)
    assert json.loads((state / "result.json").read_text())["epochs"] == 3
    assert UncertainPotential.from_pretrained(tmp_path / "mine").potential.head.members == 4


def test_a_training_that_began_before_there_were_heads_goes_on(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = ["--trainer.max_epochs", "3"]
    state = interrupted(labelled, tmp_path / "mine", monkeypatch, *epochs)
    new = ("head", "members", "evidence_weight", "likelihood_from")
    kept = torch.load(state / "state.ckpt", weights_only=False)
    for name in new:
        del kept["hyper_parameters"][name]
    del kept["hyper_parameters"]["domain"]["atoms"]
    torch.save(kept, state / "state.ckpt")
    options = yaml.safe_load((state / "options.yaml").read_text())
    for name in new:
        del options["model"][name]
    del options["early_stopping"]
    (state / "options.yaml").write_text(yaml.safe_dump(options))
    fit(labelled, tmp_path / "mine", *epochs)
    assert json.loads((state / "result.json").read_text())["epochs"] == 3


def test_what_cannot_stop_early_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["fit", "potential", "--data", "nothing.parquet", "--early_stopping", "0"]
    assert main(command) != 0
    assert "early_stopping is 0; expected at least 1 validation" in capsys.readouterr().err
    with pytest.raises(ValueError, match="molaug fit graph has no error to stop by; leave --early_stopping out"):
        fit_graph(["--data", "nothing.csv", "--early_stopping", "3"])


def test_bad_options_of_heads_are_told(labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 members of the head 'ensemble'; expected at least 2"):
        fit(labelled, tmp_path / "a", "--model.head", "ensemble", "--model.members", "1")
    with pytest.raises(ValueError, match=r"likelihood_from is 2\.0; expected a share between 0 and 1"):
        fit(labelled, tmp_path / "b", "--model.likelihood_from", "2")

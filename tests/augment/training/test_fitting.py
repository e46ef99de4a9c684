"""``molaug fit graph``: a checkpoint and its card; interruptions cost nothing; changed options are told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback

from molaug import training
from molaug.generators.graph import load_pipeline
from molaug.registry import ConfigurationError
from molaug.training import fitting as module
from molaug.training.graph import fit_graph
from molaug.training.options import parse

NAMES = ["C" * n + tail for n in range(1, 8) for tail in ("O", "N", "=O", "C#N", "F", "C(C)C")]

OPTIONS = ["--batch_size=8", "--model.width=16", "--model.layers=1", "--model.heads=2", "--model.pair_width=4"]
OPTIONS += ["--model.validation_samples=64", "--model.validation_steps=2", "--trainer.max_epochs=3"]


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("molecules") / "some.csv"
    rows = [f"{name},{name.count('C')}" for name in NAMES]
    path.write_text("\n".join(["smiles,carbons", *rows, "C.C,2"]) + "\n")
    return path


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        yield


def fit(molecules: Path, out: Path, *options: str) -> Path:
    return fit_graph(["--data", str(molecules), "--out", str(out), *OPTIONS, *options])


def state_of(out: Path) -> dict:
    return torch.load(out / "training" / "state.ckpt", weights_only=False)


@pytest.fixture(scope="module")
def fitted(molecules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng():
        return fit(molecules, tmp_path_factory.mktemp("fitted") / "mine", "--conditions=[carbons]")


def test_the_checkpoint_draws(fitted: Path) -> None:
    pipeline = load_pipeline(fitted)
    assert pipeline.conditions == ("carbons",)
    assert len(pipeline(3, num_inference_steps=2, properties={"carbons": 3.0})) == 3


def test_the_checkpoint_holds_the_averaged_weights(fitted: Path) -> None:
    state, weights = state_of(fitted), load_pipeline(fitted).network.state_dict()
    differs = 0
    for name, value in weights.items():
        torch.testing.assert_close(value, state["state_dict"][f"network.{name}"].half().float())
        differs += not torch.equal(
            state["current_model_state"][f"network.{name}"], state["state_dict"][f"network.{name}"]
        )
    assert state["averaging_state"]["n_averaged"] == state["global_step"]
    assert differs == 0  # after the end there is one set of weights


def test_the_card_tells_what_was_measured(fitted: Path) -> None:
    card, result = (fitted / "README.md").read_text(), json.loads((fitted / "training" / "result.json").read_text())
    assert "# mine" in card
    assert "1 × several fragments" in card
    counts = [int(n) for n in re.search(r"(\d+) train, (\d+) validation, (\d+) test", card).groups()]
    assert sum(counts) == len(set(NAMES))
    steps = counts[0] // 8 * 3
    assert (result["steps"], result["epochs"], result["molecules"]) == (steps, 3, steps * 8)
    assert {"val_loss", "val_atoms", "val_bonds", "sampled_valid"} <= set(result["metrics"])
    assert f"| `val_loss` | {result['metrics']['val_loss']:.4f} |" in card
    assert "threads" in card
    assert "molaug fit graph --data" in card
    assert "carbons: mean" in card


def test_the_log_has_losses_and_samples(fitted: Path) -> None:
    header = next((fitted / "training" / "logs").glob("*/metrics.csv")).read_text().splitlines()[0]
    assert {"val_loss", "sampled_valid", "sampled_unique", "sampled_unknown"} <= set(header.split(","))


def test_a_complete_training_is_left_alone(
    fitted: Path, molecules: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "Trainer", None)
    fit(molecules, fitted, "--conditions=[carbons]")
    assert "is complete" in capsys.readouterr().out


def test_other_options_in_the_same_folder_are_told(fitted: Path, molecules: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.bond_weight was 5\.0, is now 2\.0.*--fresh"):
        fit(molecules, fitted, "--conditions=[carbons]", "--model.bond_weight=2")


def test_other_molecules_in_the_same_file_are_told(fitted: Path, molecules: Path, tmp_path: Path) -> None:
    text = molecules.read_text()
    try:
        molecules.write_text(text + "CCBr,2\n")
        with pytest.raises(ValueError, match=r"facts\.types was \['C', 'N', 'O', 'F'\]"):
            fit(molecules, fitted, "--conditions=[carbons]")
    finally:
        molecules.write_text(text)


class Interruption(Callback):
    """Ctrl-C at some step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: object, *_: object) -> None:
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


def interrupted(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    trainer = module.Trainer

    def with_interruption(*, callbacks: list, **options: object) -> object:
        return trainer(callbacks=[*callbacks, Interruption(step)], **options)

    monkeypatch.setattr(module, "Trainer", with_interruption)


def test_an_interrupted_training_goes_on_to_the_same_end(
    molecules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "parts"
    fit(molecules, whole)
    with monkeypatch.context() as patch:
        interrupted(patch, 6)
        with pytest.raises(KeyboardInterrupt):
            fit(molecules, out)
    broken = state_of(out)
    assert broken["global_step"] == 6
    assert not (out / "README.md").exists()
    # the state has both sets of weights, and they differ
    assert any(not torch.equal(v, broken["current_model_state"][k]) for k, v in broken["state_dict"].items())
    capsys.readouterr()
    fit(molecules, out)
    assert "going on from" in capsys.readouterr().err
    one, other = state_of(whole), state_of(out)
    assert one["global_step"] == other["global_step"]
    results = [json.loads((folder / "training" / "result.json").read_text()) for folder in (whole, out)]
    assert results[0]["molecules"] == results[1]["molecules"]
    assert results[0]["epochs"] == results[1]["epochs"]
    for name, value in one["state_dict"].items():
        start = broken["state_dict"][name]
        # other batches and noise, but the same way: the two ends are nearer to each other than to the middle, or near
        assert float((value - other["state_dict"][name]).abs().max()) < 0.05 + float((value - start).abs().max())


def test_fresh_begins_anew(fitted: Path, molecules: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(fitted, out)
    before = (out / "training" / "result.json").read_text()
    fit(molecules, out, "--fresh", "--trainer.max_epochs=1")
    assert json.loads((out / "training" / "result.json").read_text())["epochs"] == 1
    assert json.loads(before)["epochs"] == 3


def test_the_permutation_invariant_mode_half_precision_and_tensorboard(molecules: Path, tmp_path: Path) -> None:
    options = ["--model.ordered=false", "--trainer.precision=bf16-mixed", "--log=tensorboard", "--trainer.max_epochs=1"]
    out = fit(molecules, tmp_path / "out", *options)
    assert load_pipeline(out).network.place is None
    assert list((out / "training" / "logs").glob("*/events.out.*"))


def test_weights_are_averaged_as_the_formula_says(
    molecules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from molaug.generators.learned.averaging import decay_at

    kept: list[torch.Tensor] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: object, pl_module: object, *_: object) -> None:
            kept.append(pl_module.network.atom_head.weight.detach().clone())

    trainer = module.Trainer
    monkeypatch.setattr(module, "Trainer", lambda *, callbacks, **o: trainer(callbacks=[*callbacks, Watch()], **o))
    out = fit(molecules, tmp_path / "out", "--trainer.max_epochs=2")
    average = kept[0]
    for n, weights in enumerate(kept[1:], 1):
        d = decay_at(n, 0.999)
        average = d * average + (1 - d) * weights
    torch.testing.assert_close(state_of(out)["state_dict"]["network.atom_head.weight"], average)


@pytest.mark.slow
def test_two_devices_share_the_work(molecules: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    devices = ["--threads=1", "--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
    command = [sys.executable, "-m", "molaug.cli", "fit", "graph", "--data", str(molecules), "--out", str(out)]
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *OPTIONS, *devices], capture_output=True, text=True, timeout=600, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written:") == 1
    assert "in each of 2 processes" in (out / "README.md").read_text()
    assert np.isfinite(json.loads((out / "training" / "result.json").read_text())["metrics"]["val_loss"])


def options(*given: str) -> object:
    from molaug.generators.graph import GraphData, GraphFlow

    return parse("graph", ["--data", "x.smi", *given], data=GraphData, model=GraphFlow)


def test_options_reach_data_model_and_trainer(tmp_path: Path) -> None:
    file = tmp_path / "some.yaml"
    file.write_text("model:\n  width: 48\ntrainer:\n  max_epochs: 7\n")
    parsed = options("--config", str(file), "--max-heavy", "9", "--conditions=[a,b]", "--trainer.max_time=00:01:00:00")
    assert (parsed.max_heavy, parsed.conditions, parsed.model.width) == (9, ["a", "b"], 48)
    assert (parsed.trainer.max_epochs, parsed.trainer.max_time, parsed.trainer.gradient_clip_val) == (
        7,
        "00:01:00:00",
        1.0,
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--model.widht=3"], r"no option --model\.widht; did you mean '--model\.width'\?"),
        (["--max-havy=3"], "did you mean '--max_heavy'"),
        (["--model.width=wide"], "model.width"),
        (["--log=wandb"], "wandb"),
    ],
)
def test_wrong_options_are_told(given: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        options(*given)


def test_data_must_be_given() -> None:
    with pytest.raises(ConfigurationError, match="data"):
        fit_graph([])


def test_unknown_names_are_told() -> None:
    assert "graph" in training.listing()
    with pytest.raises(ConfigurationError, match="'grahp' can be trained; did you mean 'graph'"):
        training.fit("grahp", [])

"""``molaug fit diffusion``: a checkpoint and its card; interruptions cost nothing; changed options are told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback

from molaug import training
from molaug.generators.diffusion import Geometries, load_pipeline
from molaug.registry import ConfigurationError
from molaug.structures import Structures
from molaug.training import fitting as module
from molaug.training.diffusion import fit_diffusion

OPTIONS = ["--batch_size=16", "--model.width=16", "--model.layers=1", "--model.heads=2", "--model.pair_width=4"]
OPTIONS += ["--model.move_width=8", "--model.moves=1", "--model.validation_samples=8", "--model.validation_steps=2"]
OPTIONS += ["--trainer.max_epochs=2"]


@pytest.fixture(scope="module")
def file(small_molecules: Structures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    hydrogen = Structures.from_arrays([[1, 1]], [[[0, 0, 0], [0, 0, 0.74]]], smiles=["[H][H]"])
    whole = Structures.concat([small_molecules, hydrogen.with_columns({"refractivity": [0.0]})])
    return whole.to_parquet(tmp_path_factory.mktemp("molecules") / "some.parquet")


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        yield


def fit(file: Path, out: Path, *options: str) -> Path:
    return fit_diffusion(["--data", str(file), "--out", str(out), *OPTIONS, *options])


def state_of(out: Path) -> dict:
    return torch.load(out / "training" / "state.ckpt", weights_only=False)


@pytest.fixture(scope="module")
def fitted(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng():
        return fit(file, tmp_path_factory.mktemp("fitted") / "mine", "--conditions=[refractivity]")


def test_the_checkpoint_draws(fitted: Path) -> None:
    pipeline = load_pipeline(fitted)
    assert pipeline.conditions == ("refractivity",)
    samples = pipeline(3, num_inference_steps=2, properties={"refractivity": 12.0})
    assert len(samples.structures()) == 3


def test_the_checkpoint_holds_the_averaged_weights(fitted: Path) -> None:
    state, weights = state_of(fitted), load_pipeline(fitted).network.state_dict()
    for name, value in weights.items():
        torch.testing.assert_close(value, state["state_dict"][f"network.{name}"].half().float())
        assert torch.equal(state["current_model_state"][f"network.{name}"], state["state_dict"][f"network.{name}"])
    assert state["averaging_state"]["n_averaged"] == state["global_step"]


def test_the_card_tells_what_was_measured(fitted: Path) -> None:
    card, result = (fitted / "README.md").read_text(), json.loads((fitted / "training" / "result.json").read_text())
    assert "# mine" in card
    assert "1 × atom H is no heavy atom" in card
    counts = [int(n) for n in re.search(r"(\d+) train, (\d+) validation, (\d+) test", card).groups()]
    assert sum(counts) == 60
    steps = counts[0] // 16 * 2
    assert (result["steps"], result["epochs"], result["molecules"]) == (steps, 2, steps * 16)
    named = {"val_loss", "val_atoms", "val_bonds", "val_coordinates", "sampled_graph", "sampled_strict"}
    assert named <= set(result["metrics"])
    assert all(f"| `{name}` | {result['metrics'][name]:.4f} |" in card for name in named)
    assert "molaug fit diffusion --data" in card
    assert "refractivity: mean" in card


def test_the_example_of_the_card_runs(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (fitted / "README.md").read_text(), flags=re.DOTALL)
    exec(example.replace("(100, seed=0)", "(2, num_inference_steps=2)"), {})
    assert "2 structures" in capsys.readouterr().out


def test_a_complete_training_is_left_alone(
    fitted: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "Trainer", None)
    fit(file, fitted, "--conditions=[refractivity]")
    assert "is complete" in capsys.readouterr().out


def test_other_options_in_the_same_folder_are_told(fitted: Path, file: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.coordinate_weight was 1\.0, is now 2\.0.*--fresh"):
        fit(file, fitted, "--conditions=[refractivity]", "--model.coordinate_weight=2")


class Interruption(Callback):
    """Ctrl-C at some step."""

    def on_train_batch_end(self, trainer: object, *_: object) -> None:
        if trainer.global_step == 4:
            raise KeyboardInterrupt


def test_an_interrupted_training_goes_on_from_a_compact_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compact, out = tmp_path / "some.geometries.npz", tmp_path / "out"
    Geometries.read(file).save(compact)
    trainer = module.Trainer
    with monkeypatch.context() as patch:
        patch.setattr(module, "Trainer", lambda *, callbacks, **o: trainer(callbacks=[*callbacks, Interruption()], **o))
        with pytest.raises(KeyboardInterrupt):
            fit(compact, out)
    broken = state_of(out)
    assert broken["global_step"] == 4
    assert not (out / "README.md").exists()
    assert any(not torch.equal(v, broken["current_model_state"][k]) for k, v in broken["state_dict"].items())
    capsys.readouterr()
    fit(compact, out)
    assert "going on from" in capsys.readouterr().err
    result = json.loads((out / "training" / "result.json").read_text())
    assert result["epochs"] == 2
    assert result["molecules"] == 16 * result["steps"] > 16 * 4
    assert load_pipeline(out).conditions == ()


def test_modes_half_precision_and_tensorboard(file: Path, tmp_path: Path) -> None:
    options = ["--model.absolute=false", "--trainer.precision=bf16-mixed", "--log=tensorboard"]
    out = fit(file, tmp_path / "out", *options, "--trainer.max_epochs=1", "--model.fragment_share=0.5")
    assert load_pipeline(out).network.coordinate is None
    assert list((out / "training" / "logs").glob("*/events.out.*"))


def test_it_is_among_what_can_be_trained() -> None:
    assert "diffusion" in training.listing()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--model.widht=3"], r"no option --model\.widht; did you mean '--model\.width'\?"),
        (["--max-atmos=3"], "did you mean '--max_atoms'"),
        (["--model.width=wide"], "model.width"),
    ],
)
def test_wrong_options_are_told(file: Path, tmp_path: Path, given: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fit(file, tmp_path, *given)


def test_data_must_be_given() -> None:
    with pytest.raises(ConfigurationError, match="data"):
        fit_diffusion([])


def test_a_column_that_is_not_there_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no source has a column 'gap'"):
        fit(file, tmp_path, "--conditions=[gap]")

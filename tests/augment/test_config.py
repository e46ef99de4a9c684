"""What is written in a configuration is understood as a whole, or refused with words that help."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from molaug.augmenter import Augmenter
from molaug.config import Config, load_config
from molaug.filters import DOptimal, FarthestPoint
from molaug.potentials.features import PotentialFeatures
from molaug.registry import ConfigurationError


def test_nothing_means_the_defaults() -> None:
    assert load_config(None) == Config() == load_config({})


def test_the_configuration_has_the_arguments_of_the_augmenter_and_their_defaults() -> None:
    assert list(Config.model_fields) == [field.name for field in fields(Augmenter)]
    assert Augmenter.from_config(Config()).resolved() == Augmenter().resolved()


def test_every_key_is_described() -> None:
    assert all(field.description for field in Config.model_fields.values())


def test_a_file_is_read_and_overridden(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("budget: 7\nseed: 3\ngenerators:\n- amons\n- conformers: {n: 2}\n")
    config = load_config(file, {"seed": 4})
    assert (config.budget, config.seed) == (7, 4)
    assert config.generators == ["amons", {"conformers": {"n": 2}}]
    file.write_text("")
    assert load_config(str(file)) == Config()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bugdet": 5}, "unknown key 'bugdet'; did you mean 'budget'? Known: base"),
        ({"xyzzy": 5}, "unknown key 'xyzzy'; known: base"),
        ({"budget": "many"}, "budget is 'many'; input should be a valid integer"),
        ({"budget": -1}, "budget is -1; input should be greater than or equal to 0"),
        ({"emit": "everything"}, "emit is 'everything'; input should be 'base+new' or 'new'"),
        ({"generators": "amons"}, "generators is 'amons'; input should be a valid list"),
        ({"generators": [3]}, "generators is [3]"),
        ({"parents_per_shard": 0}, "parents_per_shard is 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_config(values)
    assert message in str(error.value)


def test_a_wrong_type_comes_with_what_the_key_means() -> None:
    with pytest.raises(ConfigurationError, match="Structures to label at most; null for all"):
        load_config({"budget": "many"})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"run\.yaml: no such configuration file"):
        load_config(tmp_path / "run.yaml")


@pytest.mark.parametrize(
    ("text", "message"), [("- a\n- b", "holds list; expected a mapping"), ("a: [1", "is no YAML"), ("7", "holds int")]
)
def test_a_file_of_something_else_is_told(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_config(file)


@pytest.mark.parametrize(
    "select",
    [
        {"farthest-point": {"features": "morgan"}},
        {"d-optimal": {"features": {"potential": {"checkpoint": "mine", "average": False}}, "ridge": 0.01}},
        DOptimal(features=PotentialFeatures(checkpoint="mine")),
        FarthestPoint(features="morgan"),
    ],
    ids=str,
)
def test_what_is_resolved_reads_back_as_itself(select: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = tmp_path / "checkpoints" / "mine"
    checkpoint.mkdir(parents=True)
    (checkpoint / "config.json").write_text('{"molaug": "potential"}')  # a plan looks whether it is there
    monkeypatch.setenv("MOLAUG_CHECKPOINTS", str(checkpoint.parent))
    given = Augmenter(
        base="g2",
        generators=[{"conformers": {"n": 3, "prune_rms": 0.2}}, {"amons": {"max_heavy": 5}}],
        filters=[{"validity": {"elements": ["H", "C"]}}, "redundancy"],
        select=select,
        budget=None,
        relax={"fmax": 0.1, "optimizer": "fire"},
        label={"calculator": "gfn1-xtb", "options": {"accuracy": 0.1}, "max_force": None},
        base_labels="mixed",
        formats=["extxyz"],
        label_time_limit=None,
    )
    resolved = given.resolved()
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(resolved, sort_keys=False))
    again = Augmenter.from_config(load_config(file))
    assert again.resolved() == resolved
    assert again.plan().select == given.plan().select

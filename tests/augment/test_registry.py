"""Parts are built from names and options, and what is not known is answered with what is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from molaug.filters.features import Distances, Features, Morgan
from molaug.filters.filter import Filter, Selector
from molaug.filters.selection import Random, Stratified
from molaug.filters.uncertainty.model import UncertainModel
from molaug.generators.conformers import Conformers
from molaug.generators.generator import Generator
from molaug.potentials.features import PotentialFeatures
from molaug.registry import (
    FEATURES,
    FILTERS,
    GENERATORS,
    SELECTORS,
    ConfigurationError,
    build,
    instantiate,
    locate,
    nearest,
    specification,
)
from molaug.structures import Structures

ALL = [(known, name) for known in (GENERATORS, FILTERS, SELECTORS) for name in known]


@dataclass(frozen=True, kw_only=True)
class Even:
    """Takes even numbers only."""

    number: int = 2

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"number {self.number}; expected an even one")


@dataclass(frozen=True, kw_only=True)
class Certain:
    """A model that is sure of everything."""

    energy: float = 0.0
    name: str = "certain"

    def __call__(self, rows: Structures) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(rows), self.energy), np.zeros(len(rows))


@dataclass(frozen=True, kw_only=True)
class Compound:
    """Something that is made of other parts."""

    features: Features | str
    model: UncertainModel | None = None
    parts: tuple[Selector, ...] = ()
    number: int = 1


@pytest.mark.parametrize(("known", "name"), ALL, ids=[name for _, name in ALL])
def test_every_registered_name_builds_a_part_of_its_protocol(known: Mapping[str, str], name: str) -> None:
    part = build(known, name, "part")
    protocol = {id(GENERATORS): Generator, id(FILTERS): Filter, id(SELECTORS): Selector}[id(known)]
    assert isinstance(part, protocol)


@pytest.mark.parametrize(("known", "name"), ALL, ids=[name for _, name in ALL])
def test_the_specification_of_a_part_builds_it_again(known: Mapping[str, str], name: str) -> None:
    part = build(known, name, "part")
    plain = specification(part, known)
    assert list(plain) == [name]
    assert build(known, plain, "part") == part


def test_a_part_may_be_anyones() -> None:
    part = build(GENERATORS, {f"{__name__}:Even": {"number": 4}}, "generator")
    assert part == Even(number=4)
    assert specification(part, GENERATORS) == {f"{__name__}:Even": {"number": 4}}
    assert build(GENERATORS, part, "generator") is part


COMPOUND = f"{__name__}:Compound"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Compound(features=Distances())),
        ({"features": "morgan", "number": 3}, Compound(features=Morgan(), number=3)),
        (
            {"features": {"potential": {"average": False}}, "model": {f"{__name__}:Certain": {"energy": 2}}},
            Compound(features=PotentialFeatures(average=False), model=Certain(energy=2.0)),
        ),
        (
            {"parts": ["random", {"stratified": {}}], "model": None},
            Compound(features=Distances(), parts=(Random(), Stratified())),
        ),
        ({"features": Morgan(), "model": Certain()}, Compound(features=Morgan(), model=Certain())),
    ],
)
def test_options_that_are_parts_are_built_and_written_back(options: dict[str, Any], expected: Compound) -> None:
    part = build({}, {COMPOUND: options}, "part")
    assert part == expected
    plain = yaml.safe_load(yaml.safe_dump(specification(part, {})))
    assert build({}, plain, "part") == part
    assert specification(build({}, plain, "part"), {}) == plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "morgen"}, "unknown features 'morgen'; did you mean 'morgan'? Known: "),
        ({"features": {"potential": {"averages": True}}}, "potential: unknown option 'averages'; did you mean 'ave"),
        ({"model": "comittee"}, "unknown model 'comittee'; did you mean 'committee'? Known: "),
        ({"parts": "random"}, "selectors are 'random'; expected a sequence"),
        ({"parts": ["randon"]}, "unknown selector 'randon'; did you mean 'random'? Known: "),
    ],
)
def test_a_part_in_a_part_that_is_not_known_is_answered(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        build({}, {COMPOUND: options}, "part")
    assert str(error.value).startswith(f"part {COMPOUND}: ")
    assert message in str(error.value)


@pytest.mark.parametrize("name", FEATURES)
def test_every_registered_feature_is_one(name: str) -> None:
    part = build(FEATURES, name, "features")
    assert isinstance(part, Features)
    assert part.name == name
    assert build(FEATURES, specification(part, FEATURES), "features") == part


def test_options_are_taken_and_may_be_none() -> None:
    assert build(GENERATORS, {"conformers": {"prune_rms": None}}, "generator") == Conformers(prune_rms=None)
    assert build(GENERATORS, {"conformers": None}, "generator") == Conformers()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("conformer", "unknown generator 'conformer'; did you mean 'conformers'? Known: amons, conformers"),
        (
            "qqq",
            "dynamics, torsions, perturb, graph, diffusion, diffusion-conformers; or 'package.module:Class'",
        ),
        ({"conformers": {"prune_rmsd": 1}}, "generator conformers: unknown option 'prune_rmsd'; did you mean 'prune"),
        ({"conformers": {"ensemble": "few"}}, "generator conformers: option 'ensemble' is 'few'; input should be"),
        ({"conformers": [1]}, "generator conformers: options are [1]; expected a mapping of names to values"),
        ({"amons": {}, "conformers": {}}, "expected one name with its options"),
        ("ase.nowhere:Thing", "'ase.nowhere:Thing' cannot be imported"),
        ("ase.atoms:Molecule", "'ase.atoms:Molecule' cannot be imported"),
        ({f"{__name__}:Even": {"number": 3}}, "expected an even one"),
    ],
)
def test_what_is_not_known_is_answered(spec: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        build(GENERATORS, spec, "generator")
    assert message in str(error.value)


def test_the_nearest_name_comes_first() -> None:
    assert nearest("b", {"abc": "", "bb": ""}) == "did you mean 'bb'? Known: abc, bb"
    assert nearest("zzz", ["abc", "bb"]) == "known: abc, bb"


def test_a_class_that_is_no_dataclass_is_called() -> None:
    assert instantiate(dict, {"a": 1}, "thing") == {"a": 1}


def test_a_package_that_a_part_lacks_speaks_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy_part.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_package_that_nobody_has"):
        locate("needy_part:Part")
    sys.modules.pop("needy_part", None)

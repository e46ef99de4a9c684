"""Parts are built from names and options, and what is not known is answered with what is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from molaug.filters.filter import Filter, Selector
from molaug.generators.conformers import Conformers
from molaug.generators.generator import Generator
from molaug.registry import (
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

ALL = [(known, name) for known in (GENERATORS, FILTERS, SELECTORS) for name in known]


@dataclass(frozen=True, kw_only=True)
class Even:
    """Takes even numbers only."""

    number: int = 2

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"number {self.number}; expected an even one")


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

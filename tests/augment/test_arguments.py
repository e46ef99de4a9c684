"""Options of the command line as plain values."""

from __future__ import annotations

import pytest

from molaug.arguments import check_owners, pair, part, plain, with_options
from molaug.registry import ConfigurationError


def test_values_are_those_of_yaml() -> None:
    assert [plain(text) for text in ("3", "1e-3", "1.0e-3", "true", "null", "a", "[1, b]", "{a: 1}", "'3'")] == [
        3,
        "1e-3",  # YAML wants a point
        0.001,
        True,
        None,
        "a",
        [1, "b"],
        {"a": 1},
        "3",
    ]


def test_a_value_may_hold_an_equals_sign() -> None:
    assert pair("key=a=b") == ("key", "a=b")


@pytest.mark.parametrize("text", ["key", "=3", "key=[", "key={"])
def test_what_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError):
        pair(text)


def test_parts_with_options() -> None:
    assert part("morgan", []) == "morgan"
    assert part("potential", ["average=false"]) == {"potential": {"average": False}}
    texts = ["features.average=false", "model.by=head"]
    assert part("potential", texts, owner="features") == {"potential": {"average": False}}
    assert part("committee", texts, owner="model") == {"committee": {"by": "head"}}
    assert part("committee", texts[:1], owner="model") == "committee"
    assert with_options(["a", {"b": {"x": 1}}, {"c": None}], ["b.y=2", "a.z=3"], None) == [
        {"a": {"z": 3}},
        {"b": {"x": 1, "y": 2}},
        "c",
    ]


def test_options_have_an_owner() -> None:
    check_owners(["model.by=head"], ["model", "features"])
    for text in ("by=head", "modl.by=head", "model=x"):
        with pytest.raises(ConfigurationError, match="expected PART"):
            check_owners([text], ["model"])
    with pytest.raises(ConfigurationError, match="no part 'x' is used"):
        with_options(["a"], ["x.y=1"], None)

"""The funnel counts each row once, by its generator and by who rejected it."""

from __future__ import annotations

import json

import pytest

from molaug.funnel import Funnel, Tally, kind_of
from molaug.structures import Structures

STAGES = ("generation", "validity", "redundancy", "selection", "label")

ROWS = [
    ("amons", None),
    ("amons", None),
    ("amons", "amons: same conformer: as that of parent atoms 1, 2"),
    ("amons", "validity: atoms 3 and 7 are 0.82 Å apart"),
    ("amons", "validity: atoms 1 and 2 are 0.40 Å apart"),
    ("conformers", "redundancy: known molecule (base)"),
    ("conformers", "label: took longer than 600 s"),
    ("conformers", None),
]


def rows(which: list[tuple[str, str | None]]) -> Structures:
    origins, reasons = zip(*which, strict=True)
    return Structures.from_arrays(
        [[2]] * len(which),
        [[[float(k), 0, 0]] for k in range(len(which))],
        origin=list(origins),
        reason=list(reasons),
    )


@pytest.fixture
def funnel() -> Funnel:
    tally = Tally(["amons", "conformers", "idle"])
    tally.add(rows(ROWS))
    return tally.funnel(STAGES, {"read": 6, "emitted": 5})


def test_what_is_proposed_is_emitted_or_rejected(funnel: Funnel) -> None:
    assert funnel.proposed == {"amons": 5, "conformers": 3, "idle": 0}
    assert funnel.emitted == {"amons": 2, "conformers": 1, "idle": 0}
    assert funnel.rejected["amons"] == {"amons": 1, "validity": 2}


def test_the_table_narrows_from_stage_to_stage(funnel: Funnel) -> None:
    assert funnel.table() == [
        ["generator", "proposed", *(f"after {stage}" for stage in STAGES)],
        ["amons", "5", "4", "2", "2", "2", "2"],
        ["conformers", "3", "3", "3", "2", "2", "1"],
        ["idle", "0", "0", "0", "0", "0", "0"],
        ["all", "8", "7", "5", "4", "4", "3"],
    ]


def test_the_order_in_which_rows_come_does_not_matter(funnel: Funnel) -> None:
    tally = Tally(["amons", "conformers", "idle"])
    for row in reversed(ROWS):
        tally.add(rows([row]))
    assert tally.funnel(STAGES, {"read": 6, "emitted": 5}).to_json() == funnel.to_json()


def test_reasons_that_differ_in_numbers_are_of_one_kind(funnel: Funnel) -> None:
    assert funnel.reasons["amons"]["validity: atoms # and # are # Å apart"] == 2
    assert kind_of("label: took longer than 600 s") == "label: took longer than # s"


def test_long_reasons_are_cut_at_a_word() -> None:
    kind = kind_of("label: " + "words " * 40)
    assert kind.endswith("words …")
    assert len(kind) < 80


def test_the_text_is_aligned_and_names_the_commonest_reasons_first(funnel: Funnel) -> None:
    lines = funnel.text().splitlines()
    assert len({len(line) for line in lines[:5]}) == 1
    assert lines[5] == "base: 6 read, 5 emitted"
    assert lines[6].split() == ["amons:", "2", "validity:", "atoms", "#", "and", "#", "are", "#", "Å", "apart"]


def test_json_holds_everything(funnel: Funnel) -> None:
    plain = json.loads(funnel.to_json())
    assert plain["stages"] == list(STAGES)
    assert plain["emitted"] == funnel.emitted
    assert plain["rejected"]["conformers"] == {"label": 1, "redundancy": 1}
    assert plain["base"] == {"read": 6, "emitted": 5}


def test_nothing_is_counted_as_nothing() -> None:
    empty = Tally([]).funnel((), {})
    assert empty.table() == [["generator", "proposed"], ["all", "0"]]

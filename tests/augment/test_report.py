"""The page of a run: whole, self-contained, the same for equal runs, true to the counts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rdkit import Chem

from molaug import Structures
from molaug.charts import grouped_bars, histogram, stacked_bars
from molaug.citations import METHODS, methods_of
from molaug.funnel import Tally
from molaug.generators import Conformers
from molaug.report import drawings, render, write_report
from molaug.structures.calculators import CALCULATORS
from molaug.structures.datasets import Card, write_dataset

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Strict(HTMLParser):
    """Fails on a tag that is not closed, or closed twice."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser.seen


@pytest.fixture(scope="module")
def rows() -> Structures:
    base = Structures.from_rdkit([Chem.MolFromSmiles(s) for s in ("CCO", "CCN")], origin="mine")
    return base.with_columns({"energy": [-90.0, -80.0], "level": ["a level"] * 2})


@pytest.fixture(scope="module")
def made(rows: Structures) -> Structures:
    new = Structures.concat(Conformers(ensemble=2).propose(rows, 3, seed=0))
    return new.with_columns({"energy": [-89.0] * len(new), "level": ["a level"] * len(new)})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, rows: Structures, made: Structures) -> tuple[Path, Tally]:
    folder = tmp_path_factory.mktemp("run")
    tally = Tally(["conformers"])
    tally.add(made)
    properties = {"energy": {"unit": "eV"}, "forces": {"unit": "eV/Å"}, "force_field_energy": {"unit": "eV"}}
    card = Card(name="mine", title="Mine & <yours>", citation=["A. Uthor, J. Mol. 1, 1 (2000)"], properties=properties)
    alive = made.filter(made.alive)
    write_dataset(
        [Structures.concat([rows, alive])], folder / "dataset", card.model_copy(update={"levels": ["a level"]})
    )
    (folder / "config.yaml").write_text("base: mine\ngenerators:\n- conformers: {optimize: mmff94s}\nlabel: gfn2-xtb\n")
    return folder, tally


def page_of(run: tuple[Path, Tally]) -> str:
    folder, tally = run
    card = Card.from_yaml(folder / "dataset" / "card.yaml")
    return write_report(folder, tally.funnel(("generation", "selection"), {"read": 2}), card).read_text("utf-8")


def test_the_page_is_well_formed_and_needs_nothing_else(run: tuple[Path, Tally]) -> None:
    page = page_of(run)
    seen = tags(page)
    assert {tag for tag, _ in seen}.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not re.search(r"""(src|href)=["'](?!#)|url\(|@import""", page)


def test_equal_runs_give_equal_pages(run: tuple[Path, Tally]) -> None:
    assert page_of(run) == page_of(run)


def test_names_are_escaped(run: tuple[Path, Tally]) -> None:
    page = page_of(run)
    assert "Mine &amp; &lt;yours&gt;" in page
    assert "<yours>" not in page


def test_the_counts_are_those_of_the_funnel(run: tuple[Path, Tally], made: Structures) -> None:
    page = page_of(run)
    kept = int(made.alive.sum())
    assert f"<b>{kept}</b><span>new structures</span>" in page
    assert f"conformers: {kept} in the dataset" in page
    for reason in run[1].reasons["conformers"]:
        assert reason in page


def test_configuration_and_citations_are_shown(run: tuple[Path, Tally]) -> None:
    page = page_of(run)
    assert "optimize: mmff94s" in page
    for text in ("A. Uthor", METHODS["conformers"], METHODS["mmff94s"], METHODS["gfn2-xtb"]):
        assert text in page
    assert METHODS["amons"] not in page


def test_a_run_without_new_rows_has_a_page() -> None:
    page = render([], Tally(["amons"]).funnel(("generation",), {}), Card(name="empty"))
    tags(page)
    assert "There are none with a bond graph" in page
    assert "Energy per atom" not in page


def test_unlabelled_rows_have_no_energies(rows: Structures) -> None:
    bare = rows.with_columns({"energy": [None, None], "level": [None, None]})
    page = render([bare], Tally(["amons"]).funnel(("generation",), {}), Card(name="bare"))
    assert "Heavy atoms" in page
    assert "Energy per atom" not in page


def test_distributions_are_shown_for_each_generator(run: tuple[Path, Tally]) -> None:
    page = page_of(run)
    assert "<h2>Distributions against the base</h2>" in page
    section = page.split("<h2>Distributions against the base</h2>")[1].split("<h2>")[0]
    assert "<h3>conformers</h3>" in section
    assert "Compared: 2 of 2 rows of base, 2 of 2 rows of conformers" in section
    assert '<td>bond length</td><td>C-H</td><td>Å</td><td class="n">0</td>' in section  # the base has no geometries
    assert "too few" in section


def test_the_base_of_the_run_is_compared_where_the_dataset_holds_none(rows: Structures, made: Structures) -> None:
    alive = made.filter(made.alive)
    tally = Tally(["conformers"])
    tally.add(made)
    funnel = tally.funnel(("generation",), {})
    alone = render([alive], funnel, Card(name="new"))
    assert "Distributions against the base" not in alone
    geometries = alive.with_columns({"origin": "mine"})
    page = render([alive] * 10, funnel, Card(name="new"), base=[geometries] * 10)
    tags(page)
    section = page.split("<h2>Distributions against the base</h2>")[1].split("<h2>")[0]
    assert re.search(r"JS 0 \(0[.][0-9]+ by chance\), KL 0 bits, W1 0 Å; \d+ values of the base, \d+ new", section)


def test_drawings_skip_what_cannot_be_read() -> None:
    drawn = drawings({"C1CC": 1, "CCO": 2, "c1ccccc1": 1}, {"CCO": "amons"}, n=1)
    assert [(d.smiles, d.origin, d.rows) for d in drawn] == [("CCO", "amons", 2)]
    assert drawn[0].svg.startswith("<svg")


def test_bars_are_proportional_to_counts() -> None:
    svg = stacked_bars({"a": [("x", 300), ("y", 100)]}, {"x": "#000", "y": "#111"})
    wide, narrow = (float(w) + 1 for w in re.findall(r'<rect [^>]*width="([\d.]+)"', svg))
    assert wide / narrow == pytest.approx(3, rel=1e-3)


def test_charts_of_nothing_are_empty_but_whole() -> None:
    for svg in (stacked_bars({}, {}), grouped_bars([], {"base": []}, "none"), histogram({}, "none", "eV")):
        tags(svg)


def test_every_calculator_has_a_reference() -> None:
    assert set(CALCULATORS) <= set(METHODS)


def test_references_follow_the_parts_of_a_configuration() -> None:
    assert list(methods_of({"generators": ["conformers"], "label": None})) == ["conformers"]
    assert methods_of({"generators": ["mine.module:Mine"], "base": "amons"}) == {}

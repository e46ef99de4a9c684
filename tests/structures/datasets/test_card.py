"""Cards: round trips, closed keys, errors that help."""

from __future__ import annotations

import pytest

from molaug.structures.datasets import Card, Counts, Property, Provenance, known

FULL = Card(
    name="demo",
    title="A demonstration",
    description="Größe in Å: two lines\nof text",
    levels=["b3lyp/6-31g(2df,p)"],
    properties={"energy": Property(unit="eV", description="total energy")},
    licence="CC0-1.0",
    citation=["A. Author, J. Chem. 1, 1 (2020)"],
    counts=Counts(structures=3, molecules=2),
    elements=["H", "C"],
    atomic_references={"b3lyp/6-31g(2df,p)": {"H": -13.6}},
    files={"shards/part-00000.parquet": "0" * 64},
    provenance=Provenance(origins={"conformers": 3}, command="molaug augment", version="0.1.0", seed=7),
)


def test_yaml_round_trip(tmp_path):
    assert Card.from_yaml(FULL.to_yaml()) == FULL
    path = tmp_path / "card.yaml"
    path.write_text(FULL.to_yaml(), encoding="utf-8")
    assert Card.from_yaml(path) == FULL
    assert Card.from_yaml(path).to_yaml() == FULL.to_yaml()


@pytest.mark.parametrize("entry", known(), ids=lambda entry: entry.card.name)
def test_known_cards_are_complete(entry):
    card = entry.card
    assert Card.from_yaml(card.to_yaml()) == card
    assert card.title
    assert card.description
    assert card.licence
    assert card.citation
    assert card.url
    assert card.how_to_get
    assert card.elements
    assert set(card.atomic_references) <= set(card.levels)
    assert all(prop.unit for prop in card.properties.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nlicense: MIT\n", "unknown key 'license', did you mean 'licence'"),
        ("name: a\nproperties: {energy: {units: eV}}\n", "properties.energy.unit: Field required"),
        ("name: a\nelements: [Xx]\n", "unknown element 'Xx'"),
        ("name: a\natomic_references: {pbe: {Q: -1.0}}\n", "unknown element 'Q'"),
        ("name: a\ncounts: {structures: -1}\n", "greater than or equal to 0 \\(given: -1\\)"),
        ("title: a\nlevels: []\n", "name: Field required"),
        ("- a\n- b\n", "found list; expected a mapping"),
        ("name: [a\n", "not YAML"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        Card.from_yaml(text)


def test_a_missing_card_is_an_error():
    with pytest.raises(FileNotFoundError, match="no such card"):
        Card.from_yaml("nowhere.yaml")

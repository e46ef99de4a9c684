"""AMONs as rows."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molaug.generators.amons import Amons, amons, cut_amons
from molaug.generators.conformers import Conformers
from molaug.structures import Structures
from molaug.structures.chemistry import heavy_atoms, lay_graph


def graphs(*smiles: str) -> Structures:
    return Structures.from_rdkit([Chem.MolFromSmiles(s) for s in smiles])


def geometries(*smiles: str) -> Structures:
    rows = Structures.concat(Conformers().propose(graphs(*smiles), 1, 0))
    return Structures.from_arrays([r.numbers for r in rows], [r.positions for r in rows], smiles=rows.column("smiles"))


def made(generator: Amons, parents: Structures, n: int = 100, start: int = 0) -> Structures:
    return Structures.concat(generator.propose(parents, n, 0, start=start))


def test_bare_graphs_are_the_list_of_the_parent() -> None:
    parents = graphs("CC(=O)OC", "c1ccoc1C")
    rows = made(Amons(geometry=None), parents)
    for parent in parents:
        own = rows.filter([p == parent.id for p in rows.column("parent")])
        assert own.column("smiles") == amons(parent.smiles)
    assert not rows.has_geometry.any()
    assert rows.alive.all()


@pytest.mark.parametrize("geometry", ["cut", "embed"])
def test_a_geometry_shows_the_molecule_that_its_row_names(geometry: str) -> None:
    rows = made(Amons(geometry=geometry), geometries("CC(N)CO"))  # type: ignore[arg-type]
    alive = rows.filter(rows.alive)
    assert set(alive.column("smiles")) == set(amons("CC(N)CO"))
    for row in alive:
        assert lay_graph(row.smiles, row.numbers, row.positions).mol is not None
        assert row.extra["force_field"] is not None
        assert row.charge == 0


def test_cut_rows_come_in_the_order_of_the_amons_and_keep_their_reasons() -> None:
    parent = geometries("CCCCO")
    mol = parent.to_rdkit()[0]
    rows = made(Amons(max_heavy=4), parent)
    expected = cut_amons(mol, 4)
    assert rows.column("smiles") == [amon.smiles for amon in expected]
    assert rows.column("reason") == [None if a.reason is None else f"amons: {a.reason}" for a in expected]
    assert not rows.alive.all()  # two methyl groups are one molecule
    assert np.all(np.diff([heavy_atoms(row.numbers) for row in rows]) >= 0)


def test_a_bare_graph_has_nothing_to_cut_and_is_embedded() -> None:
    parent = graphs("CCO")
    assert made(Amons(geometry="cut"), parent) == made(Amons(geometry="embed"), parent)


def test_embedded_amons_are_the_same_for_every_parent() -> None:
    rows = made(Amons(geometry="embed", max_heavy=2), graphs("CCO", "CCN"))
    ids: dict[str, set[str]] = {}
    for row in rows:
        ids.setdefault(row.smiles or "", set()).add(row.id)
    assert all(len(found) == 1 for found in ids.values())
    assert rows.column("smiles").count("CC") == 2


def test_n_and_start_cut_the_list() -> None:
    parent = geometries("CC(N)CO")
    whole = made(Amons(), parent)
    parts = [made(Amons(), parent, 3), made(Amons(), parent, 100, start=3)]
    assert len(parts[0]) == 3
    assert Structures.concat(parts) == whole


@pytest.mark.parametrize(
    ("parent", "reason"),
    [
        (graphs("C[NH3+]"), "charge"),
        (graphs("C[CH2]"), "multiplicity 2"),
        (graphs("[H][H]"), "no heavy atom"),
        (Structures.from_arrays([[8, 1, 1]], None, smiles=["nonsense"]), "cannot read"),
        (Structures.from_arrays([[6, 1, 1]], [[[0, 0, 0], [0, 0, 0], [0, 0, 0]]]), "unpaired electrons"),
    ],
)
def test_a_parent_without_amons_gives_one_row_that_says_why(parent: Structures, reason: str) -> None:
    rows = made(Amons(), parent)
    assert len(rows) == 1
    assert rows[0].reason.startswith("amons: ")
    assert reason in rows[0].reason


@pytest.mark.parametrize("options", [{"max_heavy": 0}, {"max_heavy": 8}, {"rules": "mine"}, {"geometry": "xyz"}])
def test_a_bad_configuration_stops_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Amons(**options)  # type: ignore[arg-type]

"""The generator of drawn molecules: what its rows are, that they are one stream, and what may be asked of it."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from molaug import registry
from molaug.generators.graph import GraphGenerator, drawing
from molaug.generators.graph.drawing import BLOCK, DrawnGraph
from molaug.generators.graph.stereo import MAX_ISOMERS, stereoisomers
from molaug.generators.learned.checkpoints import seal_checkpoint
from molaug.structures import Structures
from molaug.structures.chemistry import canonical, flat_smiles, lay_graph, parse, strict_reasons_of_smiles

STEPS = 6


def drawn(folder: Path, n: int, *, seed: int = 0, start: int = 0, **options: Any) -> Structures:
    generator = GraphGenerator(**{"checkpoint": str(folder), "steps": STEPS, "geometry": None, **options})
    return Structures.concat(generator.propose(Structures.empty(), n, seed, start=start))


def heavy(smiles: str) -> list[str]:
    return sorted(atom.GetSymbol() for atom in Chem.MolFromSmiles(smiles).GetAtoms())


# ---------------------------------------------------------------------- rows


def test_rows_are_valid_molecules_with_geometries_that_show_them(tiny_graphs: Path) -> None:
    rows = drawn(tiny_graphs, 20, geometry="embed")
    kept = rows.filter(rows.alive)
    assert len(rows) == 20
    assert len(kept) > 10
    smiles = kept.column("smiles")
    assert strict_reasons_of_smiles(smiles) == [None] * len(kept)
    assert [canonical(parse(name)) for name in smiles] == smiles
    for row in kept:
        assert row.positions is not None
        shown = lay_graph(str(row.smiles), row.numbers, row.positions)
        assert shown.reason is None
        assert shown.smiles == row.smiles
        assert (row.charge, row.multiplicity, row.origin, row.parent) == (0, 1, "graph", None)
        assert row.extra["force_field"] == "mmff94s"
        assert np.isfinite(row.extra["force_field_energy"])


def test_what_was_drawn_is_told_where_it_is_not_valid(tiny_graphs: Path) -> None:
    rows = drawn(tiny_graphs, 64, steps=1, temperature=3.0)
    valid = np.array(rows.column("raw_valid"))
    assert 0 < valid.sum() < 64
    for row in rows:
        assert (row.extra["raw_smiles"] is None) == row.extra["raw_valid"]
        assert row.reason is None
    drawn_so = [name for name in rows.column("raw_smiles") if name is not None]
    assert None not in strict_reasons_of_smiles(drawn_so)
    raw = drawn(tiny_graphs, 64, steps=1, temperature=3.0, raw=True)
    assert raw.alive.tolist() == valid.tolist()
    assert raw.filter(raw.alive).ids == rows.filter(valid).ids
    assert all(r.startswith("graph: not valid as drawn: ") for r in raw.column("reason") if r is not None)


def test_geometries_are_left_as_embedded_or_left_out_on_request(tiny_graphs: Path) -> None:
    relaxed, embedded, bare = (
        drawn(tiny_graphs, 4, geometry=geometry, optimize=optimize)
        for geometry, optimize in (("embed", "uff"), ("embed", None), (None, "uff"))
    )
    assert relaxed.column("smiles") == embedded.column("smiles") == bare.column("smiles")
    assert not bare.has_geometry.any()
    assert bare.alive.all()
    assert set(relaxed.column("force_field")) == {"uff"}
    assert set(embedded.column("force_field")) == {None}
    assert np.abs(relaxed.positions - embedded.positions).max() > 1e-3


# ---------------------------------------------------------------------- the stream


def test_any_cut_of_the_stream_gives_the_same_rows(tiny_graphs: Path) -> None:
    whole = drawn(tiny_graphs, BLOCK + 8)
    parts = [(0, 5), (5, BLOCK - 3), (BLOCK + 2, 4), (BLOCK + 6, 2)]
    assert Structures.concat(drawn(tiny_graphs, n, start=start) for start, n in parts) == whole
    assert drawn(tiny_graphs, 8, seed=1).column("smiles") != whole.column("smiles")[:8]


def test_rows_are_yielded_block_by_block(tiny_graphs: Path) -> None:
    generator = GraphGenerator(checkpoint=str(tiny_graphs), steps=2, geometry=None, isomers=2)
    batches = generator.propose(Structures.empty(), 10**9, 0, start=10)
    assert [len(next(batches)) for _ in range(2)] == [2 * BLOCK - 10, 2 * BLOCK]


def test_the_number_of_threads_changes_nothing(tiny_graphs: Path) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            drawing._block.cache_clear()
            made.append(drawn(tiny_graphs, 8, seed=3))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert made[0] == made[1]


def test_a_checkpoint_that_was_written_anew_is_read_anew(tiny_graphs: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_graphs, tmp_path / "copy")
    first = drawn(folder, 8)
    index = folder / "model_index.json"
    domain = json.loads(index.read_text())
    domain["domain"]["size_histogram"] = [0.0, 0.0, 1.0, 0.0, 0.0]
    index.write_text(json.dumps(domain))
    seal_checkpoint(folder)
    assert {len(heavy(name)) for name in first.column("smiles")} != {2}
    assert {len(heavy(name)) for name in drawn(folder, 8).column("smiles")} == {2}


# ---------------------------------------------------------------------- stereo


def test_a_graph_takes_as_many_rows_as_isomers_are_asked_for(tiny_graphs: Path) -> None:
    one = drawn(tiny_graphs, 12)
    three = drawn(tiny_graphs, 36, isomers=3)
    assert three.take(np.arange(0, 36, 3)).column("smiles") == one.column("smiles")
    assert drawn(tiny_graphs, 5, start=7, isomers=3) == three.slice(7, 12)
    for g in range(12):
        rows = three.slice(3 * g, 3 * g + 3)
        graph = flat_smiles(rows.column("smiles")[0])
        assert {flat_smiles(name) for name in rows.column("smiles")} == {graph}
        there = set(stereoisomers(graph, np.random.default_rng(0)))
        kept = rows.filter(rows.alive).column("smiles")
        assert len(set(kept)) == len(kept) == min(3, len(there))
        assert set(kept) <= there
        lost = {str(reason) for reason in rows.column("reason") if reason is not None}
        assert lost <= {f"graph: {len(kept)} stereoisomer{'s' if len(kept) > 1 else ''} only"}


def test_stereoisomers_are_all_that_there_are() -> None:
    found = {
        name: len(stereoisomers(name, np.random.default_rng(1))) for name in ("CCO", "CC(N)O", "FC=CF", "CC(F)C(F)C")
    }
    assert found == {"CCO": 1, "CC(N)O": 2, "FC=CF": 2, "CC(F)C(F)C": 3}
    assert stereoisomers("C[C@H](N)O", np.random.default_rng(0)) == ["C[C@H](N)O"]
    assert len(stereoisomers("CC(N)O" + "C(N)(O)" * 6 + "C", np.random.default_rng(0))) <= MAX_ISOMERS
    assert stereoisomers("CC1CN1C", np.random.default_rng(0)) in (
        ["C[C@H]1CN1C", "C[C@@H]1CN1C"],
        ["C[C@@H]1CN1C", "C[C@H]1CN1C"],
    )
    orders = {tuple(stereoisomers("CC(N)O", np.random.default_rng(seed))) for seed in range(20)}
    assert len(orders) == 2
    with pytest.raises(ValueError, match="expected a SMILES"):
        stereoisomers("no molecule", np.random.default_rng(0))


def test_stereoisomers_without_a_geometry_are_passed_over() -> None:
    """The bridgeheads of an oxanorbornane only fit one way."""
    graph = DrawnGraph(smiles="CC1CC2CCC1O2", reason=None, raw_smiles=None)
    generator = GraphGenerator()
    named = len(stereoisomers(str(graph.smiles), np.random.default_rng(0)))
    made = generator._isomers(graph, 0, 0, range(8))
    kept = [row for row in made if row.reason is None]
    assert 1 < len(kept) < named
    assert {row.reason for row in made[len(kept) :]} == {f"{len(kept)} stereoisomers with a geometry only"}
    assert [row.smiles for row in generator._isomers(graph, 0, 0, range(1, 2))] == [kept[1].smiles]


@pytest.mark.parametrize("smiles", ["CN1CC1C1CC(O)C1", "CC1(C)CN2CC21", "CC12C3CC4C(O3)C1N42", "C1CN2C3C4=NCC43C12"])
def test_cages_and_bridged_nitrogen_have_geometries(smiles: str) -> None:
    (row,) = GraphGenerator()._isomers(DrawnGraph(smiles=smiles, reason=None, raw_smiles=None), 0, 0, range(1))
    assert row.reason is None
    assert row.positions is not None
    assert flat_smiles(str(row.smiles)) == canonical(parse(smiles))
    assert lay_graph(str(row.smiles), row.numbers, row.positions).reason is None


def test_a_graph_without_a_geometry_is_rejected() -> None:
    """Two triple bonds in a ring of four."""
    graph = DrawnGraph(smiles="C1#CC#C1", reason=None, raw_smiles=None)
    (row,) = GraphGenerator(attempts=2)._isomers(graph, 0, 0, range(1))
    assert row.reason == "not embedded in 2 attempts or 10 s"
    assert row.positions is None


# ---------------------------------------------------------------------- steering


def test_composition_size_and_fragment_hold_in_every_row(tiny_graphs: Path) -> None:
    assert {tuple(heavy(s)) for s in drawn(tiny_graphs, 16, composition="C2NO").column("smiles")} == {
        ("C", "C", "N", "O")
    }
    for smiles in drawn(tiny_graphs, 16, composition={"F": 0, "O": (1, None), "C": (1, 2)}).column("smiles"):
        counts = [heavy(smiles).count(symbol) for symbol in "FOC"]
        assert counts[0] == 0
        assert counts[1] >= 1
        assert 1 <= counts[2] <= 2
    assert {len(heavy(s)) for s in drawn(tiny_graphs, 16, n_atoms=3).column("smiles")} == {3}
    assert {len(heavy(s)) for s in drawn(tiny_graphs, 16, n_atoms=(2, 3)).column("smiles")} <= {2, 3}
    carbonyl = Chem.MolFromSmarts("[#6]=[#8]")
    grown = drawn(tiny_graphs, 16, fragment="C=O")
    assert all(Chem.MolFromSmiles(s).HasSubstructMatch(carbonyl) for s in grown.column("smiles"))


def test_properties_steer_as_strongly_as_the_scale_says(tiny_graphs: Path) -> None:
    free = drawn(tiny_graphs, 16)
    assert drawn(tiny_graphs, 16, properties={"gap": 3.0}, guidance_scale=0.0).column("smiles") == free.column("smiles")
    assert drawn(tiny_graphs, 16, properties={"gap": 3.0}, guidance_scale=3.0).column("smiles") != free.column("smiles")


# ---------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps is 0; expected at least 1"),
        ({"isomers": 0}, "isomers is 0"),
        ({"temperature": 0.0}, "temperature is 0.0; expected more than 0"),
        ({"guidance_scale": -1.0}, "guidance_scale is -1.0"),
        ({"geometry": "cut"}, "geometry is 'cut'; expected 'embed' or None"),
        ({"optimize": "amber"}, "optimize is 'amber'"),
        ({"n_atoms": (5, 3)}, "n_atoms is"),
        ({"n_atoms": 0}, "n_atoms is 0"),
        ({"timeout": 0.0}, "timeout is 0.0"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        GraphGenerator(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"properties": {"colour": 1.0}}, "properties names 'colour'.* knows gap"),
        ({"composition": {"Xe": 1}}, "composition names 'Xe'"),
        ({"composition": "C9"}, "9 heavy atoms"),
        ({"fragment": "no molecule"}, "cannot be read"),
        ({"n_atoms": 40}, "no size is left"),
    ],
)
def test_what_the_checkpoint_cannot_do_stops_before_anything_is_drawn(
    options: dict[str, Any], message: str, tiny_graphs: Path
) -> None:
    generator = GraphGenerator(checkpoint=str(tiny_graphs), **options)
    with pytest.raises(ValueError, match=message):
        generator.propose(Structures.empty(), 1, 0)


def test_a_missing_checkpoint_or_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint 'graph-none'"):
        GraphGenerator(checkpoint="graph-none").check()
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(ValueError, match="no checkpoint of a graph generator"):
        GraphGenerator(checkpoint=str(tmp_path)).check()
    monkeypatch.setattr("molaug.generators.graph.drawing.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'needs torch, .*pip install "molaug\[generate\]"'):
        GraphGenerator().check()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_atoms": 7, "composition": "C6O", "geometry": None, "optimize": None},
        {"n_atoms": (5, 8), "composition": {"C": 4, "O": (1, 2), "N": (1, None)}, "fragment": "C(=O)N"},
        {"properties": {"gap": 7.5}, "guidance_scale": 1.5, "raw": True, "isomers": 4},
    ],
)
def test_the_configuration_survives_a_file(options: dict[str, Any]) -> None:
    generator = GraphGenerator(**options)
    written = json.loads(json.dumps(registry.specification(generator, registry.GENERATORS)))
    assert registry.build(registry.GENERATORS, written, "generator") == generator
    assert pickle.loads(pickle.dumps(generator)) == generator


def test_nothing_heavy_is_loaded_before_something_is_drawn() -> None:
    code = (
        "import sys; from molaug.generators import GraphGenerator; GraphGenerator(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_is_found_from_wherever_workers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert GraphGenerator(checkpoint="mine").checkpoint == str((tmp_path / "mine").resolve())
    assert GraphGenerator(checkpoint="graph-qm9").checkpoint == "graph-qm9"

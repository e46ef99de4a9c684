"""The work of a stage is a function of files: shards made apart hold the rows of one made whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from molaug.filters.validity import Validity
from molaug.generators.conformers import Conformers
from molaug.labels import Labeller, Relaxation
from molaug.structures import Structures
from molaug.structures.chemistry import lay_graph
from molaug.units import label_shard, perceive_shard, propose_shard, relax_shard


@dataclass(frozen=True, kw_only=True)
class Grapher:
    """Proposes the graph of each parent again, and of some a graph that no geometry fits."""

    name: ClassVar[str] = "grapher"
    kind: ClassVar[str] = "molecules"
    needs_parents: ClassVar[bool] = True

    fault: str | None = None

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        for parent in parents:
            if self.fault == "raises" and parent.smiles == "CCCO":
                raise KeyError("no such graph")
            smiles = "C12C3C4C1C5C2C3C45.[He]" if self.fault == "impossible" else parent.smiles
            numbers = [6] * 8 + [1] * 8 + [2] if self.fault == "impossible" else parent.numbers
            yield Structures.from_arrays([numbers], None, smiles=[smiles], origin=self.name, parent=parent.id, seed=3)


@pytest.fixture
def shard(base: Structures, tmp_path: Path) -> Path:
    return base.to_parquet(tmp_path / "parents.parquet")


def test_perception_fills_what_is_missing(base: Structures, tmp_path: Path) -> None:
    raw = base.with_columns({"smiles": None}).to_parquet(tmp_path / "raw.parquet")
    assert perceive_shard(raw).column("smiles") == base.column("smiles")


def test_parents_apart_give_the_rows_of_parents_together(base: Structures, shard: Path, tmp_path: Path) -> None:
    whole = propose_shard(Conformers(), shard, 0, 3, 5, (Validity(),), False, 60)
    parts = []
    for k in range(len(base)):
        part = base.slice(k, k + 1).to_parquet(tmp_path / f"{k}.parquet")
        parts.append(propose_shard(Conformers(), part, 0, 3, 5, (Validity(),), False, 60))
    assert Structures.concat(parts) == whole
    assert whole.ids != propose_shard(Conformers(), shard, 0, 3, 6, (Validity(),), False, 60).ids


def test_rejected_parents_are_passed_over(base: Structures, tmp_path: Path) -> None:
    dead = base.reject(["test: dead"] * 5 + [None])
    rows = propose_shard(Conformers(), dead.to_parquet(tmp_path / "dead.parquet"), 0, 2, 5, (), False, 60)
    assert set(rows.column("parent")) == {base.ids[5]}


def test_stateless_filters_judge_and_leave_their_score(shard: Path) -> None:
    rows = propose_shard(Conformers(), shard, 0, 2, 5, (Validity(elements=("H", "C")),), False, 60)
    assert "validity" in rows.extra_columns
    alive = set(rows.filter(rows.alive).column("smiles"))
    assert alive == {"CCCC"}


def test_every_reason_begins_with_its_author(shard: Path) -> None:
    rows = propose_shard(Conformers(), shard, 0, 10, 5, (Validity(),), False, 60)
    authors = {reason.split(": ")[0] for reason in rows.column("reason") if reason is not None}
    assert authors == {"conformers"}


def test_bare_graphs_get_a_geometry_of_their_graph_and_keep_their_origin(base: Structures, shard: Path) -> None:
    rows = propose_shard(Grapher(), shard, 0, 1, 5, (), True, 60)
    assert rows.has_geometry.all()
    assert rows.column("origin") == ["grapher"] * 6
    assert rows.column("parent") == base.ids
    assert rows.column("seed") == [3] * 6
    for row in rows:
        assert lay_graph(row.smiles, row.numbers, row.positions).reason is None  # type: ignore[arg-type]
    assert not propose_shard(Grapher(), shard, 0, 1, 5, (), False, 60).has_geometry.any()


def test_a_graph_that_no_geometry_fits_is_rejected(shard: Path) -> None:
    rows = propose_shard(Grapher(fault="impossible"), shard, 0, 1, 5, (), True, 60)
    assert len(rows) == 6
    assert all(str(reason).startswith("grapher: ") for reason in rows.column("reason"))


def test_a_parent_that_fails_costs_its_own_rows(base: Structures, shard: Path) -> None:
    rows = propose_shard(Grapher(fault="raises"), shard, 0, 1, 5, (), False, 60)
    lost = rows.filter(~rows.alive)
    assert lost.column("reason") == ["grapher: KeyError: 'no such graph'"]
    assert lost.column("parent") == [base.ids[base.column("smiles").index("CCCO")]]
    assert lost.column("energy") == [None]
    assert len(rows) == len(base)


def test_rows_of_a_file_are_labelled_and_relaxed_in_blocks(base: Structures, shard: Path) -> None:
    blocks = [label_shard(shard, start, start + 2, Labeller(), 60) for start in (0, 2, 4)]
    assert np.array_equal(
        Structures.concat(blocks).array("energy"), label_shard(shard, 0, 6, Labeller(), 60).array("energy")
    )
    relaxed = relax_shard(shard, 1, 3, Relaxation(), Labeller(), 60)
    assert relaxed.column("relaxed_from") == base.ids[1:3]

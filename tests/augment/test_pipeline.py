"""The stages: a budget is a prefix, every row is accounted for, levels do not mix, a choice does what it says."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from ase.io import read
from numpy.typing import NDArray
from rdkit import Chem

from molaug import Augmenter, Result
from molaug.labels import Labeller, LevelError, label
from molaug.structures import Structures
from molaug.structures.chemistry import lay_graph
from molaug.structures.hashing import derived_seed, stream


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Proposes bare graphs from a list, without parents."""

    name: ClassVar[str] = "listed"
    kind: ClassVar[str] = "molecules"
    needs_parents: ClassVar[bool] = False

    smiles: tuple[str, ...] = ("CO", "CC=O", "C#N", "NC=O", "C[N+](C)(C)C", "CS", "CCF")
    fault: str | None = None

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        if self.fault == "raises" and start >= 2:
            raise ArithmeticError("out of ideas")
        for k in range(start, min(start + n, len(self.smiles))):
            mol = Chem.AddHs(Chem.MolFromSmiles(self.smiles[k]))
            yield Structures.from_arrays(
                [[atom.GetAtomicNum() for atom in mol.GetAtoms()]],
                None,
                charge=[Chem.GetFormalCharge(mol)],
                smiles=[self.smiles[k]],
                origin=self.name,
                seed=derived_seed(seed, self.name, k),
            )


@dataclass(frozen=True, kw_only=True)
class Moody:
    """Displaces atoms; hangs, crashes or fails on the molecules that it is told."""

    name: ClassVar[str] = "moody"
    kind: ClassVar[str] = "geometries"
    needs_parents: ClassVar[bool] = True

    hang: str | None = None
    crash: str | None = None
    fail: str | None = None
    size: float = 0.2

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        for parent in parents:
            if parent.smiles == self.hang:
                time.sleep(60)
            if parent.smiles == self.crash:
                os._exit(139)
            if parent.smiles == self.fail:
                raise ValueError("no idea")
            for k in range(start, start + n):
                noise = stream(seed, self.name, parent.id, k).normal(size=np.shape(parent.positions))
                yield Structures.from_arrays(
                    [parent.numbers],
                    [np.asarray(parent.positions) + self.size * noise],
                    smiles=[parent.smiles],
                    origin=self.name,
                    parent=parent.id,
                    seed=derived_seed(seed, self.name, parent.id, k),
                )


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """The extent of a molecule; remembers whom it has seen, and fails at one of them."""

    described: ClassVar[list[str]] = []
    broken: ClassVar[str] = ""

    @property
    def name(self) -> str:
        return "lengths"

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        if self.broken in rows.ids:
            raise RuntimeError("the machine went down")
        self.described.extend(rows.ids)
        lengths = [float(np.ptp(row.positions)) for row in rows]
        return np.array(lengths, dtype=np.float32).reshape(-1, 1), np.ones(len(rows), dtype=bool)


def run(folder: Path, base: Any, **changes: Any) -> Result:
    """Run without labels unless told otherwise, several shards in each stage."""
    settings: dict[str, Any] = {
        "base": base,
        "generators": ["amons"],
        "budget": 8,
        "label": None,
        "emit": "new",
        "parents_per_shard": 2,
        "labels_per_shard": 2,
    }
    result = Augmenter(**{**settings, **changes}).run(folder)
    conserved(result)
    return result


def conserved(result: Result) -> None:
    """Every row proposed is in the dataset or rejected with a reason, once; the funnel says the same."""
    rows, rejected, funnel = result.structures(), result.rejected(), result.funnel
    assert len(set(rows.ids)) == len(rows)
    assert rows.alive.all()
    assert not rejected.alive.any()
    for name, proposed in funnel.proposed.items():
        emitted = rows.column("origin").count(name)
        lost = rejected.column("origin").count(name)
        assert emitted == funnel.emitted[name]
        assert emitted + lost == proposed
        assert sum(funnel.rejected[name].values()) == sum(funnel.reasons[name].values()) == lost
    in_shards = sum(
        len(Structures.from_parquet(path)) for path in (result.folder / "work" / "propose").rglob("*.parquet")
    )
    assert in_shards == sum(funnel.proposed.values())
    table = funnel.table()
    assert [int(line[-1]) for line in table[1:-1]] == list(funnel.emitted.values())
    written = json.loads((result.folder / "funnel.json").read_text())
    assert written["emitted"] == funnel.emitted
    assert result.card.counts.structures == len(rows)  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def eight(base: Structures, tmp_path_factory: pytest.TempPathFactory) -> Result:
    generators = ["amons", {"conformers": {"n": 3}}]
    return run(tmp_path_factory.mktemp("eight") / "run", base, generators=generators)


# ---------------------------------------------------------------------- budget and labels


@pytest.mark.parametrize("select", ["stratified", "random", "farthest-point"])
def test_a_smaller_budget_is_a_prefix(select: str, base: Structures, tmp_path: Path) -> None:
    ids = [run(tmp_path / str(budget), base, budget=budget, select=select).structures().ids for budget in (4, 8, 1000)]
    assert len(ids[0]) == 4
    assert ids[1][:4] == ids[0]
    assert ids[2][:8] == ids[1]
    assert len(ids[2]) > 8


def test_where_all_are_taken_none_is_ranked(base: Structures, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"select": {"farthest-point": {"features": f"{__name__}:Lengths"}}}
    ids = run(tmp_path / "all", base, budget=None, **settings).structures().ids
    assert set(ids) == set(run(tmp_path / "many", base, budget=1000).structures().ids)
    assert not Lengths.described


def test_features_of_shards_are_computed_once(
    base: Structures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {
        "select": {"stratified": {"within": {"farthest-point": {"features": f"{__name__}:Lengths"}}}},
        "generators": ["amons", "conformers"],
    }
    monkeypatch.setattr(Lengths, "described", described := [])
    monkeypatch.setattr(Lengths, "broken", base.ids[3])
    with pytest.raises(RuntimeError, match="the machine went down"):
        run(tmp_path / "run", base, **settings)
    before = len(described)
    assert before > 2  # candidates, and a shard of the base
    monkeypatch.setattr(Lengths, "broken", "")
    resumed = run(tmp_path / "run", base, **settings).structures()
    assert sorted(described[before:]) == sorted(base.ids[2:])  # what was there was not computed again
    assert resumed.ids == run(tmp_path / "whole", base, **settings).structures().ids
    assert not (tmp_path / "run" / "work" / "select" / "features").exists()


def test_a_budget_of_nothing_gives_nothing_new(base: Structures, tmp_path: Path) -> None:
    assert len(run(tmp_path / "a", base, budget=0).structures()) == 0
    whole = run(tmp_path / "b", base, budget=0, emit="base+new", label="gfn2-xtb")
    assert whole.structures().ids == base.ids
    assert set(whole.funnel.emitted.values()) == {0}


def test_without_a_labeller_rows_have_no_labels_and_may_be_bare(base: Structures, tmp_path: Path) -> None:
    result = run(tmp_path / "run", base, generators=[{f"{__name__}:Listed": {"n": 4}}])
    rows = result.structures()
    assert sorted(rows.column("smiles")) == ["C#N", "CC=O", "CO", "NC=O"]
    assert not np.isfinite(rows.array("energy")).any()
    assert rows.column("level") == [None] * 4
    assert not rows.has_geometry.any()
    assert result.card.levels == []


def test_an_unlabelled_dataset_of_base_and_new_keeps_what_the_base_had(base: Structures, tmp_path: Path) -> None:
    rows = run(tmp_path / "run", base, emit="base+new").structures()
    assert rows.ids[: len(base)] == base.ids
    assert rows.column("level") == ["gfn2-xtb"] * len(base) + [None] * 8


def test_new_rows_alone_hold_none_of_the_base(eight: Result, base: Structures) -> None:
    rows = eight.structures()
    assert not set(rows.ids) & set(base.ids)
    assert set(rows.column("origin")) == {"amons", "conformers"}
    assert set(rows.column("parent")) <= set(base.ids)
    assert rows.column("rank") == list(range(8))
    assert eight.funnel.base == {"read": 6, "emitted": 0}


def test_labels_are_those_of_the_labeller(base: Structures, tmp_path: Path) -> None:
    rows = run(tmp_path / "run", base, label="gfn2-xtb", budget=3).structures()
    again = label(rows.with_columns({"energy": None, "forces": None, "level": None}))
    assert rows.array("energy") == pytest.approx(again.array("energy"), abs=1e-9)
    assert rows.column("level") == ["gfn2-xtb"] * 3


def test_rows_that_cannot_be_labelled_are_rejected_and_counted(base: Structures, tmp_path: Path) -> None:
    shaken = {f"{__name__}:Moody": {"n": 2}}
    labeller = {"calculator": "gfn2-xtb", "max_force": 40.0}
    result = run(tmp_path / "run", base, generators=[shaken], filters=[], label=labeller, budget=12)
    assert result.funnel.rejected["moody"]["label"] > 0
    assert result.funnel.emitted["moody"] > 0
    assert any("eV/Å is above 40" in reason for reason in result.rejected().column("reason"))


def test_molecules_too_large_to_be_parents_are_none(base: Structures, tmp_path: Path) -> None:
    result = run(tmp_path / "run", base, max_heavy=3, budget=None)
    parents = {base.ids.index(parent) for parent in result.structures().column("parent")}
    heavy = [int((row.numbers > 1).sum()) for row in base]
    assert parents
    assert max(heavy[parent] for parent in parents) == 3
    assert result.funnel.base["read"] == len(base)


# ---------------------------------------------------------------------- levels of the base


def test_a_base_of_another_level_stops_before_anything_is_proposed(base: Structures, tmp_path: Path) -> None:
    other = base.with_columns({"level": "b3lyp/6-31g(2df,p)"})
    with pytest.raises(LevelError, match=r"the base holds labels at b3lyp/6-31g\(2df,p\), new ones would be at gfn2"):
        run(tmp_path / "run", other, emit="base+new", label="gfn2-xtb")
    assert not (tmp_path / "run" / "work" / "propose").exists()


def test_a_base_of_wrong_energies_stops_with_both_numbers(base: Structures, tmp_path: Path) -> None:
    wrong = base.with_columns({"energy": base.array("energy") / 27.211386})
    with pytest.raises(LevelError, match=r"recomputing \S+ gives -\d+\.\d+ eV instead of -\d+\.\d+ eV"):
        run(tmp_path / "run", wrong, emit="base+new", label="gfn2-xtb")


def test_new_rows_alone_need_no_check(base: Structures, tmp_path: Path) -> None:
    other = base.with_columns({"level": "other"})
    assert len(run(tmp_path / "run", other, label="gfn2-xtb", budget=1).structures()) == 1


def test_a_relabelled_base_is_at_the_new_level(base: Structures, tmp_path: Path) -> None:
    wrong = base.with_columns({"energy": 0.0, "level": "other"})
    result = run(tmp_path / "run", wrong, emit="base+new", label="gfn2-xtb", base_labels="relabel", budget=1)
    rows = result.structures()
    assert set(rows.column("level")) == {"gfn2-xtb"} == set(result.card.levels)
    assert rows.array("energy")[: len(base)] == pytest.approx(base.array("energy"), abs=1e-9)


def test_a_base_row_that_cannot_be_relabelled_is_rejected_not_kept(base: Structures, tmp_path: Path) -> None:
    squeezed = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0], [0, 0.3, 0.2], [0, -0.3, 0.2]]], smiles=["O"])
    result = run(
        tmp_path / "run",
        Structures.concat([base, squeezed]),
        emit="base+new",
        label="gfn2-xtb",
        base_labels="relabel",
        budget=1,
    )
    assert squeezed.ids[0] not in result.structures().ids
    assert squeezed.ids[0] in result.rejected().ids
    assert result.funnel.base == {"read": 7, "emitted": 6}


def test_mixed_levels_are_kept_apart_by_name(base: Structures, tmp_path: Path) -> None:
    other = base.with_columns({"level": "other"})
    result = run(tmp_path / "run", other, emit="base+new", label="gfn2-xtb", base_labels="mixed", budget=2)
    assert result.structures().column("level") == ["other"] * len(base) + ["gfn2-xtb"] * 2


def test_rows_of_the_base_without_a_label_are_left_out_of_a_labelled_dataset(base: Structures, tmp_path: Path) -> None:
    half = base.with_columns(
        {
            "energy": [*base.column("energy")[:4], None, None],
            "forces": [*(row.forces for row in list(base)[:4]), None, None],
            "level": ["gfn2-xtb"] * 4 + [None, None],
        }
    )
    result = run(tmp_path / "run", half, emit="base+new", label="gfn2-xtb", budget=1)
    assert result.funnel.base == {"read": 6, "emitted": 4}
    assert result.structures().ids[:4] == base.ids[:4]


# ---------------------------------------------------------------------- relaxation


def test_relaxed_rows_keep_their_graphs_and_are_judged_again(base: Structures, tmp_path: Path) -> None:
    """Displaced copies of one molecule fall back to one minimum: all but the first are redundant then."""
    shaken = {f"{__name__}:Moody": {"n": 3, "size": 0.08}}
    result = run(
        tmp_path / "run",
        base.slice(0, 2),
        generators=[shaken],
        filters=[{"redundancy": {"rmsd": 0.05, "hydrogens": True}}, "validity"],
        label="gfn2-xtb",
        relax={"fmax": 0.05, "steps": 300},
        budget=None,
    )
    rows = result.structures()
    reasons = result.rejected().column("reason")
    assert any(reason.startswith("relaxed: redundancy") for reason in reasons)
    assert result.funnel.proposed == {"moody": 6}
    for row in rows:
        assert lay_graph(row.smiles, row.numbers, row.positions).reason is None  # type: ignore[arg-type]
        assert np.linalg.norm(row.forces, axis=1).max() <= 0.06  # type: ignore[arg-type]
        assert row.extra["relaxed_from"] != row.id


# ---------------------------------------------------------------------- generators of all kinds


def test_a_generator_without_parents_gives_the_same_rows_in_any_shards(base: Structures, tmp_path: Path) -> None:
    listed = {f"{__name__}:Listed": {"n": 7}}
    ids = [
        run(tmp_path / str(size), base, generators=[listed], budget=None, parents_per_shard=size).structures().ids
        for size in (2, 64)
    ]
    assert ids[0] == ids[1]
    assert len(list((tmp_path / "2/work/propose/0-listed").glob("*.parquet"))) == 4


def test_a_generator_without_parents_is_asked_for_a_multiple_of_the_budget(base: Structures) -> None:
    [(_, n)] = Augmenter(base=base, generators=[Listed()], budget=5).plan().generators
    assert n == 20


def test_bare_graphs_are_embedded_where_they_are_to_be_labelled(base: Structures, tmp_path: Path) -> None:
    result = run(tmp_path / "run", base, generators=[{f"{__name__}:Listed": {"n": 7}}], label="gfn2-xtb", budget=None)
    rows = result.structures()
    assert sorted(rows.column("smiles")) == ["C#N", "CC=O", "CCF", "CO", "CS", "NC=O"]  # validity refuses the ion
    assert set(rows.column("origin")) == {"listed"}
    assert rows.has_geometry.all()
    for row in rows:
        assert lay_graph(row.smiles, row.numbers, row.positions).reason is None  # type: ignore[arg-type]


def test_a_generator_without_parents_that_fails_stops_the_run(base: Structures, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="generator listed failed for rows 2 to 4: ArithmeticError: out of ideas"):
        run(tmp_path / "run", base, generators=[Listed(fault="raises")])


def test_a_parent_that_hangs_crashes_or_fails_is_a_rejected_row(base: Structures, tmp_path: Path) -> None:
    smiles = base.column("smiles")
    moody = Moody(hang=smiles[0], crash=smiles[1], fail=smiles[3], size=0.05)
    result = run(tmp_path / "run", base, generators=[moody], filters=[], parent_time_limit=1.0, budget=None)
    lost = {row.parent: row.reason for row in result.rejected()}
    assert lost[base.ids[0]] == "moody: took longer than 1 s"
    assert lost[base.ids[1]] == "moody: crashed its process (exit code 139)"
    assert lost[base.ids[3]] == "moody: ValueError: no idea"
    assert set(result.structures().column("parent")) == {base.ids[2], base.ids[4], base.ids[5]}


def test_ids_are_unique_even_where_no_filter_looks_for_copies(base: Structures, tmp_path: Path) -> None:
    """Not displacing anything gives copies of the base, twice."""
    still = Moody(size=0.0)
    result = run(tmp_path / "run", base, generators=[still, {"amons": {"n": 3}}, "amons"], filters=[], budget=None)
    assert result.funnel.emitted["moody"] == 0
    assert "selection: an exact copy of an earlier row" in result.rejected().column("reason")


def test_a_base_made_by_the_same_generator_is_not_counted_as_proposed(base: Structures, tmp_path: Path) -> None:
    first = run(tmp_path / "first", base, label="gfn2-xtb", budget=4, emit="base+new")
    second = run(tmp_path / "second", first.folder / "dataset", label="gfn2-xtb", budget=2, emit="new")
    assert second.structures().column("origin") == ["amons"] * 2
    assert not set(second.structures().ids) & set(first.structures().ids)


# ---------------------------------------------------------------------- what is written


def test_formats_are_exported(base: Structures, tmp_path: Path) -> None:
    formats = ["extxyz", "db", "ani", "sdf", "smiles"]
    result = run(tmp_path / "run", base, label="gfn2-xtb", emit="base+new", budget=2, formats=formats)
    rows = result.structures()
    frames = read(tmp_path / "run" / "dataset.extxyz", index=":")
    assert [atoms.info["REF_energy"] for atoms in frames] == pytest.approx(rows.array("energy"))
    for suffix in (".db", ".h5", ".sdf", ".smi"):
        assert (tmp_path / "run" / f"dataset{suffix}").stat().st_size > 0


def test_the_card_says_what_was_made_of_what(eight: Result) -> None:
    provenance = eight.card.provenance
    assert provenance is not None
    assert provenance.origins == {"amons": 4, "conformers": 4}
    assert provenance.seed == 0


def test_another_seed_makes_other_geometries(eight: Result, base: Structures, tmp_path: Path) -> None:
    other = run(tmp_path / "run", base, generators=[{"conformers": {"n": 3}}], seed=1)
    mine = {row.id for row in eight.structures() if row.origin == "conformers"}
    assert not mine & set(other.structures().ids)


def test_a_labeller_object_reaches_every_shard(base: Structures, tmp_path: Path) -> None:
    labeller = Labeller(calculator="gfn1-xtb", forces=False)
    rows = run(tmp_path / "run", base, label=labeller, budget=3).structures()
    assert set(rows.column("level")) == {"gfn1-xtb"}
    assert rows.column("forces") == [None] * 3

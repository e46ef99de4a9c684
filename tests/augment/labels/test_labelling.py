"""Batches keep their rows and order; each failure stays with its row."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.lj import LennardJones

from molaug.labels import Labeller, Relaxation, label, relax
from molaug.registry import ConfigurationError
from molaug.structures import Structures


class Moody(LennardJones):  # type: ignore[misc]
    """Hangs on helium, crashes on neon, fails on argon."""

    def calculate(self, atoms: Any = None, *args: Any, **kwargs: Any) -> None:
        number = atoms.numbers[0]
        if number == 2:
            time.sleep(60)
        if number == 10:
            os._exit(139)
        if number == 18:
            raise RuntimeError("no convergence\nafter 3 steps")
        super().calculate(atoms, *args, **kwargs)


MOODY = Labeller(calculator=f"{__name__}:Moody", level="moody", options={"rc": 12.0})
NOBLE = Structures.from_arrays([[z] * 2 for z in (36, 2, 10, 18, 54)], [[[0, 0, 0], [0, 0, 1.2]]] * 5)


@pytest.fixture
def rows() -> Structures:
    return Structures.from_ase([molecule(name) for name in ("H2O", "CH4", "NH3")])


def test_rows_carry_energy_forces_and_level(rows: Structures) -> None:
    labelled = label(rows)
    assert labelled.ids == rows.ids
    assert labelled.column("level") == ["gfn2-xtb"] * 3
    for row, alone in zip(labelled, rows, strict=True):
        energy, forces = Labeller().label(alone)
        assert row.energy == pytest.approx(energy, abs=1e-9)
        assert row.forces == pytest.approx(forces, abs=1e-9)
    # the energies of methane and ammonia are apart by more than anything that could be an error
    assert np.diff(labelled.array("energy")).min() < -0.1


def test_rejected_rows_are_left_as_they_are(rows: Structures) -> None:
    given = rows.with_columns({"energy": [1.0, 2.0, 3.0], "level": "old"}).reject([None, "test: dead", None])
    labelled = label(given)
    assert labelled.column("reason") == [None, "test: dead", None]
    assert labelled.column("level") == ["gfn2-xtb", "old", "gfn2-xtb"]
    assert labelled[1].energy == 2.0
    assert labelled[0].energy == pytest.approx(Labeller().label(rows[0])[0], abs=1e-9)


def test_nothing_to_label_is_nothing() -> None:
    assert len(label(Structures.empty())) == 0


def test_one_row_that_hangs_crashes_or_fails_costs_itself() -> None:
    labelled = label(NOBLE, MOODY, time_limit=1)
    assert labelled.column("reason") == [
        None,
        "label: took longer than 1 s",
        "label: crashed its process (exit code 139)",
        "label: RuntimeError: no convergence after 3 steps",
        None,
    ]
    assert np.isfinite(labelled.array("energy")).tolist() == [True, False, False, False, True]
    assert labelled.column("level") == ["moody", None, None, None, "moody"]
    assert labelled.column("forces")[1] is None


def test_relaxing_what_fails_keeps_it_where_it_was() -> None:
    relaxed = relax(NOBLE, Relaxation(), MOODY, time_limit=1)
    assert [None if reason is None else reason.split(":")[0] for reason in relaxed.column("reason")] == [
        None,
        "relax",
        "relax",
        "relax",
        None,
    ]
    for before, after in zip(list(NOBLE)[1:4], list(relaxed)[1:4], strict=True):
        assert after.id == before.id
        assert np.array_equal(after.positions, before.positions)  # type: ignore[arg-type]


def test_a_bare_graph_is_a_row_with_a_reason() -> None:
    graphs = Structures.from_arrays([[2]], None, smiles=["[He]"])
    assert label(graphs).column("reason") == ["label: a bare graph has no geometry to compute"]
    assert relax(graphs, Relaxation()).column("reason") == ["relax: a bare graph has no geometry to compute"]


@pytest.mark.parametrize("name", ["gfn2xtb", "ase.calculators.lj:Jones"])
def test_a_wrong_calculator_stops_at_once(name: str, rows: Structures) -> None:
    with pytest.raises(ConfigurationError):
        label(rows, name)


def test_a_missing_package_stops_at_once(rows: Structures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(ImportError, match="pip install"):
        label(rows)
    with pytest.raises(ImportError, match="pip install"):
        relax(rows, Relaxation())

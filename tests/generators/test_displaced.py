"""Displaced geometries become rows that say what they are, or why they are not kept."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from molaug.generators.displaced import check_window, displaced
from molaug.generators.start import Start, start_of
from molaug.structures import Structures


@pytest.fixture(scope="module")
def water() -> Start:
    atoms = molecule("H2O")
    return start_of(Structures.from_arrays([atoms.numbers], [atoms.positions])[0], seed=0)


def test_rows_carry_their_making(water: Start) -> None:
    x = water.positions
    rows = displaced(
        water, "shaker", [7, 8], [x, x + 0.01], method="uff", energies=[0.1, np.nan], extra={"temperature": [300.0] * 2}
    )
    assert rows.column("origin") == ["shaker"] * 2
    assert set(rows.column("parent")) == {water.structure.id}
    assert rows.column("seed") == [7, 8]
    assert rows.column("smiles") == ["O"] * 2
    assert rows.column("displaced") == rows.column("intact") == [True, True]
    assert rows.column("sampling_energy") == [0.1, None]
    assert rows.column("sampling_method") == ["uff"] * 2
    assert rows.column("temperature") == [300.0] * 2
    assert rows.alive.all()


def test_broken_rows_are_rejected_unless_breaking_is_asked_for(water: Start) -> None:
    apart = water.positions * 2
    rows = displaced(water, "shaker", [0], [apart])
    assert rows.column("reason") == ["shaker: its bonds are not those of the parent"]
    assert rows.column("intact") == [False]
    allowed = displaced(water, "shaker", [0], [apart], bond_breaking=True)
    assert allowed.alive.all()
    assert allowed.column("intact") == [False]
    assert allowed.column("smiles") == [None]
    nowhere = displaced(water, "shaker", [0], [apart * np.nan], bond_breaking=True)
    assert nowhere.column("reason") == ["shaker: its positions are not finite"]
    assert nowhere[0].positions is None


def test_the_window_is_for_each_atom(water: Start) -> None:
    rows = displaced(water, "shaker", [0, 1], [water.positions] * 2, energies=[0.29, 0.31], energy_window=0.1)
    assert rows.column("reason") == [None, "shaker: 0.103 eV per atom above its minimum; the window is 0.1 eV"]


def test_an_earlier_reason_comes_first(water: Start) -> None:
    rows = displaced(water, "shaker", [0], [water.positions * 2], reasons=["exploded"])
    assert rows.column("reason") == ["shaker: exploded"]


def test_a_window_of_nothing_is_refused() -> None:
    check_window(None)
    with pytest.raises(ValueError, match="energy_window is 0"):
        check_window(0)

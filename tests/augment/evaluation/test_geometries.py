"""Ragged geometries: distances in blocks, nearness and connectedness."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from scipy.spatial.distance import pdist

from molaug.evaluation.geometries import Geometries, nearness

NAMES = ("H2O", "CH4", "CH3OH", "C6H6", "H", "NH3")


@pytest.fixture(scope="module")
def held() -> Geometries:
    return Geometries.of([(a.numbers, a.positions) for a in map(molecule, NAMES)])


def test_blocks_hold_every_distance_once(held):
    pairs = ((block.rows.tolist(), block.distances) for block in held.blocks())
    found = {row: distances for rows, block in pairs for row, distances in zip(rows, block, strict=True)}
    assert sorted(found) == [k for k in range(len(NAMES)) if NAMES[k] != "H"]
    for k, distances in found.items():
        assert distances == pytest.approx(pdist(held[k][1]))


def test_nearness(held):
    nearest, connected = nearness(held)
    assert connected.all()
    assert np.isinf(nearest[NAMES.index("H")])
    assert ((nearest > 0.8) & (nearest < 1.2))[np.isfinite(nearest)].all()


def test_apart_upon_one_another_and_broken():
    water = molecule("H2O")
    z = np.concatenate([water.numbers] * 2)
    held = Geometries.of(
        [
            (z, np.concatenate([water.positions, water.positions + 4.0])),
            ([6, 6], np.zeros((2, 3))),
            ([6, 6], np.full((2, 3), np.nan)),
            ((), ()),
        ]
    )
    nearest, connected = nearness(held)
    assert connected.tolist() == [False, True, False, False]
    assert nearest[1] == 0.0
    assert np.isnan(nearest[2:]).all()


def test_nothing_at_all():
    nearest, connected = nearness(Geometries.of([]))
    assert len(nearest) == len(connected) == 0

"""Lengths, angles and torsions, and their distance from a reference."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from molaug.evaluation.coordinates import ReferenceCoordinates, coordinates, wasserstein_distances
from molaug.evaluation.geometries import Geometries
from molaug.evaluation.protocol import FEWEST_VALUES
from molaug.structures.chemistry import perceive


def mols(*names: str):
    return [perceive(a.numbers, a.positions).mol for a in map(molecule, names)]


def test_types_of_what_is_measured():
    found = coordinates(mols("CH3OH", "C6H6", "HCN"))
    assert set(found) == {"bond lengths", "bond angles", "torsions"}
    assert {kind: len(values) for kind, values in found["bond lengths"].items()} == {
        "C-H": 3 + 6 + 1,
        "C-O": 1,
        "O-H": 1,
        "C:C": 6,
        "C#N": 1,
    }
    assert {kind: len(values) for kind, values in found["bond angles"].items()} == {"C": 6 + 18 + 1, "O": 1}
    assert {kind: len(values) for kind, values in found["torsions"].items()} == {"C-O": 3, "C-C": 24}
    assert found["bond lengths"]["C:C"] == pytest.approx(1.395, abs=0.01)
    assert found["bond angles"]["C"].max() == pytest.approx(180, abs=0.1)
    assert np.unique(found["torsions"]["C-C"].round()).tolist() == [0.0, 180.0]


def test_a_shift_of_all_lengths_is_the_distance():
    water = np.tile([0.96], 40)
    reference = {"bond lengths": {"O-H": water, "C-H": water[:10]}, "bond angles": {}, "torsions": {}}
    samples = {"bond lengths": {"O-H": water + 0.03, "C-H": water}, "bond angles": {}, "torsions": {}}
    found = wasserstein_distances(samples, reference)
    assert found["bond lengths"].distance == pytest.approx(0.03)
    assert (found["bond lengths"].compared, found["bond lengths"].values) == (40, 50)  # ten values are too few
    assert found["bond lengths"].unit == "Å"
    assert found["torsions"].distance is None
    assert found["bond angles"].unit == "°"


def test_types_weigh_as_in_the_reference():
    n = FEWEST_VALUES
    reference = {"bond lengths": {"C-H": np.ones(3 * n), "C-C": np.ones(n)}, "bond angles": {}, "torsions": {}}
    samples = {"bond lengths": {"C-H": np.ones(n), "C-C": np.full(9 * n, 1.4)}, "bond angles": {}, "torsions": {}}
    found = wasserstein_distances(samples, reference)["bond lengths"]
    assert found.distance == pytest.approx(0.25 * 0.4)
    assert found.types == {"C-H": 0.0, "C-C": pytest.approx(0.4)}


def test_the_reference_is_halved_and_only_sound_geometries_are_measured():
    atoms = [molecule(name) for name in ("CH3OH", "CH4", "H2O", "NH3", "C2H6")]
    atoms.append(molecule("CH3OH")[:-1])
    reference = ReferenceCoordinates.measure(Geometries.of([(a.numbers, a.positions) for a in atoms]))
    assert (reference.drawn, len(reference.mols)) == (6, 5)
    assert set(reference.half["bond lengths"]) == {"C-H", "C-O", "O-H"}
    assert set(reference.by_chance(9)["bond lengths"]) == {"N-H", "C-H", "C-C"}
    assert set(reference.by_chance(1)["bond lengths"]) == {"N-H"}
    nothing = ReferenceCoordinates.measure(Geometries.of([]))
    assert nothing.half == {"bond lengths": {}, "bond angles": {}, "torsions": {}}

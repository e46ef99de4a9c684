"""Strict validity of geometries: every kind of reason, and real molecules."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from molaug.evaluation.geometries import Geometries
from molaug.evaluation.geometry_validity import judge_geometries
from molaug.evaluation.polished import judge_polished, medians
from molaug.filters.redundancy.keys import name
from molaug.structures.chemistry import reason_kind
from molaug.structures.hashing import stream


def judged(*atoms: Atoms):
    return judge_geometries(Geometries.of([(a.numbers, a.positions) for a in atoms]))


def moved(atoms: Atoms, index: int, by: tuple[float, float, float]) -> Atoms:
    copy = atoms.copy()
    copy.positions[index] += by
    return copy


def stretched(factor: float) -> Atoms:
    """Ethane whose carbons are farther apart by a factor."""
    atoms = molecule("C2H6")
    left = atoms.positions[:, 2] < 0
    length = atoms.get_distance(0, 1)
    atoms.positions[left, 2] -= (factor - 1) * length
    return atoms


def bent(degrees: float) -> Atoms:
    """Eclipsed ethane, of each carbon one hydrogen at this angle to the bond."""
    tilt = np.radians([degrees, 111.0, 111.0])
    turn = np.radians([0.0, 120.0, 240.0])
    hydrogens = 1.09 * np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], axis=1)
    x = np.concatenate([[[0, 0, 0], [0, 0, 1.53]], hydrogens, [0, 0, 1.53] + hydrogens * [1, 1, -1]])
    return Atoms("C2H6", x)


def test_every_kind_of_reason():
    methanol, water = molecule("CH3OH"), molecule("H2O")
    far = water.copy()
    far.positions += 6.0
    samples = {
        None: methanol,
        "no geometry": Atoms(),
        "not finite": moved(methanol, 0, (np.nan, 0, 0)),
        "clash": Atoms("C2H6", np.zeros((8, 3))),
        "fragments": water + far,
        "radicals": methanol[:-1],
        "bond length": stretched(1.26),
    }
    found = judged(*samples.values())
    assert [None if reason is None else reason_kind(reason) for reason in found.reasons] == list(samples)
    assert found.names[0] == "CO"
    assert found.sound.tolist() == [kind in (None, "bond length") for kind in samples]


def test_no_hydrogen_is_added_and_no_charge_is_left():
    carbene, ammonium = molecule("CH2_s1A1d"), molecule("NH3") + Atoms("H", [(0.0, 0.0, 1.1)])
    reasons = judged(carbene, ammonium).reasons
    assert all(reason is not None for reason in reasons)


def test_zwitterions_are_valid_though_the_table_knows_none():
    nitro = molecule("CH3NO2")
    found = judged(nitro)
    assert found.names == ("C[N+](=O)[O-]",)
    assert found.reasons == (None,)
    assert not found.bonds.stable[0]


def test_atoms_that_are_not_bonded_keep_apart():
    found = judged(bent(111.0), bent(75.0))
    assert found.reasons[0] is None
    assert found.bonds.stable.tolist() == [True, True]
    assert found.reasons[1] == "contact: 1.25 of the sum of the covalent radii between atoms 2 and 5"
    assert judge_polished(found).reasons == (None, None)


def test_real_molecules_are_valid_and_their_graphs_are_found(data):
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        z, x, offsets, smiles = (arrays[key] for key in ("z", "pos", "offsets", "smiles"))
    rows = stream(1, "strict").choice(len(smiles), 400, replace=False).tolist()
    parts = [slice(offsets[k], offsets[k + 1]) for k in rows]
    found = judge_geometries(Geometries.of([(z[part], x[part]) for part in parts]))
    assert found.strict.mean() >= 0.995
    listed = [name(smiles[k].decode()) for k in rows]
    assert np.mean([a == b for a, b in zip(listed, found.names, strict=True)]) >= 0.995


def test_polish_takes_noise_out(data):
    """At 0.05 Å of noise the table finds few stable molecules, perception nearly all, and a polish most by either."""
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        z, x, offsets = (arrays[key] for key in ("z", "pos", "offsets"))
    random = stream(2, "strict")
    parts = [slice(offsets[k], offsets[k + 1]) for k in random.choice(len(offsets) - 1, 150, replace=False)]
    noisy = Geometries.of([(z[part], x[part] + random.normal(0, 0.05, x[part].shape)) for part in parts])
    raw = judge_geometries(noisy)
    polished = judge_polished(raw)
    assert raw.bonds.stable.mean() < 0.15
    assert polished.stable.mean() > 0.75
    assert raw.strict.mean() > 0.85
    valid = np.mean([reason is None for reason in polished.reasons])
    assert valid >= raw.strict.mean() - 0.01
    figures = medians(polished.done)
    assert figures["polish moves (median RMSD, Å)"] == pytest.approx(0.13, abs=0.05)
    assert figures["polish lowers (median, meV/atom)"] > 20


def test_polish_mends_coarse_geometries_and_leaves_wrong_molecules_alone():
    raw = judged(molecule("C2H6"), stretched(1.26), molecule("CH3OH")[:-1])
    found = judge_polished(raw)
    assert found.reasons[:2] == (None, None)
    assert found.reasons[2] == raw.reasons[2]
    assert found.polished[2] is None
    assert found.mols[1].GetConformer().GetPositions().shape == (8, 3)
    assert len(found.done) == 2
    assert medians([]) == {"polish moves (median RMSD, Å)": None, "polish lowers (median, meV/atom)": None}

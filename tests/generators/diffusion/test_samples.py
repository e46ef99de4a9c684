"""Samples: what was drawn is told as it is, by the bonds that were drawn and by the geometries alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem

from molaug.generators.diffusion.data import padded
from molaug.generators.diffusion.geometries import Geometries
from molaug.generators.diffusion.samples import MoleculeSamples
from molaug.generators.diffusion.sampling import Block
from molaug.structures import Structures
from molaug.structures.chemistry import perceive


@pytest.fixture(scope="module")
def geometries(structures: Structures) -> Geometries:
    return Geometries.read(structures)


@pytest.fixture(scope="module")
def block(geometries: Geometries) -> Block:
    """A sampler that draws the data."""
    batch = {name: value.numpy() for name, value in padded(geometries, np.arange(len(geometries))).items()}
    atoms, bonds = (batch[name].astype(np.uint8) for name in ("atoms", "bonds"))
    state = (atoms, bonds, batch["coordinates"] / np.float32(1.4), batch["sizes"])
    return Block(state=state, numbering=np.empty((len(geometries), 0), dtype=np.intp), states=(state, state))


@pytest.fixture(scope="module")
def samples(block: Block, geometries: Geometries) -> MoleculeSamples:
    return MoleculeSamples.of(block, np.arange(len(geometries)), geometries.types, 1.4, geometries.n_max + 3)


def test_molecules_of_the_data_are_sound_by_their_bonds_and_by_their_geometries(
    samples: MoleculeSamples, geometries: Geometries
) -> None:
    assert samples.graph_reasons() == [None] * len(samples)
    assert samples.reasons() == [None] * len(samples)
    for mol, name in zip(samples.drawn(), geometries.smiles, strict=True):
        Chem.SanitizeMol(mol)
        assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == name


def test_they_become_structures(samples: MoleculeSamples, structures: Structures) -> None:
    found = samples.structures()
    assert found.column("origin") == ["diffusion"] * len(samples)
    assert {s.smiles for s in found} == {None}
    for a, b in zip(found, structures, strict=True):
        assert sorted(a.numbers.tolist()) == sorted(b.numbers.tolist())
        assert a.charge == 0
        assert perceive(a.numbers, a.positions).smiles is not None
        distances = [np.sort(np.linalg.norm(x[:, None] - x, axis=2).ravel()) for x in (a.positions, b.positions)]
        np.testing.assert_allclose(*distances, atol=2e-3)


def test_bonds_and_geometries_are_judged_apart(samples: MoleculeSamples) -> None:
    broken = samples.bonds.copy()
    broken[:, 0, :] = broken[:, :, 0] = 0
    assert None not in replace(samples, bonds=broken).graph_reasons()
    assert replace(samples, bonds=broken).reasons() == [None] * len(samples)
    torn = replace(samples, coordinates=samples.coordinates * np.float32(3.0))
    assert torn.graph_reasons() == [None] * len(samples)
    assert None not in torn.reasons()


def test_charges_count_atoms_and_not_padding(samples: MoleculeSamples) -> None:
    types = replace(samples.types, charges=tuple(range(1, len(samples.types) + 1)))
    charged = replace(samples, types=types)
    expected = [int((row[:n].astype(int) + 1).sum()) for row, n in zip(samples.atoms, samples.sizes, strict=True)]
    assert charged.charges.tolist() == expected
    assert not samples.charges.any()


def test_rows_are_taken_and_joined(block: Block, samples: MoleculeSamples, geometries: Geometries) -> None:
    n_max = geometries.n_max + 3
    parts = [
        MoleculeSamples.of(block, np.array(rows, dtype=np.intp), geometries.types, 1.4, n_max)
        for rows in ([], [4, 2], [59])
    ]
    joined = MoleculeSamples.joined(parts, 7.5)
    assert (len(joined), joined.cpu_seconds, len(joined.trajectory)) == (3, 7.5, 2)
    for name in ("atoms", "bonds", "coordinates", "sizes"):
        for some, whole in [(joined, samples), *zip(joined.trajectory, samples.trajectory, strict=True)]:
            np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[[4, 2, 59]])


def test_padding_is_nothing(samples: MoleculeSamples) -> None:
    outside = np.arange(samples.atoms.shape[1]) >= samples.sizes[:, None]
    assert not samples.atoms[outside].any()
    assert not samples.coordinates[outside].any()
    assert not samples.bonds[outside].any()


def test_radicals_and_charges_are_reasons_not_errors(samples: MoleculeSamples) -> None:
    """Any arrays may be drawn; they are told apart, whatever they are."""
    rng = np.random.default_rng(0)
    there = np.arange(samples.atoms.shape[1]) < samples.sizes[:, None]
    atoms = rng.integers(0, len(samples.types), samples.atoms.shape).astype(np.uint8) * there
    upper = np.triu(rng.integers(0, 4, samples.bonds.shape), 1) * there[:, :, None] * there[:, None]
    bonds = (upper + upper.transpose(0, 2, 1)).astype(np.uint8)
    wild = replace(samples, atoms=atoms, bonds=bonds, coordinates=samples.coordinates * np.float32(3.0))
    assert None not in wild.graph_reasons()
    assert None not in wild.reasons()
    assert len(wild.structures()) == len(samples)

"""The pipeline: rows that depend on their numbers alone, fragments and graphs that stand, arguments that are told.

The network has random weights: what it draws is mostly not valid, which is no matter here.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.io import read
from diffusers import DPMSolverMultistepScheduler
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molaug.generators.diffusion.pipeline import MoleculePipeline, load_pipeline
from molaug.generators.diffusion.samples import MoleculeSamples
from molaug.generators.diffusion.steering import Given
from molaug.structures.superposition import kabsch_rmsd

FROZEN = Path(__file__).parent / "data" / "checkpoint-v1"
STEPS = 5


def same(a: MoleculeSamples, b: MoleculeSamples, start: int = 0, stop: int | None = None) -> None:
    """Whether ``a`` is, byte by byte, the rows from ``start`` to ``stop`` of ``b``."""
    for field in fields(MoleculeSamples):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert x.tobytes() == y[start:stop].tobytes(), field.name


@pytest.fixture(scope="module")
def some(untrained: MoleculePipeline) -> MoleculeSamples:
    return untrained(70, num_inference_steps=STEPS, seed=3)


def test_a_row_depends_on_its_number_alone(untrained: MoleculePipeline, some: MoleculeSamples) -> None:
    same(untrained(10, num_inference_steps=STEPS, seed=3), some, 0, 10)
    same(untrained(6, num_inference_steps=STEPS, seed=3, start=61), some, 61, 67)
    same(untrained(1, num_inference_steps=STEPS, seed=3, start=69), some, 69)
    same(untrained(70, num_inference_steps=STEPS, seed=3), some)


STEERING: list[dict[str, Any]] = [
    {"fragment": "*CO"},
    {"graph": "CCO"},
    {"properties": {"gap": 0.4}},
    {"noise": 0.5, "spread": 0.1},
    {"n_atoms": (4, 6), "temperature": 0.5},
]


@pytest.mark.parametrize("steering", STEERING)
def test_steered_rows_depend_on_their_number_alone_too(untrained: MoleculePipeline, steering: dict) -> None:
    whole = untrained(66, num_inference_steps=3, **steering)
    same(untrained(3, num_inference_steps=3, start=63, **steering), whole, 63, 66)


def test_a_trajectory_changes_nothing_and_is_centred(untrained: MoleculePipeline, some: MoleculeSamples) -> None:
    samples = untrained(9, num_inference_steps=STEPS, seed=3, start=60, trajectory=True)
    same(samples, some, 60, 69)
    assert some.trajectory == ()
    assert [len(state) for state in samples.trajectory] == [9] * STEPS
    for state in (samples, *samples.trajectory):
        outside = np.arange(samples.atoms.shape[1]) >= state.sizes[:, None]
        assert np.abs(state.coordinates.sum(1)).max() < 1e-3
        assert not state.coordinates[outside].any()
        assert not state.atoms[outside].any()
        assert not state.bonds[outside].any()
        np.testing.assert_array_equal(state.bonds, state.bonds.transpose(0, 2, 1))


def test_another_seed_gives_other_rows(untrained: MoleculePipeline, some: MoleculeSamples) -> None:
    other = untrained(64, num_inference_steps=STEPS, seed=4)
    assert np.abs(other.coordinates - some.coordinates[:64]).max(axis=(1, 2)).min() > 1e-2


def test_no_rows_are_no_rows(untrained: MoleculePipeline) -> None:
    samples = untrained(0, num_inference_steps=2)
    assert len(samples) == len(samples.numbers) == len(samples.drawn()) == len(samples.structures()) == 0
    assert samples.atoms.shape == (0, untrained.n_max)


@pytest.mark.parametrize("n_atoms", [1, 2, 7])
def test_the_number_of_atoms_holds(untrained: MoleculePipeline, n_atoms: int) -> None:
    samples = untrained(5, num_inference_steps=2, n_atoms=n_atoms)
    assert [int((z > 1).sum()) for z in samples.numbers] == [n_atoms] * 5
    assert all(len(z) == len(x) for z, x in zip(samples.numbers, samples.positions, strict=True))


def embedded(smiles: str) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=3) == 0
    return mol


FRAGMENTS = ["C", "O", "CC", "C1CC1", "*C(=O)N*", "C[N+](=O)[O-]", "*c1ccccc1", "[NH3+]CC(=O)[O-]", "C#CC#N"]


@pytest.mark.parametrize("scheduler", ["Euler", "DPM-Solver++"])
@pytest.mark.parametrize("smiles", FRAGMENTS)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_fragment_stands_in_every_molecule(untrained: MoleculePipeline, smiles: str, scheduler: str) -> None:
    """Types, bonds and, up to a rotation, places; for each of its numbers of atoms, with disorder around it."""
    pipeline = untrained
    if scheduler != "Euler":
        solver = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
        pipeline = MoleculePipeline(
            untrained.network, untrained.graph_scheduler, solver, domain=dict(untrained.config.domain)
        )
    fragment = smiles if "*" in smiles else embedded(smiles)
    given = Given.fragment(fragment, pipeline.types, 7)
    size = len(given)
    samples = pipeline(40, num_inference_steps=3, fragment=fragment, noise=0.3, spread=0.2)
    orders = {row.tobytes(): k for k, row in enumerate(given.numbering)}
    assert samples.sizes.min() > size
    for k in range(40):
        order = orders[samples.numbering[k].tobytes()]
        np.testing.assert_array_equal(samples.atoms[k, :size], given.atoms[order])
        np.testing.assert_array_equal(samples.bonds[k, :size, :size], given.bonds[order])
        found, expected = samples.coordinates[k, :size].astype(float), given.coordinates[order].astype(float)
        assert np.abs(found.mean(0)).max() < 1e-5
        assert float(kabsch_rmsd(found, expected)) < 1e-5  # never mirrored
        lengths = [np.linalg.norm(x[:, None] - x, axis=2) for x in (found, expected)]
        assert np.abs(lengths[0] - lengths[1]).max() < 1e-5


@pytest.mark.parametrize("smiles", ["*CCO", "*c1ccoc1", "CN*"])
def test_atoms_without_an_attachment_point_bond_to_hydrogens_alone(untrained: MoleculePipeline, smiles: str) -> None:
    given = Given.fragment(smiles, untrained.types, 7)
    samples = untrained(64, num_inference_steps=4, fragment=smiles, temperature=3.0)
    orders = {row.tobytes(): k for k, row in enumerate(given.numbering)}
    heavy = np.array(untrained.types.numbers)[samples.atoms] > 1
    bonded = 0
    for k in range(64):
        closed = given.closed[orders[samples.numbering[k].tobytes()]]
        added = samples.bonds[k, : len(given), len(given) :] * heavy[k, len(given) :]
        assert not added[closed].any()
        bonded += added[~closed].any()
    assert bonded > 10  # the network would bond


@pytest.mark.parametrize("smiles", ["CCO", "OC1CC1", "C[N+](=O)[O-]", "c1cc[nH]c1", "C", "NCC#N"])
def test_a_given_graph_is_kept_and_numbered_as_rdkit_adds_hydrogens(untrained: MoleculePipeline, smiles: str) -> None:
    samples = untrained(40, num_inference_steps=4, graph=smiles, noise=0.2)
    whole = Chem.AddHs(Chem.MolFromSmiles(smiles))
    adjacency = Chem.GetAdjacencyMatrix(whole)
    numbers = np.array([atom.GetAtomicNum() for atom in whole.GetAtoms()])
    n = len(numbers)
    assert samples.sizes.tolist() == [n] * 40
    assert len({row.tobytes() for row in samples.numbering}) > 1 or Chem.MolFromSmiles(smiles).GetNumAtoms() == 1
    for k, mol in enumerate(samples.drawn()):
        order = samples.numbering[k]
        np.testing.assert_array_equal(samples.numbers[k], numbers[order])
        np.testing.assert_array_equal(samples.bonds[k, :n, :n] > 0, adjacency[np.ix_(order, order)] > 0)
        Chem.SanitizeMol(mol)
        assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == Chem.CanonSmiles(smiles)
    assert samples.graph_reasons() == [None] * 40


def test_without_guidance_properties_change_nothing(untrained: MoleculePipeline, some: MoleculeSamples) -> None:
    def draw(**options: Any) -> MoleculeSamples:
        return untrained(20, num_inference_steps=STEPS, seed=3, **options)

    same(draw(properties={"gap": 0.4}, guidance_scale=0.0), some, 0, 20)
    same(draw(properties={}), some, 0, 20)
    same(draw(guidance_scale=5.0), some, 0, 20)
    weak, strong = (draw(properties={"gap": 0.4}, guidance_scale=w) for w in (1.0, 3.0))
    assert len({x.coordinates.tobytes() for x in (weak, strong, draw())}) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": -1}, "n=-1, start=0"),
        ({"start": -1}, "start=-1"),
        ({"num_inference_steps": 0}, "num_inference_steps=0; expected at least 0, 0 and 2"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"temperature": 0.0}, "temperature is 0.0; expected more than 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"noise": -0.1}, "noise is -0.1; expected a share from 0 to 1"),
        ({"noise": 1.1}, "noise is 1.1"),
        ({"spread": -0.1}, "spread is -0.1; expected at least 0"),
        ({"spread": float("inf")}, "spread is inf"),
        ({"guidance_scale": -1.0}, "guidance_scale is -1.0; expected at least 0"),
        ({"guidance_scale": float("inf")}, "guidance_scale is inf"),
        ({"n_atoms": 8}, "no size is left"),
        ({"n_atoms": 0}, "no size is left"),
        ({"fragment": "CO", "graph": "CO"}, "fragment and graph were given; expected one of them"),
        ({"fragment": "C("}, "cannot be read"),
        ({"graph": "CCCCCCC"}, "has 23 atoms; molecules have at most 20"),
        ({"graph": "CO", "n_atoms": 7}, "a graph and n_atoms=7 were given"),
        ({"fragment": "CO", "n_atoms": 2}, "no size is left"),
        ({"fragment": "CCCCCCC"}, "7 heavy atoms, and molecules at most 7"),
        ({"properties": {"mu": 1.0}}, "no property 'mu' to steer by; this generator knows gap"),
        ({"properties": {"gap": float("nan")}}, "property 'gap' is nan; expected a finite number"),
    ],
)
def test_wrong_arguments_are_told(untrained: MoleculePipeline, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        untrained(**{"n": 1} | arguments)


def test_a_pipeline_knows_its_data(untrained: MoleculePipeline) -> None:
    assert untrained.types.names == ("H", "C", "N", "N+1", "O-1", "O")
    assert untrained.n_max == 20
    assert untrained.conditions == ("gap",)
    parts = untrained.network, untrained.graph_scheduler, untrained.scheduler
    with pytest.raises(ValueError, match="domain is missing"):
        MoleculePipeline(*parts)
    for options in ({"graph_share": 0.0}, {"graph_share": 1.0}, {"distortion": 0.0}):
        with pytest.raises(ValueError, match="expected a share and a number of more than 0"):
            MoleculePipeline(*parts, domain=dict(untrained.config.domain), **options)


def test_drawing_leaves_the_mode_of_the_network(untrained: MoleculePipeline, some: MoleculeSamples) -> None:
    untrained.network.train()
    try:
        same(untrained(5, num_inference_steps=STEPS, seed=3), some, 0, 5)
        assert untrained.network.training
    finally:
        untrained.network.eval()


def test_a_checkpoint_is_half_the_size_and_draws(
    untrained: MoleculePipeline, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    untrained.save(tmp_path)
    written = tmp_path / "network" / "diffusion_pytorch_model.safetensors"
    n = sum(weights.numel() for weights in untrained.network.parameters())
    assert 2 * n <= written.stat().st_size < 2 * n + 20_000
    assert untrained.network.dtype == torch.float32
    again = load_pipeline(tmp_path)
    assert {weights.dtype for weights in again.network.parameters()} == {torch.float32}
    assert not again.network.training
    assert again.config.domain == untrained.config.domain
    same(again(10, num_inference_steps=2), load_pipeline(tmp_path)(10, num_inference_steps=2))
    assert capfd.readouterr() == ("", "")


def test_a_checkpoint_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .* expected a folder or one of"):
        load_pipeline(tmp_path / "nowhere")


def test_an_old_checkpoint_keeps_drawing_the_same_molecules() -> None:
    samples = load_pipeline(FROZEN)(8, num_inference_steps=10, noise=0.0, seed=0)
    frames = read(FROZEN / "drawn.xyz", index=":", format="xyz")
    assert [list(z) for z in samples.numbers] == [frame.numbers.tolist() for frame in frames]
    for x, frame in zip(samples.positions, frames, strict=True):
        np.testing.assert_allclose(x, frame.positions, atol=2e-3)

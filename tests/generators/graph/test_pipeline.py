"""The pipeline: every molecule sound and as asked for, every row the same however it is asked for.

The network has random weights: what it draws is mostly not valid, which the projection has to mend.
"""

from __future__ import annotations

import logging
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem

from molaug.generators.graph.kekule import drawn
from molaug.generators.graph.pipeline import GraphPipeline, GraphSamples, load_pipeline
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry.strict import strict_reasons_of_smiles

FROZEN = Path(__file__).parent / "data" / "checkpoint-v1"
SYMBOLS = np.array(["C", "N", "N", "O", "O", "F"])
STEPS = 5


def same(a: GraphSamples, b: GraphSamples) -> None:
    for field in fields(GraphSamples):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "graphs":
            for name in ("atoms", "bonds", "sizes"):
                np.testing.assert_array_equal(getattr(x, name), getattr(y, name))
        elif field.name == "raw_valid":
            np.testing.assert_array_equal(x, y)
        elif field.name not in ("cpu_seconds", "trajectory"):
            assert x == y, field.name


def rows(samples: GraphSamples, start: int, stop: int) -> list[tuple]:
    return [
        (
            samples.smiles[k],
            samples.raw_smiles[k],
            samples.reasons[k],
            samples.graphs.atoms[k].tolist(),
            samples.graphs.bonds[k].tolist(),
        )
        for k in range(start, stop)
    ]


@pytest.fixture(scope="module")
def some(tiny: GraphPipeline) -> GraphSamples:
    return tiny(130, num_inference_steps=STEPS, seed=3)


def test_every_molecule_is_strictly_valid(some: GraphSamples, types: AtomTypes) -> None:
    assert None not in some.smiles
    assert strict_reasons_of_smiles(some.smiles) == [None] * len(some)
    assert (some.graphs.sizes > 0).all()
    for name, mol in zip(some.smiles, drawn(some.graphs, types), strict=True):
        Chem.SanitizeMol(mol)
        assert Chem.CanonSmiles(Chem.MolToSmiles(mol)) == name


def test_the_raw_graphs_are_told_as_they_were_drawn(some: GraphSamples) -> None:
    assert 0 < some.raw_valid.mean() < 0.7  # both kinds are there to be tested
    assert [reason is None for reason in some.reasons] == some.raw_valid.tolist()
    assert [reason is None for reason in strict_reasons_of_smiles(some.raw_smiles)] == some.raw_valid.tolist()


def test_what_is_valid_as_drawn_is_left_as_it_is(tiny: GraphPipeline) -> None:
    samples = tiny(130, num_inference_steps=STEPS, seed=3, trajectory=True)
    for k in np.flatnonzero(samples.raw_valid):
        np.testing.assert_array_equal(samples.graphs.atoms[k], samples.trajectory[-1].atoms[k])
        np.testing.assert_array_equal(samples.graphs.bonds[k], samples.trajectory[-1].bonds[k])


def test_a_row_depends_on_its_number_alone(tiny: GraphPipeline, some: GraphSamples) -> None:
    assert rows(tiny(10, num_inference_steps=STEPS, seed=3), 0, 10) == rows(some, 0, 10)
    assert rows(tiny(66, num_inference_steps=STEPS, seed=3, start=62), 0, 66) == rows(some, 62, 128)
    assert rows(tiny(1, num_inference_steps=STEPS, seed=3, start=129), 0, 1) == rows(some, 129, 130)


def test_a_trajectory_changes_nothing(tiny: GraphPipeline, some: GraphSamples) -> None:
    samples = tiny(20, num_inference_steps=STEPS, seed=3, start=60, trajectory=True)
    assert rows(samples, 0, 20) == rows(some, 60, 80)
    assert [len(state) for state in samples.trajectory] == [20] * (STEPS + 1)
    assert some.trajectory == ()
    for state in samples.trajectory:
        np.testing.assert_array_equal(state.sizes, samples.graphs.sizes)
        assert not state.bonds[~state.mask].any()
        np.testing.assert_array_equal(state.bonds, state.bonds.transpose(0, 2, 1))


def test_another_seed_gives_other_rows(tiny: GraphPipeline, some: GraphSamples) -> None:
    other = tiny(64, num_inference_steps=STEPS, seed=4)
    assert len(set(other.raw_smiles) & set(some.raw_smiles[:64])) < 32
    assert other.raw_smiles != some.raw_smiles[:64]


def test_no_rows_are_no_rows(tiny: GraphPipeline) -> None:
    samples = tiny(0, trajectory=True)
    assert len(samples) == len(samples.graphs) == len(samples.raw_valid) == 0
    assert samples.graphs.n_max == tiny.n_max
    assert samples.trajectory == ()


@pytest.mark.parametrize(
    "steering", [{}, {"composition": {"C": (1, None)}}, {"fragment": "*CO"}, {"properties": {"gap": 0.4}}]
)
def test_steered_rows_depend_on_their_number_alone_too(tiny: GraphPipeline, steering: dict) -> None:
    whole = tiny(66, num_inference_steps=3, **steering)
    assert rows(tiny(3, num_inference_steps=3, start=63, **steering), 0, 3) == rows(whole, 63, 66)


def counted(samples: GraphSamples, k: int) -> dict[str, int]:
    symbols = SYMBOLS[samples.graphs.atoms[k, : samples.graphs.sizes[k]]].tolist()
    return {symbol: symbols.count(symbol) for symbol in "CNOF"}


@pytest.mark.parametrize("n_atoms", [1, 2, 5, 8])
def test_the_number_of_atoms_holds(tiny: GraphPipeline, n_atoms: int) -> None:
    samples = tiny(40, num_inference_steps=3, n_atoms=n_atoms)
    assert set(samples.graphs.sizes.tolist()) == {n_atoms}
    assert None not in samples.smiles
    assert {Chem.MolFromSmiles(name).GetNumAtoms() for name in samples.smiles if name} == {n_atoms}


def test_ranges_and_weights_of_sizes_hold(tiny: GraphPipeline) -> None:
    assert set(tiny(60, num_inference_steps=1, n_atoms=(3, 4)).graphs.sizes.tolist()) == {3, 4}
    sizes = tiny(128, num_inference_steps=1, n_atoms={2: 1.0, 6: 3.0}).graphs.sizes
    assert set(sizes.tolist()) == {2, 6}
    assert 0.6 < (sizes == 6).mean() < 0.9


@pytest.mark.parametrize("composition", ["C5NO2", "C6", "C3F4", "N2O2C2", "CN3O", "O2"])
def test_a_formula_holds(tiny: GraphPipeline, composition: str) -> None:
    samples = tiny(40, num_inference_steps=3, composition=composition)
    assert None not in samples.smiles
    wanted = {symbol: int(number or 1) for symbol, number in re.findall(r"([A-Z])(\d*)", composition)}
    for k, name in enumerate(samples.smiles):
        assert counted(samples, k) == dict.fromkeys("CNOF", 0) | wanted
        atoms = [atom.GetSymbol() for atom in Chem.MolFromSmiles(name).GetAtoms()]
        assert {symbol: atoms.count(symbol) for symbol in wanted} == wanted
        assert len(atoms) == sum(wanted.values())


def test_limits_of_elements_hold(tiny: GraphPipeline) -> None:
    samples = tiny(50, num_inference_steps=3, composition={"N": (2, 3), "O": [None, 1], "F": 0})
    assert None not in samples.smiles
    for k in range(len(samples)):
        found = counted(samples, k)
        assert 2 <= found["N"] <= 3
        assert found["O"] <= 1
        assert found["F"] == 0


def test_what_cannot_be_a_molecule_is_a_row_without_one(tiny: GraphPipeline) -> None:
    samples = tiny(5, num_inference_steps=2, composition="F3")
    assert samples.smiles == (None,) * 5
    assert all(samples.reasons)
    assert not samples.graphs.sizes.any()


FRAGMENTS = ["c1ccccc1", "*c1ccncc1", "*C(=O)N*", "C[N+](=O)[O-]", "*n1cccc1", "C#C", "*[NH2+]C", "F*", "C1CC1", "O"]


@pytest.mark.parametrize("smiles", FRAGMENTS)
def test_a_fragment_stands_in_every_molecule(tiny: GraphPipeline, smiles: str) -> None:
    from molaug.generators.graph.steering import Fragment

    fragment = Fragment.of(smiles, tiny.types, tiny.n_max)
    samples = tiny(50, num_inference_steps=3, fragment=smiles)
    assert None not in samples.smiles
    assert strict_reasons_of_smiles(samples.smiles) == [None] * 50
    size = len(fragment)
    laid = {
        (a[:size].tobytes(), b[:size, :size].tobytes()): c
        for a, b, c in zip(fragment.graphs.atoms, fragment.graphs.bonds, fragment.closed, strict=True)
    }
    (pattern,) = drawn(fragment.graphs.take(np.array([0])), tiny.types)
    for atoms, bonds, mol in zip(
        samples.graphs.atoms, samples.graphs.bonds, drawn(samples.graphs, tiny.types), strict=True
    ):
        assert (atoms[:size].tobytes(), bonds[:size, :size].tobytes()) in laid
        assert mol.HasSubstructMatch(pattern)
        assert mol.GetNumAtoms() > size


@pytest.mark.parametrize(("smiles", "closed"), [("*CCO", [1, 2]), ("*c1ccoc1", [1, 2, 3, 4])])
def test_atoms_without_an_attachment_point_take_no_bond(tiny: GraphPipeline, smiles: str, closed: list[int]) -> None:
    """In every molecule as many atoms of the fragment as are closed have no bond to an added atom."""
    samples = tiny(50, num_inference_steps=3, fragment=smiles)
    size = len(closed) + 1
    for bonds in samples.graphs.bonds:
        added = bonds[:size, size:].sum(1)
        assert (added > 0).sum() == 1
        assert added[np.argmax(added)] > 0


def test_fragment_composition_and_size_together(tiny: GraphPipeline) -> None:
    samples = tiny(50, num_inference_steps=3, fragment="*c1ccoc1", composition="C5NO2")
    assert None not in samples.smiles
    assert all(counted(samples, k) == {"C": 5, "N": 1, "O": 2, "F": 0} for k in range(len(samples)))
    samples = tiny(50, num_inference_steps=3, fragment="C[N+](=O)[O-]", composition={"N": 2}, n_atoms=(6, 7))
    assert None not in samples.smiles
    assert all(counted(samples, k)["N"] == 2 for k in range(len(samples)))
    assert set(samples.graphs.sizes.tolist()) == {6, 7}


def test_without_guidance_properties_change_nothing(tiny: GraphPipeline) -> None:
    plain = tiny(40, num_inference_steps=STEPS)
    same(tiny(40, num_inference_steps=STEPS, properties={"gap": 0.4}, guidance_scale=0.0), plain)
    same(tiny(40, num_inference_steps=STEPS, properties={}), plain)
    weak = tiny(40, num_inference_steps=STEPS, properties={"gap": 0.4}, guidance_scale=1.0)
    strong = tiny(40, num_inference_steps=STEPS, properties={"gap": 0.4}, guidance_scale=3.0)
    assert len({plain.raw_smiles, weak.raw_smiles, strong.raw_smiles}) == 3


def test_the_colder_the_less_diverse(tiny: GraphPipeline) -> None:
    def distinct(temperature: float) -> int:
        return len(set(tiny(64, num_inference_steps=STEPS, temperature=temperature, n_atoms=4).smiles))

    assert distinct(1e-30) < distinct(3.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": -1}, "n=-1, start=0; expected at least 0"),
        ({"start": -1}, "start=-1"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"num_inference_steps": 0}, "0 steps; expected at least 1"),
        ({"temperature": 0.0}, "temperature is 0.0; expected a number > 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"guidance_scale": -1.0}, "guidance_scale is -1.0; expected a number >= 0"),
        ({"guidance_scale": float("inf")}, "guidance_scale is inf"),
        ({"n_atoms": 9}, "no size is left: 9 .* allow 1 to 8"),
        ({"composition": "C9"}, "9 heavy atoms; molecules have at most 8"),
        ({"composition": "C3", "fragment": "CO"}, "the fragment has 1 O, of which the composition allows 0"),
        ({"fragment": "CCCCCCCC"}, "8 heavy atoms and molecules at most 8"),
        ({"properties": {"mu": 1.0}}, "no property 'mu' to steer by; this generator knows gap"),
        ({"properties": {"gap": float("nan")}}, "property 'gap' is nan; expected a finite number"),
    ],
)
def test_wrong_arguments_are_told(tiny: GraphPipeline, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**{"n": 1} | arguments)


def test_a_pipeline_knows_its_data(tiny: GraphPipeline) -> None:
    assert tiny.types.names == ("C", "N", "N+1", "O-1", "O", "F")
    assert tiny.n_max == 8
    assert tiny.conditions == ("gap",)
    with pytest.raises(ValueError, match="domain is missing"):
        GraphPipeline(tiny.network, tiny.scheduler)


def test_drawing_leaves_the_mode_of_the_network(tiny: GraphPipeline, some: GraphSamples) -> None:
    tiny.network.train()
    try:
        assert rows(tiny(5, num_inference_steps=STEPS, seed=3), 0, 5) == rows(some, 0, 5)
        assert tiny.network.training
    finally:
        tiny.network.eval()


def test_it_is_kept_in_full_precision_and_draws_the_same(
    tiny: GraphPipeline, some: GraphSamples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tiny.save_pretrained(tmp_path)
    for _ in range(2):
        again = load_pipeline(tmp_path)
        assert rows(again(70, num_inference_steps=STEPS, seed=3), 0, 70) == rows(some, 0, 70)


def test_a_checkpoint_is_half_the_size_and_loads_in_single_precision(
    tiny: GraphPipeline, tmp_path: Path, capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tiny.save(tmp_path)
    written = tmp_path / "network" / "diffusion_pytorch_model.safetensors"
    n = sum(weights.numel() for weights in tiny.network.parameters())
    assert 2 * n <= written.stat().st_size < 2 * n + 20_000
    assert tiny.network.dtype == torch.float32
    again = load_pipeline(tmp_path)
    assert {weights.dtype for weights in again.network.parameters()} == {torch.float32}
    assert not again.network.training
    for a, b in zip(tiny.network.parameters(), again.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=2e-3)
    same(again(10, num_inference_steps=2), load_pipeline(tmp_path)(10, num_inference_steps=2))
    assert capfd.readouterr() == ("", "")


def test_the_bar_is_shown_if_asked_for(tiny: GraphPipeline, capfd: pytest.CaptureFixture) -> None:
    tiny(2, num_inference_steps=1)
    assert capfd.readouterr() == ("", "")
    tiny(2, num_inference_steps=1, progress=True)
    assert "1/1" in capfd.readouterr().err


def test_a_checkpoint_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .* expected a folder or one of"):
        load_pipeline(tmp_path / "nowhere")


def test_an_old_checkpoint_keeps_drawing_the_same_molecules() -> None:
    samples = load_pipeline(FROZEN)(8, num_inference_steps=10, seed=0)
    assert list(samples.smiles) == (FROZEN / "smiles.txt").read_text().split()

"""The potential that is shipped: the weights that its card describes, as good as the card says."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

from ase.build import molecule
from ase.units import Hartree

from molaug.filters.uncertainty.filter import Uncertainty
from molaug.filters.uncertainty.selector import TopUncertainty
from molaug.potentials.features import PotentialFeatures
from molaug.potentials.models import PotentialModel
from molaug.structures import Structures
from molaug.structures.split import split_of

#: Electronic energies of QM9 in hartree. The geometries of the tests are of another level: a few meV off the minimum.
QM9 = {"CH3CN": -132.7634357, "CH3CH2OH": -155.0524855, "CH3COCH3": -193.1717225, "C4H4O": -230.0390115}


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    return root / "checkpoints" / "potential-qm9"


@pytest.fixture(scope="module")
def model() -> PotentialModel:
    return PotentialModel()


@pytest.fixture(scope="module")
def known() -> Structures:
    return Structures.from_ase([molecule(name) for name in QM9])


def test_the_card_names_the_weights(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    for name in ("model.safetensors", "rigidity.safetensors"):
        weights = folder / name
        assert sha256(weights.read_bytes()).hexdigest() in card
        assert weights.stat().st_size < 20e6


def test_the_card_gives_data_command_time_and_metrics(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    for wanted in ("molaug fit potential", "wall time", "hardware", "101,587", "12,553", "b3lyp/6-31g(2df,p)", "meV"):
        assert wanted in card
    assert re.search(r"mean absolute error\s+[\d.]+ meV", card)


def test_energies_are_those_of_the_level_of_the_data(known: Structures, model: PotentialModel) -> None:
    energy, sigma = model(known)
    np.testing.assert_allclose(energy, np.array(list(QM9.values())) * Hartree, atol=0.15)
    assert (sigma > 0).all()
    assert (sigma < 0.2).all()


def test_it_is_less_sure_of_what_it_never_saw(known: Structures) -> None:
    """It has learned from minima alone."""
    rng = np.random.default_rng(0)
    shaken = Structures.from_arrays(
        [row.numbers for row in known], [row.positions + rng.normal(0, 0.15, row.positions.shape) for row in known]
    )
    for by, least in (("head", 1.5), ("rigidity", 1.5), ("errors", 2.0)):
        model = PotentialModel(by=by)  # type: ignore[arg-type]
        ratio = model(shaken)[1] / model(known)[1]
        assert (ratio > 1.05).all()
        assert np.median(ratio) > least


def test_neither_energies_nor_uncertainties_change_with_the_frame(known: Structures, model: PotentialModel) -> None:
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turned = Structures.from_arrays(
        [row.numbers[::-1] for row in known], [(row.positions @ turn + 5.0)[::-1] for row in known]
    )
    for here, there in zip(model(known), model(turned), strict=True):
        np.testing.assert_allclose(here, there, atol=2e-3)


def test_features_have_none_where_the_potential_knows_no_element(known: Structures, model: PotentialModel) -> None:
    rows = Structures.concat([known, Structures.from_ase(molecule("SiH4"))])
    vectors, there = PotentialFeatures()(rows)
    assert there.tolist() == [True] * len(QM9) + [False]
    assert np.isnan(model(rows)[0][-1])
    assert len(np.unique(vectors.round(3), axis=0)) == len(rows)


def test_errors_on_the_test_part_are_those_of_the_card(folder: Path, data: Path, model: PotentialModel) -> None:
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        rows = np.arange(0, len(arrays["energy"]), 80)
        names = [name.decode() for name in arrays["smiles"][rows]]
        rows = rows[np.array(split_of(names)) == "test"]
        offsets, z, x = arrays["offsets"], arrays["z"], arrays["pos"]  # each access unpacks all of it
        atoms = [slice(offsets[k], offsets[k + 1]) for k in rows]
        chosen = Structures.from_arrays([z[which] for which in atoms], [x[which] for which in atoms])
        label = arrays["energy"][rows] * Hartree
    there = np.isfinite(label)
    energy, sigma = model(chosen)
    error = np.abs(energy - label)[there]
    found = re.search(r"mean absolute error\s+([\d.]+) meV", (folder / "README.md").read_text())
    assert found is not None
    told = float(found[1])
    assert len(error) > 100
    assert 0.6 * told < 1000 * error.mean() < 1.6 * told
    assert 0.5 < np.sqrt(np.mean((error / sigma[there]) ** 2)) < 2.0


def test_it_says_nothing_of_charges_and_open_shells_and_the_filter_never_takes_them_for_known(
    model: PotentialModel,
) -> None:
    hydroxide = Structures.from_arrays([[8, 1]], [[[0, 0, 0], [0, 0, 0.97]]], charge=-1)
    oxygen = Structures.from_arrays([[8, 8]], [[[0, 0, 0], [0, 0, 1.21]]], multiplicity=3)
    rows = Structures.concat([hydroxide, oxygen])
    for by in ("head", "rigidity", "errors"):
        energy, sigma = PotentialModel(by=by)(rows)  # type: ignore[arg-type]
        assert np.isnan(energy).all()
        assert np.isnan(sigma).all()
    assert not PotentialFeatures()(rows)[1].any()
    verdicts = Uncertainty(model=model, least=10.0).bound([]).judge(rows)
    assert np.isnan(verdicts.score).all()
    assert verdicts.reason == [None, None]
    doubtful = Uncertainty(model=model, most=10.0).bound([]).judge(rows)
    assert set(doubtful.reason) == {"the model cannot tell how uncertain it is"}
    both = Structures.concat([rows, Structures.from_ase([molecule("CH4"), molecule("H2O")])])
    chosen = TopUncertainty(model=model).select(both, 4, base=Structures.empty(), seed=0).tolist()
    assert set(chosen[:2]) == {2, 3}

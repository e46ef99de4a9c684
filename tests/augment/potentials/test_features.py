"""Features of a potential: the energy is linear in their sums, and averages do not grow with the molecule."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from ase.build import molecule  # noqa: E402

from molaug import Augmenter  # noqa: E402
from molaug.filters import FarthestPoint, Leverage  # noqa: E402
from molaug.filters.design import select_streamed  # noqa: E402
from molaug.filters.features import Features  # noqa: E402
from molaug.potentials import Potential, UncertainPotential, predict  # noqa: E402
from molaug.potentials.features import PotentialFeatures  # noqa: E402
from molaug.registry import FILTERS, MODELS, SELECTORS, ConfigurationError, build, specification  # noqa: E402
from molaug.structures import Structures  # noqa: E402
from molaug.testing import check_filter  # noqa: E402

NAMES = ("CH3CH2OH", "H2O", "CH4", "H2CO", "C6H6", "CH3OH", "C2H4", "CO2")


def shaken(n: int, seed: int) -> Structures:
    rng = np.random.default_rng(seed)
    frames = [molecule(name) for name in (NAMES * n)[:n]]
    for frame in frames:
        frame.positions += rng.normal(0, 0.05, frame.positions.shape)
    return Structures.from_ase(frames)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A potential of random weights, calibrated on random errors."""
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        references = {1: -13.0, 6: -1030.0, 8: -2040.0}
        potential = Potential("painn", {"width": 16, "layers": 1, "heads": 4}, references=references).eval()
    train, held = (predict(potential, shaken(120, seed)).features for seed in (0, 1))
    errors = np.random.default_rng(0).normal(0, 0.1, len(held))
    UncertainPotential.fitted(potential, train, held, errors).save_pretrained(folder)
    return folder


def test_energies_are_linear_in_the_sums_and_averages_are_their_share(checkpoint: Path) -> None:
    rows = Structures.from_ase([molecule(name) for name in ("CH4", "H2O", "CH3CH2OH")])
    sums, there = PotentialFeatures(checkpoint=str(checkpoint), average=False)(rows)
    averages, _ = PotentialFeatures(checkpoint=str(checkpoint))(rows)
    assert there.all()
    np.testing.assert_array_equal(sums[:, -1], rows.n_atoms)
    np.testing.assert_allclose(averages * rows.n_atoms[:, None], sums, rtol=1e-5, atol=1e-6)
    potential = Potential.from_pretrained(checkpoint)
    weights = np.append(potential.last.weight.detach().numpy().ravel(), potential.last.bias.item())
    free = [sum(float(potential.references[z]) for z in row.numbers) for row in rows]
    alone = [
        potential(
            torch.tensor(np.array(r.numbers)).long(),
            torch.tensor(np.array(r.positions)).float(),
            torch.zeros(len(r.numbers)).long(),
        )
        for r in rows
    ]
    energies = [found.energy.item() for found in alone]
    np.testing.assert_allclose(sums @ weights + free, energies, atol=1e-3)


def test_what_the_potential_does_not_know_has_none(checkpoint: Path) -> None:
    features: Features = PotentialFeatures(checkpoint=str(checkpoint))
    bare = Structures.from_arrays([[6]], None, smiles=["C"])
    rows = Structures.concat([bare, Structures.from_ase([molecule("NH3"), molecule("CH4")])])
    vectors, there = features(rows)
    assert vectors.shape == (3, 17)
    assert there.tolist() == [False, False, True]
    assert not vectors[:2].any()
    assert features(Structures.empty())[0].shape == (0, 17)


def test_a_folder_is_known_by_its_whole_path_and_a_missing_one_is_told(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkpoint.parent)
    features = PotentialFeatures(checkpoint="tiny")
    assert Path(features.checkpoint) == checkpoint.resolve()
    monkeypatch.chdir("/")
    features.check()
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nowhere'"):
        PotentialFeatures(checkpoint="nowhere").check()


def test_configuring_it_does_not_load_torch() -> None:
    program = "import sys, molaug.potentials.features as f; f.PotentialFeatures(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], env=dict(os.environ), check=False).returncode == 0


def test_selectors_choose_by_a_potential_whatever_the_order(checkpoint: Path) -> None:
    features = {"potential": {"checkpoint": str(checkpoint)}}
    rows, base = shaken(24, 2), shaken(8, 3)
    back = rows.take(np.arange(24)[::-1])
    specs = [{name: {"features": features}} for name in ("farthest-point", "d-optimal", "largest-cluster", "target")]
    specs += [{"top-uncertainty": {"model": {"potential": {"checkpoint": str(checkpoint)}}}}]
    specs += [{"mixture": {"parts": specs[:2], "shares": [1, 2]}}]
    for spec in specs:
        selector = build(SELECTORS, spec, "selector")
        chosen = rows.take(selector.select(rows, 9, base=base, seed=0)).ids
        assert back.take(selector.select(back, 9, base=base, seed=0)).ids == chosen
        assert build(SELECTORS, specification(selector, SELECTORS), "selector") == selector


def test_streamed_candidates_are_chosen_as_those_in_memory(checkpoint: Path) -> None:
    selector, rows = FarthestPoint(features=PotentialFeatures(checkpoint=str(checkpoint))), shaken(40, 4)
    expected = rows.take(selector.select(rows, 12, base=shaken(8, 3), seed=0)).ids
    assert select_streamed(selector, lambda: rows.batches(7), 12, base=lambda: [shaken(8, 3)], seed=0).ids == expected


def test_filters_judge_by_a_potential(checkpoint: Path) -> None:
    rows, base = shaken(16, 5), shaken(8, 3)
    options = {"checkpoint": str(checkpoint)}
    sigma = np.sort(build(MODELS, {"potential": options}, "model")(rows)[1])
    unsure = build(
        FILTERS, {"uncertainty": {"model": {"potential": options}, "least": float(sigma[3:5].mean())}}, "filter"
    )
    assert (~unsure.bound([]).judge(rows).keep).sum() == 4
    remote = Leverage(features=PotentialFeatures(checkpoint=str(checkpoint)), ridge=0.1)
    assert remote.bound([base]).judge(rows).keep.all()
    check_filter(unsure, base, rows)
    check_filter(remote, base, rows)


def test_a_checkpoint_that_is_not_there_stops_a_plan() -> None:
    features = {"potential": {"checkpoint": "nowhere"}}
    mixed = {"mixture": {"parts": ["random", {"d-optimal": {"features": features}}]}}
    with pytest.raises(ConfigurationError, match="selector mixture: no checkpoint 'nowhere'"):
        Augmenter(select=mixed).plan()
    with pytest.raises(ConfigurationError, match="filter leverage: no checkpoint 'nowhere'"):
        Augmenter(filters=[{"leverage": {"features": features}}]).plan()
    with pytest.raises(ConfigurationError, match="selector target: "):
        Augmenter(select={"target": {"target": "nowhere.xyz"}}).plan()

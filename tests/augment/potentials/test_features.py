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

from molaug.filters.features import Features  # noqa: E402
from molaug.potentials import Potential  # noqa: E402
from molaug.potentials.features import PotentialFeatures  # noqa: E402
from molaug.structures import Structures  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        references = {1: -13.0, 6: -1030.0, 8: -2040.0}
        Potential("painn", {"width": 16, "layers": 1, "heads": 4}, references=references).save_pretrained(folder)
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

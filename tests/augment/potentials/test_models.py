"""Models behind the protocol: a checkpoint tells what its potential tells; a committee is its mean and its scatter."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from ase.build import molecule  # noqa: E402
from ase.calculators.lj import LennardJones  # noqa: E402

from molaug.filters.uncertainty.model import UncertainModel  # noqa: E402
from molaug.potentials import Potential, UncertainPotential, predict  # noqa: E402
from molaug.potentials.heads import Head  # noqa: E402
from molaug.potentials.models import Committee, PotentialModel  # noqa: E402
from molaug.structures import Structures  # noqa: E402

NAMES = ("CH3CH2OH", "H2O", "CH4", "H2CO", "C6H6", "CH3OH")
REFERENCES = {1: -13.0, 6: -1030.0, 8: -2040.0}


def rattled(n: int, seed: int = 0) -> Structures:
    rng = np.random.default_rng(seed)
    frames = [molecule(NAMES[k % len(NAMES)]) for k in range(n)]
    for frame in frames:
        frame.positions += rng.normal(0, 0.05, frame.positions.shape)
    return Structures.from_ase(frames)


def checkpoint(folder: Path, seed: int, head: Head | None = None, level: str | None = "gfn2-xtb") -> Path:
    """An untrained potential, calibrated to errors of 0.1 eV."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        options = {"width": 16, "layers": 1, "heads": 4}
        potential = Potential("painn", options, references=REFERENCES, scale=0.3, level=level, head=head).eval()
    found = predict(potential, rattled(160))
    errors = np.random.default_rng(seed).normal(0, 0.1, 60)
    variance = None if found.variance is None else found.variance[100:]
    UncertainPotential.fitted(potential, found.features[:100], found.features[100:], errors, variance).save_pretrained(
        folder
    )
    return folder


def test_a_checkpoint_tells_what_its_potential_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint(tmp_path / "mine", 0)
    monkeypatch.setenv("MOLAUG_CHECKPOINTS", str(tmp_path))
    model, rows = PotentialModel(checkpoint="mine"), rattled(12, seed=5)
    assert isinstance(model, UncertainModel)
    energy, sigma = model(rows)
    expected = UncertainPotential.from_pretrained(tmp_path / "mine").predict(rows)
    assert energy.tolist() == expected.predicted.energy.tolist()
    assert sigma.tolist() == expected.sigma.tolist()
    bare = Structures.concat([rows.slice(0, 1), Structures.from_ase(molecule("NH3"))])
    assert [np.isnan(values).tolist() for values in model(bare)] == [[False, True], [False, True]]


@pytest.mark.parametrize("head", [Head(kind="ensemble", members=5), Head(kind="evidential", atoms=9.0)])
def test_a_head_is_asked_before_the_rigidity_and_both_are_calibrated(tmp_path: Path, head: Head) -> None:
    folder = checkpoint(tmp_path / "mine", 0, head)
    rows = rattled(160).slice(100, None)
    errors = np.random.default_rng(0).normal(0, 0.1, 60)
    by_head, by_rigidity = (PotentialModel(checkpoint=str(folder), by=by)(rows)[1] for by in ("head", "rigidity"))
    for sigma in (by_head, by_rigidity):  # weights are kept in half precision
        assert np.mean((errors / sigma) ** 2) == pytest.approx(1, rel=0.02)
    assert PotentialModel(checkpoint=str(folder))(rows)[1].tolist() == by_head.tolist()
    assert not np.allclose(by_head, by_rigidity)


def test_errors_that_were_held_out_are_learned_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A molecule whose errors are ten times those of the others is known by its features."""
    rows = rattled(300)
    benzene = np.arange(300) % len(NAMES) == NAMES.index("C6H6")
    errors = np.random.default_rng(0).normal(0, 1, 300) * np.where(benzene, 0.5, 0.05)
    potential = Potential.from_pretrained(checkpoint(tmp_path / "plain", 0))
    found = predict(potential, rows)
    monkeypatch.setattr("molaug.potentials.uncertain.ENOUGH", 200)
    told = UncertainPotential.fitted(potential, found.features[:100], found.features[100:], errors[100:])
    told.save_pretrained(tmp_path / "mine")
    by_errors, by_rigidity = (PotentialModel(checkpoint=str(tmp_path / "mine"), by=by) for by in ("errors", "rigidity"))
    fresh = rattled(60, seed=5)
    np.testing.assert_allclose(by_errors(fresh)[1], told.predict(fresh, by="errors").sigma, rtol=1e-3)
    assert PotentialModel(checkpoint=str(tmp_path / "mine"))(fresh)[1].tolist() == by_rigidity(fresh)[1].tolist()
    rings = np.arange(60) % len(NAMES) == NAMES.index("C6H6")
    ratio = [sigma[rings].mean() / sigma[~rings].mean() for sigma in (by_errors(fresh)[1], by_rigidity(fresh)[1])]
    assert 6 < ratio[0] < 15
    assert ratio[1] < 4
    assert np.isnan(by_errors(Structures.from_ase(molecule("NH3")))[1]).all()
    with pytest.raises(ValueError, match="too few structures were held out, less than 200; expected by='rigidity'"):
        PotentialModel(checkpoint=str(tmp_path / "plain"), by="errors")(fresh)


def test_errors_are_learned_from_what_the_head_says_where_it_says_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors go with the head alone, as it was told in a way that neither features nor rigidity know of."""
    monkeypatch.setattr("molaug.potentials.uncertain.ENOUGH", 200)
    rng = np.random.default_rng(0)
    potential = Potential("painn", {"width": 16, "heads": 4}, references=REFERENCES).eval()
    features = np.c_[rng.normal(size=(600, 16)), np.full(600, 9.0)]
    sigma = 10 ** rng.uniform(-2, 0, 600)
    errors = sigma * rng.normal(size=600)
    told = UncertainPotential.fitted(potential, features[:100], features[100:400], errors[100:400], sigma[100:400] ** 2)
    assert told.errors is not None
    rest = slice(400, 600)
    found = replace(predict(potential, rattled(200)), features=features[rest], variance=sigma[rest] ** 2)
    assert np.corrcoef(np.log(told.sigma(found, "errors")), np.log(sigma[rest]))[0, 1] > 0.98
    assert abs(np.corrcoef(np.log(told.sigma(found, "rigidity")), np.log(sigma[rest]))[0, 1]) < 0.3


def test_a_plain_head_tells_no_uncertainties(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the head is plain .* expected by='rigidity', or another head"):
        PotentialModel(checkpoint=str(checkpoint(tmp_path / "mine", 0)), by="head")(rattled(2))
    with pytest.raises(ValueError, match="by is 'heads'; expected 'head', 'rigidity', 'errors' or None"):
        PotentialModel(by="heads")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nowhere'"):
        PotentialModel(checkpoint="nowhere").check()


def test_a_committee_is_the_mean_and_the_scatter_of_its_members(tmp_path: Path) -> None:
    members = [str(checkpoint(tmp_path / str(seed), seed)) for seed in range(3)]
    rows = rattled(12, seed=5)
    energy, sigma = Committee(members=members, factor=2.0)(rows)
    each = np.stack([PotentialModel(checkpoint=member)(rows)[0] for member in members])
    np.testing.assert_allclose(energy, each.mean(0))
    np.testing.assert_allclose(sigma, 2.0 * each.std(0, ddof=1))
    labelled = rows.with_columns({"energy": energy + np.random.default_rng(0).normal(0, 0.3, len(rows))})
    z = (energy - labelled.array("energy")) / Committee(members=members).calibrated(labelled)(rows)[1]
    assert np.mean(z**2) == pytest.approx(1)


def test_levels_of_theory_are_not_mixed_without_a_reference(tmp_path: Path) -> None:
    members = [str(checkpoint(tmp_path / "a", 0, level="b3lyp")), str(checkpoint(tmp_path / "b", 1))]
    with pytest.raises(ValueError, match=r"members of 2 levels of theory: b3lyp, gfn2-xtb; .* or reference="):
        Committee(members=members)(rattled(2))


def test_of_two_levels_the_part_linear_in_the_composition_is_taken_off() -> None:
    """GFN1 and GFN2 have other zeros of energy: 20 eV apart with an oxygen, tenths of eV when these are taken off."""
    reference, rows = rattled(24), rattled(12, seed=5)
    committee = Committee(members=["gfn2-xtb", "gfn1-xtb"], reference=reference)
    raw = committee.energies(rows)
    energy, sigma = committee(rows)
    assert np.abs(raw[0] - raw[1]).max() > 10.0
    assert sigma.max() < 0.5
    np.testing.assert_allclose(energy, raw[0], atol=0.5)  # at the level of the first
    energies = committee.energies(reference)
    counts = np.stack([np.bincount(row.numbers, minlength=9) for row in reference]).astype(float)
    left = energies[1] - energies[0] - counts @ np.linalg.lstsq(counts, energies[1] - energies[0], rcond=None)[0]
    np.testing.assert_allclose(committee(reference)[1], np.abs(left) / np.sqrt(2), atol=1e-6)
    assert np.isnan(committee(Structures.from_ase(molecule("NH3")))[0]).all()


def test_calculators_are_members_as_objects_too_and_fail_row_by_row() -> None:
    members = [LennardJones(rc=10.0, sigma=3.0), LennardJones(rc=10.0, sigma=3.1)]
    pair = Structures.from_arrays([[18, 18], [18, 18]], [[[0, 0, 0], [0, 0, 3.4]], None], smiles=["[Ar].[Ar]"] * 2)
    energy, sigma = Committee(members=members)(pair)
    assert np.isfinite(energy).tolist() == np.isfinite(sigma).tolist() == [True, False]


def test_two_methods_of_one_class_are_two_levels_of_a_committee() -> None:
    methods = ({"method": method, "verbosity": 0} for method in ("GFN1-xTB", "GFN2-xTB"))
    members = [{"calculator": "tblite.ase:TBLite", "options": options} for options in methods]
    with pytest.raises(ValueError, match=r"2 levels of theory: tblite.ase:TBLite\(method=GFN1-xTB\), "):
        Committee(members=members)(rattled(2))


@pytest.mark.parametrize("members", [["gfn2-xtb"], "gfn2-xtb", []])
def test_one_member_is_no_committee(members: object) -> None:
    with pytest.raises(ValueError, match="expected a list of at least two"):
        Committee(members=members)  # type: ignore[arg-type]


def test_models_are_built_without_torch() -> None:
    code = "import sys; from molaug.potentials.models import Committee, PotentialModel; PotentialModel()"
    code += "; Committee(members=['a', 'b']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

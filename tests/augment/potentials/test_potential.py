"""Checkpoints of potentials: what is loaded predicts as what was saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from molaug.potentials import Potential  # noqa: E402

Z, BATCH = torch.tensor([8, 1, 1, 6, 1, 1, 1, 1]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
X = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def potential() -> Potential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Potential(
            "painn",
            {"width": 16, "layers": 1, "heads": 4},
            references={1: -13.6, 6: -1029.9, 8: -2042.6},
            scale=0.2,
            level="gfn2-xtb",
        ).eval()


def test_a_checkpoint_predicts_as_what_was_saved(potential: Potential, tmp_path: Path) -> None:
    potential.save_pretrained(tmp_path / "mine")
    again = Potential.from_pretrained(tmp_path / "mine")
    before, after = potential(Z, X, BATCH, forces=True), again(Z, X, BATCH, forces=True)
    torch.testing.assert_close(after.energy, before.energy, atol=1e-3, rtol=0)  # weights of half precision
    torch.testing.assert_close(after.forces, before.forces, atol=1e-3, rtol=1e-2)
    assert (again.level, again.elements, again.training) == ("gfn2-xtb", (1, 6, 8), False)
    again.save_pretrained(tmp_path / "second")
    third = Potential.from_pretrained(tmp_path / "second")
    assert torch.equal(third(Z, X, BATCH).energy, again(Z, X, BATCH).energy)
    assert potential.last.weight.dtype == torch.float32  # saving has not halved what is saved


def test_a_checkpoint_is_found_by_name(potential: Potential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    potential.save_pretrained(tmp_path / "mine")
    monkeypatch.setenv("MOLAUG_CHECKPOINTS", str(tmp_path))
    assert Potential.from_pretrained("mine").elements == (1, 6, 8)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint 'yours' .* one of: mine"):
        Potential.from_pretrained("yours")


def test_another_kind_of_checkpoint_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"kind": "keys"}))
    with pytest.raises(ValueError, match="holds no potential"):
        Potential.from_pretrained(tmp_path)


def test_total_energies_keep_their_digits(potential: Potential) -> None:
    """The sum over free atoms is thousands of eV: it is taken in double precision."""
    found = potential(Z, X, BATCH)
    assert found.energy.dtype == torch.float64
    shifted = Potential("painn", potential.config["options"], references={1: 1e6, 6: 1e6, 8: 1e6}, scale=0.2).eval()
    shifted.load_state_dict(potential.state_dict())
    rest = shifted(Z, X, BATCH).energy - 1e6 * torch.tensor([3.0, 5.0], dtype=torch.float64)
    free = torch.tensor([-2042.6 - 2 * 13.6, -1029.9 - 4 * 13.6], dtype=torch.float64)
    torch.testing.assert_close(rest, found.energy - free, atol=1e-8, rtol=0)


def test_forces_are_there_in_inference_mode_too(potential: Potential) -> None:
    expected = potential(Z, X, BATCH, forces=True)
    with torch.inference_mode():
        found = potential(Z.clone(), X.clone(), BATCH.clone(), forces=True)
        assert not potential(Z, X, BATCH).energy.requires_grad
    torch.testing.assert_close(found.forces, expected.forces)


def test_without_gradients_nothing_is_kept_for_them(potential: Potential) -> None:
    assert potential(Z, X, BATCH).features.requires_grad
    with torch.no_grad():
        assert not potential(Z, X, BATCH).features.requires_grad


def test_forces_leave_positions_and_the_mode_as_they_are(potential: Potential) -> None:
    with torch.no_grad():
        found = potential(Z, X, BATCH, forces=True)
    assert found.forces is not None
    assert not X.requires_grad
    assert potential(Z, X, BATCH).forces is None

"""A potential learns energies and forces of real calculations, goes on after an interruption, and writes its card."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")
pytest.importorskip("jsonargparse")

from rdkit import Chem  # noqa: E402
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers  # noqa: E402

from molaug.cli import main  # noqa: E402
from molaug.potentials import Labelled, Potential, Predicted, UncertainPotential  # noqa: E402
from molaug.potentials.prediction import predict_arrays  # noqa: E402
from molaug.structures import Structures  # noqa: E402
from molaug.structures.calculators.force_fields import ForceFieldCalculator  # noqa: E402
from molaug.training.potential import errors_of  # noqa: E402

SMALL = ["--model.options", "{width: 32, layers: 2, heads: 8}", "--batch_size", "16", "--split", "structure"]
SMALL += ["--model.warmup", "20", "--model.learning_rate", "5e-3", "--threads", "1"]
EPOCHS = ["--trainer.max_epochs", "15", "--trainer.check_val_every_n_epoch", "15"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rattled methanol and formaldehyde with MMFF94s energies and forces."""
    rng = np.random.default_rng(0)
    numbers, positions, energies, forces = [], [], [], []
    for name in ("CO", "C=O"):
        mol = Chem.AddHs(Chem.MolFromSmiles(name))
        rdDistGeom.EmbedMolecule(mol, randomSeed=1)
        rdForceFieldHelpers.MMFFOptimizeMolecule(mol, mmffVariant="MMFF94s")
        calculator = ForceFieldCalculator(mol)
        for _ in range(150):
            x = mol.GetConformer().GetPositions() + rng.normal(0, 0.04, (mol.GetNumAtoms(), 3))
            energy, force = calculator.energy_and_forces(x)
            numbers.append([atom.GetAtomicNum() for atom in mol.GetAtoms()])
            positions.append(x)
            energies.append(energy - 3000.0)
            forces.append(force)
    path = tmp_path_factory.mktemp("labelled") / "rows.parquet"
    Structures.from_arrays(numbers, positions, energy=energies, forces=forces, level="mmff94s").to_parquet(path)
    return path


@pytest.fixture(scope="module")
def trained(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "small"
    assert main(["fit", "potential", "--data", str(labelled), "--out", str(folder), *SMALL, *EPOCHS]) == 0
    return folder


@pytest.fixture(scope="module")
def rows(labelled: Path) -> Labelled:
    return Labelled.read(labelled, split="structure")


def predicted(folder: Path, rows: Labelled, forces: bool = True) -> Predicted:
    potential = Potential.from_pretrained(folder)
    return predict_arrays(potential, rows.numbers, rows.positions, rows.offsets, forces=forces)


def test_it_learns_energies_and_forces_of_molecules_it_has_not_seen(trained: Path, rows: Labelled) -> None:
    """Against the scatter of each molecule's energies, and no forces."""
    errors = errors_of(predicted(trained, rows), rows, rows.part("test"), "test")
    spread = np.mean([rows.energy[rows.sizes == n].std() for n in (4, 6)])
    assert errors["test_energy_mae"] < 0.5 * spread
    assert errors["test_forces_mae"] < 0.5 * np.abs(rows.forces).mean()


def test_the_card_says_what_was_learned_and_measured(trained: Path, rows: Labelled) -> None:
    card = (trained / "README.md").read_text()
    errors = errors_of(predicted(trained, rows), rows, rows.part("test"), "test")
    seen = int(re.search(r"molecules seen \| ([\d,]+)", card).group(1).replace(",", ""))  # type: ignore[union-attr]
    assert 15 * 220 < seen <= 15 * 236
    for wanted in ("mmff94s", "300:", "molaug fit potential", "wall time", f"{errors['test_forces_mae']:.4f}"):
        assert wanted in card
    for measure in ("zms", "auroc", "spearman_ceiling", "miscalibration_area"):
        assert f"`test_sigma_{measure}`" in card
    config = json.loads((trained / "config.json").read_text())
    assert config["level"] == "mmff94s"
    assert set(config["references"]) == {"1", "6", "8"}
    assert (trained / "model.safetensors").stat().st_size < 200_000


def test_uncertainties_are_calibrated_and_grow_where_nothing_was_learned(trained: Path, labelled: Path) -> None:
    uncertain = UncertainPotential.from_pretrained(trained)
    structures, known = Structures.from_parquet(labelled), Labelled.read(labelled, split="structure")
    held = known.part("validation")
    found = uncertain.predict(structures.take(held), atoms=True)
    z = (found.predicted.energy - known.energy[held]) / found.sigma
    assert np.mean(z**2) == pytest.approx(1, rel=1e-3)
    assert found.local is not None
    assert len(found.local) == known.sizes[held].sum()
    stretched = Structures.from_arrays(
        [row.numbers for row in structures.take(held)], [1.3 * row.positions for row in structures.take(held)]
    )
    assert np.median(uncertain.predict(stretched).sigma) > 3 * np.median(found.sigma)


def test_too_few_structures_leave_no_uncertainties(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    Structures.from_parquet(labelled).slice(0, 60).to_parquet(tmp_path / "few.parquet")
    folder = tmp_path / "few"
    command = ["fit", "potential", "--data", str(tmp_path / "few.parquet"), "--out", str(folder), *SMALL]
    assert main([*command, "--trainer.max_epochs", "1"]) == 0
    assert "fewer than 20 structures to calibrate on" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match=r"potential without rigidity.safetensors"):
        UncertainPotential.from_pretrained(folder)


def test_the_same_command_goes_on_and_then_has_nothing_left_to_do(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["fit", "potential", "--data", str(labelled), "--out", str(tmp_path / "mine"), *SMALL]
    assert main([*command, "--trainer.max_epochs", "1"]) == 0
    assert "level of theory unknown" not in capsys.readouterr().out
    assert main([*command, "--trainer.max_epochs", "1"]) == 0
    assert "is complete" in capsys.readouterr().out
    assert main([*command, "--trainer.max_epochs", "2"]) != 0
    assert "holds a training with other options" in capsys.readouterr().err


def test_energies_alone_and_another_network_are_enough(labelled: Path, tmp_path: Path) -> None:
    rows = Structures.from_parquet(labelled)
    bare = Structures.from_arrays(
        [row.numbers for row in rows], [row.positions for row in rows], energy=rows.array("energy"), level="mmff94s"
    )
    bare.to_parquet(tmp_path / "bare.parquet")
    folder = tmp_path / "schnet"
    options = ["--model.network", "schnet", "--model.options", "{width: 16, layers: 1}", "--trainer.max_epochs", "1"]
    data = ["--data", str(tmp_path / "bare.parquet"), "--out", str(folder), "--split", "structure", "--threads", "1"]
    assert main(["fit", "potential", *data, *options]) == 0
    assert Potential.from_pretrained(folder).config["network"] == "schnet"
    assert "test_forces_mae" not in (folder / "README.md").read_text()

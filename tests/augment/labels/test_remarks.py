"""What is not known of the labels of a run stands on its card, in its report and on the console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import molecule

from molaug import Augmenter
from molaug.cli import main
from molaug.labels import Labeller, LevelError, label
from molaug.labels.levels import LevelCheck
from molaug.labels.remarks import plain_check, read_check
from molaug.registry import ConfigurationError
from molaug.shards import write_record
from molaug.structures import Structures
from molaug.structures.calculators import calculator_for
from molaug.structures.chemistry import with_smiles
from molaug.structures.datasets import export, open_dataset


@pytest.fixture(scope="module")
def base() -> Structures:
    rows = label(with_smiles(Structures.from_ase([molecule(name) for name in ("CH3CH2OH", "CH4", "H2O")]))[0])
    return rows.with_columns({"origin": "demo"})


def run(base: Structures, out: Path, **settings: Any) -> Any:
    defaults: dict[str, Any] = {"generators": [{"amons": {"n": 2}}], "filters": [], "budget": 1, "select": "random"}
    return Augmenter(base=base, **{**defaults, **settings}).run(out)


def test_a_mixed_dataset_says_that_the_level_of_its_base_is_unknown(base: Structures, tmp_path: Path) -> None:
    result = run(base.with_columns({"level": None}), tmp_path / "run", base_labels="mixed", formats=["extxyz"])
    assert result.card.levels == ["gfn2-xtb", "unknown"]
    assert "the level of theory of 3 labelled rows is unknown: their source does not name it" in result.card.remarks
    assert result.structures().column("level")[:3] == [None] * 3
    assert "is unknown: their source" in (tmp_path / "run" / "report.html").read_text()
    assert len(open_dataset(tmp_path / "run" / "dataset.extxyz").read()) == 1  # one key holds one level
    assert any("hold the labels at gfn2-xtb only" in remark for remark in result.card.remarks)


def test_a_base_that_names_no_level_counts_as_the_level_that_its_numbers_agree_with(
    base: Structures, tmp_path: Path
) -> None:
    result = run(base.with_columns({"level": None}), tmp_path / "run")
    assert result.card.levels == ["gfn2-xtb"]
    assert set(result.structures().column("level")) == {"gfn2-xtb"}
    [remark] = result.card.remarks
    assert remark.startswith(
        "3 labelled rows of the base name no level of theory; they count as gfn2-xtb: 3 structures"
    )


def test_levels_that_rows_name_are_on_the_card_even_if_that_of_the_base_is_silent(
    base: Structures, tmp_path: Path
) -> None:
    export(base.with_columns({"level": "other"}), tmp_path / "base.extxyz")
    result = run(tmp_path / "base.extxyz", tmp_path / "run", base_labels="mixed")
    assert result.card.levels == ["gfn2-xtb", "other"]


@pytest.mark.parametrize("base_labels", ["check", "mixed"])
def test_one_level_written_in_two_ways_is_one_level(base_labels: str, base: Structures, tmp_path: Path) -> None:
    result = run(base.with_columns({"level": "GFN2-xTB"}), tmp_path / "run", base_labels=base_labels)
    assert result.card.levels == ["gfn2-xtb"]
    assert set(result.structures().column("level")) == {"gfn2-xtb"}


def test_a_base_of_several_levels_keeps_them_where_nothing_is_labelled(base: Structures, tmp_path: Path) -> None:
    result = run(base.with_columns({"level": ["a", "b", None]}), tmp_path / "run", label=None)
    assert result.card.levels == ["a", "b", "unknown"]


@pytest.mark.parametrize("base_labels", ["check", "mixed"])
def test_a_base_whose_forces_contradict_its_energies_is_refused(base_labels: str, tmp_path: Path) -> None:
    rng, frames = np.random.default_rng(0), []
    for _ in range(20):
        atoms = molecule("H2CO")
        atoms.positions += 0.02 * rng.normal(size=(4, 3))
        atoms.calc = calculator_for("gfn2-xtb", {})
        atoms.info.update(REF_energy=atoms.get_potential_energy())
        atoms.arrays["REF_forces"] = -atoms.get_forces()
        frames.append(atoms)
    rows = Structures.from_ase(frames, level="b3lyp", origin="gradients")
    with pytest.raises(LevelError, match="looks like gradients, the negative of forces, in eV/Å"):
        run(rows, tmp_path / "run", base_labels=base_labels)
    unlabelled = run(rows, tmp_path / "unlabelled", label=None)
    assert any("looks like gradients" in remark for remark in unlabelled.card.remarks)
    export(rows, tmp_path / "dataset")
    assert main(["validate", str(tmp_path / "dataset")]) == 1


def test_open_shells_without_spin_polarisation_are_pointed_out_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    radicals = [molecule(name) for name in ("OH", "CH3", "H2O")]
    export(Structures.from_ase(radicals), tmp_path / "radicals.extxyz")
    for calculator, count in (("gfn2-xtb", 1), ("spgfn2-xtb", 0)):
        out = tmp_path / calculator
        arguments = ["label", str(tmp_path / "radicals.extxyz"), "--calculator", calculator, "--out", str(out)]
        assert main([*arguments, "--workers", "1", "--quiet"]) == 0
        told = capsys.readouterr().out
        assert told.count("2 rows with unpaired electrons are labelled at gfn2-xtb") == count
        assert (out / "report.html").read_text().count("rows with unpaired electrons") == count
        assert open_dataset(out / "dataset").card.levels == [calculator]


@pytest.mark.parametrize("name", ["mmff94s", "uff"])
def test_force_fields_do_not_label_unless_that_is_meant(
    name: str, base: Structures, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} was given to label; .* Expected for instance gfn2-xtb"):
        label(base, name)
    with pytest.raises(ConfigurationError, match="allow_force_field"):
        Augmenter(base=base, label=name).plan()
    assert np.isfinite(label(base, Labeller(calculator=name, allow_force_field=True)).array("energy")).all()
    export(base, tmp_path / "base.extxyz")
    arguments = [
        "label",
        str(tmp_path / "base.extxyz"),
        "--calculator",
        name,
        "--out",
        str(tmp_path / "run"),
        "--quiet",
    ]
    assert main(arguments) == 2
    assert "compare geometries of one molecule only" in capsys.readouterr().err
    assert main([*arguments, "--allow-force-field"]) == 0


def test_a_check_survives_its_file(tmp_path: Path) -> None:
    check = LevelCheck(level="x", ids=("a",), differences=(float("nan"),), force_differences=(0.1,), remarks=("r",))
    write_record(tmp_path / "check.json", plain_check(check))
    again = read_check(tmp_path / "check.json")
    assert again is not None
    assert (again.remarks, again.force_differences, np.isnan(again.differences[0])) == (("r",), (0.1,), True)
    assert read_check(tmp_path / "none.json") is None

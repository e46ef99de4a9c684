"""The generators of drawn molecules and conformers: what their rows are, that they are streams, what may be asked."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from scipy.spatial.distance import pdist

from molaug import registry
from molaug.generators.diffusion import DiffusionConformers, DiffusionGenerator, drawing
from molaug.generators.diffusion.drawing import BLOCK
from molaug.structures import Structures
from molaug.structures.chemistry import flat_smiles, lay_graph, perceive, strict_reasons_of_smiles

STEPS = 6


def drawn(folder: Path, n: int, *, seed: int = 0, start: int = 0, **options: Any) -> Structures:
    generator = DiffusionGenerator(**{"checkpoint": str(folder), "steps": STEPS, **options})
    return Structures.concat(generator.propose(Structures.empty(), n, seed, start=start))


def conformers(folder: Path, parents: Structures, n: int, *, seed: int = 0, **options: Any) -> Structures:
    generator = DiffusionConformers(**{"checkpoint": str(folder), "steps": STEPS, **options})
    return Structures.concat(generator.propose(parents, n, seed))


def heavy(rows: Structures) -> set[int]:
    return {int((row.numbers > 1).sum()) for row in rows}


# ---------------------------------------------------------------------- molecules


def test_rows_that_are_alive_show_one_valid_molecule(checkpoint: Path) -> None:
    rows = drawn(checkpoint, 48)
    kept = rows.filter(rows.alive)
    assert len(rows) == 48
    assert len(kept) > 12
    assert strict_reasons_of_smiles(kept.column("smiles")) == [None] * len(kept)
    for row in kept:
        assert row.positions is not None
        assert lay_graph(row.smiles, row.numbers, row.positions).smiles == row.smiles
        assert (row.charge, row.multiplicity, row.origin, row.parent) == (0, 1, "diffusion", None)
        assert row.extra["polished_by"] in ("mmff94", "uff")
        assert row.extra["polish_rmsd"] >= 0
        assert row.extra["polish_energy_drop"] >= 0
    for row in rows.filter(~rows.alive):
        assert str(row.reason).startswith("diffusion: ")
        assert row.smiles is None


def test_what_the_network_drew_is_told_beside_what_became_of_it(checkpoint: Path) -> None:
    polished, raw = drawn(checkpoint, 48), drawn(checkpoint, 48, polish="none")
    for name in ("raw_smiles", "raw_valid", "strict"):
        assert polished.column(name) == raw.column(name)
    for rows in (raw, polished):
        assert all(valid for valid, alive in zip(rows.column("raw_valid"), rows.alive, strict=True) if alive)
    assert [r is None for r in strict_reasons_of_smiles(raw.column("raw_smiles"))] == raw.column("raw_valid")
    assert polished.alive.sum() > raw.alive.sum()
    assert raw.column("polished_by") == raw.column("polish_rmsd") == [None] * 48
    only = drawn(checkpoint, 48, raw=True)
    assert only.alive.tolist() == [a and b for a, b in zip(polished.alive, raw.column("strict"), strict=True)]
    assert only.filter(only.alive).ids == polished.filter(only.alive).ids


def test_rows_are_polished_from_what_was_drawn(checkpoint: Path) -> None:
    """No row has other atoms, or lies elsewhere than the polish took it."""
    polished, raw = drawn(checkpoint, 24), drawn(checkpoint, 24, polish="none")
    for after, before in zip(polished, raw, strict=True):
        assert np.array_equal(after.numbers, before.numbers)
        assert (after.extra["polished_by"] is None) == np.array_equal(after.positions, before.positions)


def test_geometries_off_equilibrium_are_named_by_the_bonds_that_were_drawn(checkpoint: Path) -> None:
    rows = drawn(checkpoint, 64, spread=0.03, polish="none")
    assert set(rows.column("polished_by")) == {None}
    kept = rows.filter(rows.alive)
    assert len(kept)
    for row in kept:
        assert flat_smiles(str(row.smiles)) == row.extra["raw_smiles"]
        assert lay_graph(str(row.extra["raw_smiles"]), row.numbers, row.positions).smiles == row.smiles
    plain = drawn(checkpoint, 64, polish="none")
    assert rows.column("raw_smiles") == plain.column("raw_smiles")
    assert all(not np.array_equal(a.positions, b.positions) for a, b in zip(rows, plain, strict=True))


def test_gfn2_xtb_settles_them_too(checkpoint: Path) -> None:
    rows = drawn(checkpoint, 4, polish="gfn2-xtb", polish_steps=30)
    kept = rows.filter(rows.alive)
    assert len(kept)
    assert set(kept.column("polished_by")) == {"gfn2-xtb"}
    assert min(kept.column("polish_energy_drop")) > 0


# ---------------------------------------------------------------------- the stream


def test_any_cut_of_the_stream_gives_the_same_rows(checkpoint: Path) -> None:
    whole = drawn(checkpoint, BLOCK + 8)
    parts = [(0, 5), (5, BLOCK - 3), (BLOCK + 2, 4), (BLOCK + 6, 2)]
    drawing._block.cache_clear()
    assert Structures.concat(drawn(checkpoint, n, start=start) for start, n in parts) == whole
    assert drawn(checkpoint, 8, seed=1).ids != whole.ids[:8]


def test_rows_are_yielded_block_by_block(checkpoint: Path) -> None:
    generator = DiffusionGenerator(checkpoint=str(checkpoint), steps=2, polish="none")
    batches = generator.propose(Structures.empty(), 10**9, 0, start=10)
    assert [len(next(batches)) for _ in range(2)] == [BLOCK - 10, BLOCK]


def test_the_number_of_threads_changes_nothing(checkpoint: Path) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            drawing._block.cache_clear()
            made.append(drawn(checkpoint, 8, seed=3, polish="none"))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert made[0] == made[1]


def test_a_checkpoint_that_was_written_anew_is_read_anew(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    first = drawn(folder, 8)
    index = folder / "model_index.json"
    written = json.loads(index.read_text())
    written["domain"]["size_histogram"] = [0.0, 0.0, 1.0]
    index.write_text(json.dumps(written))
    assert heavy(first) != {2}
    assert heavy(drawn(folder, 8)) == {2}


# ---------------------------------------------------------------------- steering


def test_size_and_fragment_hold_in_every_row(checkpoint: Path) -> None:
    assert heavy(drawn(checkpoint, 16, n_atoms=2)) == {2}
    assert heavy(drawn(checkpoint, 16, n_atoms=(2, 3))) <= {2, 3}
    carbonyl = Chem.MolFromSmarts("[#6]=[#8]")
    rows = drawn(checkpoint, 32, fragment="C=O")
    kept = rows.filter(rows.alive)
    assert len(kept)
    shown = [Chem.MolFromSmiles(name).HasSubstructMatch(carbonyl) for name in kept.column("smiles")]
    drawn_so = [Chem.MolFromSmiles(name).HasSubstructMatch(carbonyl) for name in kept.column("raw_smiles")]
    assert all(drawn_so[k] for k in np.flatnonzero(kept.column("raw_valid")))
    assert sum(shown) > 0.8 * len(shown)


def test_properties_steer_as_strongly_as_the_scale_says(checkpoint: Path) -> None:
    free, unsteered, steered = (
        drawn(checkpoint, 8, polish="none", properties={"refractivity": value} if value else None, guidance_scale=scale)
        for value, scale in ((None, 2.0), (40.0, 0.0), (40.0, 3.0))
    )
    assert unsteered == free
    assert steered.ids != free.ids


# ---------------------------------------------------------------------- conformers


def test_conformers_are_those_of_their_parents(checkpoint: Path, structures: Structures) -> None:
    parents = structures.take(np.flatnonzero(structures.n_atoms <= 9)[::5])
    rows = conformers(checkpoint, parents, 4)
    assert rows.column("parent") == [parent for parent in parents.ids for _ in range(4)]
    kept = rows.filter(rows.alive)
    assert len(kept) > len(rows) / 2
    by_id = {parent.id: parent for parent in parents}
    for row in kept:
        parent = by_id[str(row.parent)]
        assert np.array_equal(row.numbers, parent.numbers)
        assert (row.smiles, row.origin) == (parent.smiles, "diffusion-conformers")
        assert lay_graph(str(parent.smiles), row.numbers, row.positions).reason is None
    assert len(set(rows.ids)) == len(rows)


def test_a_parents_conformers_keep_its_stereo_and_its_order_of_atoms(checkpoint: Path) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("N[C@H](F)O"))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms())
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])[order]
    parent = Structures.from_arrays([numbers], [mol.GetConformer().GetPositions()[order]])
    name = perceive(numbers, parent.positions).smiles
    rows = conformers(checkpoint, parent, 64)
    kept = rows.filter(rows.alive)
    assert len(kept) > 10
    assert set(kept.column("mirrored")) == {False, True}
    for row in kept:
        assert np.array_equal(row.numbers, numbers)
        assert row.smiles == name == perceive(row.numbers, row.positions).smiles


def test_displaced_conformers_are_those_that_settled_with_disorder(checkpoint: Path, structures: Structures) -> None:
    water = structures.take([structures.column("smiles").index("O")])
    still = conformers(checkpoint, water, 32, polish="none")
    spread = conformers(checkpoint, water, 32, polish="none", spread=0.1)
    widths = [
        np.std([pdist(row.positions)[:2] for row in rows if row.positions is not None]) for rows in (still, spread)
    ]
    assert widths[1] > widths[0]


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("CCCCCCCCCC", "has 32 atoms; molecules have at most 11"),
        ("C[SiH](C)C", "has atoms that the network does not know; it knows H, C, N, O, F"),
        ("no molecule", "RDKit cannot read the graph"),
    ],
)
def test_a_parent_of_which_nothing_can_be_drawn_gives_one_row(smiles: str, reason: str, checkpoint: Path) -> None:
    mol = Chem.MolFromSmiles(smiles) if " " not in smiles else None
    numbers = [6] if mol is None else [atom.GetAtomicNum() for atom in Chem.AddHs(mol).GetAtoms()]
    parent = Structures.from_arrays([numbers], None, smiles=[smiles])
    (row,) = conformers(checkpoint, parent, 5)
    assert str(row.reason).startswith("diffusion-conformers: ")
    assert reason in str(row.reason)


# ---------------------------------------------------------------------- configuration


@pytest.mark.parametrize("kind", [DiffusionGenerator, DiffusionConformers])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 1}, "steps is 1; expected at least 2"),
        ({"polish_steps": 0}, "polish_steps is 0; expected at least 1"),
        ({"noise": 1.5}, "noise is 1.5; expected a share from 0 to 1"),
        ({"spread": -0.1, "polish": "none"}, "spread is -0.1; expected at least 0"),
        ({"polish": "amber"}, "polish is 'amber'"),
        ({"spread": 0.1}, "set polish to 'none', or spread to 0"),
    ],
)
def test_a_wrong_option_is_refused(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; expected more than 0"),
        ({"guidance_scale": -1.0}, "guidance_scale is -1.0"),
        ({"n_atoms": (5, 3)}, r"n_atoms is \(5, 3\)"),
        ({"n_atoms": 0}, "n_atoms is 0"),
    ],
)
def test_a_wrong_option_of_molecules_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiffusionGenerator(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"properties": {"colour": 1.0}}, "properties names 'colour'.* knows refractivity"),
        ({"fragment": "no molecule"}, "cannot be read"),
        ({"fragment": "[SiH4]"}, "does not know"),
        ({"n_atoms": 40}, "no size is left"),
    ],
)
def test_what_the_checkpoint_cannot_do_stops_before_anything_is_drawn(
    options: dict[str, Any], message: str, checkpoint: Path
) -> None:
    generator = DiffusionGenerator(checkpoint=str(checkpoint), **options)
    with pytest.raises(ValueError, match=message):
        generator.propose(Structures.empty(), 1, 0)


@pytest.mark.parametrize("kind", [DiffusionGenerator, DiffusionConformers])
def test_a_missing_checkpoint_or_package_is_named(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint 'diffusion-none'"):
        kind(checkpoint="diffusion-none").check()
    (tmp_path / "model_index.json").write_text('{"domain": {"types": {}}}')
    with pytest.raises(ValueError, match="no checkpoint of a 3D generator"):
        kind(checkpoint=str(tmp_path)).check()
    monkeypatch.setattr("molaug.generators.diffusion.drawing.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'needs torch, .*pip install "molaug\[generate\]"'):
        kind().check()


@pytest.mark.parametrize(
    "generator",
    [
        DiffusionGenerator(),
        DiffusionGenerator(n_atoms=7, polish="none", spread=0.05, noise=0.2),
        DiffusionGenerator(n_atoms=(5, 8), fragment="C(=O)N", polish="gfn2-xtb", raw=True),
        DiffusionGenerator(properties={"gap": 7.5}, guidance_scale=1.5, temperature=0.8),
        DiffusionConformers(steps=20, polish="none", spread=0.1),
    ],
)
def test_the_configuration_survives_a_file(generator: Any) -> None:
    written = json.loads(json.dumps(registry.specification(generator, registry.GENERATORS)))
    assert registry.build(registry.GENERATORS, written, "generator") == generator
    assert pickle.loads(pickle.dumps(generator)) == generator


def test_nothing_heavy_is_loaded_before_something_is_drawn() -> None:
    code = "import sys; from molaug.generators import DiffusionConformers, DiffusionGenerator; DiffusionGenerator(); "
    code += "DiffusionConformers(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_is_found_from_wherever_workers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert DiffusionGenerator(checkpoint="mine").checkpoint == str((tmp_path / "mine").resolve())
    assert DiffusionConformers(checkpoint="diffusion-qm9").checkpoint == "diffusion-qm9"

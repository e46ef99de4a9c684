"""Labelled structures: what is read and left out, parts, batches, energies of free atoms."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from molaug.potentials import Labelled, LabelledData  # noqa: E402
from molaug.potentials.data import reference_energies  # noqa: E402
from molaug.structures import Structures  # noqa: E402


def some(n: int = 60, forces: bool = True, level: str | None = "gfn2-xtb", **columns: object) -> Structures:
    """Chains of hydrogen and oxygen of several lengths; energies are those of free atoms and a little more."""
    rng = np.random.default_rng(0)
    numbers = [rng.choice([1, 8], size=3 + k % 4) for k in range(n)]
    positions = [rng.normal(size=(len(z), 3)) for z in numbers]
    energy = [-13.0 * (z == 1).sum() - 2000.0 * (z == 8).sum() + 0.01 * k for k, z in enumerate(numbers)]
    return Structures.from_arrays(
        numbers,
        positions,
        energy=energy,
        forces=[0.1 * x for x in positions] if forces else None,
        level=level,
        **columns,
    )


def test_arrays_are_those_of_the_structures() -> None:
    rows = some()
    found = Labelled.read(rows)
    assert len(found) == 60
    np.testing.assert_array_equal(found.numbers, rows.numbers)
    np.testing.assert_allclose(found.positions, rows.positions, atol=1e-6)
    np.testing.assert_array_equal(found.energy, rows.array("energy"))
    np.testing.assert_allclose(found.forces, rows.forces, atol=1e-6)
    assert found.level == "gfn2-xtb"
    assert Labelled.read(some(forces=False)).forces is None


def test_a_batch_is_the_structures_asked_for_in_that_order() -> None:
    rows = some()
    batch = Labelled.read(rows).batch([7, 3, 50])
    for place, k in enumerate((7, 3, 50)):
        mine = batch["batch"] == place
        np.testing.assert_array_equal(batch["numbers"][mine], rows[k].numbers)
        np.testing.assert_allclose(batch["positions"][mine], rows[k].positions, atol=1e-6)
        np.testing.assert_allclose(batch["forces"][mine], rows[k].forces, atol=1e-6)
        assert batch["energy"][place] == rows[k].energy


def test_rows_without_labels_or_geometry_are_left_out_and_counted() -> None:
    rows = some(20)
    bare = Structures.from_arrays([[8]], None, smiles=["O"], energy=[1.0])
    unlabelled = Structures.from_arrays([[8, 1, 1]], [np.eye(3)])
    rejected = some(3).reject(["no", None, None])
    found = Labelled.read([rows, bare, unlabelled, rejected])
    assert len(found) == 22
    assert found.rejected == {"no geometry": 1, "no energy": 1, "rejected": 1}
    with pytest.raises(ValueError, match="no labelled structures"):
        Labelled.read(unlabelled)


def test_levels_are_never_mixed() -> None:
    both = Structures.concat([some(10), some(12, level="b3lyp/6-31g(2df,p)")])
    with pytest.raises(ValueError, match=r"labels of 2 levels: 'gfn2-xtb', 'b3lyp.* choose one by level="):
        Labelled.read(both)
    found = Labelled.read(both, level="b3lyp/6-31g(2df,p)")
    assert (len(found), found.rejected) == (12, {"another level of theory": 10})


def test_parts_hold_molecules_as_a_whole_or_structures_by_themselves() -> None:
    names = [f"C{'C' * (k % 30)}O" for k in range(600)]
    rows = some(600, smiles=names)
    of_molecules, of_rows = Labelled.read(rows), Labelled.read(rows, split="structure")
    for name in set(names):
        assert len({part for part, other in zip(of_molecules.parts, names, strict=True) if other == name}) == 1
    assert len(of_rows.part("train")) == pytest.approx(480, abs=40)
    for found in (of_molecules, of_rows):
        assert sum(len(found.part(part)) for part in ("train", "validation", "test")) == 600
    with pytest.raises(ValueError, match="split is 'row'"):
        Labelled.read(rows, split="row")  # type: ignore[arg-type]


def test_energies_of_free_atoms_are_found() -> None:
    found, scale = reference_energies(Labelled.read(some(200)), np.arange(200))
    assert found[1] == pytest.approx(-13, abs=0.5)
    assert found[8] == pytest.approx(-2000, abs=0.5)
    assert 0.01 < scale < 0.5
    alone, nothing_left = reference_energies(Labelled.read(some(1)), np.arange(1))
    assert set(alone) <= {1, 8}
    assert nothing_left == 1.0


def test_an_epoch_sees_every_structure_once_in_batches_of_like_size() -> None:
    data = LabelledData(some(320), batch_size=16, split="structure")
    sizes = [torch.bincount(batch["batch"]) for batch in data.train_dataloader()]
    seen = sum(len(of_one) for of_one in sizes)
    assert len(data.train_rows) - 16 < seen <= len(data.train_rows)
    assert np.mean([float(of_one.max() - of_one.min()) for of_one in sizes]) < 1.5
    assert sum(len(batch["energy"]) for batch in data.val_dataloader()) == len(data.labelled.part("validation"))
    assert data.domain["forces"]
    with pytest.raises(ValueError, match="batch_size is 0"):
        LabelledData(some(), batch_size=0)

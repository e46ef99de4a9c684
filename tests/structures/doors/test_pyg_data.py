"""torch-geometric data: arrays and labels arrive, energies in double precision, and batches collate."""

from __future__ import annotations

import numpy as np
import pytest

from molaug.structures import Structures
from molaug.structures.doors.pyg_data import to_pyg

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

WATER = ([8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])


@pytest.fixture
def batch() -> Structures:
    forces = [np.arange(9.0).reshape(3, 3)] * 2
    return Structures.from_arrays(
        [WATER[0]] * 2, [WATER[1]] * 2, energy=[-2079.123456789012, -1.0], forces=forces, extra={"score": [1.0, 2.0]}
    )


def test_everything_arrives(batch):
    item = to_pyg(batch, dtype="float64")[0]
    row = batch[0]
    assert np.array_equal(item.z.numpy(), row.numbers)
    assert np.array_equal(item.pos.numpy(), row.positions)
    assert np.array_equal(item.forces.numpy(), row.forces)
    assert item.y.dtype == torch.float64
    assert item.y.item() == row.energy
    assert (item.charge.item(), item.multiplicity.item(), item.score.item(), item.name) == (0, 1, 1.0, row.id)


def test_the_way_back_gives_the_same_rows(batch):
    items = to_pyg(batch, dtype="float64")
    again = Structures.from_arrays(
        [item.z.numpy() for item in items],
        [item.pos.numpy() for item in items],
        energy=[item.y.item() for item in items],
        forces=[item.forces.numpy() for item in items],
        extra={"score": [item.score.item() for item in items]},
    )
    assert again == batch


def test_items_collate(batch):
    from torch_geometric.data import Batch

    joined = Batch.from_data_list(to_pyg(batch))
    assert joined.pos.shape == (6, 3)
    assert joined.batch.tolist() == [0, 0, 0, 1, 1, 1]
    assert joined.y.shape == (2,)


def test_mistakes_are_named(batch):
    with pytest.raises(ValueError, match="expected a floating type of torch"):
        to_pyg(batch, dtype="int64")
    with pytest.raises(ValueError, match="has no positions"):
        to_pyg(Structures.from_arrays([[8, 1, 1]], None, smiles=["O"]))

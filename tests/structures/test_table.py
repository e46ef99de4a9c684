"""The record: what batches are made of, and the laws of cutting and joining them."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molaug.structures import Structures
from molaug.structures.schema import SCHEMA, VERSION, VERSION_KEY, check_version, conform

WATER = ([8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])


def some(n: int, offset: int = 0) -> Structures:
    """Return n structures of 1 to 4 atoms, all different, every third one without positions."""
    numbers = [np.arange(1, 2 + k % 4) for k in range(offset, offset + n)]
    positions = [None if k % 3 == 2 else np.arange(3.0 * (1 + k % 4)) + k for k in range(offset, offset + n)]
    return Structures.from_arrays(
        numbers,
        positions,
        smiles=[f"s{k}" for k in range(offset, offset + n)],
        energy=[None if k % 5 == 0 else -1.0 * k for k in range(offset, offset + n)],
        level="test",
        extra={"score": [float(k) for k in range(offset, offset + n)]},
    )


BATCHES = st.builds(some, st.integers(0, 30), st.integers(0, 9))


def test_a_row_has_its_arrays_in_shape():
    batch = Structures.from_arrays([WATER[0]], [WATER[1]], energy=[-76.0], forces=[np.zeros((3, 3))], level="b3lyp")
    (water,) = batch
    assert water.positions.shape == water.forces.shape == (3, 3)
    assert np.array_equal(water.positions, WATER[1])
    assert (water.charge, water.multiplicity, water.energy, water.level) == (0, 1, -76.0, "b3lyp")
    assert batch.table.schema.names[: len(SCHEMA)] == SCHEMA.names


def test_the_lowest_multiplicity_follows_from_the_electrons():
    batch = Structures.from_arrays(
        [[8, 1], [8, 1], [8, 1, 1]], None, charge=[0, -1, 1], smiles=["[OH]", "[OH-]", "[OH2+]"]
    )
    assert batch.column("multiplicity") == [2, 1, 2]


def test_bare_graphs_have_no_positions_but_numbers():
    batch = some(3)
    assert batch.has_geometry.tolist() == [True, True, False]
    assert batch[2].positions is None
    assert np.isnan(batch.positions[batch.offsets[2] :]).all()
    assert len(batch.numbers) == batch.offsets[-1]


@given(BATCHES)
def test_iteration_indexing_and_columns_agree(batch):
    rows = list(batch)
    assert len(rows) == len(batch) == len(batch.ids) == len(batch.n_atoms)
    for k, row in enumerate(rows):
        again = batch[k]
        assert row.id == again.id == batch.ids[k]
        assert np.array_equal(row.numbers, again.numbers)
        assert (row.positions is None) == (again.positions is None)
        assert row.positions is None or np.array_equal(row.positions, again.positions)
        assert row.extra == again.extra == {"score": batch.column("score")[k]}


@given(BATCHES, st.integers(1, 12))
def test_batches_joined_are_the_whole(batch, size):
    pieces = list(batch.batches(size))
    assert all(len(piece) == size for piece in pieces[:-1])
    assert Structures.concat(pieces) == batch or not len(batch)


@given(BATCHES, BATCHES, BATCHES)
def test_concat_is_associative_and_empty_is_its_neutral_element(a, b, c):
    left = Structures.concat([Structures.concat([a, b]), c])
    right = Structures.concat([a, Structures.concat([b, c])])
    assert left == right
    assert len(left) == len(a) + len(b) + len(c)
    assert Structures.concat([a, Structures.empty()]) == a


@given(BATCHES, st.data())
def test_filter_is_take_of_the_true_rows(batch, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch))), dtype=bool)
    assert batch.filter(mask) == batch.take(np.flatnonzero(mask))
    assert sorted(batch.filter(mask).ids + batch.filter(~mask).ids) == sorted(batch.ids)


@given(BATCHES, st.data())
def test_take_composes(batch, data):
    rows = data.draw(st.permutations(range(len(batch))))
    back = np.argsort(rows)
    assert batch.take(rows).take(back) == batch


@given(BATCHES)
def test_pickling_keeps_everything(batch):
    assert pickle.loads(pickle.dumps(batch)) == batch


def test_a_slice_knows_its_own_arrays():
    whole = some(20)
    part = whole.slice(7, 13)
    assert np.array_equal(part.numbers, whole.numbers[whole.offsets[7] : whole.offsets[13]])
    assert np.array_equal(part.positions, whole.positions[whole.offsets[7] : whole.offsets[13]], equal_nan=True)
    assert part[0].id == whole[7].id
    assert len(whole.slice(5, 2)) == 0


def test_columns_that_some_batches_lack_are_null_there():
    joined = Structures.concat([some(2), some(1).with_columns({"other": ["x"]})])
    assert joined.column("other") == [None, None, "x"]


def test_the_first_reason_stays():
    batch = some(3).reject(["too long", None, None]).reject(["too short", None, "odd"])
    assert batch.column("reason") == ["too long", None, "odd"]
    assert batch.alive.tolist() == [False, True, False]
    assert "2 rejected" in repr(batch)


def test_scalars_and_arrays_become_columns():
    batch = some(4).with_columns({"origin": "demo", "weight": np.arange(4), "score": [None, 1.0, 2.0, 3.0]})
    assert batch.column("origin") == ["demo"] * 4
    assert batch.array("weight").tolist() == [0, 1, 2, 3]
    assert np.isnan(batch.array("score")[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.column("scoer"), "no column 'scoer'; there are id"),
        (lambda b: b.filter([1, 0, 1]), "expected bool"),
        (lambda b: b.filter([True]), "expected bool and \\(3,\\)"),
        (lambda b: list(b.batches(0)), "expected at least 1"),
        (lambda b: b.with_columns({"x": [1]}), "has 1 values; expected 3"),
        (lambda b: b[3], "row 3 of 3"),
        (lambda b: Structures(b.table.drop_columns(["numbers"])), "'numbers' is missing.*atomic numbers"),
        (
            lambda b: Structures(b.table.set_column(4, "multiplicity", pa.array(["a"] * 3))),
            "expected uint8 \\(2S\\+1\\)",
        ),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises((KeyError, ValueError, IndexError), match=message):
        call(some(3))


def test_lengths_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="row 1 has 2 atoms but 3 positions components; expected 6"):
        Structures.from_arrays([[1], [1, 1]], [[0, 0, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match="1 numbers, 2 positions"):
        Structures.from_arrays([[1]], [[0, 0, 0], [0, 0, 0]])


def test_files_of_a_later_schema_are_refused():
    metadata = conform(some(1).table).schema.metadata
    check_version(metadata, "here")
    with pytest.raises(ValueError, match=r"knows up to .* Upgrade molaug"):
        check_version({VERSION_KEY: str(VERSION + 1).encode()}, "there")
    with pytest.raises(ValueError, match="carries no molaug schema version"):
        check_version({}, "foreign.parquet")

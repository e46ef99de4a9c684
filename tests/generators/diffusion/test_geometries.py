"""Compact files: the same to the bit, read without the dataset, restricted, and told when they are something else."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from molaug.generators.diffusion.geometries import GRID, Geometries, spans
from molaug.structures import Structures


@pytest.fixture(scope="module")
def geometries(structures: Structures) -> Geometries:
    bad = Structures.from_arrays([[1, 1]], [[[0, 0, 0], [0, 0, 0.74]]])
    return Geometries.read([structures.slice(0, 40), bad], columns=["refractivity"])


@pytest.fixture(scope="module")
def compact(geometries: Geometries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compact") / "new" / "some.geometries.npz"
    geometries.save(path)
    return path


def same(a: Geometries, b: Geometries) -> None:
    for field in fields(Geometries):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert (x.dtype, x.tobytes()) == (y.dtype, y.tobytes()), field.name
        elif field.name == "columns":
            assert {name: column.tobytes() for name, column in x.items()} == {
                name: column.tobytes() for name, column in y.items()
            }
        else:
            assert x == y, field.name


def test_a_compact_file_is_read_back_to_the_bit(geometries: Geometries, compact: Path) -> None:
    same(Geometries.load(compact), geometries)
    same(Geometries.read([str(compact)], columns=["refractivity"]), geometries)
    assert [path.name for path in compact.parent.iterdir()] == ["some.geometries.npz"]


def test_any_coordinates_come_back_from_a_compact_file(geometries: Geometries, tmp_path: Path) -> None:
    """Differences of neighbouring rows wrap around; the extremes of 16 bits come back too."""
    limits = np.iinfo(np.int16)
    rng = np.random.default_rng(0)
    wild = rng.integers(limits.min, limits.max, geometries.coordinates.shape, endpoint=True).astype(np.int16)
    wild[:4] = [[limits.min] * 3, [limits.max] * 3, [limits.min] * 3, [0, limits.max, limits.min]]
    changed = replace(geometries, coordinates=wild)
    changed.save(tmp_path / "wild.geometries.npz")
    same(Geometries.load(tmp_path / "wild.geometries.npz"), changed)


def test_no_place_is_farther_from_the_data_than_half_the_grid(structures: Structures, geometries: Geometries) -> None:
    assert GRID == 0.0005
    for k, s in enumerate(structures.slice(0, 40)):
        begin, end = geometries.atom_starts[k : k + 2]
        found = geometries.coordinates[begin:end] * GRID
        distances = np.linalg.norm(found[:, None] - found, axis=2)
        expected = np.linalg.norm(s.positions[:, None] - s.positions, axis=2)
        np.testing.assert_allclose(
            np.sort(distances.ravel()), np.sort(expected.ravel()), atol=2 * 3**0.5 * GRID / 2, rtol=0
        )
        assert np.abs(found.mean(0)).max() <= GRID / 2


def test_columns_and_sizes_are_taken_from_a_compact_file(geometries: Geometries, compact: Path) -> None:
    assert Geometries.read(compact).columns == {}
    small = Geometries.read(compact, columns=["refractivity"], max_atoms=9)
    rows = np.flatnonzero(geometries.sizes <= 9)
    assert 0 < len(rows) < len(geometries)
    same(small, geometries.take(rows))
    assert small.n_max == 9


def test_rows_are_taken_in_any_order_and_repeatedly(geometries: Geometries) -> None:
    rows = np.array([7, 0, 7, 31])
    taken = geometries.take(rows)
    for place, k in enumerate(rows.tolist()):
        same(taken.take(np.array([place])), geometries.take(np.array([k])))
    assert len(geometries.take(np.array([], dtype=np.intp))) == 0


def test_parts_hold_each_row_once(geometries: Geometries) -> None:
    rows = np.concatenate([geometries.part(name) for name in ("train", "validation", "test")])
    assert sorted(rows.tolist()) == list(range(len(geometries)))


def test_spans_are_what_a_loop_finds() -> None:
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, 4, 50))])
    rows = rng.integers(0, 50, 30)
    expected = [place for row in rows for place in range(starts[row], starts[row + 1])]
    assert spans(starts, rows).tolist() == expected
    assert spans(starts, rows[:0]).tolist() == []


def test_reasons_are_kept(compact: Path) -> None:
    assert Geometries.load(compact).rejected == {"atom H is no heavy atom": 1}


def test_what_is_no_compact_file_is_told(geometries: Geometries, compact: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a name that ends in \.geometries\.npz"):
        geometries.save(tmp_path / "some.npz")
    with pytest.raises(FileNotFoundError, match=r"no file .*none"):
        Geometries.read(tmp_path / "none.geometries.npz")
    other = tmp_path / "other.geometries.npz"
    np.savez(other, about=np.array('{"version": 99}'), parents=np.zeros(1))
    with pytest.raises(ValueError, match="no compact file of version"):
        Geometries.load(other)
    np.savez(other, z=np.zeros(3))
    with pytest.raises(ValueError, match="no compact file of version"):
        Geometries.load(other)
    with pytest.raises(ValueError, match="no column 'gap'; it has refractivity"):
        Geometries.read(compact, columns=["gap"])
    with pytest.raises(ValueError, match="no molecule of at most 2 atoms"):
        Geometries.read(compact, max_atoms=2)

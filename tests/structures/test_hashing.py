"""Content keys and random streams: the same everywhere, different where they must be."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from molaug.structures.hashing import content_key, derived_seed, key64, keys64, stream

COORDINATES = st.floats(-50, 50, allow_nan=False, width=32)


@st.composite
def molecules(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 8))
    z = draw(arrays(np.uint8, n, elements=st.integers(1, 20)))
    x = draw(arrays(np.float64, (n, 3), elements=COORDINATES))
    return z, x


@given(molecules(), st.integers(-2, 2), st.integers(1, 4))
def test_content_key_depends_on_all_it_is_made_of(molecule, charge, multiplicity):
    z, x = molecule
    key = content_key(z, x, charge, multiplicity)
    assert len(key) == 32
    assert key == content_key(z.tolist(), x.ravel().tolist(), charge, multiplicity)
    moved = x.copy()
    moved[0, 0] += 1e-4
    assert key != content_key(z, moved, charge, multiplicity)
    assert key != content_key(z, x, charge + 1, multiplicity)
    assert key != content_key(z, x, charge, multiplicity + 1)
    assert key != content_key(z + np.uint8(1), x, charge, multiplicity)
    assert key != content_key(z, None, charge, multiplicity, "C")


@given(molecules())
def test_content_key_is_blind_below_its_resolution(molecule):
    z, x = molecule
    on_grid = np.rint(x / 1e-6) * 1e-6
    assert content_key(z, on_grid, 0, 1) == content_key(z, on_grid + 1e-8, 0, 1)


def test_content_key_is_pinned():
    """A change of this key would make every dataset that exists foreign to a new one."""
    assert content_key([8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]], 0, 1) == (
        "9cf95d99e0c7893cd989f5ffe4f5dff6"
    )
    assert key64("CCO") == 14074757553414938733


def test_negative_zero_and_zero_are_one_position():
    assert content_key([1], [[0.0, 0.0, 0.0]], 0, 2) == content_key([1], [[-0.0, -1e-9, 0.0]], 0, 2)


def test_keys_are_the_same_in_a_process_with_another_hash_seed():
    code = (
        "from molaug.structures.hashing import key64, stream; print(key64('C=C'), stream(3, 'a', 1).integers(1 << 40))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{key64('C=C')} {stream(3, 'a', 1).integers(1 << 40)}\n"}


@given(st.lists(st.text(max_size=5), max_size=20))
def test_many_keys_are_the_single_keys(texts):
    assert keys64(texts).tolist() == [key64(text) for text in texts]


@given(st.integers(0, 2**40), st.lists(st.text(max_size=4), max_size=3))
def test_streams_depend_on_their_keys_alone(seed, keys):
    first = stream(seed, *keys)
    first.random(7)
    assert stream(seed, *keys).random() == stream(seed, *keys).random()
    assert stream(seed, *keys).random() != stream(seed, *keys, "x").random()
    assert 1 <= derived_seed(seed, *keys) < 2**31 - 2**20


def test_streams_of_neighbouring_seeds_are_uncorrelated():
    a, b = (stream(seed, "normal").standard_normal(20_000) for seed in (0, 1))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(20_000)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="expected an integer of at least 0"):
        stream(-1)

"""Structures as vectors: by name or as objects, each row by itself, and who has none."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from molaug.filters.features import Distances, Features, Morgan, features_of
from molaug.structures import Structures

ROWS = Structures.from_arrays(
    [[6, 1, 1, 1, 1], [1, 6], [2]], [None, [[0, 0, 0], [0, 0, 1.1]], [[0, 0, 0]]], smiles=["C", None, "[He]"]
)


@pytest.mark.parametrize(("features", "have"), [(Distances(), [False, True, True]), (Morgan(), [True, False, True])])
def test_rows_have_a_vector_each_or_none(features: Features, have: list[bool]) -> None:
    vectors, there = features(ROWS)
    assert vectors.dtype == np.float32
    assert there.tolist() == have
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), have, atol=1e-6)
    for k in range(len(ROWS)):
        np.testing.assert_array_equal(features(ROWS.slice(k, k + 1))[0][0], vectors[k])
    nothing, nobody = features(Structures.empty())
    assert nothing.shape == (0, vectors.shape[1])
    assert nobody.shape == (0,)


def test_a_name_stands_for_an_object() -> None:
    assert features_of("distances") == Distances() != Morgan() == features_of("morgan")
    assert features_of(Morgan()) == pickle.loads(pickle.dumps(Morgan()))


def test_what_is_no_feature_is_told() -> None:
    with pytest.raises(ValueError, match=r"features 'soap'; expected 'distances' or 'morgan'"):
        features_of("soap")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a name, or an object"):
        features_of(3)  # type: ignore[arg-type]

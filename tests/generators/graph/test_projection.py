"""The projection: sound whatever was drawn, as drawn where that is sound, and None only where nothing could be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.generators.graph.kekule import KekuleGraphs, drawn, encode
from molaug.generators.graph.projection import projected
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry.identity import parse
from molaug.structures.chemistry.strict import strict_reason

TYPES = AtomTypes(numbers=(6, 7, 7, 8, 8, 9, 16), charges=(0, 0, 1, -1, 0, 0, 0), valences=(4, 3, 4, 1, 2, 1, 6))
CHARGES, VALENCES, NUMBERS = np.array(TYPES.charges), np.array(TYPES.valences), np.array(TYPES.numbers)


def noise(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw types, bonds and probabilities of which these are the most probable."""
    rng = np.random.default_rng(seed)
    p_atoms = rng.dirichlet(np.full(len(TYPES), 0.3), n)
    p_bonds = rng.dirichlet(np.full(4, 0.5), (n, n))
    upper = np.triu_indices(n, 1)
    p_bonds.transpose(1, 0, 2)[upper] = p_bonds[upper]
    bonds = p_bonds.argmax(2)
    np.fill_diagonal(bonds, 0)
    return p_atoms.argmax(1), bonds, p_atoms, p_bonds


def sound(kinds: np.ndarray, bonds: np.ndarray) -> bool:
    n = len(kinds)
    reached = np.linalg.matrix_power((bonds > 0) + np.eye(n), n)[0] > 0
    within = (bonds.sum(1) <= VALENCES[kinds]).all()
    return bool(reached.all() and within and CHARGES[kinds].sum() == 0 and (bonds == bonds.T).all())


def strict(kinds: np.ndarray, bonds: np.ndarray) -> str | None:
    graphs = KekuleGraphs(atoms=kinds[None], bonds=bonds[None], sizes=np.array([len(kinds)], dtype=np.uint8))
    return strict_reason(drawn(graphs, TYPES)[0])


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_whatever_is_drawn_becomes_sound(n: int, seed: int) -> None:
    found = projected(*noise(n, seed), TYPES)
    assert found is not None
    assert sound(found.atoms, found.bonds)
    assert strict(found.atoms, found.bonds) is None
    assert not np.diag(found.bonds).any()


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_what_is_sound_stays_as_it_is(n: int, seed: int) -> None:
    kinds, bonds, p_atoms, p_bonds = noise(n, seed)
    first = projected(kinds, bonds, p_atoms, p_bonds, TYPES)
    assert first is not None
    again = projected(first.atoms, first.bonds, p_atoms, p_bonds, TYPES)
    assert again is not None
    np.testing.assert_array_equal(again.atoms, first.atoms)
    np.testing.assert_array_equal(again.bonds, first.bonds)


@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_types_change_to_the_most_probable_ones_that_can_be_joined(n: int, seed: int) -> None:
    kinds, bonds, p_atoms, p_bonds = noise(n, seed)
    found = projected(kinds, bonds, p_atoms, p_bonds, TYPES)
    assert found is not None
    joinable = [
        candidate
        for candidate in map(list, product(range(len(TYPES)), repeat=n))
        if CHARGES[candidate].sum() == 0 and VALENCES[candidate].sum() >= 2 * (n - 1)
    ]
    scores = [np.log(p_atoms[range(n), candidate]).sum() for candidate in joinable]
    assert np.log(p_atoms[range(n), found.atoms]).sum() == pytest.approx(max(scores))


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_where_elements_must_stay_only_charges_change(n: int, seed: int) -> None:
    kinds, bonds, p_atoms, p_bonds = noise(n, seed)
    found = projected(kinds, bonds, p_atoms, p_bonds, TYPES, keep_elements=True)
    largest = {6: 4, 7: 4, 8: 2, 9: 1, 16: 6}
    if found is None:
        # at least one of the valences that the elements have to spare is missing (or two, if charges are needed)
        assert sum(largest[number] for number in NUMBERS[kinds]) < 2 * (n - 1) + n
    else:
        assert sound(found.atoms, found.bonds)
        np.testing.assert_array_equal(NUMBERS[found.atoms], NUMBERS[kinds])


@pytest.mark.parametrize(("symbols", "possible"), [("FF", True), ("FFF", False), ("FFFFC", True), ("FFFFFC", False)])
def test_halogens_alone_cannot_be_joined(symbols: str, possible: bool) -> None:
    kinds = np.array([{"F": 5, "C": 0}[symbol] for symbol in symbols])
    n = len(kinds)
    p_atoms, p_bonds = np.eye(len(TYPES))[kinds], np.full((n, n, 4), 0.25)
    bonds = np.ones((n, n), dtype=int) - np.eye(n, dtype=int)
    kept = projected(kinds, bonds, p_atoms, p_bonds, TYPES, keep_elements=True)
    assert (kept is not None) == possible
    found = projected(kinds, bonds, p_atoms, p_bonds, TYPES)
    assert found is not None
    assert sound(found.atoms, found.bonds)


FRAGMENTS = ["c1ccccc1", "C[N+](=O)[O-]", "C#C", "C[NH3+]", "CC(=O)[O-]", "CS(C)(=O)=O", "O"]


@given(st.sampled_from(FRAGMENTS), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_a_fragment_is_kept(smiles: str, more: int, seed: int) -> None:
    (graphs, _) = encode([parse(smiles)], TYPES, 12)
    size = int(graphs.sizes[0])
    kinds, bonds, p_atoms, p_bonds = noise(size + more, seed)
    kinds[:size] = graphs.atoms[0, :size]
    bonds[:size, :size] = graphs.bonds[0, :size, :size]
    spare = VALENCES[kinds[:size]] - bonds[:size, :size].sum(1)
    closed = np.zeros(size + more, dtype=bool)
    closed[: size - 1] = spare[size - 1] > 0  # where the last atom can grow, it alone may
    bonds[closed, size:] = bonds[size:, closed] = 0
    found = projected(kinds, bonds, p_atoms, p_bonds, TYPES, n_fixed=size, closed=closed)
    assert found is not None
    assert sound(found.atoms, found.bonds)
    np.testing.assert_array_equal(found.atoms[:size], kinds[:size])
    np.testing.assert_array_equal(found.bonds[:size, :size], bonds[:size, :size])
    assert not found.bonds[closed][:, size:].any()


def test_a_fragment_without_a_free_valence_cannot_grow() -> None:
    (graphs, _) = encode([parse("FC(F)(F)F")], TYPES, 6)
    kinds, bonds, p_atoms, p_bonds = noise(6, 0)
    kinds[:5], bonds[:5, :5] = graphs.atoms[0, :5], graphs.bonds[0, :5, :5]
    assert projected(kinds, bonds, p_atoms, p_bonds, TYPES, n_fixed=5) is None


def test_drawn_bonds_are_cut_where_the_network_is_least_sure() -> None:
    """Carbon drawn with a double and a triple bond: the surer one stays whole."""
    kinds = np.array([0, 0, 0])
    bonds = np.array([[0, 2, 3], [2, 0, 0], [3, 0, 0]])
    for sure in (0, 1):
        p_bonds = np.full((3, 3, 4), 0.02)
        for (i, j), confidence in (((0, 1), 0.9 - 0.2 * sure), ((0, 2), 0.7 + 0.2 * sure), ((1, 2), 0.8)):
            p_bonds[i, j, bonds[i, j]] = p_bonds[j, i, bonds[i, j]] = confidence
        found = projected(kinds, bonds, np.eye(len(TYPES))[kinds], p_bonds, TYPES)
        assert found is not None
        assert found.bonds[0].tolist() == [[0, 2, 2], [0, 1, 3]][sure]

"""What may be asked for: limits that always hold, the best draw within them, and contradictions that are told."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molaug.generators.graph.kekule import drawn
from molaug.generators.graph.steering import Composition, Counts, Fragment, Steering, size_weights
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry.identity import canonical

TYPES = AtomTypes(numbers=(6, 7, 7, 8, 8, 9), charges=(0, 0, 1, -1, 0, 0), valences=(4, 3, 4, 1, 2, 1))
SYMBOLS = np.array(["C", "N", "N", "O", "O", "F"])
HISTOGRAM = [0.0, 0.0, 0.1, 0.1, 0.2, 0.2, 0.4, 0.0, 0.0, 0.0]


@st.composite
def limits(draw: st.DrawFn) -> tuple[int, dict[str, tuple[int, int]]]:
    """A number of atoms, and limits that it can meet."""
    n = draw(st.integers(1, 4))
    least = {symbol: draw(st.integers(0, 2)) for symbol in "CNOF"}
    for symbol in "CNOF":
        least[symbol] = min(least[symbol], n - sum(least[other] for other in "CNOF" if other < symbol))
        least[symbol] = max(least[symbol], 0)
    if sum(least.values()) > n:
        least = dict.fromkeys("CNOF", 0)
    asked = {symbol: (low, low + draw(st.integers(0, 3))) for symbol, low in least.items()}
    if sum(high for _, high in asked.values()) < n:
        asked["C"] = (asked["C"][0], 9)
    return n, asked


@given(limits(), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 50.0, 1000.0]))
@settings(max_examples=80, deadline=None)
def test_types_are_the_best_ones_within_the_limits(
    given_: tuple[int, dict[str, tuple[int, int]]], seed: int, scale: float
) -> None:
    n, asked = given_
    counts, _ = Counts.of(asked, TYPES, 9)
    scores = scale * np.random.default_rng(seed).normal(size=(n, len(TYPES)))
    found = counts.assign(scores)

    def within(kinds: np.ndarray) -> bool:
        return all(low <= (SYMBOLS[kinds] == symbol).sum() <= high for symbol, (low, high) in asked.items())

    assert within(found)
    sums = [scores[range(n), kinds].sum() for kinds in map(list, product(range(len(TYPES)), repeat=n)) if within(kinds)]
    assert scores[range(n), found].sum() == pytest.approx(max(sums), rel=1e-9, abs=1e-9)


def test_limits_outweigh_any_probability() -> None:
    counts, _ = Counts.of({"F": 2}, TYPES, 9)
    scores = np.zeros((3, len(TYPES)))
    scores[:, 5] = -np.inf
    assert sorted(SYMBOLS[counts.assign(scores)]).count("F") == 2


@pytest.mark.parametrize(
    ("composition", "least", "greatest", "n_atoms"),
    [
        ("C6NO2", [6, 1, 2, 0], [6, 1, 2, 0], 9),
        ("CH3C2H", [3, 0, 0, 0], [3, 0, 0, 0], 3),
        ({"C": 3}, [3, 0, 0, 0], [3, 9, 9, 9], None),
        ({"N": (1, 2), "F": 0}, [0, 1, 0, 0], [9, 2, 9, 0], None),
        ({"N": [None, 2], "O": [1, None]}, [0, 0, 1, 0], [9, 2, 9, 9], None),
        ({"C": (np.int64(2), 20)}, [2, 0, 0, 0], [9, 9, 9, 9], None),
    ],
)
def test_compositions_are_read(composition: Composition, least: list, greatest: list, n_atoms: int | None) -> None:
    counts, exact = Counts.of(composition, TYPES, 9)
    assert counts.symbols == ("C", "N", "O", "F")
    assert counts.least.tolist() == least
    assert counts.greatest.tolist() == greatest
    assert exact == n_atoms


@pytest.mark.parametrize(
    ("composition", "message"),
    [
        ("c6", "'c6' is no formula"),
        ("", "'' is no formula"),
        ("C2(OH)2", "is no formula"),
        ("C6S", "composition names 'S'; expected some of C, N, O, F"),
        ({"H": 4}, "composition names 'H'.*no hydrogen"),
        ("C10", "composition asks for 10 heavy atoms; molecules have at most 9"),
        ({"C": 5, "N": 5}, "composition asks for 10 heavy atoms"),
        ({"C": (3, 2)}, r"composition asks for \(3, 2\) C; expected a number"),
        ({"C": -1}, "composition asks for -1 C"),
        ({"C": (1, 2, 3)}, "expected a number, or a least and a greatest one"),
        ({"C": 1.5}, "composition asks for 1.5 C"),
        ({"C": "two"}, "composition asks for 'two' C"),
    ],
)
def test_compositions_that_cannot_be_are_told(composition: Composition, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Counts.of(composition, TYPES, 9)


def test_sizes_are_those_of_the_data_or_those_asked_for() -> None:
    np.testing.assert_allclose(size_weights(None, HISTOGRAM), HISTOGRAM)
    assert size_weights(5, HISTOGRAM).tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert size_weights(9, HISTOGRAM)[9] == 1.0
    np.testing.assert_allclose(size_weights((4, 5), HISTOGRAM)[4:6], [0.5, 0.5])
    np.testing.assert_allclose(size_weights([7, 8], HISTOGRAM)[7:9], [0.5, 0.5])
    np.testing.assert_allclose(size_weights({3: 1, 9: 3}, HISTOGRAM)[[3, 9]], [0.25, 0.75])


def test_a_fragment_leaves_the_larger_sizes_and_one_atom_more_at_least() -> None:
    np.testing.assert_allclose(size_weights(None, HISTOGRAM, least=5), [0, 0, 0, 0, 0, 1 / 3, 2 / 3, 0, 0, 0])
    np.testing.assert_allclose(size_weights(None, HISTOGRAM, least=7)[7:], 1 / 3)


def test_a_composition_bounds_the_sizes() -> None:
    counts, _ = Counts.of({"C": (3, 4), "N": 0, "O": 1, "F": 0}, TYPES, 9)
    np.testing.assert_allclose(size_weights(None, HISTOGRAM, counts=counts), [0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0])


@pytest.mark.parametrize("size", [0, 10, (7, 3), (10, 12), {12: 1.0}, {3: -1.0}, {3: float("nan")}, {}])
def test_sizes_that_cannot_be_are_told(size: object) -> None:
    with pytest.raises(ValueError, match=r"no size is left.*allow 1 to 9"):
        size_weights(size, HISTOGRAM)


@pytest.mark.parametrize("size", ["nine", 3.5, (1, 2, 3), (1.0, 2.0)])
def test_sizes_are_numbers(size: object) -> None:
    with pytest.raises(ValueError, match="expected a number, a least and a greatest one, or weights by number"):
        size_weights(size, HISTOGRAM)


@pytest.mark.parametrize(
    ("smiles", "bare"),
    [
        ("c1ccccc1", "c1ccccc1"),
        ("*c1ccccc1", "c1ccccc1"),
        ("*n1cccc1", "c1cc[nH]c1"),
        ("[*:1]C(=O)N[2*]", "NC=O"),
        ("O=c1cc[nH]cc1", "O=c1cc[nH]cc1"),
        ("C[N+](=O)[O-]", "C[N+](=O)[O-]"),
        ("*[NH2+]C", "C[NH3+]"),
        ("C[C@H](N)*", "CCN"),
        ("*C", "C"),
    ],
)
def test_a_fragment_is_laid_down_in_every_order_of_its_smiles(smiles: str, bare: str) -> None:
    fragment = Fragment.of(smiles, TYPES, 9)
    assert len(fragment) == Chem.MolFromSmiles(bare).GetNumAtoms()
    assert len(fragment.graphs) == len(fragment.closed) == len(fragment)
    for mol in drawn(fragment.graphs, TYPES):
        Chem.SanitizeMol(mol)
        assert canonical(mol, isomeric=False) == bare


@pytest.mark.parametrize(
    ("smiles", "open_"),
    [
        ("*CCO", {"C": 1}),
        ("CCO*", {"O": 1}),
        ("*C(=O)N*", {"C": 1, "N": 1}),
        ("CO", {"C": 1, "O": 1}),
        ("*c1ccccc1", {"C": 1}),
    ],
)
def test_atoms_without_an_attachment_point_are_closed_if_there_is_one(smiles: str, open_: dict[str, int]) -> None:
    fragment = Fragment.of(smiles, TYPES, 9)
    for atoms, closed in zip(fragment.graphs.atoms, fragment.closed, strict=True):
        symbols = SYMBOLS[atoms[: len(fragment)]][~closed].tolist()
        assert {symbol: symbols.count(symbol) for symbol in symbols} == open_


def test_the_atom_at_an_attachment_point_stays_open_in_every_order() -> None:
    """Of the two carbons of CCO the first may grow: it is bonded to one atom only."""
    fragment = Fragment.of("*CCO", TYPES, 9)
    for bonds, closed in zip(fragment.graphs.bonds, fragment.closed, strict=True):
        (k,) = np.flatnonzero(~closed)
        assert bonds[k].sum() == 1


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("C(", "cannot be read"),
        ("", "cannot be read"),
        ("CS", "atom S is of no known type"),
        ("C.C", "several fragments"),
        ("C[CH2]", "unpaired electron"),
        ("CCCCCCCCC", "9 heavy atoms and molecules at most 9"),
        ("CCCCCCCCCC", "there is room for 9"),
        ("FC(F)(F)F", "no atom that could take a further bond"),
        ("*=C", "attachment point .* not at the end of a single bond"),
        ("C*C", "attachment point .* not at the end of a single bond"),
        ("*", "attachment point .* not at the end of a single bond"),
        ("**", "no heavy atom"),
    ],
)
def test_fragments_that_cannot_be_used_are_told(smiles: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fragment.of(smiles, TYPES, 9)


def test_a_fragment_counts_in_the_composition() -> None:
    steering = Steering.of(TYPES, HISTOGRAM, composition="C4NO", fragment="CO")
    assert steering.counts is not None
    assert steering.counts.least.tolist() == [3, 1, 0, 0]
    assert steering.counts.greatest.tolist() == [3, 1, 0, 0]
    assert steering.weights[6] == 1.0
    steering = Steering.of(TYPES, HISTOGRAM, composition={"C": (0, 2), "N": 0, "F": 0, "O": (0, 3)}, fragment="CO")
    assert steering.counts is not None
    assert steering.counts.least.tolist() == [0, 0, 0, 0]
    assert steering.counts.greatest.tolist() == [1, 0, 2, 0]
    np.testing.assert_allclose(steering.weights, [0, 0, 0, 1 / 5, 2 / 5, 2 / 5, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"composition": "C4N", "fragment": "CO"}, "the fragment has 1 O, of which the composition allows 0"),
        ({"composition": "CO", "fragment": "CO"}, "no size is left: 2 heavy atoms"),
        ({"n_atoms": 2, "fragment": "CO"}, "no size is left: 2 heavy atoms .* allow 3 to 9"),
        ({"n_atoms": 5, "composition": "C4"}, "no size is left: 5 heavy atoms .* allow 4 to 4"),
    ],
)
def test_wishes_that_contradict_each_other_are_told(wishes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Steering.of(TYPES, HISTOGRAM, **wishes)

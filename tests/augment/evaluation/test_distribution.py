"""Counts over frozen classes and the distance between them."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from molaug.evaluation.distribution import CLASSES, Distribution, distance, distance_by_chance, distributions
from molaug.evaluation.protocol import CLASH, FUNCTIONAL_GROUPS, PROTOCOL, QUANTILES, REFERENCE_SIZE, group_queries


def test_definitions_are_frozen():
    """Figures of one version are comparable: raise PROTOCOL with whatever changes this digest, and freeze it anew."""
    table = json.dumps([CLASSES, dict(FUNCTIONAL_GROUPS), QUANTILES, REFERENCE_SIZE, CLASH])
    assert (PROTOCOL, hashlib.sha256(table.encode()).hexdigest()[:16]) == ("2", "3369f42a11c4240a")


def test_every_pattern_can_be_read():
    assert all(query is not None and query.GetNumAtoms() for query in group_queries())


@pytest.mark.parametrize(
    ("smiles", "groups"),
    [
        ("CCO", {"alcohol"}),
        ("Oc1ccccc1", {"phenol or enol", "aromatic carbocycle"}),
        ("COC", {"ether"}),
        ("C1CO1", {"epoxide"}),
        ("CC=O", {"aldehyde"}),
        ("C=O", {"aldehyde"}),
        ("CC(C)=O", {"ketone"}),
        ("CC(=O)O", {"carboxylic acid"}),
        ("CC(=O)OC", {"ester"}),
        ("O=COC", {"ester"}),
        ("CC(N)=O", {"amide"}),
        ("NC=O", {"amide"}),
        ("COC(N)=O", {"carbamate"}),
        ("NC(N)=O", {"urea"}),
        ("CN", {"primary amine"}),
        ("CNC", {"secondary amine"}),
        ("CN(C)C", {"tertiary amine"}),
        ("C1CN1", {"aziridine"}),
        ("CC=N", {"imine"}),
        ("CC(=N)N", {"amidine"}),
        ("CC(=N)OC", {"imidate"}),
        ("CC=NO", {"oxime"}),
        ("CC=NNC", {"hydrazone or azine"}),
        ("CNNC", {"hydrazine"}),
        ("CNO", {"hydroxylamine"}),
        ("CN=NC", {"azo"}),
        ("CC#N", {"nitrile"}),
        ("CC#C", {"alkyne"}),
        ("CC=C", {"alkene"}),
        ("C=C=C", {"cumulene"}),
        ("C[N+](=O)[O-]", {"nitro"}),
        ("[NH3+]CC(=O)[O-]", {"other ion"}),
        ("CF", {"fluoride"}),
        ("CCl", {"other halide"}),
        ("CS", {"thiol or sulfide"}),
        ("c1ccoc1", {"aromatic heterocycle"}),
        ("C1CC1", {"cyclopropane"}),
        ("C1CCC1", {"cyclobutane"}),
        ("CC", {"none"}),
    ],
)
def test_functional_groups(smiles, groups):
    assert set(distributions([smiles])["functional groups"].counts) == groups


def test_counts_of_a_few_molecules():
    found = distributions(["CC=O", "C1CC1C#N", "c1ccncc1"])
    assert found["heavy atoms"].counts == {"3": 1, "5": 1, "6": 1}
    assert found["elements"].counts == {"C": 11, "N": 2, "O": 1}
    assert found["bond orders"].counts == {"single": 5, "double": 1, "triple": 1, "aromatic": 6}
    assert found["rings"].counts == {"0": 1, "1": 2}
    assert found["ring sizes"].counts == {"3": 1, "6": 1}
    assert {name: held.per for name, held in found.items()} == {
        "heavy atoms": "molecules",
        "elements": "atoms",
        "bond orders": "bonds",
        "rings": "molecules",
        "ring sizes": "rings",
        "functional groups": "groups",
    }


def test_rings_of_a_cage_are_independent_cycles():
    assert distributions(["C12C3C4C1C5C2C3C45"])["rings"].counts == {"5": 1}  # cubane


def test_what_is_beyond_the_classes_has_one_of_its_own():
    found = distributions(["C" * 50, "[SeH2]", "C1CCCCCCCCCCCCCC1", "[H][H]"])
    assert found["heavy atoms"].counts == {"0": 1, "1": 1, "15": 1, "more": 1}
    assert found["elements"].counts["other"] == 1
    assert found["ring sizes"].counts == {"larger": 1}


def test_the_distance_is_the_root_of_the_divergence_in_bits():
    first = Distribution(counts={"0": 3, "1": 5}, per="molecules")
    second = Distribution(counts={"1": 2, "2": 6}, per="molecules")
    expected = jensenshannon([3, 5, 0], [0, 2, 6], base=2)
    assert distance(first, second, "rings") == pytest.approx(expected, abs=1e-12)
    assert distance(first, first, "rings") == 0.0
    other = Distribution(counts={"more": 1}, per="molecules")
    assert distance(first, other, "rings") == 1.0
    assert distance(first, Distribution(counts={}, per="molecules"), "rings") is None


def test_the_distance_by_chance_is_that_of_two_random_samples():
    rng = np.random.default_rng(0)
    p = [0.4, 0.3, 0.2, 0.1]

    def sample(n: int) -> Distribution:
        return Distribution(
            counts={str(k): int(count) for k, count in enumerate(rng.multinomial(n, p))}, per="molecules"
        )

    found, expected = [], []
    for _ in range(200):
        first, second = sample(500), sample(800)
        found.append(distance(first, second, "rings"))
        expected.append(distance_by_chance(first, second, "rings"))
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(np.mean(expected), rel=0.1)

"""What every filter and every selector promises."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molaug.filters import (
    DOptimal,
    FacilityLocation,
    FarthestPoint,
    Filter,
    KMeansPlusPlus,
    LargestCluster,
    Leverage,
    Mixture,
    Random,
    Redundancy,
    Selector,
    Stratified,
    TargetDesign,
    TopUncertainty,
    Uncertainty,
    Validity,
)
from molaug.filters.filter import apply
from molaug.registry import FILTERS as REGISTERED_FILTERS
from molaug.registry import SELECTORS as REGISTERED_SELECTORS
from molaug.registry import build, specification
from molaug.structures import Structures
from molaug.testing import check_selector


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spread:
    """A model as unsure as a molecule is large; it cannot tell of bare graphs."""

    name: str = "spread"

    def __call__(self, rows: Structures) -> tuple[np.ndarray, np.ndarray]:
        there = [row.positions is not None for row in rows]
        sigma = [np.sqrt(row.positions.var(0).sum()) if k else np.nan for row, k in zip(rows, there, strict=True)]
        return np.zeros(len(rows)), np.array(sigma)


FILTERS = [
    Validity(),
    Validity(max_strain=1.0, elements=("H", "C", "O")),
    Redundancy(),
    Redundancy(geometry="distances", stereo=True),
    Redundancy(molecule_by="inchikey", hydrogens=True, mirror=True),
    Redundancy(descriptor=0.02),
    Redundancy(descriptor=0.3, descriptor_kind="morgan", known_molecules="reject"),
    Uncertainty(model=Spread()),
    Uncertainty(model=Spread(), least=1.0, most=2.0),
    Leverage(ridge=1.0, least=0.4),
    Leverage(features="morgan", ridge=0.5, most=0.9),
]
SELECTORS = [Random(), Stratified()] + [
    kind(features=features)
    for kind in (FarthestPoint, DOptimal, LargestCluster, KMeansPlusPlus, FacilityLocation, TargetDesign)
    for features in ("distances", "environments")
]
SELECTORS += [FarthestPoint(features="morgan"), KMeansPlusPlus(features="morgan")]
SELECTORS += [TopUncertainty(model=Spread()), Mixture(), Mixture(parts=(DOptimal(), Stratified()), shares=(1, 3))]
SELECTORS += [Stratified(within=LargestCluster())]
each_filter = pytest.mark.parametrize("judge", FILTERS, ids=str)
each_selector = pytest.mark.parametrize("selector", SELECTORS, ids=str)


def embedded(smiles: str, seed: int) -> tuple[list[int], np.ndarray]:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=seed) == 0
    return [atom.GetAtomicNum() for atom in mol.GetAtoms()], mol.GetConformer().GetPositions()


@pytest.fixture(scope="module")
def rows() -> Structures:
    """Good rows, a bad one, a duplicate, a bare graph and a row without a SMILES."""
    made = [(s, *embedded(s, 7)) for s in ("CCO", "CCO", "CCCCO", "c1ccccc1", "CC(=O)N", "C")]
    made[5][2][1:] *= 0.4
    numbers = [z for _, z, _ in made] + [[6, 1, 1, 1, 1], made[2][1]]
    positions = [x for _, _, x in made] + [None, made[2][2] * 1.001]
    smiles = [s for s, _, _ in made] + ["C", None]
    return Structures.from_arrays(
        numbers, positions, smiles=smiles, origin=["a", "b", "a", "a", None, "b", "b", "b"], extra={}
    )


def moved(rows: Structures, seed: int) -> Structures:
    """The same rows turned, shifted, their atoms in another order."""
    rng = np.random.default_rng(seed)
    numbers, positions = [], []
    for s in rows:
        order = rng.permutation(len(s.numbers))
        q, r = np.linalg.qr(rng.normal(size=(3, 3)))
        q = q * np.sign(np.diag(r))
        q[:, 0] *= np.sign(np.linalg.det(q))
        numbers.append(s.numbers[order])
        positions.append(None if s.positions is None else s.positions[order] @ q.T + rng.normal(size=3))
    return Structures.from_arrays(numbers, positions, smiles=rows.column("smiles"), origin=rows.column("origin"))


@each_filter
def test_a_filter_is_its_configuration(judge: Filter) -> None:
    assert isinstance(judge, Filter)
    plain = json.loads(json.dumps(specification(judge, REGISTERED_FILTERS)))
    assert build(REGISTERED_FILTERS, plain, "filter") == judge
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(judge, dataclasses.fields(judge)[0].name, None)  # type: ignore[arg-type]


def test_every_registered_part_is_here() -> None:
    assert {judge.name for judge in FILTERS} == set(REGISTERED_FILTERS)
    assert {selector.name for selector in SELECTORS} == set(REGISTERED_SELECTORS)


@each_selector
def test_a_selector_is_its_configuration(selector: Selector) -> None:
    plain = json.loads(json.dumps(specification(selector, REGISTERED_SELECTORS)))
    assert build(REGISTERED_SELECTORS, plain, "selector") == selector
    assert pickle.loads(pickle.dumps(selector)) == selector


@each_filter
def test_no_rows_give_no_verdicts(judge: Filter) -> None:
    bound = judge.bound([])
    assert len(bound.judge(Structures.empty()).keep) == 0
    bound.accept(Structures.empty())


@each_filter
def test_judging_changes_nothing(judge: Filter, rows: Structures) -> None:
    bound = judge.bound([rows.slice(2, 4)])
    first, second = bound.judge(rows), bound.judge(rows)
    np.testing.assert_array_equal(first.score, second.score)
    assert list(first.reason) == list(second.reason)


@each_filter
def test_rejected_rows_carry_a_reason(judge: Filter, rows: Structures) -> None:
    judged = apply(judge.bound([]), judge.name, rows)
    assert len(judged) == len(rows)
    assert judged.ids == rows.ids
    for kept, reason in zip(judged.alive, judged.column("reason"), strict=True):
        assert kept or reason.startswith(f"{judge.name}: ")


@each_filter
def test_motion_and_order_of_atoms_do_not_matter(judge: Filter, rows: Structures) -> None:
    here, there = judge.bound([]).judge(rows), judge.bound([]).judge(moved(rows, 3))
    np.testing.assert_array_equal(here.keep, there.keep)
    np.testing.assert_allclose(here.score, there.score, atol=1e-6)


@each_filter
def test_a_batch_is_judged_as_its_rows_one_by_one(judge: Filter, rows: Structures) -> None:
    together = judge.bound([]).judge(rows).keep
    bound, apart = judge.bound([]), []
    for k in range(len(rows)):
        row = rows.slice(k, k + 1)
        verdict = bound.judge(row).keep
        apart.append(bool(verdict[0]))
        bound.accept(row.filter(verdict))
    assert together.tolist() == apart


@each_filter
def test_stateless_filters_do_not_read_the_base(judge: Filter, rows: Structures) -> None:
    if not judge.stateless:
        pytest.skip("it compares with the base")

    def unread() -> Structures:
        raise AssertionError

    batches = (make() for make in [unread])
    assert len(judge.bound(batches).judge(rows).keep) == len(rows)


@each_selector
def test_selectors_keep_their_contract(selector: Selector, rows: Structures) -> None:
    check_selector(selector, rows, rows.slice(2, 2), seed=4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Validity(elements=("Xx",)),
        lambda: Validity(heavy=(5, 2)),
        lambda: Validity(max_fragments=0),
        lambda: Redundancy(rmsd=-1.0),
        lambda: Redundancy(molecule_by="name"),  # type: ignore[arg-type]
        lambda: Redundancy(max_per_molecule=0),
        lambda: FarthestPoint(features="soap"),  # type: ignore[arg-type]
        lambda: DOptimal(features="soap"),  # type: ignore[arg-type]
        lambda: DOptimal(ridge=0.0),
        lambda: LargestCluster(features="soap"),  # type: ignore[arg-type]
        lambda: KMeansPlusPlus(features="soap"),  # type: ignore[arg-type]
    ],
)
def test_bad_configuration_stops_at_once(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        make()

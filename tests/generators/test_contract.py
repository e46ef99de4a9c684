"""Every registered generator keeps the contract, and the contract catches each way of breaking it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molaug.registry import GENERATORS, locate
from molaug.structures import Structures
from molaug.testing import check_generator

WATER = [[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]]
METHANOL = [
    [-0.7151, 0.0110, 0.0153], [0.6897, -0.0168, 0.0247], [-1.0786, 1.0369, 0.1132],
    [-1.0864, -0.4210, -0.9164], [-1.0965, -0.5833, 0.8466], [0.9936, 0.4532, -0.7668],
]  # fmt: skip


#: Where the default would take a minute.
QUICK: dict[str, dict[str, Any]] = {
    "dynamics": {
        "calculator": "mmff94s",
        "equilibration": 20,
        "pilot": 20,
        "min_spacing": 2,
        "max_spacing": 5,
        "pool": 6,
        "keep": 3,
    },
    "torsions": {"step": 60.0},
    "graph": {"steps": 5},
    "diffusion": {"steps": 4},
    "diffusion-conformers": {"steps": 2},
}

#: The tiny checkpoints that stand in for those that are shipped.
LEARNED = {"graph": "tiny_graphs", "diffusion": "tiny_diffusion", "diffusion-conformers": "tiny_diffusion"}


@pytest.fixture
def parents() -> Structures:
    """A geometry with its graph, one without, and a bare graph."""
    return Structures.from_arrays(
        [[8, 1, 1], [6, 8, 1, 1, 1, 1], [6, 6, 1, 1, 1, 1, 1, 1]], [WATER, METHANOL, None], smiles=["O", None, "CC"]
    )


@pytest.fixture
def shaker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of faulty generators, importable in fresh processes too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("shaker")


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_a_registered_generator_keeps_the_contract(
    name: str, parents: Structures, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in LEARNED:
        monkeypatch.setenv("MOLAUG_CHECKPOINTS", str(request.getfixturevalue(LEARNED[name]).parent))
    generator = locate(GENERATORS[name])(**QUICK.get(name, {}))
    assert generator.name == name
    check_generator(generator, parents, n=3, processes=1)


def test_the_contract_lets_a_sound_generator_pass(shaker: Any, parents: Structures) -> None:
    check_generator(shaker.Shaker(), parents, n=3, processes=0)


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        ("not deterministic", "determinism"),
        ("state", "determinism"),
        ("global random state", "determinism: the global random state"),
        ("origin", "provenance: row 0: origin"),
        ("parent", "provenance: row 0: parent"),
        ("seed", "provenance: row 0: seed"),
        ("atoms", "provenance: row 0: atoms"),
        ("smiles", "provenance: row 0: atoms, charge, multiplicity or SMILES"),
        ("too many", "provenance: 4 rows"),
        ("silent", "provenance: no row of parent"),
        ("id", "content: row 0: the id"),
        ("nan", "content: row 0: positions are not finite"),
        ("empty reason", "content: row 0: rejected without words"),
        ("n = 0", "slices: n=0"),
        ("count", "slices"),
        ("start", "slices"),
        ("other parents", "independence"),
        ("order", "independence"),
        ("earlier rows", "slices"),
        ("needs parents", "edges: no parents gave rows"),
        ("dead parents", "edges: parents that are rejected"),
        ("list", "list"),
        ("one batch", "streaming: a batch holds rows of several parents"),
        ("backwards", "independence: parents in two batches"),
        ("leaves a file", "interruption: files"),
        ("leaves a thread", "interruption: threads"),
    ],
)
def test_the_contract_catches(fault: str, clause: str, shaker: Any, parents: Structures) -> None:
    with pytest.raises(AssertionError, match=clause):
        check_generator(shaker.Shaker(fault=fault), parents, n=3, processes=0)


def test_the_contract_catches_an_exception_about_one_parent(shaker: Any, parents: Structures) -> None:
    whole = parents.filter(parents.has_geometry)
    with pytest.raises(AssertionError, match=r"edges: one atom .* raised ValueError"):
        check_generator(shaker.Shaker(fault="raises"), whole, n=3, processes=0)


def test_the_contract_catches_an_order_that_only_differs_between_processes(shaker: Any, parents: Structures) -> None:
    with pytest.raises(AssertionError, match="processes: rows made in other processes differ"):
        check_generator(shaker.Shaker(fault="sets"), parents, n=2, processes=1)


def test_the_contract_catches_a_list_that_poses_as_a_stream(shaker: Any, parents: Structures) -> None:
    slow = shaker.Slow(eager=True)
    with pytest.raises(AssertionError, match="streaming: the first of"):
        check_generator(slow, parents, n=2, processes=0)
    check_generator(shaker.Slow(eager=False), parents, n=2, processes=0)


def test_the_contract_wants_a_frozen_configuration(shaker: Any, parents: Structures) -> None:
    with pytest.raises(AssertionError, match="configuration: Thawed is no frozen dataclass"):
        check_generator(shaker.Thawed(), parents, n=3, processes=0)


def test_the_contract_wants_enough_to_tell(shaker: Any, parents: Structures) -> None:
    with pytest.raises(ValueError, match="expected at least 2 and 2"):
        check_generator(shaker.Shaker(), parents.slice(0, 1), n=3)
    with pytest.raises(ValueError, match="expected at least 2 and 2"):
        check_generator(shaker.Shaker(), parents, n=1)


def test_rows_that_are_alive_in_one_run_only_count_as_different(parents: Structures) -> None:
    from molaug.testing.clauses import same

    other = parents.with_columns({"energy": np.array([1.0, np.nan, np.nan])})
    same(other, other, "clause", "text")  # NaN equals NaN here
    with pytest.raises(AssertionError, match=r"clause: text: row 0, energy: None, not 1\.0"):
        same(parents, other, "clause", "text")

"""The contract of generators, for rattle and relax: rows are the same however they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molaug.generators.perturb import Perturb
from molaug.generators.start import start_of
from molaug.structures import Structures
from molaug.testing import check_generator

FAST = Perturb(calculator="mmff94s")


def graphs(*smiles: str) -> Structures:
    return Structures.from_rdkit([Chem.MolFromSmiles(s) for s in smiles])


def made(generator: Perturb, parents: Structures, n: int, seed: int = 0, start: int = 0) -> Structures:
    return Structures.concat(generator.propose(parents, n, seed, start=start))


def test_the_contract_holds_with_a_force_field() -> None:
    check_generator(FAST, graphs("CO", "C=O"), n=3, processes=0)


def test_the_contract_holds_with_a_self_consistent_field() -> None:
    check_generator(Perturb(max_steps=6, attempts=3), graphs("C=O", "N"), n=2, processes=0)


@pytest.mark.parametrize(
    "generator",
    [
        Perturb(calculator="mmff94s", batch=2),
        Perturb(batch=2),  # the last digits of a self-consistent field depend on what was computed before
        Perturb(calculator="mmff94s", batch=3, prune_rms=0.06),  # rows compete, some fail
    ],
)
def test_rows_do_not_depend_on_how_they_are_asked_for(generator: Perturb) -> None:
    parent = graphs("CO")
    whole = made(generator, parent, 7)
    for cut in (1, 4):
        assert Structures.concat([made(generator, parent, cut), made(generator, parent, 7 - cut, start=cut)]) == whole


def test_parents_and_seeds_have_streams_of_their_own() -> None:
    begin = start_of(graphs("CCO")[0], 1)
    one, other = (
        Structures.from_arrays([begin.structure.numbers], [begin.positions + shift], smiles=["CCO"])
        for shift in (0.0, 0.1)
    )
    sigmas = [made(FAST, parent, 5).array("sigma") for parent in (one, other)]
    assert not np.isclose(*sigmas).any()
    assert not np.isclose(sigmas[0], made(FAST, one, 5, seed=1).array("sigma")).any()

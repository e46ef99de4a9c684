"""The stream of all samplers: every living parent in turn, and one row for each that cannot be sampled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ase.build import molecule
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molaug.generators import Dynamics, NormalModes, Perturb, Torsions
from molaug.generators.sampling import sampled
from molaug.generators.surface import SamplingError
from molaug.structures import Structure, Structures
from molaug.structures.hashing import derived_seed
from molaug.structures.superposition import kabsch_rmsd


def parents() -> Structures:
    rows = Structures.concat([Structures.from_ase(molecule(name)) for name in ("H2O", "CH4", "NH3")])
    return rows.reject([None, "dead: before", None])


def rows(parent: Structure, base: int) -> Iterator[Structures]:
    if 8 in parent.numbers:
        raise SamplingError("no oxygen, please")
    yield Structures.from_arrays([parent.numbers], [parent.positions], parent=parent.id, seed=base)


def test_the_living_are_sampled_and_the_hopeless_say_why_once() -> None:
    found = Structures.concat(sampled("shaker", rows, parents(), 3, 7, 0))
    assert found.column("reason") == ["shaker: no oxygen, please", None]
    assert found.column("parent") == [parents().ids[0], parents().ids[2]]
    assert found.column("seed") == [derived_seed(7, "shaker", parents().ids[k]) for k in (0, 2)]
    later = Structures.concat(sampled("shaker", rows, parents(), 3, 7, 1))
    assert later.column("reason") == [None]
    assert not list(sampled("shaker", rows, parents(), 0, 7, 0))


def test_a_wrong_range_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="start is -1"):
        sampled("shaker", rows, parents(), 3, 7, -1)


@pytest.mark.parametrize(
    "sampler",
    [
        NormalModes(calculator="mmff94s"),
        Dynamics(calculator="mmff94s", equilibration=5, pilot=4, min_spacing=1, max_spacing=2, pool=2, keep=1),
        Torsions(calculator="mmff94s", step=120.0),
        Perturb(calculator="mmff94s", max_steps=1),
    ],
    ids=lambda sampler: sampler.name,
)
def test_what_the_calculator_cannot_describe_is_a_rejected_row(
    sampler: NormalModes | Dynamics | Torsions | Perturb,
) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("CB(C)C"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    lost = Structures.from_rdkit(mol)
    found = Structures.concat(sampler.propose(lost, 4, seed=0))
    assert len(found) == 1
    assert "mmff94s has no parameters" in str(found[0].reason)
    assert found[0].parent == lost.ids[0]


def test_all_samplers_start_a_bare_graph_from_one_conformer() -> None:
    graph = Structures.from_arrays([[6, 6, 8, *[1] * 6]], None, smiles=["CCO"])
    samplers = (
        Torsions(calculator="mmff94s", step=120.0),  # its first row is the minimum
        Perturb(calculator="mmff94s", sigma_min=0.001, sigma_max=0.001, max_steps=0, prune_rms=None),
        NormalModes(calculator="mmff94s", temperature=0.01),
    )
    first, *others = (next(iter(sampler.propose(graph, 1, seed=5)))[0].positions for sampler in samplers)
    for x in others:
        assert x is not None
        assert first is not None
        assert kabsch_rmsd(x - x.mean(axis=0), first - first.mean(axis=0)) < 0.02

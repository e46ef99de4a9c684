"""Where samplers start: the molecule of a row, its geometry, its minimum on a surface."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from rdkit import Chem

from molaug.generators.start import minimum_of, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.chemistry import lay_graph

MMFF = Method(calculator="mmff94s")


def row(name: str, **columns: list[str | None]) -> Structures:
    atoms = molecule(name)
    return Structures.from_arrays([atoms.numbers], [atoms.positions], **columns)


def test_a_geometry_starts_as_it_is_and_its_graph_is_found() -> None:
    parent = row("CH3CH2OH")[0]
    start = start_of(parent, seed=0)
    assert start.structure.smiles == "CCO"
    assert np.array_equal(start.positions, parent.positions)
    assert start.structure.id == parent.id


def test_a_bare_graph_starts_from_a_low_conformer_whatever_the_order_of_its_atoms() -> None:
    graph = Structures.from_arrays([[1, 1, 1, 1, 8, 6]], None, smiles=["CO"])
    start = start_of(graph[0], seed=3)
    found = lay_graph("CO", start.structure.numbers, start.positions)
    assert found.reason is None
    assert start.structure.id == graph.ids[0]
    assert np.array_equal(start_of(graph[0], seed=3).positions, start.positions)


def test_stereo_that_the_geometry_shows_must_be_kept() -> None:
    from rdkit.Chem import rdDistGeom

    mol = Chem.AddHs(Chem.MolFromSmiles("C[C@H](F)O"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    x = mol.GetConformer().GetPositions()
    start = start_of(Structures.from_arrays([[a.GetAtomicNum() for a in mol.GetAtoms()]], [x])[0], seed=0)
    assert start.integrity.reasons([x, -x]) == [None, "its stereo is not that of the parent"]


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        (Structures.from_arrays([[6]], None, smiles=["C(("]), "cannot read the graph"),
        (Structures.from_arrays([[6, 1, 1, 1, 1]], None), "neither a geometry nor a SMILES"),
        (row("CH4", smiles=["CC"]), "has other atoms"),
    ],
)
def test_what_is_no_molecule_says_why(parent: Structures, message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        start_of(parent[0], seed=0)


@pytest.mark.parametrize("method", [MMFF, Method(calculator="gfn2-xtb")])
def test_at_the_minimum_no_force_is_left_and_the_energy_is_lowest(method: Method) -> None:
    start = start_of(row("CH3CH2OH")[0], seed=0)
    with Surface(method, start.structure) as surface:
        minimum = minimum_of(start, surface, fmax=0.01, steps=200)
        energy, forces = surface(minimum.positions)
        assert np.linalg.norm(forces, axis=1).max() <= 0.0101
        assert minimum.energy == pytest.approx(energy, abs=1e-5)
        rng = np.random.default_rng(0)
        for _ in range(5):
            assert surface(minimum.positions + 0.02 * rng.normal(size=forces.shape))[0] > minimum.energy


def test_a_relaxation_that_does_not_end_or_changes_the_molecule_says_so() -> None:
    start = start_of(row("CH3CH2OH")[0], seed=0)
    with Surface(MMFF, start.structure) as surface, pytest.raises(SamplingError, match="in 1 steps of mmff94s"):
        minimum_of(start, surface, fmax=1e-6, steps=1)
    # argon atoms where carbon and oxygen should hold together
    apart = Method(calculator="ase.calculators.lj:LennardJones", options={"sigma": 3.0, "rc": 20.0})
    with Surface(apart, start.structure) as surface, pytest.raises(SamplingError, match="bonds are not those"):
        minimum_of(start, surface, fmax=0.05, steps=2000)


def test_calculators_that_fail_give_a_reason() -> None:
    start = start_of(row("H2O")[0], seed=0)
    with Surface(Method(calculator="gfn2-xtb"), start.structure) as surface:
        with pytest.raises(SamplingError, match="gfn2-xtb"):
            surface(np.full((3, 3), np.nan))
        with pytest.raises(SamplingError, match="gfn2-xtb"):
            surface(np.zeros((3, 3)))
    with pytest.raises(SamplingError, match="mmff94s has no parameters"):
        Surface(MMFF, row("BCl3")[0])


def test_a_surface_counts_and_repeats_itself() -> None:
    start = start_of(row("H2O")[0], seed=0)
    found = []
    for _ in range(2):
        with Surface(Method(calculator="gfn2-xtb"), start.structure) as surface:
            found.append([surface(start.positions * scale)[0] for scale in (1.0, 1.01, 1.02)])
            assert surface.calls == 3
    assert found[0] == found[1]

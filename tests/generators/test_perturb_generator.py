"""Rattle and relax: a tree of distinct, intact geometries, row by row the same however it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses
from ase.units import kB
from rdkit import Chem
from rdkit.Chem import rdMolAlign

from molaug.generators.perturb import Perturb
from molaug.generators.start import minimum_of, start_of
from molaug.generators.surface import Surface
from molaug.structures import Structure, Structures
from molaug.structures.calculators import Method
from molaug.structures.chemistry import lay_graph
from molaug.structures.hashing import content_key

FAST = Perturb(calculator="mmff94s")

SULFUR_HEXAFLUORIDE = Structures.from_arrays(
    [[16, *[9] * 6]], [1.56 * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])], smiles=["FS(F)(F)(F)(F)F"]
)


class Moody(Calculator):
    """Springs of 1 Å between all atoms; fails from a number of calls on, or above an energy."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, *, calls: int = 10**9, ceiling: float = np.inf, stiffness: float = 30.0) -> None:
        super().__init__()
        self.parameters = {"calls": calls, "ceiling": ceiling, "stiffness": stiffness}
        self.left = calls

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        i, j = np.triu_indices(len(self.atoms), 1)
        vectors = self.atoms.positions[i] - self.atoms.positions[j]
        lengths = np.linalg.norm(vectors, axis=1)
        rest = 1.0
        energy = 0.5 * self.parameters["stiffness"] * ((lengths - rest) ** 2).sum()
        self.left -= 1
        if self.left < 0 or energy > self.parameters["ceiling"]:
            raise RuntimeError("no convergence")
        pull = (self.parameters["stiffness"] * (lengths - rest) / lengths)[:, None] * vectors
        forces = np.zeros_like(self.atoms.positions)
        np.add.at(forces, i, -pull)
        np.add.at(forces, j, pull)
        self.results = {"energy": energy, "forces": forces}


def graphs(*smiles: str) -> Structures:
    return Structures.from_rdkit([Chem.MolFromSmiles(s) for s in smiles])


def geometry(smiles: str) -> Structures:
    begin = start_of(graphs(smiles)[0], 1)
    return Structures.from_arrays([begin.structure.numbers], [begin.positions], smiles=[begin.structure.smiles])


def made(generator: Perturb, parents: Structures, n: int, seed: int = 0, start: int = 0) -> Structures:
    return Structures.concat(generator.propose(parents, n, seed, start=start))


def kept(rows: Structures) -> Structures:
    return rows.filter(rows.alive)


def root(generator: Perturb, parent: Structure, seed: int = 0) -> tuple[np.ndarray, float]:
    begin = start_of(parent, seed)
    with Surface(Method.of(generator.calculator), begin.structure) as surface:
        found = minimum_of(begin, surface, fmax=generator.fmax, steps=generator.relax_steps)
    return found.positions, found.energy


def all_atom_rmsd(smiles: str, x: Structure, y: Structure | np.ndarray) -> float:
    mols = [lay_graph(smiles, x.numbers, g if isinstance(g, np.ndarray) else g.positions).mol for g in (x, y)]
    return float(rdMolAlign.GetBestRMS(*mols))


# ---------------------------------------------------------------------- rows


@pytest.mark.parametrize("generator", [FAST, Perturb()])
def test_columns_are_what_a_fresh_calculation_finds(generator: Perturb) -> None:
    parent = graphs("CCO")
    rows = kept(made(generator, parent, 8))
    _, lowest = root(generator, parent[0])
    assert len(rows) == 8
    for row in rows:
        with Surface(Method.of(generator.calculator), row) as surface:
            energy, forces = surface(row.positions)
        assert row.extra["sampling_energy"] == pytest.approx(energy - lowest, abs=1e-5)
        assert row.extra["max_force"] == pytest.approx(np.linalg.norm(forces, axis=1).max(), abs=1e-3)
        assert row.energy is None
        assert (row.extra["sampling_method"], row.extra["temperature"]) == (generator.calculator, 300.0)
        assert 0.01 <= row.extra["sigma"] <= 0.1
        assert 0 <= row.extra["steps"] <= 20
        assert row.extra["displaced"]


def test_force_calls_are_counted() -> None:
    rows = made(Perturb(calculator="mmff94s", prune_rms=None), geometry("CCO"), 12)
    assert rows.column("force_calls") == (rows.array("steps") + 1).tolist()
    assert set(rows.column("attempts")) == {1}
    assert set(rows.column("refused")) == {None}


def test_every_emitted_row_is_the_molecule() -> None:
    hot = Perturb(calculator="mmff94s", temperature=5000, sigma_min=0.1, sigma_max=0.3, max_steps=6)
    for smiles in ("C[C@H](F)CO", "C/C=C\\CO", "CC1CC1N"):
        parent = geometry(smiles)
        rows = made(hot, parent, 12)
        expected = lay_graph(smiles, parent[0].numbers, parent[0].positions).smiles
        assert (rows.array("attempts") > 1).any()  # some attempts were refused
        for row in kept(rows):
            assert lay_graph(smiles, row.numbers, row.positions).smiles == expected
            assert row.extra["intact"]


def test_rows_differ_from_each_other_and_from_the_root_by_the_threshold() -> None:
    generator = Perturb(calculator="mmff94s", prune_rms=0.08)
    parent = geometry("CCO")
    rows = kept(made(generator, parent, 16))
    positions, _ = root(generator, parent[0])
    assert len(rows) > 4
    known: list[Structure | np.ndarray] = [positions]
    for row in rows:
        assert min(all_atom_rmsd("CCO", row, other) for other in known) > 0.08 - 1e-6
        known.append(row)


def test_the_tree_is_told_by_its_columns() -> None:
    parent = geometry("CCCO")
    generator = Perturb(calculator="mmff94s", batch=4, beta=0.0)
    rows = made(generator, parent, 24)
    depth = {parent.ids[0]: 0}
    ready: list[str] = [parent.ids[0]]
    for k, row in enumerate(rows):
        if k % 4 == 0:
            ready = list(depth)  # nodes of the batches before
        if row.reason is None:
            assert row.extra["grown_from"] in ready
            depth[row.id] = depth[row.extra["grown_from"]] + 1
            assert row.extra["generation"] == depth[row.id]
            assert row.id == content_key(row.numbers, row.positions, row.charge, row.multiplicity)
    assert max(depth.values()) > 2
    assert set(made(generator, parent, 4).column("generation")) == {1}


def test_boltzmann_trees_are_flat_and_deep_ones_are_deep() -> None:
    parent = geometry("CC(C)CO")
    flat, deep = (made(Perturb(calculator="mmff94s", beta=beta), parent, 48).array("generation") for beta in (1, 0))
    assert np.nanmean(flat) + 0.5 < np.nanmean(deep)


def test_the_centre_of_mass_is_that_of_the_root() -> None:
    parent = geometry("CC(=O)N")
    positions, _ = root(FAST, parent[0])
    masses = atomic_masses[parent[0].numbers]
    for row in kept(made(FAST, parent, 12)):
        np.testing.assert_allclose(masses @ row.positions, masses @ positions, atol=1e-10 * masses.sum())


def test_energies_rise_with_temperature_and_are_thermal_in_any_size() -> None:
    for smiles in ("CCO", "CC(C)CC(=O)NC"):
        parent = geometry(smiles)
        modes = 3 * len(parent[0].numbers) - 6
        means = []
        for temperature in (50, 200, 800):
            generator = Perturb(calculator="mmff94s", temperature=temperature, sigma_min=0.03)
            energies = kept(made(generator, parent, 32)).array("sampling_energy")
            means.append(float(energies.mean()))
            assert 0.15 < means[-1] / (0.5 * modes * kB * temperature) < 1.5
        assert means[0] < means[1] < means[2]


def test_the_peak_of_the_tree_does_not_drift_uphill() -> None:
    # ΔE counts from the root, not from the node: generations are no hotter than the first
    rows = kept(made(Perturb(calculator="mmff94s", beta=0.0, temperature=300), geometry("CCCO"), 80))
    generation, energy = rows.array("generation"), rows.array("sampling_energy")
    deep = energy[generation >= 4]
    assert len(deep) > 10
    assert deep.mean() < 0.5 * (3 * 12 - 6) * kB * 300 * 1.5


def test_without_steps_it_only_rattles() -> None:
    generator = Perturb(calculator="mmff94s", max_steps=0, sigma_min=0.05, sigma_max=0.05, beta=1.0, prune_rms=None)
    parent = geometry("CC(C)CC(=O)NC")
    positions, _ = root(generator, parent[0])
    rows = kept(made(generator, parent, 8))
    spread = np.sqrt(np.mean([(row.positions - positions) ** 2 for row in rows]))
    assert spread == pytest.approx(0.05, rel=0.1)
    assert set(rows.column("steps")) == {0}


def test_an_unrelaxed_root_is_the_geometry_that_was_given() -> None:
    parent = geometry("CCO")
    stretched = Structures.from_arrays([parent[0].numbers], [1.03 * parent[0].positions], smiles=["CCO"])
    rows = kept(made(Perturb(calculator="mmff94s", relax_root=False), stretched, 8))
    assert rows.array("sampling_energy").min() < 0  # downhill from the root
    relaxed = kept(made(FAST, stretched, 8))
    assert relaxed.array("sampling_energy").min() > -1e-3


# ---------------------------------------------------------------------- what fails


def test_an_impossible_threshold_ends_with_its_count() -> None:
    rows = made(Perturb(calculator="mmff94s", prune_rms=3.0, attempts=4), geometry("CO"), 5)
    assert rows.column("attempts") == [4] * 5
    assert rows.column("refused") == ["within 3.0 Å RMSD of an earlier geometry (4)"] * 5
    assert rows.array("force_calls").max() <= 4 * 21
    reason = "perturb: none in 4 attempts: within 3.0 Å RMSD of an earlier geometry (4)"
    assert rows.column("reason") == [reason] * 5
    assert not rows.has_geometry.any()
    assert rows.column("grown_from") == rows.column("steps") == rows.column("sigma") == [None] * 5


def triangle() -> Structures:
    """Water at the minimum of the springs."""
    return Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0], [1, 0, 0], [0.5, np.sqrt(0.75), 0]]], smiles=["O"])


def test_a_root_without_energy_is_one_rejected_row() -> None:
    rows = made(Perturb(calculator=Moody(ceiling=-1.0), relax_root=False), triangle(), 3)
    assert rows.column("reason") == ["perturb: Moody failed: no convergence"]


def test_a_calculator_that_fails_from_some_call_on_ends_every_row() -> None:
    generator = Perturb(calculator=Moody(calls=2), relax_root=False, attempts=3, temperature=1e-3)
    rows = made(generator, triangle(), 3)
    assert rows.column("reason") == ["perturb: none in 3 attempts: Moody failed: no convergence (3)"] * 3


def test_a_failed_walk_is_tried_again_and_the_others_go_on() -> None:
    shy = Perturb(calculator=Moody(ceiling=0.1), relax_root=False, temperature=3000, prune_rms=None)
    rows = made(shy, triangle(), 24)
    assert (rows.array("attempts") > 1).any()
    assert kept(rows).array("sampling_energy").max() <= 0.1
    assert rows.alive.sum() > 12


def test_failed_rows_are_no_nodes() -> None:
    generator = Perturb(calculator="mmff94s", prune_rms=0.03, attempts=1, batch=2, beta=0.0)
    rows = made(generator, geometry("CO"), 30)
    assert 0 < rows.alive.sum() < 30
    assert set(kept(rows).column("grown_from")) <= {*rows.filter(rows.alive).ids, geometry("CO").ids[0]}


def test_forces_separations_and_windows_are_honoured() -> None:
    hot = {"calculator": "mmff94s", "temperature": 5000, "sigma_min": 0.1, "sigma_max": 0.1, "max_steps": 2}
    parent = geometry("CCO")
    free = kept(made(Perturb(**hot), parent, 16))
    limit = 0.5 * float(np.median(free.array("max_force")))
    rows = made(Perturb(**hot, max_force=limit, attempts=1), parent, 16)
    assert kept(rows).array("max_force").max() <= limit
    assert any(f"a force above {limit:g} eV/Å" in reason for reason in rows.column("reason") if reason)
    per_atom = float(np.median(free.array("sampling_energy"))) / 9
    rows = made(Perturb(**hot, energy_window=per_atom, attempts=2), parent, 16)
    assert kept(rows).array("sampling_energy").max() <= 9 * per_atom
    assert any("eV per atom above its minimum" in reason for reason in rows.column("reason") if reason)
    rows = made(Perturb(**hot, min_separation=2.0, attempts=3), parent, 4)
    assert all("none in 3 attempts: atoms nearer than 2 Å (3)" in reason for reason in rows.column("reason"))
    assert set(rows.column("force_calls")) == {0}


def test_bonds_break_where_that_is_allowed() -> None:
    hot = {"calculator": "mmff94s", "temperature": 20_000, "sigma_min": 0.35, "sigma_max": 0.4, "max_steps": 1}
    parent = geometry("CCO")
    rows = kept(made(Perturb(**hot, bond_breaking=True, max_force=200.0), parent, 16))
    broken = [row for row in rows if not row.extra["intact"]]
    assert broken
    assert all(row.smiles is None for row in broken)
    assert kept(made(Perturb(**hot, max_force=200.0), parent, 16)).array("intact").all()


@pytest.mark.parametrize(
    ("parent", "reason"),
    [
        (Structures.from_arrays([[2]], [[[0, 0, 0]]], smiles=["[He]"]), "a single atom has but one geometry"),
        (Structures.from_arrays([[8, 1, 1]], None, smiles=["nonsense"]), "cannot read the graph"),
        (SULFUR_HEXAFLUORIDE, "mmff94s"),
    ],
)
def test_a_parent_that_cannot_be_sampled_is_one_row(parent: Structures, reason: str) -> None:
    rows = made(FAST, parent, 4)
    assert len(rows) == 1
    assert rows[0].reason.startswith("perturb: ")
    assert reason in rows[0].reason
    assert len(made(FAST, parent, 4, start=1)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature is 0"),
        ({"beta": 1.2}, "beta is 1.2"),
        ({"sigma_min": 0.0}, "sigma_min is 0.0"),
        ({"sigma_min": 0.2}, "sigma_max is 0.1 Å; expected at least sigma_min"),
        ({"max_steps": -1}, "max_steps is -1"),
        ({"attempts": 0}, "attempts is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"prune_rms": 0.0}, "prune_rms is 0.0"),
        ({"max_force": float("nan")}, "max_force is nan"),
        ({"energy_window": -1.0}, "energy_window is -1.0"),
        ({"calculator": "gfn2"}, "unknown calculator 'gfn2'"),
    ],
)
def test_a_bad_configuration_stops_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Perturb(**options)


@pytest.mark.parametrize("wrong", [{"n": -1}, {"seed": -1}, {"start": -1}])
def test_a_part_of_a_stream_that_cannot_be_stops_at_once(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is -1; expected"):
        FAST.propose(graphs("C"), **{"n": 1, "seed": 0, **wrong})


def test_geometries_of_qm9_keep_their_graph(data: Path) -> None:
    with np.load(data / "qm9/qm9_structures.npz") as file:
        z, x, offsets = file["z"], file["pos"], file["offsets"]
    chosen = np.random.default_rng(2).choice(len(offsets) - 1, 8, replace=False)
    parents = Structures.from_arrays(
        [z[offsets[k] : offsets[k + 1]] for k in chosen], [x[offsets[k] : offsets[k + 1]] for k in chosen]
    )
    rows = made(FAST, parents, 8)
    assert set(rows.column("parent")) == set(parents.ids)
    by_id = {parent.id: parent for parent in parents}
    good = kept(rows)
    assert len(good) > 40
    for row in good:
        parent = by_id[row.parent]
        assert lay_graph(row.smiles, row.numbers, row.positions).smiles == (
            lay_graph(row.smiles, parent.numbers, parent.positions).smiles
        )

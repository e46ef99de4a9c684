"""Dynamics: blocks of decorrelated snapshots, each judged, the farthest apart first."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses
from rdkit import Chem

from molaug.generators.displaced import displaced
from molaug.generators.dynamics import Dynamics
from molaug.generators.dynamics.distance import hydrogen_groups, rmsd
from molaug.generators.generator import Generator
from molaug.generators.start import minimum_of, start_of
from molaug.generators.surface import Surface
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.chemistry import lay_graph
from molaug.structures.hashing import derived_seed
from molaug.structures.superposition import superposed
from molaug.testing import check_generator

#: A small trajectory.
QUICK: dict[str, Any] = {
    "calculator": "mmff94s", "equilibration": 20, "pilot": 20, "min_spacing": 2, "max_spacing": 5, "pool": 6, "keep": 3,
}  # fmt: skip


def graphs(*smiles: str) -> Structures:
    return Structures.from_rdkit([Chem.MolFromSmiles(s) for s in smiles])


def made(generator: Dynamics, parents: Structures, n: int, seed: int = 0, start: int = 0) -> Structures:
    return Structures.concat(generator.propose(parents, n, seed, start=start))


class Spring(Calculator):  # type: ignore[misc]
    """Holds atoms where they were first; fails, or pushes them apart, after some calls."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, fails_after: int = 10**9, bursts_after: int = 10**9, splits_after: int = 10**9) -> None:
        super().__init__()
        self.calls, self.first = 0, None
        self.limits = fails_after, bursts_after, splits_after

    def calculate(self, atoms: Atoms = None, properties: object = None, system_changes: object = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        x = atoms.positions
        self.first = x.copy() if self.first is None else self.first
        self.calls += 1
        fails, bursts, splits = self.limits
        if self.calls > fails:
            raise RuntimeError("SCF not converged")
        k = np.full((len(x), 1), 30.0)
        away = x - self.first
        if self.calls > bursts:
            k = -k
        if self.calls > splits:  # the last atom rests 2 Å farther away
            away[-1] -= 2 * (self.first[-1] - self.first[0]) / np.linalg.norm(self.first[-1] - self.first[0])
            k[-1] = 2.0
        self.results = {"energy": 0.5 * float((k * away**2).sum()), "forces": -k * away}


def test_it_keeps_the_contract() -> None:
    generator = Dynamics(**QUICK)
    assert isinstance(generator, Generator)
    check_generator(generator, graphs("CO", "C=C"), n=4, processes=0)


def test_a_block_is_spread_and_a_smaller_count_is_its_beginning() -> None:
    generator = Dynamics(calculator="mmff94s", pilot=250, pool=20, keep=8, max_spacing=20)
    parent = graphs("CC(O)CN")
    rows = made(generator, parent, 16)
    assert rows.alive.all()
    assert rows.column("trajectory") == [0] * 8 + [1] * 8
    assert rows.column("seed") == [derived_seed(0, "dynamics", parent.ids[0]) + k for k in range(16)]
    for start, n in ((0, 3), (5, 6), (8, 8), (15, 1)):
        assert made(generator, parent, n, start=start) == rows.slice(start, start + n)
    groups = hydrogen_groups(lay_graph(rows[0].smiles or "", rows[0].numbers, rows[0].positions).mol)
    start = start_of(parent[0], 0)
    with Surface(Method(calculator="mmff94s"), start.structure) as surface:
        minimum = minimum_of(start, surface, fmax=generator.fmax, steps=generator.relax_steps).positions
    x = np.concatenate([minimum[None], rows.positions.reshape(16, -1, 3)])
    nearest = [float(rmsd(x[:k], x[k], groups).min()) for k in range(1, 9)]
    # each is nearer to the minimum and those before it than the last one was
    assert all(second <= first + 1e-6 for first, second in pairwise(nearest))
    assert nearest[-1] > 0.1


def test_without_thinning_rows_are_in_the_order_of_time() -> None:
    rows = made(Dynamics(**{**QUICK, "keep": 6}), graphs("CO"), 6)
    spacing = rows.array("spacing")
    assert 2 <= spacing[0] <= 5
    np.testing.assert_allclose(rows.array("time"), spacing * np.arange(1, 7))
    thinned = made(Dynamics(**QUICK), graphs("CO"), 3)
    assert set(thinned.column("id")) < set(rows.column("id"))


def test_rows_are_the_boltzmann_sample_of_their_temperature() -> None:
    # a hot and a cold bath in turn; the potential energy of small motions is kT/2 for each of 3N - 6
    generator = Dynamics(
        calculator="mmff94s", temperature=(100.0, 400.0), equilibration=300, min_spacing=20, max_spacing=40, pool=150,
        keep=150,
    )  # fmt: skip
    rows = made(generator, graphs("CO"), 600)
    temperature, energy = rows.array("temperature"), rows.array("sampling_energy")
    assert temperature[::150].tolist() == [100, 400, 100, 400]
    assert len(set(rows.column("id"))) == 600  # each trajectory has a stream of its own
    for kelvin in (100, 400):
        ratio = energy[temperature == kelvin] / (6 * units.kB * kelvin)
        assert ratio.mean() == pytest.approx(1, abs=0.1)  # 300 snapshots: 1 ± 0.024, not all of them independent
        assert ratio.std() == pytest.approx(np.sqrt(2 / 12), rel=0.2)


def test_the_spacing_is_twice_the_measured_time_within_its_bounds() -> None:
    rows = made(
        Dynamics(calculator="mmff94s", pilot=250, pool=40, keep=1, min_spacing=4, max_spacing=500), graphs("CCO"), 5
    )
    spacing, tau = rows.array("spacing"), rows.array("autocorrelation_time")
    assert (spacing > 6).all()  # 250 fs of pilot make 40 snapshots
    wide = spacing > 7
    assert wide.any()
    np.testing.assert_array_equal(spacing[wide], np.round(2 * tau[wide]))
    assert made(Dynamics(**QUICK), graphs("CCO"), 1).array("spacing")[0] <= 5


def test_rows_lie_over_the_minimum_and_know_their_energy() -> None:
    generator, parent = Dynamics(**QUICK), graphs("CCO")
    rows = made(generator, parent, 6)
    calm = made(Dynamics(**{**QUICK, "temperature": 1e-6}), parent, 1)  # all but the minimum itself
    assert calm.array("sampling_energy")[0] == pytest.approx(0, abs=1e-6)
    x = rows.positions.reshape(6, -1, 3)
    minimum = calm.positions
    np.testing.assert_allclose(superposed(x, minimum), x, atol=1e-3)
    assert rows.column("displaced") == rows.column("intact") == [True] * 6
    assert (rows.array("sampling_energy") > 0.02).all()
    masses = atomic_masses[rows[0].numbers]
    assert masses.sum() > 46  # ethanol


def test_a_bath_that_is_too_hot_breaks_molecules_and_says_so() -> None:
    hot = {**QUICK, "temperature": 6000.0, "equilibration": 100, "keep": 6}
    rows = made(Dynamics(**hot), graphs("CCO"), 12)
    reasons = [reason for reason in rows.column("reason") if reason]
    assert reasons
    assert all(reason.startswith("dynamics: ") for reason in reasons)
    assert any("bonds are not those of the parent" in reason for reason in reasons)
    free = made(Dynamics(**hot, bond_breaking=True), graphs("CCO"), 12)
    assert free.alive.all()
    broken = ~np.array(free.column("intact"), dtype=bool)
    assert broken.any()
    assert all((row.smiles is None) == b for row, b in zip(free, broken, strict=True))


def test_broken_snapshots_take_no_place_of_good_ones() -> None:
    hot = {**QUICK, "temperature": 4000.0, "equilibration": 50, "pool": 12, "keep": 4}
    rows = made(Dynamics(**hot), graphs("CCO"), 20)
    for block in range(5):
        part = rows.slice(4 * block, 4 * block + 4)
        survivors = part.column("pool_alive")[0] or 0
        assert part.alive.tolist() == [k < survivors for k in range(4)]


def test_the_window_is_for_each_atom() -> None:
    rows = made(Dynamics(**{**QUICK, "keep": 6}, energy_window=0.06), graphs("CCO"), 30)
    per_atom = rows.array("sampling_energy") / 9
    np.testing.assert_array_equal(rows.alive, per_atom <= 0.06)
    assert 0 < rows.alive.sum() < 30


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"fails_after": 57}, "Spring failed: SCF not converged"),
        ({"bursts_after": 57}, "ran away to"),
        ({"splits_after": 30}, "its bonds are not those of the parent, 3 snapshots in a row"),
    ],
)
def test_a_trajectory_that_fails_keeps_what_it_had(fault: dict[str, int], text: str) -> None:
    options = {
        **QUICK, "calculator": Spring(**fault), "pool": 30, "keep": 30, "pilot": 10, "min_spacing": 2, "max_spacing": 2,
    }  # fmt: skip
    rows = made(Dynamics(**options), graphs("CO"), 30)
    kept = int(rows.alive.sum())
    assert 0 < kept < 30
    assert rows.alive[:kept].all()
    assert rows.column("reason")[-1].startswith("dynamics: the trajectory ended after ")
    assert text in rows.column("reason")[-1]
    assert rows[29].positions is None
    assert rows.column("seed") == [rows.column("seed")[0] + k for k in range(30)]
    assert made(Dynamics(**options), graphs("CO"), 20, start=10) == rows.slice(10, 30)
    again = made(Dynamics(**{**options, "keep": 12}), graphs("CO"), 12)
    assert again.alive.sum() == min(kept, 12)


def test_a_calculator_that_fails_early_gives_rows_that_say_so() -> None:
    rows = made(Dynamics(**{**QUICK, "calculator": Spring(fails_after=5)}), graphs("CO"), 3)
    assert rows.column("reason") == ["dynamics: not equilibrated: Spring failed: SCF not converged"] * 3
    rows = made(Dynamics(**{**QUICK, "calculator": Spring(fails_after=30)}), graphs("CO"), 3)
    assert rows.column("reason") == ["dynamics: the pilot failed: Spring failed: SCF not converged"] * 3
    rows = made(Dynamics(**{**QUICK, "calculator": Spring(fails_after=0)}), graphs("CO"), 3)
    assert rows.column("reason") == ["dynamics: Spring failed: SCF not converged"]


def test_a_single_atom_and_an_unknown_element_are_one_row_each() -> None:
    atom = Structures.from_arrays([[2]], [[[0.0, 0.0, 0.0]]], smiles=["[He]"])
    assert made(Dynamics(**QUICK), atom, 5).column("reason") == ["dynamics: a single atom has but one geometry"]
    assert len(made(Dynamics(**QUICK), atom, 5, start=1)) == 0
    xenon = Structures.from_arrays([[54, 9, 9]], [[[0, 0, 0], [0, 0, 1.98], [0, 0, -1.98]]])
    rows = made(Dynamics(**QUICK), xenon, 5)
    assert len(rows) == 1
    assert rows.column("reason")[0].startswith("dynamics: ")


def test_linear_molecules_and_two_atoms_will_do() -> None:
    assert made(Dynamics(**QUICK), graphs("C#N", "C#C"), 3).alive.all()
    pytest.importorskip("tblite")
    assert made(Dynamics(**{**QUICK, "calculator": "gfn2-xtb"}), graphs("Cl"), 3).alive.all()


def test_the_second_half_is_cooler() -> None:
    parent = graphs("CCCO")
    hot = made(Dynamics(**QUICK), parent, 6)
    generator = Dynamics(**QUICK, quench=5, quench_time=200)
    rows = made(generator, parent, 12)
    assert rows.alive.all()
    assert rows.column("quenched") == [False, True] * 6
    assert rows.column("temperature") == [500.0, 100.0] * 6
    np.testing.assert_array_equal(rows.positions.reshape(12, -1, 3)[::2], hot.positions.reshape(6, -1, 3))
    energy = rows.array("sampling_energy")
    assert (energy[1::2] < energy[::2]).all()
    assert energy[1::2].mean() < 3 * 30 * units.kB * 100 / 2  # near kT/2 for each of 30, from above
    assert made(generator, parent, 5, start=3) == rows.slice(3, 8)


def test_temperatures_may_come_as_a_list() -> None:
    assert Dynamics(temperature=[300, 600]) == Dynamics(temperature=(300, 600))  # type: ignore[arg-type]
    assert Dynamics(temperature=300).temperatures == (300.0,)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"temperature": 0}, "temperature is 0; expected one or several above 0 K"),
        ({"temperature": ()}, "temperature is"),
        ({"temperature": (300, -1)}, "temperature is"),
        ({"timestep": 0}, "timestep is 0; expected more than 0"),
        ({"friction": -1}, "friction is -1"),
        ({"equilibration": -1}, "equilibration is -1; expected at least 0"),
        ({"keep": 21}, "keep is 21, pool is 20"),
        ({"keep": 0}, "keep is 0"),
        ({"min_spacing": 60}, "expected them to ascend"),
        ({"min_spacing": 0.5}, "expected them to ascend"),
        ({"pilot": 2000}, "pilot is 2000 fs"),
        ({"quench": -1}, "quench is -1"),
        ({"energy_window": 0}, "energy_window is 0"),
        ({"calculator": "gfn3"}, "unknown calculator 'gfn3'"),
    ],
)
def test_a_wrong_configuration_stops_at_once(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Dynamics(**options)


def test_gfn2_gives_the_same_rows_in_any_slice() -> None:
    pytest.importorskip("tblite")
    generator = Dynamics(**{**QUICK, "calculator": "gfn2-xtb"})
    parents = graphs("O", "CO")
    rows = made(generator, parents, 4)
    assert rows.alive.all()
    assert made(generator, parents.slice(1, 2), 1, start=3) == rows.slice(7, 8)
    start = start_of(rows[0], 0)
    same = displaced(start, "dynamics", [0], [rows[0].positions])
    assert same.alive.all()

"""Torsional profiles: known barriers, symmetry, no hysteresis, grids and their order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import units
from rdkit import Chem

from molaug.generators.start import Start, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.generators.torsions.model_hessian import ModelHessian
from molaug.generators.torsions.rotors import Rotor, rotatable, rotors_of
from molaug.generators.torsions.scan import Driver, Index, Point, counts, spread
from molaug.structures import Structures
from molaug.structures.calculators import Method

KCAL = units.kcal / units.mol


class Scanned:
    """A molecule, its rotors, and a way to scan them."""

    def __init__(self, smiles: str, calculator: str = "mmff94s", fmax: float = 0.005) -> None:
        self.start: Start = start_of(Structures.from_rdkit(Chem.MolFromSmiles(smiles))[0], 1)
        self.surface = Surface(Method(calculator=calculator), self.start.structure)
        self.driver = Driver(
            surface=self.surface,
            hessian=ModelHessian(self.start.mol),
            integrity=self.start.integrity,
            fmax=fmax,
            steps=300,
        )
        with self.surface:
            self.minimum = self.driver.minimum(self.start.positions)
        self.rotors = rotors_of(self.start.mol, self.minimum.positions, rotatable(self.start.mol))

    def profile(self, rotor: Rotor, degrees: float, *, relaxed: bool = True) -> dict[Index, Point]:
        with self.surface:
            way = self.driver.relaxed if relaxed else self.driver.rigid
            return way(self.minimum, [rotor], np.radians(degrees))

    def around(self, *atoms: int) -> Rotor:
        return next(rotor for rotor in self.rotors if set(rotor.quad[1:3]) == set(atoms))

    def energies(self, points: dict[Index, Point]) -> np.ndarray:
        return np.array([points[index].energy for index in sorted(points)]) - self.minimum.energy


def degrees_of(point: Point) -> float:
    return float(np.degrees(point.angles[0]))


@pytest.mark.parametrize(("calculator", "low", "high"), [("mmff94s", 0.10, 0.15), ("gfn2-xtb", 0.10, 0.15)])
def test_ethane_has_a_threefold_barrier_of_three_kcal(calculator: str, low: float, high: float) -> None:
    ethane = Scanned("CC", calculator)
    (rotor,) = ethane.rotors
    energies = ethane.energies(ethane.profile(rotor, 15))
    assert len(energies) == 8  # 120° are the whole of it
    assert low < energies.max() < high
    assert energies.argmax() == 4
    assert energies[1:] == pytest.approx(energies[1:][::-1], abs=5e-4)
    # the Fourier series of a threefold rotor is nearly one term
    assert energies == pytest.approx(energies.max() / 2 * (1 - np.cos(2 * np.pi * np.arange(8) / 8)), abs=0.01)
    full = ethane.profile(Rotor(quad=rotor.quad, top=rotor.top, symmetry=1), 15)
    assert ethane.energies(full) == pytest.approx(np.tile(energies, 3), abs=5e-4)


@pytest.mark.parametrize("calculator", ["mmff94s", "gfn2-xtb"])
def test_butane_has_three_valleys(calculator: str) -> None:
    butane = Scanned("CCCC", calculator)
    points = butane.profile(butane.around(1, 2), 15)
    found = {round(degrees_of(point)) % 360: point for point in points.values()}
    low = {angle for angle, point in found.items() if point.stationary == "minimum"}
    assert low in ({60, 180, 300}, {75, 180, 285})  # gauche lies at 65°
    assert {angle for angle, point in found.items() if point.stationary == "maximum"} == {0, 120, 240}
    height = {angle: (point.energy - butane.minimum.energy) / KCAL for angle, point in found.items()}
    assert 0.5 < height[60] < 1.0  # gauche; experiment 0.67, CCSD(T) 0.6
    assert 2.4 < height[120] < 4.2  # 3.3 to 3.6
    assert 4.3 < height[0] < 6.2  # syn: 5.5
    for angle in range(15, 180, 15):  # mirror images
        assert height[angle] == pytest.approx(height[360 - angle], abs=0.01)
    assert found[0].barrier_height == pytest.approx(height[0] * KCAL)


def test_hydrogen_peroxide_turns_rigidly() -> None:
    peroxide = Scanned("OO")
    (rotor,) = peroxide.rotors
    points = peroxide.profile(rotor, 10, relaxed=False)
    assert len(points) == 36
    bonds = [np.linalg.norm(point.positions[0] - point.positions[1]) for point in points.values()]
    assert np.ptp(bonds) < 1e-9
    base = degrees_of(points[(0,)])
    for (k,), point in points.items():
        assert (degrees_of(point) - base - 10 * k + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
        assert point.energy == pytest.approx(peroxide.surface(point.positions)[0])
    cis = max(points.values(), key=lambda point: point.energy)
    assert abs(degrees_of(cis)) < 10
    assert cis.stationary == "maximum"
    relaxed = peroxide.energies(peroxide.profile(rotor, 10))
    assert (relaxed <= peroxide.energies(points) + 1e-4).all()


def test_relaxed_profiles_have_no_jump_that_a_neighbour_could_lift() -> None:
    # N-methylacetamide: nitrogen turns pyramidal on the way, to either side
    amide = Scanned("CC(=O)NC", fmax=0.01)
    (rotor,) = (rotor for rotor in amide.rotors if rotor.symmetry == 1)
    points = amide.profile(rotor, 15)
    assert all(point.reason is None for point in points.values())
    again = 0
    for (k,), point in points.items():
        for sign in (1, -1):
            other = points[((k + sign) % len(points),)]
            x = rotor.turned(point.positions, sign * np.radians(15))
            with amide.surface:
                driven = amide.driver._relaxed(x, [rotor])
            again += driven.reason is None and driven.energy < other.energy - 2e-3
    assert again == 0


def test_a_finer_grid_holds_the_points_of_a_coarse_one() -> None:
    glycol = Scanned("OCCO")
    rotor = glycol.around(1, 2)
    coarse, fine = (glycol.energies(glycol.profile(rotor, step)) for step in (30, 10))
    assert np.abs(fine[::3] - coarse).max() < 0.01


def test_two_rotors_make_a_surface() -> None:
    ethanol = Scanned("CCO")
    with ethanol.surface:
        points = ethanol.driver.relaxed(ethanol.minimum, ethanol.rotors, np.radians(60))
    shape = counts(ethanol.rotors, np.radians(60))
    assert sorted(shape) == [2, 6]
    assert sorted(points) == sorted(itertools.product(*map(range, shape)))
    for index, point in points.items():
        assert point.reason is None
        for rotor, k, angle in zip(ethanol.rotors, index, point.angles, strict=True):
            turned = angle - rotor.angle(ethanol.minimum.positions) - k * np.radians(60)
            assert np.cos(rotor.symmetry * turned) == pytest.approx(1, abs=1e-8)
            assert np.cos(angle - rotor.angle(point.positions)) == pytest.approx(1, abs=1e-12)
    # the barriers of both add up, nearly
    energy = {index: point.energy - ethanol.minimum.energy for index, point in points.items()}
    corner = max(itertools.product(*map(range, shape)), key=lambda index: energy[index])
    parts = energy[(corner[0], 0)] + energy[(0, corner[1])]
    assert energy[corner] == pytest.approx(parts, rel=0.3)


class TestFaults:
    """What happens where a surface fails."""

    @pytest.fixture
    def ethanol(self) -> Scanned:
        return Scanned("CCO", fmax=0.02)

    def failing(self, scanned: Scanned, rotor: Rotor, low: float, high: float) -> Driver:
        def surface(x: np.ndarray) -> tuple[float, np.ndarray]:
            if low < np.degrees(rotor.angle(x)) % 360 < high:
                raise SamplingError("the surface failed")
            return scanned.surface(x)

        return Driver(
            surface=surface,
            hessian=scanned.driver.hessian,
            integrity=None,
            fmax=scanned.driver.fmax,
            steps=scanned.driver.steps,
        )

    def test_points_that_fail_have_their_reason_and_no_neighbour_is_called_an_extremum(self, ethanol: Scanned) -> None:
        rotor = ethanol.around(1, 2)
        base = degrees_of(ethanol.profile(rotor, 30)[(0,)]) % 360
        driver = self.failing(ethanol, rotor, (base + 75) % 360, (base + 105) % 360)
        for way in (driver.relaxed, driver.rigid):
            points = way(ethanol.minimum, [rotor], np.radians(30))
            assert points[(3,)].reason == "the surface failed"
            assert sum(point.reason is not None for point in points.values()) == 1
            assert points[(2,)].stationary is points[(3,)].stationary is points[(4,)].stationary is None

    def test_what_lies_behind_points_that_fail_was_not_reached(self, ethanol: Scanned) -> None:
        rotor = ethanol.around(1, 2)
        base = degrees_of(ethanol.profile(rotor, 30)[(0,)])

        def surface(x: np.ndarray) -> tuple[float, np.ndarray]:
            if np.cos(rotor.angle(x) - np.radians(base)) < np.cos(np.radians(45)):
                raise SamplingError("the surface failed")
            return ethanol.surface(x)

        driver = Driver(surface=surface, hessian=ethanol.driver.hessian, integrity=None, fmax=0.02, steps=300)
        points = driver.relaxed(ethanol.minimum, [rotor], np.radians(30))
        reasons = [points[(k,)].reason for k in range(12)]
        assert reasons[11] is reasons[0] is reasons[1] is None
        assert reasons[2] == reasons[10] == "the surface failed"
        assert all("no neighbour" in str(reason) for reason in reasons[3:10])

    def test_relaxations_that_do_not_end_say_so(self, ethanol: Scanned) -> None:
        driver = Driver(surface=ethanol.surface, hessian=ethanol.driver.hessian, integrity=None, fmax=1e-12, steps=1)
        points = driver.relaxed(ethanol.minimum, [ethanol.around(1, 2)], np.radians(60))
        reasons = [points[(k,)].reason for k in range(6)]
        assert reasons[0] is None
        assert reasons[1] == reasons[5] == "not relaxed to 1e-12 eV/Å in 1 steps"
        assert "no neighbour" in str(reasons[3])


@pytest.mark.parametrize("count", range(1, 40))
def test_every_beginning_of_the_order_covers_the_circle(count: int) -> None:
    order = [k for (k,) in spread([count])]
    assert sorted(order) == list(range(count))
    assert order[0] == 0
    for n in range(1, count + 1):
        taken = sorted(order[:n])
        gaps = [(b - a) for a, b in itertools.pairwise([*taken, taken[0] + count])]
        assert max(gaps) <= 2 * count / n + 1


def test_the_order_of_a_surface_is_coarse_first() -> None:
    order = spread([8, 4])
    assert sorted(order) == sorted(itertools.product(range(8), range(4)))
    assert set(order[:4]) == set(itertools.product((0, 4), (0, 2)))


def test_steps_divide_the_period() -> None:
    def shape(symmetry: int, step: float) -> int:
        return counts([Rotor(quad=(0, 1, 2, 3), top=(3,), symmetry=symmetry)], np.radians(step))[0]

    assert [shape(1, 15), shape(3, 15), shape(6, 15), shape(3, 50), shape(6, 120)] == [24, 8, 4, 2, 2]

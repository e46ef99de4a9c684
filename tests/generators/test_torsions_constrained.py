"""Relaxation with held dihedral angles: the angle stays, the rest relaxes, as the constrained minimum of a peer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import units
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molaug.generators.surface import SamplingError
from molaug.generators.torsions.constrained import Relaxed, relax
from molaug.generators.torsions.dihedrals import rotation
from molaug.generators.torsions.model_hessian import ModelHessian
from molaug.generators.torsions.rotors import Rotor, rotatable, rotors_of
from molaug.structures.calculators.force_fields import ForceFieldCalculator

MOLECULES = ["CCCC", "OCC(O)C=O", "CC(=O)NC", "C[C@H](N)C(=O)O", "CC(C)(C)CC", "c1ccccc1CO"]


class Molecule:
    """A molecule on the surface of MMFF94s, at its minimum."""

    def __init__(self, smiles: str) -> None:
        self.mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        rdDistGeom.EmbedMolecule(self.mol, randomSeed=1)
        self.surface = ForceFieldCalculator(self.mol).energy_and_forces
        self.hessian = ModelHessian(self.mol)
        self.minimum = self.relaxed(self.mol.GetConformer().GetPositions(), [])
        self.rotors = rotors_of(self.mol, self.minimum.positions, rotatable(self.mol))

    def relaxed(self, x: np.ndarray, held: list[Rotor], fmax: float = 1e-3, steps: int = 500) -> Relaxed:
        return relax(self.surface, x, held, self.hessian(x), fmax=fmax, steps=steps)


@pytest.fixture(scope="module")
def made() -> Callable[[str], Molecule]:
    known: dict[str, Molecule] = {}
    return lambda smiles: known.setdefault(smiles, Molecule(smiles)) if smiles not in known else known[smiles]


def tangential(rotor: Rotor, x: np.ndarray, forces: np.ndarray) -> np.ndarray:
    """The forces without what bears on the angle, whose gradient is taken by differences here."""
    gradient = np.zeros_like(x)
    for atom in rotor.quad:
        for axis in range(3):
            shift = np.zeros_like(x)
            shift[atom, axis] = 1e-5
            change = rotor.angle(x + shift) - rotor.angle(x - shift)
            gradient[atom, axis] = ((change + np.pi) % (2 * np.pi) - np.pi) / 2e-5
    return forces - gradient * np.sum(gradient * forces) / np.sum(gradient**2)


@pytest.mark.parametrize("smiles", MOLECULES)
def test_the_angle_is_held_and_no_other_force_is_left(smiles: str, made: Callable[[str], Molecule]) -> None:
    molecule = made(smiles)
    for rotor in molecule.rotors:
        for degrees in (15, 60, 180):
            x = rotor.turned(molecule.minimum.positions, np.radians(degrees))
            end = molecule.relaxed(x, [rotor], fmax=0.02)
            assert end.converged
            assert rotor.angle(end.positions) - rotor.angle(x) == pytest.approx(0, abs=np.radians(1e-6))
            energy, forces = molecule.surface(end.positions)
            assert end.energy == pytest.approx(energy)
            left = np.linalg.norm(tangential(rotor, end.positions, forces), axis=1).max()
            assert left == pytest.approx(end.max_force, rel=1e-3, abs=1e-6)
            assert left <= 0.02 * (1 + 1e-3)


@pytest.mark.parametrize("smiles", MOLECULES)
def test_energies_are_those_of_rdkit_with_its_own_constraint(smiles: str, made: Callable[[str], Molecule]) -> None:
    molecule = made(smiles)
    mol = Chem.Mol(molecule.mol)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant="MMFF94s")
    rng = np.random.default_rng(0)
    differences = []
    for rotor in molecule.rotors:
        x = molecule.minimum.positions
        for _ in range(11):  # a dense scan
            x = molecule.relaxed(rotor.turned(x, np.radians(30)), [rotor]).positions
            degrees = float(np.degrees(rotor.angle(x)))
            mol.GetConformer().SetPositions(x + 0.01 * rng.normal(size=x.shape))
            field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
            field.Initialize()
            field.MMFFAddTorsionConstraint(*rotor.quad, False, degrees, degrees, 1e4)
            if field.Minimize(maxIts=5000, forceTol=1e-6, energyTol=1e-9) != 0:
                continue  # the stiff constraint stalls it
            y = mol.GetConformer().GetPositions()
            # what RDKit found is a constrained minimum to us, too
            assert molecule.relaxed(y, [rotor]).energy == pytest.approx(molecule.surface(y)[0], abs=1e-5)
            differences.append(abs(molecule.surface(y)[0] - molecule.surface(x)[0]))
    assert len(differences) >= 11
    # at the crest of a ridge a rattled start may roll to the other side
    assert np.mean(np.array(differences) < 1e-5) > 0.8


@pytest.mark.parametrize("smiles", ["CCCC", "CC(=O)NC", "OCC(O)C=O"])
def test_what_the_angle_bears_is_the_slope_of_the_profile(smiles: str, made: Callable[[str], Molecule]) -> None:
    molecule, h = made(smiles), np.radians(0.5)
    for rotor in molecule.rotors:
        x = molecule.relaxed(rotor.turned(molecule.minimum.positions, 0.5), [rotor], fmax=1e-4).positions
        ends = [molecule.relaxed(rotor.turned(x, shift), [rotor], fmax=1e-4) for shift in (-h, 0.0, h)]
        slope = (ends[2].energy - ends[0].energy) / (2 * h)
        assert ends[1].torques[0] == pytest.approx(slope, abs=2e-3)
        assert abs(slope) > 1e-3


@pytest.mark.parametrize("smiles", MOLECULES)
def test_at_a_minimum_the_held_angle_bears_nothing(smiles: str, made: Callable[[str], Molecule]) -> None:
    molecule = made(smiles)
    for rotor in molecule.rotors:
        end = molecule.relaxed(molecule.minimum.positions, [rotor])
        assert abs(end.torques[0]) < 5e-3
        assert end.calls == 1
        free = molecule.relaxed(end.positions, [])
        assert np.abs(free.positions - end.positions).max() < 0.01


def test_two_angles_are_held_at_once(made: Callable[[str], Molecule]) -> None:
    molecule = made("OCC(O)C=O")
    pair = molecule.rotors[:2]
    x = molecule.minimum.positions
    for rotor, turn in zip(pair, (0.7, -1.1), strict=True):
        x = rotor.turned(x, turn)
    end = molecule.relaxed(x, pair)
    assert end.converged
    for rotor in pair:
        assert rotor.angle(end.positions) == pytest.approx(rotor.angle(x), abs=1e-8)
    one = molecule.relaxed(end.positions, pair[:1])
    assert one.energy <= end.energy + 1e-5


def test_nothing_depends_on_the_place_of_the_molecule(made: Callable[[str], Molecule]) -> None:
    molecule = made("C[C@H](N)C(=O)O")
    rotor = molecule.rotors[0]
    x = rotor.turned(molecule.minimum.positions, 0.8)
    R = rotation([0.3, -1, 0.4], 1.3)
    ends = [molecule.relaxed(y, [rotor]) for y in (x, x @ R.T + [3, -2, 1])]
    assert ends[0].calls == ends[1].calls
    assert ends[0].energy == pytest.approx(ends[1].energy, abs=1e-8)
    assert ends[0].positions @ R.T + [3, -2, 1] == pytest.approx(ends[1].positions, abs=1e-5)


def test_a_relaxation_that_does_not_end_says_so(made: Callable[[str], Molecule]) -> None:
    molecule = made("OCC(O)C=O")
    rotor = molecule.rotors[0]
    end = molecule.relaxed(rotor.turned(molecule.minimum.positions, 1.0), [rotor], fmax=1e-9, steps=3)
    assert not end.converged
    assert end.calls <= 4


def test_energies_never_rise(made: Callable[[str], Molecule]) -> None:
    molecule = made("CC(C)(C)CC")
    rng = np.random.default_rng(1)
    rotor = molecule.rotors[0]
    for _ in range(5):  # far from the minimum, clashes among them
        x = molecule.minimum.positions + 0.2 * rng.normal(size=molecule.minimum.positions.shape)
        end = molecule.relaxed(x, [rotor], fmax=0.02)
        assert end.converged
        assert end.energy < molecule.surface(x)[0]
        assert rotor.angle(end.positions) == pytest.approx(rotor.angle(x), abs=1e-8)


def test_atoms_on_a_line_cannot_be_held() -> None:
    x = np.array([[0.0, 0, -1], [0, 0, 0], [0, 0, 1.5], [0, 1, 1.8]])
    rotor = Rotor(quad=(0, 1, 2, 3), top=(3,), symmetry=1)
    with pytest.raises(SamplingError, match="on a line"):
        relax(lambda y: (0.0, np.ones_like(y)), x, [rotor], np.eye(12), fmax=0.01, steps=5)


def test_a_quadratic_well_is_found_in_one_step_where_its_hessian_is_known() -> None:
    rng = np.random.default_rng(0)
    centre, root = rng.normal(size=(4, 3)), rng.normal(size=(12, 12))
    H = root @ root.T + np.eye(12)

    def well(x: np.ndarray) -> tuple[float, np.ndarray]:
        s = (x - centre).ravel()
        return float(0.5 * s @ H @ s), -(H @ s).reshape(4, 3)

    end = relax(well, centre + 0.05 * rng.normal(size=(4, 3)), [], H, fmax=1e-8, steps=5)
    assert end.calls == 2
    assert end.positions == pytest.approx(centre)


class TestModelHessian:
    """What the first estimate must know."""

    @pytest.mark.parametrize("smiles", [*MOLECULES, "CC#N", "C=C=C", "FS(F)(F)(F)(F)F"])
    def test_it_is_positive_and_softest_for_motions_as_a_whole(
        self, smiles: str, made: Callable[[str], Molecule]
    ) -> None:
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        rdDistGeom.EmbedMolecule(mol, randomSeed=1)
        x = mol.GetConformer().GetPositions()
        H = ModelHessian(mol)(x)
        lowest = np.linalg.eigvalsh(H)[0]
        assert lowest > 0
        shift = np.tile([1.0, 0, 0], len(x))
        spin = np.cross([0, 0, 1.0], x).ravel()
        for motion in (shift, spin):
            assert motion @ H @ motion / (motion @ motion) == pytest.approx(lowest, rel=1e-6)

    def test_it_turns_with_the_molecule(self, made: Callable[[str], Molecule]) -> None:
        molecule = made("CC(=O)NC")
        x, R = molecule.minimum.positions, rotation([1, 2, 3], 0.9)
        whole = np.kron(np.eye(len(x)), R)
        assert molecule.hessian(x @ R.T) == pytest.approx(whole @ molecule.hessian(x) @ whole.T, abs=1e-8)

    def test_it_is_of_the_right_size(self, made: Callable[[str], Molecule]) -> None:
        molecule = made("CC(=O)NC")
        x, h = molecule.minimum.positions, 1e-4
        rows = []
        for k in range(x.size):
            shift = np.zeros(x.size)
            shift[k] = h
            ends = [molecule.surface(x + sign * shift.reshape(x.shape))[1].ravel() for sign in (1, -1)]
            rows.append((ends[1] - ends[0]) / (2 * h))
        exact, model = np.linalg.eigvalsh(np.array(rows)), np.linalg.eigvalsh(molecule.hessian(x))
        stiff = exact > 0.1 * units.Hartree
        assert np.all(np.abs(np.log(model[stiff] / exact[stiff])) < np.log(3))

"""Validity: what is possible stays, what is not says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

from molaug.filters import Validity
from molaug.structures import Structures
from molaug.structures.chemistry import perceive

WATER = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])


def reason(limits: Validity, numbers: list[int], positions: np.ndarray | None, **row: object) -> str | None:
    smiles = row.pop("smiles", None)
    batch = Structures.from_arrays([numbers], [positions], smiles=[smiles], **row)  # type: ignore[list-item,arg-type]
    return limits.bound([]).judge(batch).reason[0]


@pytest.mark.parametrize(
    ("limits", "row", "expected"),
    [
        (Validity(), {"charge": 1}, "charge +1"),
        (Validity(), {"multiplicity": 3}, "multiplicity 3; only closed shells"),
        (Validity(closed_shell=False), {"multiplicity": 2}, "10 electrons cannot have multiplicity 2"),
        (Validity(elements=("H", "C")), {}, "H2O holds O; allowed are H, C"),
        (Validity(heavy=(2, 9)), {}, "1 heavy atoms; allowed are 2 to 9"),
        (Validity(atoms=(1, 2)), {}, "3 atoms; allowed are 1 to 2"),
        (Validity(), {"smiles": "N"}, "H2O is not the graph N, which is H3N"),
        (Validity(), {"smiles": "O("}, "RDKit cannot read"),
        (Validity(), {"smiles": "[OH3+]"}, "H2O is not the graph"),
        (Validity(), {}, None),
    ],
)
def test_reasons_of_water(limits: Validity, row: dict[str, object], expected: str | None) -> None:
    for positions in (WATER, None):
        found = reason(limits, [8, 1, 1], positions, **{"smiles": "O", **row})
        assert found == expected if expected is None else expected in str(found)


def test_geometry_without_a_graph_is_perceived() -> None:
    assert reason(Validity(), [8, 1, 1], WATER) is None
    assert "no bond orders" in str(reason(Validity(), [8, 1, 1], WATER * 3)) or reason(Validity(), [8, 1, 1], WATER * 3)


def test_a_broken_bond_and_a_wrong_stereocentre_are_told() -> None:
    ethane = molecule("C2H6")
    x = ethane.get_positions()
    x[2] += 3 * (x[2] - x[0])
    assert "bonds" in str(reason(Validity(), ethane.numbers.tolist(), x, smiles="CC"))
    assert reason(Validity(bonds=False), ethane.numbers.tolist(), x, smiles="CC") is None


def test_non_finite_and_coinciding_atoms_are_told() -> None:
    water = Structures.from_arrays([[8, 1, 1]], [WATER], smiles=["O"])
    broken = water.with_columns({"positions": [[np.nan, *WATER.ravel()[1:]]]})
    assert Validity().bound([]).judge(broken).reason == ["positions are not finite"]
    x = WATER.copy()
    x[2] = x[1]
    assert "H1 and H2 are 0.00 Å apart" in str(reason(Validity(), [8, 1, 1], x, smiles="O"))


def test_dimers_are_valid_on_request_until_they_clash() -> None:
    def dimer(gap: float) -> np.ndarray:
        return np.concatenate([WATER, WATER + np.array([0, 0, gap])])

    z = [8, 1, 1] * 2
    assert "2 fragments" in str(reason(Validity(), z, dimer(3.5), smiles="O.O"))
    pairs = Validity(max_fragments=2)
    assert reason(pairs, z, dimer(3.5), smiles="O.O") is None
    assert "of their van der Waals radii" in str(reason(pairs, z, dimer(-1.6), smiles="O.O"))


def test_zwitterions_and_charges_that_balance_in_place() -> None:
    def graph(smiles: str, numbers: list[int], **options: bool) -> str | None:
        return reason(Validity(**options), numbers, None, smiles=smiles)  # type: ignore[arg-type]

    glycine = [7, 6, 6, 8, 8, 1, 1, 1, 1, 1]
    assert graph("[NH3+]CC(=O)[O-]", glycine) is None
    assert "zwitterion" in str(graph("[NH3+]CC(=O)[O-]", glycine, zwitterions=False))
    assert graph("C[N+](=O)[O-]", [6, 1, 1, 1, 7, 8, 8], zwitterions=False) is None


def test_unpaired_electrons_in_the_graph() -> None:
    assert "2 unpaired electrons" in str(reason(Validity(), [6, 1, 1], None, smiles="[CH2]"))


def test_strain_grows_with_distortion() -> None:
    ethane = molecule("C2H6")
    z = ethane.numbers.tolist()
    limits = Validity(max_strain=0.3)
    assert reason(limits, z, ethane.get_positions(), smiles="CC") is None
    assert "strained by" in str(reason(limits, z, ethane.get_positions() * 1.15, smiles="CC"))


def test_qm9_is_valid(data: Path) -> None:
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        ends, z, x, smiles = arrays["offsets"], arrays["z"], arrays["pos"], arrays["smiles"]
    chosen = [k for k in range(500, len(smiles), 2000) if smiles[k]]
    atoms = [slice(ends[k], ends[k + 1]) for k in chosen]
    rows = Structures.from_arrays(
        [z[a] for a in atoms], [x[a] for a in atoms], smiles=[smiles[k].decode() for k in chosen]
    )
    verdicts = Validity(elements=("H", "C", "N", "O"), heavy=(1, 9)).bound([]).judge(rows)
    assert [r for r in verdicts.reason if r] == []
    assert np.nanmin(verdicts.score) > 0.5


def test_bonds_that_were_broken_on_purpose_are_not_held_against_a_row() -> None:
    apart = WATER.copy()
    apart[1] *= 2.0
    for intact, expected in ((None, "geometry has 1 bonds"), (True, "geometry has 1 bonds"), (False, None)):
        smiles = None if intact is False else "O"
        batch = Structures.from_arrays([[8, 1, 1]], [apart], smiles=[smiles], extra={"intact": [intact]})
        found = Validity().bound([]).judge(batch).reason[0]
        assert found is None if expected is None else expected in str(found)


@pytest.mark.parametrize("name", ["CH3CH2OH", "C2H6CHOH", "bicyclobutane", "CH3NO2"])
def test_rows_of_one_molecule_are_judged_together_as_alone(name: str) -> None:
    atoms = molecule(name)
    rng = np.random.default_rng(0)
    x = [atoms.positions + width * rng.normal(size=(len(atoms), 3)) for width in (0.02, 0.1, 0.2) for _ in range(20)]
    smiles = perceive(atoms.numbers, atoms.positions).smiles
    rows = Structures.from_arrays([atoms.numbers] * len(x), x, smiles=[smiles] * len(x))
    rows = rows.take(rng.permutation(len(x)))
    judge = Validity(min_contact=0.1, min_bond=0.1).bound([])
    alone = [judge.judge(rows.slice(k, k + 1)).reason[0] for k in range(len(rows))]
    assert judge.judge(rows).reason == alone
    assert {reason is None for reason in alone} == {True, False}

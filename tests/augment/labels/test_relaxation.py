"""A relaxed structure is a minimum of the same molecule, or a row that says why not."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from rdkit import Chem
from rdkit.Chem import AllChem

from molaug.labels import LabelError, Labeller, Relaxation, label, relax
from molaug.structures import Structures
from molaug.structures.chemistry import with_smiles


def perceived(name: str) -> Structures:
    return with_smiles(Structures.from_ase(molecule(name)))[0]


@pytest.mark.parametrize("optimizer", ["bfgs", "fire"])
def test_forces_vanish_and_the_energy_falls(optimizer: str) -> None:
    before = label(perceived("CH3OH"))
    after = label(relax(before, Relaxation(fmax=0.02, optimizer=optimizer)))  # type: ignore[arg-type]
    assert after.column("reason") == [None]
    assert np.linalg.norm(after[0].forces, axis=1).max() <= 0.02  # type: ignore[arg-type]
    assert after[0].energy < before[0].energy  # type: ignore[operator]


def test_a_relaxed_row_has_a_new_id_and_remembers_the_old_one() -> None:
    before = label(perceived("H2O"))
    after = relax(before, Relaxation())
    assert after.ids != before.ids
    assert after.column("relaxed_from") == before.ids
    assert after.column("smiles") == ["O"]
    assert after[0].energy is None
    assert after[0].level is None
    assert Structures.from_arrays([after[0].numbers], [after[0].positions], smiles=["O"]).ids == after.ids


def test_a_molecule_that_turns_into_another_is_refused() -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("[NH3+]CC(=O)[O-]"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    zwitterion = Structures.from_rdkit(mol)  # in the gas phase the proton goes over by itself
    relaxed = relax(zwitterion, Relaxation())
    assert "relax: the molecule changed: the bonds of the geometry are not those of" in str(relaxed[0].reason)
    assert relaxed.ids == zwitterion.ids


def test_without_a_graph_the_bonds_of_the_start_count() -> None:
    stretched = molecule("H2O2")
    stretched.set_distance(0, 1, 2.3, fix=0)
    relaxed = relax(Structures.from_ase(stretched), Relaxation())
    assert relaxed.column("reason") == ["relax: bonds broke or formed"]


def test_a_stretched_bond_that_goes_back_is_the_same_molecule() -> None:
    stretched = molecule("H2O2")
    stretched.set_distance(0, 1, 1.6, fix=0)
    relaxed = relax(Structures.from_ase(stretched), Relaxation())
    assert relaxed.column("reason") == [None]
    x = relaxed[0].positions
    assert np.linalg.norm(x[0] - x[1]) < 1.5  # type: ignore[index]


def test_too_few_steps_are_said_unless_the_rest_is_wanted() -> None:
    rows = perceived("CH3OH")
    assert relax(rows, Relaxation(steps=1)).column("reason") == ["relax: not converged to 0.05 eV/Å in 1 steps"]
    kept = relax(rows, Relaxation(steps=1, unconverged=True))
    assert kept.column("reason") == [None]
    assert kept.ids != rows.ids


def test_charge_and_spin_stay() -> None:
    radical = perceived("OH")
    assert radical[0].multiplicity == 2
    relaxed = relax(radical, Relaxation())
    assert (relaxed[0].charge, relaxed[0].multiplicity, relaxed[0].smiles) == (0, 2, radical[0].smiles)


def test_one_structure_raises_what_a_batch_writes_down() -> None:
    with pytest.raises(LabelError, match="not converged"):
        Relaxation(steps=1).relax(perceived("CH3OH")[0], Labeller())

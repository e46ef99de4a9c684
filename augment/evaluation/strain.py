"""How far above the nearest minimum of GFN2-xTB geometries are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculationFailed
from ase.optimize import LBFGS
from rdkit import Chem

from molaug.structures.calculators import calculator_for
from molaug.structures.hashing import keys64

#: Largest force in eV/Å at which a geometry counts as relaxed, and the steps after which it is given up.
FORCE, STEPS = 0.05, 200


@dataclass(frozen=True, kw_only=True)
class Strain:
    """The strain of some molecules.

    Parameters
    ----------
    asked
        Molecules that were chosen.
    relaxed
        Those that reached a minimum.
    meV_per_atom
        Energy before less that after the relaxation, of those, per atom.
    """

    asked: int
    relaxed: int
    meV_per_atom: tuple[float, ...]  # noqa: N815 -- the unit


def strain(mols: Sequence[Chem.Mol], names: Sequence[str], n: int) -> Strain:
    """Relax some molecules with GFN2-xTB (doi:10.1021/acs.jctc.8b01176).

    Parameters
    ----------
    mols
        Neutral, closed-shell molecules with a conformer.
    names
        By whose hashes molecules are chosen, whatever their order.
    n
        How many at most.

    Returns
    -------
    Strain
        Of those that could be relaxed.

    Raises
    ------
    ImportError
        If tblite is not installed.
    """
    keys = keys64([f"strain:{name}" for name in names])
    chosen = np.argsort(keys, kind="stable")[:n].tolist()
    found = [_strain(mols[k]) for k in chosen]
    energies = tuple(value for value in found if value is not None)
    return Strain(asked=len(chosen), relaxed=len(energies), meV_per_atom=energies)


def _strain(mol: Chem.Mol) -> float | None:
    numbers = [mol.GetAtomWithIdx(k).GetAtomicNum() for k in range(mol.GetNumAtoms())]
    atoms = Atoms(numbers=numbers, positions=mol.GetConformer().GetPositions())
    atoms.calc = calculator_for("gfn2-xtb", {})
    try:
        start = atoms.get_potential_energy()
        relaxed = LBFGS(atoms, logfile=None).run(fmax=FORCE, steps=STEPS)
        drop = float(start - atoms.get_potential_energy())
    except (CalculationFailed, RuntimeError):  # the density does not converge in a geometry that is no molecule
        return None
    return 1000 * drop / len(atoms) if relaxed else None

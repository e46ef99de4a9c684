"""What becomes of a molecule after it was drawn: what its bonds and its geometry say, polished or as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.dynamics.quench import descend
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.chemistry import Perceived, canonical, perceive, strict_reason
from molaug.structures.chemistry.integrity import BROKEN_BONDS, Integrity
from molaug.structures.chemistry.polish import STEPS
from molaug.structures.chemistry.polish import polish as in_force_field
from molaug.structures.superposition import kabsch_rmsd

#: What a geometry may settle in: nothing, MMFF94 (UFF where that has no parameters), or GFN2-xTB.
Polish = Literal["none", "mmff94", "gfn2-xtb"]

#: Largest force in eV/Å at which a geometry counts as settled in GFN2-xTB.
_FMAX = 0.05

#: Why a geometry is none.
NOT_FINITE = "positions are not finite"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A geometry after it was polished, or the reason why there is none.

    Parameters
    ----------
    positions
        In Å, shape (n_atoms, 3).
    by
        ``mmff94``, ``uff`` or ``gfn2-xtb``; None where nothing was done.
    rmsd
        How far atoms moved in Å, root mean square after the best superposition.
    energy_drop
        By how much the energy fell, in eV.
    reason
        Why there is no polished geometry; the positions are those before.
    """

    positions: NDArray[np.float64]
    by: str | None = None
    rmsd: float | None = None
    energy_drop: float | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A drawn molecule, before and after.

    Parameters
    ----------
    settled
        The geometry that is handed on.
    smiles
        Canonical and isomeric, of that geometry; None where it is no molecule.
    reason
        Why it is none.
    raw_smiles
        The bonds of the network: canonical without stereo where they are valid, otherwise every atom as drawn.
    raw_valid
        Whether they are strictly valid.
    strict
        Whether the geometry as drawn, its bonds perceived, is strictly valid.
    """

    settled: Settled
    smiles: str | None = None
    reason: str | None = None
    raw_smiles: str
    raw_valid: bool
    strict: bool


def read(
    drawn: Chem.Mol, *, polish: Polish = "mmff94", steps: int = STEPS, raw: bool = False, displaced: bool = False
) -> Reading:
    """Read a molecule as the network drew it. Atoms and bonds are never repaired.

    - *Raw*: the bonds of the network are judged as they are, and so are those that are perceived from the geometry.
    - *Polished*: the geometry settles, with the bonds of the network.
    - *Displaced*: geometries off equilibrium stay as they are.

    Bonds of the network that are valid, and that the geometry shows in the end, name a molecule; without them there is
    none, whatever else might be perceived.

    Parameters
    ----------
    drawn
        With all hydrogens and a conformer, not sanitised.
    polish
        What the geometry settles in.
    steps
        Of the minimiser at most.
    raw
        Refuse a geometry that is not strictly valid as drawn, whatever a polish would make of it.
    displaced
        The geometry is off equilibrium on purpose; ``polish`` is not looked at.

    Returns
    -------
    Reading
        With a SMILES or a reason.

    Examples
    --------
    >>> water = Chem.AddHs(Chem.MolFromSmiles("O"))
    >>> _ = water.AddConformer(Chem.Conformer(3))
    >>> water.GetConformer().SetPositions(np.array([[0, 0, 0.12], [0, 0.80, -0.50], [0, -0.74, -0.45]]))
    >>> reading = read(water)
    >>> reading.smiles, reading.raw_valid, reading.strict, reading.settled.by
    ('O', True, True, 'mmff94')
    """
    x: NDArray[np.float64] = drawn.GetConformer().GetPositions()
    graph_reason = strict_reason(drawn)
    seen = strictly_perceived(numbers_of(drawn), x)
    settled = Settled(positions=x)
    if graph_reason is not None:
        named = Perceived(reason=f"bonds are not valid as drawn: {graph_reason}")
    elif not np.isfinite(x).all():
        named = Perceived(reason=NOT_FINITE)
    elif raw and seen.reason is not None:
        named = Perceived(reason=f"not valid as drawn: {seen.reason}")
    else:
        mol = sanitised(drawn)
        if not displaced:
            settled = settle(mol, polish, steps)
        mol.GetConformer().SetPositions(settled.positions)
        named = _kept(mol) if settled.reason is None else Perceived(reason=settled.reason)
    return Reading(
        settled=settled,
        smiles=named.smiles if named.reason is None else None,
        reason=named.reason,
        raw_smiles=_name(drawn, graph_reason),
        raw_valid=graph_reason is None,
        strict=seen.reason is None,
    )


def settle(mol: Chem.Mol, polish: Polish, steps: int, multiplicity: int = 1) -> Settled:
    """Let a geometry settle.

    Parameters
    ----------
    mol
        Sanitised, with all hydrogens and a conformer; it is left as it is.
    polish
        What in.
    steps
        Of the minimiser at most.
    multiplicity
        2S+1, for GFN2-xTB.

    Returns
    -------
    Settled
        Atoms in the same order.
    """
    x: NDArray[np.float64] = mol.GetConformer().GetPositions()
    if polish == "none":
        return Settled(positions=x)
    if polish == "mmff94":
        found = in_force_field(mol, steps)
        if found.mol is None:
            return Settled(positions=x, reason=found.reason)
        after = found.mol.GetConformer().GetPositions()
        return Settled(positions=after, by=found.force_field, rmsd=found.rmsd, energy_drop=found.energy_drop)
    row = Structures.from_arrays(
        [numbers_of(mol)], [x], charge=[Chem.GetFormalCharge(mol)], multiplicity=[multiplicity]
    )[0]
    try:
        with Surface(Method(calculator=polish), row) as surface:
            before, _ = surface(x)
            end = descend(surface, x, fmax=_FMAX, steps=steps)
    except SamplingError as error:
        return Settled(positions=x, reason=str(error))
    if end.reason is not None or not np.isfinite(end.positions).all():
        return Settled(positions=x, reason=end.reason or f"{polish} left finite numbers")
    rmsd = float(kabsch_rmsd(x - x.mean(axis=0), end.positions - end.positions.mean(axis=0)))
    return Settled(positions=end.positions, by=polish, rmsd=rmsd, energy_drop=before - end.energy)


def strictly_perceived(numbers: NDArray[np.uint8], positions: NDArray[np.float64]) -> Perceived:
    """Perceive one neutral, closed-shell molecule in a geometry.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).

    Returns
    -------
    Perceived
        The molecule, or the reason why what is seen is not strictly valid.
    """
    if not np.isfinite(positions).all():
        return Perceived(reason=NOT_FINITE)
    found = perceive(numbers, positions)
    reason = found.reason if found.mol is None else strict_reason(found.mol)
    return found if reason is None else Perceived(reason=reason)


def numbers_of(mol: Chem.Mol) -> NDArray[np.uint8]:
    """Return the atomic numbers of a molecule.

    Parameters
    ----------
    mol
        Any.

    Returns
    -------
    NDArray[np.uint8]
        Shape (n_atoms,).
    """
    return np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.uint8)


def sanitised(drawn: Chem.Mol) -> Chem.Mol:
    """Return a sanitised copy of a molecule with valid bonds.

    Parameters
    ----------
    drawn
        As the network drew it.

    Returns
    -------
    rdkit.Chem.Mol
        With the same conformer.
    """
    mol = Chem.Mol(drawn)
    with BlockLogs():
        Chem.SanitizeMol(mol)
    return mol


def _kept(mol: Chem.Mol) -> Perceived:
    """Name a geometry by its bonds, if it shows them."""
    (reason,) = Integrity(mol).reasons(mol.GetConformer().GetPositions()[None])
    if reason is not None:
        return Perceived(reason="its bonds are not those that were drawn" if reason == BROKEN_BONDS else reason)
    try:
        with BlockLogs():
            Chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
        return Perceived(mol=mol, smiles=canonical(mol))
    except (ValueError, RuntimeError) as error:
        return Perceived(reason=f"no canonical SMILES: {' '.join(str(error).split())[:200]}")


def _name(drawn: Chem.Mol, graph_reason: str | None) -> str:
    if graph_reason is None:
        try:
            return canonical(sanitised(drawn), isomeric=False)
        except ValueError:
            pass  # RDKit cannot read what it wrote
    bare = Chem.Mol(drawn)
    bare.UpdatePropertyCache(strict=False)
    with BlockLogs():
        return str(Chem.MolToSmiles(bare, allHsExplicit=True))  # in brackets: nothing is implied

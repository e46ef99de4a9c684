"""Where the sampling of a molecule starts: its geometry, its graph, and its minimum on a surface."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase.optimize import BFGS
from numpy.typing import NDArray
from rdkit import Chem

from molaug.generators.conformers import Conformers
from molaug.generators.parents import molecule
from molaug.generators.surface import FAILURES, SamplingError, Surface
from molaug.structures import Structure, Structures
from molaug.structures.chemistry import canonical
from molaug.structures.chemistry.integrity import Integrity

#: Conformers that are made of a bare graph; the lowest is taken.
_EMBEDDED = 10


@dataclass(frozen=True, kw_only=True)
class Start:
    """A molecule that can be moved.

    Parameters
    ----------
    structure
        The parent, with a geometry; its SMILES is filled.
    mol
        With bonds and all stereo that the geometry shows; atoms in the order of the structure.
    integrity
        Judges what the molecule becomes.
    """

    structure: Structure
    mol: Chem.Mol
    integrity: Integrity

    @property
    def positions(self) -> NDArray[np.float64]:
        """The geometry in Å, shape (n_atoms, 3)."""
        x = self.structure.positions
        if x is None:
            raise ValueError("a start has a geometry")
        return x

    def at(self, positions: NDArray[np.float64]) -> Start:
        """Return the same molecule in another geometry.

        Parameters
        ----------
        positions
            In Å, shape (n_atoms, 3).

        Returns
        -------
        Start
            For going on from there.
        """
        return replace(self, structure=replace(self.structure, positions=positions))


def start_of(parent: Structure, seed: int) -> Start:
    """Return where a parent is sampled from: its geometry, or the lowest of ten conformers of a bare graph.

    Parameters
    ----------
    parent
        A geometry or a bare graph.
    seed
        Of the embedding.

    Returns
    -------
    Start
        With a graph that fits the geometry.

    Raises
    ------
    SamplingError
        If no molecule can be read from the parent, or a bare graph cannot be embedded.

    Examples
    --------
    >>> graph = Structures.from_rdkit(Chem.MolFromSmiles("CO"))
    >>> start_of(graph[0], seed=0).positions.shape
    (6, 3)
    """
    mol = _read(parent)
    if parent.positions is None:
        parent = _embedded(parent, seed)
        mol = _read(parent)
    smiles = parent.smiles or canonical(mol)
    return Start(
        structure=replace(parent, smiles=smiles, energy=None, forces=None, level=None),
        mol=mol,
        integrity=Integrity(mol),
    )


@dataclass(frozen=True, kw_only=True)
class Minimum:
    """A stationary point: positions in Å, energy in eV, largest force on an atom in eV/Å."""

    positions: NDArray[np.float64]
    energy: float
    max_force: float


def minimum_of(start: Start, surface: Surface, *, fmax: float, steps: int) -> Minimum:
    """Relax a molecule to the minimum next to it.

    Parameters
    ----------
    start
        Where from.
    surface
        On which.
    fmax
        Largest force on an atom at the end, in eV/Å.
    steps
        Most steps of the optimizer (BFGS).

    Returns
    -------
    Minimum
        Of the same molecule.

    Raises
    ------
    SamplingError
        If it does not converge, or becomes another molecule.
    """
    atoms = surface.atoms
    atoms.positions = start.positions
    try:
        converged = len(atoms) < 2 or BFGS(atoms, logfile=None).run(fmax=fmax, steps=steps)
        energy, forces = float(atoms.get_potential_energy()), np.array(atoms.get_forces())
    except FAILURES as error:
        raise SamplingError(f"{surface.method.name} failed: {' '.join(str(error).split())[:200]}") from error
    if not converged:
        raise SamplingError(f"not relaxed to {fmax:g} eV/Å in {steps} steps of {surface.method.name}")
    positions = np.array(atoms.positions, dtype=np.float64)  # (n_atoms, 3)
    reason = start.integrity.reasons([positions])[0]
    if reason is not None:
        raise SamplingError(f"relaxed with {surface.method.name}, {reason}")
    return Minimum(
        positions=positions,
        energy=energy,
        max_force=float(np.linalg.norm(forces, axis=1).max(initial=0.0)),
    )


def _read(parent: Structure) -> Chem.Mol:
    found = molecule(parent)
    if found.mol is None:
        raise SamplingError(found.reason or "unreadable")
    return found.mol


def _embedded(parent: Structure, seed: int) -> Structure:
    graph = Structures.from_arrays(
        [parent.numbers],
        None,
        charge=[parent.charge],
        multiplicity=[parent.multiplicity],
        smiles=[parent.smiles],
    )
    rows = Structures.concat(Conformers().propose(graph, _EMBEDDED, seed))
    alive = rows.filter(rows.alive)
    if not len(alive):
        raise SamplingError(f"does not embed: {rows.column('reason')[0]}")
    energies = alive.array("force_field_energy")
    lowest = alive[int(np.nanargmin(energies)) if np.isfinite(energies).any() else 0]
    # the atoms of a bare graph may come in another order than those of its SMILES, in which conformers are made
    return replace(parent, numbers=lowest.numbers, positions=lowest.positions, smiles=lowest.smiles)

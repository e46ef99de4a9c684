"""Molecules as the 3D generator drew them: arrays, what its bonds say, and what its geometries say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molaug.generators.diffusion.sampling import Block, State
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures import Structures
from molaug.structures.chemistry import perceive, strict_reason

_KINDS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}


@dataclass(frozen=True, kw_only=True, eq=False)
class MoleculeSamples:
    """Drawn molecules, nothing repaired.

    Parameters
    ----------
    types
        Atom types.
    atoms
        Type of each atom, shape (n, n_max), 0 behind the last.
    bonds
        Orders, shape (n, n_max, n_max).
    coordinates
        In Å, shape (n, n_max, 3), 0 behind the last atom.
    sizes
        Atoms of each molecule, shape (n,).
    numbering
        Where a graph or a fragment was given: the number of each of its atoms there, shape (n, n_given); they are the
        first atoms of each molecule.
    trajectory
        The same after each step, with the coordinates that the network expects; before hydrogens are there, graphs of
        heavy atoms alone with coordinates of 0. Empty unless asked for.
    cpu_seconds
        CPU time that it took.
    """

    types: AtomTypes
    atoms: NDArray[np.uint8]
    bonds: NDArray[np.uint8]
    coordinates: NDArray[np.float32]
    sizes: NDArray[np.intp]
    numbering: NDArray[np.intp]
    trajectory: tuple[MoleculeSamples, ...] = ()
    cpu_seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def of(cls, block: Block, rows: NDArray[np.intp], types: AtomTypes, scale: float, n_max: int) -> MoleculeSamples:
        """Take some rows of a block.

        Parameters
        ----------
        block
            As the sampler drew it.
        rows
            Which.
        types
            Atom types.
        scale
            Å of a unit of the coordinates.
        n_max
            Atoms that there shall be room for.

        Returns
        -------
        MoleculeSamples
            In the order of ``rows``.
        """

        def laid(state: State, trajectory: tuple[MoleculeSamples, ...] = ()) -> MoleculeSamples:
            atoms, bonds, coordinates, sizes = state
            room = n_max - atoms.shape[1]
            return cls(
                types=types,
                atoms=np.pad(atoms[rows], ((0, 0), (0, room))),
                bonds=np.pad(bonds[rows], ((0, 0), (0, room), (0, room))),
                coordinates=np.pad(coordinates[rows], ((0, 0), (0, room), (0, 0))) * np.float32(scale),
                sizes=sizes[rows],
                numbering=block.numbering[rows],
                trajectory=trajectory,
            )

        return laid(block.state, tuple(laid(state) for state in block.states))

    @classmethod
    def joined(cls, parts: Sequence[MoleculeSamples], cpu_seconds: float) -> MoleculeSamples:
        """Lay samples one behind the other.

        Parameters
        ----------
        parts
            At least one, of the same room.
        cpu_seconds
            CPU time of all of them.

        Returns
        -------
        MoleculeSamples
            All rows.
        """
        states = zip(*(part.trajectory for part in parts), strict=True)
        names = ("atoms", "bonds", "coordinates", "sizes", "numbering")
        return cls(
            types=parts[0].types,
            trajectory=tuple(cls.joined(state, 0.0) for state in states),
            cpu_seconds=cpu_seconds,
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
        )

    @property
    def numbers(self) -> list[NDArray[np.uint8]]:
        """Atomic numbers of each molecule."""
        z = np.array(self.types.numbers, dtype=np.uint8)[self.atoms]
        return [row[:n] for row, n in zip(z, self.sizes.tolist(), strict=True)]

    @property
    def positions(self) -> list[NDArray[np.float64]]:
        """Positions of each molecule in Å, shape (n_atoms, 3) each."""
        return [x[:n].astype(np.float64) for x, n in zip(self.coordinates, self.sizes.tolist(), strict=True)]

    @property
    def charges(self) -> NDArray[np.int64]:
        """Total charge of each molecule by its formal charges, shape (n,)."""
        there = np.arange(self.atoms.shape[1]) < self.sizes[:, None]
        charges: NDArray[np.int64] = (np.array(self.types.charges)[self.atoms] * there).sum(1)
        return charges

    def drawn(self) -> list[Chem.Mol]:
        """Draw the molecules with the bonds of the network, nothing checked and nothing repaired.

        Returns
        -------
        list of rdkit.Chem.Mol
            With a conformer, all hydrogens explicit, not sanitised.
        """
        mols = []
        for atoms, bonds, x, n in zip(self.atoms, self.bonds, self.coordinates, self.sizes.tolist(), strict=True):
            mol = Chem.RWMol()
            for kind in atoms[:n].tolist():
                atom = Chem.Atom(self.types.numbers[kind])
                atom.SetFormalCharge(self.types.charges[kind])
                atom.SetNoImplicit(True)
                mol.AddAtom(atom)
            for i, j in np.argwhere(np.triu(bonds[:n, :n], 1)).tolist():
                mol.AddBond(i, j, _KINDS[int(bonds[i, j])])
            conformer = Chem.Conformer(n)
            conformer.SetPositions(np.ascontiguousarray(x[:n], dtype=np.float64))
            mol.AddConformer(conformer, assignId=True)
            mols.append(mol.GetMol())
        return mols

    def graph_reasons(self) -> list[str | None]:
        """Return why the bonds of the network make no strictly valid molecule, None where they do.

        Returns
        -------
        list of str or None
            See :func:`molaug.structures.chemistry.strict_reason`; what their geometries say is not looked at.
        """
        return [strict_reason(mol) for mol in self.drawn()]

    def reasons(self) -> list[str | None]:
        """Return why the geometries alone make no strictly valid molecule, None where they do.

        Returns
        -------
        list of str or None
            The bonds are perceived from the geometry for net charge zero.
        """
        found = [perceive(z, x) for z, x in zip(self.numbers, self.positions, strict=True)]
        return [f.reason or (None if f.mol is None else strict_reason(Chem.Mol(f.mol))) for f in found]

    def structures(self) -> Structures:
        """Return the molecules as structures; their bonds are to be perceived from the geometries.

        Returns
        -------
        Structures
            One row for each molecule, neutral where nothing else was drawn.
        """
        finite = [x if np.isfinite(x).all() else None for x in self.positions]
        return Structures.from_arrays(self.numbers, finite, charge=self.charges, origin="diffusion")

"""Molecules as they leave the sampler: judged as drawn, made sound where they are not, and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.graph.kekule import KekuleGraphs, drawn
from molaug.generators.graph.projection import projected
from molaug.generators.graph.sampling import Block
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry.identity import canonical
from molaug.structures.chemistry.strict import strict_reason


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphSamples:
    """Molecules, row by row.

    Parameters
    ----------
    smiles
        Canonical SMILES without stereo; None where even the projection found no sound molecule.
    raw_smiles
        What the network drew by itself, as drawn: it need not be valid, and is canonical only where it is.
    raw_valid
        Whether that is valid, strictly and as drawn, shape (n,).
    graphs
        The molecules as arrays, projected where ``raw_valid`` is false, without atoms where that failed.
    reasons
        Why the raw graph is not valid, or None.
    trajectory
        The states at each step as graphs, the prior first; empty unless asked for.
    cpu_seconds
        CPU time that the rows took, of all threads.
    """

    smiles: tuple[str | None, ...]
    raw_smiles: tuple[str, ...]
    raw_valid: NDArray[np.bool_]
    graphs: KekuleGraphs
    reasons: tuple[str | None, ...]
    trajectory: tuple[KekuleGraphs, ...]
    cpu_seconds: float

    def __len__(self) -> int:
        return len(self.smiles)

    @classmethod
    def of(
        cls, block: Block, rows: NDArray[np.intp], types: AtomTypes, *, n_fixed: int = 0, keep_elements: bool = False
    ) -> GraphSamples:
        """Make molecules of rows of a block.

        Parameters
        ----------
        block
            As the network drew it.
        rows
            Which.
        types
            Atom types of the network.
        n_fixed
            Atoms of a fragment, which the projection leaves as they are.
        keep_elements
            Whether the projection must leave all elements as they are.

        Returns
        -------
        GraphSamples
            In the order of ``rows``; no CPU time counted yet.
        """
        raw = block.raw.take(rows)
        mols = drawn(raw, types)
        reasons = tuple(strict_reason(mol) for mol in mols)
        graphs = KekuleGraphs(atoms=raw.atoms.copy(), bonds=raw.bonds.copy(), sizes=raw.sizes.copy())
        smiles: list[str | None] = []
        for k, (row, reason) in enumerate(zip(rows.tolist(), reasons, strict=True)):
            if reason is not None:
                _project(graphs, k, block, row, types, n_fixed=n_fixed, keep_elements=keep_elements)
            (mol,) = drawn(graphs.take(np.array([k])), types)
            if reason is not None and strict_reason(mol) is not None:
                graphs.atoms[k], graphs.bonds[k], graphs.sizes[k] = 0, 0, 0
            smiles.append(_name(mol) if graphs.sizes[k] else None)
        return cls(
            smiles=tuple(smiles),
            # canonical where it is a molecule: the symmetry of dense graphs takes long
            raw_smiles=tuple(
                Chem.MolToSmiles(mol, canonical=reason is None) for mol, reason in zip(mols, reasons, strict=True)
            ),
            raw_valid=np.array([reason is None for reason in reasons], dtype=bool),
            graphs=graphs,
            reasons=reasons,
            trajectory=tuple(state.take(rows) for state in block.states),
            cpu_seconds=0.0,
        )

    @classmethod
    def joined(cls, parts: Sequence[GraphSamples], n_max: int, cpu_seconds: float) -> GraphSamples:
        """Lay samples one behind the other.

        Parameters
        ----------
        parts
            Any number of them.
        n_max
            Heavy atoms that there is room for.
        cpu_seconds
            CPU time of all of them.

        Returns
        -------
        GraphSamples
            All rows.
        """
        steps = zip(*(part.trajectory for part in parts), strict=True)
        return cls(
            smiles=tuple(name for part in parts for name in part.smiles),
            raw_smiles=tuple(name for part in parts for name in part.raw_smiles),
            raw_valid=np.concatenate([np.empty(0, dtype=bool), *(part.raw_valid for part in parts)]),
            graphs=_stacked([part.graphs for part in parts], n_max),
            reasons=tuple(reason for part in parts for reason in part.reasons),
            trajectory=tuple(_stacked(states, n_max) for states in steps),
            cpu_seconds=cpu_seconds,
        )


def _project(
    graphs: KekuleGraphs, k: int, block: Block, row: int, types: AtomTypes, *, n_fixed: int, keep_elements: bool
) -> None:
    """Make graph k sound, which is a row of a block; it loses its atoms if it cannot be."""
    size = int(graphs.sizes[k])
    found = projected(
        graphs.atoms[k, :size],
        graphs.bonds[k, :size, :size],
        block.atom_probabilities[row, :size],
        block.bond_probabilities[row, :size, :size],
        types,
        n_fixed=n_fixed,
        closed=block.closed[row, :size],
        keep_elements=keep_elements,
    )
    graphs.atoms[k], graphs.bonds[k] = 0, 0
    if found is None:
        graphs.sizes[k] = 0
    else:
        graphs.atoms[k, :size], graphs.bonds[k, :size, :size] = found.atoms, found.bonds


def _name(mol: Chem.Mol) -> str:
    with BlockLogs():
        Chem.SanitizeMol(mol)
    return canonical(mol, isomeric=False)


def _stacked(graphs: Sequence[KekuleGraphs], n_max: int) -> KekuleGraphs:
    return KekuleGraphs(
        atoms=np.concatenate([np.empty((0, n_max), dtype=np.uint8), *(g.atoms for g in graphs)]),
        bonds=np.concatenate([np.empty((0, n_max, n_max), dtype=np.uint8), *(g.bonds for g in graphs)]),
        sizes=np.concatenate([np.empty(0, dtype=np.uint8), *(g.sizes for g in graphs)]),
    )

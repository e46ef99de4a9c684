"""What a user may ask of molecules in space: a size, a fragment that stands where it is, or a graph that is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

from molaug.generators.graph.kekule import kekule_graph, smiles_orders
from molaug.generators.graph.steering import Size, size_weights
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry.identity import parse

#: Seed of the geometry of a fragment that is given by its SMILES alone.
_EMBEDDING = 20

#: A geometry is embedded at most so often.
_ATTEMPTS = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """Atoms that are not the network's to draw, in several orders, each as good as the other.

    Parameters
    ----------
    atoms
        Types, shape (n_orders, n_given).
    bonds
        Orders of the bonds among them, shape (n_orders, n_given, n_given).
    coordinates
        In Å, about their centroid, shape (n_orders, n_given, 3); None where they are free.
    closed
        Atoms that take no further bond to a heavy atom, shape (n_orders, n_given).
    numbering
        Number of each atom in the molecule that was given, shape (n_orders, n_given).
    """

    atoms: NDArray[np.int64]
    bonds: NDArray[np.int64]
    coordinates: NDArray[np.float32] | None
    closed: NDArray[np.bool_]
    numbering: NDArray[np.intp]

    def __len__(self) -> int:
        return int(self.atoms.shape[1])

    @classmethod
    def fragment(cls, fragment: str | Chem.Mol, types: AtomTypes, n_heavy: int) -> Given:
        """Read a fragment; its hydrogens are left to the network.

        Parameters
        ----------
        fragment
            A molecule with a conformer, which is kept as it is; or a SMILES, of which a geometry is embedded and
            relaxed by MMFF94. Any of its hydrogens may give way to another atom; where it has attachment points
            (``*``), those of the atoms that bear these only.
        types
            The types that there are.
        n_heavy
            Heavy atoms of a molecule at most.

        Returns
        -------
        Given
            Smaller than ``n_heavy``.

        Raises
        ------
        ValueError
            If it cannot be read or embedded, holds an unknown atom, or leaves no room.
        """
        name = fragment if isinstance(fragment, str) else Chem.MolToSmiles(fragment)
        mol = parse(fragment) if isinstance(fragment, str) else Chem.Mol(fragment)
        if mol is None:
            raise ValueError(f"the fragment {fragment!r} cannot be read; expected a SMILES or a molecule in space")
        points = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
        if any([bond.GetBondType() for bond in atom.GetBonds()] != [Chem.BondType.SINGLE] for atom in points):
            raise ValueError(
                f"the fragment {name!r} has an attachment point (*) that is not at the end of a single bond"
            )
        bearing = {atom.GetNeighbors()[0].GetIdx() for atom in points}
        for atom in mol.GetAtoms():
            atom.SetBoolProp("_closed", bool(points) and atom.GetIdx() not in bearing)
            atom.SetIntProp("_number", atom.GetIdx())
        for point in points:  # a hydrogen leaves what bears it complete
            point.SetAtomicNum(1)
            point.SetIsotope(0)
            point.SetAtomMapNum(0)
        with BlockLogs():
            Chem.SanitizeMol(mol)
        if not mol.GetNumConformers():
            mol = _embedded(mol, name)
        Chem.RemoveStereochemistry(mol)
        with BlockLogs():
            bare = Chem.RemoveHs(mol)
        given = _given(bare, types, f"the fragment {name!r}", bare.GetConformer().GetPositions())
        if len(given) >= n_heavy:
            raise ValueError(f"the fragment {name!r} has {len(given)} heavy atoms, and molecules at most {n_heavy}")
        return given

    @classmethod
    def graph(cls, smiles: str, types: AtomTypes, n_max: int) -> Given:
        """Read a whole molecule, of which only coordinates shall be drawn.

        Parameters
        ----------
        smiles
            Its stereo is not looked at.
        types
            The types that there are.
        n_max
            Atoms of a molecule at most, hydrogens counted.

        Returns
        -------
        Given
            With hydrogens, without coordinates.

        Raises
        ------
        ValueError
            If it cannot be read, holds an unknown atom or too many.
        """
        mol = parse(smiles)
        if mol is None:
            raise ValueError(f"the graph {smiles!r} cannot be read; expected a SMILES")
        Chem.RemoveStereochemistry(mol)
        bare = Chem.RemoveHs(mol)
        for atom in bare.GetAtoms():
            atom.SetBoolProp("_closed", True)
            atom.SetIntProp("_number", atom.GetIdx())
        skeleton = _given(bare, types, f"the graph {smiles!r}", None)
        hydrogens = np.array([atom.GetTotalNumHs() for atom in bare.GetAtoms()])
        n, size = len(skeleton), len(skeleton) + int(hydrogens.sum())
        light = types.index_of(1, 0)
        if light is None and size > n:
            raise ValueError(f"the graph {smiles!r} has hydrogens, which the network does not know")
        if size > n_max:
            raise ValueError(f"the graph {smiles!r} has {size} atoms; molecules have at most {n_max}")
        orders = len(skeleton.atoms)
        atoms = np.full((orders, size), light or 0, dtype=np.int64)
        bonds = np.zeros((orders, size, size), dtype=np.int64)
        numbering = np.zeros((orders, size), dtype=np.intp)
        atoms[:, :n], bonds[:, :n, :n], numbering[:, :n] = skeleton.atoms, skeleton.bonds, skeleton.numbering
        first = n + np.cumsum(hydrogens) - hydrogens  # number of the first hydrogen of each atom, as RDKit adds them
        for k in range(orders):
            counts = hydrogens[skeleton.numbering[k]]
            parents = np.repeat(np.arange(n), counts)
            bonds[k, parents, np.arange(n, size)] = bonds[k, np.arange(n, size), parents] = 1
            own = np.arange(size - n) - np.repeat(np.cumsum(counts) - counts, counts)
            numbering[k, n:] = first[skeleton.numbering[k]][parents] + own
        return cls(
            atoms=atoms, bonds=bonds, coordinates=None, closed=np.ones_like(atoms, dtype=bool), numbering=numbering
        )


def _given(bare: Chem.Mol, types: AtomTypes, what: str, positions: NDArray[np.float64] | None) -> Given:
    """Return the heavy atoms of a molecule in the orders of its SMILES from each of them."""
    graph = kekule_graph(bare)
    if isinstance(graph, str):
        raise ValueError(f"{what} cannot be used: {graph}")  # noqa: TRY004 -- the reason
    kinds = [types.index_of(*key) for key in zip(graph.numbers, graph.charges, strict=True)]
    if None in kinds:
        raise ValueError(f"{what} has atoms that the network does not know; it knows {', '.join(types.names)}")
    n = len(kinds)
    bonds = np.zeros((n, n), dtype=np.int64)
    for i, j, order in graph.bonds:
        bonds[i, j] = bonds[j, i] = order
    orders = smiles_orders(bare, n).astype(np.intp)  # (n_orders, n)
    closed = np.array([atom.GetBoolProp("_closed") for atom in bare.GetAtoms()])
    numbers = np.array([atom.GetIntProp("_number") for atom in bare.GetAtoms()])
    centred = None if positions is None else (positions - positions.mean(0)).astype(np.float32)
    return Given(
        atoms=np.array(kinds, dtype=np.int64)[orders],
        bonds=np.stack([bonds[np.ix_(order, order)] for order in orders]),
        coordinates=None if centred is None else centred[orders],
        closed=closed[orders],
        numbering=numbers[orders],
    )


def _embedded(mol: Chem.Mol, name: str) -> Chem.Mol:
    with BlockLogs():
        whole = Chem.AddHs(mol)
        failed = rdDistGeom.EmbedMolecule(whole, randomSeed=_EMBEDDING, maxAttempts=_ATTEMPTS)
        if failed:
            raise ValueError(f"the fragment {name!r} could not be embedded; give a molecule with a conformer")
        if rdForceFieldHelpers.MMFFHasAllMoleculeParams(whole):
            rdForceFieldHelpers.MMFFOptimizeMolecule(whole, maxIters=500)
    return whole


def weights_of_sizes(size: Size | None, histogram: Sequence[float], given: Given | None) -> NDArray[np.float64]:
    """Return how probable each number of heavy atoms is.

    Parameters
    ----------
    size
        A number, a least and a greatest one, or weights by number; as in the data by default.
    histogram
        Of the training data, by number.
    given
        What stands in every molecule.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_heavy + 1,).

    Raises
    ------
    ValueError
        If nothing is left, or a whole graph and a size are given.
    """
    if given is not None and given.coordinates is None:
        if size is not None:
            raise ValueError(f"a graph and n_atoms={size!r} were given; leave out n_atoms")
        return np.array(histogram)
    return size_weights(size, histogram, least=1 if given is None else len(given) + 1)

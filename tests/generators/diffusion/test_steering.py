"""What may be asked for: fragments in every order and to the last digit, whole graphs, sizes, and what is told."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molaug.generators.diffusion.steering import Given, weights_of_sizes
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry import canonical

TYPES = AtomTypes(numbers=(1, 6, 7, 7, 8, 8), charges=(0, 0, 0, 1, -1, 0), valences=(1, 4, 3, 4, 1, 2))
KINDS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
HISTOGRAM = [0.0, 0.0, 0.1, 0.1, 0.2, 0.2, 0.4, 0.0, 0.0, 0.0]


def molecules(given: Given, *, implied: bool) -> list[Chem.Mol]:
    """One molecule for each order; hydrogens implied or as they are."""
    found = []
    for atoms, bonds in zip(given.atoms, given.bonds, strict=True):
        mol = Chem.RWMol()
        for kind in atoms.tolist():
            atom = Chem.Atom(TYPES.numbers[kind])
            atom.SetFormalCharge(TYPES.charges[kind])
            atom.SetNoImplicit(not implied)
            mol.AddAtom(atom)
        for i, j in np.argwhere(np.triu(bonds)).tolist():
            mol.AddBond(i, j, KINDS[int(bonds[i, j])])
        Chem.SanitizeMol(mol)
        found.append(mol)
    return found


def embedded(smiles: str) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=3) == 0
    return mol


@pytest.mark.parametrize(
    ("smiles", "bare"),
    [
        ("c1ccccc1", "c1ccccc1"),
        ("*c1ccccc1", "c1ccccc1"),
        ("*n1cccc1", "c1cc[nH]c1"),
        ("[*:1]C(=O)N[2*]", "NC=O"),
        ("C[N+](=O)[O-]", "C[N+](=O)[O-]"),
        ("*[NH2+]C", "C[NH3+]"),
        ("C[C@H](N)*", "CCN"),
        ("*C", "C"),
        ("C/C=C/*", "C=CC"),
    ],
)
def test_a_fragment_is_laid_down_in_every_order_of_its_smiles(smiles: str, bare: str) -> None:
    given = Given.fragment(smiles, TYPES, 12)
    n = Chem.MolFromSmiles(bare).GetNumAtoms()
    assert len(given) == len(given.atoms) == n
    for k, mol in enumerate(molecules(given, implied=True)):
        assert canonical(mol, isomeric=False) == bare
        assert all(given.bonds[k][atom, :atom].any() for atom in range(1, n))
    # the same places in each order, by the numbers of the atoms
    places = [x[np.argsort(order)] for x, order in zip(given.coordinates, given.numbering, strict=True)]
    np.testing.assert_array_equal(places, np.broadcast_to(places[0], (n, n, 3)))
    assert np.abs(given.coordinates.mean(1)).max() < 1e-6
    # a geometry of this molecule: bonds have lengths of bonds
    lengths = np.linalg.norm(given.coordinates[0][:, None] - given.coordinates[0], axis=2)[given.bonds[0] > 0]
    assert ((lengths > 1.0) & (lengths < 1.65)).all()


@pytest.mark.parametrize("smiles", ["CCO", "NC1CC1", "[O-][N+](=O)CC#N", "OC[C@@H](F)N"])
def test_a_molecule_in_space_is_kept_to_the_last_digit(smiles: str) -> None:
    types = AtomTypes(numbers=(*TYPES.numbers, 9), charges=(*TYPES.charges, 0), valences=(*TYPES.valences, 1))
    mol = embedded(smiles)
    positions = mol.GetConformer().GetPositions() + 5.0
    mol.GetConformer().SetPositions(positions)
    before = mol.ToBinary()
    given = Given.fragment(mol, types, 20)
    assert mol.ToBinary() == before  # what was given stays as it was
    for x, order, atoms in zip(given.coordinates, given.numbering, given.atoms, strict=True):
        expected = positions[order] - positions[order].mean(0)
        np.testing.assert_allclose(x, expected, atol=1e-6)
        assert [types.numbers[k] for k in atoms] == [mol.GetAtomWithIdx(int(k)).GetAtomicNum() for k in order]
    assert 1 not in {types.numbers[k] for k in given.atoms.ravel()}


@pytest.mark.parametrize(
    ("smiles", "open_"),
    [
        ("*CCO", {"C": 1}),
        ("CCO*", {"O": 1}),
        ("*C(=O)N*", {"C": 1, "N": 1}),
        ("CO", {"C": 1, "O": 1}),
        ("*c1ccccc1", {"C": 1}),
    ],
)
def test_atoms_without_an_attachment_point_are_closed_if_there_is_one(smiles: str, open_: dict[str, int]) -> None:
    given = Given.fragment(smiles, TYPES, 12)
    for atoms, closed, bonds in zip(given.atoms, given.closed, given.bonds, strict=True):
        symbols = [TYPES.names[kind] for kind in atoms[~closed]]
        assert {symbol: symbols.count(symbol) for symbol in symbols} == open_
        if smiles == "*CCO":  # of the two carbons the one at the end
            assert bonds[~closed].sum() == 1


@pytest.mark.parametrize(
    ("fragment", "message"),
    [
        ("C(", "cannot be read"),
        ("", "cannot be read"),
        ("CS", "atoms that the network does not know; it knows H, C, N, N\\+1, O-1, O"),
        ("C.C", "several fragments"),
        ("C[CH2]", "unpaired electron"),
        ("CCCCCCCCCCCC", "12 heavy atoms, and molecules at most 12"),
        ("*=C", "attachment point .* not at the end of a single bond"),
        ("C*C", "attachment point .* not at the end of a single bond"),
        ("*", "attachment point .* not at the end of a single bond"),
        ("**", "no heavy atom|attachment point"),
        ("C1#CC1", "could not be embedded"),
    ],
)
def test_fragments_that_cannot_be_used_are_told(fragment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Given.fragment(fragment, TYPES, 12)


@pytest.mark.parametrize(
    "smiles", ["CCO", "OC1CC1", "C#N", "NC(=O)C", "C[N+](=O)[O-]", "c1cc[nH]c1", "C", "[H]OC", "FC"]
)
def test_a_graph_is_laid_down_with_its_hydrogens_as_rdkit_numbers_them(smiles: str) -> None:
    types = AtomTypes(numbers=(*TYPES.numbers, 9), charges=(*TYPES.charges, 0), valences=(*TYPES.valences, 1))
    given = Given.graph(smiles, types, 12)
    whole = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert given.coordinates is None
    assert given.closed.all()
    adjacency = Chem.GetAdjacencyMatrix(whole)
    for atoms, bonds, order in zip(given.atoms, given.bonds, given.numbering, strict=True):
        assert sorted(order.tolist()) == list(range(whole.GetNumAtoms()))
        assert [types.numbers[k] for k in atoms] == [whole.GetAtomWithIdx(int(k)).GetAtomicNum() for k in order]
        np.testing.assert_array_equal(bonds > 0, adjacency[np.ix_(order, order)] > 0)
        # hydrogens behind, those of one atom side by side, in the order of the heavy atoms
        parents = (bonds > 0).argmax(1)[np.array(types.numbers)[atoms] == 1]
        assert (np.diff(parents) >= 0).all()


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("C(", "cannot be read"),
        ("", "cannot be read"),
        ("CS", "does not know"),
        ("CCCCO", "has 15 atoms; molecules have at most 12"),
        ("C.C", "several fragments"),
        ("[CH3]", "unpaired electron"),
        ("*C", "cannot be used"),
    ],
)
def test_graphs_that_cannot_be_used_are_told(smiles: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Given.graph(smiles, TYPES, 12)


def test_hydrogens_that_the_network_does_not_know_are_told() -> None:
    bare = AtomTypes(numbers=(6, 8), charges=(0, 0), valences=(4, 2))
    with pytest.raises(ValueError, match="does not know"):
        Given.graph("CO", bare, 12)


def test_sizes_are_those_of_the_data_or_those_asked_for() -> None:
    np.testing.assert_allclose(weights_of_sizes(None, HISTOGRAM, None), HISTOGRAM)
    assert weights_of_sizes(5, HISTOGRAM, None).tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    np.testing.assert_allclose(weights_of_sizes((4, 5), HISTOGRAM, None)[4:6], [0.5, 0.5])
    np.testing.assert_allclose(weights_of_sizes({3: 1, 9: 3}, HISTOGRAM, None)[[3, 9]], [0.25, 0.75])


def test_a_fragment_leaves_sizes_of_one_atom_more_at_least() -> None:
    given = Given.fragment("CCCO", TYPES, 9)
    np.testing.assert_allclose(weights_of_sizes(None, HISTOGRAM, given), [0, 0, 0, 0, 0, 1 / 3, 2 / 3, 0, 0, 0])
    with pytest.raises(ValueError, match="no size is left"):
        weights_of_sizes(4, HISTOGRAM, given)


def test_a_graph_has_its_size() -> None:
    with pytest.raises(ValueError, match="a graph and n_atoms=6 were given; leave out n_atoms"):
        weights_of_sizes(6, HISTOGRAM, Given.graph("CO", TYPES, 9))

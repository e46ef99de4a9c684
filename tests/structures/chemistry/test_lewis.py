"""Lewis structures of skeletons: full octets, few charges, every equally good form."""

import numpy as np
import pytest
from rdkit import Chem

from molaug.structures.chemistry.lewis import MOST_FORMS, lewis_structures


def skeleton(smiles: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...], int, int]:
    """The atoms, neighbours, bonds, charge and unpaired electrons of a molecule; its bond orders are forgotten."""
    mol = Chem.MolFromSmiles(smiles)
    return (
        tuple(atom.GetAtomicNum() for atom in mol.GetAtoms()),
        tuple(atom.GetTotalDegree() for atom in mol.GetAtoms()),
        tuple((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()),
        Chem.GetFormalCharge(mol),
        sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()),
    )


@pytest.mark.parametrize(
    ("smiles", "charges", "orders"),
    [
        ("C[S+](C)[O-]", (0, 0, 0, 0), (1, 1, 2)),  # rather an expanded octet than charges
        ("[C-]#[O+]", (-1, 1), (3,)),  # rather charges than half an octet
        ("C[N+]#[C-]", (0, 1, -1), (1, 3)),
        ("C=[N+]=[N-]", (0, 1, -1), (2, 2)),
        ("CN=[N+]=[N-]", (0, 0, 1, -1), (1, 2, 2)),  # the charge at the end of the chain
        ("C=C[O-]", (0, 0, -1), (2, 1)),  # rather on oxygen than on carbon
        ("CC(=O)[NH-]", (0, 0, 0, -1), (1, 2, 1)),  # and the double bond to oxygen
        ("C[P+](C)(C)C=C", (0, 1, 0, 0, 0, 0), (1, 1, 1, 1, 2)),
        ("F[P-](F)(F)(F)(F)F", (0, -1, 0, 0, 0, 0, 0), (1,) * 6),
        ("CB(C)C", (0, 0, 0, 0), (1, 1, 1)),  # boron is content with six electrons
        ("F[Xe]F", (0, 0, 0), (1, 1)),
    ],
)
def test_the_best_form(smiles: str, charges: tuple[int, ...], orders: tuple[int, ...]) -> None:
    [form] = lewis_structures(*skeleton(smiles))
    assert form.charges == charges
    assert form.orders == orders


@pytest.mark.parametrize(
    ("smiles", "count"),
    [
        ("c1ccccc1", 2),
        ("NC(N)=[NH2+]", 3),
        ("CC(=O)[O-]", 2),
        ("C=C[CH2]", 2),
        ("[O-]S(=O)(=O)[O-]", 6),
        ("c1cc[cH-]c1", 5),
    ],
)
def test_all_equally_good_forms(smiles: str, count: int) -> None:
    assert len(lewis_structures(*skeleton(smiles))) == count


@pytest.mark.parametrize("smiles", ["CS(=O)(=O)c1ccccc1", "[NH3+]CC(=O)[O-]", "C[N+](=O)[O-]", "[O][O]", "[CH3+]"])
def test_charge_electrons_and_valence_are_kept(smiles: str) -> None:
    numbers, neighbours, bonds, charge, unpaired = skeleton(smiles)
    for form in lewis_structures(numbers, neighbours, bonds, charge, unpaired):
        assert sum(form.charges) == charge
        assert sum(form.unpaired) == unpaired
        assert min(form.orders, default=1) >= 1


def test_a_skeleton_without_a_structure_has_none() -> None:
    assert lewis_structures((6, 6), (5, 1), ((0, 1),), 0, 0) == ()  # five neighbours of a carbon
    assert lewis_structures((26,), (0,), (), 0, 0) == ()  # iron is not known here


def test_many_forms_and_many_atoms_are_bounded() -> None:
    coronene = "c1cc2ccc3ccc4ccc5ccc6ccc1c7c2c3c4c5c67"
    assert 2 <= len(lewis_structures(*skeleton(coronene))) <= MOST_FORMS
    chain = skeleton("[NH3+]CC(=O)" + "NCC(=O)" * 60 + "[O-]")
    assert len(lewis_structures(*chain)) == 2


def test_the_forms_do_not_depend_on_the_order_of_atoms() -> None:
    numbers, neighbours, bonds, charge, unpaired = skeleton("CN(C)C=CC(=O)C=[N+](C)C")
    rng = np.random.default_rng(1)

    def told(forms: tuple, place: list[int]) -> set:
        return {tuple(form.charges[k] for k in place) for form in forms}

    first = told(lewis_structures(numbers, neighbours, bonds, charge, unpaired), list(range(len(numbers))))
    for _ in range(5):
        order = rng.permutation(len(numbers)).tolist()
        place = [order.index(k) for k in range(len(numbers))]
        turned = lewis_structures(
            tuple(numbers[k] for k in order),
            tuple(neighbours[k] for k in order),
            tuple((place[i], place[j]) for i, j in bonds),
            charge,
            unpaired,
        )
        assert told(turned, place) == first

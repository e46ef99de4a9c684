"""The name of a geometry is that of the molecule: the same in any order of its atoms, and it fits its own geometry."""

import csv

import numpy as np
import pytest
from ase.io import read
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molaug.structures.chemistry import canonical, lay_graph, parse, perceive

#: Molecules of other elements and charges, every functional group with mesomeric forms.
_OTHERS = """
CS(C)=O CS(=O)(=O)N CS(C)(=N)=O CP(C)(C)=O COP(=O)(OC)OC C=P(C)(C)C O=[N+]([O-])c1ccccc1 Cn1cnc([N+](=O)[O-])c1
C=[N+]=[N-] [N-]=[N+]=Nc1ccccc1 C[N+]#[C-] C=[N+](C)[O-] [O-][n+]1ccccc1 CC#[N+][O-] Cn1ccsc1=O O=S1CCCC1 CN=C=S
[NH3+]CC(=O)[O-] [O-]c1ccc[n+](C)c1 CON=O C[N+](=O)[O-] CO[N+](=O)[O-] O=S(Cl)Cl C[Se](C)=O CB(O)O [BH3-][NH3+]
C[N+](C)(C)C C[S+](C)C C[P+](C)(C)C C[PH3+] C[P+](c1ccccc1)(c1ccccc1)c1ccccc1 C=C[P+](C)(C)C C[As+](C)(C)C C[Se+](C)C
c1ccc([I+]c2ccccc2)cc1 c1ccc([Br+]c2ccccc2)cc1 c1cc(-c2cc[nH+]cc2)cc[nH+]1 NC(N)=[NH2+] CN(C)C=CC=[N+](C)C C[O+]=C
C[n+]1ccc(C#N)cc1 C[N+]#N C[C+](C)C CC#[O+] [cH+]1cccccc1 [NH4+] [OH3+]
[OH-] C[O-] [NH2-] C[S-] CC[Se-] CC(=O)[O-] C=C[O-] CC(=O)[NH-] [CH-]1C=CC=C1 N#C[S-] [N-]=[N+]=[N-] F[B-](F)(F)F
O=[N+]([O-])[O-] OS(=O)(=O)[O-] CS(=O)(=O)[O-] COP(=O)([O-])OC CS(=O)(=O)[N-]S(C)(=O)=O CC(=O)[CH-]C(C)=O c1cn[n-]n1
[CH3] C=C[CH2] C=[CH] [c]1ccccc1 C[C](C)C [OH] [N]=O C[O] [CH]=O CC1(C)CCCC(C)(C)N1[O] CO[O] C[S] C[NH] C[PH] [NH2]
"""


def laid_out(smiles: str) -> tuple[np.ndarray, np.ndarray, int, int]:
    """A geometry by a force field, with its charge and multiplicity."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=11) == 0
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMolecule(mol)
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.UFFOptimizeMolecule(mol)
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    return numbers, mol.GetConformer().GetPositions(), Chem.GetFormalCharge(mol), 1 + unpaired


def names(z: np.ndarray, x: np.ndarray, charge: int, multiplicity: int, orders: int, rng: np.random.Generator) -> set:
    """The names of a geometry in several orders of its atoms, each checked to fit the geometry."""
    found = set()
    for _ in range(orders):
        order = rng.permutation(len(z))
        seen = perceive(z[order], x[order], charge, multiplicity)
        assert seen.smiles is not None, seen.reason
        assert lay_graph(seen.smiles, z[order], x[order]).smiles == seen.smiles
        found.add(seen.smiles)
    return found


@pytest.mark.parametrize("smiles", _OTHERS.split())
def test_other_elements_charges_and_radicals(smiles: str) -> None:
    z, x, charge, multiplicity = laid_out(smiles)
    [name] = names(z, x, charge, multiplicity, 4, np.random.default_rng(2))
    assert canonical(parse(name), isomeric=False) == canonical(parse(smiles), isomeric=False)


def test_qm9_in_any_order_of_atoms(data) -> None:
    rng = np.random.default_rng(0)
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        z, x, offsets, listed = arrays["z"], arrays["pos"].astype(float), arrays["offsets"], arrays["smiles"]
    # an even sample, and cages whose name depended on the order of atoms
    sample = [*range(0, len(listed), 500), 16344, 33233, 37923, 38962, 39032, 41833, 63951, 73508, 74395, 83895]
    for k in sample:
        atoms = slice(offsets[k], offsets[k + 1])
        odd = int(z[atoms].sum(dtype=np.int64)) % 2
        [name] = names(z[atoms], x[atoms], 0, 1 + odd, 2, rng)
        if listed[k]:
            assert canonical(parse(name), isomeric=False) == canonical(parse(listed[k].decode()), isomeric=False)


@pytest.mark.parametrize("file", ["onium.extxyz", "radicals.extxyz", "strained_centres.extxyz"])
def test_known_hard_geometries(data, file: str) -> None:
    path = data.parent / "cases" / file
    if not path.is_file():
        pytest.skip(f"no {file}")
    rng = np.random.default_rng(3)
    for atoms in read(path, index=":"):
        charge, multiplicity = int(atoms.info.get("charge", 0)), int(atoms.info.get("multiplicity", 1))
        [name] = names(atoms.numbers, atoms.positions, charge, multiplicity, 6, rng)
        if "right" in atoms.info:
            assert name == canonical(parse(atoms.info["right"]))


def test_mesomeric_forms_are_known_again_from_a_geometry(data) -> None:
    path = data.parent / "cases" / "mesomeric.csv"
    if not path.is_file():
        pytest.skip("no mesomeric.csv")
    with path.open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            z, x, charge, multiplicity = laid_out(row["smiles"])
            [name] = names(z, x, charge, multiplicity, 4, np.random.default_rng(4))
            assert charge == int(row["charge"])
            assert canonical(parse(name), isomeric=False) == canonical(parse(row["smiles"]), isomeric=False)


def test_torn_bonds_and_carbenes_are_no_molecules() -> None:
    z, x, *_ = laid_out("CC")
    torn = x + np.where(np.isin(np.arange(len(z)), [0, 2, 3, 4])[:, None], 0.0, 3.0)
    assert perceive(z, torn).smiles is None
    z, x, *_ = laid_out("C")
    assert "2 unpaired electrons" in perceive(z[:3], x[:3]).reason
    assert perceive(z[:3], x[:3], 0, 3).smiles == "[CH2]"

#!/usr/bin/env bash
# RDKit's DetermineBonds gives other molecules, or none, when the same atoms are listed in another order.
#
# A geometry is the same whatever the order of its atoms. For cations of phosphorus and iodine, and for nitro groups on
# rings, rdDetermineBonds.DetermineBonds finds the right molecule in some orders; in others it puts the charge on a
# carbon of a ring (methyltriphenylphosphonium becomes an ylide beside a carbocation), spreads a dozen charges over two
# benzene rings (diphenyliodonium), or raises (1-methyl-4-nitroimidazole). A database read in file order therefore
# holds one molecule under several names, and some rows fail for no reason that lies in them.
#
# Shown on geometries that RDKit itself embedded, in the given order and eleven others. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "rdkit==2026.9.1" "numpy==2.4.6"
"$work/venv/bin/python" - <<'PY'
from collections import Counter

import numpy as np
import rdkit
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDetermineBonds, rdDistGeom

RDLogger.DisableLog("rdApp.*")
print("rdkit", rdkit.__version__)


def perceived(mol, order, charge):
    atoms, conformer = Chem.RWMol(), Chem.Conformer(len(order))
    for new, old in enumerate(order):
        atoms.AddAtom(Chem.Atom(mol.GetAtomWithIdx(int(old)).GetAtomicNum()))
        conformer.SetAtomPosition(new, mol.GetConformer().GetAtomPosition(int(old)))
    atoms.AddConformer(conformer)
    copy = atoms.GetMol()
    try:
        rdDetermineBonds.DetermineBonds(copy, charge=charge, embedChiral=False)
    except ValueError:
        return "raises"
    return Chem.MolToSmiles(Chem.RemoveHs(copy))


several = 0
for smiles, charge in [
    ("C[P+](c1ccccc1)(c1ccccc1)c1ccccc1", 1),
    ("C=C[P+](C)(C)C", 1),
    ("c1ccc([I+]c2ccccc2)cc1", 1),
    ("Cn1cnc([N+](=O)[O-])c1", 0),
    ("CCO", 0),
]:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if rdDistGeom.EmbedMolecule(mol, randomSeed=7) != 0:
        raise SystemExit(f"{smiles} was not embedded")
    n, rng = mol.GetNumAtoms(), np.random.default_rng(0)
    orders = [np.arange(n), np.arange(n)[::-1], *(rng.permutation(n) for _ in range(10))]
    found = Counter(perceived(mol, order, charge) for order in orders)
    print(f"{smiles}: {len(found)} different answers in {len(orders)} orders")
    for answer, times in found.most_common(3):
        print(f"    {times:2d} x {answer}")
    several += len(found) > 1
assert several == 4, f"{several} of 4 depend on the order of the atoms; expected 4 (and ethanol not)"
print("as described: the molecule depends on the order of its atoms")
PY

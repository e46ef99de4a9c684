#!/usr/bin/env bash
# RDKit embeds a chiral phosphine with the hand that its SMILES asks for, and then does not see that hand in the geometry.
#
# Trivalent phosphorus and arsenic do not invert at room temperature, and RDKit keeps their marks (@, @@) in SMILES; its
# embedder gives every conformer the right hand. AssignStereochemistryFrom3D, told to replace the tags, removes the mark
# of such a centre instead of setting it. So molecule -> conformer -> molecule loses a stereocentre, and a
# check that a conformer "still is the molecule" by its SMILES refuses every conformer of it. Carbon and sulfoxides behave
# as one expects.
#
# Shown on ethyl(methyl)phenylphosphine and the arsine: the signed volume of the neighbours, by hand, has one sign for
# each enantiomer in all conformers, and the mark is gone. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "rdkit==2026.9.1" "numpy==2.4.6"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import rdkit
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDistGeom

RDLogger.DisableLog("rdApp.*")
print("rdkit", rdkit.__version__)


def hands(smiles, element):
    """Return the signs of the centre's volume in ten conformers, and the SMILES after reading stereo from each."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMultipleConfs(mol, 10, randomSeed=1)
    centre = next(atom for atom in mol.GetAtoms() if atom.GetSymbol() == element)
    arms = [atom.GetIdx() for atom in centre.GetNeighbors()][:3]
    signs, seen = set(), set()
    for conformer in mol.GetConformers():
        x = conformer.GetPositions()
        signs.add(int(np.sign(np.linalg.det(x[arms] - x[centre.GetIdx()]))))
        copy = Chem.Mol(mol, confId=conformer.GetId())
        Chem.AssignStereochemistryFrom3D(copy, confId=conformer.GetId(), replaceExistingTags=True)
        seen.add(Chem.MolToSmiles(Chem.RemoveHs(copy)))
    return signs, seen


for element, one, other in [
    ("P", "CC[P@](C)c1ccccc1", "CC[P@@](C)c1ccccc1"),
    ("As", "CC[As@](C)c1ccccc1", "CC[As@@](C)c1ccccc1"),
    ("S", "CC[S@](=O)c1ccccc1", "CC[S@@](=O)c1ccccc1"),
]:
    (a, seen_a), (b, seen_b) = hands(one, element), hands(other, element)
    print(f"{one}: sign of the volume {sorted(a)}, stereo from 3D {sorted(seen_a)}")
    print(f"{other}: sign of the volume {sorted(b)}, stereo from 3D {sorted(seen_b)}")
    assert len(a) == len(b) == 1 and a != b, "the embedder no longer keeps the hand"
    lost = not any("@" in smiles for smiles in seen_a | seen_b)
    assert lost is (element != "S"), (element, seen_a, seen_b)
print("as described: P(III) and As(III) lose their mark where it is read from 3D, sulfoxides keep it")
PY

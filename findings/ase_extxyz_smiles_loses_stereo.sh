#!/usr/bin/env bash
# A SMILES in the comment line of an extended XYZ loses its double-bond stereo when ASE writes and reads it.
#
# Atoms.info["smiles"] is where most people keep the bond graph of a geometry. ASE writes a text without blanks or
# quotes as it stands, and takes a backslash for an escape when it reads it back: (Z)-2-butene C/C=C\C comes back as
# C/C=CC, which RDKit reads without a complaint as a molecule of unspecified geometry. E and Z isomers
# that are written with a backslash become one molecule, so that a set of unique SMILES shrinks, and labels of two
# isomers stand under one name. Hydrogen fluoride, F, comes back as False, which is no text at all.
#
# Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "ase==3.29.0" "rdkit==2026.9.1"
"$work/venv/bin/python" - <<'PY'
import io

import ase
import rdkit
from ase.build import molecule
from ase.io import read, write
from rdkit import Chem

print("ase", ase.__version__, "rdkit", rdkit.__version__)


def through_extxyz(smiles):
    atoms, file = molecule("H2O"), io.StringIO()  # the geometry plays no part
    atoms.info["smiles"] = smiles
    write(file, atoms, format="extxyz")
    file.seek(0)
    return read(file, format="extxyz").info["smiles"]


for given, expected in [(r"C/C=C\C", "C/C=CC"), (r"F/C=C\F", "F/C=CF"), ("C/C=C/C", "C/C=C/C"), ("F", False)]:
    back = through_extxyz(given)
    name = Chem.CanonSmiles(back) if isinstance(back, str) else "no SMILES"
    print(f"written {given!r}, read {back!r}: {Chem.CanonSmiles(given)} is now {name}")
    assert back == expected and type(back) is type(expected), back
print("as described: backslashes are eaten, and F is false")
PY

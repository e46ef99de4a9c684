#!/usr/bin/env bash
# An SDF in which one data header lacks its angle brackets ends there, without a word.
#
# A program that writes "> energy" instead of "> <energy>" in one record of an SDF makes a small fault in one data item.
# RDKit's readers log "Problems encountered parsing data fields", give that record without the item, and then stop:
# every sound record behind it is lost, with no exception and no None in its place. SDMolSupplier says by len() that it
# holds all five records, unless it is asked only after a loop over it: then it says two. A loop that counts None as
# "failed" counts none.
#
# A blank line that is missing before the separator is the same kind: the record behind it disappears, and the
# separator becomes part of the value of the item.
#
# Shown for a file of five molecules made here. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "rdkit==2026.9.1"
"$work/venv/bin/python" - <<'PY'
import io

import rdkit
from rdkit import Chem, RDLogger

RDLogger.DisableLog("rdApp.*")
print("rdkit", rdkit.__version__)
names = ["C", "CC", "CCC", "CCCC", "CCCCC"]
records = [
    f"{Chem.MolToMolBlock(Chem.MolFromSmiles(name))}> <energy>\n{-k}.5\n\n$$$$\n" for k, name in enumerate(names, 1)
]


def read(text):
    """Return how many records the first says that it holds, asked before or after it is read, and what both give."""
    asked_before, random_access = Chem.SDMolSupplier(), Chem.SDMolSupplier()
    asked_before.SetData(text)
    random_access.SetData(text)
    forward = Chem.ForwardSDMolSupplier(io.BytesIO(text.encode()))
    told = [
        [None if mol is None else (Chem.MolToSmiles(mol), mol.GetPropsAsDict(autoConvertStrings=False)) for mol in reader]
        for reader in (random_access, forward)
    ]
    return (len(asked_before), len(random_access)), *told


def show(what, text):
    length, direct, forward = read(text)
    print(f"{what}: len() {length[0]} if asked before and {length[1]} after; SDMolSupplier gives {len(direct)}, ForwardSDMolSupplier {len(forward)}: {forward}")
    return length, direct, forward


length, direct, forward = show("sound", "".join(records))
assert length == (5, 5) and len(direct) == len(forward) == 5

faulty = [record.replace("> <energy>", "> energy") if k == 1 else record for k, record in enumerate(records)]
length, direct, forward = show("second header without brackets", "".join(faulty))
assert length == (5, 2), length
for found in (direct, forward):
    assert [smiles for smiles, _ in found] == ["C", "CC"], found  # no None, no exception, three sound records gone

faulty = [record.replace("\n\n$$$$", "\n$$$$") if k == 1 else record for k, record in enumerate(records)]
_, _, forward = show("no blank line before the second separator", "".join(faulty))
assert [smiles for smiles, _ in forward] == ["C", "CC", "CCCC", "CCCCC"], forward
assert "$$$$" in forward[1][1]["energy"], forward
print("as described: records behind the fault are lost silently")
PY

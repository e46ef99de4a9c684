"""Perception of molecules from geometries: shares, invariance under the order of atoms, and speed.

Run ``python benchmarks/perception.py [count]``; needs ``$MOLAUG_DATA``.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem, rdDetermineBonds

from molaug.structures.chemistry import canonical, flat_smiles, lay_graph, parse, perceive

Case = tuple[np.ndarray, np.ndarray, int, int, str | None]

GROUPS = [
    "S(C)=O", "S(C)(=O)=O", "S(N)(=O)=O", "S(C)(=O)=N", "P(C)(C)=O", "OP(=O)(O)O", "OP(=O)([O-])[O-]", "P(C)(C)=C",
    "[N+](=O)[O-]", "N=[N+]=[N-]", "C=[N+]=[N-]", "C=[N+](C)[O-]", "[N+]#[C-]", "[P+](C)(C)C", "[S+](C)C",
    "[N+](C)(C)C", "[NH3+]", "[PH3+]", "[S-]", "[O-]", "C(=O)[O-]", "C(=O)[CH2-]", "S(=O)(=O)[O-]", "C(N)=[NH2+]",
    "NC(N)=[NH2+]",
    "C=CC=[NH2+]", "[CH2]", "[O]", "O[O]", "C=O", "C(F)(F)F", "S(F)(F)(F)(F)F", "[As+](C)(C)C", "[Se-]", "[I+]C",
    "Br", "Cl", "I", "SC", "P(C)C", "B(O)O", "C#N", "C(=O)N",
]  # fmt: skip
FRAMES = [
    "C{}", "CC{}", "C=C{}", "c1ccccc1{}", "c1ccncc1{}", "c1ccsc1{}", "c1ccoc1{}", "Cn1ccnc1{}", "C1CCC1{}", "FC(F)C{}",
    "ClCC{}", "c1cc[n+]([O-])cc1{}", "C[n+]1ccccc1{}",
]  # fmt: skip


def qm9(count: int) -> Iterator[Case]:
    """Yield QM9 molecules, evenly spaced."""
    data = np.load(Path(os.environ["MOLAUG_DATA"]) / "qm9" / "qm9_structures.npz")
    offsets, z, x, smiles = data["offsets"], data["z"], data["pos"], data["smiles"]
    for k in np.linspace(0, len(smiles) - 1, count).astype(int).tolist():
        part = slice(offsets[k], offsets[k + 1])
        yield z[part].astype(int), x[part].astype(float), 0, 1, smiles[k].decode()


def amons() -> Iterator[Case]:
    """Yield AMONs of AGZ7 with up to six heavy atoms."""
    path = Path(os.environ["MOLAUG_DATA"]) / "amons" / "agz7_gdb17_6heavy.sdf.gz"
    with gzip.open(path) as stream:
        for mol in Chem.ForwardSDMolSupplier(stream, removeHs=False):
            if mol is not None:
                z = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
                yield z, mol.GetConformer().GetPositions(), 0, 1, canonical(mol)


def small_amons() -> Iterator[Case]:
    """Yield AMONs of AGZ7 with up to five heavy atoms."""
    with gzip.open(Path(os.environ["MOLAUG_DATA"]) / "amons" / "agz7_upto5.jsonl.gz", "rt") as stream:
        for line in stream:
            row = json.loads(line)
            yield np.array(row["zs"]), np.array(row["coords"], dtype=float).reshape(-1, 3), 0, 1, row["smi"]


def laid_out() -> Iterator[Case]:
    """Yield molecules of other elements and charges, embedded and relaxed by a force field."""
    for frame in FRAMES:
        for group in GROUPS:
            mol = parse(frame.format(group))
            if mol is None:
                continue
            full = Chem.AddHs(mol)
            if AllChem.EmbedMolecule(full, randomSeed=7) != 0:
                continue
            if AllChem.MMFFHasAllMoleculeParams(full):
                AllChem.MMFFOptimizeMolecule(full)
            elif AllChem.UFFHasAllMoleculeParams(full):
                AllChem.UFFOptimizeMolecule(full)
            # the name the geometry should have: with the stereo that it happens to show
            z = np.array([atom.GetAtomicNum() for atom in full.GetAtoms()])
            unpaired = sum(atom.GetNumRadicalElectrons() for atom in full.GetAtoms())
            yield z, full.GetConformer().GetPositions(), Chem.GetFormalCharge(mol), unpaired + 1, canonical(mol)


def plain(case: Case) -> str | None:
    """Return what RDKit's DetermineBonds makes of a geometry."""
    z, x, charge, _, _ = case
    table = Chem.GetPeriodicTable()
    lines = [f"{table.GetElementSymbol(int(a))} {p[0]:.6f} {p[1]:.6f} {p[2]:.6f}" for a, p in zip(z, x, strict=True)]
    try:
        mol = Chem.MolFromXYZBlock(f"{len(z)}\n\n" + "\n".join(lines) + "\n")
        rdDetermineBonds.DetermineBonds(mol, charge=charge, maxIterations=5000)
        return str(Chem.MolToSmiles(Chem.RemoveHs(mol)))
    except (ValueError, RuntimeError):
        return None


def report(name: str, cases: list[Case], show: int = 0) -> None:
    """Print one line of shares, violations and speeds."""
    rng = np.random.default_rng(0)
    start = time.process_time()
    found = [perceive(*case[:4]) for case in cases]
    ours = time.process_time() - start
    seen = equal = moved = refused = 0
    for case, first in zip(cases, found, strict=True):
        z, x, charge, multiplicity, listed = case
        if first.smiles is None:
            if show:
                print("   none", listed, first.reason)
            continue
        seen += 1
        wanted = parse(listed or "")
        same = wanted is not None and flat_smiles(first.smiles) == flat_smiles(canonical(wanted))
        equal += same
        if show and not same:
            print("   other", listed, first.smiles)
        order = rng.permutation(len(z))
        turned = perceive(z[order], x[order], charge, multiplicity)
        if turned.smiles != first.smiles:
            moved += 1
            if show:
                print("   moved", first.smiles, turned.smiles, turned.reason)
        laid = lay_graph(first.smiles, z, x)
        if laid.smiles != first.smiles:
            refused += 1
            if show:
                print("   refused", first.smiles, laid.smiles, laid.reason)
    some = cases[:: max(1, len(cases) // 500)]
    start = time.process_time()
    other = [plain(case) for case in some]
    theirs = time.process_time() - start
    n = len(cases)
    print(
        f"{name:12s} {n:6d}  perceived {seen / n:8.4%}  as listed {equal / n:8.4%}  moved {moved}  refused {refused}  "
        f"{n / ours:6.0f}/s  DetermineBonds {sum(o is not None for o in other) / len(some):7.2%} "
        f"{len(some) / theirs:6.0f}/s",
        flush=True,
    )


if __name__ == "__main__":
    RDLogger.DisableLog("rdApp.*")
    verbose = "-v" in sys.argv
    counts = [int(a) for a in sys.argv[1:] if a.isdigit()]
    report("laid out", list(laid_out()), verbose)
    report("QM9", list(qm9(counts[0] if counts else 20_000)), verbose)
    report("AMONs <= 5", list(small_amons()), verbose)
    report("AMONs 6", list(amons()), verbose)

"""What a user would try before a network: molecules of the training set again, recombined, or edited at random.

Imported by ``benchmarks/graph.py``. Every way returns one SMILES a sample and depends on its seed alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rdkit import Chem, RDRandom
from rdkit.Chem import BRICS
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry import canonical
from molaug.structures.chemistry.strict import strict_reason
from molaug.structures.hashing import stream

#: Training molecules of which the fragments are put together in one go; the cost grows with their square.
POOL = 30
#: BRICSBuild joins up to three fragments.
DEPTH = 1

ORDERS = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)


def drawn_again(parents: Sequence[str], n: int, seed: int) -> list[str]:
    """Return random training molecules, none twice."""
    return random.Random(seed).sample(list(parents), n)


def recombined(parents: Sequence[str], n: int, seed: int, max_heavy: int) -> list[str]:
    """Return molecules put together by BRICS from the fragments of random training molecules.

    ``BRICSBuild`` knows no limit of size: what is larger than ``max_heavy`` is made, and dropped.
    """
    RDRandom.seed(seed)  # BRICSBuild shuffles by it
    order = random.Random(seed).sample(list(parents), len(parents))
    found: list[str] = []
    for first in range(0, len(order), POOL):
        for mol in _built(order[first : first + POOL]):
            mol.UpdatePropertyCache()
            if mol.GetNumHeavyAtoms() <= max_heavy:
                found.append(Chem.MolToSmiles(mol))
                if len(found) == n:
                    return found
    return found


def decomposable(parents: Sequence[str]) -> float:
    """Return the share of molecules that BRICS cuts at all."""
    return sum(len(BRICS.BRICSDecompose(Chem.MolFromSmiles(text))) > 1 for text in parents) / len(parents)


def _built(parents: Sequence[str]) -> Iterator[Chem.Mol]:
    pieces = {piece for text in parents for piece in BRICS.BRICSDecompose(Chem.MolFromSmiles(text))}
    fragments = [Chem.MolFromSmiles(piece) for piece in sorted(pieces) if "*" in piece]
    return BRICS.BRICSBuild(fragments, maxDepth=DEPTH, scrambleReagents=True) if fragments else iter(())


def mutated(parents: Sequence[str], n: int, seed: int, max_heavy: int, edits: int) -> list[str]:
    """Return random training molecules after some random edits, each of which leaves a valid molecule.

    An edit replaces, adds or removes an atom, changes a bond order, or closes or opens a ring, all equally often; an
    edit that cannot be, or that exceeds a valence or splits the molecule, is drawn again. New atoms are of the elements
    of the training set, as often as there.
    """
    elements = _elements(parents[:1000])
    found = []
    for k in range(n):
        rng = stream(seed, "benchmark.mutated", edits, k)
        parent = parents[int(rng.integers(len(parents)))]
        name = parent
        while name == parent:  # two edits may undo one another
            mol = Chem.MolFromSmiles(parent)
            for _ in range(edits):
                mol = _edited(mol, rng, elements, max_heavy)
            name = canonical(mol, isomeric=False)
        found.append(name)
    return found


def _elements(parents: Sequence[str]) -> tuple[list[int], list[float]]:
    counts = Counter(atom.GetAtomicNum() for text in parents for atom in Chem.MolFromSmiles(text).GetAtoms())
    return sorted(counts), [counts[z] / counts.total() for z in sorted(counts)]


def _edited(
    mol: Chem.Mol, rng: np.random.Generator, elements: tuple[list[int], list[float]], max_heavy: int
) -> Chem.Mol:
    while True:
        trial = _open(mol)
        edit = EDITS[int(rng.integers(len(EDITS)))]
        element = int(rng.choice(elements[0], p=elements[1]))
        if not edit(trial, rng, element) or trial.GetNumAtoms() > max_heavy:
            continue
        if strict_reason(trial) is None:
            with BlockLogs():
                failed = Chem.SanitizeMol(trial, catchErrors=True)
            if not failed:
                return trial.GetMol()


def _open(mol: Chem.Mol) -> Chem.RWMol:
    """Return a copy with single, double and triple bonds, in which neutral atoms take as many hydrogens as they may."""
    trial = Chem.RWMol(mol)
    Chem.Kekulize(trial, clearAromaticFlags=True)
    for atom in trial.GetAtoms():
        if not atom.GetFormalCharge():
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
    return trial


def _one(rng: np.random.Generator, items: Sequence[int]) -> int:
    return int(items[int(rng.integers(len(items)))])


def _replace(mol: Chem.RWMol, rng: np.random.Generator, element: int) -> bool:
    atom = mol.GetAtomWithIdx(int(rng.integers(mol.GetNumAtoms())))
    if atom.GetFormalCharge() or atom.GetAtomicNum() == element:
        return False
    atom.SetAtomicNum(element)
    return True


def _add(mol: Chem.RWMol, rng: np.random.Generator, element: int) -> bool:
    at = int(rng.integers(mol.GetNumAtoms()))
    mol.AddBond(at, mol.AddAtom(Chem.Atom(element)), ORDERS[0])
    return True


def _remove(mol: Chem.RWMol, rng: np.random.Generator, element: int) -> bool:
    ends = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetDegree() == 1]
    if not ends:
        return False
    mol.RemoveAtom(_one(rng, ends))
    return True


def _change(mol: Chem.RWMol, rng: np.random.Generator, element: int) -> bool:
    if not mol.GetNumBonds():
        return False
    bond = mol.GetBondWithIdx(int(rng.integers(mol.GetNumBonds())))
    bond.SetBondType(_other(rng, bond.GetBondType()))
    return True


def _other(rng: np.random.Generator, order: Chem.BondType) -> Chem.BondType:
    rest = [other for other in ORDERS if other != order]
    return rest[int(rng.integers(len(rest)))]


def _close(mol: Chem.RWMol, rng: np.random.Generator, element: int) -> bool:
    i, j = rng.integers(mol.GetNumAtoms(), size=2).tolist()
    if i == j or mol.GetBondBetweenAtoms(i, j) is not None:
        return False
    mol.AddBond(i, j, ORDERS[0])
    return True


def _cut(mol: Chem.RWMol, rng: np.random.Generator, element: int) -> bool:
    rings = [bond.GetIdx() for bond in mol.GetBonds() if bond.IsInRing()]
    if not rings:
        return False
    bond = mol.GetBondWithIdx(_one(rng, rings))
    mol.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return True


#: An edit of a molecule in place; whether it could be made.
EDITS: tuple[Callable[[Chem.RWMol, np.random.Generator, int], bool], ...] = (
    _replace,
    _add,
    _remove,
    _change,
    _close,
    _cut,
)

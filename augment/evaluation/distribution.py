"""What molecules are made of, counted over frozen classes, and how far two sets of molecules are apart in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem

from molaug.distributions.measures import chance_level, jensen_shannon
from molaug.evaluation.protocol import (
    BOND_ORDERS,
    ELEMENTS,
    FUNCTIONAL_GROUPS,
    MAX_HEAVY,
    MAX_RING_SIZE,
    MAX_RINGS,
    group_queries,
)
from molaug.structures.chemistry import parse

#: Classes of each quantity, in order.
CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "heavy atoms": (*map(str, range(MAX_HEAVY + 1)), "more"),
    "elements": (*ELEMENTS, "other"),
    "bond orders": (*BOND_ORDERS, "other"),
    "rings": (*map(str, range(MAX_RINGS + 1)), "more"),
    "ring sizes": (*map(str, range(3, MAX_RING_SIZE + 1)), "larger"),
    "functional groups": (*FUNCTIONAL_GROUPS, "none"),
}

_ELEMENT_CLASS = {Chem.GetPeriodicTable().GetAtomicNumber(symbol): k for k, symbol in enumerate(ELEMENTS)}
_BOND_CLASS = {1.0: 0, 2.0: 1, 3.0: 2, 1.5: 3}


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Counts of one quantity.

    Parameters
    ----------
    counts
        By class, those that occur only, in the order of :data:`CLASSES`.
    per
        What is counted: ``molecules``, ``atoms``, ``bonds``, ``rings`` or ``groups``.
    """

    counts: dict[str, int]
    per: str


def distributions(smiles: Sequence[str]) -> dict[str, Distribution]:
    """Count what molecules are made of.

    Parameters
    ----------
    smiles
        Distinct molecules, readable.

    Returns
    -------
    dict
        By quantity: heavy atoms and independent rings of a molecule; elements of heavy atoms; orders of the bonds
        between them; sizes of the symmetrised smallest set of rings; functional groups, each once a molecule.

    Examples
    --------
    >>> found = distributions(["CC=O", "C1CC1"])
    >>> found["rings"].counts, found["functional groups"].counts
    ({'0': 1, '1': 1}, {'aldehyde': 1, 'cyclopropane': 1})
    """
    counts = {quantity: np.zeros(len(classes), dtype=np.int64) for quantity, classes in CLASSES.items()}
    for text in smiles:
        mol = parse(text)
        if mol is not None:
            _count(mol, counts)
    per = dict(zip(CLASSES, ("molecules", "atoms", "bonds", "molecules", "rings", "groups"), strict=True))
    return {
        quantity: Distribution(
            counts={name: int(n) for name, n in zip(CLASSES[quantity], held, strict=True) if n}, per=per[quantity]
        )
        for quantity, held in counts.items()
    }


def distance(first: Distribution, second: Distribution, quantity: str) -> float | None:
    """Return the Jensen–Shannon distance of two distributions: the root of the divergence in bits, a metric in [0, 1].

    Parameters
    ----------
    first
        Of one set of molecules.
    second
        Of another.
    quantity
        Which of :data:`CLASSES`.

    Returns
    -------
    float or None
        None where one of the two is empty.
    """
    p, q = _array(first, quantity), _array(second, quantity)
    return float(np.sqrt(jensen_shannon(p, q))) if p.sum() and q.sum() else None


def distance_by_chance(first: Distribution, second: Distribution, quantity: str) -> float | None:
    """Return the distance that two random samples of these sizes of one distribution would have.

    Parameters
    ----------
    first
        Of one set of molecules.
    second
        Of another.
    quantity
        Which of :data:`CLASSES`.

    Returns
    -------
    float or None
        None where one of the two is empty.
    """
    p, q = _array(first, quantity), _array(second, quantity)
    return float(np.sqrt(chance_level(p, q))) if p.sum() and q.sum() else None


def _array(held: Distribution, quantity: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([held.counts.get(name, 0) for name in CLASSES[quantity]], dtype=np.int64)


def _count(mol: Chem.Mol, counts: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]) -> None:
    # by index: RDKit's iterators over atoms and bonds take several times as long
    numbers = [mol.GetAtomWithIdx(k).GetAtomicNum() for k in range(mol.GetNumAtoms())]
    heavy = [z for z in numbers if z > 1]
    for z in heavy:
        counts["elements"][_ELEMENT_CLASS.get(z, -1)] += 1
    counts["heavy atoms"][min(len(heavy), MAX_HEAVY + 1)] += 1
    for k in range(mol.GetNumBonds()):
        bond = mol.GetBondWithIdx(k)
        if numbers[bond.GetBeginAtomIdx()] > 1 < numbers[bond.GetEndAtomIdx()]:
            counts["bond orders"][_BOND_CLASS.get(bond.GetBondTypeAsDouble(), -1)] += 1
    # independent cycles: RDKit's ring list holds further ones in cages, where the smallest set is not unique
    cycles = mol.GetNumBonds() - mol.GetNumAtoms() + len(Chem.GetMolFrags(mol))
    counts["rings"][min(cycles, MAX_RINGS + 1)] += 1
    for ring in mol.GetRingInfo().AtomRings():
        counts["ring sizes"][min(len(ring) - 3, MAX_RING_SIZE - 2)] += 1
    present = [k for k, query in enumerate(group_queries()) if mol.HasSubstructMatch(query)]
    counts["functional groups"][present or [-1]] += 1

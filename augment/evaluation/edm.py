"""Stability and validity of geometries as EDM counts them, by a table of bond lengths, for comparison with others.

Nearly all figures published for molecules generated in 3D are of this kind (E. Hoogeboom et al., arXiv:2203.17003): a
pair is bonded, once, twice or thrice, when it is nearer than a typical bond length plus a margin. The rule tests the
precision of coordinates as much as the chemistry: noise of 0.03 Å halves the stable share of real molecules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.evaluation.geometries import Geometries

Lengths = Mapping[str, Mapping[str, int]]

#: Typical lengths of single bonds in pm, each pair of elements once (wiredchemist.com, table of bond lengths).
SINGLE: Final[Lengths] = MappingProxyType(
    {
        "H": {
            "H": 74, "B": 119, "C": 109, "N": 101, "O": 96, "F": 92, "Si": 148, "P": 144, "S": 134, "Cl": 127,
            "As": 152, "Br": 141, "I": 161,
        },
        "B": {"Cl": 175},
        "C": {
            "C": 154, "N": 147, "O": 143, "F": 135, "Si": 185, "P": 184, "S": 182, "Cl": 177, "Br": 194, "I": 214,
        },
        "N": {"N": 145, "O": 140, "F": 136, "P": 177, "S": 168, "Cl": 175, "Br": 214, "I": 222},
        "O": {"O": 148, "F": 142, "Si": 163, "P": 163, "S": 151, "Cl": 164, "Br": 172, "I": 194},
        "F": {"F": 142, "Si": 160, "P": 156, "S": 158, "Cl": 166, "Br": 178, "I": 187},
        "Si": {"Si": 233, "S": 200, "Cl": 202, "Br": 215, "I": 243},
        "P": {"P": 221, "S": 210, "Cl": 203, "Br": 222},
        "S": {"S": 204, "Cl": 207, "Br": 225, "I": 234},
        "Cl": {"Cl": 199, "Br": 214},
        "Br": {"Br": 228},
        "I": {"I": 266},
    }
)  # fmt: skip

#: Likewise of double bonds.
DOUBLE: Final[Lengths] = MappingProxyType(
    {"C": {"C": 134, "N": 129, "O": 120, "S": 160}, "N": {"N": 125, "O": 121}, "O": {"O": 121, "P": 150},
     "P": {"S": 186}}
)  # fmt: skip

#: Likewise of triple bonds.
TRIPLE: Final[Lengths] = MappingProxyType({"C": {"C": 120, "N": 116, "O": 113}, "N": {"N": 110}})

#: By how many pm single, double and triple bonds may be longer.
MARGINS: Final = (10, 5, 3)

#: Sums of bond orders at which an atom is stable.
VALENCES: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "H": (1,), "B": (3,), "C": (4,), "N": (3,), "O": (2,), "F": (1,), "Si": (4,), "P": (3, 5), "S": (4,),
        "Cl": (1,), "As": (3,), "Br": (1,), "I": (1,),
    }
)  # fmt: skip

_BONDS = (Chem.BondType.ZERO, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
_N_ELEMENTS = 119


def _limits(lengths: Lengths, margin: int) -> NDArray[np.float64]:
    """Return the longest bonds in Å by both atomic numbers, 0 where there is none."""
    limits = np.zeros((_N_ELEMENTS, _N_ELEMENTS))
    for first, others in lengths.items():
        for second, length in others.items():
            i, j = atomic_numbers[first], atomic_numbers[second]
            limits[i, j] = limits[j, i] = (length + margin) / 100
    return limits


_LIMITS = tuple(_limits(table, margin) for table, margin in zip((SINGLE, DOUBLE, TRIPLE), MARGINS, strict=True))
_STABLE = np.zeros((_N_ELEMENTS, 256), dtype=bool)
for _symbol, _sums in VALENCES.items():
    _STABLE[atomic_numbers[_symbol], list(_sums)] = True


@dataclass(frozen=True, kw_only=True, eq=False)
class TableBonds:
    """Bonds of geometries by the table.

    Parameters
    ----------
    pairs
        Atoms i < j within their molecule, those of one molecule after those of another, shape (n_bonds, 2).
    orders
        1, 2 or 3, shape (n_bonds,).
    offsets
        Bonds of molecule k are ``offsets[k]:offsets[k + 1]``, shape (n + 1,).
    stable_atoms
        Atoms whose bond orders sum to an allowed valence, shape (n_atoms,).
    stable
        Molecules all of whose atoms are stable, shape (n,); those without atoms are not.
    """

    pairs: NDArray[np.int64]
    orders: NDArray[np.int64]
    offsets: NDArray[np.int64]
    stable_atoms: NDArray[np.bool_]
    stable: NDArray[np.bool_]


def table_bonds(geometries: Geometries) -> TableBonds:
    """Find bonds and their orders by the table, for all molecules at once.

    Parameters
    ----------
    geometries
        Any; elements that the table lacks have no bonds and are not stable.

    Returns
    -------
    TableBonds
        In the order of the molecules.

    Examples
    --------
    >>> found = table_bonds(Geometries.of([([6, 8], [[0, 0, 0], [0, 0, 1.13]])]))
    >>> found.orders.tolist(), found.stable_atoms.tolist()
    ([3], [False, False])
    """
    rows, bonds, orders = [np.zeros(0, np.int64)], [np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)]
    for block in geometries.blocks():
        z = geometries.numbers[block.atoms]  # (n_rows, size)
        # an entry of a flat table is found twice as fast as one by two indices
        entry = z[:, block.first].astype(np.intp) * _N_ELEMENTS + z[:, block.second]
        row, pair = np.nonzero(block.distances < _LIMITS[0].ravel()[entry])
        entry, distance = entry[row, pair], block.distances[row, pair]
        double = distance < _LIMITS[1].ravel()[entry]
        orders.append(1 + double + (double & (distance < _LIMITS[2].ravel()[entry])))
        rows.append(block.rows[row])
        bonds.append(np.stack([block.first[pair], block.second[pair]], axis=1))
    owner = np.concatenate(rows)
    order = np.argsort(owner, kind="stable")
    owner, pairs, kinds = owner[order], np.concatenate(bonds)[order], np.concatenate(orders)[order]
    n, n_atoms = len(geometries), len(geometries.numbers)
    ends = pairs + geometries.offsets[owner][:, None]
    valence = np.bincount(ends.ravel(), weights=np.repeat(kinds, 2), minlength=n_atoms).astype(np.intp)
    stable_atoms = _STABLE[geometries.numbers, np.minimum(valence, 255)]
    of_atom = np.repeat(np.arange(n), geometries.sizes)
    return TableBonds(
        pairs=pairs,
        orders=kinds,
        offsets=np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n), dtype=np.int64)]),
        stable_atoms=stable_atoms,
        stable=(np.bincount(of_atom[~stable_atoms], minlength=n) == 0) & (geometries.sizes > 0),
    )


def table_molecule(geometries: Geometries, bonds: TableBonds, k: int) -> Chem.Mol:
    """Return one molecule with the bonds of the table, as it stands.

    Parameters
    ----------
    geometries
        What the bonds were found in.
    bonds
        Of all of them.
    k
        Which molecule.

    Returns
    -------
    rdkit.Chem.Mol
        Not sanitised, without a conformer; hydrogens that its valences lack are implied.
    """
    mol = Chem.RWMol()
    numbers, _ = geometries[k]
    for number in numbers.tolist():
        mol.AddAtom(Chem.Atom(number))
    found = slice(bonds.offsets[k], bonds.offsets[k + 1])
    for (i, j), order in zip(bonds.pairs[found].tolist(), bonds.orders[found].tolist(), strict=True):
        mol.AddBond(i, j, _BONDS[order])
    return mol.GetMol()


def edm_smiles(geometries: Geometries, bonds: TableBonds) -> list[str | None]:
    """Return the molecules that are valid by EDM's rule.

    The whole is sanitised, whereby RDKit implies the hydrogens that are lacking, and the largest fragment is
    taken for the molecule.

    Parameters
    ----------
    geometries
        Any.
    bonds
        Their bonds.

    Returns
    -------
    list of (str or None)
        SMILES of the largest fragment; None where RDKit refuses.

    Examples
    --------
    >>> lacking = Geometries.of([([6, 1, 1], [[0, 0, 0], [0, 0, 1.09], [1.03, 0, -0.36]])])
    >>> edm_smiles(lacking, table_bonds(lacking))
    ['[H]C[H]']
    """
    found: list[str | None] = []
    with BlockLogs():
        for k in range(len(geometries)):
            mol = table_molecule(geometries, bonds, k)
            if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE or not mol.GetNumAtoms():
                found.append(None)
                continue
            fragments = Chem.GetMolFrags(mol, asMols=True) if len(Chem.GetMolFrags(mol)) > 1 else [mol]
            found.append(Chem.MolToSmiles(max(fragments, key=lambda fragment: fragment.GetNumAtoms())))
    return found

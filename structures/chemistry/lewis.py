"""Lewis structures: bond orders, formal charges and unpaired electrons of a skeleton, the same for any order of atoms.

A skeleton says which atoms are bonded. With its total charge and its number of unpaired electrons it has one or several
best Lewis structures; those that are equally good are mesomeric forms of one molecule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from rdkit import Chem
from rdkit.rdBase import BlockLogs

#: Penalties. An octet that lacks two electrons costs as much as three formal charges, so that carbon monoxide and
#: acylium ions have full octets, but nothing is charged all over to fill one. The rest stays below one charge.
_CHARGE: Final = 1_000_000
_LACKING_PAIR: Final = 3 * _CHARGE
_FURTHER_CHARGE: Final = _CHARGE // 2  # a second charge on the same atom, beyond its own penalty
_EXPANDED: Final = 20_000  # a pair beyond the octet
_PLACE: Final = 100  # per hundredth of Pauling's scale: where charges sit
_NEIGHBOUR: Final = 4  # of equal elements, negative charges are on the one with the fewest neighbours

#: Formal charges on one atom that are tried.
_MOST_CHARGE: Final = 3

#: Charges, or what costs as much, beyond the least possible after which the search is given up.
_MOST_PENALTY: Final = 14

#: Partial structures that are kept at a time before the search is given up.
_MOST_PARTIAL: Final = 20_000

#: Equally good structures that are looked at.
MOST_FORMS: Final = 64

#: Electronegativities (Pauling, of noble gases Allen) of the elements that are known here; others have no Lewis
#: structure.
_ELECTRONEGATIVITY: Final = {
    1: 2.20, 2: 4.16, 3: 0.98, 4: 1.57, 5: 2.04, 6: 2.55, 7: 3.04, 8: 3.44, 9: 3.98, 10: 4.79,
    11: 0.93, 12: 1.31, 13: 1.61, 14: 1.90, 15: 2.19, 16: 2.58, 17: 3.16, 18: 3.24, 19: 0.82, 20: 1.00,
    31: 1.81, 32: 2.01, 33: 2.18, 34: 2.55, 35: 2.96, 36: 2.97, 37: 0.82, 38: 0.95, 49: 1.78, 50: 1.96,
    51: 2.05, 52: 2.10, 53: 2.66, 54: 2.60, 55: 0.79, 56: 0.89,
}  # fmt: skip

#: Elements on which a negative charge is at home: N, O, S, Se, Te and halogens.
_WILLING: Final = frozenset({7, 8, 9, 16, 17, 34, 35, 52, 53})

_TABLE = Chem.GetPeriodicTable()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lewis:
    """One Lewis structure: formal charge and unpaired electrons of each atom, order of each bond of the skeleton."""

    charges: tuple[int, ...]
    unpaired: tuple[int, ...]
    orders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """What an atom may be: its penalty, charge, unpaired electrons, and bond orders beyond single bonds."""

    penalty: int
    charge: int
    unpaired: int
    excess: int


#: How a partial structure may go on: the free valences of its open atoms, its charge, its unpaired electrons.
_Key: TypeAlias = tuple[tuple[int, ...], int, int]

#: The least penalty of each, and the steps that lead to it: the structure before, what the new atom is, and the bond
#: orders beyond single bonds to its earlier neighbours.
_Layer: TypeAlias = dict[_Key, tuple[int, list[tuple[_Key, _State, tuple[int, ...]]]]]


def known_elements(numbers: Sequence[int]) -> bool:
    """Tell whether all elements are among those whose Lewis structures are known here.

    Parameters
    ----------
    numbers
        Atomic numbers.

    Returns
    -------
    bool
        False where a transition metal, a lanthanide or the like is among them.
    """
    return all(z in _ELECTRONEGATIVITY for z in numbers)


@lru_cache(maxsize=8192)
def lewis_structures(
    numbers: tuple[int, ...],
    neighbours: tuple[int, ...],
    bonds: tuple[tuple[int, int], ...],
    charge: int,
    unpaired: int,
) -> tuple[Lewis, ...]:
    """Return the best Lewis structures of a skeleton.

    Best are those of the least penalty. In the order of their weight it counts: octets that lack electrons and formal
    charges (a pair that lacks is as bad as three charges), pairs beyond the octet, where the charges are (negative ones
    rather on N, O, S and halogens than elsewhere, positive ones on the least electronegative atom that has its octet),
    multiple bonds to electronegative atoms (an amide that lost a proton is C(=O)[N-]), and few neighbours of negative
    atoms. The search is exact: partial structures grow atom by atom along the skeleton, and of those that leave the
    same free valences, charge and unpaired electrons only the best are kept.

    Parameters
    ----------
    numbers
        Atomic numbers, those of hydrogens may be left out.
    neighbours
        Number of bonded atoms of each, hydrogens that are left out included.
    bonds
        Bonded pairs.
    charge
        Total charge in e.
    unpaired
        Number of unpaired electrons.

    Returns
    -------
    tuple of Lewis
        At most :data:`MOST_FORMS`; none where the skeleton has no Lewis structure, holds an element that is not
        known here, or is too entangled. They come in an order that depends on that of the atoms.

    Examples
    --------
    >>> [form] = lewis_structures((6, 16, 6, 8), (4, 3, 4, 1), ((0, 1), (1, 2), (1, 3)), 0, 0)  # dimethyl sulfoxide
    >>> form.charges, form.orders
    ((0, 0, 0, 0), (1, 1, 2))
    """
    if not known_elements(numbers):
        return ()
    states = [_states(z, d) for z, d in zip(numbers, neighbours, strict=True)]
    if not all(states):
        return ()
    search = _Search(numbers, bonds)
    least = sum(of_atom[0].penalty for of_atom in states) // _CHARGE
    for penalty in range(max(abs(charge), least), max(abs(charge), least) + _MOST_PENALTY):
        bound = (penalty + 1) * _CHARGE - 1
        layers = search.grown(states, charge, unpaired, bound)
        if layers is None:
            return ()
        if layers:
            return tuple(search.forms(layers, charge, unpaired))
    return ()


class _Search:
    """The skeleton in the order in which structures grow over it: few atoms are open at a time."""

    def __init__(self, numbers: Sequence[int], bonds: Sequence[tuple[int, int]]) -> None:
        self._n, self._bonds = len(numbers), bonds
        beside: list[dict[int, int]] = [{} for _ in numbers]
        for index, (i, j) in enumerate(bonds):
            beside[i][j] = beside[j][i] = index
        self._order = _growth(beside)
        place = {atom: k for k, atom in enumerate(self._order)}
        last = [max([place[a], *(place[b] for b in beside[a])]) for a in range(len(numbers))]
        self._steps: list[tuple[int, list[int], list[int], list[int], int]] = []
        waiting: list[int] = []
        for k, atom in enumerate(self._order):
            earlier = [w for w, other in enumerate(waiting) if other in beside[atom]]
            indices = [beside[atom][waiting[w]] for w in earlier]
            later = sum(place[b] > k for b in beside[atom])
            waiting = [*waiting, atom]
            kept = [w for w, other in enumerate(waiting) if last[other] > k]
            self._steps.append((atom, earlier, indices, kept, later))
            waiting = [waiting[w] for w in kept]

    def grown(self, states: Sequence[Sequence[_State]], charge: int, unpaired: int, bound: int) -> list[_Layer] | None:
        """Return the partial structures atom by atom; empty where none is complete, None where there are too many."""
        ahead = [0] * (self._n + 1)  # what the atoms to come will cost at least
        for k in range(self._n - 1, -1, -1):
            ahead[k] = ahead[k + 1] + states[self._order[k]][0].penalty
        layers: list[_Layer] = [{((), 0, 0): (0, [])}]
        for k, (atom, earlier, _, kept, later) in enumerate(self._steps):
            layer: _Layer = {}
            for key, (cost, _) in layers[-1].items():
                free, q, u = key
                for state in states[atom]:
                    total = cost + state.penalty
                    if total + ahead[k + 1] > bound:
                        break  # states are sorted by their penalty
                    if u + state.unpaired > unpaired:
                        continue
                    for shares in _shares([free[w] for w in earlier], state.excess):
                        rest = state.excess - sum(shares)
                        if rest > 2 * later:
                            continue
                        left = [*free, rest]
                        for w, share in zip(earlier, shares, strict=True):
                            left[w] -= share
                        if any(left[w] for w in range(len(left)) if w not in kept):
                            continue
                        new = (tuple(left[w] for w in kept), q + state.charge, u + state.unpaired)
                        step = (key, state, shares)
                        known = layer.get(new)
                        if known is None or total < known[0]:
                            layer[new] = (total, [step])
                        elif total == known[0]:
                            known[1].append(step)
            if not layer:
                return []
            if len(layer) > _MOST_PARTIAL:
                return None
            layers.append(layer)
        return layers if ((), charge, unpaired) in layers[-1] else []

    def forms(self, layers: Sequence[_Layer], charge: int, unpaired: int) -> Iterator[Lewis]:
        """Yield complete structures of least penalty."""
        charges, odd, orders = [0] * self._n, [0] * self._n, [1] * len(self._bonds)
        count = 0

        def back(k: int, key: _Key) -> Iterator[Lewis]:
            nonlocal count
            if k == 0:
                count += 1
                yield Lewis(charges=tuple(charges), unpaired=tuple(odd), orders=tuple(orders))
                return
            atom, _, indices, _, _ = self._steps[k - 1]
            for before, state, shares in layers[k][key][1]:
                charges[atom], odd[atom] = state.charge, state.unpaired
                for index, share in zip(indices, shares, strict=True):
                    orders[index] = 1 + share
                yield from back(k - 1, before)
                if count >= MOST_FORMS:
                    return

        yield from back(self._n, ((), charge, unpaired))


def _growth(beside: Sequence[dict[int, int]]) -> list[int]:
    """Return the atoms in an order in which few are open at a time."""
    order: list[int] = []
    done: set[int] = set()
    edge: set[int] = set()
    while len(order) < len(beside):
        choices = edge or {min((a for a in range(len(beside)) if a not in done), key=lambda a: (len(beside[a]), a))}
        # the atom that leaves the fewest new neighbours
        atom = min(choices, key=lambda a: (sum(b not in done and b not in edge for b in beside[a]), a))
        order.append(atom)
        done.add(atom)
        edge = (edge | set(beside[atom])) - done
    return order


@lru_cache(maxsize=4096)
def _shared(free: tuple[int, ...], excess: int) -> tuple[tuple[int, ...], ...]:
    if not free:
        return ((),)
    first = range(min(2, free[0], excess) + 1)
    return tuple((share, *others) for share in first for others in _shared(free[1:], excess - share))


def _shares(free: list[int], excess: int) -> tuple[tuple[int, ...], ...]:
    """Return all ways to share excess bond orders, at most two a bond, among neighbours with free valences."""
    return _shared(tuple(free), excess)


@lru_cache(maxsize=1024)
def _states(z: int, neighbours: int) -> tuple[_State, ...]:
    """Return what an atom with so many neighbours may be, the least penalty first."""
    if z == 1:  # bonded once, or a free atom: ions of hydrogen are bonds that were torn
        return {0: (_State(0, 0, 1, 0),), 1: (_State(0, 0, 0, 0),)}.get(neighbours, ())
    if z == 2:
        return () if neighbours else (_State(0, 0, 0, 0),)
    valence_electrons = _TABLE.GetNOuterElecs(z)
    full = {1: 2, 2: 4, 3: 6}.get(valence_electrons, 8)
    found = []
    for charge in range(-_MOST_CHARGE, _MOST_CHARGE + 1):
        for unpaired in (0, 1, 2):
            for valence in range(neighbours, neighbours + 5):
                free = valence_electrons - charge - valence - unpaired
                if free < 0 or free % 2:
                    continue
                shell = 2 * valence + 2 * unpaired + free  # an orbital that holds one electron is taken too
                if (z <= 10 and shell > 8) or not _accepted(z, charge, unpaired, valence):
                    continue
                # cations of alkali and alkaline earth metals have given away what they had
                lacking = 0 if valence_electrons < 3 and charge > 0 else max(0, full - shell)
                excess = valence - neighbours
                penalty = (
                    abs(charge) * _CHARGE
                    + max(0, abs(charge) - 1) * _FURTHER_CHARGE
                    + (lacking + 1) // 2 * _LACKING_PAIR
                    + max(0, shell - 8) // 2 * _EXPANDED
                    + _misplaced(z, charge, neighbours)
                    + excess * (400 - round(100 * _ELECTRONEGATIVITY[z]))
                )
                found.append(_State(penalty, charge, unpaired, excess))
    return tuple(sorted(found, key=lambda s: (s.penalty, s.charge, s.unpaired, s.excess)))


def _misplaced(z: int, charge: int, neighbours: int) -> int:
    """Return how badly a charge is placed on an atom."""
    scale = round(100 * _ELECTRONEGATIVITY[z])
    if charge > 0:
        return charge * (_PLACE * scale + _NEIGHBOUR * (8 - neighbours))
    willing = z in _WILLING
    return -charge * (_PLACE * (0 if willing else 400 - scale) + _NEIGHBOUR * neighbours // 4)


@lru_cache(maxsize=4096)
def _accepted(z: int, charge: int, unpaired: int, valence: int) -> bool:
    """Tell whether RDKit takes an atom of that valence, so that the molecule can be written and read."""
    atom = Chem.Atom(z)
    atom.SetFormalCharge(charge)
    atom.SetNumRadicalElectrons(unpaired)
    atom.SetNoImplicit(True)
    atom.SetNumExplicitHs(valence)
    mol = Chem.RWMol()
    mol.AddAtom(atom)
    with BlockLogs():
        try:
            mol.UpdatePropertyCache(strict=True)
        except ValueError:
            return False
    return True

"""What a user may ask of the molecules: a fragment to grow, a composition, a number of atoms, values of properties."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs
from scipy.optimize import linear_sum_assignment

from molaug.generators.graph.kekule import KekuleGraphs, encode, smiles_orders
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry.identity import parse

#: Exact counts of elements, or a least and a greatest one (None: no limit); a formula means exactly these heavy atoms.
Composition = Mapping[str, int | Sequence[int | None]] | str

#: A number of heavy atoms, a least and a greatest one, or weights by number.
Size = int | Sequence[int] | Mapping[int, float]

#: Scores count as at most this much below the best of an atom.
_DEEPEST = 1e4


@dataclass(frozen=True, kw_only=True, eq=False)
class Steering:
    """All that is asked for in terms of a generator's atom types and sizes, free of contradictions.

    Parameters
    ----------
    weights
        Probability of each number of heavy atoms, shape (n_max + 1,).
    fragment
        What stands in every molecule.
    counts
        How many atoms of each element are added to the fragment.
    """

    weights: NDArray[np.float64]
    fragment: Fragment | None = None
    counts: Counts | None = None

    @classmethod
    def of(
        cls,
        types: AtomTypes,
        histogram: Sequence[float],
        *,
        n_atoms: Size | None = None,
        composition: Composition | None = None,
        fragment: str | None = None,
    ) -> Steering:
        """Read what is asked for.

        Parameters
        ----------
        types
            The types that there are.
        histogram
            How frequent each number of heavy atoms is in the training data, by number.
        n_atoms
            See :data:`Size`.
        composition
            See :data:`Composition`; the atoms of the fragment count.
        fragment
            SMILES, see :meth:`Fragment.of`.

        Returns
        -------
        Steering
            Ready for the sampler.

        Raises
        ------
        ValueError
            If something cannot be read, or the wishes contradict each other or the types.
        """
        n_max = len(histogram) - 1
        grown = None if fragment is None else Fragment.of(fragment, types, n_max)
        if composition is None:
            return cls(fragment=grown, weights=size_weights(n_atoms, histogram, least=_least(grown)))
        counts, exact = Counts.of(composition, types, n_max)
        if grown is not None:
            counts = counts.around(grown.graphs.atoms[0, : len(grown)])
        size = exact if n_atoms is None else n_atoms
        weights = size_weights(size, histogram, least=_least(grown), counts=counts)
        return cls(fragment=grown, weights=weights, counts=counts if grown is None else counts.added())


def _least(fragment: Fragment | None) -> int:
    return 1 if fragment is None else len(fragment) + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Fragment:
    """A fragment that stands in every molecule, atoms and bonds as they are.

    Parameters
    ----------
    graphs
        The fragment alone, with its atoms in the order of its SMILES from each of its atoms.
    closed
        For each order, atoms that take no further bond, shape (n_orders, n_atoms).
    """

    graphs: KekuleGraphs
    closed: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.graphs.sizes[0])

    @classmethod
    def of(cls, smiles: str, types: AtomTypes, n_max: int) -> Fragment:
        """Read a fragment.

        Parameters
        ----------
        smiles
            Any hydrogen may give way to another atom; where the SMILES has attachment points (``*``), those of the
            atoms that bear these only. Stereo and isotopes are not looked at.
        types
            The types that there are.
        n_max
            Atoms of a molecule at most.

        Returns
        -------
        Fragment
            Smaller than ``n_max``.

        Raises
        ------
        ValueError
            If it cannot be read, holds an unknown atom, leaves no room, or nothing can be bonded to it.
        """
        bare, shut = _opened(smiles)
        graphs, (reason,) = encode([bare], types, n_max)
        if reason is not None:
            raise ValueError(f"the fragment {smiles!r} cannot be used: {reason}")
        size = int(graphs.sizes[0])
        if size >= n_max:
            raise ValueError(f"the fragment {smiles!r} has {size} heavy atoms and molecules at most {n_max}")
        spare = np.array(types.valences)[graphs.atoms[0, :size]] - graphs.bonds[0, :size, :size].sum(1)
        if not (spare[~shut] > 0).any():
            raise ValueError(f"the fragment {smiles!r} has no atom that could take a further bond")
        orders = smiles_orders(bare, n_max)  # (n_orders, n_max)
        repeated = graphs.take(np.zeros(len(orders), dtype=np.intp)).renumbered(orders)
        return cls(graphs=repeated, closed=shut[orders[:, :size]])


@dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
    """How many atoms of each element a molecule may have.

    Parameters
    ----------
    symbols
        The elements, in the order of the limits.
    elements
        For each atom type the place of its element in the limits.
    least
        Lower limits, shape (n_elements,).
    greatest
        Upper limits, shape (n_elements,).
    held
        Atoms of a fragment among them, shape (n_elements,).

    Examples
    --------
    >>> types = AtomTypes(numbers=(6, 7, 8), charges=(0, 0, 0), valences=(4, 3, 2))
    >>> counts, _ = Counts.of({"C": [2, None], "N": 1}, types, 9)
    >>> counts.least.tolist(), counts.greatest.tolist()
    ([2, 1, 0], [9, 1, 9])
    >>> counts.assign(np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 4.0], [0.0, 1.0, 5.0], [0.0, 0.0, 6.0]])).tolist()
    [0, 1, 0, 2]
    """

    symbols: tuple[str, ...]
    elements: NDArray[np.intp]
    least: NDArray[np.intp]
    greatest: NDArray[np.intp]
    held: NDArray[np.intp]

    @classmethod
    def of(cls, composition: Composition, types: AtomTypes, n_max: int) -> tuple[Counts, int | None]:
        """Read a composition.

        Parameters
        ----------
        composition
            See :data:`Composition`; elements that a mapping does not name are free.
        types
            The types that there are.
        n_max
            Atoms of a molecule at most.

        Returns
        -------
        counts : Counts
            The limits.
        n_atoms : int or None
            Heavy atoms of a formula.

        Raises
        ------
        ValueError
            If an element is unknown or the limits contradict each other.
        """
        symbols = [Chem.GetPeriodicTable().GetElementSymbol(number) for number in types.numbers]
        names = tuple(dict.fromkeys(symbols))
        exact = isinstance(composition, str)
        wanted: Mapping[str, Any] = _formula(composition) if isinstance(composition, str) else composition
        least = np.zeros(len(names), dtype=np.intp)
        greatest = np.full(len(names), 0 if exact else n_max, dtype=np.intp)
        for symbol, limits in wanted.items():
            if symbol not in names:
                raise ValueError(f"composition names {symbol!r}; expected some of {', '.join(names)} (no hydrogen)")
            k = names.index(symbol)
            least[k], greatest[k] = _limits(symbol, limits, n_max)
        if least.sum() > n_max:
            raise ValueError(f"composition asks for {least.sum()} heavy atoms; molecules have at most {n_max}")
        places = np.array([names.index(symbol) for symbol in symbols])
        counts = cls(symbols=names, elements=places, least=least, greatest=greatest, held=np.zeros_like(least))
        return counts, int(least.sum()) if exact else None

    def around(self, atoms: NDArray[np.integer]) -> Counts:
        """Return the limits of molecules that hold a fragment.

        Parameters
        ----------
        atoms
            Types of its atoms, shape (n_fragment,).

        Returns
        -------
        Counts
            At least the fragment is there.

        Raises
        ------
        ValueError
            If the fragment has more of an element than the composition allows.
        """
        held = np.bincount(self.elements[atoms], minlength=len(self.symbols))  # (n_elements,)
        for symbol, there, most in zip(self.symbols, held, self.greatest, strict=True):
            if there > most:
                raise ValueError(f"the fragment has {there} {symbol}, of which the composition allows {most}")
        return replace(self, least=np.maximum(self.least, held), held=held)

    def added(self) -> Counts:
        """Return the limits of what is added to the fragment.

        Returns
        -------
        Counts
            Without the atoms of the fragment.
        """
        return replace(
            self,
            least=np.maximum(self.least - self.held, 0),
            greatest=self.greatest - self.held,
            held=np.zeros_like(self.held),
        )

    def assign(self, scores: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the types of highest total score within the limits.

        Parameters
        ----------
        scores
            Shape (n_atoms, n_types), for instance log-probabilities with Gumbel noise: the types are then a draw. There
            are as many atoms as the limits can be met with.

        Returns
        -------
        NDArray[np.intp]
            Shape (n_atoms,).
        """
        n = len(scores)
        scores = np.maximum(scores, scores.max(1, keepdims=True) - _DEEPEST)
        best = np.stack([scores[:, self.elements == k].max(1) for k in range(len(self.symbols))], 1)  # (n, n_elements)
        # a column for every atom that an element may have; those that it must have outweigh all else
        mandatory = 1.0 + 2.0 * n * float(np.ptp(best, 1).max(initial=0.0))
        columns, bonus = [], []
        for k, (low, high) in enumerate(zip(self.least, np.minimum(self.greatest, n), strict=True)):
            columns += [k] * int(high)
            bonus += [mandatory] * int(low) + [0.0] * int(high - low)
        _, chosen = linear_sum_assignment(best[:, columns] + np.array(bonus), maximize=True)
        elements = np.array(columns, dtype=np.intp)[chosen]  # (n_atoms,)
        found: NDArray[np.intp] = np.where(self.elements == elements[:, None], scores, -np.inf).argmax(1)
        return found


def size_weights(
    size: Size | None, histogram: Sequence[float], *, least: int = 1, counts: Counts | None = None
) -> NDArray[np.float64]:
    """Return how probable each number of heavy atoms is.

    Parameters
    ----------
    size
        What is asked for; as in the histogram by default, or evenly where that has nothing that is possible.
    histogram
        Of the training data, by number.
    least
        Smallest number that makes sense.
    counts
        Limits of elements, which the number must obey too.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_max + 1,).

    Raises
    ------
    ValueError
        If nothing is left.
    """
    n_max = len(histogram) - 1
    numbers = np.arange(n_max + 1)
    least = max(least, 1, 1 if counts is None else int(counts.least.sum()))
    greatest = n_max if counts is None else min(n_max, int(counts.greatest.sum()))
    low, high = (least, greatest) if size is None or isinstance(size, Mapping) else _range(size)
    within = (numbers >= max(low, least)) & (numbers <= min(high, greatest))
    if isinstance(size, Mapping):
        weights = np.array([float(size.get(k, 0.0)) for k in numbers.tolist()])
    else:
        weights = np.array(histogram, dtype=float)
        if not weights[within].sum():
            weights = np.ones(n_max + 1)  # sizes that the data do not have are drawn evenly
    weights = np.where(within, weights, 0.0)
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.sum() > 0):
        raise ValueError(
            f"no size is left: {size!r} heavy atoms were asked for; fragment, composition and network allow "
            f"{least} to {greatest}"
        )
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _range(size: Any) -> tuple[int, int]:
    bounds = (size, size) if isinstance(size, Integral) else tuple(size) if isinstance(size, Sequence) else ()
    if len(bounds) != 2 or not all(isinstance(bound, Integral) for bound in bounds):
        raise ValueError(f"{size!r} heavy atoms; expected a number, a least and a greatest one, or weights by number")
    return int(bounds[0]), int(bounds[1])


def _limits(symbol: str, limits: Any, n_max: int) -> tuple[int, int]:
    bounds = (limits, limits) if isinstance(limits, Integral) else tuple(limits) if isinstance(limits, Sequence) else ()
    if len(bounds) == 2 and all(bound is None or isinstance(bound, Integral) for bound in bounds):
        low, high = int(bounds[0] or 0), n_max if bounds[1] is None else int(bounds[1])
        if 0 <= low <= high:
            return low, min(high, n_max)
    raise ValueError(f"composition asks for {limits!r} {symbol}; expected a number, or a least and a greatest one")


def _opened(smiles: str) -> tuple[Chem.Mol, NDArray[np.bool_]]:
    """Return a fragment without attachment points, and which atoms take no further bond, shape (n_atoms,)."""
    mol = parse(smiles)
    if mol is None:
        raise ValueError(f"the fragment {smiles!r} cannot be read; expected a SMILES")
    points = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    bonds = [bond for point in points for bond in point.GetBonds()]
    if len(bonds) != len(points) or any(bond.GetBondType() != Chem.BondType.SINGLE for bond in bonds):
        raise ValueError(f"the fragment {smiles!r} has an attachment point (*) that is not at the end of a single bond")
    bearing = {bond.GetOtherAtomIdx(point.GetIdx()) for point, bond in zip(points, bonds, strict=True)}
    for atom in mol.GetAtoms():
        atom.SetBoolProp("_open", not points or atom.GetIdx() in bearing)
    for point in points:
        point.SetAtomicNum(1)  # a hydrogen leaves what bears it complete, the nitrogen of pyrrole for one
        point.SetIsotope(0)
        point.SetAtomMapNum(0)
    with BlockLogs():
        Chem.SanitizeMol(mol)
        bare = Chem.RemoveHs(mol)
    return bare, np.array([not atom.GetBoolProp("_open") for atom in bare.GetAtoms()])


def _formula(text: str) -> dict[str, int]:
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise ValueError(f"{text!r} is no formula; expected for instance 'C6NO2', heavy atoms only")
    counts: dict[str, int] = {}
    for symbol, number in parts:
        if symbol != "H":
            counts[symbol] = counts.get(symbol, 0) + int(number or 1)
    return counts

"""What a user may ask of the molecules: a fragment to grow, a composition, a number of atoms, values of properties."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from scipy.optimize import linear_sum_assignment

from molaug.generators.graph.kekule import AtomTypes, KekuleGraphs, encode, smiles_orders
from molaug.structures.chemistry.identity import parse

#: Exact counts of elements, or a least and a greatest one (None: no limit); a formula means exactly these heavy atoms.
Composition = Mapping[str, int | Sequence[int | None]] | str

#: A number of heavy atoms, a least and a greatest one, or weights by number.
Size = int | Sequence[int] | Mapping[int, float]

#: Mandatory places outweigh any probability.
_MANDATORY = 1e6


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
            Any hydrogen may give way to another atom; where the SMILES has attachment points (``*``), these only.
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
        mol = parse(smiles)
        if mol is None:
            raise ValueError(f"the fragment {smiles!r} cannot be read; expected a SMILES")
        marked = {n.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() == 0 for n in a.GetNeighbors()}
        for atom in mol.GetAtoms():
            atom.SetBoolProp("open", atom.GetIdx() in marked if marked else True)
        bare = Chem.RWMol(mol)
        for index in sorted((a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() == 0), reverse=True):
            bare.RemoveAtom(index)
        Chem.SanitizeMol(bare)
        graphs, (reason,) = encode([bare], types, n_max)
        if reason is not None:
            raise ValueError(f"the fragment {smiles!r} cannot be used: {reason}")
        size = int(graphs.sizes[0])
        if size >= n_max:
            raise ValueError(f"the fragment {smiles!r} has {size} heavy atoms and molecules at most {n_max}")
        shut = np.array([not atom.GetBoolProp("open") for atom in bare.GetAtoms()])  # (n_atoms,)
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
    elements
        For each atom type the place of its element in the limits.
    least, greatest
        Limits, shape (n_elements,).
    """

    elements: NDArray[np.intp]
    least: NDArray[np.intp]
    greatest: NDArray[np.intp]

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
        names = list(dict.fromkeys(symbols))
        least, greatest = np.zeros(len(names), dtype=np.intp), np.full(len(names), n_max)
        exact = isinstance(composition, str)
        wanted: Mapping[str, Any] = _formula(composition) if isinstance(composition, str) else composition
        if exact:
            greatest[:] = 0
        for symbol, limits in wanted.items():
            if symbol not in names:
                raise ValueError(f"composition names {symbol!r}; expected some of {', '.join(names)} (no hydrogen)")
            low, high = (limits, limits) if isinstance(limits, int) else tuple(limits)
            k = names.index(symbol)
            least[k], greatest[k] = low or 0, n_max if high is None else high
            if not 0 <= least[k] <= greatest[k]:
                raise ValueError(f"composition asks for {limits!r} {symbol}; expected a least and a greatest number")
        if least.sum() > n_max:
            raise ValueError(f"composition asks for {least.sum()} heavy atoms; molecules have at most {n_max}")
        places = np.array([names.index(symbol) for symbol in symbols])
        counts = cls(elements=places, least=least, greatest=np.minimum(greatest, n_max))
        return counts, int(least.sum()) if exact else None

    def assign(self, scores: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the types of highest total score within the limits.

        Parameters
        ----------
        scores
            Shape (n_atoms, n_types), for instance logits with Gumbel noise: the types are then a draw.

        Returns
        -------
        NDArray[np.intp]
            Shape (n_atoms,).
        """
        n = len(scores)
        best = np.full((n, len(self.least)), -np.inf)  # (n_atoms, n_elements): the best type of each element
        for k in range(len(self.least)):
            best[:, k] = scores[:, self.elements == k].max(1)
        columns, bonus = [], []
        for k, (low, high) in enumerate(zip(self.least, np.minimum(self.greatest, n), strict=True)):
            columns += [k] * int(high)
            bonus += [_MANDATORY] * int(low) + [0.0] * int(high - low)
        gain = best[:, columns] + np.array(bonus)
        _, chosen = linear_sum_assignment(np.maximum(gain, -1e9), maximize=True)
        elements = np.array(columns)[chosen]
        masked = np.where(self.elements[None] == elements[:, None], scores, -np.inf)  # (n_atoms, n_types)
        found: NDArray[np.intp] = masked.argmax(1)
        return found


def size_weights(
    size: Size | None, histogram: Sequence[float], *, least: int = 1, counts: Counts | None = None
) -> NDArray[np.float64]:
    """Return how probable each number of heavy atoms is.

    Parameters
    ----------
    size
        What is asked for; the histogram by default.
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
    weights = np.array(histogram, dtype=float)
    numbers = np.arange(n_max + 1)
    if isinstance(size, int):
        weights = (numbers == size).astype(float)
    elif isinstance(size, Mapping):
        weights = np.array([float(size.get(k, 0.0)) for k in range(n_max + 1)])
    elif size is not None:
        low, high = size
        within = (numbers >= low) & (numbers <= high)
        # sizes that the data do not have are drawn evenly
        weights = np.where(within, weights, 0.0) if weights[within].sum() else within.astype(float)
    least = max(least, 1, int(counts.least.sum()) if counts is not None else 1)
    greatest = int(counts.greatest.sum()) if counts is not None else n_max
    weights = np.where((numbers >= least) & (numbers <= greatest), weights, 0.0)
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.sum() > 0):
        raise ValueError(
            f"no size is left: {size!r} atoms were asked for; fragment, composition and network allow "
            f"{least} to {min(greatest, n_max)}"
        )
    return weights / weights.sum()


def _formula(text: str) -> dict[str, int]:
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise ValueError(f"{text!r} is no formula; expected for instance 'C6NO2', heavy atoms only")
    counts: dict[str, int] = {}
    for symbol, number in parts:
        if symbol != "H":
            counts[symbol] = counts.get(symbol, 0) + int(number or 1)
    return counts

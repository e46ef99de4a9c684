"""The kinds of atoms and bonds that learned generators draw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ase.data import chemical_symbols

if TYPE_CHECKING:
    from rdkit import Chem

#: Bond orders by their index: none, single, double, triple.
BOND_ORDERS = 4


@dataclass(frozen=True, kw_only=True)
class AtomTypes:
    """The kinds of atoms that a set of molecules has: elements with formal charges.

    Graphs of heavy atoms imply hydrogens: an atom carries as many as its valence leaves open. Molecules in space have
    them as a type of their own.

    Parameters
    ----------
    numbers
        Atomic number of each type.
    charges
        Formal charge of each type.
    valences
        Highest sum of bond orders that each type may have, to the atoms that are drawn.

    Raises
    ------
    ValueError
        If the three differ in length, there are none, or two are the same.

    Examples
    --------
    >>> from rdkit import Chem
    >>> types = AtomTypes.of([Chem.MolFromSmiles("CC(=O)N")])
    >>> types.names, types.valences
    (('C', 'N', 'O'), (4, 1, 2))
    """

    numbers: tuple[int, ...]
    charges: tuple[int, ...]
    valences: tuple[int, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.numbers), len(self.charges), len(self.valences)}
        pairs = set(zip(self.numbers, self.charges, strict=False))
        if len(lengths) != 1 or not self.numbers or len(pairs) != len(self.numbers):
            raise ValueError(f"{self!r}: expected one number, charge and valence for each of some distinct types")

    @classmethod
    def of(cls, mols: Iterable[Chem.Mol]) -> AtomTypes:
        """Collect the types of some molecules, with the highest valence that each shows.

        Parameters
        ----------
        mols
            Sanitised molecules.

        Returns
        -------
        AtomTypes
            In the order of atomic numbers and charges.
        """
        from molaug.generators.graph.kekule import highest_valences  # RDKit, which training can do without

        highest = highest_valences(mols)
        keys = sorted(highest)
        return cls(
            numbers=tuple(number for number, _ in keys),
            charges=tuple(charge for _, charge in keys),
            valences=tuple(highest[key] for key in keys),
        )

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the types, for instance ``C`` and ``N+1``."""
        return tuple(
            chemical_symbols[number] + (f"{charge:+d}" if charge else "")
            for number, charge in zip(self.numbers, self.charges, strict=True)
        )

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        return {key: k for k, key in enumerate(zip(self.numbers, self.charges, strict=True))}

    def index_of(self, number: int, charge: int) -> int | None:
        """Return the place of a type, or None if there is no such type.

        Parameters
        ----------
        number
            Atomic number.
        charge
            Formal charge.

        Returns
        -------
        int or None
            Place in the order of the types.
        """
        return self._places.get((number, charge))

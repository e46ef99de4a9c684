"""The tables that come with QM9: properties, free atoms and the molecules that failed its consistency check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from ase.units import Hartree, kcal, mol

from molaug.structures.datasets.locate import existing, open_text

#: The columns of the comment line and of ``gdb9.sdf.csv``, in order.
COLUMNS = ("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "u0", "u298", "h298", "g298", "cv")

UNCHARACTERIZED = "uncharacterized: failed QM9's consistency check"

_HARTREE = frozenset({"homo", "lumo", "gap", "zpve", "u0", "u298", "h298", "g298"})
_KCAL = frozenset({"u0_atom", "u298_atom", "h298_atom", "g298_atom"})


def in_record_units(column: str, value: float) -> float:
    """Return a value of QM9 with its energy in eV; other units stay as published.

    Parameters
    ----------
    column
        Name of the property.
    value
        As published: Ha, or kcal/mol for the atomization energies.

    Returns
    -------
    float
        In eV for energies.
    """
    if column in _HARTREE:
        return float(value * Hartree)
    return float(value * kcal / mol) if column in _KCAL else float(value)


@dataclass(frozen=True, slots=True)
class PropertyTable:
    """The rows of ``gdb9.sdf.csv`` by gdb index, in the units of :func:`in_record_units`."""

    table: pa.Table
    place: dict[int, int]

    @classmethod
    def read(cls, path: Path) -> PropertyTable:
        """Read the table, compressed or not.

        Parameters
        ----------
        path
            A csv file with the column ``mol_id`` (``gdb_1`` and so on).

        Returns
        -------
        PropertyTable
            Held in memory: 20 MB for all of QM9.

        Raises
        ------
        ValueError
            If there is no column ``mol_id``.
        """
        table = pa.csv.read_csv(path)
        if "mol_id" not in table.column_names:
            raise ValueError(f"{path}: no column mol_id; there are {', '.join(table.column_names)}")
        indices = [int(text.removeprefix("gdb_")) for text in table.column("mol_id").to_pylist()]
        return cls(table.drop_columns(["mol_id"]), {index: k for k, index in enumerate(indices)})

    def row(self, index: int) -> dict[str, float]:
        """Return the properties of one molecule.

        Parameters
        ----------
        index
            The gdb index, from 1.

        Returns
        -------
        dict of str to float
            Empty where the table has no such row.
        """
        return {k: in_record_units(k, v) for k, v in self._raw(index).items() if isinstance(v, int | float)}

    def smiles(self, index: int) -> str:
        """Return the SMILES listed for one molecule.

        Parameters
        ----------
        index
            The gdb index, from 1.

        Returns
        -------
        str
            Empty where there is none.
        """
        return self._raw(index).get("smiles") or ""

    def _raw(self, index: int) -> dict[str, Any]:
        k = self.place.get(index)
        return {} if k is None else self.table.slice(k, 1).to_pylist()[0]


def read_uncharacterized(path: str | Path) -> frozenset[int]:
    """Read the list of molecules whose optimised geometry no longer has the bond graph it was started from.

    Parameters
    ----------
    path
        QM9's ``uncharacterized.txt``: the gdb index, counted from 1, is the first word of a line.

    Returns
    -------
    frozenset of int
        3,054 in the original file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If no line begins with a number.
    """
    path = existing(path)
    with open_text(path) as handle:
        words = [line.split() for line in handle]
    indices = frozenset(int(w[0]) for w in words if w and w[0].isdigit())
    if not indices:
        raise ValueError(f"{path}: no line begins with an index; expected QM9's uncharacterized.txt")
    return indices


def uncharacterized_beside(data: Path, given: str | Path | None) -> frozenset[int] | None:
    """Return the list that was given, or the one that lies in or beside the data.

    Parameters
    ----------
    data
        A file or folder of QM9.
    given
        A path, or None to look for ``uncharacterized.txt``.

    Returns
    -------
    frozenset of int or None
        None where there is no list.

    Raises
    ------
    FileNotFoundError
        If the path given does not exist.
    """
    if given is not None:
        return read_uncharacterized(given)
    for folder in (data, data.parent):
        if (folder / "uncharacterized.txt").is_file():
            return read_uncharacterized(folder / "uncharacterized.txt")
    return None


def read_atomref(path: str | Path) -> dict[str, float]:
    """Read the energies of the free atoms at QM9's level of theory.

    Parameters
    ----------
    path
        QM9's ``atomref.txt``.

    Returns
    -------
    dict of str to float
        For each element U at 0 K in eV, which for an atom is the electronic energy.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no table of elements.
    """
    path = existing(path)
    with open_text(path) as handle:
        words = [line.split() for line in handle]
    rows = [w for w in words if len(w) == 7 and w[0].isalpha() and np.char.isnumeric(w[1].replace(".", ""))]
    if not rows:
        raise ValueError(f"{path}: no row of element, ZPVE, U, U, H, G, CV; expected QM9's atomref.txt")
    return {w[0]: float(w[2]) * Hartree for w in rows}

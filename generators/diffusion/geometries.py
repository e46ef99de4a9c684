"""What the 3D generator learns from: geometries with their bonds as compact arrays, SMILES orders, columns, split."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.generators.diffusion.hydrogens import hydrogen_table
from molaug.generators.learned.atom_types import AtomTypes

#: SMILES orders that are kept of a molecule at most, each from another root.
N_ORDERS = 8

#: Coordinates are kept as multiples of this, in Å.
GRID = 0.0005

#: Version of the compact files.
VERSION = 1

#: Suffix of the compact files.
SUFFIX = ".geometries.npz"

#: Atoms of a molecule at most, so that their numbers fit into a byte.
MOST_ATOMS = 255


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometries:
    """Molecules with all their atoms in space, one behind the other.

    The heavy atoms of a molecule stand first, its hydrogens behind, those of one atom side by side. Several
    geometries of one molecule are several rows.

    Parameters
    ----------
    smiles
        Canonical, without stereo.
    parts
        Shape (n,): ``train``, ``validation`` or ``test``, by the hash of the SMILES.
    sizes
        Atoms of each row, shape (n,).
    heavy
        Heavy atoms of each row, shape (n,).
    atoms
        Type of each atom, shape (n_atoms,) over all rows.
    coordinates
        Multiples of :data:`GRID` about the centroid of the row, shape (n_atoms, 3).
    parents
        Of a hydrogen the heavy atom that it is bonded to, of a heavy atom itself; numbers within the row, shape
        (n_atoms,).
    bonds
        Atoms i < j within the row and order of each bond, shape (n_bonds, 3).
    bond_counts
        Bonds of each row, shape (n,).
    orders
        Orders in which SMILES from various roots write the heavy atoms, shape (n_heavy_atoms, N_ORDERS).
    types
        Atom types; their valences count hydrogens.
    columns
        Scalar columns by name, each of shape (n,), NaN where unknown.
    rejected
        Reasons for which rows of the source were left out, counted.
    """

    smiles: tuple[str, ...]
    parts: NDArray[Any]
    sizes: NDArray[np.uint8]
    heavy: NDArray[np.uint8]
    atoms: NDArray[np.uint8]
    coordinates: NDArray[np.int16]
    parents: NDArray[np.uint8]
    bonds: NDArray[np.uint8]
    bond_counts: NDArray[np.uint16]
    orders: NDArray[np.uint8]
    types: AtomTypes
    columns: dict[str, NDArray[np.float64]]
    rejected: dict[str, int]

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def n_max(self) -> int:
        """Atoms of the largest molecule."""
        return int(self.sizes.max())

    @cached_property
    def atom_starts(self) -> NDArray[np.int64]:
        """Where the atoms of each row begin, and the end, shape (n + 1,)."""
        return _starts(self.sizes)

    @cached_property
    def bond_starts(self) -> NDArray[np.int64]:
        """Where the bonds of each row begin, and the end, shape (n + 1,)."""
        return _starts(self.bond_counts)

    @cached_property
    def heavy_starts(self) -> NDArray[np.int64]:
        """Where the heavy atoms of each row begin, and the end, shape (n + 1,)."""
        return _starts(self.heavy)

    @cached_property
    def hydrogens(self) -> NDArray[np.int64]:
        """Hydrogens that an atom bears by type and sum of the orders of its bonds to heavy atoms."""
        kinds, orders, borne = self._valences
        return hydrogen_table(kinds, orders, borne, len(self.types))

    @cached_property
    def implied(self) -> NDArray[np.bool_]:
        """Rows all of whose hydrogens are those that :attr:`hydrogens` says, shape (n,)."""
        kinds, orders, borne = self._valences
        odd = self.hydrogens[kinds, orders] != borne
        found: NDArray[np.bool_] = (
            np.bincount(np.repeat(np.arange(len(self)), self.heavy)[odd], minlength=len(self)) == 0
        )
        return found

    @cached_property
    def _valences(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Of every heavy atom type, sum of bond orders to heavy atoms, and hydrogens."""
        row = np.repeat(np.arange(len(self)), self.bond_counts)
        first, heavy = self.atom_starts[row], self.heavy[row]
        i, j, order = self.bonds.astype(np.intp).T
        n, light = len(self.atoms), j >= heavy  # hydrogens stand behind
        borne = np.bincount((first + i)[light], minlength=n)
        orders = np.bincount((first + i)[~light], order[~light], minlength=n)
        orders += np.bincount((first + j)[~light], order[~light], minlength=n)
        place = np.arange(n) - np.repeat(self.atom_starts[:-1], self.sizes)
        which = place < np.repeat(self.heavy, self.sizes)
        return self.atoms[which].astype(np.intp), orders[which].astype(np.intp), borne[which].astype(np.intp)

    def part(self, name: str) -> NDArray[np.intp]:
        """Return the rows of one part.

        Parameters
        ----------
        name
            ``train``, ``validation`` or ``test``.

        Returns
        -------
        NDArray[np.intp]
            Their numbers.
        """
        return np.flatnonzero(self.parts == name)

    @classmethod
    def read(
        cls,
        source: Any,
        *,
        columns: Sequence[str] = (),
        max_atoms: int | None = None,
        cache: str | Path | None = None,
        seed: int = 0,
        workers: int = 1,
    ) -> Geometries:
        """Read structures with geometries and prepare them.

        Parameters
        ----------
        source
            A dataset by name or path, ``molaug.Structures``, ``ase.Atoms``, a list of several of these; or one compact
            file that :meth:`save` wrote.
        columns
            Scalar columns to keep; a source may lack them.
        max_atoms
            Leave out molecules of more atoms; the largest molecule sets the size otherwise.
        cache
            Folder in which what was prepared is kept, to be found again by what the sources hold.
        seed
            Of the roots of the orders, where a molecule has more atoms than orders are kept.
        workers
            Processes; their number changes nothing but the time. With more than one, a script must guard its entry by
            ``if __name__ == "__main__"``.

        Returns
        -------
        Geometries
            Those whose bonds are known.

        Raises
        ------
        ValueError
            If no row could be prepared, a column is in none of the sources or without a value, or a number is out of
            its range.

        Examples
        --------
        >>> from molaug.structures import Structures
        >>> water = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]])
        >>> geometries = Geometries.read(water)
        >>> geometries.types.names, geometries.bonds.tolist()
        (('H', 'O'), [[0, 1, 1], [0, 2, 1]])
        """
        if isinstance(source, list | tuple) and len(source) == 1:
            source = source[0]
        if isinstance(source, str | Path) and str(source).endswith(SUFFIX):
            return cls._restricted(cls.load(Path(source)), columns, max_atoms)
        from molaug.generators.diffusion.preparing import prepare  # RDKit, which compact files do without

        return prepare(source, columns=columns, max_atoms=max_atoms, cache=cache, seed=seed, workers=workers)

    def take(self, rows: NDArray[np.intp]) -> Geometries:
        """Return some of the rows.

        Parameters
        ----------
        rows
            Which.

        Returns
        -------
        Geometries
            In the order of ``rows``, with the same types.
        """
        atoms, bonds, heavy = (
            spans(starts, rows) for starts in (self.atom_starts, self.bond_starts, self.heavy_starts)
        )
        return Geometries(
            smiles=tuple(self.smiles[k] for k in rows.tolist()),
            parts=self.parts[rows],
            sizes=self.sizes[rows],
            heavy=self.heavy[rows],
            atoms=self.atoms[atoms],
            coordinates=self.coordinates[atoms],
            parents=self.parents[atoms],
            bonds=self.bonds[bonds],
            bond_counts=self.bond_counts[rows],
            orders=self.orders[heavy],
            types=self.types,
            columns={name: column[rows] for name, column in self.columns.items()},
            rejected=self.rejected,
        )

    @classmethod
    def _restricted(cls, whole: Geometries, columns: Sequence[str], max_atoms: int | None) -> Geometries:
        for name in columns:
            if name not in whole.columns:
                known = ", ".join(whole.columns) or "no columns"
                raise ValueError(f"the compact file has no column {name!r}; it has {known}: prepare it with the column")
        rows = np.flatnonzero(whole.sizes <= (max_atoms or MOST_ATOMS))
        if not len(rows):
            raise ValueError(f"the compact file has no molecule of at most {max_atoms} atoms")
        chosen = whole if len(rows) == len(whole) else whole.take(rows)
        about = {**vars(chosen), "columns": {name: chosen.columns[name] for name in columns}}
        return cls(**{name: about[name] for name in cls.__dataclass_fields__})

    def save(self, path: Path) -> None:
        """Write the compact file, from which training needs neither RDKit nor the dataset.

        Parameters
        ----------
        path
            Its folder is made; the name ends in ``.geometries.npz``.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        """
        if not path.name.endswith(SUFFIX):
            raise ValueError(f"{path}: expected a name that ends in {SUFFIX}")
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name.removesuffix(SUFFIX)}.{os.getpid()}.npz")
        about = {
            "version": VERSION,
            "types": asdict(self.types),
            "columns": list(self.columns),
            "rejected": self.rejected,
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays["coordinates"] = _differences(self.coordinates)
        np.savez_compressed(
            unfinished,
            about=np.array(json.dumps(about)),
            smiles=np.frombuffer("\n".join(self.smiles).encode(), dtype=np.uint8),
            columns=np.array([*self.columns.values()], dtype=np.float64).reshape(len(self.columns), len(self)),
            **arrays,
        )
        unfinished.replace(path)  # several processes may write the same file

    @classmethod
    def load(cls, path: Path) -> Geometries:
        """Read a compact file.

        Parameters
        ----------
        path
            Written by :meth:`save`.

        Returns
        -------
        Geometries
            The same.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is of another kind or version.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}; expected a compact file, see `molaug fit diffusion --help`")
        with np.load(path) as data:
            about = json.loads(str(data["about"])) if "about" in data else {}
            if about.get("version") != VERSION or "parents" not in data:
                raise ValueError(f"{path} is no compact file of version {VERSION}; prepare it anew")
            arrays = {name: data[name] for name in _ARRAYS}
            arrays["coordinates"] = np.cumsum(arrays["coordinates"], axis=0, dtype=np.int16)
            return cls(
                smiles=tuple(data["smiles"].tobytes().decode().split("\n")),
                types=AtomTypes(**{key: tuple(value) for key, value in about["types"].items()}),
                columns=dict(zip(about["columns"], data["columns"], strict=True)),
                rejected=about["rejected"],
                **arrays,
            )


#: Fields that are kept as they are, but for the coordinates.
_ARRAYS = ("parts", "sizes", "heavy", "atoms", "coordinates", "parents", "bonds", "bond_counts", "orders")


def _differences(coordinates: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return each row less the one before, which compresses better; sums wrap around and so come back exactly."""
    with np.errstate(over="ignore"):
        return np.diff(coordinates, axis=0, prepend=np.zeros((1, 3), dtype=np.int16))


def spans(starts: NDArray[np.int64], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the places of all that belongs to some rows.

    Parameters
    ----------
    starts
        Where each row begins, and the end, shape (n + 1,).
    rows
        Which.

    Returns
    -------
    NDArray[np.intp]
        Those of the first row, then those of the second, and so on.

    Examples
    --------
    >>> spans(np.array([0, 2, 5, 6]), np.array([1, 0])).tolist()
    [2, 3, 4, 0, 1]
    """
    begin, counts = starts[rows], starts[rows + 1] - starts[rows]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    places: NDArray[np.intp] = np.arange(total) + np.repeat(begin - (ends - counts), counts)
    return places


def _starts(counts: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

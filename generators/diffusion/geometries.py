"""What the 3D generator learns from: geometries with their bonds as compact arrays, SMILES orders, columns, split."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.graph.kekule import AtomTypes, kekule_graph, smiles_orders
from molaug.generators.graph.sources import sources_of
from molaug.generators.learned.processes import Mapping, mapping
from molaug.structures import Structures
from molaug.structures.chemistry import flat_smiles, lay_graph, perceive
from molaug.structures.datasets import open_dataset
from molaug.structures.hashing import stream
from molaug.structures.split import parts_of_keys, split_keys

#: SMILES orders that are kept of a molecule at most, each from another root.
N_ORDERS = 8

#: Coordinates are kept as multiples of this, in Å.
GRID = 0.0005

#: Version of the compact files.
VERSION = 1

#: Suffix of the compact files.
SUFFIX = ".geometries.npz"

#: Atoms of a molecule at most, so that their numbers fit into a byte.
_MOST_ATOMS = 255

_FAR = GRID * np.iinfo(np.int16).max

_Row = tuple[str | None, bytes, bytes, int, int]


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
    parts: NDArray[np.str_]
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
        >>> water = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]])
        >>> geometries = Geometries.read(water)
        >>> geometries.types.names, geometries.bonds.tolist()
        (('H', 'O'), [[0, 1, 1], [0, 2, 1]])
        """
        if workers < 1 or (max_atoms is not None and max_atoms < 1):
            raise ValueError(f"workers={workers}, max_atoms={max_atoms}; expected at least 1")
        sources = sources_of(source)
        if len(sources) == 1 and isinstance(sources[0], str | Path) and str(sources[0]).endswith(SUFFIX):
            return cls._restricted(cls.load(Path(sources[0])), columns, max_atoms)
        rows, values, rejected = _read(sources, tuple(columns))
        kept = None
        if cache is not None:
            kept = Path(cache) / f"prepared-{_fingerprint(rows, values, columns, max_atoms, seed)}{SUFFIX}"
            if kept.exists():
                return cls.load(kept)
        with mapping(workers) as mapped:
            geometries = cls._prepare(rows, values, tuple(columns), max_atoms, seed, rejected, mapped)
        if kept is not None:
            geometries.save(kept)
        return geometries

    @classmethod
    def _prepare(
        cls,
        rows: Sequence[_Row],
        values: NDArray[np.float64],
        columns: tuple[str, ...],
        max_atoms: int | None,
        seed: int,
        rejected: Counter[str],
        mapped: Mapping,
    ) -> Geometries:
        limit = min(max_atoms or _MOST_ATOMS, _MOST_ATOMS)
        found = list(mapped(partial(_prepared, seed=seed, max_atoms=limit), rows))
        rejected.update(item for item in found if isinstance(item, str))
        kept = [item for item in found if not isinstance(item, str)]
        if not kept:
            raise ValueError(f"no geometries to learn from; left out: {dict(rejected) or 'none'}")
        values = values[[not isinstance(item, str) for item in found]]
        for name, column in zip(columns, values.T, strict=True):
            if not np.isfinite(column).any():
                raise ValueError(f"column {name!r} has no value for any molecule; leave it out")
        smiles = tuple(item.smiles for item in kept)
        types, atoms = _types(kept)
        return cls(
            smiles=smiles,
            parts=parts_of_keys(split_keys(smiles, canonical=True)),
            sizes=np.array([len(item.numbers) for item in kept], dtype=np.uint8),
            heavy=np.array([len(item.orders) for item in kept], dtype=np.uint8),
            atoms=atoms,
            coordinates=np.concatenate([item.coordinates for item in kept]),
            parents=np.concatenate([item.parents for item in kept]),
            bonds=np.concatenate([item.bonds for item in kept]),
            bond_counts=np.array([len(item.bonds) for item in kept], dtype=np.uint16),
            orders=np.concatenate([item.orders for item in kept]),
            types=types,
            columns=dict(zip(columns, values.T.copy(), strict=True)),
            rejected=dict(rejected),
        )

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
        rows = np.flatnonzero(whole.sizes <= (max_atoms or _MOST_ATOMS))
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
    return np.arange(total) + np.repeat(begin - (ends - counts), counts)


def _starts(counts: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """One molecule, heavy atoms first."""

    smiles: str
    numbers: NDArray[np.uint8]  # (n_atoms,)
    charges: NDArray[np.int8]  # (n_atoms,)
    coordinates: NDArray[np.int16]  # (n_atoms, 3)
    parents: NDArray[np.uint8]  # (n_atoms,)
    bonds: NDArray[np.uint8]  # (n_bonds, 3)
    orders: NDArray[np.uint8]  # (n_heavy, N_ORDERS)


def _read(sources: Sequence[Any], columns: tuple[str, ...]) -> tuple[list[_Row], NDArray[np.float64], Counter[str]]:
    """Return rows with geometries, their values and what was left out."""
    rows: list[_Row] = []
    tables: list[NDArray[np.float64]] = []
    rejected: Counter[str] = Counter()
    known: set[str] = set()
    for source in sources:
        for batch in open_dataset(source).batches():
            rejected["the row is rejected in its source"] += int((~batch.alive).sum())
            rejected["no geometry"] += int((batch.alive & ~batch.has_geometry).sum())
            usable = batch.filter(batch.alive & batch.has_geometry)
            rows.extend(_rows(usable))
            here = {name for name in columns if name in ("energy", *usable.extra_columns)}
            known |= here
            missing = np.full(len(usable), np.nan)
            tables.append(np.array([usable.array(name) if name in here else missing for name in columns]).T)
    for name in columns:
        if rows and name not in known:
            raise ValueError(f"no source has a column {name!r} of numbers; leave it out, or name another")
    values = (
        np.concatenate([table.reshape(-1, len(columns)) for table in tables]) if columns else np.empty((len(rows), 0))
    )
    return rows, values, Counter({reason: count for reason, count in rejected.items() if count})


def _rows(structures: Structures) -> Iterator[_Row]:
    for s in structures:
        if s.positions is not None:
            yield s.smiles, s.numbers.tobytes(), s.positions.tobytes(), s.charge, s.multiplicity


def _prepared(rows: list[_Row], *, seed: int, max_atoms: int) -> list[_Prepared | str]:
    with BlockLogs():
        return [_prepare_one(row, seed, max_atoms) for row in rows]


def _prepare_one(row: _Row, seed: int, max_atoms: int) -> _Prepared | str:
    smiles, z, x, charge, multiplicity = row
    numbers, positions = np.frombuffer(z, dtype=np.uint8), np.frombuffer(x).reshape(-1, 3)
    if len(numbers) > max_atoms:
        return f"more than {max_atoms} atoms"
    found = (
        perceive(numbers, positions, charge, multiplicity) if smiles is None else lay_graph(smiles, numbers, positions)
    )
    if found.mol is None or found.smiles is None:
        return "geometry and graph disagree" if smiles is not None else "no bonds could be perceived"
    mol, flat = Chem.Mol(found.mol), flat_smiles(found.smiles)
    Chem.RemoveStereochemistry(mol)  # hydrogens that carry stereo could not be taken off
    graph = kekule_graph(mol)
    if isinstance(graph, str):
        return graph
    is_heavy = numbers > 1
    heavy = np.flatnonzero(is_heavy)  # the atoms of the graph, in its order
    place = np.cumsum(is_heavy) - 1  # (n_atoms,)
    begin, end = np.array([[b.GetBeginAtomIdx(), b.GetEndAtomIdx()] for b in mol.GetBonds()]).reshape(-1, 2).T
    parents_of = np.full(len(numbers), -1)
    for a, b in ((begin, end), (end, begin)):
        light = ~is_heavy[a] & is_heavy[b]
        parents_of[a[light]] = place[b[light]]
    light = np.flatnonzero(~is_heavy)
    if (parents_of[light] < 0).any() or len(begin) != len(graph.bonds) + len(light):
        return "a hydrogen that is not bonded to exactly one heavy atom"
    light = light[np.argsort(parents_of[light], kind="stable")]
    atoms = np.concatenate([heavy, light])
    parents = np.concatenate([np.arange(len(heavy)), parents_of[light]])
    centred = positions[atoms] - positions.mean(0)
    if np.abs(centred).max(initial=0.0) > _FAR:
        return f"more than {_FAR:.1f} Å from its middle"
    hydrogens = np.stack([parents_of[light], len(heavy) + np.arange(len(light)), np.ones(len(light), dtype=int)], 1)
    among = np.array([(min(i, j), max(i, j), order) for i, j, order in graph.bonds], dtype=int).reshape(-1, 3)
    bare = Chem.RemoveHs(mol)
    if bare.GetNumAtoms() != len(heavy):
        return "a hydrogen that cannot be implied"
    roots = np.arange(len(heavy))
    if len(heavy) > N_ORDERS:
        roots = np.sort(stream(seed, "molaug.diffusion", "roots", flat).permutation(len(heavy))[:N_ORDERS])
    orders = smiles_orders(bare, len(heavy), roots=roots.tolist())  # (n_roots, n_heavy)
    return _Prepared(
        smiles=flat,
        numbers=numbers[atoms],
        charges=np.concatenate([graph.charges, np.zeros(len(light), dtype=int)]).astype(np.int8),
        coordinates=np.rint(centred / GRID).astype(np.int16),
        parents=parents.astype(np.uint8),
        bonds=np.concatenate([among, hydrogens]).astype(np.uint8),
        # small molecules repeat theirs
        orders=orders[np.arange(N_ORDERS) % len(orders)].T,
    )


def _types(molecules: Sequence[_Prepared]) -> tuple[AtomTypes, NDArray[np.uint8]]:
    """Collect the atom types with the highest sum of bond orders that each shows, and the type of every atom."""
    numbers = np.concatenate([m.numbers for m in molecules]).astype(int)
    charges = np.concatenate([m.charges for m in molecules]).astype(int)
    keys, which = np.unique(np.stack([numbers, charges], 1), axis=0, return_inverse=True)
    highest = np.zeros(len(keys), dtype=np.intp)
    np.maximum.at(highest, which.ravel(), np.concatenate([_valences(m) for m in molecules]))
    types = AtomTypes(
        numbers=tuple(keys[:, 0].tolist()), charges=tuple(keys[:, 1].tolist()), valences=tuple(highest.tolist())
    )
    return types, which.ravel().astype(np.uint8)


def _valences(molecule: _Prepared) -> NDArray[np.intp]:
    i, j, order = molecule.bonds.astype(np.intp).T
    n = len(molecule.numbers)
    return (np.bincount(i, order, minlength=n) + np.bincount(j, order, minlength=n)).astype(np.intp)


def _fingerprint(
    rows: Sequence[_Row], values: NDArray[np.float64], columns: Sequence[str], max_atoms: int | None, seed: int
) -> str:
    digest = blake2b(json.dumps([VERSION, N_ORDERS, list(columns), max_atoms, seed]).encode(), digest_size=8)
    for smiles, z, x, charge, multiplicity in rows:
        digest.update(f"{smiles} {charge} {multiplicity} {len(z)} ".encode() + z + x)
    digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return digest.hexdigest()

"""What the graph generator learns from: distinct molecules as arrays, their SMILES orders, scalar columns and split."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.graph.kekule import KekuleGraphs, kekule_graph, smiles_orders
from molaug.generators.graph.sources import Rows, read_rows
from molaug.generators.learned.atom_types import AtomTypes
from molaug.generators.learned.processes import Mapping, mapping
from molaug.structures.chemistry import canonical, parse
from molaug.structures.hashing import stream
from molaug.structures.split import parts_of_keys, split_keys

#: SMILES orders that are kept of a molecule at most, each from another root.
N_ORDERS = 9

#: Version of the prepared files.
VERSION = 2

#: Atoms of a molecule at most, so that their numbers fit into a byte.
_MOST_ATOMS = 255

#: A SMILES is read and written at most this often before it counts as canonical.
_ROUNDS = 4

_UNREADABLE = "RDKit cannot read the SMILES"


@dataclass(frozen=True, kw_only=True, eq=False)
class Molecules:
    """Distinct molecules, ready for training.

    Parameters
    ----------
    smiles
        Canonical, without stereo, in the order of the source.
    parts
        Shape (n,): ``train``, ``validation`` or ``test``, by the hash of the SMILES.
    graphs
        The molecules as arrays.
    orders
        Shape (n, :data:`N_ORDERS`, n_max), the orders in which SMILES from various roots write the atoms.
    types
        Atom types of all of them.
    columns
        Scalar columns by name, each of shape (n,), NaN where unknown; the mean over rows of one molecule.
    rejected
        Reasons for which molecules of the source were left out, counted.
    """

    smiles: tuple[str, ...]
    parts: NDArray[np.str_]
    graphs: KekuleGraphs
    orders: NDArray[np.uint8]
    types: AtomTypes
    columns: dict[str, NDArray[np.float64]]
    rejected: dict[str, int]

    def __len__(self) -> int:
        return len(self.smiles)

    @classmethod
    def read(
        cls,
        source: Any,
        *,
        columns: Sequence[str] = (),
        max_heavy: int | None = None,
        cache: str | Path | None = None,
        seed: int = 0,
        workers: int = 1,
    ) -> Molecules:
        """Read molecules and prepare them.

        Parameters
        ----------
        source
            A list of SMILES (``.smi``, ``.csv`` with a column ``smiles``, compressed or not), a dataset by name or
            path, ``molaug.Structures``, torch-geometric data with an attribute ``smiles``, or a list of several of
            these.
        columns
            Scalar columns to keep; a source may lack them.
        max_heavy
            Leave out molecules of more heavy atoms; the largest molecule sets the size otherwise.
        cache
            Folder in which what was prepared is kept, to be found again by what the sources say.
        seed
            Of the roots of the orders, where a molecule has more atoms than orders are kept.
        workers
            Processes; their number changes nothing but the time. With more than one, a script must guard its entry by
            ``if __name__ == "__main__"``.

        Returns
        -------
        Molecules
            Those that could be read, each once.

        Raises
        ------
        ValueError
            If no molecule could be read, a column is in none of the sources or without a value, or a number is out
            of its range.

        Examples
        --------
        >>> from types import SimpleNamespace as Data
        >>> molecules = Molecules.read([Data(smiles=s) for s in ("OCC", "CCO", "c1ccccc1", "C[O]")])
        >>> molecules.smiles, molecules.rejected
        (('CCO', 'c1ccccc1'), {'the molecule occurred before': 1, 'atom O has an unpaired electron': 1})
        """
        if workers < 1 or (max_heavy is not None and max_heavy < 1):
            raise ValueError(f"workers={workers}, max_heavy={max_heavy}; expected at least 1")
        rows = read_rows(source, columns)
        kept = None if cache is None else Path(cache) / f"molecules-{_fingerprint(rows, columns, max_heavy, seed)}.npz"
        if kept is not None and kept.exists():
            return cls.load(kept)
        with mapping(workers) as mapped:
            molecules = cls._prepare(rows, tuple(columns), min(max_heavy or _MOST_ATOMS, _MOST_ATOMS), seed, mapped)
        if kept is not None:
            molecules.save(kept)
        return molecules

    @classmethod
    def _prepare(cls, rows: Rows, columns: tuple[str, ...], max_heavy: int, seed: int, mapped: Mapping) -> Molecules:
        rejected: Counter[str] = Counter()
        texts = list(dict.fromkeys(text for text in rows.smiles if text is not None))
        named = dict(zip(texts, mapped(_names, texts), strict=True))
        names = [None if text is None else named[text] for text in rows.smiles]
        distinct = list(dict.fromkeys(name for name in names if name is not None))
        graphs = list(mapped(partial(_prepared, seed=seed, max_heavy=max_heavy), distinct))
        reasons = {name: graph for name, graph in zip(distinct, graphs, strict=True) if isinstance(graph, str)}
        seen: set[str] = set()
        for text, name in zip(rows.smiles, names, strict=True):
            if name is None:
                rejected["no SMILES" if text is None else _UNREADABLE] += 1
            elif name in reasons:
                rejected[reasons[name]] += 1
            elif name in seen:
                rejected["the molecule occurred before"] += 1
            else:
                seen.add(name)
        drawn = [graph for graph in graphs if not isinstance(graph, str)]
        smiles = tuple(name for name in distinct if name not in reasons)
        if not smiles:
            raise ValueError(f"no molecules to learn from; left out: {dict(rejected) or 'none'}; expected SMILES")
        means = _means(rows.values, names, smiles)  # (n, n_columns)
        for name, column in zip(columns, means.T, strict=True):
            if not np.isfinite(column).any():
                raise ValueError(f"column {name!r} has no value for any molecule; leave it out")
        types = _types(drawn)
        encoded, orders = _encoded(drawn, types)
        return cls(
            smiles=smiles,
            parts=parts_of_keys(split_keys(smiles, canonical=True)),
            graphs=encoded,
            orders=orders,
            types=types,
            columns=dict(zip(columns, means.T, strict=True)),
            rejected=dict(rejected),
        )

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

    def save(self, path: Path) -> None:
        """Keep what was prepared.

        Parameters
        ----------
        path
            An ``npz`` file; its folder is made.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.stem}.{os.getpid()}.npz")  # several processes may do the same
        np.savez_compressed(
            unfinished,
            smiles=np.array("\n".join(self.smiles)),
            parts=self.parts,
            atoms=self.graphs.atoms,
            bonds=self.graphs.bonds,
            sizes=self.graphs.sizes,
            orders=self.orders,
            columns=np.array(list(self.columns.values())),
            about=np.array(
                json.dumps({"types": asdict(self.types), "columns": list(self.columns), "rejected": self.rejected})
            ),
        )
        unfinished.rename(path)

    @classmethod
    def load(cls, path: Path) -> Molecules:
        """Read what was kept.

        Parameters
        ----------
        path
            Written by :meth:`save`.

        Returns
        -------
        Molecules
            The same.
        """
        with np.load(path) as data:
            about = json.loads(str(data["about"]))
            return cls(
                smiles=tuple(str(data["smiles"]).split("\n")),
                parts=data["parts"],
                graphs=KekuleGraphs(atoms=data["atoms"], bonds=data["bonds"], sizes=data["sizes"]),
                orders=data["orders"],
                types=AtomTypes(**{key: tuple(value) for key, value in about["types"].items()}),
                columns=dict(zip(about["columns"], data["columns"], strict=True)),
                rejected=about["rejected"],
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """One molecule: arrays of its atoms, bonds (i, j, order) and orders."""

    numbers: NDArray[np.uint8]  # (n_atoms,)
    charges: NDArray[np.int8]  # (n_atoms,)
    bonds: NDArray[np.uint8]  # (n_bonds, 3)
    orders: NDArray[np.uint8]  # (N_ORDERS, n_atoms)


def _names(texts: list[str]) -> list[str | None]:
    """Return the canonical SMILES without stereo of each text, as :func:`molaug.structures.chemistry.canonical`."""
    with BlockLogs():
        return [_name(text) for text in texts]


def _name(text: str) -> str | None:
    mol = parse(text)
    if mol is None:
        return None
    if mol.GetNumHeavyAtoms() < mol.GetNumAtoms():
        try:
            return canonical(mol, isomeric=False)
        except ValueError:
            return None
    for _ in range(_ROUNDS):
        name: str = Chem.MolToSmiles(mol, isomericSmiles=False)
        if name == text:
            break
        text, mol = name, parse(name)
        if mol is None:
            return None
    return text


def _prepared(names: list[str], *, seed: int, max_heavy: int) -> list[_Prepared | str]:
    with BlockLogs():
        return [_prepare_one(name, seed, max_heavy) for name in names]


def _prepare_one(name: str, seed: int, max_heavy: int) -> _Prepared | str:
    mol = Chem.MolFromSmiles(name)
    n = mol.GetNumHeavyAtoms()
    if n < mol.GetNumAtoms():
        return "a hydrogen that cannot be implied"
    if n > max_heavy:
        return f"more than {max_heavy} heavy atoms"
    graph = kekule_graph(mol)
    if isinstance(graph, str):
        return graph
    roots = np.arange(n)
    if n > N_ORDERS:
        roots = np.sort(stream(seed, "molaug.graph", "roots", name).permutation(n)[:N_ORDERS])
    orders = smiles_orders(mol, n, roots=roots.tolist())
    return _Prepared(
        numbers=np.array(graph.numbers, dtype=np.uint8),
        charges=np.array(graph.charges, dtype=np.int8),
        bonds=np.array(graph.bonds, dtype=np.uint8).reshape(-1, 3),
        # small molecules repeat theirs: every order is then nearly as frequent as every other
        orders=orders[np.arange(N_ORDERS) % len(orders)],
    )


def _means(values: NDArray[np.float64], names: Sequence[str | None], smiles: Sequence[str]) -> NDArray[np.float64]:
    """Average the rows of each molecule that have a value, shape (n, n_columns)."""
    places = {name: k for k, name in enumerate(smiles)}
    rows = np.array([-1 if name is None else places.get(name, -1) for name in names], dtype=np.intp)
    means = np.full((len(smiles), values.shape[1]), np.nan)
    for k, column in enumerate(values.T):
        known = (rows >= 0) & np.isfinite(column)
        counts = np.bincount(rows[known], minlength=len(smiles))
        sums = np.bincount(rows[known], weights=column[known], minlength=len(smiles))
        means[:, k] = np.divide(sums, counts, out=means[:, k].copy(), where=counts > 0)
    return means


def _types(molecules: Sequence[_Prepared]) -> AtomTypes:
    """Collect atom types with the highest sum of bond orders that each shows, as :meth:`AtomTypes.of`."""
    numbers = np.concatenate([molecule.numbers for molecule in molecules]).astype(int)
    charges = np.concatenate([molecule.charges for molecule in molecules]).astype(int)
    sums = np.concatenate([_valences(molecule) for molecule in molecules])
    keys, which = np.unique(np.stack([numbers, charges], 1), axis=0, return_inverse=True)
    highest = np.zeros(len(keys), dtype=np.intp)
    np.maximum.at(highest, which.ravel(), sums)
    return AtomTypes(
        numbers=tuple(keys[:, 0].tolist()), charges=tuple(keys[:, 1].tolist()), valences=tuple(highest.tolist())
    )


def _valences(molecule: _Prepared) -> NDArray[np.intp]:
    i, j, order = molecule.bonds.astype(np.intp).T
    n = len(molecule.numbers)
    sums: NDArray[np.intp] = (np.bincount(i, order, minlength=n) + np.bincount(j, order, minlength=n)).astype(np.intp)
    return sums


def _encoded(molecules: Sequence[_Prepared], types: AtomTypes) -> tuple[KekuleGraphs, NDArray[np.uint8]]:
    n, n_max = len(molecules), max(len(molecule.numbers) for molecule in molecules)
    atoms, bonds = np.zeros((n, n_max), dtype=np.uint8), np.zeros((n, n_max, n_max), dtype=np.uint8)
    orders = np.tile(np.arange(n_max, dtype=np.uint8), (n, N_ORDERS, 1))  # (n, N_ORDERS, n_max)
    places = {key: k for k, key in enumerate(zip(types.numbers, types.charges, strict=True))}
    for k, molecule in enumerate(molecules):
        size = len(molecule.numbers)
        keys = zip(molecule.numbers.tolist(), molecule.charges.tolist(), strict=True)
        atoms[k, :size] = [places[key] for key in keys]
        i, j, order = molecule.bonds.T
        bonds[k, i, j] = bonds[k, j, i] = order
        orders[k, :, :size] = molecule.orders
    sizes = np.array([len(molecule.numbers) for molecule in molecules], dtype=np.uint8)
    return KekuleGraphs(atoms=atoms, bonds=bonds, sizes=sizes), orders


def _fingerprint(rows: Rows, columns: Sequence[str], max_heavy: int | None, seed: int) -> str:
    about = [VERSION, N_ORDERS, list(columns), max_heavy, seed, rows.smiles]
    digest = blake2b(json.dumps(about).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(rows.values, dtype="<f8").tobytes())
    return digest.hexdigest()

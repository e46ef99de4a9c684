"""What the graph generator learns from: distinct molecules as arrays, their SMILES orders, scalar columns and split."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molaug.generators.graph.kekule import AtomTypes, KekuleGraphs, encode, smiles_orders
from molaug.structures import Structures
from molaug.structures.chemistry import canonical
from molaug.structures.chemistry.identity import parse
from molaug.structures.datasets import open_dataset
from molaug.structures.hashing import stream
from molaug.structures.split import split_of

#: SMILES orders that are kept of a molecule at most, each from another root.
N_ORDERS = 9

#: Version of the prepared files.
VERSION = 1

_TEXTS = {".smi", ".smiles", ".can", ".txt", ".csv"}


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
    ) -> Molecules:
        """Read molecules and prepare them.

        Parameters
        ----------
        source
            A list of SMILES (``.smi``, ``.csv`` with a column ``smiles``, compressed or not), a dataset by name or
            path, ``molaug.Structures``, torch-geometric data with an attribute ``smiles``, or several of these.
        columns
            Scalar columns to keep; a source may lack them.
        max_heavy
            Leave out molecules of more heavy atoms; the largest molecule sets the size otherwise.
        cache
            Folder in which what was prepared from files is kept, to be found again by their content.
        seed
            Of the roots of the orders, where a molecule has more atoms than orders are kept.

        Returns
        -------
        Molecules
            Those that could be read, each once.

        Raises
        ------
        ValueError
            If no molecule could be read, or a column is in none of the sources.
        """
        sources = list(source) if isinstance(source, list | tuple) and _are_sources(source) else [source]
        kept = None
        if cache is not None and all(isinstance(item, str | Path) and Path(item).is_file() for item in sources):
            kept = Path(cache) / f"molecules-{_fingerprint(sources, columns, max_heavy, seed)}.npz"
            if kept.exists():
                return cls._load(kept)
        molecules = cls._prepare(_rows(sources, tuple(columns)), tuple(columns), max_heavy, seed)
        if kept is not None:
            molecules._save(kept)
        return molecules

    @classmethod
    def _prepare(
        cls, rows: Iterable[tuple[str, tuple[float, ...]]], columns: tuple[str, ...], max_heavy: int | None, seed: int
    ) -> Molecules:
        rejected: Counter[str] = Counter()
        mols: dict[str, Chem.Mol] = {}
        values: dict[str, list[tuple[float, ...]]] = {}
        for text, found in rows:
            mol = parse(text)
            if mol is None:
                rejected["RDKit cannot read the SMILES"] += 1
                continue
            name = canonical(mol, isomeric=False)
            if name in mols:
                rejected["the molecule occurred before"] += 1
            elif (again := parse(name)) is None:
                rejected["RDKit cannot read the SMILES"] += 1
                continue
            elif max_heavy is not None and again.GetNumHeavyAtoms() > max_heavy:
                rejected[f"more than {max_heavy} heavy atoms"] += 1
                continue
            else:
                mols[name] = again
            if columns:
                values.setdefault(name, []).append(found)
        if not mols:
            raise ValueError(f"no molecules to learn from; rejected: {dict(rejected)}; expected SMILES")
        n_max = max(mol.GetNumHeavyAtoms() for mol in mols.values())
        types = AtomTypes.of(mols.values())
        graphs, reasons = encode(list(mols.values()), types, n_max)
        rejected.update(reason for reason in reasons if reason is not None)
        smiles = tuple(name for name, reason in zip(mols, reasons, strict=True) if reason is None)
        if not smiles:
            raise ValueError(f"no molecules to learn from; rejected: {dict(rejected)}; expected one fragment each")
        means = np.full((len(smiles), len(columns)), np.nan)
        for k, name in enumerate(smiles if columns else ()):
            table = np.array(values[name])  # (n_rows, n_columns)
            known = np.isfinite(table)
            means[k] = np.where(known.any(0), np.where(known, table, 0.0).sum(0) / np.maximum(known.sum(0), 1), np.nan)
        for name, column in zip(columns, means.T, strict=True):
            if not np.isfinite(column).any():
                raise ValueError(f"no source has a value in column {name!r}; expected one of its scalar columns")
        return cls(
            smiles=smiles,
            parts=split_of(smiles),
            graphs=graphs,
            orders=np.stack([_orders(mols[name], n_max, name, seed) for name in smiles]),
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

    def _save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.stem + ".partial.npz")
        np.savez_compressed(
            partial,
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
        partial.rename(path)

    @classmethod
    def _load(cls, path: Path) -> Molecules:
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


def _orders(mol: Chem.Mol, n_max: int, name: str, seed: int) -> NDArray[np.uint8]:
    orders = smiles_orders(mol, n_max)  # (n_atoms, n_max)
    if len(orders) > N_ORDERS:
        orders = orders[np.sort(stream(seed, "molaug.graph", "roots", name).permutation(len(orders))[:N_ORDERS])]
    # small molecules repeat theirs: every order is then nearly as frequent as every other
    return orders[np.arange(N_ORDERS) % len(orders)]  # (N_ORDERS, n_max)


def _are_sources(items: Sequence[Any]) -> bool:
    return not all(hasattr(item, "smiles") for item in items)


def _rows(sources: Iterable[Any], columns: tuple[str, ...]) -> Iterator[tuple[str, tuple[float, ...]]]:
    for source in sources:
        if isinstance(source, str | Path) and Path(source).is_file() and _suffix(Path(source)) in _TEXTS:
            yield from _text_rows(Path(source), columns)
        elif isinstance(source, Sequence) and not isinstance(source, str) and hasattr(next(iter(source), None), "smiles"):
            for data in source:  # torch-geometric
                yield data.smiles, tuple(float(getattr(data, name, np.nan)) for name in columns)
        else:
            for batch in open_dataset(source).batches():
                yield from _dataset_rows(batch, columns)


def _dataset_rows(batch: Structures, columns: tuple[str, ...]) -> Iterator[tuple[str, tuple[float, ...]]]:
    there = set(batch.column_names)
    values = [batch.array(name) if name in there else np.full(len(batch), np.nan) for name in columns]
    for smiles, *found in zip(batch.column("smiles"), *values, strict=True):
        if smiles:
            yield smiles, tuple(found)


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _text_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, tuple[float, ...]]]:
    with gzip.open(path, "rt") if path.name.endswith(".gz") else path.open() as handle:
        if _suffix(path) != ".csv":
            for line in handle:
                if line.strip():
                    yield line.split()[0], (np.nan,) * len(columns)
            return
        for row in csv.DictReader(handle):
            if "smiles" not in row:
                raise ValueError(f"{path} has the columns {', '.join(row)}; expected one named 'smiles'")
            if row["smiles"]:
                yield row["smiles"], tuple(float(row.get(name) or "nan") for name in columns)


def _fingerprint(sources: Sequence[str | Path], columns: Sequence[str], max_heavy: int | None, seed: int) -> str:
    digest = blake2b(json.dumps([VERSION, N_ORDERS, list(columns), max_heavy, seed]).encode(), digest_size=8)
    for source in sources:
        with Path(source).open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()

"""From datasets to the arrays that the 3D generator learns from: bonds laid over geometries, SMILES orders, types."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.diffusion.geometries import GRID, MOST_ATOMS, N_ORDERS, SUFFIX, VERSION, Geometries
from molaug.generators.graph.kekule import kekule_graph, smiles_orders
from molaug.generators.graph.sources import sources_of
from molaug.generators.learned.atom_types import AtomTypes
from molaug.generators.learned.processes import Mapping, mapping
from molaug.structures import Structures
from molaug.structures.chemistry import flat_smiles, lay_graph, perceive
from molaug.structures.datasets import open_dataset
from molaug.structures.hashing import stream
from molaug.structures.split import parts_of_keys, split_keys

_FAR = GRID * np.iinfo(np.int16).max

_Row = tuple[str | None, bytes, bytes, int, int]


def prepare(
    source: Any,
    *,
    columns: Sequence[str] = (),
    max_atoms: int | None = None,
    cache: str | Path | None = None,
    seed: int = 0,
    workers: int = 1,
) -> Geometries:
    """Read structures with geometries and prepare them; see :meth:`Geometries.read`, which also reads compact files.

    Parameters
    ----------
    source
        A dataset by name or path, ``molaug.Structures``, ``ase.Atoms``, or a list of several of these.
    columns
        Scalar columns to keep; a source may lack them.
    max_atoms
        Leave out molecules of more atoms.
    cache
        Folder in which what was prepared is kept.
    seed
        Of the roots of the orders.
    workers
        Processes.

    Returns
    -------
    Geometries
        Those whose bonds are known.

    Raises
    ------
    ValueError
        If no row could be prepared, a column is in none of the sources or without a value, or a number is out of its
        range.
    """
    if workers < 1 or (max_atoms is not None and max_atoms < 1):
        raise ValueError(f"workers={workers}, max_atoms={max_atoms}; expected at least 1")
    rows, values, rejected = _read(sources_of(source), tuple(columns))
    kept = None
    if cache is not None:
        kept = Path(cache) / f"prepared-{_fingerprint(rows, values, columns, max_atoms, seed)}{SUFFIX}"
        if kept.exists():
            return Geometries.load(kept)
    with mapping(workers) as mapped:
        geometries = _prepared_all(rows, values, tuple(columns), max_atoms, seed, rejected, mapped)
    if kept is not None:
        geometries.save(kept)
    return geometries


def _prepared_all(
    rows: Sequence[_Row],
    values: NDArray[np.float64],
    columns: tuple[str, ...],
    max_atoms: int | None,
    seed: int,
    rejected: Counter[str],
    mapped: Mapping,
) -> Geometries:
    limit = min(max_atoms or MOST_ATOMS, MOST_ATOMS)
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
    return Geometries(
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
    begin, end = (
        np.array([[b.GetBeginAtomIdx(), b.GetEndAtomIdx()] for b in mol.GetBonds()], dtype=int).reshape(-1, 2).T
    )
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

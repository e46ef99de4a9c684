"""What is compared: energies, bond lengths, angles, torsions, contacts and forces, as one array for each type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow.compute as pc
from ase.data import chemical_symbols
from numpy.typing import NDArray

from molaug.distributions.layouts import SIGNS, Layout, Layouts
from molaug.distributions.sampling import Minima, molecule_keys
from molaug.structures import Structures

#: What can be asked for, and the quantities that it stands for with their units.
QUANTITIES: Mapping[str, Mapping[str, str]] = {
    "energies": {"energy per atom": "eV", "energy above the minimum": "eV", "sampling energy": "eV"},
    "bonds": {"bond length": "Å"},
    "angles": {"bond angle": "°"},
    "torsions": {"torsion": "°"},
    "contacts": {"nearest contact": "Å"},
    "forces": {"force": "eV/Å"},
}

#: Unit of each quantity, in the order in which they are shown.
UNITS = {name: unit for group in QUANTITIES.values() for name, unit in group.items()}

#: Rows whose coordinates are held at once.
_AT_ONCE = 2048

#: Elements in the order of formulas: carbon first, hydrogen last.
_BY_RANK = sorted(chemical_symbols, key=lambda symbol: ({"C": 0, "H": 2}.get(symbol, 1), symbol))
_RANK = np.array([_BY_RANK.index(symbol) for symbol in chemical_symbols], dtype=np.int64)

#: Values by quantity and type.
Values = dict[tuple[str, str], NDArray[np.float64]]


def values(rows: Structures, minima: Minima, layouts: Layouts, kinds: Iterable[str] = tuple(QUANTITIES)) -> Values:
    """Return the values of all quantities of rows.

    Parameters
    ----------
    rows
        Any.
    minima
        Lowest energies of their molecules.
    layouts
        Where their bonds are found.
    kinds
        Of :data:`QUANTITIES`.

    Returns
    -------
    dict
        By quantity and type: the level of theory for energies and forces, atoms and bond orders for geometries;
        finite, in no particular order.

    Examples
    --------
    >>> from ase.build import molecule
    >>> water = Structures.from_ase([molecule("H2O")])
    >>> found = values(water, Minima(1), Layouts(), ["bonds", "angles"])
    >>> {name: value.round(1).tolist() for name, value in found.items()}
    {('bond length', 'O-H'): [1.0, 1.0], ('bond angle', 'H-O-H'): [104.0]}
    """
    asked = set(kinds)
    parts: defaultdict[tuple[str, str], list[NDArray[np.float64]]] = defaultdict(list)
    for batch in rows.batches(_AT_ONCE):
        for key, found in _of_batch(batch, minima, layouts, asked):
            parts[key].append(found)
    return {key: np.concatenate(found) for key, found in parts.items()}


def _of_batch(
    rows: Structures, minima: Minima, layouts: Layouts, asked: set[str]
) -> Iterator[tuple[tuple[str, str], NDArray[np.float64]]]:
    if "energies" in asked:
        yield from _energies(rows, minima)
    geometric = asked & {"bonds", "angles", "torsions", "contacts"}
    if geometric:
        yield from internal_coordinates(rows.numbers, rows.positions, rows.offsets, layouts.of(rows), geometric)
    if "forces" in asked:
        names, place = _levels(rows)
        yield from _split("force", names, np.repeat(place, rows.n_atoms), np.linalg.norm(rows.forces, axis=1))


def _energies(rows: Structures, minima: Minima) -> Iterator[tuple[tuple[str, str], NDArray[np.float64]]]:
    energy, levels = rows.array("energy"), _levels(rows)
    yield from _split("energy per atom", *levels, energy / np.maximum(rows.n_atoms, 1))
    yield from _split("energy above the minimum", *levels, minima.above(molecule_keys(rows), energy))
    if "sampling_energy" in rows.table.column_names:
        # the energy of the sampler is shown where there is none of the reference method
        sampled = np.where(np.isfinite(energy), np.nan, rows.array("sampling_energy"))
        yield from _split("sampling energy", ["above the minimum"], np.zeros(len(rows), dtype=np.intp), sampled)


def _levels(rows: Structures) -> tuple[list[str], NDArray[np.intp]]:
    """Return the levels of theory and which of them each row has: labels of different ones are not compared."""
    known = pc.fill_null(rows.table.column("level"), "unknown level").to_pylist()
    names = sorted(set(known))
    return names, np.array([names.index(name) for name in known], dtype=np.intp)


def internal_coordinates(
    z: NDArray[np.uint8],
    x: NDArray[np.float64],
    offsets: NDArray[np.int64],
    layouts: Sequence[Layout | None],
    asked: Collection[str] = ("bonds", "angles", "torsions"),
) -> Iterator[tuple[tuple[str, str], NDArray[np.float64]]]:
    """Measure geometries whose bonds are known.

    Parameters
    ----------
    z
        Atomic numbers of all molecules, one behind the other, shape (n_atoms,).
    x
        Positions in Å, shape (n_atoms, 3).
    offsets
        Atoms of molecule k are ``offsets[k]:offsets[k + 1]``, shape (n + 1,).
    layouts
        Of each molecule; None for those that are passed over.
    asked
        Some of ``bonds``, ``angles``, ``torsions`` and ``contacts``.

    Yields
    ------
    tuple
        Quantity and type with their finite values, in Å or degrees; each type of a quantity once.
    """
    placed = [(layout, int(offset)) for layout, offset in zip(layouts, offsets, strict=False) if layout is not None]
    if not placed:
        return
    if "bonds" in asked:
        atoms = np.concatenate([layout.pairs + offset for layout, offset in placed])
        signs = np.concatenate([layout.orders for layout, _ in placed])
        yield from _split("bond length", *_types(z[atoms], signs), _lengths(x, atoms))
    if "angles" in asked:
        atoms = np.concatenate([layout.angles + offset for layout, offset in placed])
        yield from _split("bond angle", *_types(z[atoms]), _angles(x, atoms))
    if "torsions" in asked:
        atoms = np.concatenate([layout.torsions + offset for layout, offset in placed])
        yield from _split("torsion", *_types(z[atoms]), _torsions(x, atoms))
    if "contacts" in asked:
        counts = np.array([len(layout.apart) for layout, _ in placed], dtype=np.intp)
        if counts.any():
            pairs = np.concatenate([layout.apart + offset for layout, offset in placed])
            distances = _lengths(x, pairs)
            starts = np.concatenate([[0], np.cumsum(counts[counts > 0])[:-1]])
            yield ("nearest contact", "1-4 and beyond"), np.minimum.reduceat(distances, starts)


def _types(z: NDArray[np.uint8], signs: NDArray[np.intp] | None = None) -> tuple[list[str], NDArray[np.intp]]:
    """Name chains of atoms, each read from the end that comes first in formulas.

    Parameters
    ----------
    z
        Atomic numbers, shape (n, atoms of a chain).
    signs
        Bond orders, shape (n,); plain hyphens by default.

    Returns
    -------
    names : list of str
        Of the types.
    place
        The type of each chain, shape (n,).
    """
    ranked = _RANK[z]  # (n, length)
    power = 128 ** np.arange(z.shape[1], dtype=np.int64)
    code = np.minimum(ranked @ power[::-1], ranked @ power)
    code = code if signs is None else code + signs * 128 ** z.shape[1]
    kinds, place = np.unique(code, return_inverse=True)
    names = []
    for kind in kinds.tolist():
        sign, chain = divmod(kind, 128 ** z.shape[1])
        symbols = [_BY_RANK[chain // int(p) % 128] for p in power[::-1]]
        names.append(("-" if signs is None else SIGNS[sign]).join(symbols))
    return names, place


def _lengths(x: NDArray[np.float64], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    d = x[pairs[:, 0]] - x[pairs[:, 1]]  # (n, 3)
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", d, d))
    return lengths


def _angles(x: NDArray[np.float64], triples: NDArray[np.intp]) -> NDArray[np.float64]:
    a, b = x[triples[:, 0]] - x[triples[:, 1]], x[triples[:, 2]] - x[triples[:, 1]]
    # atan2 keeps its digits near 0° and 180°, where the cosine loses them
    degrees: NDArray[np.float64] = np.degrees(
        np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), np.einsum("ij,ij->i", a, b))
    )
    return degrees


def _torsions(x: NDArray[np.float64], quadruples: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the sizes of torsions in [0°, 180°]: mirror images count as one."""
    a, b, c, d = (x[quadruples[:, k]] for k in range(4))
    axis = c - b
    first, second = np.cross(b - a, axis), np.cross(axis, d - c)
    sine = np.einsum("ij,ij->i", np.cross(first, second), axis) / np.maximum(np.linalg.norm(axis, axis=1), 1e-12)
    cosine = np.einsum("ij,ij->i", first, second)
    flat = (np.linalg.norm(first, axis=1) < 1e-6) | (np.linalg.norm(second, axis=1) < 1e-6)
    # three atoms in a line have no torsion
    return np.where(flat, np.nan, np.degrees(np.arctan2(np.abs(sine), cosine)))


def _split(
    quantity: str, names: Sequence[str], place: NDArray[np.intp], found: NDArray[np.float64]
) -> Iterator[tuple[tuple[str, str], NDArray[np.float64]]]:
    """Yield the finite values of each type."""
    finite = np.isfinite(found)
    order = np.argsort(place[finite], kind="stable")
    ends = np.cumsum(np.bincount(place[finite], minlength=len(names)))
    for name, part in zip(names, np.split(found[finite][order], ends[:-1]) if len(names) else [], strict=True):
        if part.size:
            yield (quantity, name), part

"""The record of molaug: a batch of structures, held as an Arrow table with a fixed schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from molaug.structures.columns import each, flat, lists
from molaug.structures.gate import CHARGES, MULTIPLICITIES, atomic_numbers, check_finite, whole
from molaug.structures.hashing import content_key
from molaug.structures.schema import SCHEMA, conform
from molaug.structures.structure import Structure

if TYPE_CHECKING:
    from ase import Atoms
    from rdkit.Chem import Mol
    from torch_geometric.data import Data


class Structures:
    """A batch of molecular structures: ragged, columnar and immutable.

    It wraps an Arrow table whose fixed columns are those of :data:`molaug.structures.schema.SCHEMA`; scores and
    further properties are additional columns. Every operation returns a new batch and shares memory.

    Parameters
    ----------
    table
        A table that holds at least ``id``, ``numbers``, ``charge`` and ``multiplicity``.

    Raises
    ------
    ValueError
        If a required column is missing, a column has a wrong type, or array lengths contradict each other.

    Examples
    --------
    >>> water = Structures.from_arrays([[8, 1, 1]], [[[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]])
    >>> water
    Structures(1 structure, 3 atoms)
    >>> water[0].positions.shape
    (3, 3)
    """

    __slots__ = ("_table",)

    def __init__(self, table: pa.Table) -> None:
        self._table = conform(table)
        n = self.n_atoms
        for name in ("positions", "forces"):
            column = self._table.column(name)
            lengths = pc.list_value_length(column).combine_chunks()
            wrong = np.asarray(pc.fill_null(pc.not_equal(lengths, pa.array(3 * n, pa.int32())), False))
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                raise ValueError(
                    f"row {row} has {n[row]} atoms but {lengths[row].as_py()} {name} components; expected {3 * n[row]}"
                )

    # ------------------------------------------------------------------ making

    @classmethod
    def from_arrays(
        cls,
        numbers: Sequence[ArrayLike],
        positions: Sequence[ArrayLike | None] | None,
        *,
        charge: ArrayLike | None = None,
        multiplicity: ArrayLike | None = None,
        smiles: Sequence[str | None] | None = None,
        origin: Sequence[str | None] | str | None = None,
        parent: Sequence[str | None] | str | None = None,
        seed: Sequence[int | None] | int | None = None,
        energy: Sequence[float | None] | NDArray[np.float64] | None = None,
        forces: Sequence[ArrayLike | None] | None = None,
        level: Sequence[str | None] | str | None = None,
        reason: Sequence[str | None] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Structures:
        """Build a batch from arrays; ids are computed.

        Parameters
        ----------
        numbers
            For each structure its atomic numbers.
        positions
            For each structure its positions in Å, shape (n_atoms, 3) or flat; None for bare graphs.
        charge
            Total charges in e, or one for all; 0 by default.
        multiplicity
            2S+1, or one for all; by default the lowest that the number of electrons allows.
        smiles
            Canonical isomeric SMILES.
        origin
            Generator or dataset, for each or for all.
        parent
            Parent ids, for each or for all.
        seed
            Random streams, for each or for all.
        energy
            In eV.
        forces
            In eV/Å, shape (n_atoms, 3) or flat.
        level
            Level of theory of the labels, for each or for all.
        reason
            Why rows are rejected.
        extra
            Further columns by name, each of one value for a structure.

        Returns
        -------
        Structures
            One row for each entry of ``numbers``.

        Raises
        ------
        ValueError
            If lengths contradict each other, or a row has what no molecule has: positions that are not finite, or
            numbers that their column cannot hold, such as a charge of 0.5 or the atomic number 300.

        Examples
        --------
        >>> Structures.from_arrays([[1, 1]], None, smiles=["[H][H]"])[0].positions is None
        True
        """
        n = len(numbers)
        zs = atomic_numbers(numbers)
        xs: list[NDArray[np.float64] | None]
        xs = [None] * n if positions is None else [flat(x) for x in positions]
        check_finite(xs, "positions")
        charges = np.zeros(n, np.int8)
        if charge is not None:
            charges = np.broadcast_to(whole(charge, *CHARGES, "charge").astype(np.int8), n)
        if multiplicity is None:
            electrons = np.array([int(z.sum(dtype=np.int64)) for z in zs], np.int64) - charges
            multiplicities = (1 + electrons % 2).astype(np.uint8)
        else:
            multiplicities = whole(multiplicity, *MULTIPLICITIES, "multiplicity").astype(np.uint8)
            multiplicities = np.broadcast_to(multiplicities, n)
        texts = [None] * n if smiles is None else list(smiles)
        if not len(xs) == len(texts) == n:
            raise ValueError(f"{n} numbers, {len(xs)} positions and {len(texts)} SMILES given; expected equal counts")
        ids = [content_key(z, x, q, m, s) for z, x, q, m, s in zip(zs, xs, charges, multiplicities, texts, strict=True)]
        columns: dict[str, pa.Array] = {
            "id": pa.array(ids, pa.string()),
            "numbers": lists(zs, pa.uint8()),
            "positions": lists(xs, pa.float64()),
            "charge": pa.array(charges),
            "multiplicity": pa.array(multiplicities),
            "smiles": pa.array(texts, pa.string()),
            "origin": each(origin, n, pa.string()),
            "parent": each(parent, n, pa.string()),
            "seed": each(seed, n, pa.int64()),
            "energy": each(energy, n, pa.float64()),
            "forces": lists([None] * n if forces is None else [flat(f) for f in forces], pa.float64()),
            "level": each(level, n, pa.string()),
            "reason": each(reason, n, pa.string()),
        }
        for name, values in (extra or {}).items():
            columns[name] = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
        return cls(pa.table(columns))

    @classmethod
    def empty(cls) -> Structures:
        """Return a batch of no structures.

        Returns
        -------
        Structures
            Of length 0.
        """
        return cls(SCHEMA.empty_table())

    @classmethod
    def concat(cls, batches: Iterable[Structures]) -> Structures:
        """Return all rows of several batches; columns that some lack are null there.

        Parameters
        ----------
        batches
            Any number of batches.

        Returns
        -------
        Structures
            Their rows in order.
        """
        tables = [batch.table.replace_schema_metadata(None) for batch in batches]
        return cls(pa.concat_tables(tables, promote_options="default")) if tables else cls.empty()

    # ------------------------------------------------------------------ looking

    @property
    def table(self) -> pa.Table:
        """The Arrow table."""
        return self._table

    @property
    def ids(self) -> list[str]:
        """The content keys, shape (n,)."""
        return self.column("id")

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each structure, shape (n,)."""
        return np.asarray(pc.list_value_length(self._table.column("numbers")), dtype=np.int64)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Atoms of structure k are ``offsets[k]:offsets[k+1]`` of :attr:`numbers`; shape (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.n_atoms)]).astype(np.int64)

    @property
    def numbers(self) -> NDArray[np.uint8]:
        """Atomic numbers of all structures one after the other, shape (n_atoms_total,)."""
        return np.asarray(pc.list_flatten(self._table.column("numbers")), dtype=np.uint8)

    @property
    def positions(self) -> NDArray[np.float64]:
        """Positions of all structures one after the other, in Å, shape (n_atoms_total, 3); NaN for bare graphs."""
        return self._vectors("positions")

    @property
    def forces(self) -> NDArray[np.float64]:
        """Forces in eV/Å, shape (n_atoms_total, 3); NaN where a structure has none."""
        return self._vectors("forces")

    @property
    def has_geometry(self) -> NDArray[np.bool_]:
        """Whether each structure has positions, shape (n,)."""
        return np.asarray(pc.is_valid(self._table.column("positions")), dtype=bool)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Whether each structure has not been rejected, shape (n,)."""
        return np.asarray(pc.is_null(self._table.column("reason")), dtype=bool)

    def column(self, name: str) -> list[Any]:
        """Return one column as Python values.

        Parameters
        ----------
        name
            Name of the column.

        Returns
        -------
        list
            One value for each structure.

        Raises
        ------
        KeyError
            If there is no such column.
        """
        if name not in self._table.column_names:
            raise KeyError(f"no column {name!r}; there are {', '.join(self._table.column_names)}")
        values: list[Any] = self._table.column(name).to_pylist()
        return values

    def array(self, name: str) -> NDArray[np.float64]:
        """Return one scalar column as floats, null as NaN.

        Parameters
        ----------
        name
            Name of a numeric or boolean column.

        Returns
        -------
        NDArray[np.float64]
            Shape (n,).

        Raises
        ------
        KeyError
            If there is no such column.
        """
        return np.array([np.nan if value is None else value for value in self.column(name)], dtype=np.float64)

    @property
    def extra_columns(self) -> list[str]:
        """Names of the columns beyond the fixed part."""
        return [name for name in self._table.column_names if name not in SCHEMA.names]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        plural = "" if len(self) == 1 else "s"
        rejected = len(self) - int(self.alive.sum())
        tail = f", {rejected} rejected" if rejected else ""
        return f"Structures({len(self)} structure{plural}, {int(self.n_atoms.sum())} atoms{tail})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structures):
            return NotImplemented
        return bool(self._table.equals(other.table))

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Structure]:
        offsets, numbers = self.offsets, self.numbers
        positions, forces = self.positions, self.forces
        geometry = self.has_geometry
        forced = np.asarray(pc.is_valid(self._table.column("forces")))
        light = self._table.drop_columns(["numbers", "positions", "forces"])
        extra = self.extra_columns
        row = 0
        for batch in light.to_batches(max_chunksize=1024):
            for values in batch.to_pylist():
                atoms = slice(offsets[row], offsets[row + 1])
                further = {name: values.pop(name) for name in extra}
                yield Structure(
                    numbers=numbers[atoms],
                    positions=positions[atoms] if geometry[row] else None,
                    forces=forces[atoms] if forced[row] else None,
                    extra=further,
                    **values,
                )
                row += 1

    def __getitem__(self, index: int) -> Structure:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"row {index} of {n}")
        return next(iter(Structures(self._table.slice(index % n, 1))))

    # ------------------------------------------------------------------ cutting

    def filter(self, mask: ArrayLike) -> Structures:
        """Return the rows whose mask is true.

        Parameters
        ----------
        mask
            Booleans, shape (n,).

        Returns
        -------
        Structures
            The rows kept, in order.

        Raises
        ------
        ValueError
            If the mask is not boolean or of another length.
        """
        keep = np.asarray(mask)
        if keep.dtype != bool or keep.shape != (len(self),):
            raise ValueError(f"mask of type {keep.dtype} and shape {keep.shape}; expected bool and ({len(self)},)")
        return Structures(self._table.filter(pa.array(keep)))

    def take(self, indices: ArrayLike) -> Structures:
        """Return rows by their numbers, in the order given.

        Parameters
        ----------
        indices
            Row numbers, repeats allowed.

        Returns
        -------
        Structures
            As many rows as numbers.
        """
        return Structures(self._table.take(pa.array(np.asarray(indices, dtype=np.int64))))

    def slice(self, start: int, stop: int | None = None) -> Structures:
        """Return rows start to stop, without copying.

        Parameters
        ----------
        start
            First row.
        stop
            One past the last row; the end by default.

        Returns
        -------
        Structures
            The rows.
        """
        length = None if stop is None else max(0, stop - start)
        return Structures(self._table.slice(start, length))

    def batches(self, size: int) -> Iterator[Structures]:
        """Yield the rows in batches of at most a size.

        Parameters
        ----------
        size
            Rows a batch, at least 1.

        Yields
        ------
        Structures
            Consecutive rows.

        Raises
        ------
        ValueError
            If the size is below 1.
        """
        if size < 1:
            raise ValueError(f"batch size {size}; expected at least 1")
        for start in range(0, len(self), size):
            yield self.slice(start, start + size)

    # ------------------------------------------------------------------ adding

    def with_columns(self, columns: Mapping[str, Any]) -> Structures:
        """Return the same rows with columns set or added.

        Parameters
        ----------
        columns
            For each name one value for a structure, or one value for all (a text, a number or None).

        Returns
        -------
        Structures
            A new batch; ids are kept as they are.

        Raises
        ------
        ValueError
            If a column has another length than the batch.
        """
        table = self._table
        for name, values in columns.items():
            known = SCHEMA.field(name).type if name in SCHEMA.names else None
            array = each(values, len(self), known)
            if len(array) != len(self):
                raise ValueError(f"column {name!r} has {len(array)} values; expected {len(self)}")
            place = table.schema.get_field_index(name)
            table = table.append_column(name, array) if place < 0 else table.set_column(place, name, array)
        return Structures(table)

    def reject(self, reasons: Sequence[str | None]) -> Structures:
        """Return the same rows, those that were alive now rejected where a reason is given.

        Parameters
        ----------
        reasons
            One for each row; None leaves the row as it is. A row that is rejected already keeps its first reason.

        Returns
        -------
        Structures
            A new batch of the same length.
        """
        merged = [old if old is not None else new for old, new in zip(self.column("reason"), reasons, strict=True)]
        return self.with_columns({"reason": merged})

    # ------------------------------------------------------------------ doors

    @classmethod
    def from_ase(cls, atoms: Atoms | Iterable[Atoms], **options: Any) -> Structures:
        """See :func:`molaug.structures.doors.ase_atoms.from_ase`."""
        from molaug.structures.doors.ase_atoms import from_ase

        return from_ase(atoms, **options)

    def to_ase(self, **options: Any) -> list[Atoms]:
        """See :func:`molaug.structures.doors.ase_atoms.to_ase`."""
        from molaug.structures.doors.ase_atoms import to_ase

        return to_ase(self, **options)

    @classmethod
    def from_rdkit(cls, mols: Mol | Iterable[Mol], **options: Any) -> Structures:
        """See :func:`molaug.structures.doors.rdkit_mols.from_rdkit`."""
        from molaug.structures.doors.rdkit_mols import from_rdkit

        return from_rdkit(mols, **options)

    def to_rdkit(self) -> list[Mol | None]:
        """See :func:`molaug.structures.doors.rdkit_mols.to_rdkit`."""
        from molaug.structures.doors.rdkit_mols import to_rdkit

        return to_rdkit(self)

    def to_pyg(self, **options: Any) -> list[Data]:
        """See :func:`molaug.structures.doors.pyg_data.to_pyg`."""
        from molaug.structures.doors.pyg_data import to_pyg

        return to_pyg(self, **options)

    @classmethod
    def from_parquet(cls, path: str | Path | Iterable[str | Path]) -> Structures:
        """See :func:`molaug.structures.doors.parquet.from_parquet`."""
        from molaug.structures.doors.parquet import from_parquet

        return from_parquet(path)

    def to_parquet(self, path: str | Path) -> Path:
        """See :func:`molaug.structures.doors.parquet.to_parquet`."""
        from molaug.structures.doors.parquet import to_parquet

        return to_parquet(self, path)

    # ------------------------------------------------------------------ inside

    def _vectors(self, name: str) -> NDArray[np.float64]:
        column = self._table.column(name)
        flat = np.asarray(pc.list_flatten(column), dtype=np.float64).reshape(-1, 3)
        valid = np.asarray(pc.is_valid(column), dtype=bool)
        if valid.all():
            return flat
        n = self.n_atoms
        full = np.full((int(n.sum()), 3), np.nan)
        full[np.repeat(valid, n)] = flat  # rows without the column keep NaN
        return full

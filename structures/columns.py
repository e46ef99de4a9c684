"""Arrow columns from whatever holds one value for each structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray


def flat(values: ArrayLike | None) -> NDArray[np.float64] | None:
    """Return values as one flat array.

    Parameters
    ----------
    values
        Of any shape, or None.

    Returns
    -------
    NDArray[np.float64] or None
        Shape (n,).
    """
    return None if values is None else np.asarray(values, dtype=np.float64).ravel()


def lists(rows: Sequence[NDArray[Any] | None], kind: pa.DataType) -> pa.Array:
    """Return a column of lists.

    Parameters
    ----------
    rows
        One array for each structure, None for null.
    kind
        Type of the entries.

    Returns
    -------
    pyarrow.Array
        As many lists as rows.
    """
    lengths = np.array([0 if row is None else len(row) for row in rows], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    present = [row for row in rows if row is not None]
    values = pa.array(np.concatenate(present), kind) if present else pa.array([], kind)
    missing = np.array([row is None for row in rows], dtype=bool)
    mask = pa.array(missing) if missing.any() else None
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=mask)


def each(values: Any, n: int, kind: pa.DataType | None) -> pa.Array | pa.ChunkedArray:
    """Return a column from one value for each structure, or from one for all.

    Parameters
    ----------
    values
        A column, a sequence, a scalar, or None for null throughout.
    n
        Number of structures.
    kind
        Type of the column; told from the values if it is None.

    Returns
    -------
    pyarrow.Array or pyarrow.ChunkedArray
        The column.
    """
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values if kind is None else values.cast(kind)
    if values is None:
        return pa.nulls(n, kind or pa.null())
    if isinstance(values, str | int | float | bool):
        return pa.array([values] * n, kind)
    if kind is not None and pa.types.is_list(kind):
        return lists([None if v is None else np.asarray(v).ravel() for v in values], kind.value_type)
    return pa.array(values, kind)

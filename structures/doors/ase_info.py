"""What ``Atoms.info`` holds beside the labels, as columns of one type each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

#: Type of the column for each kind of value.
ARROW = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "ints": pa.list_(pa.int64()),
    "floats": pa.list_(pa.float64()),
}

_GROUP = {"int": "number", "float": "number", "ints": "vector", "floats": "vector"}
_WIDER = {"number": "float", "vector": "floats"}

#: Share of the values above which the others are taken for damage, and not the column for text.
_NEARLY_ALL = 0.9

Note = Callable[[int, str], None]


def kind_of(value: Any) -> str | None:
    """Tell what kind of column holds a value.

    Parameters
    ----------
    value
        Anything.

    Returns
    -------
    str or None
        A key of :data:`ARROW`; None where no column holds it.

    Examples
    --------
    >>> [kind_of(value) for value in (1, 1.5, "a", [0.0, 1.0], [[1, 2]], 10**20)]
    ['int', 'float', 'text', 'floats', None, 'text']
    """
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | np.integer):
        return "int" if -(2**63) <= int(value) < 2**63 else "text"
    if isinstance(value, float | np.floating):
        return "float"
    if not isinstance(value, list | tuple | np.ndarray):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        return None
    if array.ndim == 0:
        return kind_of(array.item())
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        return None
    return "floats" if array.dtype.kind == "f" else "ints"


def column_kind(counts: Mapping[str, int]) -> str:
    """Return the kind of a column that holds values of several kinds.

    Parameters
    ----------
    counts
        How many values there are of each kind, at least one.

    Returns
    -------
    str
        Whole numbers beside others are floats. A few texts among numbers are damage; otherwise all values are text.

    Examples
    --------
    >>> column_kind({"int": 5, "float": 1}), column_kind({"int": 5, "text": 1}), column_kind({"int": 50, "text": 1})
    ('float', 'text', 'int')
    """
    groups: Counter[str] = Counter()
    for kind, count in counts.items():
        groups[_GROUP.get(kind, kind)] += count
    main, count = groups.most_common(1)[0]
    if count < _NEARLY_ALL * groups.total() and "text" in groups:
        return "text"
    kinds = {kind for kind in counts if _GROUP.get(kind, kind) == main}
    return _WIDER[main] if len(kinds) > 1 else kinds.pop()


def count_kinds(infos: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Count the kinds of the values of each key.

    Parameters
    ----------
    infos
        Any number of mappings.

    Returns
    -------
    dict of str to Counter
        By key; values that no column holds are left out.
    """
    found: dict[str, Counter[str]] = {}
    for info in infos:
        for key, value in info.items():
            kind = kind_of(value)
            if kind is not None:
                found.setdefault(key, Counter())[kind] += 1
    return found


def column(key: str, values: Sequence[Any], kind: str, note: Note) -> pa.Array:
    """Return one column.

    Parameters
    ----------
    key
        Its name.
    values
        One for each row, None for null.
    kind
        Key of :data:`ARROW`.
    note
        Told the row and what is left out of it.

    Returns
    -------
    pyarrow.Array
        Of the type of the kind; null where a value does not fit or is not finite.
    """
    fitted = []
    for row, value in enumerate(values):
        new = None if value is None else _fitted(value, kind)
        if value is not None and new is None:
            note(row, f"{key!r} is not finite: left out" if _not_finite(value) else f"{key!r} is no {_NAMES[kind]}")
        fitted.append(new)
    return pa.array(fitted, ARROW[kind])


_NAMES = {
    "bool": "truth value as in the other rows: left out",
    "int": "number as in the other rows: left out",
    "float": "number as in the other rows: left out",
    "text": "text: left out",
    "ints": "list of numbers as in the other rows: left out",
    "floats": "list of numbers as in the other rows: left out",
}


def _fitted(value: Any, kind: str) -> Any:
    own = kind_of(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if kind == "text":
        return value if isinstance(value, str) else json.dumps(list(value)) if own in _WIDER_LISTS else str(value)
    if kind == "float" and own in ("int", "float"):
        number = float(value)
        return number if np.isfinite(number) else None
    if kind == "floats" and own in _WIDER_LISTS:
        return [float(item) for item in value] if np.isfinite(np.asarray(value, dtype=float)).all() else None
    if own != kind:
        return None
    return list(value) if kind == "ints" else value


_WIDER_LISTS = ("ints", "floats")


def _not_finite(value: Any) -> bool:
    return kind_of(value) in ("float", "floats") and not np.isfinite(np.asarray(value, dtype=float)).all()

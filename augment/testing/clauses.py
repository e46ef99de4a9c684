"""What the checks of contracts have in common: the clause that did not hold is named."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any, Literal

from molaug.structures import Structures

#: What verdicts and rankings may be asked not to depend on.
Invariance = Literal["motion", "permutation"]

#: Scores may differ by so much between copies of one structure that are moved or renumbered, or judged alone: the last
#: digits of a network depend on what it works on at the same time.
SCORE_TOLERANCE = 1e-6


def require(condition: object, clause: str, text: str) -> None:
    """Raise unless a condition holds.

    Parameters
    ----------
    condition
        Any truth value.
    clause
        Of the contract.
    text
        What was found.

    Raises
    ------
    AssertionError
        If it does not hold.
    """
    if not condition:
        raise AssertionError(f"{clause}: {text}")


def configuration(part: Any, protocol: type) -> None:
    """Check that a part is a frozen, keyword-only dataclass with a name, of its protocol, equal to its pickled copy.

    Parameters
    ----------
    part
        What is checked.
    protocol
        Of its kind.
    """
    kind = type(part).__name__
    require(isinstance(part, protocol), "configuration", f"{kind} lacks members of {protocol.__name__}")
    require(isinstance(part.name, str) and part.name, "configuration", f"the name is {part.name!r}; expected a text")
    require(dataclasses.is_dataclass(part) and _frozen(part), "configuration", f"{kind} is no frozen dataclass")
    require(
        all(field.kw_only for field in dataclasses.fields(part) if field.init),
        "configuration",
        f"{kind} takes positional parameters; expected keyword-only fields",
    )
    copy = pickled(part)
    require(copy == part, "configuration", f"{kind} does not equal its pickled copy")


def pickled(part: Any) -> Any:
    """Return a copy as another process would get it.

    Parameters
    ----------
    part
        What is copied.

    Returns
    -------
    Any
        The copy.
    """
    return pickle.loads(pickle.dumps(part))  # noqa: S301 - bytes of our own making


def same(found: Structures, expected: Structures, clause: str, text: str) -> None:
    """Compare all columns to the last digit; a column that one side lacks counts as null.

    Parameters
    ----------
    found
        Rows.
    expected
        What they should be.
    clause
        Of the contract.
    text
        What it means if they differ.

    Raises
    ------
    AssertionError
        If they differ.
    """
    require(len(found) == len(expected), clause, f"{text}: {len(found)} rows, not {len(expected)}")
    for name in dict.fromkeys([*expected.table.column_names, *found.table.column_names]):
        sides = [
            side.column(name) if name in side.table.column_names else [None] * len(side) for side in (found, expected)
        ]
        for k, (left, right) in enumerate(zip(*sides, strict=True)):
            if repr(left) != repr(right):  # repr is exact for floats, and equal for NaN
                raise AssertionError(f"{clause}: {text}: row {k}, {name}: {left!r:.80}, not {right!r:.80}")


def with_atoms(rows: Structures, numbers: list[Any], positions: list[Any]) -> Structures:
    """Return rows with other atoms in the place of theirs.

    Parameters
    ----------
    rows
        Whose other columns are kept.
    numbers
        Atomic numbers of each.
    positions
        In Å, shape (n_atoms, 3) each; None for a bare graph.

    Returns
    -------
    Structures
        As many rows.
    """
    columns = {name: rows.column(name) for name in ("charge", "multiplicity", "smiles", "origin", "parent", "energy")}
    extra = {name: rows.table.column(name) for name in rows.extra_columns}
    return Structures.from_arrays(numbers, positions, **columns, extra=extra)


def one_atom() -> Structures:
    """Return single atoms, with and without a geometry: what parts made for molecules must live with.

    Returns
    -------
    Structures
        Four rows.
    """
    return Structures.from_arrays(
        [[2], [1], [2], [1]],
        [[[0.0, 0.0, 0.0]], [[1.0, 2.0, 3.0]], None, None],
        multiplicity=[1, 2, 1, 2],
        smiles=["[He]", "[H]", "[He]", "[H]"],
    )


def _frozen(part: Any) -> bool:
    frozen: bool = type(part).__dataclass_params__.frozen
    return frozen

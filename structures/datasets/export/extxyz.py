"""Extended XYZ that loses nothing.

ASE's writer rounds to eight decimals, and its reader drops backslashes of unquoted texts and takes ``F`` for false,
both of which occur in SMILES; here numbers are written in full and texts so that ASE reads them back unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ase.io.extxyz import key_val_str_to_dict

from molaug.structures import Structure, Structures
from molaug.structures.chemistry import symbols
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.export.writing import with_geometry

#: What can be a key: no blanks, quotes, brackets or equal signs.
_KEY = re.compile(r"""[^\s='"{}\[\]\\]+""")

_TEXTS = ("id", "smiles", "origin", "parent", "level")


def write_extxyz(
    batches: Iterable[Structures],
    path: Path,
    audit: Audit,
    *,
    energy_key: str = "REF_energy",
    forces_key: str = "REF_forces",
) -> None:
    """Write extended XYZ: energies in eV, forces in eV/Å, charge, multiplicity and provenance in the comment line.

    Parameters
    ----------
    batches
        The rows; those without positions are left out.
    path
        The file.
    audit
        Told.
    energy_key
        Key of the energy.
    forces_key
        Key of the forces.
    """
    with path.open("w", encoding="utf-8") as handle:
        for batch in batches:
            kept = with_geometry(batch, audit)
            odd = [name for name in kept.extra_columns if not _KEY.fullmatch(name)]
            for name in odd:
                audit.drop_column(name, "its name cannot be a key of extended xyz")
            for structure in kept:
                handle.write(frame(structure, energy_key, forces_key))
            audit.keep(len(kept))


def frame(s: Structure, energy_key: str, forces_key: str) -> str:
    """Return one frame as text.

    Parameters
    ----------
    s
        With positions.
    energy_key
        Key of the energy.
    forces_key
        Key of the forces.

    Returns
    -------
    str
        With a line break at the end.
    """
    info: dict[str, Any] = {"charge": s.charge, "multiplicity": s.multiplicity, energy_key: s.energy, "seed": s.seed}
    info |= {name: getattr(s, name) for name in _TEXTS} | {k: v for k, v in s.extra.items() if _KEY.fullmatch(k)}
    columns = "species:S:1:pos:R:3" + (f":{forces_key}:R:3" if s.forces is not None else "")
    comment = [f"Properties={columns}", *(f"{k}={_value(v)}" for k, v in info.items() if v is not None)]
    table = s.positions if s.forces is None else np.concatenate([s.positions, s.forces], axis=1)
    rows = [] if table is None else table.tolist()
    atoms = [
        f"{symbol:<2} {' '.join(f'{x!r:>20}' for x in row)}"
        for symbol, row in zip(symbols(s.numbers), rows, strict=True)
    ]
    return "\n".join([str(len(s.numbers)), " ".join(comment) + ' pbc="F F F"', *atoms, ""])


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        quoted = _quoted(value)
        # texts that would be read as numbers or truth values (a parent id of digits, hydrogen fluoride)
        plain = value.isprintable() and not value.startswith("_JSON") and key_val_str_to_dict(f"x={quoted}")["x"]
        return quoted if isinstance(plain, str) and plain == value else _quoted(f"_JSON {json.dumps(value)}")
    if all(isinstance(item, int | float) for item in value) and len(value) > 1:
        return _quoted(" ".join(repr(item) for item in value))
    return _quoted(f"_JSON {json.dumps(value)}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'

"""SDF: records are split here, so that a damaged one costs itself only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry import canonical, parse
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.graphs import settle_graph
from molaug.structures.datasets.locate import open_text
from molaug.structures.datasets.planar import has_geometry
from molaug.structures.datasets.rows import Row
from molaug.structures.doors.ase_atoms import ENERGY_KEYS
from molaug.structures.schema import SCHEMA

_HEADER = re.compile(r"^>.*<([^>]*)>")
_TAKEN = (*ENERGY_KEYS, "level", "multiplicity")
_RANK = {int: 0, float: 1, str: 2}


def records(path: Path) -> Iterator[str]:
    """Split an SDF at its separators.

    Parameters
    ----------
    path
        The file, compressed or not.

    Yields
    ------
    str
        One record, without its separator.
    """
    lines: list[str] = []
    with open_text(path) as handle:
        for line in handle:
            if line.startswith("$$$$"):
                yield "".join(lines)
                lines = []
            else:
                lines.append(line)
    if any(line.strip() for line in lines):
        yield "".join(lines)


def sdf_rows(path: Path, bonds: bool, audit: Audit) -> Iterator[Row]:
    """Read the records of an SDF as rows.

    Parameters
    ----------
    path
        The file.
    bonds
        Take bonds from the file; otherwise they are perceived from the geometry.
    audit
        Told of every record that is not handed on, and of tags that are not taken as they stand.

    Yields
    ------
    Row
        One for each sound record.
    """
    kinds = _kinds(path)
    energy_key = next((key for key in ENERGY_KEYS if kinds.get(key) in (int, float)), None)
    for key, kind in kinds.items():
        if key in ENERGY_KEYS and key != energy_key:
            why = "its values are text" if kind is str else f"the energy is that of {energy_key!r}"
            audit.remarks.append(f"tag {key!r} is not taken: {why}")
        elif key in SCHEMA.names and key not in _TAKEN:
            audit.remarks.append(f"tag {key!r} is column {'info_' + key!r}: molaug has a column of that name")
        elif "energy" in key.lower() and key not in ENERGY_KEYS and energy_key is None:
            audit.remarks.append(f"tag {key!r} is a column, no label: energies are the tags REF_energy or energy")
    with BlockLogs():
        for number, text in enumerate(records(path)):
            name = f"record {number}"
            ends = max(1, len(re.findall(r"^M  END", text, flags=re.MULTILINE)))
            audit.rows_read += ends
            if ends > 1:
                for part in range(ends):
                    audit.drop(f"{name}.{part}", "unreadable: no separator $$$$ between molecules")
                continue
            row = _row(text, name, bonds, kinds, energy_key, audit)
            if row is not None:
                yield row


def tags_of(text: str) -> tuple[dict[str, str], int]:
    """Read the tags of a record.

    Parameters
    ----------
    text
        The record.

    Returns
    -------
    tuple of (dict of str to str, int)
        Tags by name, and how many headers have no name in brackets.
    """
    _, _, rest = text.partition("\nM  END")
    found: dict[str, list[str]] = {}
    nameless = 0
    current: list[str] | None = None
    for line in rest.split("\n")[1:]:
        if line.startswith(">"):
            match = _HEADER.match(line)
            nameless += match is None
            current = [] if match is None else found.setdefault(match[1], [])
        elif not line.strip():
            current = None
        elif current is not None:
            current.append(line.strip())
    return {key: "\n".join(lines) for key, lines in found.items()}, nameless


def _value(text: str) -> int | float | str:
    if text.isdigit() and len(text) > 18:
        return text  # such as seeds of 64 bits
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _kinds(path: Path) -> dict[str, type]:
    """Return the type that all values of a tag have, so that columns do not change it between batches."""
    kinds: dict[str, type] = {}
    for text in records(path):
        for key, value in tags_of(text)[0].items():
            if value:
                kinds[key] = max(kinds.get(key, int), type(_value(value)), key=_RANK.__getitem__)
    return kinds


def _row(text: str, name: str, bonds: bool, kinds: dict[str, type], energy_key: str | None, audit: Audit) -> Row | None:
    mol = Chem.MolFromMolBlock(text, removeHs=False, sanitize=bonds) if "\nM  END" in text else None
    if mol is None:
        audit.drop(name, "unreadable: RDKit cannot read the record" if "\nM  END" in text else "unreadable: no M  END")
        return None
    tags, nameless = tags_of(text)
    if nameless:
        audit.note(name, "a tag whose header has no name in brackets is left out")
    full = not any(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    three_d = has_geometry(mol)
    if not three_d and mol.GetNumConformers() and mol.GetConformer().GetPositions().any():
        audit.note(name, "coordinates are a depiction and not used")
    if three_d and bonds and not full:
        audit.drop(name, "implicit hydrogens on a conformer")
        return None
    if not three_d:
        mol = Chem.AddHs(parse(canonical(mol)))
    z = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.uint8)
    if not z.size or not z.all():
        audit.drop(name, "dummy atoms or no atoms")
        return None
    x = mol.GetConformer().GetPositions() if three_d else None
    m = 1 + int(z.sum(dtype=np.int64)) % 2
    if x is not None and not bonds:
        smiles, charge = settle_graph([], z, x, name, audit, multiplicity=m), 0
    else:
        smiles, charge = canonical(mol), Chem.GetFormalCharge(mol)
        m = 1 + sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    if kinds.get("multiplicity") is int and tags.get("multiplicity"):
        m = int(tags["multiplicity"])
    if m < 1:
        audit.drop(name, "multiplicity below 1")
        return None
    energy = float(tags[energy_key]) if energy_key and tags.get(energy_key) else None
    if energy is not None and not np.isfinite(energy):
        audit.drop(name, "energy that is not finite")
        return None
    extra = {
        "info_" + key if key in SCHEMA.names else key: kinds[key](value)
        for key, value in tags.items()
        if value and key not in _TAKEN
    }
    return Row(
        name=name,
        numbers=z,
        positions=x,
        charge=charge,
        multiplicity=m,
        smiles=smiles,
        energy=energy,
        level=tags.get("level") or None,
        extra=extra,
    )

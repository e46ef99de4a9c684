"""SDF: records are split here, so that a damaged one costs itself only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry import canonical, parse
from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card
from molaug.structures.datasets.dataset import CHUNK, Dataset
from molaug.structures.datasets.graphs import settle_graph
from molaug.structures.datasets.locate import existing, open_text
from molaug.structures.datasets.planar import has_geometry
from molaug.structures.datasets.rows import Row, assemble
from molaug.structures.datasets.units import energy_factor
from molaug.structures.doors.ase_info import column_kind, kind_of
from molaug.structures.doors.ase_labels import ENERGY_KEYS, one_key
from molaug.structures.hashing import content_key
from molaug.structures.schema import SCHEMA
from molaug.structures.table import Structures

_HEADER = re.compile(r"^>.*<([^>]*)>")
_LABELS = (*ENERGY_KEYS, "level", "multiplicity")
_PROVENANCE = ("id", "origin", "parent", "seed")
_END = re.compile(r"^M  END", flags=re.MULTILINE)
_LARGEST_MULTIPLICITY = 100


@dataclass(kw_only=True, slots=True)
class Tags:
    """What the tags of all records hold: kinds of the values by name, and under which names there are energies."""

    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    energies: set[frozenset[str]] = field(default_factory=set)
    columns: dict[str, str] = field(default_factory=dict)
    energy_key: str | None = None

    def add(self, text: str) -> None:
        """Count the tags of one record.

        Parameters
        ----------
        text
            The record.
        """
        found = {key: value for key, value in tags_of(text)[0].items() if value}
        self.energies.add(frozenset(key for key in ENERGY_KEYS if _is_number(found.get(key))))
        for key, value in found.items():
            self.kinds.setdefault(key, Counter())[kind_of(_value(value)) or "text"] += 1

    def settle(self, path: Path, audit: Audit) -> None:
        """Choose the key of the energies and the types of the columns.

        Parameters
        ----------
        path
            The file, for messages.
        audit
            Told of tags that are not taken as they stand.
        """
        try:
            self.energy_key = one_key(self.energies, ENERGY_KEYS, "energy_key")
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        for key, counts in self.kinds.items():
            if key in _LABELS:
                if key in ENERGY_KEYS and key != self.energy_key:
                    used = self.energy_key
                    audit.drop_column(key, f"the energy is that of {used!r}" if used else "its values are text")
                continue
            if key in SCHEMA.names and key not in _PROVENANCE:
                audit.remarks.append(f"tag {key!r} is column {'info_' + key!r}: molaug has a column of that name")
            elif "energy" in key.lower() and self.energy_key is None:
                audit.remarks.append(f"tag {key!r} is a column, no label: energies are the tags REF_energy or energy")
            kind = column_kind(counts)
            if kind == "text" and len(counts) > 1:
                audit.remarks.append(f"tag {key!r} is a column of text: some of its values are numbers, others are not")
            if key not in _PROVENANCE:
                self.columns["info_" + key if key in SCHEMA.names else key] = kind


def read_sdf(
    path: str | Path,
    *,
    bonds: bool = True,
    energy_key: str | None = None,
    energy_unit: str = "eV",
    name: str | None = None,
) -> Dataset:
    """Read an SDF, compressed or not.

    Parameters
    ----------
    path
        The file; records with a 3D conformer must hold all hydrogens.
    bonds
        Take bonds from the file; otherwise they are perceived from the geometry.
    energy_key
        Tag of the energy; by default ``REF_energy`` or ``energy``, the first that all labelled records have.
    energy_unit
        Unit of the tags that are energies.
    name
        Name of the dataset; by default that of the file.

    Returns
    -------
    Dataset
        Tags are further columns, each of one type; the energy and ``level`` are labels. ``origin``, ``parent`` and
        ``seed`` are taken from records of molaug, whose tag ``id`` is that of the record. Records that RDKit cannot
        read are dropped with a reason.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If the unit is unknown.
    """
    path = existing(path)
    title = name or path.name.split(".")[0]
    factor = energy_factor(energy_unit)

    def stream(audit: Audit) -> Iterator[Structures]:
        if factor != 1.0:
            audit.detected["energy"] = f"{energy_unit} (as given)"
        tags = Tags(energy_key=energy_key)
        rows = sdf_rows(path, bonds, audit, tags, energy_factor(energy_unit))
        yield from assemble(rows, audit, origin=title, kinds=tags.columns)
        if audit.rows_read and not audit.rows_kept:
            raise ValueError(f"{path}: {audit.nothing()}")

    return Dataset(card=Card.of_file(title, path), stream=stream, audit=Audit(source=str(path)))


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
    rest = "\n"
    with open_text(path) as handle:
        while piece := handle.read(1 << 16):
            *whole, rest = (rest + piece).split("\n$$$$")
            for text in whole:
                yield text.partition("\n")[2]
    last = rest.partition("\n")[2]
    if last.strip():
        yield last


def sdf_rows(path: Path, bonds: bool, audit: Audit, tags: Tags, factor: float) -> Iterator[Row]:
    """Read the records of an SDF as rows.

    Parameters
    ----------
    path
        The file.
    bonds
        Take bonds from the file; otherwise they are perceived from the geometry.
    audit
        Told of every record that is not handed on, and of tags that are not taken as they stand.
    tags
        Filled with what the tags of all records hold before the first row.
    factor
        Energies are multiplied by it.

    Yields
    ------
    Row
        One for each sound record.
    """
    texts = records(path)
    first = list(islice(texts, CHUNK))
    for text in first if len(first) < CHUNK else records(path):
        tags.add(text)
    tags.settle(path, audit)
    with BlockLogs():
        for number, text in enumerate(chain(first, texts)):
            name = f"record {number}"
            ends = max(1, len(_END.findall(text)))
            audit.rows_read += ends
            if ends > 1:
                for part in range(ends):
                    audit.drop(f"{name}.{part}", "unreadable: no separator $$$$ between molecules")
                continue
            row = _row(text, name, bonds, tags, factor, audit)
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
    if text[:1].isalpha() and text[:3].lower() not in ("nan", "inf"):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _is_number(text: str | None) -> bool:
    return text is not None and not isinstance(_value(text), str)


def _mol(text: str, name: str, bonds: bool, audit: Audit) -> Chem.Mol | None:
    if "\nM  END" not in text:
        audit.drop(name, "unreadable: no M  END")
        return None
    try:
        mol = Chem.MolFromMolBlock(text, removeHs=False, sanitize=bonds)
    except RuntimeError:  # an invariant of RDKit that a damaged record violates
        mol = None
    if mol is None:
        audit.drop(name, "unreadable: RDKit cannot read the record")
    return mol


def _row(text: str, name: str, bonds: bool, tags: Tags, factor: float, audit: Audit) -> Row | None:
    mol = _mol(text, name, bonds, audit)
    if mol is None:
        return None
    found, nameless = tags_of(text)
    if nameless:
        audit.note(name, "a tag whose header has no name in brackets is left out")
    full = bonds and not any(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    three_d = has_geometry(mol)
    if not three_d and mol.GetNumConformers() and mol.GetConformer().GetPositions().any():
        audit.note(name, "coordinates are a depiction and not used")
    if three_d and bonds and not full:
        audit.drop(name, "implicit hydrogens on a conformer")
        return None
    if not three_d:
        graph = parse(canonical(mol))
        if graph is None:
            audit.drop(name, "unreadable: no SMILES that RDKit can read again")
            return None
        mol = Chem.AddHs(graph)
    atoms = [(atom.GetAtomicNum(), atom.GetIsotope(), atom.GetNumRadicalElectrons()) for atom in mol.GetAtoms()]
    z = np.array([number for number, _, _ in atoms], dtype=np.uint8)
    if not z.size or not z.all():
        audit.drop(name, "dummy atoms or no atoms")
        return None
    if any(isotope for _, isotope, _ in atoms):
        audit.note(name, "isotopes are marks of the SMILES alone")
    x = mol.GetConformer().GetPositions() if three_d else None
    if x is not None and not np.isfinite(x).all():
        audit.drop(name, "positions that are not finite")
        return None
    m = 1 + int(z.sum(dtype=np.int64)) % 2
    if x is not None and not bonds:
        smiles, charge = settle_graph([], z, x, name, audit, multiplicity=m), 0
    else:
        smiles, charge = canonical(mol), Chem.GetFormalCharge(mol)
        m = 1 + sum(radicals for _, _, radicals in atoms)
    if found.get("multiplicity"):
        given = _value(found["multiplicity"])
        if not isinstance(given, int) or not 1 <= given <= _LARGEST_MULTIPLICITY:
            audit.drop(name, "a multiplicity that is none")
            return None
        m = given
    told = found.get(tags.energy_key or "")
    energy = _value(told) if told else None
    if energy is not None and (isinstance(energy, str) or not np.isfinite(energy)):
        audit.drop(name, "energy that is no finite number")
        return None
    own = "id" in found and found["id"] == content_key(z, x, charge, m, smiles)
    title = text.partition("\n")[0].strip()
    if title and not own:
        audit.drop_column("title", "the first line of a record")
    if found.get("level") and energy is None:
        audit.drop_column("level", "a row has no label")
    seed = _value(found.get("seed") or "") if own else None
    return Row(
        name=name,
        numbers=z,
        positions=x,
        charge=charge,
        multiplicity=m,
        smiles=smiles,
        energy=None if energy is None else float(energy) * factor,
        level=" ".join((found.get("level") or "").split()) or None,
        origin=(found.get("origin") or None) if own else None,
        parent=(found.get("parent") or None) if own else None,
        seed=seed if isinstance(seed, int) and abs(seed) < 2**63 else None,
        extra=_extra(found, tags, own, name, audit),
    )


def _extra(found: dict[str, str], tags: Tags, own: bool, name: str, audit: Audit) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    for key, text in found.items():
        if not text or key in (*_LABELS, tags.energy_key) or (own and key in _PROVENANCE):
            continue
        column = "info_" + key if key in SCHEMA.names else key
        if key in _PROVENANCE:
            tags.columns.setdefault(column, "text")
            audit.note(name, f"{key!r} is column {column!r}: molaug means something else by {key!r}")
        value = text if tags.columns.get(column) == "text" else _value(text)
        if isinstance(value, float) and not np.isfinite(value):
            audit.note(name, f"{key!r} is not finite: left out")
        elif isinstance(value, str) and tags.columns.get(column) != "text":
            audit.note(name, f"{key!r} is no number as in the other rows: left out")
        else:
            extra[column] = value
    return extra

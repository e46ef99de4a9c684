"""QM9 as its authors published it (and PC9 and ANI-1E, which follow its xyz format).

The label ``energy`` is the electronic total energy U0 - ZPVE. All energies are converted from Hartree to eV.
Ramakrishnan, Dral, Rupp, von Lilienfeld, Sci. Data 1, 140022 (2014), doi:10.1038/sdata.2014.22.
"""

from __future__ import annotations

import codecs
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from ase.units import Hartree
from numpy.typing import NDArray

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.graphs import settle_graph
from molaug.structures.datasets.locate import existing, open_text, suffix_of
from molaug.structures.datasets.qm9_tables import (
    COLUMNS,
    UNCHARACTERIZED,
    PropertyTable,
    in_record_units,
    uncharacterized_beside,
)
from molaug.structures.datasets.registry import known_dataset
from molaug.structures.datasets.rows import Row, assemble, numbers_of
from molaug.structures.table import Structures

#: Files of an archive of which one tells the layout.
_LOOKED_AT = 20

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".zip")


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the comment line of one publisher holds: the registered dataset and the columns that are real."""

    dataset: str
    columns: tuple[str, ...]


#: By the first word of the comment line. PC9 fills the columns that it lacks with zeros.
_LAYOUTS = {
    "gdb": _Layout("qm9", COLUMNS),
    "ANI-1E": _Layout("ani1e", COLUMNS),
    "PubChemQS": _Layout("pc9", ("homo", "lumo", "gap")),
}


def read_qm9(
    path: str | Path,
    *,
    uncharacterized: str | Path | None = None,
    properties: str | Path | None = None,
    graphs: bool = True,
) -> Dataset:
    """Read QM9 from its original files.

    Parameters
    ----------
    path
        A folder or an archive (tar, tar.bz2, tar.gz, zip) of ``dsgdb9nsd_*.xyz``, one such file, or ``gdb9.sdf``. Bonds
        of ``gdb9.sdf`` are never used: many of them are wrong.
    uncharacterized
        The list of molecules that failed QM9's consistency check; by default ``uncharacterized.txt`` beside the data.
    properties
        For ``gdb9.sdf``: the table of properties; by default ``gdb9.sdf.csv`` beside it.
    graphs
        Settle a SMILES for each row: a listed one where the geometry bears it out, else what is perceived.

    Returns
    -------
    Dataset
        With energies in eV at B3LYP/6-31G(2df,p) and QM9's properties as further columns.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    """
    path = existing(path)
    flawed = uncharacterized_beside(path, uncharacterized)
    if suffix_of(path) == ".sdf":
        table = PropertyTable.read(existing(properties or path.with_name("gdb9.sdf.csv")))
        layout = _LAYOUTS["gdb"]

        def rows(audit: Audit) -> Iterator[Row]:
            yield from _sdf_rows(path, table, flawed, graphs, audit)
    else:
        layout = _LAYOUTS.get(_first_tag(path), _LAYOUTS["gdb"])

        def rows(audit: Audit) -> Iterator[Row]:
            for name, text in members(path):
                audit.rows_read += 1
                row = _xyz_row(name, text, flawed, graphs, audit)
                if row is not None:
                    yield row

    card: Card = known_dataset(layout.dataset).card

    def stream(audit: Audit) -> Iterator[Structures]:
        if layout.dataset == "qm9" and flawed is None:
            audit.remarks.append(
                "no uncharacterized.txt beside the data: rows that failed QM9's consistency check (3,054 in the full "
                "set) are kept, if there are any; pass uncharacterized=…"
            )
        return assemble(rows(audit), audit, origin=layout.dataset, unique=True)

    return Dataset(card=card, stream=stream, audit=Audit(source=str(path)))


def members(path: Path) -> Iterator[tuple[str, str]]:
    """Stream the xyz files of a folder or an archive.

    Parameters
    ----------
    path
        A folder, a tar or zip archive, or one xyz file.

    Yields
    ------
    tuple of (str, str)
        Name and text; in the order of the archive, in alphabetical order for a folder.

    Raises
    ------
    ValueError
        If it holds no xyz file, or an archive is not whole.
    """
    try:
        yield from _members(path)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise ValueError(f"{path}: the archive is damaged: {error}") from error


def _members(path: Path) -> Iterator[tuple[str, str]]:
    found = False
    if path.is_dir():
        for file in sorted(path.glob("*.xyz")):
            found = True
            yield file.name, _decoded(file.read_bytes())
    elif path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".xyz"):
                    found = True
                    try:
                        content = archive.read(name)
                    except (zipfile.BadZipFile, zlib.error, EOFError):
                        content = b""  # its row goes to the audit
                    yield Path(name).name, _decoded(content)
    elif path.name.lower().endswith(_ARCHIVES):
        with tarfile.open(path, "r|*") as tar:  # read once from front to back: nothing is unpacked to disk
            for member in tar:
                handle = tar.extractfile(member) if member.name.endswith(".xyz") else None
                if handle is not None:
                    found = True
                    yield Path(member.name).name, _decoded(handle.read())
    else:
        found = True
        yield path.name, _decoded(path.read_bytes())
    if not found:
        raise ValueError(f"{path} holds no .xyz file; expected dsgdb9nsd_000001.xyz and so on")


def parse_float(text: str) -> float:
    """Parse a number as QM9 writes it: some exponents are ``*^``.

    Parameters
    ----------
    text
        For instance ``2.1997*^-6``.

    Returns
    -------
    float
        Its value.

    Raises
    ------
    ValueError
        If it is no number.

    Examples
    --------
    >>> parse_float("2.1997*^-6")
    2.1997e-06
    """
    return float(text.replace("*^", "e"))


def _decoded(content: bytes) -> str:
    """Return text; bytes that are none do not cost the other molecules."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if marked else "utf-8-sig", errors="replace")


def _first_tag(path: Path) -> str:
    for _, text in islice(members(path), _LOOKED_AT):  # the first may be damaged
        words = " ".join(text.splitlines()[1:2]).split()
        if words and words[0] in _LAYOUTS:
            return words[0]
    return ""


def _xyz_row(name: str, text: str, flawed: frozenset[int] | None, graphs: bool, audit: Audit) -> Row | None:
    lines = text.splitlines()
    if len(lines) < 3:
        audit.drop(name, "unreadable: an empty or damaged file")
        return None
    try:
        n = int(lines[0])
        tag, index, *fields = lines[1].split()
        layout = _LAYOUTS[tag]
        molecule = int(index) if tag == "gdb" else 0
        values = dict(zip(COLUMNS, (parse_float(field) for field in fields[: len(COLUMNS)]), strict=True))
        atoms = [line.split() for line in lines[2 : 2 + n]]
        _check_atoms(n, lines)
        numbers = numbers_of(atom[0] for atom in atoms)
        positions = np.array([[parse_float(x) for x in atom[1:4]] for atom in atoms]).reshape(n, 3)
    except KeyError as error:
        audit.drop(name, f"unreadable: comment line begins with {error}; expected one of {', '.join(_LAYOUTS)}")
        return None
    except (ValueError, IndexError) as error:
        audit.drop(name, f"unreadable: {' '.join(str(error).split())[:80]}")
        return None
    infinite = [column for column in layout.columns if not np.isfinite(values[column])]
    if infinite and {"u0", "zpve"} & set(infinite):
        audit.drop(name, "impossible: an energy that is not finite")
        return None
    for column in infinite:
        audit.note(name, f"{column} left out: it is not finite")
    if flawed and tag == "gdb" and molecule in flawed:
        audit.drop(name, UNCHARACTERIZED)
        return None
    listed = lines[3 + n].split() if tag == "gdb" and len(lines) > 3 + n else []
    extra = {column: in_record_units(column, values[column]) for column in layout.columns if column not in infinite}
    return Row(
        name=name,
        numbers=numbers,
        positions=positions,
        smiles=settle_graph(listed, numbers, positions, name, audit, multiplicity=_lowest(numbers)) if graphs else None,
        energy=(values["u0"] - values["zpve"]) * Hartree,
        level=known_dataset(layout.dataset).card.levels[0],
        extra={"gdb_index": molecule, **extra} if tag == "gdb" else extra,
    )


def _check_atoms(n: int, lines: list[str]) -> None:
    """Refuse a number of atoms that is not that of the lines: the atoms are followed by a line of frequencies."""
    rows = [len(words := line.split()) >= 4 and (words[0].isalpha() or words[0].isdigit()) for line in lines[2:]]
    count = rows.index(False) if False in rows else len(rows)
    if n < 1 or count != n:
        raise ValueError("another number of atoms than the file has")


def _sdf_rows(
    path: Path, table: PropertyTable, flawed: frozenset[int] | None, graphs: bool, audit: Audit
) -> Iterator[Row]:
    level = known_dataset("qm9").card.levels[0]
    for title, numbers, positions in _sdf_geometries(path, audit):
        index = int(title[4:]) if re.fullmatch(r"gdb_\d+", title) else None
        if index is None:
            audit.drop(title, "unreadable: title is not gdb_<index>")
        elif flawed and index in flawed:
            audit.drop(title, UNCHARACTERIZED)
        else:
            values = table.row(index)
            energy = values["u0"] - values["zpve"] if "u0" in values and "zpve" in values else None
            if energy is None:
                audit.note(title, "unlabelled: not in the table of properties")
            listed = [table.smiles(index)]
            seen = settle_graph(listed, numbers, positions, title, audit, multiplicity=_lowest(numbers))
            yield Row(
                name=title,
                numbers=numbers,
                positions=positions,
                smiles=seen if graphs else None,
                energy=energy,
                level=level,
                extra={"gdb_index": index, **values},
            )


def _sdf_geometries(path: Path, audit: Audit) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.float64]]]:
    """Yield title, numbers and positions of V2000 records; the bond block is skipped."""
    with open_text(path) as handle:
        while title := handle.readline():
            audit.rows_read += 1
            block = [title.strip()]
            for line in handle:
                if line.startswith("$$$$"):
                    break
                block.append(line)
            try:
                n = int(block[3][:3])
                atoms = block[4 : 4 + n]
                numbers = numbers_of(line[31:34].strip() for line in atoms)
                positions = np.array([[line[0:10], line[10:20], line[20:30]] for line in atoms], dtype=np.float64)
            except (ValueError, IndexError) as error:
                audit.drop(block[0], f"unreadable: {' '.join(str(error).split())[:80]}")
                continue
            yield block[0], numbers, positions


def _lowest(numbers: NDArray[np.uint8]) -> int:
    return 1 + int(numbers.sum(dtype=np.int64)) % 2

"""Frames of xyz and extended xyz, split here, so that a damaged one costs itself only.

The grammar of the comment line is that of ASE's reader, which reads it character by character; what it makes of a
value is asked of it only where that is no number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io.extxyz import key_val_str_to_dict, parse_properties
from ase.units import Hartree

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.locate import open_text
from molaug.structures.datasets.units import energy_factor, looks_like_total_energy
from molaug.structures.doors.ase_info import kind_of

_NUMBER = r"([-+]?\d+\.\d+(?:[eE][-+]?\d+)?)"

#: Comment lines whose energy is in Hartree, by program.
_COMMENTS = {
    "a plain number, as CREST and GOAT write": re.compile(rf"^\s*{_NUMBER}(?:\s+converged=\S+)?(?:\s*!.*)?\s*$"),
    "energy: … gnorm: …, as xtb writes": re.compile(rf"^\s*energy:\s*{_NUMBER}\s+gnorm:.*$"),
    "Coordinates from ORCA-job … E …": re.compile(rf"^\s*Coordinates from ORCA-job .*\bE\s+{_NUMBER}\s*$"),
}
_BARE = next(iter(_COMMENTS))

_PAIR = re.compile(r"""\s*([^\s='"{}\[\]\\]+)\s*=\s*(?:"([^"\\]*)"|([^\s='"{}\[\]\\]+))(?=\s|$)""")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_ODD = re.compile(r"['{}\[\]\\]")
_MATRICES = ("Lattice", "virial", "stress")

#: Symbols of hydrogen's isotopes and of what is no atom.
ISOTOPES = frozenset({"D", "T"})
DUMMIES = frozenset({"X", "Xx", "Du", "Dummy", "*", "R", "R#", "Q", "A", "L", "Lp", "Bq", "Gh"})

_DEFAULT = "species:S:1:pos:R:3"
_CELL = ("VEC", "Tv", "TV")


def frames_of_xyz(path: Path, audit: Audit, *, energy_unit: str = "eV") -> Iterator[tuple[str, Atoms]]:
    """Read the frames of an xyz or extended xyz.

    Parameters
    ----------
    path
        The file, compressed or not.
    audit
        Told of every frame that is read, and of those that are not handed on.
    energy_unit
        Unit of the energies; energies in the comment lines of CREST, ORCA and xtb are in Ha unless it is another than
        eV.

    Yields
    ------
    tuple of (str, Atoms)
        What the file calls the frame, and the frame: whatever its comment line says is in ``info``, and its further
        columns in ``arrays``.
    """
    for number, block in enumerate(_blocks(path)):
        audit.rows_read += 1
        name = f"frame {number}"
        if isinstance(block, str):
            audit.drop(name, block)
            continue
        comment, lines, after = block
        try:
            info = info_of(comment)
            prose = not info and comment.strip()
            frame = _atoms(lines, info, name, audit)
            if any(line.startswith(_CELL) for line in after):
                frame.pbc = True
            elif after:
                audit.note(name, "lines after the atoms are left out")
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            audit.drop(name, f"unreadable: {' '.join(str(error).split())[:100] or type(error).__name__}")
            continue
        if prose:
            _read_comment(comment, frame, name, audit, energy_unit)
        bare = [key for key, value in frame.info.items() if value is True and not re.search(_said(key), comment)]
        for key in bare:
            del frame.info[key]
        if bare:
            audit.note(name, "words of the comment line that are no key=value are left out")
        if "\ufffd" in comment:
            audit.note(name, "bytes of the comment line that are no UTF-8 are replaced")
        yield name, frame


def comments_of(path: Path) -> Iterator[str]:
    """Read the comment lines of an xyz.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    str
        One for each frame that is whole.
    """
    for block in _blocks(path):
        if not isinstance(block, str):
            yield block[0]


def kinds_in(comment: str) -> list[tuple[str, str | None]]:
    """Return the keys of a comment line and the kinds of their values, which is quicker than the values.

    Parameters
    ----------
    comment
        The line.

    Returns
    -------
    list of tuple of (str, str or None)
        As of :func:`molaug.structures.doors.ase_info.kind_of`; words that are no ``key=value`` are left out.
    """
    if "=" not in comment or comment.lstrip()[:1] in "-+0123456789":
        return []
    if not _ODD.search(comment):
        pairs = _PAIR.findall(comment)
        if len(pairs) == comment.count("="):
            return [(key, _kind(plain) if plain else kind_of(_value(key, quoted))) for key, quoted, plain in pairs]
    info = info_of(comment)
    return [(key, kind_of(value)) for key, value in info.items() if value is not True or f"{key}=" in comment]


def _kind(text: str) -> str | None:
    if _DECIMAL.fullmatch(text):
        return "float" if not text.lstrip("+-").isdigit() else "int" if len(text) < 18 else kind_of(_value("x", text))
    return kind_of(_by_ase("x", text))


def info_of(comment: str) -> dict[str, Any]:
    """Read a comment line of extended xyz.

    Parameters
    ----------
    comment
        The line.

    Returns
    -------
    dict of str to Any
        Empty where it holds no ``key=value``, or begins with a number.

    Examples
    --------
    >>> info_of('REF_energy=-1.5 n=3 name="a b" dipole="0.0 1.0 2.0"')
    {'REF_energy': -1.5, 'n': 3, 'name': 'a b', 'dipole': array([0., 1., 2.])}
    """
    comment = comment.strip()
    if "=" not in comment or comment[:1] in "-+0123456789":
        return {}
    info: dict[str, Any] = {}
    at = 0
    while at < len(comment):
        match = _PAIR.match(comment, at)
        if match is None:
            return dict(key_val_str_to_dict(comment))
        key, quoted, plain = match.groups()
        info[key] = _value(key, plain if quoted is None else quoted)
        at = match.end()
    return info


def _value(key: str, text: str) -> Any:
    if key in _MATRICES or key == "uid":
        return _by_ase(key, text)
    if _DECIMAL.fullmatch(text):
        return (int(text) if len(text) < 4000 else text) if text.lstrip("+-").isdigit() else float(text)
    words = text.replace(",", " ").split()
    if len(words) > 1 and all(_DECIMAL.fullmatch(word) for word in words):
        whole = all(_WHOLE.fullmatch(word) and len(word) < 19 for word in words)
        return np.array(words, dtype=int if whole else float)
    return _by_ase("x", text)


@lru_cache(maxsize=4096)
def _by_ase(key: str, text: str) -> Any:
    return key_val_str_to_dict(f'{key}="{text}"')[key]


@lru_cache(maxsize=4096)
def _said(key: str) -> str:
    return rf"{re.escape(str(key))}[\"']?\s*="


@lru_cache(maxsize=64)
def _columns(properties: str) -> tuple[tuple[str, int, str], ...]:
    """Return name, width and type of the columns of ``Properties``."""
    fields = properties.split(":")
    found, names, _, _ = parse_properties(properties)
    kinds = dict(zip(fields[::3], fields[1::3], strict=False))
    return tuple((found[name][0], found[name][1], kinds[name]) for name in names)


def _atoms(lines: list[str], info: dict[str, Any], name: str, audit: Audit) -> Atoms:
    columns = _columns(info.pop("Properties", _DEFAULT))
    width = sum(count for _, count, _ in columns)
    rows = [line.split() for line in lines]
    least, most = min(map(len, rows), default=0), max(map(len, rows), default=0)
    if least < width:
        raise ValueError("fewer columns than the frame announces")
    if most > width:
        audit.note(name, "columns of the atoms that the comment line does not name are left out")
    table = list(zip(*rows, strict=most == least))
    arrays: dict[str, Any] = {}
    at = 0
    for key, count, kind in columns:
        arrays[key] = _array(table[at : at + count], kind)
        at += count
    symbols, numbers = arrays.pop("symbols", None), arrays.pop("numbers", None)
    positions = arrays.pop("positions", None)
    if positions is None or positions.shape != (len(rows), 3):
        raise ValueError("no positions")
    if numbers is None:
        if symbols is None:
            raise ValueError("no symbols of elements")
        numbers = numbers_of_symbols(symbols, name, audit)
    pbc = info.pop("pbc", "Lattice" in info)
    cell = info.pop("Lattice", None)
    frame = Atoms(numbers=numbers, positions=positions, info=info)
    if np.any(pbc):
        frame.pbc = True
    elif cell is not None:
        frame.cell = np.asarray(cell).T
    for key, values in arrays.items():
        frame.arrays[key] = values
    return frame


def _array(words: list[tuple[str, ...]], kind: str) -> Any:
    if kind in ("S", "L"):
        found: Any = np.array(words, dtype=str if kind == "S" else object).T
    else:
        try:
            found = np.array(words, dtype=float if kind == "R" else int).T
        except ValueError:  # exponents of Fortran and of Mathematica
            plain = [[word.replace("*^", "e").replace("D", "e").replace("d", "e") for word in row] for row in words]
            found = np.array(plain, dtype=float if kind == "R" else int).T
    return found[:, 0] if len(words) == 1 else found


def numbers_of_symbols(symbols: Any, name: str, audit: Audit) -> list[int]:
    """Return the atomic numbers of symbols; deuterium and tritium are hydrogen.

    Parameters
    ----------
    symbols
        As a file writes them, or numerals.
    name
        What the file calls the row.
    audit
        Told where an isotope is read as its element.

    Returns
    -------
    list of int
        One for each symbol.

    Raises
    ------
    ValueError
        If one is a dummy or no element.
    """
    numbers = []
    for given in symbols:
        number = _numbers.get(given)
        if number is None:
            symbol = given.capitalize()
            if symbol in ISOTOPES:
                audit.note(name, "deuterium or tritium is read as hydrogen")
                number = 1
            elif symbol in DUMMIES:
                raise ValueError("dummy atoms")
            else:
                number = int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 0
                number = atomic_numbers.get(symbol, number)
            if not 0 < number < 119:
                raise ValueError("a symbol that is no element")
        numbers.append(number)
    return numbers


_numbers = {symbol: number for symbol, number in atomic_numbers.items() if number}


def _blocks(path: Path) -> Iterator[tuple[str, list[str], list[str]] | str]:
    """Yield comment, atoms and what follows them of each frame, or why there is none."""
    with open_text(path) as handle:
        line = handle.readline()
        torn = False
        while line:
            if not line.strip():
                line = handle.readline()
                continue
            if not _is_count(line):
                line, _ = _to_count(handle, line)
                yield "unreadable: no number of atoms where a frame begins"
                continue
            count = int(line)
            comment = handle.readline()
            if torn and _is_count(comment):  # the first was what is left of the damaged frame
                line, torn = comment, False
                continue
            lines: list[str] = []
            line = ""
            for found in islice(handle, count):
                if found[0].isalpha():
                    lines.append(found)
                    continue
                if found.isspace() or _is_count(found):
                    line = found
                    break
                lines.append(found)
            torn = len(lines) < count
            if not torn:
                line = handle.readline()
            line, after = _to_count(handle, line)
            if torn:
                yield "unreadable: fewer atoms than the frame announces"
            elif any(_is_atom(text) for text in after):
                yield "unreadable: more atoms than the frame announces"
            else:
                yield comment, lines, after


def _to_count(handle: TextIO, line: str) -> tuple[str, list[str]]:
    skipped = []
    while line and not _is_count(line):
        if line.strip():
            skipped.append(line.strip())
        line = handle.readline()
    return line, skipped


def _is_count(line: str) -> bool:
    text = line.strip()
    return text.isdigit() and text.isascii() and len(text) < 10


def _is_atom(line: str) -> bool:
    words = line.split()
    if len(words) < 4 or not (words[0].capitalize() in _numbers or words[0].isdigit()):
        return False
    return all(_DECIMAL.fullmatch(word) for word in words[1:4])


def _read_comment(comment: str, frame: Atoms, name: str, audit: Audit, energy_unit: str) -> None:
    for what, pattern in _COMMENTS.items():
        match = pattern.match(comment)
        if match is None:
            continue
        energy = float(match[1])
        factor = Hartree if energy_unit == "eV" else energy_factor(energy_unit)  # eV
        if what != _BARE or looks_like_total_energy(frame.numbers.tolist(), energy * factor / Hartree):
            audit.detected["energy"] = f"in the comment lines, Ha unless a unit was given ({what})"
            frame.info["energy"] = energy * (Hartree if energy_unit == "eV" else 1.0)
            return
    if re.search(_NUMBER, comment):
        audit.note(name, "a number in the comment line is not read as an energy")
    frame.info["comment"] = comment.strip()

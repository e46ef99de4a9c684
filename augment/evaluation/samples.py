"""Generated molecules as they were written: one entry for each sample, whether it can be read or not.

The readers of :mod:`molaug.structures.datasets` leave out what is no molecule; here that is what is counted.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from ase import Atoms
from ase.io import iread
from ase.io.formats import UnknownFileTypeError
from numpy.typing import ArrayLike, NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.evaluation.protocol import CLASH
from molaug.structures import Structures
from molaug.structures.chemistry import as_drawn, perceive
from molaug.structures.chemistry.connectivity import reach
from molaug.structures.datasets.locate import existing, open_text, suffix_of
from molaug.structures.datasets.planar import has_geometry
from molaug.structures.doors.parquet import parquet_files

#: Why a sample is no molecule at all; other kinds of reasons are :data:`molaug.structures.chemistry.STRICT_KINDS`.
UNREADABLE, UNPERCEIVED = "unreadable", "unperceived"

_LISTS = (".smi", ".can", ".smiles", ".txt")
_FORMATS = f"SMILES ({' '.join(_LISTS)}, one a line), .csv with a column smiles, .sdf, .xyz, .npz and .parquet"


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Geometry:
    """The atoms of one sample in space.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    drawn
        The bonds that came with it, unsanitised; None where there were none.
    perceived
        The molecule of the sample is what was perceived from this geometry, for net charge zero.
    """

    numbers: NDArray[np.uint8]
    positions: NDArray[np.float64]
    drawn: Chem.Mol | None = None
    perceived: bool = False


#: A molecule as drawn or the reason why there is none, and the geometry if there is one.
Entry = tuple[Chem.Mol | str, Geometry | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """What one file of generated molecules holds, in its order.

    Parameters
    ----------
    source
        The file, or what else they came from.
    mols
        As drawn, unsanitised; None where there is no molecule. Those from geometries have all their hydrogens.
    reasons
        ``unreadable`` or ``unperceived`` with a detail, where there is none; None elsewhere.
    geometries
        None where a sample has none.
    """

    source: str
    mols: tuple[Chem.Mol | None, ...]
    reasons: tuple[str | None, ...]
    geometries: tuple[Geometry | None, ...]

    def __len__(self) -> int:
        """Return the number of samples, those that are no molecules included."""
        return len(self.mols)

    @classmethod
    def collect(cls, source: str, found: Iterable[Entry]) -> Samples:
        """Gather molecules, reasons and geometries in their order.

        Parameters
        ----------
        source
            What they came from.
        found
            Molecules as drawn, or the reason why a sample is none, each with its geometry if it has one.

        Returns
        -------
        Samples
            One entry each.
        """
        entries = list(found)
        return cls(
            source=source,
            mols=tuple(None if isinstance(mol, str) else mol for mol, _ in entries),
            reasons=tuple(mol if isinstance(mol, str) else None for mol, _ in entries),
            geometries=tuple(geometry for _, geometry in entries),
        )


def read_samples(path: str | Path) -> Samples:
    r"""Read a file of generated molecules.

    Parameters
    ----------
    path
        A list of SMILES (one sample a line, its first word; an empty line is a sample without atoms), a csv with a
        column ``smiles``, an SDF, an xyz file, an npz with ``z``, ``pos`` and ``offsets``, or Parquet with the columns
        of ``molaug.Structures`` or a column ``smiles``; SMILES, csv and SDF may be compressed by gzip. Bonds of
        geometries without any are perceived, for net charge zero unless the file has a charge.

    Returns
    -------
    Samples
        Every sample, readable or not.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the format is unknown, or the file holds no samples.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "samples.smi"
    ...     _ = path.write_text("CCO first\nC1CC\n")
    ...     read_samples(path).reasons
    (None, 'unreadable')
    """
    path = existing(path)
    suffix = ".parquet" if path.is_dir() else suffix_of(path)
    if suffix in _LISTS or suffix == ".csv":
        found = _of_smiles(smiles_of_file(path))
    elif suffix == ".sdf":
        found = _of_sdf(path)
    elif suffix in (".xyz", ".extxyz"):
        found = _of_frames(_frames(path))
    elif suffix == ".npz":
        found = _of_npz(path)
    elif suffix == ".parquet":
        found = _of_parquet(path)
    else:
        raise ValueError(f"{path}: cannot tell its format from {suffix or 'no suffix'!r}; expected {_FORMATS}")
    samples = Samples.collect(str(path), found)
    if not len(samples):
        raise ValueError(f"{path} holds no samples; expected at least one")
    return samples


def smiles_samples(smiles: Sequence[str], source: str = "smiles") -> Samples:
    """Take SMILES in memory for samples.

    Parameters
    ----------
    smiles
        Any texts, one sample each.
    source
        What they came from.

    Returns
    -------
    Samples
        One entry each.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not len(smiles):
        raise ValueError(f"{source}: no samples; expected at least one SMILES")
    return Samples.collect(source, _of_smiles(smiles))


def smiles_of_file(path: Path) -> list[str]:
    """Return the SMILES of a list or csv, one for each line, whatever it says.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of str
        An empty text for an empty line.

    Raises
    ------
    ValueError
        If a csv has no column ``smiles``, or the file is no text.
    """
    try:
        with open_text(path) as handle:
            if suffix_of(path) != ".csv":
                return [(line.split() or [""])[0] for line in handle]
            table = csv.DictReader(handle)
            names = list(table.fieldnames or [])
            column = _smiles_column(names, path)
            return [row[column] or "" for row in table]
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f"{path}: not a text file as its name says ({error})") from error


def _smiles_column(names: Sequence[str], path: Path) -> str:
    found = next((name for name in names if name.strip().lower() == "smiles"), None)
    if found is None:
        raise ValueError(f"{path}: no column smiles; it has {', '.join(map(repr, names)) or 'none'}")
    return found


def _of_smiles(smiles: Iterable[str]) -> Iterator[Entry]:
    for text in smiles:
        mol = as_drawn(text)
        yield UNREADABLE if mol is None else mol, None


def _of_sdf(path: Path) -> Iterator[Entry]:
    opened = gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # noqa: SIM115 -- next line
    with opened as handle, BlockLogs():
        for mol in Chem.ForwardSDMolSupplier(handle, removeHs=False, sanitize=False):
            yield (UNREADABLE, None) if mol is None else _of_record(mol)


def _of_record(mol: Chem.Mol) -> Entry:
    if not has_geometry(mol):
        return mol, None
    numbers = np.array([mol.GetAtomWithIdx(k).GetAtomicNum() for k in range(mol.GetNumAtoms())], dtype=np.uint8)
    if (numbers == 1).any():
        # no hydrogens are implied where a geometry has its own: those that lack are lacking
        for k in range(mol.GetNumAtoms()):
            mol.GetAtomWithIdx(k).SetNoImplicit(True)
    return mol, Geometry(numbers=numbers, positions=mol.GetConformer().GetPositions(), drawn=mol)


def _frames(path: Path) -> Iterator[Atoms]:
    try:
        yield from iread(path, index=":")
    except (UnknownFileTypeError, ValueError, KeyError, IndexError, OSError, StopIteration) as error:
        raise ValueError(f"{path}: ASE cannot read it ({' '.join(str(error).split())[:200]})") from error


def _of_frames(frames: Iterable[Atoms]) -> Iterator[Entry]:
    for frame in frames:
        yield _perceived(frame.numbers, frame.positions, drawn=_drawn(frame.info.get("raw_smiles")))


def _of_npz(path: Path) -> Iterator[Entry]:
    with np.load(path, allow_pickle=False) as arrays:
        lacking = [key for key in ("z", "pos", "offsets") if key not in arrays.files]
        if lacking:
            raise ValueError(
                f"{path}: no array {', '.join(lacking)}; there are {', '.join(arrays.files) or 'none'}. Expected z "
                "(atoms), pos (atoms, 3) in Å and offsets (samples + 1)"
            )
        z, pos, offsets = arrays["z"], arrays["pos"], arrays["offsets"]
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        yield _perceived(z[first:last], pos[first:last])


def _of_parquet(path: Path) -> Iterator[Entry]:
    for file in parquet_files(path):
        names = pq.read_schema(file).names
        if "numbers" not in names:
            column = _smiles_column(names, file)
            yield from _of_smiles(text or "" for text in pq.read_table(file, columns=[column]).column(0).to_pylist())
            continue
        rows = Structures.from_parquet(file)
        claimed = rows.column("raw_smiles") if "raw_smiles" in rows.table.column_names else [None] * len(rows)
        for row, raw in zip(rows, claimed, strict=True):
            drawn = _drawn(row.smiles if raw is None else raw)
            if row.smiles is not None:
                mol = as_drawn(row.smiles)
                geometry = None if row.positions is None else _geometry(row.numbers, row.positions, drawn)
                yield UNREADABLE if mol is None else mol, geometry
            elif row.positions is None:
                yield f"{UNREADABLE}: neither SMILES nor positions", None
            else:
                yield _perceived(row.numbers, row.positions, row.charge, drawn)


def _drawn(smiles: object) -> Chem.Mol | None:
    """Read the bonds that a generator drew; a text that is no SMILES drew a molecule without atoms."""
    if smiles is None:
        return None
    mol = as_drawn(str(smiles))
    return Chem.Mol() if mol is None else mol


def _geometry(
    numbers: ArrayLike, positions: ArrayLike, drawn: Chem.Mol | None, *, perceived: bool = False
) -> Geometry | None:
    z = np.asarray(numbers, dtype=np.uint8)
    x = np.asarray(positions, dtype=np.float64)
    return Geometry(numbers=z, positions=x, drawn=drawn, perceived=perceived) if len(z) else None


def _perceived(numbers: ArrayLike, positions: ArrayLike, charge: int = 0, drawn: Chem.Mol | None = None) -> Entry:
    z, x = np.asarray(numbers), np.asarray(positions, dtype=np.float64)
    if not len(z):
        return Chem.Mol(), None
    if not np.isfinite(x).all():
        return f"{UNPERCEIVED}: positions are not finite", _geometry(z, x, drawn)
    i, j = np.triu_indices(len(z), k=1)
    near = np.flatnonzero(np.linalg.norm(x[i] - x[j], axis=1) < CLASH * reach(z[i], z[j]))
    if len(near):
        return f"{UNPERCEIVED}: atoms {i[near[0]]} and {j[near[0]]} lie on one another", _geometry(z, x, drawn)
    # the lowest multiplicity that the electrons allow: an odd one is then seen as a radical
    found = perceive(z, x, charge, 1 + (int(z.sum(dtype=np.int64)) - charge) % 2)
    geometry = _geometry(z, x, drawn, perceived=charge == 0)
    return found.mol if found.mol is not None else f"{UNPERCEIVED}: {found.reason}", geometry

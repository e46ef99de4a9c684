"""The layouts of HDF5 files of the ANI family, read into groups of conformers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.rows import numbers_of
from molaug.structures.gate import IMPOSSIBLE, kind_of, row_fault

#: Levels of theory of ANI-1x and ANI-1ccx by the prefix of their keys (doi:10.1038/s41597-020-0473-z).
ANI1X_LEVELS = {
    "wb97x_dz": "wb97x/6-31g(d)",
    "wb97x_tz": "wb97x/def2-tzvpp",
    "ccsd(t)_cbs": "ccsd(t)*/cbs",
    "hf_dz": "hf/cc-pvdz",
    "hf_tz": "hf/cc-pvtz",
    "hf_qz": "hf/cc-pvqz",
}

#: Atoms of a molecule, or letters of a name, that a file may have; more are a damaged length.
_MOST_ATOMS = 100_000

#: Conformers read at once where a group may hold millions.
_PIECE = 65_536

_EQUAL_LEVELS = {"wb97x/6-31g*": "wb97x/6-31g(d)"}

#: Attribute of the file by which a layout written by molaug says what it holds.
LEVEL_ATTRIBUTE = "molaug.level"


@dataclass(frozen=True, kw_only=True)
class Conformers:
    """Conformers that share their atoms: coordinates (n, n_atoms, 3), energies (n,), raw ``forces`` likewise or None.

    ``isomers`` says that they may differ in their bonds; otherwise ``reference`` (n_atoms, 3) is the lowest of them.
    """

    names: list[str]
    numbers: NDArray[np.uint8]
    coordinates: NDArray[Any]
    energies: NDArray[np.float64]
    forces: NDArray[Any] | None = None
    smiles: str | None = None
    charge: int = 0
    multiplicity: int | None = None
    isomers: bool = False
    reference: NDArray[np.float64] | None = None
    high_energy: bool | None = None

    def take(self, rows: NDArray[np.intp]) -> Conformers:
        """Return some conformers of the group.

        Parameters
        ----------
        rows
            Their numbers.

        Returns
        -------
        Conformers
            In the order of the numbers.
        """
        return replace(
            self,
            names=[self.names[k] for k in rows],
            coordinates=self.coordinates[rows],
            energies=self.energies[rows],
            forces=None if self.forces is None else self.forces[rows],
        )

    def slice(self, start: int, stop: int) -> Conformers:
        """Return conformers start to stop.

        Parameters
        ----------
        start
            The first.
        stop
            One past the last.

        Returns
        -------
        Conformers
            Fewer at the end of the group.
        """
        return self.take(np.arange(start, min(stop, len(self.names))))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Where the labels of one level lie: the prefix of their keys, and what the layout documents about forces."""

    level: str | None
    prefix: str
    has_forces: bool
    documented: str | None


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The levels of theory in a file: by prefix for ANI-1x/ccx, else the one that the file names, if it does."""

    by_prefix: dict[str, bool]
    named: str | None
    has_forces: bool
    documented: str | None

    def choose(self, wanted: str | None, path: Path) -> Choice:
        """Return the level asked for.

        Parameters
        ----------
        wanted
            A level of theory or a prefix; None for the only one.
        path
            Named in the error.

        Returns
        -------
        Choice
            Where its labels lie.

        Raises
        ------
        ValueError
            If the file holds several levels and none or an unknown one is asked for, or names another one.
        """
        if not self.by_prefix:
            given = None if wanted is None else _EQUAL_LEVELS.get(wanted.lower(), wanted.lower())
            if given and self.named and given != self.named:
                raise ValueError(f"{path}: level {wanted!r} asked for, but the file names {self.named!r}")
            return Choice(level=given or self.named, prefix="", has_forces=self.has_forces, documented=self.documented)
        names = {prefix: ANI1X_LEVELS.get(prefix, prefix) for prefix in self.by_prefix}
        listing = ", ".join(f"{level!r} ({prefix})" for prefix, level in names.items())
        if wanted is None:
            if len(names) > 1:
                raise ValueError(f"{path} holds several levels of theory: {listing}; pass level=… to choose one")
            wanted = next(iter(names))
        key = _EQUAL_LEVELS.get(wanted.lower(), wanted.lower())
        for prefix, level in names.items():
            if key in (prefix, level):
                forces = self.by_prefix[prefix]
                return Choice(level=level, prefix=prefix, has_forces=forces, documented=self.documented)
        near = get_close_matches(key, [*names, *names.values()], n=1)
        hint = f", did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"{path} has no level {wanted!r}{hint} It holds {listing}")


def levels_in(path: Path) -> Levels:
    """Look up which levels of theory a file holds.

    Parameters
    ----------
    path
        An HDF5 file of the ANI family.

    Returns
    -------
    Levels
        Empty ``by_prefix`` where the keys carry no level.

    Raises
    ------
    ValueError
        If no group holds coordinates and energies.
    """
    by_prefix: dict[str, bool] = {}
    named: set[str] = set()
    forces = False
    with _opened(path) as file:
        written = file.attrs.get(LEVEL_ATTRIBUTE)
        for group in _leaves(file):
            for key in group:
                prefix, dot, what = key.rpartition(".")
                if dot and what == "energy":
                    by_prefix[prefix] = by_prefix.get(prefix, False) or f"{prefix}.forces" in group
            forces |= "forces" in group
            if isinstance(group.get("lot"), h5py.Dataset):
                named.add(_words(np.ravel(group["lot"][:1] if group["lot"].ndim else group["lot"][()])))
    if len(named) > 1:
        raise ValueError(f"{path} mixes levels of theory: {', '.join(sorted(named))}; split it by level first")
    text = _words(np.ravel(written)) if written is not None and np.size(written) else next(iter(named), None)
    ours = "Ha/Å" if written is not None else None
    return Levels(
        by_prefix=dict(sorted(by_prefix.items())),
        named=None if not text else _EQUAL_LEVELS.get(text.lower(), text.lower()),
        has_forces=forces,
        documented="Ha/Å" if by_prefix else ours,
    )


def groups(
    path: Path, prefix: str = "", *, high_energy: bool = False, audit: Audit | None = None
) -> Iterator[Conformers]:
    """Stream the groups of a file.

    Parameters
    ----------
    path
        An HDF5 file of the ANI family.
    prefix
        Prefix of the keys of the labels, for ANI-1x/ccx.
    high_energy
        Also yield ``coordinatesHE`` and ``energiesHE`` as groups of their own.
    audit
        Counts the rows; told of those that are damaged, and of arrays that are not read.

    Yields
    ------
    Conformers
        One molecule, formula or composition at a time.
    """
    audit = Audit() if audit is None else audit
    with _opened(path) as file:
        for node in _leaves(file):
            group = _Group.of(node)
            if "species" in group.arrays and group.arrays["species"].ndim == 2:
                yield from _by_composition(group, audit)
            elif "atomic_numbers" in group.arrays:
                yield from _by_formula(group, prefix, audit)
            else:
                yield from _by_molecule(group, high_energy, audit)


@dataclass(frozen=True, slots=True)
class _Group:
    """A group of a file: its name without slashes around it, its attributes and its arrays."""

    name: str
    attributes: Mapping[str, Any]
    arrays: Mapping[str, h5py.Dataset]

    @classmethod
    def of(cls, group: h5py.Group) -> _Group:
        items = ((key, group.get(key)) for key in group)
        arrays = {key: item for key, item in items if isinstance(item, h5py.Dataset)}
        return cls(str(group.name).strip("/"), group.attrs, arrays)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:  # what h5py raises for damaged files
        raise ValueError(f"{path}: not a whole HDF5 file: {' '.join(str(error).split())[:160]}") from error


def _leaves(file: h5py.File) -> Iterator[h5py.Group]:
    """Yield the groups that hold coordinates or labels, in the order of their names, each of them once."""
    stack: list[h5py.Group] = [file]
    seen: set[tuple[int, int]] = set()  # a link may lead back to an ancestor
    found = False
    while stack:
        group = stack.pop()
        info = h5py.h5o.get_info(group.id)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        found |= "coordinates" in group
        if any(key in group for key in ("coordinates", "energies", "coordinatesHE")):
            yield group
        children = [group.get(key) for key in sorted(group) if group.get(key, getclass=True) is h5py.Group]
        stack.extend(child for child in reversed(children) if child is not None)
    if not found:
        keys = ", ".join(sorted(file)) or "nothing"
        raise ValueError(f"{file.filename}: no group holds 'coordinates'; the file holds {keys}. Expected ANI's")


def _by_molecule(group: _Group, high_energy: bool, audit: Audit) -> Iterator[Conformers]:
    """Yield one molecule of a pyanitools file: ANI-1, COMP6 and their kin."""
    taken = ["species", "coordinates", "energies", "forces", "smiles", "lot"]
    if high_energy:
        taken += ["coordinatesHE", "energiesHE"]
    _name_others(group, taken, audit)
    reason, numbers = _species(group)
    charge, multiplicity = group.attributes.get("charge", 0), group.attributes.get("multiplicity")
    if reason is None:
        fault = row_fault(numbers=numbers, charge=charge, multiplicity=multiplicity)
        reason = None if fault is None else f"{IMPOSSIBLE}: {kind_of(fault)}"
    n = _whole_rows(group, "coordinates", "energies", len(numbers), reason, audit)
    energies = _labels(group, "energies", slice(0, n))
    coordinates = group.arrays["coordinates"][:n] if n else np.zeros((0, len(numbers), 3))
    best = int(np.nanargmin(energies)) if np.isfinite(energies).any() else 0
    shared = Conformers(
        names=_names(group, n),
        numbers=numbers,
        coordinates=coordinates,
        energies=energies,
        forces=_forces(group, "forces", slice(0, n), len(numbers), audit),
        smiles=_listed(group),
        charge=0 if reason else int(charge),
        multiplicity=None if reason or multiplicity is None else int(multiplicity),
        reference=np.asarray(coordinates[best], dtype=np.float64) if n else None,
        high_energy=False if high_energy else None,
    )
    if n:
        yield shared
    if high_energy and ("energiesHE" in group.arrays or "coordinatesHE" in group.arrays):
        n = _whole_rows(group, "coordinatesHE", "energiesHE", len(numbers), reason, audit, tail="HE")
        energies = _labels(group, "energiesHE", slice(0, n))
        if n:
            yield replace(
                shared,
                names=_names(group, n, "HE"),
                coordinates=group.arrays["coordinatesHE"][:n],
                energies=energies,
                forces=None,
                reference=group.arrays["coordinatesHE"][0] if shared.reference is None else shared.reference,
                high_energy=True,
            )


def _by_formula(group: _Group, prefix: str, audit: Audit) -> Iterator[Conformers]:
    """Yield one formula of an ANI-1x/ccx file piece by piece: conformers of all its isomers."""
    energy, forces = f"{prefix}.energy", f"{prefix}.forces"
    _name_others(group, ["atomic_numbers", "coordinates", energy, forces], audit)
    numbers = group.arrays["atomic_numbers"][()]
    fault = row_fault(numbers=numbers)
    reason = None if fault is None else f"{IMPOSSIBLE}: {kind_of(fault)}"
    n_rows = _whole_rows(group, "coordinates", energy, np.size(numbers), reason, audit)
    for piece in _pieces(n_rows):
        yield Conformers(
            names=_names(group, piece.stop - piece.start, start=piece.start),
            numbers=np.asarray(numbers, dtype=np.uint8).ravel(),
            coordinates=group.arrays["coordinates"][piece],
            energies=_labels(group, energy, piece),
            forces=_forces(group, forces, piece, np.size(numbers), audit),
            isomers=True,
        )


def _by_composition(group: _Group, audit: Audit) -> Iterator[Conformers]:
    """Yield the molecules of one number of atoms of an ANI-2x file piece by piece, by their species in order."""
    _name_others(group, ["species", "coordinates", "energies", "forces"], audit)
    n_molecules, n_atoms = group.arrays["species"].shape
    reason = None if group.arrays["species"].dtype.kind in "iuf" else "unreadable: species that are no atomic numbers"
    n_rows = _whole_rows(group, "coordinates", "energies", n_atoms, reason, audit, most=n_molecules)
    for piece in _pieces(n_rows):
        species = group.arrays["species"][piece]
        every = Conformers(
            names=_names(group, len(species), start=piece.start),
            numbers=np.zeros(n_atoms, np.uint8),
            coordinates=group.arrays["coordinates"][piece],
            energies=_labels(group, "energies", piece),
            forces=_forces(group, "forces", piece, n_atoms, audit),
            isomers=True,
        )
        kinds, place = np.unique(species, axis=0, return_inverse=True)
        for k, numbers in enumerate(kinds):
            members = every.take(np.flatnonzero(place.ravel() == k))
            fault = row_fault(numbers=numbers)
            if fault is None:
                yield replace(members, numbers=numbers.astype(np.uint8))
                continue
            audit.rows_read += len(members.names)
            for name in members.names:
                audit.drop(name, f"{IMPOSSIBLE}: {kind_of(fault)}")


def _whole_rows(
    group: _Group,
    coordinates: str,
    energies: str,
    n_atoms: int,
    reason: str | None,
    audit: Audit,
    *,
    most: int | None = None,
    tail: str = "",
) -> int:
    """Return how many conformers of a group are whole; the others are counted and dropped with a reason."""
    shapes: list[tuple[int, ...]] = [
        group.arrays[key].shape if key in group.arrays else (0,) for key in (coordinates, energies)
    ]
    lengths = [shape[0] if shape else 1 for shape in shapes]
    total = max(*lengths, most or 0)
    n = min(*lengths, total if most is None else most)
    if reason is None and coordinates in group.arrays:
        numeric = group.arrays[coordinates].dtype.kind in "iuf"
        if not numeric or len(shapes[0]) != 3 or shapes[0][2] != 3:
            reason = "unreadable: coordinates of a wrong shape"
        elif shapes[0][1] != n_atoms:
            reason = "unreadable: species and coordinates differ in their number of atoms"
    if reason is None and energies not in group.arrays:
        reason = "unlabelled: no energy at this level"
    found = group.arrays.get(energies)
    if (
        reason is None
        and found is not None
        and (shapes[1] not in ((lengths[1],), (lengths[1], 1)) or found.dtype.kind not in "iuf")
    ):
        reason = "unreadable: energies of a wrong shape"
    n = 0 if reason else n
    missing = f"unreadable: more {'coordinates than labels' if lengths[0] == total else 'labels than coordinates'}"
    if total > n:
        audit.rows_read += total - n
        audit.drop_many((f"{group.name}{tail}[{k}]" for k in range(n, total)), total - n, reason or missing)
    return n


def _labels(group: _Group, key: str, piece: slice) -> NDArray[np.float64]:
    """Return energies, whether stored as (n,) or (n, 1)."""
    if piece.start == piece.stop:
        return np.zeros(0)
    return np.asarray(group.arrays[key][piece], dtype=np.float64).reshape(-1)


def _forces(group: _Group, key: str, piece: slice, n_atoms: int, audit: Audit) -> NDArray[Any] | None:
    """Return forces, NaN where the array is too short; None where there are none."""
    if key not in group.arrays or piece.start == piece.stop:
        return None
    if group.arrays[key].shape[1:] != (n_atoms, 3) or group.arrays[key].dtype.kind not in "iuf":
        audit.drop_column(f"{group.name}/{key}", "forces of a wrong shape")
        return None
    found: NDArray[Any] = group.arrays[key][piece]
    lacking = piece.stop - piece.start - len(found)
    if not lacking:
        return found
    audit.drop_column(f"{group.name}/{key}", f"forces of {len(group.arrays[key])} conformers only")
    return np.concatenate([found, np.full((lacking, n_atoms, 3), np.nan)])


def _species(group: _Group) -> tuple[str | None, NDArray[np.uint8]]:
    """Return the atomic numbers of a molecule, or why there are none."""
    if "species" not in group.arrays:
        return "unreadable: no species", np.zeros(0, np.uint8)
    if group.arrays["species"].size > _MOST_ATOMS:
        return "unreadable: species and coordinates differ in their number of atoms", np.zeros(0, np.uint8)
    try:
        return None, numbers_of(_strings(np.ravel(group.arrays["species"][()])))
    except (ValueError, TypeError):
        return "unreadable: species of no element", np.zeros(0, np.uint8)


def _listed(group: _Group) -> str | None:
    letters = group.arrays.get("smiles")
    return None if letters is None or letters.size > _MOST_ATOMS else _words(np.ravel(letters[()]))


def _name_others(group: _Group, taken: list[str], audit: Audit) -> None:
    """Name the arrays of a group that are not read."""
    for key in group.arrays:
        if key in taken or key in audit.dropped_columns:
            continue
        high = key in ("coordinatesHE", "energiesHE")
        audit.drop_column(key, "pass high_energy=True to read it" if high else "an array that the reader does not know")


def _pieces(n: int) -> Iterator[slice]:
    """Yield slices of the rows, so that the largest group of ANI-2x (millions) is never held whole."""
    for start in range(0, n, _PIECE):
        yield slice(start, min(start + _PIECE, n))


def _names(group: _Group, count: int, tail: str = "", start: int = 0) -> list[str]:
    return [f"{group.name}{tail}[{k}]" for k in range(start, start + count)]


def _strings(values: NDArray[Any]) -> list[str]:
    texts = (v if isinstance(v, bytes) else str(v).encode("utf-8", "replace") for v in values)
    return [text.decode("utf-8", "replace") for text in texts]


def _words(values: NDArray[Any]) -> str:
    """Return text that is stored as one string or, as in ANI-1, letter by letter."""
    return "".join(_strings(values))

"""The layouts of HDF5 files of the ANI family, read into groups of conformers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from molaug.structures.datasets.rows import numbers_of

#: Levels of theory of ANI-1x and ANI-1ccx by the prefix of their keys (doi:10.1038/s41597-020-0473-z).
ANI1X_LEVELS = {
    "wb97x_dz": "wb97x/6-31g(d)",
    "wb97x_tz": "wb97x/def2-tzvpp",
    "ccsd(t)_cbs": "ccsd(t)*/cbs",
    "hf_dz": "hf/cc-pvdz",
    "hf_tz": "hf/cc-pvtz",
    "hf_qz": "hf/cc-pvqz",
}

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
    with h5py.File(path) as file:
        written = file.attrs.get(LEVEL_ATTRIBUTE)
        for group in _leaves(file):
            for key in group:
                prefix, dot, what = key.rpartition(".")
                if dot and what == "energy":
                    by_prefix[prefix] = by_prefix.get(prefix, False) or f"{prefix}.forces" in group
            forces |= "forces" in group
            if "lot" in group:
                named.add(_words(group["lot"][:1]))
    if len(named) > 1:
        raise ValueError(f"{path} mixes levels of theory: {', '.join(sorted(named))}; split it by level first")
    text = str(written) if written else next(iter(named), None)
    ours = "Ha/Å" if written is not None else None
    return Levels(
        by_prefix=dict(sorted(by_prefix.items())),
        named=None if not text else _EQUAL_LEVELS.get(text.lower(), text.lower()),
        has_forces=forces,
        documented="Ha/Å" if by_prefix else ours,
    )


def groups(path: Path, prefix: str = "", *, high_energy: bool = False) -> Iterator[Conformers]:
    """Stream the groups of a file.

    Parameters
    ----------
    path
        An HDF5 file of the ANI family.
    prefix
        Prefix of the keys of the labels, for ANI-1x/ccx.
    high_energy
        Also yield ``coordinatesHE`` and ``energiesHE`` as groups of their own.

    Yields
    ------
    Conformers
        One molecule, formula or composition at a time.
    """
    with h5py.File(path) as file:
        for group in _leaves(file):
            if "species" in group and group["species"].ndim == 2:
                yield from _by_composition(group)
            elif "atomic_numbers" in group:
                yield from _by_formula(group, prefix)
            else:
                yield from _by_molecule(group, high_energy)


def _leaves(file: h5py.File) -> Iterator[h5py.Group]:
    """Yield the groups that hold coordinates, in the order of their names."""
    stack: list[h5py.Group] = [file]
    found = False
    while stack:
        group = stack.pop()
        if "coordinates" in group:
            found = True
            yield group
        else:
            children = [group[key] for key in sorted(group) if isinstance(group[key], h5py.Group)]
            stack.extend(reversed(children))
    if not found:
        keys = ", ".join(sorted(file)) or "nothing"
        raise ValueError(f"{file.filename}: no group holds 'coordinates'; the file holds {keys}. Expected ANI's")


def _by_molecule(group: h5py.Group, high_energy: bool) -> Iterator[Conformers]:
    """Yield one molecule of a pyanitools file: ANI-1, COMP6 and their kin."""
    numbers = numbers_of(_strings(group["species"][:]))
    energies = np.asarray(group["energies"][:], dtype=np.float64)
    coordinates = group["coordinates"][:]
    best = int(np.nanargmin(energies)) if np.isfinite(energies).any() else 0
    shared = Conformers(
        names=_names(group, len(energies)),
        numbers=numbers,
        coordinates=coordinates,
        energies=energies,
        forces=group["forces"][:] if "forces" in group else None,
        smiles=_words(group["smiles"][:]) if "smiles" in group else None,
        charge=int(group.attrs.get("charge", 0)),
        multiplicity=int(group.attrs["multiplicity"]) if "multiplicity" in group.attrs else None,
        reference=np.asarray(coordinates[best], dtype=np.float64) if len(energies) else None,
        high_energy=False if high_energy else None,
    )
    yield shared
    if high_energy and "energiesHE" in group and len(group["energiesHE"]):
        energies = np.asarray(group["energiesHE"][:], dtype=np.float64)
        yield replace(
            shared,
            names=_names(group, len(energies), "HE"),
            coordinates=group["coordinatesHE"][:],
            energies=energies,
            forces=None,
            high_energy=True,
        )


def _by_formula(group: h5py.Group, prefix: str) -> Iterator[Conformers]:
    """Yield one formula of an ANI-1x/ccx file piece by piece: conformers of all its isomers."""
    energy, forces = f"{prefix}.energy", f"{prefix}.forces"
    for piece in _pieces(len(group["coordinates"])):
        n = piece.stop - piece.start
        yield Conformers(
            names=_names(group, n, start=piece.start),
            numbers=np.asarray(group["atomic_numbers"][:], dtype=np.uint8),
            coordinates=group["coordinates"][piece],
            energies=np.asarray(group[energy][piece], dtype=np.float64) if energy in group else np.full(n, np.nan),
            forces=group[forces][piece] if forces in group else None,
            isomers=True,
        )


def _by_composition(group: h5py.Group) -> Iterator[Conformers]:
    """Yield the molecules of one number of atoms of an ANI-2x file piece by piece, by their species in order."""
    for piece in _pieces(len(group["coordinates"])):
        species = np.asarray(group["species"][piece], dtype=np.uint8)
        every = Conformers(
            names=_names(group, len(species), start=piece.start),
            numbers=species[0],
            coordinates=group["coordinates"][piece],
            energies=np.asarray(group["energies"][piece], dtype=np.float64),
            forces=group["forces"][piece] if "forces" in group else None,
            isomers=True,
        )
        kinds, place = np.unique(species, axis=0, return_inverse=True)
        for k, numbers in enumerate(kinds):
            yield replace(every.take(np.flatnonzero(place.ravel() == k)), numbers=numbers)


def _pieces(n: int) -> Iterator[slice]:
    """Yield slices of the rows, so that the largest group of ANI-2x (millions) is never held whole."""
    for start in range(0, n, _PIECE):
        yield slice(start, min(start + _PIECE, n))


def _names(group: h5py.Group, count: int, tail: str = "", start: int = 0) -> list[str]:
    stem = str(group.name).strip("/")
    return [f"{stem}{tail}[{k}]" for k in range(start, start + count)]


def _strings(values: NDArray[Any]) -> list[str]:
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]


def _words(values: NDArray[Any]) -> str:
    """Return text that is stored as one string or, as in ANI-1, letter by letter."""
    return "".join(_strings(values))

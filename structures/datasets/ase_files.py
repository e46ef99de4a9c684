"""Whatever ASE reads, and ``Atoms`` in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from ase import Atoms

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card
from molaug.structures.datasets.dataset import CHUNK, Dataset
from molaug.structures.datasets.frames import Census, census_of, frames_of
from molaug.structures.datasets.locate import existing
from molaug.structures.datasets.units import energy_factor, force_factor
from molaug.structures.doors.ase_atoms import LabelSource, listed, rows_of_frames
from molaug.structures.doors.ase_labels import ENERGY_KEYS, FORCES_KEYS, label_keys, one_key
from molaug.structures.table import Structures

_PERIODIC = "periodic: molaug holds molecules"


def read_ase(
    source: str | Path | Sequence[Atoms],
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    energy_unit: str = "eV",
    force_unit: str | None = None,
    level: str | None = None,
    name: str | None = None,
) -> Dataset:
    """Read what ASE reads: extxyz, ``ase.db``, trajectories, outputs of programs; or a sequence of ``Atoms``.

    Parameters
    ----------
    source
        A file, or structures in memory.
    energy_key
        Key of the energy in ``Atoms.info``; by default ``REF_energy``, ``energy`` or a calculator's result: the first
        that all labelled frames have. Frames without a key that is given have no label.
    forces_key
        Key of the forces in ``Atoms.arrays``; likewise.
    energy_unit
        Unit of the energies; ASE's own readers give eV.
    force_unit
        Unit of the forces, after a minus where they are gradients (``"-Ha/bohr"``); by default that of the energies
        by Å.
    level
        Level of theory of the labels, where the file does not say.
    name
        Name of the dataset; by default that of the file.

    Returns
    -------
    Dataset
        One row for each frame; periodic frames are dropped with a reason.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If ASE cannot read the file or a unit is unknown.
    """
    path = existing(source) if isinstance(source, str | Path) else None
    given = [] if isinstance(source, str | Path) else source
    pushed = force_unit or f"{energy_unit}/Å"
    factors = energy_factor(energy_unit), force_factor(pushed)
    title = name or (path.stem if path else "structures")

    def stream(audit: Audit) -> Iterator[Structures]:
        frames = frames_of(path, audit, energy_unit=energy_unit) if path else _named(given, audit)
        if factors != (1.0, 1.0):
            audit.detected["energy"] = f"{energy_unit} (as given)"
            audit.detected["forces"] = f"{pushed} ({'as given' if force_unit else 'that of the energies, by Å'})"
        first = list(islice(frames, CHUNK))
        census, kinds = _census(path, given, [frame for _, frame in first])
        wanted = LabelSource(energy_key=energy_key, forces_key=forces_key, level=level, origin=title)
        labels = _labels(wanted, census, [frame for _, frame in first], path or title, audit)
        more = iter(lambda: list(islice(frames, CHUNK)), [])
        for chunk in chain([first], more):
            batch = _batch(chunk, labels, kinds, audit)
            audit.keep(len(batch))
            if len(batch):
                yield _scaled(batch, *factors)
        if path and not audit.rows_kept:
            raise ValueError(f"{path}: {audit.nothing()}")

    return Dataset(
        card=Card.of_file(title, path, level=level), stream=stream, audit=Audit(source=str(path or "structures"))
    )


def _named(frames: Iterable[Atoms], audit: Audit) -> Iterator[tuple[str, Atoms]]:
    for number, frame in enumerate(frames):
        audit.rows_read += 1
        yield f"frame {number}", frame


def _census(path: Path | None, given: Sequence[Atoms], first: list[Atoms]) -> tuple[Census, dict[str, str]]:
    """Count keys over all frames where that is possible, else over the first ones."""
    whole = len(first) < CHUNK
    census = census_of(path) if path and not whole else None
    if census is None:
        census = Census()
        census.add_frames(given if path is None else first)
        return census, census.columns(widen=path is not None and not whole)
    census.energies.update(label_keys(frame, {})[0] for frame in first)  # also knows energies in prose
    return census, census.columns(widen=False)


def _labels(wanted: LabelSource, census: Census, first: list[Atoms], where: Any, audit: Audit) -> LabelSource:
    energy, forces = wanted.energy_key, wanted.forces_key
    if energy is not None and first and not any(energy in frame.info for frame in first):
        results = [frame for frame in first if energy == "energy" and getattr(frame.calc, "results", None)]
        if not results:
            raise KeyError(f"{where}: structure 0 has no energy {energy!r}; info holds {listed(first[0].info)}")
    if forces is not None and first and not any(forces in frame.arrays for frame in first):
        results = [frame for frame in first if forces == "forces" and getattr(frame.calc, "results", None)]
        if not results:
            raise KeyError(f"{where}: structure 0 has no forces {forces!r}; arrays holds {listed(first[0].arrays)}")
    try:
        energy = energy or one_key(census.energies, ENERGY_KEYS, "energy_key")
        forces = forces or one_key(census.forces, FORCES_KEYS, "forces_key")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if energy is None:
        for key in census.kinds:
            if "energy" in key.lower():
                audit.remarks.append(f"{key!r} is a column, no label: pass energy_key={key} if it is the energy")
    if (energy, forces) in (("REF_energy", "forces"), ("energy", "REF_forces")) and len(
        set().union(*census.energies)
    ) > 1:
        audit.remarks.append(f"energies are {energy!r} and forces are {forces!r}: make sure that they are of one level")
    return LabelSource(energy_key=energy, forces_key=forces, level=wanted.level, origin=wanted.origin)


def _batch(chunk: list[tuple[str, Atoms]], labels: LabelSource, kinds: dict[str, str], audit: Audit) -> Structures:
    names: list[str] = []
    frames: list[Atoms] = []
    for name, frame in chunk:
        if frame.pbc.any():
            audit.drop(name, _PERIODIC)
        else:
            names.append(name)
            frames.append(frame)
    rows, _ = rows_of_frames(
        frames,
        labels,
        note=lambda k, text: audit.note(names[k], text),
        lost=lambda k, key, reason: audit.drop_column(key, reason),
        fail=partial(_drop, audit, names),
        kinds=kinds,
    )
    return rows


def _drop(audit: Audit, names: Sequence[str], k: int, reason: str) -> None:
    audit.drop(names[k], reason[:120] if reason.startswith("impossible") else f"unreadable: {reason[:120]}")


def _scaled(batch: Structures, energy: float, forces: float) -> Structures:
    if energy == forces == 1.0:
        return batch
    pushed = [None if s.forces is None else s.forces * forces for s in batch]
    return batch.with_columns({"energy": pc.multiply(batch.table.column("energy"), energy), "forces": pushed})

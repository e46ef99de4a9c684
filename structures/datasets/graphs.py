"""The bond graph of a row that is read: a listed SMILES where the geometry bears it out, else what is perceived."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from molaug.structures.chemistry import bonds, lay_graph, perceive
from molaug.structures.datasets.audit import Audit
from molaug.structures.gate import FARTHEST, LAST_ELEMENT

LISTED = "graph: a listed SMILES, borne out by the geometry"
PERCEIVED = "graph: perceived from the geometry, none was listed"
DISAGREE = "graph: listed SMILES and geometry disagree, perceived instead"
UNKNOWN = "graph: unknown, no bond orders fit the geometry"
BROKEN = "graph: unknown, bonds differ from those of the group's lowest conformer"


def settle_graph(
    listed: Iterable[str],
    numbers: ArrayLike,
    positions: ArrayLike,
    name: str,
    audit: Audit,
    *,
    charge: int = 0,
    multiplicity: int = 1,
) -> str | None:
    """Return the canonical SMILES of a geometry and note in the audit where it comes from.

    Parameters
    ----------
    listed
        SMILES that the source gives, the preferred one first.
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        In Å, shape (n_atoms, 3).
    name
        What the source calls the row.
    audit
        Told.
    charge
        Total charge in e.
    multiplicity
        2S+1.

    Returns
    -------
    str or None
        None where neither a listed graph fits nor one could be perceived.
    """
    if not _is_geometry(numbers, positions):
        return None  # such a row does not pass the gate
    claims = [smiles for smiles in listed if smiles]
    for smiles in claims:
        found = lay_graph(smiles, numbers, positions)
        if found.smiles is not None:
            audit.note(name, LISTED)
            return found.smiles
    seen = perceive(numbers, positions, charge, multiplicity)
    if seen.smiles is None:
        audit.note(name, UNKNOWN)
    else:
        audit.note(name, DISAGREE if claims else PERCEIVED)
    return seen.smiles


def _is_geometry(numbers: ArrayLike, positions: ArrayLike) -> bool:
    z, x = np.asarray(numbers), np.asarray(positions)
    if z.dtype.kind not in "iu" or not z.size or x.shape != (z.size, 3) or not np.isfinite(x).all():
        return False
    return bool(z.min() >= 1 and z.max() <= LAST_ELEMENT and np.abs(x).max() <= FARTHEST)


def group_graphs(
    listed: Iterable[str],
    numbers: ArrayLike,
    conformers: Iterable[ArrayLike],
    reference: ArrayLike,
    names: Iterable[str],
    audit: Audit,
    *,
    charge: int = 0,
    multiplicity: int = 1,
) -> list[str | None]:
    """Return the SMILES of conformers that share their order of atoms: one graph for all whose bonds are the same.

    Parameters
    ----------
    listed
        SMILES that the source gives for the group.
    numbers
        Atomic numbers, shape (n_atoms,).
    conformers
        Positions in Å, each of shape (n_atoms, 3).
    reference
        Positions of the conformer that settles the graph, usually that of lowest energy.
    names
        What the source calls the conformers.
    audit
        Told, for each conformer.
    charge
        Total charge in e.
    multiplicity
        2S+1.

    Returns
    -------
    list of (str or None)
        None where bonds are broken or formed.
    """
    scratch = Audit()
    smiles = settle_graph(listed, numbers, reference, "", scratch, charge=charge, multiplicity=multiplicity)
    remark = next(iter(scratch.noted), UNKNOWN)
    expected = bonds(numbers, reference)
    found: list[str | None] = []
    for name, x in zip(names, conformers, strict=True):
        same = np.array_equal(bonds(numbers, x), expected)
        audit.note(name, remark if same else BROKEN)
        found.append(smiles if same else None)
    return found

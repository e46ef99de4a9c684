"""The figures of a file of samples that rest on its geometries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.evaluation.coordinates import ReferenceCoordinates, coordinates, wasserstein_distances
from molaug.evaluation.edm import edm_smiles
from molaug.evaluation.geometries import Geometries
from molaug.evaluation.geometry_validity import GeometryJudgement, judge_geometries
from molaug.evaluation.partition import Reference, partition
from molaug.evaluation.polished import PolishJudgement, judge_polished, medians
from molaug.evaluation.protocol import GEOMETRY_PROTOCOL
from molaug.evaluation.records import CoordinateDistance, GeometryTier, Share
from molaug.evaluation.samples import Samples
from molaug.evaluation.strain import strain
from molaug.filters import MoleculeIndex
from molaug.structures.chemistry import canonical, reason_kind

_UNIQUE = "unique strictly valid molecules"


def has_geometries(samples: Samples) -> bool:
    """Tell whether any sample has a geometry.

    Parameters
    ----------
    samples
        As they were read.

    Returns
    -------
    bool
        False for lists of SMILES.
    """
    return any(geometry is not None for geometry in samples.geometries)


def geometry_tier(
    samples: Samples, reference: Reference | None = None, known: MoleculeIndex | None = None, *, strained: int = 0
) -> GeometryTier:
    """Evaluate the geometries of samples.

    Parameters
    ----------
    samples
        As they were read; those without a geometry count as invalid.
    reference
        Whose held-out geometries they are compared with, and whose parts their molecules are looked up in.
    known
        An index of molecules that are known elsewhere.
    strained
        Strictly valid geometries that are relaxed with GFN2-xTB.

    Returns
    -------
    GeometryTier
        With the version of its definitions.

    Examples
    --------
    >>> from molaug.evaluation.samples import Geometry
    >>> x = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    >>> water = Geometry(numbers=np.array([8, 1, 1]), positions=x)
    >>> tier = geometry_tier(Samples.collect("memory", [("unreadable", water), ("unreadable", None)]))
    >>> tier.shares["strictly valid"], tier.reasons
    (Share(count=1, of=2, among='samples'), {'no geometry': 1})
    """
    held = Geometries.of(
        [((), ()) if geometry is None else (geometry.numbers, geometry.positions) for geometry in samples.geometries]
    )
    known_bonds = {
        k: samples.mols[k]
        for k, geometry in enumerate(samples.geometries)
        if geometry is not None and geometry.perceived
    }
    judged = judge_geometries(held, known_bonds)
    polished = judge_polished(judged)
    names = [name for name, reason in zip(judged.names, judged.reasons, strict=True) if name and reason is None]
    unique = list(dict.fromkeys(names))
    shares = {
        **_edm_shares(held, judged),
        **_strict_shares(samples, judged, names),
        **_polished_shares(samples, judged, polished),
        **_views(samples, judged),
    }
    figures = medians(polished.done)
    raw = [mol for mol, reason in zip(judged.mols, judged.reasons, strict=True) if mol is not None and reason is None]
    if strained:
        relaxed = strain(raw, names, strained)
        shares["relaxed by GFN2-xTB"] = Share(
            count=relaxed.relaxed, of=relaxed.asked, among="strictly valid samples chosen"
        )
        figures["strain (median, meV/atom)"] = float(np.median(relaxed.meV_per_atom)) if relaxed.relaxed else None
    measured = None if reference is None or not len(reference.geometries) else reference.coordinates
    return GeometryTier(
        protocol=GEOMETRY_PROTOCOL,
        n_samples=len(samples),
        shares=shares,
        reasons=_counted(judged.reasons),
        polished_reasons=_counted(polished.reasons),
        partition={
            place: Share(count=count, of=len(unique), among=_UNIQUE)
            for place, count in partition(unique, reference, known).items()
        },
        figures=figures,
        distances=_distances(raw, measured),
        polished_distances=_distances([mol for mol in polished.mols if mol is not None], measured),
    )


def _edm_shares(held: Geometries, judged: GeometryJudgement) -> dict[str, Share]:
    valid = [name for name in edm_smiles(held, judged.bonds) if name is not None]
    n = len(held)
    return {
        "with a geometry": Share(count=int((held.sizes > 0).sum()), of=n, among="samples"),
        "EDM atom stability": Share(
            count=int(judged.bonds.stable_atoms.sum()), of=len(judged.bonds.stable_atoms), among="atoms"
        ),
        "EDM molecule stability": Share(count=int(judged.bonds.stable.sum()), of=n, among="samples"),
        "EDM validity": Share(count=len(valid), of=n, among="samples"),
        "EDM valid and unique": Share(count=len(set(valid)), of=n, among="samples"),
        "connected": Share(count=int(judged.connected.sum()), of=n, among="samples"),
    }


def _strict_shares(samples: Samples, judged: GeometryJudgement, names: list[str]) -> dict[str, Share]:
    strict = judged.strict
    return {
        "strictly valid": Share(count=len(names), of=len(samples), among="samples"),
        "unique": Share(count=len(set(names)), of=len(names), among="strictly valid samples"),
        "bonds by the table": Share(
            count=int((strict & judged.bonds.stable).sum()), of=len(names), among="strictly valid samples"
        ),
    }


def _polished_shares(samples: Samples, judged: GeometryJudgement, polished: PolishJudgement) -> dict[str, Share]:
    n, done = len(samples), polished.done
    names = [name for name, reason in zip(judged.names, polished.reasons, strict=True) if reason is None]
    return {
        "strictly valid, polished": Share(count=len(names), of=n, among="samples"),
        "unique, polished": Share(count=len(set(names)), of=len(names), among="strictly valid samples, polished"),
        "EDM molecule stability, polished": Share(count=int(polished.stable.sum()), of=n, among="samples"),
        "minimum reached": Share(count=sum(found.converged for found in done), of=len(done), among="polished samples"),
        "polished by UFF": Share(
            count=sum(found.force_field == "uff" for found in done), of=len(done), among="polished samples"
        ),
    }


def _views(samples: Samples, judged: GeometryJudgement) -> dict[str, Share]:
    """Compare the bonds that came with geometries with those that the coordinates show."""
    drawn = [
        (geometry.drawn, name)
        for geometry, name in zip(samples.geometries, judged.names, strict=True)
        if geometry is not None and geometry.drawn is not None
    ]
    if not drawn:
        return {}
    agree = sum(name is not None and _flat(mol) == name for mol, name in drawn)
    return {"bonds drawn are those perceived": Share(count=agree, of=len(drawn), among="samples with bonds drawn")}


def _flat(drawn: Chem.Mol) -> str | None:
    mol = Chem.Mol(drawn)
    with BlockLogs():
        if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
            return None
    try:
        return canonical(mol, isomeric=False)
    except (ValueError, RuntimeError):
        return None


def _distances(mols: list[Chem.Mol], reference: ReferenceCoordinates | None) -> dict[str, CoordinateDistance]:
    if reference is None:
        return {}
    ours = wasserstein_distances(coordinates(mols), reference.half)
    chance = wasserstein_distances(reference.by_chance(len(mols)), reference.half)
    found = {}
    for quantity, one in ours.items():
        other = chance[quantity].distance
        found[quantity] = CoordinateDistance(
            distance=one.distance,
            by_chance=other,
            ratio=one.distance / other if one.distance is not None and other else None,
            unit=one.unit,
            compared=Share(count=one.compared, of=one.values, among=f"{quantity} of the reference"),
            types=one.types,
        )
    return found


def _counted(reasons: Iterable[str | None]) -> dict[str, int]:
    counts = Counter(reason_kind(reason) for reason in reasons if reason is not None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

"""The tables of the figures that rest on geometries."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from molaug.evaluation.records import CoordinateDistance, Evaluation, GeometryTier, Share
from molaug.evaluation.table_cells import PLACE_LABELS, empty_table, number, percent, put_row

_DASH = "–"


def geometry_shares(evaluation: Evaluation) -> Table:
    """Lay out shares, reasons and figures.

    Parameters
    ----------
    evaluation
        With geometries in some file.

    Returns
    -------
    Table
        One column for each file.
    """
    version = next(file.geometry.protocol for file in evaluation.files if file.geometry is not None)
    table = empty_table(evaluation, f"geometry (protocol {version})", "of")
    tiers = [file.geometry for file in evaluation.files]
    first = next(tier for tier in tiers if tier is not None)
    for name in first.shares:
        _share_row(table, evaluation, name, f"shares.{name}", {k: tier.shares[name] for k, tier in _of(tiers)})
        for title, group in (("strictly valid", "reasons"), ("strictly valid, polished", "polished_reasons")):
            if name == title:
                _reason_rows(table, evaluation, group)
    for place in first.partition:
        found = {k: tier.partition[place] for k, tier in _of(tiers)}
        _share_row(table, evaluation, PLACE_LABELS[place], f"partition.{place}", found)
    for name in first.figures:
        values = {k: tier.figures[name] for k, tier in _of(tiers)}
        if any(value is not None for value in values.values()):
            cells = [number(values.get(k)) for k in range(len(tiers))]
            put_row(table, evaluation, (name, ""), cells, f"geometry.figures.{name}", percentage=False)
    return table


def coordinate_distances(evaluation: Evaluation) -> Table:
    """Lay out how far lengths and angles are from those of the reference.

    Parameters
    ----------
    evaluation
        With geometries in some file.

    Returns
    -------
    Table
        Without rows where there is no reference.
    """
    table = empty_table(evaluation, "Wasserstein distance", "of", "by chance")
    tiers = [file.geometry for file in evaluation.files]
    for group, label in (("distances", "raw"), ("polished_distances", "polished")):
        first: Mapping[str, CoordinateDistance] = next(getattr(tier, group) for tier in tiers if tier is not None)
        for quantity, distance in first.items():
            found = {k: getattr(tier, group)[quantity].distance for k, tier in _of(tiers)}
            cells = [number(found.get(k)) for k in range(len(tiers))]
            head = (f"{quantity} ({distance.unit})", label, number(distance.by_chance))
            put_row(table, evaluation, head, cells, f"geometry.{group}.{quantity}", percentage=False)
    return table


def _of(tiers: list[GeometryTier | None]) -> list[tuple[int, GeometryTier]]:
    return [(k, tier) for k, tier in enumerate(tiers) if tier is not None]


def _share_row(table: Table, evaluation: Evaluation, label: str, key: str, found: Mapping[int, Share]) -> None:
    cells = [percent(found[k]) if k in found else _DASH for k in range(len(evaluation.files))]
    among = next(iter(found.values())).among
    put_row(table, evaluation, (label, among), cells, f"geometry.{key}", percentage=True)


def _reason_rows(table: Table, evaluation: Evaluation, group: str) -> None:
    tiers = _of([file.geometry for file in evaluation.files])
    for kind in dict.fromkeys(kind for _, tier in tiers for kind in getattr(tier, group)):
        found = {
            k: Share(count=getattr(tier, group).get(kind, 0), of=tier.n_samples, among="samples") for k, tier in tiers
        }
        _share_row(table, evaluation, f"  not: {kind}", f"{group}.{kind}", found)

"""What an evaluation found: every share with its denominator, mean and spread over files, and its file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev

from pydantic import TypeAdapter, ValidationError

from molaug.evaluation.distribution import Distribution
from molaug.evaluation.protocol import PROTOCOL


@dataclass(frozen=True, kw_only=True)
class Share:
    """A count and what it is a part of.

    Parameters
    ----------
    count
        How many.
    of
        Of how many.
    among
        What those are.

    Examples
    --------
    >>> Share(count=1, of=4, among="samples").value
    0.25
    """

    count: int
    of: int
    among: str

    @property
    def value(self) -> float | None:
        """The share in [0, 1]; None of nothing."""
        return self.count / self.of if self.of else None


@dataclass(frozen=True, kw_only=True)
class Distances:
    """How far a distribution of the unique valid molecules is from those of the reference.

    Parameters
    ----------
    train
        Jensen–Shannon distance to the training part; None where there is nothing to compare, as in all others.
    held_out
        To the validation and test parts together.
    by_chance
        To the training part, expected of as many random molecules of it.
    """

    train: float | None
    held_out: float | None
    by_chance: float | None


@dataclass(frozen=True, kw_only=True)
class GraphTier:
    """The figures of one file that rest on its molecular graphs.

    Parameters
    ----------
    n_samples
        All samples.
    shares
        By name, see the page on evaluation for each.
    reasons
        Samples that are not strictly valid, by kind of reason, most frequent first.
    partition
        Unique strictly valid molecules by where they are found.
    figures
        Yields, costs and quantiles by name; None where something they need was not given.
    distributions
        Of the unique strictly valid molecules, by quantity.
    distances
        Of those, by quantity; empty without a reference.
    """

    n_samples: int
    shares: dict[str, Share]
    reasons: dict[str, int]
    partition: dict[str, Share]
    figures: dict[str, float | None]
    distributions: dict[str, Distribution]
    distances: dict[str, Distances]


@dataclass(frozen=True, kw_only=True)
class CoordinateDistance:
    """How far lengths or angles of samples are from those of the held-out reference geometries.

    Parameters
    ----------
    distance
        Wasserstein-1 distance, averaged over types; None where there is nothing to compare, as in all others.
    by_chance
        That of as many other held-out geometries.
    ratio
        The one divided by the other: 1 is as near as can be told.
    unit
        Å or °.
    compared
        Values of the reference whose type is compared.
    types
        The distance of each type, the most frequent first.
    """

    distance: float | None
    by_chance: float | None
    ratio: float | None
    unit: str
    compared: Share
    types: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class GeometryTier:
    """The figures of one file that rest on its geometries alone.

    Parameters
    ----------
    protocol
        Version of the definitions of this tier.
    n_samples
        All samples, those without a geometry too.
    shares
        By name, see the page on evaluation for each.
    reasons
        Samples that are not strictly valid, by kind of reason, most frequent first.
    polished_reasons
        Likewise after the polish.
    partition
        Unique strictly valid molecules by where they are found.
    figures
        Others by name; None where there is nothing to average.
    distances
        Of the strictly valid geometries, by quantity; empty without reference geometries.
    polished_distances
        Of those that are strictly valid after the polish.
    """

    protocol: str
    n_samples: int
    shares: dict[str, Share]
    reasons: dict[str, int]
    polished_reasons: dict[str, int]
    partition: dict[str, Share]
    figures: dict[str, float | None]
    distances: dict[str, CoordinateDistance]
    polished_distances: dict[str, CoordinateDistance]


@dataclass(frozen=True, kw_only=True)
class FileEvaluation:
    """The figures of one file.

    Parameters
    ----------
    source
        The file.
    graph
        What rests on molecular graphs.
    geometry
        What rests on geometries; None where no sample has one.
    """

    source: str
    graph: GraphTier
    geometry: GeometryTier | None = None


@dataclass(frozen=True, kw_only=True)
class ReferenceRecord:
    """What the samples were held against.

    Parameters
    ----------
    name
        Of the files or datasets.
    molecules
        Distinct molecules by part.
    unread
        Entries that are no molecule.
    compared
        Molecules whose distributions were compared, of ``train`` and ``held-out``.
    distances
        Jensen–Shannon distances between those two, by quantity: what a perfect generator has.
    geometries
        Held-out geometries that were looked at, and how many of them were strictly valid and measured; None where no
        sample has a geometry.
    """

    name: str
    molecules: dict[str, int]
    unread: int
    compared: dict[str, int]
    distances: dict[str, float | None]
    geometries: Share | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure over several files.

    Parameters
    ----------
    mean
        Over the files that have it.
    sd
        Sample standard deviation; None for a single file.
    n
        Files that have it.
    """

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The evaluation of one or several files of generated molecules.

    Parameters
    ----------
    protocol
        Version of the definitions.
    versions
        Of molaug and RDKit: validity and canonical names are RDKit's.
    known
        Name and size of the index of known molecules; None without one.
    reference
        None without one.
    files
        One entry each.
    """

    protocol: str
    versions: dict[str, str]
    known: dict[str, str | int] | None
    reference: ReferenceRecord | None
    files: tuple[FileEvaluation, ...]

    def summary(self) -> dict[str, Figure]:
        """Return mean and standard deviation of every figure over the files.

        Returns
        -------
        dict
            By name, for instance ``shares.strictly valid`` or ``distances.train.rings``; those of geometries begin
            with ``geometry.``.
        """
        values: dict[str, list[float]] = {}
        kinds = tuple(dict.fromkeys(kind for file in self.files for kind in file.graph.reasons))
        tiers = [file.geometry for file in self.files if file.geometry is not None]
        raw = tuple(dict.fromkeys(kind for tier in tiers for kind in tier.reasons))
        polished = tuple(dict.fromkeys(kind for tier in tiers for kind in tier.polished_reasons))
        for file in self.files:
            found = list(_figures(file.graph, kinds))
            if file.geometry is not None:
                found += [
                    (f"geometry.{name}", value) for name, value in _geometry_figures(file.geometry, raw, polished)
                ]
            for name, value in found:
                values.setdefault(name, []).extend([] if value is None else [value])
        return {
            name: Figure(mean=fmean(held), sd=stdev(held) if len(held) > 1 else None, n=len(held))
            for name, held in values.items()
            if held
        }

    def to_json(self) -> str:
        """Return everything as JSON; shares are written beside their counts, and the summary beside the files.

        Returns
        -------
        str
            To be read by :meth:`from_json`.
        """
        held = asdict(self)
        for file, record in zip(held["files"], self.files, strict=True):
            for tier in ("graph", "geometry"):
                for name in ("shares", "partition") if getattr(record, tier) is not None else ():
                    for key, share in getattr(getattr(record, tier), name).items():
                        file[tier][name][key]["value"] = share.value
        held["summary"] = {name: asdict(figure) for name, figure in self.summary().items()}
        return json.dumps(held, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read what :meth:`to_json` wrote.

        Parameters
        ----------
        text
            The JSON.

        Returns
        -------
        Evaluation
            Equal to the one written.

        Raises
        ------
        ValueError
            If it is something else or of another protocol.
        """
        held = json.loads(text)
        if not isinstance(held, Mapping) or held.get("protocol") != PROTOCOL:
            given = held.get("protocol") if isinstance(held, Mapping) else None
            raise ValueError(f"an evaluation of protocol {given!r}; this molaug reads protocol {PROTOCOL!r}")
        try:
            found: Evaluation = TypeAdapter(cls).validate_python(dict(held))
        except ValidationError as error:
            raise ValueError(f"not an evaluation as molaug writes it: {error}") from error
        return found

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read a file written with :meth:`to_json`.

        Parameters
        ----------
        path
            The JSON file.

        Returns
        -------
        Evaluation
            Equal to the one written.
        """
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    def text(self) -> str:
        """Return the figures as a table with their denominators.

        Returns
        -------
        str
            Plain text.
        """
        from molaug.evaluation.table import text

        return text(self)


def _figures(tier: GraphTier, kinds: Sequence[str]) -> Iterator[tuple[str, float | None]]:
    yield "n_samples", float(tier.n_samples)
    yield from ((f"reasons.{kind}", tier.reasons.get(kind, 0) / tier.n_samples) for kind in kinds)
    for group in ("shares", "partition"):
        held: dict[str, Share] = getattr(tier, group)
        yield from ((f"{group}.{name}", share.value) for name, share in held.items())
    for name, value in tier.figures.items():
        yield f"figures.{name}", value
    for quantity, distances in tier.distances.items():
        yield f"distances.train.{quantity}", distances.train
        yield f"distances.held_out.{quantity}", distances.held_out


def _geometry_figures(
    tier: GeometryTier, raw: Sequence[str], polished: Sequence[str]
) -> Iterator[tuple[str, float | None]]:
    yield from ((f"reasons.{kind}", tier.reasons.get(kind, 0) / tier.n_samples) for kind in raw)
    yield from ((f"polished_reasons.{kind}", tier.polished_reasons.get(kind, 0) / tier.n_samples) for kind in polished)
    for group in ("shares", "partition"):
        held: dict[str, Share] = getattr(tier, group)
        yield from ((f"{group}.{name}", share.value) for name, share in held.items())
    yield from ((f"figures.{name}", value) for name, value in tier.figures.items())
    for group in ("distances", "polished_distances"):
        found: dict[str, CoordinateDistance] = getattr(tier, group)
        for quantity, distance in found.items():
            yield f"{group}.{quantity}", distance.distance
            yield f"{group}.{quantity}.ratio", distance.ratio

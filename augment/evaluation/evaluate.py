"""From files of generated molecules to their evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rdkit

from molaug import __version__
from molaug.evaluation.accessibility import accessibility
from molaug.evaluation.distribution import CLASSES, distance, distance_by_chance, distributions
from molaug.evaluation.geometry_tier import geometry_tier, has_geometries
from molaug.evaluation.partition import HELD_OUT, Reference, partition
from molaug.evaluation.protocol import PROTOCOL, QUANTILES
from molaug.evaluation.records import Distances, Evaluation, FileEvaluation, GraphTier, ReferenceRecord, Share
from molaug.evaluation.samples import Samples, read_samples
from molaug.evaluation.validity import judge
from molaug.filters import MoleculeIndex, load_index
from molaug.structures.chemistry import reason_kind
from molaug.structures.datasets import Dataset

_UNIQUE = "unique strictly valid molecules"


def evaluate_samples(
    files: str | Path | Samples | Sequence[str | Path | Samples],
    *,
    reference: str | Path | Dataset | Reference | Sequence[str | Path | Dataset] | None = None,
    known: str | Path | MoleculeIndex | None = "qm9-keys",
    cpu_seconds: float | Sequence[float] | None = None,
    strain: int = 0,
) -> Evaluation:
    """Evaluate generated molecules.

    Parameters
    ----------
    files
        One file, or one for each seed; see :func:`molaug.evaluation.read_samples` for the formats.
        :func:`molaug.evaluation.smiles_samples` takes SMILES in memory.
    reference
        The data that the generator was made for: lists of SMILES, datasets by name or path, or a
        :class:`molaug.evaluation.Reference` that is used again. Its molecules are split by
        :func:`molaug.structures.split.split_of`; a generator that was trained on another split has seen
        molecules that count as held-out here.
    known
        An index of molecules that are known elsewhere, by name or path; None for none.
    cpu_seconds
        Processor time that sampling took, one number for each file.
    strain
        Strictly valid geometries of each file, chosen by lot, that are relaxed with GFN2-xTB.

    Returns
    -------
    Evaluation
        With the version of the protocol.

    Raises
    ------
    FileNotFoundError
        If a file, the reference or the index is missing.
    ValueError
        If a file is empty or of unknown format, the times are not one for each file and positive, or
        ``strain`` is negative or asked of a file without geometries.
    ImportError
        If ``strain`` is asked for and tblite is not installed.

    Examples
    --------
    >>> from molaug.evaluation import smiles_samples
    >>> found = evaluate_samples(smiles_samples(["CCO", "OCC", "C1CC", "CC.O"]))
    >>> shares = found.files[0].graph.shares
    >>> shares["strictly valid"].value, shares["unique"].value
    (0.5, 0.5)
    """
    given = [files] if isinstance(files, str | Path | Samples) else list(files)
    if not given:
        raise ValueError("no files of samples; expected at least one")
    if strain < 0:
        raise ValueError(f"strain={strain}; expected how many geometries to relax, 0 for none")
    times = _times(cpu_seconds, len(given))
    index = known if known is None or isinstance(known, MoleculeIndex) else load_index(known)
    # every file is read before the reference, which takes longest: what is missing or empty is said at once
    samples = [item if isinstance(item, Samples) else read_samples(item) for item in given]
    spatial = [has_geometries(one) for one in samples]
    if strain and not all(spatial):
        raise ValueError(f"{samples[spatial.index(False)].source} holds no geometries; leave out strain={strain}")
    held = _reference(reference)
    return Evaluation(
        protocol=PROTOCOL,
        versions={"molaug": __version__, "rdkit": rdkit.__version__},
        known=None if index is None else {"name": _name(known), "molecules": len(index)},
        reference=None if held is None else _record(held, measured=any(spatial)),
        files=tuple(
            FileEvaluation(
                source=one.source,
                graph=_graph_tier(one, held, index, time),
                geometry=geometry_tier(one, held, index, strained=strain) if in_space else None,
            )
            for one, time, in_space in zip(samples, times, spatial, strict=True)
        ),
    )


def _graph_tier(
    samples: Samples, reference: Reference | None, known: MoleculeIndex | None, cpu_seconds: float | None
) -> GraphTier:
    judged = judge(samples)
    names = judged.strict_names()
    unique = list(dict.fromkeys(names))
    places = partition(unique, reference, known)
    parsed = [name for name in judged.names if name is not None]
    n = len(samples)
    shares = {
        "parsed": Share(count=len(parsed), of=n, among="samples"),
        "strictly valid": Share(count=len(names), of=n, among="samples"),
        "relaxed valid": Share(count=int(judged.relaxed.sum()), of=n, among="samples"),
        "unique": Share(count=len(unique), of=len(names), among="strictly valid samples"),
        "unique of parsed": Share(count=len(set(parsed)), of=len(parsed), among="parsed samples"),
        "with formal charges": Share(count=int(judged.ions.sum()), of=len(parsed), among="parsed samples"),
        "net charged": Share(count=int(judged.charged.sum()), of=len(parsed), among="parsed samples"),
    }
    if reference is not None:
        found_again = sum(places[part] for part in HELD_OUT)
        shares["held-out recall"] = Share(
            count=found_again, of=reference.count(*HELD_OUT), among="held-out molecules of the reference"
        )
        shares["held-out"] = Share(count=found_again, of=len(unique), among=_UNIQUE)
    reasons = Counter(reason_kind(reason) for reason in judged.reasons if reason is not None)
    found = distributions(unique)
    return GraphTier(
        n_samples=n,
        shares=shares,
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        partition={place: Share(count=count, of=len(unique), among=_UNIQUE) for place, count in places.items()},
        figures={**_yields(n, len(unique), places["new"], cpu_seconds), **_quantiles(unique)},
        distributions=found,
        distances={}
        if reference is None
        else {
            quantity: Distances(
                train=distance(found[quantity], reference.distributions["train"][quantity], quantity),
                held_out=distance(found[quantity], reference.distributions["held-out"][quantity], quantity),
                by_chance=distance_by_chance(found[quantity], reference.distributions["train"][quantity], quantity),
            )
            for quantity in CLASSES
        },
    )


def _yields(n: int, unique: int, new: int, cpu_seconds: float | None) -> dict[str, float | None]:
    def per(count: float) -> float | None:
        return None if cpu_seconds is None else count / cpu_seconds

    return {
        "unique valid per 100 samples": 100 * unique / n,
        "new per 100 samples": 100 * new / n,
        "cpu seconds per sample": None if cpu_seconds is None else cpu_seconds / n,
        "unique valid per cpu second": per(unique),
        "new per cpu second": per(new),
    }


def _quantiles(unique: list[str]) -> dict[str, float | None]:
    scores = accessibility(unique) if unique else None
    finite = None if scores is None else scores[np.isfinite(scores)]
    return {
        f"synthetic accessibility {quantile:.0%}": float(np.quantile(finite, quantile))
        if finite is not None and len(finite)
        else None
        for quantile in QUANTILES
    }


def _record(reference: Reference, *, measured: bool) -> ReferenceRecord:
    train, held_out = (reference.distributions[part] for part in ("train", "held-out"))
    return ReferenceRecord(
        name=reference.name,
        molecules={part: reference.count(part) for part in ("train", *HELD_OUT)},
        unread=reference.unread,
        compared=reference.compared,
        distances={quantity: distance(train[quantity], held_out[quantity], quantity) for quantity in CLASSES},
        geometries=Share(
            count=len(reference.coordinates.mols), of=reference.coordinates.drawn, among="held-out geometries"
        )
        if measured
        else None,
    )


def _reference(
    given: str | Path | Dataset | Reference | Sequence[str | Path | Dataset] | None,
) -> Reference | None:
    if given is None or isinstance(given, Reference):
        return given
    return Reference.build([given] if isinstance(given, str | Path | Dataset) else given)


def _times(given: float | Sequence[float] | None, n: int) -> list[float | None]:
    if given is None:
        return [None] * n
    times = [given] if isinstance(given, int | float) else list(given)
    if len(times) != n or not all(np.isfinite(time) and time > 0 for time in times):
        raise ValueError(f"cpu_seconds {times} for {n} files; expected one positive number for each file")
    return [float(time) for time in times]


def _name(known: str | Path | MoleculeIndex | None) -> str:
    return repr(known) if isinstance(known, MoleculeIndex) else str(known)

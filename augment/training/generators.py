"""What the trainings of all generators do: read and count molecules, train, write checkpoint and card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molaug.training.card import card
from molaug.training.fitting import Fitting


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A kind of generator.

    Parameters
    ----------
    name
        Of the command, and of the folder by default.
    data
        Class of the data module.
    model
        Class of the Lightning module; it has ``pipeline()``.
    noun
        What is learned from.
    largest
        Describes the largest molecule, of the prepared molecules.
    what
        What the card says that it is, and what its metrics mean.
    use
        Example of its use, with ``{folder}``.
    """

    name: str
    data: type
    model: type
    noun: str
    largest: Callable[[Any], str]
    what: str
    use: str


def fit_generator(kind: Trained, options: Sequence[str]) -> Path:
    """Train a generator and write its checkpoint and card.

    Parameters
    ----------
    kind
        Which.
    options
        As on the command line: ``--data FILE``, ``--out FOLDER``, those of the data module, ``--model.…`` of the
        module and ``--trainer.…`` of Lightning's trainer.

    Returns
    -------
    pathlib.Path
        The checkpoint.
    """
    fitting = Fitting.parse(kind.name, options, data=kind.data, model=kind.model)
    data = fitting.data()
    molecules = data.molecules
    counts = {part: len(molecules.part(part)) for part in ("train", "validation", "test")}
    names, largest = ", ".join(molecules.types.names), kind.largest(molecules)
    if fitting.leads:
        listed = ", ".join(f"{n:,} {part}" for part, n in counts.items())
        left_out = "; ".join(f"{n:,} × {reason}" for reason, n in molecules.rejected.items()) or "nothing"
        print(f"{len(molecules):,} {kind.noun}: {listed}; left out: {left_out}", flush=True)
        print(f"atoms: {names}; at most {largest}", flush=True)
    complete = fitting.prepare({kind.noun: counts, "types": list(molecules.types.names)})
    if complete is not None:
        print(f"{fitting.out} is complete: {complete.steps:,} steps; --fresh trains anew", flush=True)
        return fitting.out
    model = fitting.model(domain=data.domain)
    result = fitting.run(model, data)
    if fitting.leads:
        model.pipeline().save(fitting.out)
        scales = data.domain["conditions"]
        conditions = ", ".join(f"{k}: mean {m:.4g}, standard deviation {s:.4g}" for k, (m, s) in scales.items())
        text = card(
            fitting.out.resolve().name,
            kind.what,
            sources=[str(source) for source in fitting.options.data],
            counts=counts,
            rejected=molecules.rejected,
            facts={"atoms": f"{names}; at most {largest}", "conditions": conditions or "none"},
            result=result,
            use=kind.use.format(folder=fitting.out),
        )
        (fitting.out / "README.md").write_text(text)
        fitting.finish(result)
        print(f"written: {fitting.out}", flush=True)
    return fitting.out

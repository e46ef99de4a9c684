"""``molaug fit graph``: from molecules to the checkpoint of a graph generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from molaug.generators.graph.data import GraphData
from molaug.generators.graph.training import GraphFlow
from molaug.training.card import card
from molaug.training.fitting import Fitting, Result

_WHAT = """A generator of molecules as graphs of heavy atoms: a discrete flow, trained by `molaug fit graph`.

Metrics starting with `val_` are cross-entropies of the validation part, in nats; `sampled_valid` is the share of drawn
molecules that are valid exactly as drawn, `sampled_unique` the share of distinct ones among those, and
`sampled_unknown` the share of those that are not in the training part."""

_USE = """
from molaug.generators.graph import load_pipeline

samples = load_pipeline("{folder}")(100, seed=0)
print(samples.smiles)
"""


def fit_graph(options: Sequence[str]) -> Path:
    """Train the graph generator and write its checkpoint and card.

    Parameters
    ----------
    options
        As on the command line: ``--data FILE``, ``--out FOLDER``, those of
        :class:`~molaug.generators.graph.data.GraphData`, ``--model.…`` of
        :class:`~molaug.generators.graph.training.GraphFlow` and ``--trainer.…`` of Lightning's trainer.

    Returns
    -------
    pathlib.Path
        The checkpoint, which :func:`molaug.generators.graph.load_pipeline` reads.
    """
    fitting = Fitting.parse("graph", options, data=GraphData, model=GraphFlow)
    data = fitting.data()
    molecules = data.molecules
    counts = {part: len(molecules.part(part)) for part in ("train", "validation", "test")}
    if fitting.leads:
        listed = ", ".join(f"{n:,} {part}" for part, n in counts.items())
        left_out = "; ".join(f"{n:,} × {reason}" for reason, n in molecules.rejected.items()) or "nothing"
        print(f"{len(molecules):,} molecules: {listed}; left out: {left_out}", flush=True)
        print(f"atoms: {', '.join(molecules.types.names)}; at most {molecules.graphs.n_max} a molecule", flush=True)
    complete = fitting.prepare({"molecules": counts, "types": list(molecules.types.names)})
    if complete is not None:
        print(f"{fitting.out} is complete: {complete.steps:,} steps; --fresh trains anew", flush=True)
        return fitting.out
    model = fitting.model(domain=data.domain)
    result = fitting.run(model, data)
    if fitting.leads:
        model.pipeline().save(fitting.out)
        (fitting.out / "README.md").write_text(_card(fitting, data, result))
        fitting.finish(result)
        print(f"written: {fitting.out}", flush=True)
    return fitting.out


def _card(fitting: Fitting, data: GraphData, result: Result) -> str:
    molecules, scales = data.molecules, data.domain["conditions"]
    facts = {
        "atoms": f"{', '.join(molecules.types.names)}; at most {molecules.graphs.n_max} heavy ones a molecule",
        "conditions": ", ".join(f"{k}: mean {m:.4g}, standard deviation {s:.4g}" for k, (m, s) in scales.items())
        or "none",
    }
    return card(
        fitting.out.resolve().name,
        _WHAT,
        sources=[str(source) for source in fitting.options.data],
        counts={part: len(molecules.part(part)) for part in ("train", "validation", "test")},
        rejected=molecules.rejected,
        facts=facts,
        result=result,
        use=_USE.format(folder=fitting.out),
    )

"""``molaug fit graph``: from molecules to the checkpoint of a graph generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from molaug.training.fitting import Fitting, imported


def fit_graph(options: Sequence[str]) -> Path:
    """Train the graph generator and write its checkpoint.

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
    with imported():
        from molaug.generators.graph.data import GraphData
        from molaug.generators.graph.training import GraphFlow
    fitting = Fitting.parse("graph", options, data=GraphData, model=GraphFlow)
    data = fitting.data()
    molecules = data.molecules
    counts = {part: len(molecules.part(part)) for part in ("train", "validation", "test")}
    print(f"{len(molecules)} molecules: {counts}; left out: {molecules.rejected or 'none'}", flush=True)
    print(f"atom types: {', '.join(molecules.types.names)}; at most {molecules.graphs.n_max} heavy atoms", flush=True)
    model = fitting.run(fitting.model(domain=data.domain), data)
    model.pipeline().save(fitting.out)
    print(f"written: {fitting.out}", flush=True)
    return fitting.out

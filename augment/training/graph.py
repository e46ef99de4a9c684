"""``molaug fit graph``: from molecules to the checkpoint of a graph generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from molaug.generators.graph.data import GraphData
from molaug.generators.graph.training import GraphFlow
from molaug.training.generators import Trained, fit_generator

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
    kind = Trained(
        name="graph",
        data=GraphData,
        model=GraphFlow,
        noun="molecules",
        largest=lambda molecules: f"{molecules.graphs.n_max} heavy ones a molecule",
        what=_WHAT,
        use=_USE,
    )
    return fit_generator(kind, options)
